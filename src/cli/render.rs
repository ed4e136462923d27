//! `confwright render`: compiles and writes the golden tree.

use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::session::Session;
use super::{Exit, Part};
use crate::cache::blocks::Blocks;
use crate::cache::{Asked, Clean};
use crate::compile::{self, ByEnvironment, Compilation, Environment, RenderFailure, Selection};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::finding;
use crate::golden::{self, Change, ChangeKind, Changes, Scope};
use crate::report::{ArtifactChange, Status};
use crate::source::git::Served;
use crate::source::{Disk, FileId, Sources, Span, World as _};
use crate::template::segment;
use crate::write::{Batch, overwrite};

/// Compile the project and write its golden tree
///
/// All or nothing: where anything is wrong, the golden tree stays as it was. Files whose bytes are right are not touched.
/// An interrupt (Ctrl-C) leaves the golden tree as it was too, and the command exits with 2; a second one ends it at once.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confwright render\n  confwright render --environment lab --target postfix"
)]
pub(super) struct Render {
    #[command(flatten)]
    part: Part,
    /// Overwrite files that were edited by hand, and delete any number of artifacts
    #[arg(long)]
    force: bool,
    /// First raise the serials of zones that have changed since they were committed, where they are written
    ///
    /// A serial is raised by one, in the cell of its table or in the value that it comes from; all else of that file stays
    /// as it is. What is committed is taken for what is served: until it is committed, a zone is raised once, however
    /// often it changes. Where there is no git, golden is what is served.
    #[arg(long)]
    bump: bool,
    /// Compile everything, even where no file has changed since the last clean run
    #[arg(long)]
    no_cache: bool,
    /// Where the golden trees are written, if not in the project.
    #[arg(skip)]
    pub(super) into: Option<Utf8PathBuf>,
}

const NOTHING: &str = "nothing was written";

impl Render {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(root) = session.root() else { return session.fail(NOTHING) };
        if self.bump && !self.raise(session, &root)? {
            return session.fail(NOTHING);
        }
        if self.part.is_all()
            && !self.force
            && !self.no_cache
            && self.into.is_none()
            && let Some((count, artifacts)) = session.recall(&root, Asked::Render)
        {
            session.say(&up_to_date(count))?;
            return session.report(Status::Clean, artifacts, NOTHING);
        }
        let disk = Disk::new(root.clone());
        let selection = self.part.selection();
        let Some(compilation) = session.prepare(&disk, &selection) else { return session.fail(NOTHING) };
        // The process ends with the render: the system takes a million rows back faster than they can be dropped.
        let compilation = ManuallyDrop::new(compilation);

        session.stop_on_signals()?;
        let in_place = self.into.is_none();
        let root = self.into.unwrap_or(root);
        let mut batch = Batch::new(root.clone(), session.stop.clone());
        for environment in &compilation.environments {
            if let Err(diagnostic) = batch.open(&environment.folder, scope(environment, &selection)) {
                session.diagnostics.push(diagnostic);
                return session.fail(NOTHING);
            }
        }
        let current = folders(&compilation);
        let Some(gone) = retired(session, &root, &compilation, &selection) else {
            return session.fail(NOTHING);
        };
        let whole = gone.is_empty();
        for environment in gone {
            if let Err(diagnostic) = batch.open(&environment.folder, Scope::Retired(current.clone())) {
                session.diagnostics.push(diagnostic);
                return session.fail(NOTHING);
            }
        }
        session.rendering(&compilation);
        let staged = {
            let known = session.cache.as_ref();
            let known = known.map(|cache| Blocks::new(cache, &compilation, &session.sources));
            let staged = stage(session, &compilation, &batch, known.as_ref());
            staged.map(|refused| (refused, known.is_some_and(|known| known.is_damaged())))
        };
        let refused = match staged {
            Ok((refused, damaged)) => {
                if damaged {
                    session.damaged(Blocks::path());
                }
                refused
            }
            Err(fatal) => {
                session.diagnostics.push(fatal);
                return session.fail(NOTHING);
            }
        };
        session.diagnostics.append(refused.merge(&compilation.project, compilation.environments.len()));
        session.diagnostics.extend(session.sources.changed(&disk));
        if session.diagnostics.has_errors() {
            return session.fail(NOTHING);
        }
        let time = batch.time();
        match batch.commit(self.force) {
            Ok(all) => {
                session.committed = true;
                session.say(&summary(&all))?;
                let files = all.iter().map(Changes::files).sum();
                let (mut changes, mut count) = (Vec::new(), 0);
                if let (true, Some(cache)) = (in_place, &session.cache) {
                    Blocks::new(cache, &compilation, &session.sources).keep(&all, time);
                }
                for tree in all {
                    session.diagnostics.append(tree.warnings.clone());
                    count += tree.outcomes.len();
                    changes.extend(session.artifacts(&tree));
                }
                // A broken manifest is whole again, and no warning of it is to be told again.
                if whole && in_place && !session.diagnostics.has(&code::GOLDEN_MANIFEST) {
                    let clean = Clean {
                        rendered: Some(session.diagnostics.clone()),
                        checked: None,
                        until: None,
                        trees: current,
                        artifacts: count,
                        files,
                        written: Some(time),
                    };
                    session.keep(&clean, &compilation);
                }
                session.report(Status::Clean, changes, NOTHING)
            }
            Err(refused) => {
                session.diagnostics.append(refused);
                session.fail(NOTHING)
            }
        }
    }
}

