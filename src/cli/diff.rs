//! `confwright diff`: the golden tree against a fresh compile, or one state of the sources against another.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use similar::{ChangeTag, TextDiff};

use super::render::{artifacts, folders, retired, scope};
use super::session::Session;
use super::{Exit, Output, Part};
use crate::cause::{self, Against, Cause, Changed, Differing, LARGEST};
use crate::compile::{ByEnvironment, Compilation, Environment, RenderFailure};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::explain::Resolver;
use crate::golden::{Change, ChangeKind, Changes, Scope, Tree};
use crate::lint::postfix;
use crate::plan::Planned;
use crate::report::{self, ArtifactChange, Reached, ReachedArtifact, Review, Reviewed, Status};
use crate::source::{Disk, Sources};

mod revisions;

/// Show what a render would change, or what was changed since a git revision
///
/// Prints the unified difference from the golden tree to what the sources give, and exits with 1 where there is one. With
/// `--from`, the golden tree is left out of it: the sources are compiled as they stand in that git revision and as they
/// stand now, or in `--to`, and the difference is that of their artifacts. Nothing is written, and nothing is checked out.
///
/// Below it stand its causes: the cells, rows, values and lines of templates that make lines differ.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confwright diff\n  confwright diff --stat\n  confwright diff golden/prod/postfix\n  \
                  confwright diff --by cause            the rows, values and template lines that change something\n  \
                  confwright diff --from main           what this branch changes, committed or not\n  \
                  confwright diff --from v1 --to v2 --format markdown"
)]
pub(super) struct Diff {
    /// Only these golden files, or those below these folders
    #[arg(value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,
    /// One line for each file instead of the difference
    #[arg(long)]
    stat: bool,
    /// The difference file by file, or the lines that each change of the sources makes differ
    #[arg(long, value_enum, default_value_t = By::Path, value_name = "WHAT")]
    by: By,
    /// Compare with what the sources of this git revision give, instead of with golden
    #[arg(long, value_name = "REV")]
    from: Option<String>,
    /// Show what this git revision gives, instead of the files of the work tree
    #[arg(long, value_name = "REV", requires = "from")]
    to: Option<String>,
    #[command(flatten)]
    part: Part,
}

