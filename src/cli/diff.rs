//! `confwright diff`: the golden tree against a fresh compile.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use similar::{ChangeTag, TextDiff};

use super::render::{artifacts, folders, retired, scope};
use super::session::Session;
use super::{Exit, Output, Part};
use crate::compile::{ByEnvironment, Compilation, Environment, RenderFailure};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::golden::{Change, ChangeKind, Changes, Scope, Tree};
use crate::report::{ArtifactChange, Status};
use crate::source::Disk;

/// Show what a render would change
///
/// Prints the unified difference from the golden tree to what the sources give, and exits with 1 where there is one. Nothing is
/// written.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confwright diff\n  confwright diff --stat\n  confwright diff golden/prod/postfix"
)]
pub(super) struct Diff {
    /// Only these golden files, or those below these folders
    #[arg(value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,
    /// One line for each file instead of the difference
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    part: Part,
}

const NOTHING: &str = "nothing was compared";

/// A golden tree with its differences.
pub(super) struct Compared<'a> {
    pub(super) environment: &'a Environment,
    pub(super) tree: Tree,
    pub(super) changes: Changes,
}

/// Renders everything and compares it with the golden trees.
pub(super) fn compare<'a>(
    session: &mut Session,
    root: &Utf8Path,
    disk: &Disk,
    compilation: &'a Compilation,
    gone: &'a [Environment],
    part: &Part,
) -> Option<Vec<Compared<'a>>> {
    let selection = part.selection();
    let current = folders(compilation);
    let mut all = Vec::new();
    let mut refused = ByEnvironment::default();
    session.rendering(compilation);
    for environment in &compilation.environments {
        let tree = session.diagnostics.take(Tree::open(root, &environment.folder))?;
        let mut outcomes = Vec::with_capacity(environment.artifacts.len());
        let mut found = Diagnostics::default();
        for planned in &environment.artifacts {
            let outcome = tree.compare(&planned.artifact(compilation), |sink| {
                environment.render(planned, &session.sources, sink)
            });
            session.rendered();
            match outcome {
                Ok(outcome) => outcomes.push(outcome),
                Err(RenderFailure::Diagnostic(diagnostic)) => found.push(*diagnostic),
                Err(RenderFailure::Sink(error)) => {
                    let message = format!("`{}` cannot be compared: {error}", planned.path);
                    found.push(Diagnostic::error(&code::SOURCE_READ, message));
                }
            }
        }
        let sound = !found.has_errors();
        refused.add(&environment.name, found);
        if !sound {
            continue;
        }
        let changes = tree.changes(outcomes, &scope(environment, &selection));
        all.push(Compared { environment, tree, changes });
    }
    for environment in gone {
        let tree = session.diagnostics.take(Tree::open(root, &environment.folder))?;
        let changes = tree.changes(Vec::new(), &Scope::Retired(current.clone()));
        all.push(Compared { environment, tree, changes });
    }
    session.diagnostics.append(refused.merge(&compilation.project, compilation.environments.len()));
    session.diagnostics.extend(session.sources.changed(disk));
    (!session.diagnostics.has_errors()).then_some(all)
}

impl Diff {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(root) = session.root() else { return session.fail(NOTHING) };
        let disk = Disk::new(root.clone());
        let Some(compilation) = session.prepare(&disk, &self.part.selection()) else {
            return session.fail(NOTHING);
        };
        let Some(gone) = retired(session, &root, &compilation, &self.part.selection()) else {
            return session.fail(NOTHING);
        };
        let Some(all) = compare(session, &root, &disk, &compilation, &gone, &self.part) else {
            return session.fail(NOTHING);
        };

