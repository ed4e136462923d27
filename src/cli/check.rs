//! `confwright check`: the gate for commits and CI.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use camino::Utf8Path;
use clap::Args;

use super::determinism::Processes;
use super::diff::{causes_of, compare};
use super::native::NativeChecks;
use super::render::{artifacts_of, folders, retired};
use super::session::Session;
use super::{Exit, Part};
use crate::cache::{Asked, Clean};
use crate::compile::{Compilation, Environment, RenderFailure};
use crate::determinism::{COMPILES, Compiled};
use crate::diagnostic::{Diagnostic, Place, Severity, code};
use crate::finding;
use crate::golden::{ChangeKind, Changes, Tree};
use crate::lint::Options;
use crate::project::{Allow, Project};
use crate::report::Status;
use crate::source::git::{Repository, Served};
use crate::source::{self, Disk, FileId, Sources, World as _};
use crate::table::Table;

/// Check data, templates, formats, rules, and that the golden tree is what they give
///
/// Writes no golden file. Exits with 1 where golden is stale or was edited by hand, or an artifact or an exception is
/// not in order.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright check\n  confwright check --deterministic\n  \
                        confwright check --native          also ask the programs that will read it\n  \
                        confwright check --format github   in a workflow\n  confwright check --format sarif > report.sarif")]
pub(super) struct Check {
    #[command(flatten)]
    part: Part,
    /// Also compile again and again, in this process and in others, and require the same bytes each time
    #[arg(long)]
    deterministic: bool,
    /// The day that the ends of exceptions are compared with, instead of today
    #[arg(long, value_name = "DATE", value_parser = date)]
    as_of: Option<jiff::civil::Date>,
    /// Compile everything, even where no file has changed since the last clean run; for CI
    #[arg(long)]
    no_cache: bool,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    native: NativeChecks,
}

const NOTHING: &str = "golden was not compared";
const UP_TO_DATE: &str = "golden is up to date";

impl Check {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(root) = session.root() else { return session.fail(NOTHING) };
        if self.part.is_all()
            && !self.deterministic
            && self.as_of.is_none()
            && !self.no_cache
            && !self.strict
            && !self.native.native
            && let Some((count, artifacts)) = session.recall(&root, Asked::Check(crate::clock::today()))
        {
            session.say(&up_to_date(count))?;
            return session.report(Status::Clean, artifacts, UP_TO_DATE);
        }
        let disk = Disk::new(root.clone());
        let selection = self.part.selection();
        let Some(compilation) = session.prepare(&disk, &selection) else { return session.fail(NOTHING) };
        // What a render says too, but for what the trees add.
        let mut rendered = session.diagnostics.clone();
        let Some(gone) = retired(session, &root, &compilation, &selection) else {
            return session.fail(NOTHING);
        };
        let Some(all) = compare(session, &root, &disk, &compilation, &gone, &self.part) else {
            return session.fail(NOTHING);
        };
        let (mut changes, mut count) = (Vec::new(), 0);
        let mut differs = false;
        let mut allowed = compilation.allowed.clone();
        let today = self.as_of.unwrap_or_else(crate::clock::today);
        let served = Served::of(&root);
        let options = Options { version: None, from: None, as_of: today, strict: false };
        let mut until = compilation.project.allows.iter().map(|allow| allow.until.value).min();
        for compared in &all {
            differs |= !compared.changes.is_clean();
            session.diagnostics.extend(stale(&compared.tree, &compared.changes));
            session.diagnostics.append(compared.changes.edited.clone());
            session.diagnostics.append(compared.changes.obstacles.clone());
            session.diagnostics.append(compared.changes.warnings.clone());
            rendered.append(compared.changes.warnings.clone());
            let (structure, faulty) =
                finding::structure(&compilation, compared.environment, &session.sources);
            session.diagnostics.extend(structure);
            let (changed, unknown) =
                finding::serials(&compilation, compared.environment, &session.sources, &served);
            session.diagnostics.extend(unknown);
            session.diagnostics.extend(changed.into_iter().map(|unraised| unraised.diagnostic));
            let mut linted = finding::lint(
                &compilation,
                compared.environment,
                &session.sources,
                options,
                &faulty,
                &mut allowed,
            );
            hold_changed_rows(&root, compared.environment, &session.sources, &mut linted.diagnostics);
            session.diagnostics.extend(linted.diagnostics);
            until = until.into_iter().chain(linted.until).min();
            session.diagnostics.extend(unchecked(compared.environment, &compilation.project, &mut allowed));
            for span in &compared.environment.raw {
                session.diagnostics.push(
                    Diagnostic::warning(
                        &code::TEMPLATE_RAW,
                        "this value is printed as it is, whatever the format says",
                    )
                    .at(*span, "opted out with `raw`"),
                );
            }
        }
        let causes = causes_of(&all, &compilation, &session.sources);
        session.causes = session.diagnostics.take(causes).unwrap_or_default();
        if selection.is_whole() {
            session.diagnostics.extend(compilation.unused_columns());
            let rows = compilation.unused_rows(&session.sources, &mut allowed);
            session.diagnostics.extend(rows.unwrap_or_else(|failure| vec![failure]));
        }
        if self.deterministic && !self.repeat(session, &root, &disk, &compilation)? {
            return session.fail("whether every compile gives the same bytes is not known");
        }
        session.diagnostics.extend(exceptions(
            &compilation,
            &allowed,
            selection.is_whole() && selection.environments.is_empty(),
            today,
        ));
        // What is found on this machine is no reason to look again on it.
        let found = session.diagnostics.clone();
        let may_run = self.native.run(session, &root, &disk, &compilation)?;
        for compared in &all {
            count += compared.changes.list.len();
            changes.extend(session.artifacts(&compared.changes));
        }
        if self.strict {
            session.diagnostics.for_each_mut(|diagnostic| diagnostic.severity = Severity::Error);
        }
        let status = match (differs, session.diagnostics.has_errors()) {
            _ if !may_run => Status::Error,
            (true, _) => Status::Differs,
            (false, true) => Status::Findings,
            (false, false) => Status::Clean,
        };
        if status == Status::Clean {
            let mut artifacts = all.iter().flat_map(|compared| &compared.environment.artifacts);
            let has_zones = artifacts.any(|planned| planned.format.name == "zone");
            let clean = Clean {
                rendered: all.iter().all(|compared| compared.changes.is_untouched()).then_some(rendered),
                // What is committed, which zones are held against, may change without a file of the project.
                checked: (!has_zones).then_some(found),
                until,
                trees: folders(&compilation),
                artifacts: count,
                files: all.iter().map(|compared| compared.changes.files()).sum(),
                written: None,
            };
            session.keep(&clean, &compilation);
            let proved = if self.deterministic { ", and every compile gave the same bytes" } else { "" };
            session.say(&(up_to_date(count) + proved))?;
        }
        let outcome = if !may_run {
            "the native checks were not run"
        } else if differs {
            "run `confwright diff` to see what differs"
        } else {
            UP_TO_DATE
        };
        session.report(status, changes, outcome)
    }
}

