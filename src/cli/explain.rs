//! `confwright explain`: where lines of artifacts come from, and what rows and templates reach.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::ops::Range;

use camino::Utf8Path;
use clap::Args;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::diff::below;
use super::render::artifacts_of;
use super::session::Session;
use super::{Exit, Output};
use crate::compile::Selection;
use crate::diagnostic::{Diagnostic, code};
use crate::explain::{self, Found, InputDocument, LineDocument, Query, Reached, Resolver};
use crate::origin::{Cause, Excerpt, Input, Line, Piece};
use crate::report::{self, DiagnosticDocument, Marked};
use crate::source::{Disk, FileId, Sources, Span, World as _};

/// Show where a line comes from, or what it makes
///
/// Of a line of an artifact: the template lines, rows and cells that it was made of. Of a line of a table or a
/// template: the lines of artifacts that come from it. The sources are compiled afresh; nothing is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright explain golden/prod/postfix/master.cf:812\n  \
                        confwright explain golden/prod/postfix/master.cf:812:15   the value at a column\n  \
                        confwright explain golden/prod/postfix/master.cf:800-820\n  \
                        confwright explain data/mx.csv:17                         what a row reaches\n  \
                        confwright explain templates/postfix/master.cf.tera:12    what a template's line makes")]
pub(super) struct Explain {
    /// A line of an artifact, a table or a template
    #[arg(value_name = "PATH:LINE")]
    place: String,
}

const NOTHING: &str = "nothing was explained";

/// How much of a long golden file is looked at together.
const PART: usize = 1 << 18;

/// The result of `confwright explain`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "The result of confwright explain")]
pub(crate) struct Document<'a> {
    /// The file that was asked for, relative to the project's root.
    path: String,
    /// The lines of an artifact that were asked for, with their origins; empty for tables and templates.
    lines: Vec<LineDocument>,
    /// The lines of artifacts that a row or a template's line reaches; empty for artifacts.
    reaches: Vec<Reached>,
    /// What was found, sorted by place.
    diagnostics: Vec<DiagnosticDocument<'a>>,
}

impl Explain {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(mut query) = Query::parse(&self.place) else {
            let message = format!("expected a file and a line, found `{}`", self.place);
            session.diagnostics.push(
                Diagnostic::error(&code::USAGE, message)
                    .hint("write `PATH:LINE`, `PATH:LINE:COLUMN` or `PATH:FIRST-LAST`"),
            );
            return session.fail(NOTHING);
        };
        let Some(root) = session.root() else { return session.fail(NOTHING) };
        let disk = Disk::new(root.clone());
        let Some(compilation) = session.prepare(&disk, &Selection::default()) else {
            return session.fail(NOTHING);
        };
        query.path = below(&root, &query.path);
        let found = match explain::find(&compilation, &session.sources, &query) {
            Ok(found) => found,
            Err(diagnostic) => {
                session.diagnostics.extend(diagnostic);
                return session.fail(NOTHING);
            }
        };
        session.diagnostics.extend(session.sources.changed(&disk));
        if session.diagnostics.has_errors() {
            return session.fail(NOTHING);
        }
        session.worked();
        match found {
            Found::Lines { environment, planned, excerpt, lines } => {
                let stale = !is_fresh(&disk, &query.path, &excerpt);
                let stale: Vec<Diagnostic> = stale.then(|| stale_golden(&query.path)).into_iter().collect();
                let file = session.sources.add_lines(query.path.clone(), excerpt.first, &*excerpt.text);
                let shown = Shown { file, from: excerpt.start };
                let resolver = Resolver::new(&compilation, environment, planned, &session.sources);
                if session.output == Output::Json {
                    let lines = lines.iter().map(|line| resolver.line(line, &excerpt)).collect();
                    return session_json(session, &query.path, lines, Vec::new(), &stale);
                }
                let mut out = Vec::new();
                for (number, line) in lines.iter().enumerate() {
                    if number > 0 {
                        out.push(b'\n');
                    }
                    print(&mut out, &resolver, &shown, &query.path, line, session.colored)?;
                }
                session.out.write_all(&out)?;
                session.out.flush()?;
                session.warn(&stale)?;
            }
            Found::Reached { what, is_many, reached } => {
                if session.output == Output::Json {
                    return session_json(session, &query.path, Vec::new(), reached, &[]);
                }
                let mut lines = 0;
                let mut artifacts = BTreeSet::new();
                for Reached { path, first, last } in &reached {
                    lines += last - first + 1;
                    artifacts.insert(path);
                    if first == last {
                        writeln!(session.out, "{path}:{first}")?;
                    } else {
                        writeln!(session.out, "{path}:{first}-{last}")?;
                    }
                }
                let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
                let reaches = if is_many { "reach" } else { "reaches" };
                let summary = match artifacts.len() {
                    0 => format!("{what} {reaches} no line of any artifact"),
                    count => format!("{what} {reaches} {lines} of {}", artifacts_of(count)),
                };
                session.remark(&summary)?;
            }
        }
        Ok(Exit::Clean)
    }
}