        let wanted: Vec<Utf8PathBuf> = self.paths.iter().map(|path| below(&root, path)).collect();
        let is_wanted =
            |path: &Utf8Path| wanted.is_empty() || wanted.iter().any(|wanted| path.starts_with(wanted));
        for wanted in &wanted {
            let known = all.iter().flat_map(|compared| &compared.changes.list);
            if !known.into_iter().any(|change| change.path.starts_with(wanted)) {
                let message = format!("`{wanted}` is no artifact and no folder of artifacts");
                let known = all.iter().flat_map(|compared| &compared.changes.list);
                let near = nearest_path(wanted, known.map(|change| change.path.as_path()));
                session.diagnostics.push(Diagnostic::error(&code::USAGE, message).hint(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`confwright list` names the artifacts".to_owned(),
                }));
            }
        }
        if session.diagnostics.has_errors() {
            return session.fail(NOTHING);
        }
        let mut list: Vec<ArtifactChange> = Vec::new();
        let mut differs = false;
        let mut files = Vec::new();
        for compared in &all {
            session.diagnostics.append(compared.changes.warnings.clone());
            differs |= wanted.is_empty() && !compared.changes.stale.is_empty();
            for (change, shown) in compared.changes.list.iter().zip(artifacts(&compared.changes)) {
                if !is_wanted(&change.path) {
                    continue;
                }
                if change.change != ChangeKind::Unchanged || change.mode_differs {
                    differs = true;
                    if session.output == Output::Human {
                        match difference(compared, change, session) {
                            Ok(file) => files.push(file),
                            Err(diagnostic) => session.diagnostics.push(diagnostic),
                        }
                    }
                }
                list.push(shown);
            }
        }
        if session.diagnostics.has_errors() {
            return session.fail(NOTHING);
        }
        session.worked();
        let paint = Paint { colored: session.colored };
        if self.stat {
            paint.stat(&mut session.out, &files)?;
        } else {
            for file in &files {
                paint.unified(&mut session.out, file)?;
            }
        }
        if differs && files.is_empty() {
            session.say(
                "the artifacts are right, but manifest.json or SHA256SUMS is not; run `confwright render`",
            )?;
        } else if !differs {
            session.say("no differences")?;
        }
        session.report(if differs { Status::Differs } else { Status::Clean }, list, NOTHING)
    }
}

/// A path of the command line as the project names it.
fn below(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let absolute = camino::absolute_utf8(path).unwrap_or_else(|_| path.to_owned());
    let canonical = absolute.canonicalize_utf8().unwrap_or(absolute);
    match canonical.strip_prefix(root) {
        // A path that does not exist here may be meant from the project's root.
        Ok(relative) if root.join(relative).exists() || !root.join(path).exists() => relative.to_owned(),
        _ => path.to_owned(),
    }
}

/// The artifact or folder that may be meant by a path: one that ends with it, or whose name is near.
fn nearest_path<'a>(wanted: &Utf8Path, artifacts: impl Iterator<Item = &'a Utf8Path>) -> Option<&'a str> {
    let mut known: BTreeSet<&Utf8Path> = artifacts.flat_map(Utf8Path::ancestors).collect();
    // Of these it is known that they do not hold it.
    known.retain(|path| !wanted.starts_with(path));
    let known = || known.iter().copied();
    let end = known().find(|path| path.ends_with(wanted));
    end.map(Utf8Path::as_str).or_else(|| nearest(wanted.as_str(), known().map(Utf8Path::as_str)))
}

/// An artifact that differs, with both its contents.
struct FileDifference {
    path: Utf8PathBuf,
    kind: ChangeKind,
    edited: bool,
    modes: Option<(bool, bool)>,
    old: Vec<u8>,
    new: Vec<u8>,
}

fn difference(
    compared: &Compared<'_>,
    change: &Change,
    session: &Session,
) -> Result<FileDifference, Diagnostic> {
    let environment = compared.environment;
    let relative = change.path.strip_prefix(&environment.folder).unwrap_or(&change.path);
    let old = compared.tree.read(relative)?.unwrap_or_default();
    let mut new = Vec::new();
    // The plan is in the order of these bytes.
    let planned = environment
        .artifacts
        .binary_search_by(|planned| planned.path.as_str().cmp(relative.as_str()))
        .ok()
        .map(|at| &environment.artifacts[at]);
    if let Some(planned) = planned {
        environment.render(planned, &session.sources, &mut new).map_err(|failure| match failure {
            RenderFailure::Diagnostic(diagnostic) => *diagnostic,
            RenderFailure::Sink(error) => Diagnostic::error(&code::SOURCE_READ, error.to_string()),
        })?;
    }
    let modes = change.mode_differs.then(|| {
        let executable = planned.is_some_and(|planned| planned.mode & 0o100 != 0);
        (!executable, executable)
    });
    Ok(FileDifference {
        path: change.path.clone(),
        kind: change.change,
        edited: change.edited,
        modes,
        old,
        new,
    })
}

