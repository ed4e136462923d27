//! Native checks: programs of this machine that judge what was rendered, and what they say told at its origin.
//!
//! Each check has a private copy of what its instance makes, rendered for it, and nothing else of the project but the
//! files of its target that its command names. It is run by `process`, if `trust` has it that it may be. The places
//! that its output names are found by `place`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write as _};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Serialize;

use crate::compile::{Compilation, Environment, RenderFailure};
use crate::diagnostic::{Diagnostic, code};
use crate::finding;
use crate::manifest::Sha256;
use crate::plan::Planned;
use crate::source::{Sources, World};
use crate::target::{Check, FailsOn, PLACEHOLDERS, Target};
use crate::write::PrivateFolder;

mod place;
pub(crate) mod process;
pub(crate) mod trust;

use place::Files;
use process::{End, Isolation, Ran};
use trust::Known;

/// A check of an instance of a target in an environment.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    pub(crate) environment: &'a Environment,
    /// The name of the instance.
    pub(crate) instance: &'a str,
    /// The folder below which its artifacts lie.
    root: &'a Utf8Path,
    pub(crate) target: &'a Target,
    pub(crate) check: &'a Check,
}

/// The checks of a project, in their order.
pub(crate) fn jobs(compilation: &Compilation) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for environment in &compilation.environments {
        let made = environment.targets();
        let declared = compilation.project.environments.iter().find(|one| one.name == environment.name);
        for instance in declared.into_iter().flat_map(|declared| declared.targets.values()) {
            let Some(target) = compilation.targets.get(&instance.target.value) else { continue };
            if made.contains(&instance.name) {
                let job = |check| Job {
                    environment,
                    instance: &instance.name,
                    root: &instance.root,
                    target,
                    check,
                };
                jobs.extend(target.checks.iter().map(job));
            }
        }
    }
    jobs
}

/// How a native check went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "NativeCheck")]
pub struct Checked {
    /// The environment; empty where the project names none.
    pub environment: String,
    /// The instance of a target.
    pub target: String,
    /// The check.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How a native check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It found nothing.
    Passed,
    /// It found something, or came to no end.
    Failed,
    /// It could not run here: its program is missing.
    Skipped,
}

/// What is needed to run checks.
pub(crate) struct Setting<'a> {
    pub(crate) compilation: &'a Compilation,
    pub(crate) sources: &'a Sources,
    pub(crate) isolation: Isolation,
    /// Where the copies are made.
    pub(crate) temporary: &'a Utf8Path,
    /// Whether a missing program is an error.
    pub(crate) require_tools: bool,
    pub(crate) stop: &'a AtomicBool,
}

/// What the checks of a project can be run with, as [`known`] finds it for each.
pub(crate) struct Runnable<'a> {
    job: Job<'a>,
    known: Known,
}

/// Finds out what the checks run, and which may: those whose hash is among the trusted ones.
pub(crate) fn known<'a>(
    world: &dyn World,
    compilation: &'a Compilation,
    root: &Utf8Path,
    trusted: &dyn Fn(Sha256) -> bool,
) -> Result<Vec<Runnable<'a>>, Vec<Diagnostic>> {
    let (mut runnable, mut refused) = (Vec::new(), Vec::new());
    let mut told = BTreeSet::new();
    for job in jobs(compilation) {
        let known = match trust::known(world, &compilation.project.templates, job.target, job.check) {
            Ok(known) => known,
            Err(diagnostic) => {
                refused.push(diagnostic);
                continue;
            }
        };
        // All environments have the same checks.
        let is_first = told.insert((&job.target.name, &job.check.name.value));
        if trust::names_project(job.check, root) {
            if is_first {
                refused.push(names_project(&job));
            }
        } else if trusted(known.sha256) {
            runnable.push(Runnable { job, known });
        } else if is_first {
            refused.push(untrusted(&job));
        }
    }
    if refused.is_empty() { Ok(runnable) } else { Err(refused) }
}

fn untrusted(job: &Job<'_>) -> Diagnostic {
    let message = format!(
        "nobody has said that the check `{}` of the target `{}` may run: {}",
        job.check.name.value,
        job.target.name,
        shell(&job.check.command)
    );
    Diagnostic::error(&code::NATIVE_UNTRUSTED, message)
        .at(job.check.span, "its command is a part of the project, and would be run here")
        .hint("read it, then `confwright trust` records that what it runs may run")
        .hint("in CI, `--trust-revision REV` takes the commands of a revision that was reviewed, as that which is merged into")
}