/// What differences are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The files, with the causes in short below them
    Path,
    /// The causes: cells, rows, values and lines of templates
    Cause,
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
            let outcome =
                tree.compare(&planned.artifact(), |sink| environment.render(planned, &session.sources, sink));
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
        let comparison = match &self.from {
            Some(from) => self.with_revision(session, from),
            None => self.with_golden(session),
        };
        let Some(Comparison { list, files, stale, reached, causes, notes }) = comparison else {
            return session.fail(NOTHING);
        };
        session.worked();
        let differs = stale || !files.is_empty();
        let paint = Paint { colored: session.colored && session.output == Output::Human };
        if session.output == Output::Markdown {
            let review = Review {
                from: self.from.as_deref(),
                to: self.to.as_deref(),
                artifacts: files
                    .iter()
                    .map(|file| paint.reviewed(file, !self.stat))
                    .collect::<io::Result<_>>()?,
                causes,
                reached,
            };
            report::markdown(&mut session.out, &review)?;
        } else if session.output == Output::Human && self.by == By::Cause {
            for cause in &causes {
                paint.cause(&mut session.out, cause, &files, self.stat)?;
            }
        } else if session.output == Output::Human && self.stat {
            paint.stat(&mut session.out, &files)?;
            session.causes = causes;
        } else if session.output == Output::Human {
            for file in &files {
                paint.unified(&mut session.out, file)?;
            }
            session.causes = causes;
        } else {
            (session.causes, session.reached) = (causes, reached);
        }
        for note in &notes {
            session.remark(note)?;
        }
        if differs && files.is_empty() {
            session.diagnostics.push(
                Diagnostic::error(
                    &code::GOLDEN_STALE,
                    "the artifacts are right, but manifest.json or SHA256SUMS is not",
                )
                .hint("run `confwright render` and commit the result"),
            );
        } else if !differs {
            session.remark("no differences")?;
        }
        session.report(if differs { Status::Differs } else { Status::Clean }, list, NOTHING)
    }

    /// Compares the golden tree with a fresh compile.
    fn with_golden(&self, session: &mut Session) -> Option<Comparison> {
        let root = session.root()?;
        let disk = Disk::new(root.clone());
        let compilation = session.prepare(&disk, &self.part.selection())?;
        let gone = retired(session, &root, &compilation, &self.part.selection())?;
        let all = compare(session, &root, &disk, &compilation, &gone, &self.part)?;

        let changes = all.iter().flat_map(|compared| &compared.changes.list);
        let paths: Vec<&Utf8Path> = changes.map(|change| &*change.path).collect();
        let wanted = self.wanted(session, &root, &paths, &[&compilation])?;
        let mut comparison = Comparison::default();
        let mut made = Vec::new();
        for compared in &all {
            session.diagnostics.append(compared.changes.warnings.clone());
            comparison.stale |= wanted.is_all() && !compared.changes.stale.is_empty();
            for (change, shown) in compared.changes.list.iter().zip(artifacts(&compared.changes)) {
                if !wanted.has(&change.path) {
                    continue;
                }
                if change.change != ChangeKind::Unchanged || change.mode_differs {
                    let whole = session.output != Output::Json;
                    let file = difference(compared, change, &session.sources, whole);
                    if let Some((file, planned)) = session.diagnostics.take(file) {
                        comparison.notes.extend(planned.iter().flat_map(|planned| file.restarts(planned)));
                        comparison.files.push(file);
                        made.push((compared.environment, planned));
                    }
                }
                comparison.list.push(shown);
            }
        }
        comparison.reached = reached(&comparison.files, &[&compilation]);
        let causes = causes(&comparison.files, &made, &all, &compilation, &session.sources);
        comparison.causes = session.diagnostics.take(causes).unwrap_or_default();
        (!session.diagnostics.has_errors()).then_some(comparison)
    }

    /// The artifacts that the command line asks for, of those that there are.
    fn wanted(
        &self,
        session: &mut Session,
        root: &Utf8Path,
        all: &[&Utf8Path],
        compilations: &[&Compilation],
    ) -> Option<Wanted> {
        let wanted = Wanted(self.paths.iter().map(|path| below(root, path)).collect());
        for wanted in &wanted.0 {
            if all.iter().any(|path| path.starts_with(wanted)) {
                continue;
            }
            if let Some(name) = compilations.iter().find_map(|compilation| left_out(wanted, compilation)) {
                let message = format!(
                    "`{wanted}` belongs to the environment `{name}`, which `--environment` leaves out"
                );
                let hint = format!("leave `--environment` out, or add `--environment {name}`");
                session.diagnostics.push(Diagnostic::error(&code::USAGE, message).hint(hint));
                continue;
            }
            let message = format!("`{wanted}` is no artifact and no folder of artifacts");
            let near = nearest_path(wanted, all.iter().copied());
            session.diagnostics.push(Diagnostic::error(&code::USAGE, message).hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`confwright list` names the artifacts".to_owned(),
            }));
        }
        (!session.diagnostics.has_errors()).then_some(wanted)
    }
}

/// The environment of the project that a path of the golden tree belongs to, where it is not compiled.
fn left_out<'c>(path: &Utf8Path, compilation: &'c Compilation) -> Option<&'c str> {
    let project = &compilation.project;
    let mut names = project.environments.iter().map(|declared| declared.name.as_str());
    let compiled = |name: &str| compilation.environments.iter().any(|environment| environment.name == name);
    names.find(|name| !name.is_empty() && path.starts_with(project.golden.join(name)) && !compiled(name))
}

/// What was compared.
#[derive(Default)]
struct Comparison {
    /// All artifacts that were asked for.
    list: Vec<ArtifactChange>,
    /// Those that differ.
    files: Vec<FileDifference>,
    /// Whether the manifest or the sums are not what they should be.
    stale: bool,
    /// What makes the artifacts that differ.
    reached: Vec<Reached>,
    /// What makes them differ.
    causes: Vec<Cause>,
    /// What to know besides.
    notes: Vec<String>,
}

/// The golden files, and the folders of them, that the command line names; all without any.
struct Wanted(Vec<Utf8PathBuf>);

impl Wanted {
    fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, path: &Utf8Path) -> bool {
        self.is_all() || self.0.iter().any(|wanted| path.starts_with(wanted))
    }
}