impl Check {
    /// Compiles again and again, here and in other processes; false if it was stopped.
    fn repeat(
        &self,
        session: &mut Session,
        root: &Utf8Path,
        disk: &Disk,
        compilation: &Compilation,
    ) -> io::Result<bool> {
        session.stop_on_signals()?;
        let compiled = match Compiled::new(compilation, &session.sources) {
            Ok(compiled) => compiled,
            Err(RenderFailure::Sink(error)) => return Err(error),
            Err(RenderFailure::Diagnostic(diagnostic)) => {
                session.diagnostics.push(*diagnostic);
                return Ok(true);
            }
        };
        let mut found = compiled.repeat(disk, &self.part.selection(), &|_| {}, COMPILES, &session.stop);
        // What differs within one process differs between all.
        if found.is_empty() {
            let processes = Processes {
                executable: std::env::current_exe()?,
                root,
                part: self.part.arguments(),
                memory: source::memory_folders(),
                stop: Arc::clone(&session.stop),
            };
            found = processes.compare(&compiled, disk);
        }
        session.diagnostics.extend(found);
        let stopped = session.stop.load(Ordering::Relaxed);
        if stopped {
            session.diagnostics.push(Diagnostic::error(
                &code::GOLDEN_INTERRUPTED,
                "the check was interrupted; it has written nothing",
            ));
        }
        Ok(!stopped)
    }
}

