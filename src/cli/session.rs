//! What all commands share: the project they work on, the streams they print to, and how reports are printed.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anstream::{AutoStream, ColorChoice};
use camino::{Utf8Path, Utf8PathBuf};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::progress::Progress;
use super::render::artifacts;
use super::{Color, Exit, Global, Output};
use crate::cache::{Asked, Cache, Clean, Recalled};
use crate::cause::Cause;
use crate::compile::{self, Compilation, Selection};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, code};
use crate::golden::{ChangeKind, Changes};
use crate::manifest::{MANIFEST, Manifest};
use crate::native::Checked;
use crate::project;
use crate::report::{self, ArtifactChange, Reached, Report, Status};
use crate::source::{Disk, Sources, World};

/// One run of a command.
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(super) struct Session {
    /// Where results go.
    pub(super) out: Box<dyn Write>,
    /// Where diagnostics and remarks go.
    pub(super) err: Box<dyn Write>,
    /// Whether results are coloured.
    pub(super) colored: bool,
    colored_errors: bool,
    pub(super) output: Output,
    pub(super) quiet: bool,
    pub(super) directory: Utf8PathBuf,
    pub(super) sources: Sources,
    pub(super) diagnostics: Diagnostics,
    /// What makes artifacts differ, for the report.
    pub(super) causes: Vec<Cause>,
    /// What makes the artifacts that differ, for the report.
    pub(super) reached: Vec<Reached>,
    /// The native checks, for the report.
    pub(super) checks: Vec<Checked>,
    /// What the last clean run kept, where this one may use it.
    pub(super) cache: Option<Cache>,
    /// What is wrong with it, which is no reason to keep nothing.
    damaged: Vec<Diagnostic>,
    /// Shown while work goes on; ended before anything else is printed.
    progress: Option<Progress>,
    /// Whether files were put into place: the command cannot end any more as one that has done nothing.
    pub(super) committed: bool,
    /// Set once an interrupt asks for the end.
    pub(super) stop: Arc<AtomicBool>,
}

impl Session {
    pub(super) fn new(global: &Global) -> Self {
        let colored =
            wants_color(global.color, io::stdout().is_terminal(), AutoStream::choice(&io::stdout()));
        let colored_errors =
            wants_color(global.color, io::stderr().is_terminal(), AutoStream::choice(&io::stderr()));
        Self {
            out: Box::new(Pipe::to(io::BufWriter::new(io::stdout()))),
            // Where nothing can be told, there is nobody to tell that.
            err: Box::new(Pipe { forgiving: true, ..Pipe::to(io::stderr()) }),
            colored,
            colored_errors,
            output: global.format,
            quiet: global.quiet,
            directory: global.directory.clone(),
            sources: Sources::default(),
            diagnostics: Diagnostics::default(),
            causes: Vec::new(),
            reached: Vec::new(),
            checks: Vec::new(),
            cache: None,
            damaged: Vec::new(),
            progress: None,
            committed: false,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Lets the first interrupt (SIGINT, SIGTERM) set `stop`, so that what was begun is cleared away; the second
    /// one ends the process at once.
    pub(super) fn stop_on_signals(&self) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first one finds the flag still unset.
            flag::register_conditional_default(signal, Arc::clone(&self.stop))?;
            flag::register(signal, Arc::clone(&self.stop))?;
        }
        Ok(())
    }

    /// The root of the project that the command works on.
    pub(super) fn root(&mut self) -> Option<Utf8PathBuf> {
        self.diagnostics.take(project::find(&self.directory))
    }

    /// The number of artifacts of a project of which nothing has changed since the last clean run, and the artifacts
    /// where the output names them; what that run warned of is warned of again. Nothing where it does not answer what is
    /// asked, or the project has to be compiled.
    ///
    /// From here on the end of this run may be kept for the next one.
    pub(super) fn recall(&mut self, root: &Utf8Path, asked: Asked) -> Option<(usize, Vec<ArtifactChange>)> {
        let cache = self.cache.insert(Cache::new(root));
        // Its own, so that a run that compiles after all has read nothing yet.
        let mut sources = Sources::default();
        match cache.recall(asked, &mut sources) {
            Recalled::Clean { trees, artifacts: count, warnings } => {
                let artifacts = match self.output {
                    Output::Human => Vec::new(),
                    _ => listed(&Disk::new(root), &trees)?,
                };
                self.sources = sources;
                self.diagnostics.extend(warnings);
                Some((count, artifacts))
            }
            Recalled::Nothing => None,
            Recalled::Damaged => {
                self.damaged(Cache::path());
                None
            }
        }
    }

    /// Notes that a file of the cache is damaged.
    pub(super) fn damaged(&mut self, path: Utf8PathBuf) {
        let message = format!("`{path}` is damaged, and was not used");
        let hint = "the next clean run writes it anew; it can be deleted at any time";
        self.damaged.push(Diagnostic::warning(&code::CACHE_DAMAGED, message).at_file(path, "").hint(hint));
    }

    /// Keeps what this run has found for the next one.
    pub(super) fn keep(&self, clean: &Clean, compilation: &Compilation) {
        if let Some(cache) = &self.cache {
            cache.keep(clean, &compilation.project, &self.sources);
        }
    }