/// A path of the command line as the project names it.
pub(super) fn below(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
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
    environment: String,
    /// The instance that makes it, or made it.
    target: String,
    kind: ChangeKind,
    edited: bool,
    /// Whether the golden file is gone, although its manifest lists it.
    missing: bool,
    /// The permission bits before and after, where they differ.
    modes: Option<(u32, u32)>,
    /// Whether one of the contents is so long that causes are not looked for.
    large: bool,
    /// What it decides, and what makes a host use it, where that is said.
    about: Option<String>,
    apply: Option<String>,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl FileDifference {
    /// What of it a reload does not put to use.
    fn restarts(&self, planned: &Planned) -> Vec<String> {
        let why = postfix::restarts(planned.format.name, &self.old, &self.new);
        let told = why.into_iter();
        told.map(|why| format!("`{}`: {why}, so Postfix has to be restarted, not reloaded", self.path))
            .collect()
    }

    /// How many lines are new, and how many are gone.
    fn lines(&self) -> (usize, usize) {
        let (old, new) = (String::from_utf8_lossy(&self.old), String::from_utf8_lossy(&self.new));
        let diff = TextDiff::from_lines(&*old, &*new);
        let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
        (count(ChangeTag::Insert), count(ChangeTag::Delete))
    }

    fn differing<'a>(&'a self, old: Option<Resolver<'a>>, new: Option<Resolver<'a>>) -> Differing<'a> {
        Differing {
            path: self.path.as_str(),
            environment: &self.environment,
            target: &self.target,
            kind: self.kind,
            edited: self.edited,
            missing: self.missing,
            large: self.large,
            before: &self.old,
            old,
            after: &self.new,
            new,
        }
    }
}

/// The plan of an artifact, by its path relative to the project's root.
fn planned<'a>(environment: &'a Environment, path: &Utf8Path) -> Option<&'a Planned> {
    let relative = path.strip_prefix(&environment.folder).ok()?;
    // The plan is in the order of these bytes.
    let at = environment
        .artifacts
        .binary_search_by(|planned| planned.path.as_str().cmp(relative.as_str()))
        .ok()?;
    Some(&environment.artifacts[at])
}

/// The difference of an artifact, and the plan of it, if it is still made. `whole` wants contents whatever their length.
fn difference<'a>(
    compared: &Compared<'a>,
    change: &Change,
    sources: &Sources,
    whole: bool,
) -> Result<(FileDifference, Option<&'a Planned>), Diagnostic> {
    let environment = compared.environment;
    let relative = change.path.strip_prefix(&environment.folder).unwrap_or(&change.path);
    let planned = planned(environment, &change.path);
    let declared = planned.and_then(|planned| environment.declaration(planned));
    let target = match planned {
        Some(planned) => planned.target.to_string(),
        None => compared
            .tree
            .manifest()
            .get(relative.as_str())
            .map_or_else(String::new, |old| old.target.to_string()),
    };
    let largest = LARGEST as u64;
    let most = if whole { u64::MAX } else { largest + 1 };
    let old = compared.tree.read_up_to(relative, most)?.unwrap_or_default();
    let large = old.len() > LARGEST || change.bytes.is_some_and(|bytes| bytes > largest);
    let new = match planned.filter(|_| whole || !large) {
        Some(planned) => rendered(environment, planned, sources)?,
        None => Vec::new(),
    };
    let file = FileDifference {
        path: change.path.clone(),
        environment: environment.name.clone(),
        target,
        kind: change.change,
        edited: change.edited,
        missing: change.missing,
        modes: change.mode_differs.then(|| {
            let executable = planned.is_some_and(|planned| planned.mode & 0o100 != 0);
            if executable { (0o644, 0o755) } else { (0o755, 0o644) }
        }),
        large,
        about: declared.and_then(|declared| declared.about.clone()),
        apply: declared.and_then(|declared| declared.apply.clone()),
        old,
        new,
    };
    Ok((file, planned))
}

/// What makes artifacts differ from golden; with the plan of each, and all that was compared.
fn causes(
    files: &[FileDifference],
    made: &[(&Environment, Option<&Planned>)],
    all: &[Compared<'_>],
    compilation: &Compilation,
    sources: &Sources,
) -> Result<Vec<Cause>, Diagnostic> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let resolver = |environment, planned| Resolver::new(compilation, environment, planned, sources);
    let differing = files.iter().zip(made).map(|(file, (environment, planned))| {
        file.differing(None, planned.map(|planned| resolver(environment, planned)))
    });
    let same = all.iter().flat_map(|compared| {
        let is_same = |change: &&Change| {
            change.change == ChangeKind::Unchanged
                && change.bytes.is_some_and(|bytes| bytes <= LARGEST as u64)
        };
        let changes = compared.changes.list.iter().filter(is_same);
        changes.filter_map(|change| {
            let planned = planned(compared.environment, &change.path)?;
            Some(resolver(compared.environment, planned))
        })
    });
    let (differing, same): (Vec<_>, Vec<_>) = (differing.collect(), same.collect());
    Ok(cause::find(&differing, Against::Golden(&same))?)
}