fn names_project(job: &Job<'_>) -> Diagnostic {
    let message = format!(
        "the check `{}` of the target `{}` names a file of the project where it lies, so what it runs is not known",
        job.check.name.value, job.target.name
    );
    Diagnostic::error(&code::NATIVE_UNTRUSTED, message)
        .at(job.check.span, "its command has a path in the project")
        .hint("put the file into the target's folder, and name it as `{target}/FILE`")
}

/// A command as it would be typed.
pub(crate) fn shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+{}".contains(c);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Runs checks, as many at once as there are processors, and tells what they found in the order of the checks.
pub(crate) fn run(setting: &Setting<'_>, all: &[Runnable<'_>]) -> (Vec<Checked>, Vec<Diagnostic>) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(all.len());
    let mut copies = Vec::new();
    let results: Mutex<BTreeMap<usize, io::Result<Ran>>> = Mutex::default();
    std::thread::scope(|scope| {
        // Nothing waits in it: what is copied is about to run.
        let (send, receive) = mpsc::sync_channel::<(usize, Process)>(0);
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..workers {
            let (receive, results, stop) = (Arc::clone(&receive), &results, setting.stop);
            scope.spawn(move || {
                loop {
                    let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, process)) = next else { break };
                    let ran = process.run(stop);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(number, ran);
                }
            });
        }
        drop(receive);
        for (number, runnable) in all.iter().enumerate() {
            let copied = setting.copy(runnable).map(|(copy, process)| {
                // They end when nothing more can come.
                let _ = send.send((number, process));
                copy
            });
            copies.push(copied);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut checked, mut diagnostics) = (Vec::new(), Vec::new());
    for (number, (runnable, copied)) in all.iter().zip(copies).enumerate() {
        let job = &runnable.job;
        let told = match copied {
            Ok(copy) => match results.remove(&number) {
                Some(Ok(ran)) => setting.told(job, &copy, &ran),
                Some(Err(error)) => not_run(job, &error),
                None => Told::failed([]),
            },
            // What cannot be rendered was told when it was compared.
            Err(RenderFailure::Diagnostic(_)) => Told::failed([]),
            Err(RenderFailure::Sink(error)) => not_run(job, &error),
        };
        checked.push(Checked {
            environment: job.environment.name.clone(),
            target: job.instance.to_owned(),
            name: job.check.name.value.clone(),
            outcome: told.outcome,
        });
        diagnostics.extend(told.diagnostics);
    }
    (checked, diagnostics)
}

fn not_run(job: &Job<'_>, error: &io::Error) -> Told {
    let message = format!("{} cannot be run: {error}", called(job));
    Told::failed([Diagnostic::error(&code::NATIVE_RUN, message).at(job.check.span, "this check")])
}

/// How one check went.
struct Told {
    outcome: Outcome,
    diagnostics: Vec<Diagnostic>,
}

impl Told {
    fn failed(diagnostics: impl Into<Vec<Diagnostic>>) -> Self {
        Self { outcome: Outcome::Failed, diagnostics: diagnostics.into() }
    }
}

/// A check that is about to run.
struct Process {
    command: Command,
    timeout: Duration,
    folder: PrivateFolder,
}

impl Process {
    /// Runs it, and removes its copy.
    fn run(mut self, stop: &AtomicBool) -> io::Result<Ran> {
        let ran = process::run(&mut self.command, self.timeout, stop);
        let removed = self.folder.remove();
        let ran = ran?;
        removed.map_err(|error| {
            io::Error::new(error.kind(), format!("what it left cannot be removed: {error}"))
        })?;
        Ok(ran)
    }
}

/// The copy of a check: where it is, and what it holds.
struct Copy<'a> {
    /// The folder of the environment's tree.
    tree: Utf8PathBuf,
    /// `{root}`.
    root: Utf8PathBuf,
    /// `{target}`.
    target: Utf8PathBuf,
    artifacts: Vec<&'a Planned>,
}