    /// Reads, checks and plans the project.
    pub(super) fn prepare(&mut self, world: &dyn World, selection: &Selection) -> Option<Compilation> {
        if self.output == Output::Human && !self.quiet && io::stderr().is_terminal() {
            let progress = Progress::begin();
            progress.stage("reading", 0);
            self.progress = Some(progress);
        }
        let prepared = compile::prepare(world, &mut self.sources, selection, &|_| {}, &mut self.diagnostics);
        if prepared.is_none() {
            // What is found wrong with a file that is being written may not be so.
            self.diagnostics.extend(self.sources.changed(world));
        }
        prepared
    }

    /// Begins to render the artifacts of a compilation.
    pub(super) fn rendering(&self, compilation: &Compilation) {
        if let Some(progress) = &self.progress {
            let artifacts = compilation.environments.iter().map(|environment| environment.artifacts.len());
            progress.stage("rendering", artifacts.sum());
        }
    }

    /// Says that an artifact is rendered.
    pub(super) fn rendered(&self) {
        if let Some(progress) = &self.progress {
            progress.step();
        }
    }

    /// Ends the work that was shown; what follows is printed.
    pub(super) fn worked(&mut self) {
        self.progress = None;
    }

    /// Prints a result in the words of people, unless they want quiet or another form.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.worked();
        if self.speaks() { writeln!(self.out, "{text}") } else { Ok(()) }
    }

    /// Prints a remark beside a result that programs read too, as a patch is.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        self.worked();
        self.out.flush()?;
        if self.speaks() { writeln!(self.err, "{text}") } else { Ok(()) }
    }

    fn speaks(&self) -> bool {
        !self.quiet && self.output == Output::Human
    }

    /// Prints what is worth a look beside a result that is printed, unless people want quiet.
    pub(super) fn warn(&mut self, warnings: &[Diagnostic]) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        report::human(&mut self.err, &self.sources, warnings, self.colored_errors)
    }

    /// Prints the report of render, diff or check, and says how the command ends.
    ///
    /// `outcome` says what an error means for the golden tree.
    pub(super) fn report(
        &mut self,
        status: Status,
        artifacts: Vec<ArtifactChange>,
        outcome: &str,
    ) -> io::Result<Exit> {
        self.worked();
        self.diagnostics.extend(std::mem::take(&mut self.damaged));
        let diagnostics = self.diagnostics.sorted(&self.sources);
        let causes = std::mem::take(&mut self.causes);
        let reached = std::mem::take(&mut self.reached);
        let checks = std::mem::take(&mut self.checks);
        let report = Report { status, artifacts, causes, reached, checks, diagnostics };
        match self.output {
            // The result of these goes to people, and so does what is wrong.
            Output::Human | Output::Markdown => {
                let shown: Vec<Diagnostic> = report
                    .diagnostics
                    .iter()
                    .filter(|diagnostic| !self.quiet || diagnostic.severity == Severity::Error)
                    .cloned()
                    .collect();
                // What was printed as a result stands before what is wrong with it.
                self.out.flush()?;
                report::human(&mut self.err, &self.sources, &shown, self.colored_errors)?;
                let failed =
                    report.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
                if !self.quiet && !report.causes.is_empty() {
                    report::causes(&mut self.err, &report.causes)?;
                    if failed {
                        writeln!(self.err)?;
                    }
                }
                if failed {
                    report::closing(&mut self.err, &shown, outcome, self.colored_errors)?;
                }
            }
            Output::Json => report::json(&mut self.out, &self.sources, &report)?,
            Output::Github => report::github(&mut self.out, &self.sources, &report)?,
            Output::Sarif => report::sarif(&mut self.out, &self.sources, &report)?,
        }
        Ok(match status {
            Status::Clean => Exit::Clean,
            Status::Differs | Status::Findings => Exit::Differs,
            Status::Error => Exit::Error,
        })
    }

    /// The changes of a tree, where the output lists them.
    pub(super) fn artifacts(&self, changes: &Changes) -> Vec<ArtifactChange> {
        if self.output == Output::Human { Vec::new() } else { artifacts(changes) }
    }

    /// Ends a command that found errors.
    pub(super) fn fail(&mut self, outcome: &str) -> io::Result<Exit> {
        self.report(Status::Error, Vec::new(), outcome)
    }
}

/// The artifacts of golden trees in which everything is as it should be.
fn listed(disk: &Disk, trees: &[Utf8PathBuf]) -> Option<Vec<ArtifactChange>> {
    let mut list = Vec::new();
    for tree in trees {
        let manifest = Manifest::parse(&disk.read(&tree.join(MANIFEST)).ok()?).ok()?;
        list.extend(manifest.iter().map(|entry| ArtifactChange {
            path: tree.join(&entry.path).into_string(),
            change: ChangeKind::Unchanged,
            sha256: Some(entry.sha256.to_string()),
            bytes: Some(entry.bytes),
        }));
    }
    Some(list)
}

/// A stream whose reader may have seen enough: what comes behind is dropped, and the command ends as it would have.
struct Pipe<W> {
    stream: W,
    closed: bool,
    /// Whether any failure is as good as a reader that has gone.
    forgiving: bool,
}

impl<W: Write> Pipe<W> {
    fn to(stream: W) -> Self {
        Self { stream, closed: false, forgiving: false }
    }

    fn unless_closed<T>(&mut self, otherwise: T, run: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.closed {
            return Ok(otherwise);
        }
        match run(&mut self.stream) {
            Err(error) if self.forgiving || error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), W::flush)
    }
}

fn wants_color(color: Color, terminal: bool, choice: ColorChoice) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && choice != ColorChoice::Never,
    }
}
