//! The child processes of `confwright check --deterministic`: each differs from the first in one thing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};

use crate::determinism::{Canary, Compiled, Print, failed};
use crate::diagnostic::{Diagnostic, code};
use crate::source::World;
use crate::write::InputCopy;

/// What is changed through variables of the environment, one row a process.
///
/// Artifacts are rendered by one thread; the last rows hold it to that, should a library ever start more.
const VARIABLES: [(&str, &[(&str, &str)]); 7] = [
    ("the time zone", &[("TZ", "Pacific/Kiritimati")]),
    ("the time zone", &[("TZ", "America/Adak")]),
    ("the locale", &[("LANG", "tr_TR.UTF-8"), ("LANGUAGE", "tr"), ("LC_ALL", "tr_TR.UTF-8")]),
    ("the home directory", &[("HOME", "/nonexistent/home")]),
    ("the user", &[("USER", "somebody"), ("LOGNAME", "somebody")]),
    ("the number of threads", &[("RAYON_NUM_THREADS", "1")]),
    ("the number of threads", &[("RAYON_NUM_THREADS", "64")]),
];

/// The argument for rendering with Tera alone.
const TERA: &str = "--engine=tera";

const UMASKS: [&str; 2] = ["000", "077"];

/// Variables that the canary sets beside those of this process.
const USUAL: [&str; 24] = [
    "DISPLAY",
    "EDITOR",
    "HOME",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_TIME",
    "LOGNAME",
    "MAIL",
    "OLDPWD",
    "PATH",
    "PWD",
    "RAYON_NUM_THREADS",
    "SHELL",
    "SOURCE_DATE_EPOCH",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CONFIG_HOME",
];

/// The processes that compile a project once more.
pub(super) struct Processes<'a> {
    /// The program: this one.
    pub(super) executable: PathBuf,
    /// The project's root, absolute.
    pub(super) root: &'a Utf8Path,
    /// The arguments that select a part of the project.
    pub(super) part: Vec<String>,
    /// Folders for copies of the inputs, in which the order of creation shows; the first that serves is used.
    pub(super) memory: Vec<Utf8PathBuf>,
    /// Once set, nothing more is started.
    pub(super) stop: Arc<AtomicBool>,
}

impl Processes<'_> {
    /// Compiles in one process after the other and compares each with `compiled`.
    pub(super) fn compare(&self, compiled: &Compiled<'_>, world: &dyn World) -> Vec<Diagnostic> {
        let plain = Child::of(self, "another process, with an empty environment");
        let found = plain.compare(compiled);
        // What differs between any two processes differs between all: it says nothing of what was changed.
        if !found.is_empty() {
            return found;
        }
        let mut children = Vec::new();
        for (what, variables) in VARIABLES {
            let shown: Vec<String> =
                variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut child = Child::of(self, format!("{what} ({})", shown.join(" ")));
            child.variables.extend(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            children.push(child);
        }
        for umask in UMASKS {
            let mut child = Child::of(self, format!("the umask ({umask})"));
            child.umask = Some(umask);
            children.push(child);
        }
        let mut child = Child::of(self, "the working directory (/)");
        child.directory = "/".into();
        children.push(child);
        // The segment programs print what Tera does, or one of the two is wrong.
        if !self.part.iter().any(|argument| argument == TERA) {
            let mut child = Child::of(self, "Tera in the place of the fast path");
            child.arguments.push(TERA.into());
            children.push(child);
        }

        let mut found: Vec<Diagnostic> = children.iter().flat_map(|child| child.compare(compiled)).collect();
        found.extend(self.canary(compiled));
        found.extend(self.copies(compiled, world));
        found
    }

    /// Fills the environment with needles, which no artifact may hold.
    fn canary(&self, compiled: &Compiled<'_>) -> Vec<Diagnostic> {
        let canary = Canary::random();
        let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let names: BTreeSet<String> = inherited.chain(USUAL.map(str::to_owned)).collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut child = Child::of(self, "other values of all environment variables");
        for (number, name) in names.iter().enumerate() {
            let needle = canary.needle(number);
            // Without what these say the program may not start.
            let mut value =
                if is_loaders(name) { std::env::var_os(name).unwrap_or_default() } else { "".into() };
            if !value.is_empty() {
                value.push(":");
            }
            value.push(needle);
            child.variables.push((name.into(), value));
        }
        child.arguments.extend(["--canary".into(), canary.text().into()]);
        match child.prints() {
            None => Vec::new(),
            Some(Err(diagnostic)) => vec![*diagnostic],
            Some(Ok(prints)) => {
                let mut found = compiled.leaks(&prints, &names);
                if found.is_empty() {
                    found = child.compare_prints(compiled, prints);
                }
                found
            }
        }
    }

    /// Copies the inputs, and changes their times and the order in which they were created.
    fn copies(&self, compiled: &Compiled<'_>, world: &dyn World) -> Vec<Diagnostic> {
        if self.stop.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut found = Vec::new();
        if let Err(error) = self.copies_into(compiled, world, &mut found) {
            let message =
                format!("the inputs cannot be copied, so their times and order were not tried: {error}");
            found.push(Diagnostic::error(&code::DETERMINISM, message));
        }
        found
    }

    fn copies_into(
        &self,
        compiled: &Compiled<'_>,
        world: &dyn World,
        found: &mut Vec<Diagnostic>,
    ) -> io::Result<()> {
        // Times that no clock shows today, either side of every file's own.
        let early = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        let inputs = compiled.inputs(world)?;
        let filled = |folder: &Utf8PathBuf| {
            let copy = InputCopy::below(folder).ok()?;
            copy.fill(&inputs, early).ok().map(|()| copy)
        };
        let copy = if let Some(copy) = self.memory.iter().find_map(filled) {
            copy
        } else {
            let folder = Utf8PathBuf::from_path_buf(std::env::temp_dir())
                .map_err(|folder| io::Error::other(format!("{} is not UTF-8", folder.display())))?;
            let copy = InputCopy::below(&folder)?;
            copy.fill(&inputs, early)?;
            copy
        };
        let child = |what: &str| {
            let mut child = Child::of(self, what);
            child.root = copy.root().to_owned();
            child.directory = copy.root().to_owned();
            child
        };
        found.extend(child("the folder of the project").compare(compiled));
        // What differs because of it differs in all copies.
        if !found.is_empty() {
            return copy.remove();
        }
        let forwards = copy.listing()?;
        copy.touch(&inputs, late)?;
        found.extend(child("the times of the inputs").compare(compiled));
        copy.fill(inputs.iter().rev(), early)?;
        let backwards = copy.listing()?;
        found.extend(child("the order in which the inputs were created").compare(compiled));
        if forwards == backwards {
            let message =
                "the order in which the inputs were created was not tried: no file system here shows it";
            found.push(
                Diagnostic::warning(&code::DETERMINISM, message)
                    .hint("give this machine a tmpfs with room for the inputs, such as /dev/shm"),
            );
        }
        copy.remove()
    }
}