impl Setting<'_> {
    fn copy<'a>(&self, runnable: &Runnable<'a>) -> Result<(Copy<'a>, Process), RenderFailure> {
        let Runnable { job, known } = runnable;
        let folder = PrivateFolder::below(self.temporary).map_err(RenderFailure::Sink)?;
        let root = Utf8Path::new("root").join(job.root);
        let made = (|| {
            Ok((
                folder.make(root.as_str().trim_end_matches('/'))?,
                folder.make("target")?,
                folder.make("tmp")?,
            ))
        })();
        let (root, target, temporary) = made.map_err(RenderFailure::Sink)?;
        let is_own = |planned: &&Planned| *planned.target == *job.instance;
        let artifacts: Vec<&Planned> = job.environment.artifacts.iter().filter(is_own).collect();
        for planned in &artifacts {
            // No program may be led to run what was rendered.
            let path = Utf8Path::new("root").join(&*planned.path);
            let mut file =
                BufWriter::new(folder.file(&path, planned.mode & !0o111).map_err(RenderFailure::Sink)?);
            job.environment.render(planned, self.sources, &mut file)?;
            file.flush().map_err(RenderFailure::Sink)?;
        }
        for (path, bytes) in &known.files {
            let file = folder.file(&Utf8Path::new("target").join(path), 0o755);
            file.and_then(|mut file| file.write_all(bytes)).map_err(RenderFailure::Sink)?;
        }
        let copy = Copy { tree: folder.path().join("root"), root, target, artifacts };
        let words: Vec<String> = job.check.command.iter().map(|word| copy.filled(word)).collect();
        let command = self.isolation.command(&words, &copy.root, &temporary);
        Ok((copy, Process { command, timeout: job.check.timeout, folder }))
    }

    fn told(&self, job: &Job<'_>, copy: &Copy<'_>, ran: &Ran) -> Told {
        let limit = |what: String, hint: &str| {
            let diagnostic = Diagnostic::error(&code::NATIVE_LIMIT, format!("{} {what}", called(job)));
            Told::failed([diagnostic.at(job.check.span, "this check").hint(hint)])
        };
        let output = Output { setting: self, job, copy, ran };
        match ran.end {
            End::Stopped => Told::failed([]),
            End::Late => limit(
                format!("did not end within {} s, and was ended", job.check.timeout.as_secs()),
                "`timeout` gives it more time",
            ),
            End::Flood => limit(
                "printed more than 1 MiB, and was ended".to_owned(),
                "have its command print less, or only what is wrong",
            ),
            End::Status(status) if status == i32::from(process::NOT_FOUND) => self.skipped(&output),
            End::Signal(number) => {
                output.told(&format!("was ended by the signal {number}"), &["stderr", "stdout"])
            }
            End::Status(0)
                if job.check.fails_on == FailsOn::Status || output.lines(&["stderr"]).is_empty() =>
            {
                Told { outcome: Outcome::Passed, diagnostics: Vec::new() }
            }
            End::Status(0) => output.told("says", &["stderr"]),
            End::Status(status) => {
                output.told(&format!("failed with the exit status {status}"), &["stderr", "stdout"])
            }
        }
    }

    fn skipped(&self, output: &Output<'_>) -> Told {
        let job = output.job;
        let last = output.lines(&["stdout", "stderr"]).pop();
        let why = last.map_or_else(|| "its program is missing".to_owned(), |line| output.shown(&line));
        let message = format!("{} was skipped: {why}", called(job));
        let mut diagnostic =
            Diagnostic::warning(&code::NATIVE_SKIPPED, message).at(job.check.span, "this check");
        if let Some(package) = &job.check.package {
            diagnostic = diagnostic.hint(format!("the Debian package `{package}` brings what it needs"));
        }
        if self.require_tools {
            diagnostic.severity = crate::diagnostic::Severity::Error;
        }
        Told { outcome: Outcome::Skipped, diagnostics: vec![diagnostic] }
    }
}

/// What a check is called in messages.
fn called(job: &Job<'_>) -> String {
    let folder: Utf8PathBuf = job.environment.folder.join(job.root).components().collect();
    format!("the check `{}` of `{}` in `{folder}`", job.check.name.value, job.instance)
}

impl Copy<'_> {
    fn filled(&self, word: &str) -> String {
        let [root, target] = PLACEHOLDERS;
        // One after the other, and neither path holds a placeholder.
        word.replace(root, self.root.as_str()).replace(target, self.target.as_str())
    }
}

/// What a check has printed.
struct Output<'a> {
    setting: &'a Setting<'a>,
    job: &'a Job<'a>,
    copy: &'a Copy<'a>,
    ran: &'a Ran,
}