/// Makes errors of warnings about rows that were changed since the last commit: what depends on the day must not block the
/// fix of something else, but nobody commits a row with it.
fn hold_changed_rows(root: &Utf8Path, environment: &Environment, sources: &Sources, list: &mut [Diagnostic]) {
    let tables: BTreeSet<FileId> = environment.tables.iter().filter_map(Table::file).collect();
    let mut warnings = list.iter_mut().filter(|one| one.severity == Severity::Warning).peekable();
    if warnings.peek().is_none() {
        return;
    }
    // Without a commit, nothing is known of what was.
    let Ok(repository) = Repository::find(root) else { return };
    let (Ok(commit), Ok(inside)) = (repository.commit("HEAD"), repository.inside(root)) else { return };
    let committed = repository.world(&commit, &inside);
    let mut lines: BTreeMap<FileId, Option<BTreeSet<Vec<u8>>>> = BTreeMap::new();
    for warning in warnings {
        let is_changed = warning.labels.iter().any(|label| {
            let Place::Span(span) = &label.place else { return false };
            if !tables.contains(&span.file) {
                return false;
            }
            let file = sources.file(span.file);
            let known = lines.entry(span.file).or_insert_with(|| {
                let bytes = committed.read(file.path()).ok()?;
                Some(bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
            });
            let (before, behind) = file.bytes().split_at(span.start.min(file.bytes().len()));
            let begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', behind).map_or(file.bytes().len(), |at| before.len() + at);
            known.as_ref().is_some_and(|known| !known.contains(&file.bytes()[begin..end]))
        });
        if is_changed {
            warning.severity = Severity::Error;
        }
    }
}

fn up_to_date(count: usize) -> String {
    format!("golden is what the sources give: {}", artifacts_of(count))
}

/// What of a golden tree is not what the sources give, but for files that were edited by hand.
fn stale(tree: &Tree, changes: &Changes) -> Vec<Diagnostic> {
    let mut list = Vec::new();
    for change in &changes.list {
        let what = match change.change {
            _ if change.edited => continue,
            ChangeKind::Created => "is missing",
            ChangeKind::Deleted => "is no longer made by anything",
            ChangeKind::Changed => "is not what the sources give",
            ChangeKind::Unchanged if change.mode_differs => "has the wrong execute bit",
            ChangeKind::Unchanged => continue,
        };
        list.push(
            Diagnostic::error(&code::GOLDEN_STALE, format!("`{}` {what}", change.path))
                .at_file(change.path.clone(), "")
                .hint("run `confwright render` and commit the result"),
        );
    }
    // Where an artifact differs, the manifest does too.
    let stale = if changes.list.iter().any(|change| change.change != ChangeKind::Unchanged) {
        &[]
    } else {
        changes.stale.as_slice()
    };
    for path in stale {
        let there = path.strip_prefix(tree.folder()).is_ok_and(|name| tree.kind(name.as_str()).is_some());
        let what = if there { "does not describe the artifacts" } else { "is missing" };
        list.push(
            Diagnostic::error(&code::GOLDEN_STALE, format!("`{path}` {what}"))
                .at_file(path.clone(), "")
                .hint("run `confwright render` and commit the result"),
        );
    }
    list
}

/// Reads a date of the command line.
pub(super) fn date(text: &str) -> Result<jiff::civil::Date, &'static str> {
    text.parse().map_err(|_| "expected a date such as 2027-03-31")
}

/// The columns of certificates that cannot be judged, but for where an exception says so.
fn unchecked(environment: &Environment, project: &Project, allowed: &mut BTreeSet<usize>) -> Vec<Diagnostic> {
    let mut list = Vec::new();
    let is_exception = |allow: &Allow| allow.rule.value == code::TABLE_UNCHECKED.id && allow.row.is_none();
    let exception = project.allows.iter().position(is_exception);
    for table in environment.tables.iter().filter(|table| !table.is_empty()) {
        let schema = table.schema();
        for column in schema.columns.iter().filter(|column| column.ty.is_unchecked()) {
            if let Some(number) = exception {
                allowed.insert(number);
                continue;
            }
            let message = format!(
                "the certificates of the column `{}` of the table `{}` are not checked",
                column.name, schema.name
            );
            list.push(
                Diagnostic::warning(&code::TABLE_UNCHECKED, message)
                    .at(column.span.unwrap_or(schema.span), "this column has no `local` folder")
                    .hint(
                        "name a folder of the project with the public certificates: `local = \"pki/certs\"`",
                    ),
            );
        }
    }
    list
}

/// Exceptions that have ended, and those that apply to nothing.
fn exceptions(
    compilation: &Compilation,
    allowed: &BTreeSet<usize>,
    whole: bool,
    today: jiff::civil::Date,
) -> Vec<Diagnostic> {
    let mut list = Vec::new();
    for (number, allow) in compilation.project.allows.iter().enumerate() {
        if allow.until.value < today {
            list.push(
                Diagnostic::error(
                    &code::ALLOW_EXPIRED,
                    format!("the exception to `{}` ended on {}", allow.rule.value, allow.until.value),
                )
                .at(allow.until.span, "this day has passed")
                .hint(format!("mend what it allows (\"{}\"), or agree on another day", allow.reason)),
            );
        }
        if whole && !allowed.contains(&number) {
            list.push(
                Diagnostic::warning(
                    &code::ALLOW_UNUSED,
                    format!("the exception to `{}` applies to nothing", allow.rule.value),
                )
                .at(allow.span, "not needed any more")
                .hint("remove it"),
            );
        }
    }
    list
}
