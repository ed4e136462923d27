//! The child processes of `confwright check --deterministic`: each renders the project into a private folder, and
//! differs from the first in one thing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::determinism::{Canary, Compiled, Print, failed};
use crate::diagnostic::{Diagnostic, code};
use crate::source::{Disk, World};
use crate::write::{InputCopy, PrivateFolder};

/// What is changed through variables of the environment, one row a process.
const VARIABLES: [(&str, &[(&str, &str)]); 5] = [
    ("the time zone", &[("TZ", "Pacific/Kiritimati")]),
    ("the time zone", &[("TZ", "America/Adak")]),
    ("the locale", &[("LANG", "tr_TR.UTF-8"), ("LANGUAGE", "tr"), ("LC_ALL", "tr_TR.UTF-8")]),
    ("the home directory", &[("HOME", "/nonexistent/home")]),
    ("the user", &[("USER", "somebody"), ("LOGNAME", "somebody")]),
];

/// The argument for rendering with Tera alone.
const TERA: &str = "--engine=tera";

const UMASKS: [&str; 2] = ["000", "077"];

/// Variables that the canary sets beside those of this process.
const USUAL: [&str; 23] = [
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
        let mut child = Child::of(self, "the number of threads (1)");
        child.threads = Threads::One;
        children.push(child);
        // The segment programs print what Tera does, or one of the two is wrong.
        if !self.part.iter().any(|argument| argument == TERA) {
            let mut child = Child::of(self, "Tera in the place of the fast path");
            child.arguments.push(TERA.into());
            children.push(child);
        }

        let mut found: Vec<Diagnostic> = children.iter().flat_map(|child| child.compare(compiled)).collect();
        if thread::available_parallelism().map_or(1, usize::from) == 1 {
            let message = "the number of threads was not tried: this process may use one processor only";
            found.push(
                Diagnostic::warning(&code::DETERMINISM, message).hint("run the check with two or more"),
            );
        }
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
        child.written(compiled, Some(&canary), |prints, bytes| {
            let found = compiled.leaks(&prints, &names);
            if found.is_empty() { child.told(compiled, prints, bytes) } else { found }
        })
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
            let copy = InputCopy::below(&temporary()?)?;
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

/// The folder for files that are soon gone.
pub(super) fn temporary() -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(std::env::temp_dir())
        .map_err(|folder| io::Error::other(format!("{} is not UTF-8", folder.display())))
}

/// How many threads a process may run at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    /// As many as this one.
    All,
    One,
}

/// A process that renders the project.
struct Child<'a> {
    processes: &'a Processes<'a>,
    /// What is different about it.
    what: String,
    root: Utf8PathBuf,
    directory: Utf8PathBuf,
    umask: Option<&'static str>,
    threads: Threads,
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
            threads: Threads::All,
            variables: std::env::vars_os()
                .filter(|(name, _)| name.to_str().is_some_and(is_loaders))
                .collect(),
            arguments: Vec::new(),
        }
    }

    /// Has it write its golden trees below a folder.
    fn run(&self, into: &Utf8Path) -> io::Result<Output> {
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
            .args([super::DETERMINISM_CHILD, into.as_str(), "-C", self.root.as_str(), "--quiet"])
            .args(&self.processes.part)
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        match self.threads {
            Threads::All => command.output(),
            Threads::One => on_one_processor(|| command.output()),
        }
    }

    /// Looks at what it writes, and at the bytes of one of its files; nothing is found once the check is to stop.
    fn written(
        &self,
        compiled: &Compiled<'_>,
        canary: Option<&Canary>,
        find: impl FnOnce(Vec<Print>, &dyn Fn(&Utf8Path) -> Option<Vec<u8>>) -> Vec<Diagnostic>,
    ) -> Vec<Diagnostic> {
        if self.stopped() {
            return Vec::new();
        }
        let folder = match temporary().and_then(|folder| PrivateFolder::below(&folder)) {
            Ok(folder) => folder,
            Err(error) => {
                let message =
                    format!("there is no room for what {} writes, so it was not tried: {error}", self.what);
                let hint = "name a folder for it in the variable TMPDIR";
                return vec![Diagnostic::error(&code::DETERMINISM, message).hint(hint)];
            }
        };
        let written = (|| {
            let output = self.run(folder.path())?;
            if !output.status.success() {
                let told = String::from_utf8_lossy(&output.stderr);
                let first = told.lines().find(|line| !line.is_empty());
                return Err(io::Error::other(first.map_or_else(|| output.status.to_string(), str::to_owned)));
            }
            let disk = Disk::new(folder.path());
            let found = find(compiled.written(folder.path(), canary)?, &|path| disk.read(path).ok());
            folder.remove()?;
            Ok(found)
        })();
        // The same interrupt may have ended the child.
        match written {
            Err(error) if !self.stopped() => vec![failed(&self.what, &error.to_string())],
            written => written.unwrap_or_default(),
        }
    }

    fn stopped(&self) -> bool {
        self.processes.stop.load(Ordering::Relaxed)
    }

    fn compare(&self, compiled: &Compiled<'_>) -> Vec<Diagnostic> {
        self.written(compiled, None, |prints, bytes| self.told(compiled, prints, bytes))
    }

    fn told(
        &self,
        compiled: &Compiled<'_>,
        prints: Vec<Print>,
        bytes: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
    ) -> Vec<Diagnostic> {
        compiled.compare(&self.what, prints, bytes, &mut BTreeSet::new())
    }
}

/// Lets the processes that are started meanwhile run on one processor, which is how many threads they then start.
fn on_one_processor<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let all = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|number| all.is_set(*number)).unwrap_or_default();
    let mut one = CpuSet::new();
    one.set(first);
    // A process has what the thread has that starts it.
    sched_setaffinity(None, &one)?;
    let started = start();
    sched_setaffinity(None, &all)?;
    started
}

#[cfg(test)]
mod tests;