/// Whether the dynamic loader reads a variable (ld.so(8)).
fn is_loaders(name: &str) -> bool {
    name.starts_with("LD_")
}

/// A process that compiles the project.
struct Child<'a> {
    processes: &'a Processes<'a>,
    /// What is different about it.
    what: String,
    root: Utf8PathBuf,
    directory: Utf8PathBuf,
    umask: Option<&'static str>,
    /// All of its environment.
    variables: Vec<(OsString, OsString)>,
    arguments: Vec<OsString>,
}

impl<'a> Child<'a> {
    fn of(processes: &'a Processes<'a>, what: impl Into<String>) -> Self {
        Self {
            processes,
            what: what.into(),
            root: processes.root.to_owned(),
            directory: processes.root.to_owned(),
            umask: None,
            variables: std::env::vars_os()
                .filter(|(name, _)| name.to_str().is_some_and(is_loaders))
                .collect(),
            arguments: Vec::new(),
        }
    }

    fn run(&self, arguments: &[&str]) -> io::Result<Output> {
        let executable: &Path = &self.processes.executable;
        let mut command = match self.umask {
            None => Command::new(executable),
            Some(umask) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\"")).arg(executable);
                shell
            }
        };
        command
            .arg("fingerprint")
            .args(["-C", self.root.as_str()])
            .args(&self.processes.part)
            .args(&self.arguments)
            .args(arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
    }

    /// What it makes; nothing once the check is to stop.
    fn prints(&self) -> Option<Result<Vec<Print>, Box<Diagnostic>>> {
        if self.processes.stop.load(Ordering::Relaxed) {
            return None;
        }
        let output = self.run(&[]);
        // The same interrupt may have ended the child.
        if self.processes.stop.load(Ordering::Relaxed) {
            return None;
        }
        let refused = |why: &str| Box::new(failed(&self.what, why));
        Some(match output {
            Err(error) => Err(refused(&error.to_string())),
            Ok(output) if output.status.success() => output
                .stdout
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(serde_json::from_slice)
                .collect::<Result<_, _>>()
                .map_err(|error| refused(&format!("its output cannot be read: {error}"))),
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                let first = told.lines().find(|line| !line.is_empty());
                Err(refused(first.map_or_else(|| output.status.to_string(), str::to_owned).as_str()))
            }
        })
    }

    fn compare(&self, compiled: &Compiled<'_>) -> Vec<Diagnostic> {
        match self.prints() {
            None => Vec::new(),
            Some(Ok(prints)) => self.compare_prints(compiled, prints),
            Some(Err(diagnostic)) => vec![*diagnostic],
        }
    }

    fn compare_prints(&self, compiled: &Compiled<'_>, prints: Vec<Print>) -> Vec<Diagnostic> {
        let render = |path: &Utf8Path| {
            let output = self.run(&["--artifact", path.as_str()]).ok()?;
            output.status.success().then_some(output.stdout)
        };
        compiled.compare(&self.what, prints, &render, &mut BTreeSet::new())
    }
}

#[cfg(test)]
mod tests;