impl Output<'_> {
    /// The lines of streams that hold anything.
    fn lines(&self, streams: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        for stream in streams {
            let bytes = if *stream == "stderr" { &self.ran.stderr } else { &self.ran.stdout };
            let text = String::from_utf8_lossy(bytes);
            // What speaks to a terminal ends its lines as one does.
            let all = text.split('\n').map(|line| line.trim_end_matches('\r'));
            lines.extend(all.filter(|line| !line.trim().is_empty()).map(str::to_owned));
        }
        lines
    }

    fn shown(&self, line: &str) -> String {
        let environment = &self.job.environment.folder;
        let folder = self.job.target;
        let target = self.setting.compilation.project.templates.join(&folder.name);
        place::shown(
            line,
            &[
                (self.copy.tree.clone(), environment.to_string()),
                (self.copy.target.clone(), target.to_string()),
            ],
        )
    }

    /// What is said of places, each at its origin, and then what is said of none.
    fn told(&self, how: &str, streams: &[&str]) -> Told {
        let root = &self.job.root;
        let paths = self
            .copy
            .artifacts
            .iter()
            .map(|planned| planned.path.strip_prefix(root).unwrap_or(&planned.path));
        let files = Files::new(&self.copy.root, paths);
        let (mut diagnostics, mut rest) = (Vec::new(), Vec::new());
        let mut rendered: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        let mut file = None;
        for line in self.lines(streams) {
            let shown = self.shown(&line);
            let Some(place) = files.place(&line) else {
                rest.push(shown);
                continue;
            };
            let planned = self.copy.artifacts[place.file];
            let bytes = rendered.entry(place.file).or_insert_with(|| {
                let mut bytes = Vec::new();
                // It was rendered before.
                let _ = self.job.environment.render(planned, self.setting.sources, &mut bytes);
                bytes
            });
            let at = place.at.filter(|(line, _)| *line <= place::lines(bytes) + 1);
            match at.or_else(|| Some((place::only_line(bytes, &line)?, None))) {
                Some(at) if !bytes.is_empty() => {
                    let message = format!(", says `{}`: {shown}", self.job.check.name.value);
                    let range = place::bytes(bytes, at);
                    let said = (self.job.environment, planned, &**bytes);
                    diagnostics.push(finding::native(
                        self.setting.compilation,
                        said,
                        range,
                        message,
                        self.setting.sources,
                    ));
                }
                _ => {
                    file = file.or(Some(planned));
                    rest.push(shown);
                }
            }
        }
        // What a failing program says beside the places is seldom more than that it fails.
        if diagnostics.is_empty() || (self.job.check.fails_on == FailsOn::Stderr && !rest.is_empty()) {
            diagnostics.push(self.unplaced(how, rest, file));
        }
        Told::failed(diagnostics)
    }

    fn unplaced(&self, how: &str, lines: Vec<String>, file: Option<&Planned>) -> Diagnostic {
        // Enough to see what it is about.
        const MOST: usize = 10;
        let job = self.job;
        let count = lines.len();
        let mut lines = lines.into_iter();
        let first = lines.next();
        let message = match (how, first) {
            (how, None) => format!("{} {how}, and printed nothing", called(job)),
            (how, Some(first)) => format!("{} {how}: {first}", called(job)),
        };
        let mut diagnostic = Diagnostic::error(&code::NATIVE_FAILED, message);
        if let Some(planned) = file {
            diagnostic = diagnostic.at_file(job.environment.folder.join(&planned.path), "");
        }
        diagnostic = diagnostic.at(job.check.span, "this check");
        for line in lines.take(MOST - 1) {
            diagnostic = diagnostic.hint(format!("it goes on: {line}"));
        }
        if count > MOST {
            diagnostic = diagnostic.hint(format!("and {} lines more", count - MOST));
        }
        diagnostic
    }
}

/// Where programs are looked up: in the folders of the user's `PATH` and of the system's administrators, but in none of
/// the project's, which a change of the project could fill.
pub(crate) fn search_path(path: Option<&OsStr>, root: &Utf8Path) -> OsString {
    const SYSTEM: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let own = path.into_iter().flat_map(std::env::split_paths);
    let mut folders: Vec<std::path::PathBuf> = Vec::new();
    for folder in own.chain(SYSTEM.map(Into::into)) {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let is_own = folder.is_absolute() && !real.starts_with(root) && !folder.starts_with(root);
        if is_own && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    // None of them has a colon in it: they were divided there.
    std::env::join_paths(folders).unwrap_or_default()
}