impl Render {
    /// Raises the serials of zones that need it, in the project's files; false where one cannot be.
    fn raise(&self, session: &mut Session, root: &Utf8Path) -> io::Result<bool> {
        let disk = Disk::new(root);
        // What is wrong with the project is told by the compile that follows.
        let mut sources = Sources::default();
        let selection = self.part.selection();
        let prepared =
            compile::prepare(&disk, &mut sources, &selection, &|_| {}, &mut Diagnostics::default());
        let Some(compilation) = prepared else { return Ok(true) };
        let served = Served::of(root);
        let mut raised: BTreeMap<FileId, BTreeMap<usize, (Span, u32)>> = BTreeMap::new();
        for environment in &compilation.environments {
            let (all, unknown) = finding::serials(&compilation, environment, &sources, &served);
            session.diagnostics.extend(unknown);
            for unraised in all {
                let Some(span) = unraised.written else {
                    let mut diagnostic = unraised.diagnostic;
                    diagnostic.code = code::ZONE_BUMP.id.into();
                    diagnostic.message = format!(
                        "the serial {} cannot be raised: it is not written as such in a table or a value",
                        unraised.serial
                    );
                    diagnostic.hints = vec![format!("it has to be {} or more", unraised.needed)];
                    session.diagnostics.push(diagnostic);
                    continue;
                };
                let (_, needed) = raised
                    .entry(span.file)
                    .or_default()
                    .entry(span.range().start)
                    .or_insert((span, unraised.needed));
                if unraised.needed.wrapping_sub(*needed) < 1 << 31 {
                    *needed = unraised.needed;
                }
            }
        }
        session.diagnostics.extend(sources.changed(&disk));
        if session.diagnostics.has_errors() {
            session.sources = sources;
            return Ok(false);
        }
        for (file, places) in raised {
            let path = sources.file(file).path().to_owned();
            let mut bytes = disk.read(&path)?;
            for (span, serial) in places.values() {
                session.say(&format!("   raised {path}:{} to {serial}", sources.locate(*span).1.line))?;
            }
            for (span, serial) in places.into_values().rev() {
                bytes.splice(span.range(), serial.to_string().into_bytes());
            }
            if let Err(error) = overwrite(&root.join(&path), &bytes) {
                let message = format!("`{path}` cannot be written: {error}");
                session.diagnostics.push(Diagnostic::error(&code::ZONE_BUMP, message));
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Renders all artifacts, and returns the values that were refused; an error is one that there is no going on from.
fn stage(
    session: &Session,
    compilation: &Compilation,
    batch: &Batch,
    known: Option<&Blocks<'_>>,
) -> Result<ByEnvironment, Diagnostic> {
    let mut refused = ByEnvironment::default();
    for (environment, staging) in compilation.environments.iter().zip(batch.trees()) {
        for planned in &environment.artifacts {
            let artifact = planned.artifact();
            let render = |sink: &mut dyn io::Write, blocks: Option<&dyn segment::Blocks>| {
                environment.render_in_blocks(planned, &session.sources, sink, blocks)
            };
            let staged = match known {
                None => staging.stage(&artifact, |sink| render(sink, None)),
                Some(known) => {
                    let bytes = staging.tree().manifest().get(artifact.path.as_str());
                    let bytes = bytes.map_or(0, |entry| entry.bytes);
                    known.with_past(environment, &artifact.path, bytes, |past| {
                        staging.stage_in_blocks(&artifact, past, |sink, blocks| render(sink, Some(blocks)))
                    })
                }
            };
            session.rendered();
            match staged {
                Ok(()) => {}
                Err(RenderFailure::Diagnostic(diagnostic)) => {
                    let fatal =
                        [code::GOLDEN_WRITE.id, code::GOLDEN_INTERRUPTED.id].contains(&&*diagnostic.code);
                    if fatal {
                        return Err(*diagnostic);
                    }
                    refused.add(&environment.name, [*diagnostic]);
                }
                Err(RenderFailure::Sink(error)) => {
                    let message = format!("`{}` cannot be staged: {error}", planned.path);
                    return Err(Diagnostic::error(&code::GOLDEN_WRITE, message));
                }
            }
        }
    }
    Ok(refused)
}

/// Which part of an environment's golden tree a selection renders.
pub(super) fn scope(environment: &Environment, selection: &Selection) -> Scope {
    if selection.is_whole() { Scope::Whole } else { Scope::Targets(environment.targets()) }
}

/// The golden folders of a project's environments, or the one that there is without any.
pub(super) fn folders(compilation: &Compilation) -> Vec<Utf8PathBuf> {
    let project = &compilation.project;
    let names = project.environments.iter().map(|environment| environment.name.as_str());
    names
        .map(|name| if name.is_empty() { project.golden.clone() } else { project.golden.join(name) })
        .collect()
}

/// The environments that are gone, but have left their golden trees; none where a part is meant.
pub(super) fn retired(
    session: &mut Session,
    root: &Utf8Path,
    compilation: &Compilation,
    selection: &Selection,
) -> Option<Vec<Environment>> {
    if !selection.is_whole() || !selection.environments.is_empty() {
        return Some(Vec::new());
    }
    let found = golden::retired(root, &compilation.project.golden, &folders(compilation));
    Some(session.diagnostics.take(found)?.into_iter().map(Environment::retired).collect())
}

/// The changes of a tree as reports show them.
pub(super) fn artifacts(changes: &Changes) -> Vec<ArtifactChange> {
    let list = changes.list.iter().map(|change| ArtifactChange {
        path: change.path.to_string(),
        change: change.change,
        sha256: change.sha256.map(|hash| hash.to_string()),
        bytes: change.bytes,
    });
    list.collect()
}

/// What a render did, in a line for each file that it touched and one for the rest.
fn summary(all: &[Changes]) -> String {
    /// More lines than this say no more than their number.
    const MOST: usize = 20;
    let changes: Vec<&Change> = all.iter().flat_map(|changes| &changes.list).collect();
    let line = |what: &str, path: &Utf8Path| format!("{what:>9} {path}");
    let mut lines: Vec<String> = changes
        .iter()
        .filter_map(|change| match (change.change, change.sets_mode) {
            (ChangeKind::Unchanged, mode) => {
                mode.map(|mode| format!("{} is {mode:04o} now", line("mode of", &change.path)))
            }
            (kind, _) => Some(line(kind.name(), &change.path)),
        })
        .collect();
    if lines.is_empty() {
        lines.extend(all.iter().flat_map(Changes::written).map(|path| line("written", &path)));
    }
    let touched = lines.len();
    if touched > MOST {
        lines.truncate(MOST);
        lines.push(format!("          … and {} more", touched - MOST));
    }
    let count = |kind: ChangeKind| changes.iter().filter(|change| change.change == kind).count();
    let mut parts = Vec::new();
    for kind in [ChangeKind::Created, ChangeKind::Changed, ChangeKind::Deleted] {
        if count(kind) > 0 {
            parts.push(format!("{} {}", count(kind), kind.name()));
        }
    }
    let unchanged = count(ChangeKind::Unchanged);
    let first = !changes.is_empty() && count(ChangeKind::Created) == changes.len();
    lines.push(match (parts.is_empty(), unchanged) {
        (true, _) => up_to_date(unchanged),
        (false, 0) => parts.join(", "),
        (false, _) => format!("{}, {unchanged} unchanged", parts.join(", ")),
    });
    if first {
        lines.push("commit them together with what they are made of".to_owned());
    }
    lines.join("\n")
}

fn up_to_date(count: usize) -> String {
    format!("golden is up to date: {} unchanged", artifacts_of(count))
}

/// A number of artifacts in words.
pub(super) fn artifacts_of(count: usize) -> String {
    if count == 1 { "1 artifact".into() } else { format!("{count} artifacts") }
}

#[cfg(test)]
mod tests;