/// What makes golden trees differ from what the sources give.
pub(super) fn causes_of(
    all: &[Compared<'_>],
    compilation: &Compilation,
    sources: &Sources,
) -> Result<Vec<Cause>, Diagnostic> {
    let (mut files, mut made) = (Vec::new(), Vec::new());
    for compared in all {
        let changed = compared.changes.list.iter().filter(|change| change.change != ChangeKind::Unchanged);
        for change in changed {
            let (file, planned) = difference(compared, change, sources, false)?;
            files.push(file);
            made.push((compared.environment, planned));
        }
    }
    causes(&files, &made, all, compilation, sources)
}

/// The bytes of an artifact.
fn rendered(environment: &Environment, planned: &Planned, sources: &Sources) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    environment.render(planned, sources, &mut bytes)?;
    Ok(bytes)
}

/// The instances that make what differs, with what their targets say of them; `states` are the compilations that
/// know them, the newest first.
fn reached(files: &[FileDifference], states: &[&Compilation]) -> Vec<Reached> {
    let mut made: BTreeMap<(&str, &str), Vec<&FileDifference>> = BTreeMap::new();
    for file in files {
        made.entry((&file.environment, &file.target)).or_default().push(file);
    }
    let found = |environment: &str, name: &str| {
        states.iter().find_map(|state| {
            let declared = state.project.environments.iter().find(|declared| declared.name == environment)?;
            state.targets.get(&declared.targets.get(name)?.target.value)
        })
    };
    let reached = made.into_iter().map(|((environment, name), files)| {
        let target = found(environment, name);
        let checks = target.into_iter().flat_map(|target| &target.checks);
        Reached {
            environment: environment.to_owned(),
            target: name.to_owned(),
            stage: target.map_or("", |target| target.stage.name()),
            checks: checks.map(|check| check.name.value.clone()).collect(),
            artifacts: files
                .into_iter()
                .map(|file| ReachedArtifact {
                    path: file.path.to_string(),
                    about: file.about.clone().unwrap_or_default(),
                    // Of one that is no longer made, the target still says it.
                    apply: file.apply.clone().or_else(|| target.and_then(|target| target.apply.clone())),
                })
                .collect(),
        }
    });
    reached.collect()
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
        if file.edited && file.kind == ChangeKind::Created {
            self.line(out, HEAD, &format!("# something else stands in the place of {}", file.path))?;
        } else if file.edited {
            self.line(out, HEAD, &format!("# {} was edited by hand", file.path))?;
        }
        if let Some((old, new)) = file.modes {
            self.line(out, HEAD, &format!("# {}: mode 10{old:04o} -> 10{new:04o}", file.path))?;
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

    /// A cause with the lines that it makes differ.
    fn cause(
        &self,
        out: &mut dyn Write,
        cause: &Cause,
        files: &[FileDifference],
        stat: bool,
    ) -> io::Result<()> {
        let head = visible(&cause.reason.to_string()).replace('\t', "\\t");
        self.line(out, HEAD, &format!("{head}: {}", report::extent(cause)))?;
        for touched in &cause.artifacts {
            match touched.lines.len() {
                0 => writeln!(out, "  {}", touched.path)?,
                1 => writeln!(out, "  {}: 1 line", touched.path)?,
                count => writeln!(out, "  {}: {count} lines", touched.path)?,
            }
            let Some(file) = files.iter().find(|file| file.path == touched.path).filter(|_| !stat) else {
                continue;
            };
            let (before, after): (Vec<_>, Vec<_>) = (
                file.old.split(|byte| *byte == b'\n').collect(),
                file.new.split(|byte| *byte == b'\n').collect(),
            );
            for Changed { old, new } in &touched.lines {
                let sides = [("-", REMOVED, old, &before), ("+", ADDED, new, &after)];
                for (sign, style, number, text) in sides {
                    if let Some(text) = number.and_then(|number| text.get(number)) {
                        let text = visible(&String::from_utf8_lossy(text));
                        self.line(out, style, &format!("    {sign}{text}"))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn reviewed(&self, file: &FileDifference, shown: bool) -> io::Result<Reviewed> {
        let (added, removed) = file.lines();
        let mut difference = Vec::new();
        if shown {
            self.unified(&mut difference, file)?;
        }
        Ok(Reviewed {
            path: file.path.to_string(),
            change: file.kind,
            added,
            removed,
            difference: String::from_utf8_lossy(&difference).into_owned(),
        })
    }

    fn stat(&self, out: &mut dyn Write, files: &[FileDifference]) -> io::Result<()> {
        /// As wide as the bar of changed lines may be.
        const BAR: usize = 40;
        let mut rows = Vec::with_capacity(files.len());
        for file in files {
            let (added, removed) = file.lines();
            rows.push((file.path.as_str(), added, removed));
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