/// Prints differences, with or without colours.
struct Paint {
    colored: bool,
}

const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();
const HEAD: Style = Style::new().bold();

impl Paint {
    fn line(&self, out: &mut dyn Write, style: Style, text: &str) -> io::Result<()> {
        if self.colored { writeln!(out, "{style}{text}{style:#}") } else { writeln!(out, "{text}") }
    }

    fn unified(&self, out: &mut dyn Write, file: &FileDifference) -> io::Result<()> {
        let name = |side: &str, absent: bool| {
            if absent { "/dev/null".to_owned() } else { format!("{side}/{}", file.path) }
        };
        if file.edited {
            self.line(out, HEAD, &format!("# {} was edited by hand", file.path))?;
        }
        if let Some((old, new)) = file.modes {
            let mode = |executable: bool| if executable { "755" } else { "644" };
            self.line(out, HEAD, &format!("# {}: mode 100{} -> 100{}", file.path, mode(old), mode(new)))?;
        }
        if file.old == file.new && file.kind == ChangeKind::Unchanged {
            return Ok(());
        }
        self.line(out, HEAD, &format!("--- {}", name("a", file.kind == ChangeKind::Created)))?;
        self.line(out, HEAD, &format!("+++ {}", name("b", file.kind == ChangeKind::Deleted)))?;
        let (old, new) = (String::from_utf8_lossy(&file.old), String::from_utf8_lossy(&file.new));
        let diff = TextDiff::from_lines(&*old, &*new);
        for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
            self.line(out, PLACE, &hunk.header().to_string())?;
            for change in hunk.iter_changes() {
                let (sign, style) = match change.tag() {
                    ChangeTag::Delete => ("-", REMOVED),
                    ChangeTag::Insert => ("+", ADDED),
                    ChangeTag::Equal => (" ", Style::new()),
                };
                let text = change.value().strip_suffix('\n').unwrap_or(change.value());
                self.line(out, style, &format!("{sign}{}", visible(text)))?;
                if change.missing_newline() {
                    writeln!(out, "\\ No newline at end of file")?;
                }
            }
        }
        Ok(())
    }

    fn stat(&self, out: &mut dyn Write, files: &[FileDifference]) -> io::Result<()> {
        /// As wide as the bar of changed lines may be.
        const BAR: usize = 40;
        let mut rows = Vec::with_capacity(files.len());
        for file in files {
            let (old, new) = (String::from_utf8_lossy(&file.old), String::from_utf8_lossy(&file.new));
            let diff = TextDiff::from_lines(&*old, &*new);
            let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
            rows.push((file.path.as_str(), count(ChangeTag::Insert), count(ChangeTag::Delete)));
        }
        let width = rows.iter().map(|(path, ..)| path.chars().count()).max().unwrap_or(0);
        let most = rows.iter().map(|(_, added, removed)| added + removed).max().unwrap_or(0);
        let digits = most.to_string().len();
        let scale = |count: usize| if most <= BAR { count } else { (count * BAR).div_ceil(most) };
        for (path, added, removed) in &rows {
            let (plus, minus) = ("+".repeat(scale(*added)), "-".repeat(scale(*removed)));
            let total = added + removed;
            if self.colored {
                writeln!(
                    out,
                    " {path:<width$} | {total:>digits$} {ADDED}{plus}{ADDED:#}{REMOVED}{minus}{REMOVED:#}"
                )?;
            } else {
                writeln!(out, " {path:<width$} | {total:>digits$} {plus}{minus}")?;
            }
        }
        if !rows.is_empty() {
            let (added, removed) = rows.iter().fold((0, 0), |(a, r), row| (a + row.1, r + row.2));
            writeln!(
                out,
                " {} changed, {added} line{} added, {removed} removed",
                super::render::artifacts_of(rows.len()),
                if added == 1 { "" } else { "s" }
            )?;
        }
        Ok(())
    }
}

/// A line with its control characters made visible, so that no file can play with the terminal.
fn visible(text: &str) -> String {
    let visible = |character: char| match character {
        '\t' => "\t".to_owned(),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => character.escape_default().to_string(),
        _ => character.to_string(),
    };
    if text.chars().any(char::is_control) { text.chars().map(visible).collect() } else { text.to_owned() }
}