fn session_json(
    session: &mut Session,
    path: &Utf8Path,
    lines: Vec<LineDocument>,
    reaches: Vec<Reached>,
    found: &[Diagnostic],
) -> io::Result<Exit> {
    let diagnostics = report::diagnostics(&session.sources, found);
    let document = Document { path: path.to_string(), lines, reaches, diagnostics };
    report::document_as_json(&mut session.out, &document)?;
    Ok(Exit::Clean)
}

fn stale_golden(path: &Utf8Path) -> Diagnostic {
    Diagnostic::warning(&code::GOLDEN_STALE, format!("`{path}` is not what the sources give"))
        .at_file(path, "what is explained is a fresh compile, not this file")
        .hint("`confwright diff` shows the difference")
}

/// Whether the golden file has the lines that were explained, at their place.
fn is_fresh(disk: &Disk, path: &Utf8Path, excerpt: &Excerpt) -> bool {
    let end = excerpt.start + excerpt.text.len();
    let breaks = |part: &[u8]| memchr::memchr_iter(b'\n', part).count();
    let Ok(Some(golden)) = disk.stream(path) else {
        return disk.read(path).is_ok_and(|golden| {
            golden.get(excerpt.start..end) == Some(&excerpt.text[..])
                && breaks(&golden[..excerpt.start]) + 1 == excerpt.first
        });
    };
    let mut there = vec![0; excerpt.text.len()];
    let fills =
        |part: &mut [u8], at: usize| golden.read_at(part, at as u64).is_ok_and(|count| count == part.len());
    if !fills(&mut there, excerpt.start) || *there != *excerpt.text {
        return false;
    }
    let (mut part, mut line) = (vec![0; PART], 1);
    for at in (0..excerpt.start).step_by(PART) {
        let part = &mut part[..PART.min(excerpt.start - at)];
        if !fills(part, at) {
            return false;
        }
        line += breaks(part);
    }
    line == excerpt.first
}

/// The file as which lines are shown, and where in the artifact they begin.
struct Shown {
    file: FileId,
    from: usize,
}

/// Prints a line of an artifact with its origins.
fn print(
    out: &mut dyn io::Write,
    resolver: &Resolver<'_>,
    shown: &Shown,
    path: &Utf8Path,
    line: &Line,
    styled: bool,
) -> io::Result<()> {
    let at = |byte: usize| byte - shown.from;
    let span = |bytes: &Range<usize>| Span::new(shown.file, at(bytes.start)..at(bytes.end));
    let marks = line.pieces.iter().filter_map(|piece| {
        let label = match &piece.cause {
            Cause::Literal { .. } => return None,
            Cause::Value { .. } => names(piece),
            Cause::Unknown => "unknown".to_owned(),
        };
        Some((span(&piece.bytes), label))
    });
    let mut artifact: Vec<(Span, String)> = marks.collect();
    if artifact.is_empty() {
        let (first, last) = (line.pieces.first(), line.pieces.last());
        let start = first.map_or(line.bytes.start, |piece| piece.bytes.start);
        let end = last.map_or(line.bytes.end, |piece| piece.bytes.end);
        artifact.push((span(&(start..end)), String::new()));
    }
    let mut lines = vec![Marked { marks: artifact }];
    lines.extend(template_lines(resolver.sources, &line.pieces));
    let mut notes = input_notes(resolver, &line.pieces);
    notes.extend(frame_notes(resolver, &line.pieces));
    let title = format!("{path}:{}", line.number);
    report::excerpt(out, resolver.sources, &title, &lines, &notes, styled)
}

/// What a value was made of, by name, and the filters that it passed.
fn names(piece: &Piece) -> String {
    let mut names: Vec<String> = Vec::new();
    for input in piece.sources() {
        let name = match input {
            Input::Cell { column: name, .. } | Input::Value(name) => name.to_string(),
            Input::Row(row) => format!("rows of {}", row.table),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut text = names.join(", ");
    for filter in piece.filters() {
        text.push_str(if text.is_empty() { "| " } else { " | " });
        text.push_str(filter);
    }
    text
}

/// The lines of templates that pieces come from, each with its expressions, or with its text where it has none.
fn template_lines(sources: &Sources, pieces: &[Piece]) -> Vec<Marked> {
    let mut lines: IndexMap<(FileId, usize), Vec<(Span, bool)>> = IndexMap::new();
    for piece in pieces {
        let Some(span) = piece.span() else { continue };
        let number = sources.file(span.file).position(span.start).line;
        let mark = (span, matches!(piece.cause, Cause::Value { .. }));
        let marks = lines.entry((span.file, number)).or_default();
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    }
    let marked = lines.into_values().map(|mut spans| {
        if spans.iter().any(|(_, is_value)| *is_value) {
            spans.retain(|(_, is_value)| *is_value);
        }
        Marked { marks: spans.into_iter().map(|(span, _)| (span, String::new())).collect() }
    });
    marked.collect()
}

/// More cells of one column than these are told together.
const CELLS: usize = 3;

fn input_notes(resolver: &Resolver<'_>, pieces: &[Piece]) -> Vec<(&'static str, String)> {
    let mut groups: IndexMap<(&'static str, &str, &str), Vec<&Input>> = IndexMap::new();
    let inputs = resolver.inputs(pieces.iter().flat_map(Piece::sources));
    for input in &inputs {
        let group = match input {
            Input::Cell { row, column } => ("cell", &*row.table, &**column),
            Input::Row(row) => ("rows", &*row.table, ""),
            Input::Value(name) => ("value", "", &**name),
        };
        groups.entry(group).or_default().push(input);
    }
    let mut notes = Vec::new();
    for ((kind, table, name), inputs) in groups {
        if inputs.len() > CELLS {
            let of = if name.is_empty() { String::new() } else { format!("{name} of ") };
            notes.push((kind, format!("{of}{} rows of {table}", inputs.len())));
            continue;
        }
        for input in inputs {
            let InputDocument { name, row, place, given, .. } = resolver.input(input);
            let row = row.map(|row| format!("{} in {}", row.row, row.table));
            let what = match (&row, name.is_empty()) {
                (Some(row), true) => row.clone(),
                (Some(row), false) => format!("{name} of {row}"),
                (None, _) => name,
            };
            let how = match (place, given) {
                (None, _) => String::new(),
                (Some(place), "derived") => format!(", derived by {place}"),
                (Some(place), "empty") => format!(", empty at {place}"),
                (Some(place), "default") if kind == "cell" => format!(", the default: empty at {place}"),
                (Some(place), "default") => format!(", the default at {place}"),
                (Some(place), _) => format!(", {place}"),
            };
            notes.push((kind, what + &how));
        }
    }
    notes
}

fn frame_notes(resolver: &Resolver<'_>, pieces: &[Piece]) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    for frame in pieces.iter().flat_map(|piece| piece.frames.iter().rev()) {
        let frame = resolver.frame(frame);
        let row = frame.row.map(|row| match row.place {
            Some(place) => format!("{} in {}, {place}", row.row, row.table),
            None => format!("{} in {}", row.row, row.table),
        });
        let (name, place) = (frame.name, frame.place);
        let note = match (frame.kind, row) {
            ("artifact", Some(row)) => ("row", row),
            ("loop", Some(row)) => ("loop", format!("{name} at {place}, row {row}")),
            (kind @ "print", _) => (kind, format!("of captured text at {place}")),
            ("component", _) => ("component", format!("{name}, called at {place}")),
            (kind, _) => (kind, format!("{name} at {place}")),
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}
