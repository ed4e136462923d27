//! What `confwright explain` finds: for lines of an artifact their origins, for lines of a table or a template the
//! lines of artifacts that come from them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Serialize;

use crate::compile::{Compilation, Environment, RenderFailure};
use crate::diagnostic::{Diagnostic, code};
use crate::origin::{Cause, Excerpt, Frame, FrameKind, Input, Line, Piece, Row};
use crate::plan::Planned;
use crate::source::{FileId, Sources, Span};
use crate::table::{Column, Table};
use crate::template::syntax::{ExpressionKind, parse_expression, visit};

/// Lines of a file, and perhaps a place in the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// The file, relative to the project's root.
    pub(crate) path: Utf8PathBuf,
    /// The lines, from 1.
    pub(crate) lines: Range<usize>,
    /// A column, from 1, in characters.
    pub(crate) column: Option<usize>,
}

impl Query {
    /// Reads `PATH:LINE`, `PATH:LINE:COLUMN` or `PATH:FIRST-LAST`.
    pub(crate) fn parse(place: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
        let (rest, last) = place.rsplit_once(':')?;
        if let Some((path, line)) = rest.rsplit_once(':')
            && let (Some(line), Some(column)) = (number(line), number(last))
        {
            return Some(Self { path: path.into(), lines: line..line + 1, column: Some(column) });
        }
        let (first, last) = last.split_once('-').unwrap_or((last, last));
        let (first, last) = (number(first)?, number(last)?);
        (first <= last && !rest.is_empty()).then(|| Self {
            path: rest.into(),
            lines: first..last.saturating_add(1),
            column: None,
        })
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// Lines of an artifact.
    Lines {
        /// The environment that makes it.
        environment: &'a Environment,
        /// The artifact.
        planned: &'a Planned,
        /// What was asked for of it.
        excerpt: Excerpt,
        /// Line by line.
        lines: Vec<Line>,
    },
    /// Lines of artifacts that something reaches.
    Reached {
        /// What it is: rows or lines of a template.
        what: String,
        /// Whether it is more than one.
        is_many: bool,
        /// The artifacts with their lines.
        reached: Vec<Reached>,
    },
}

/// Lines of an artifact that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Reached {
    /// The artifact's path, relative to the project's root.
    pub(crate) path: String,
    /// The first line, from 1.
    pub(crate) first: usize,
    /// The last line.
    pub(crate) last: usize,
}

/// Finds what a query asks for.
pub(crate) fn find<'a>(
    compilation: &'a Compilation,
    sources: &Sources,
    query: &Query,
) -> Result<Found<'a>, Vec<Diagnostic>> {
    for environment in &compilation.environments {
        let Ok(path) = query.path.strip_prefix(&environment.folder) else { continue };
        if let Some(planned) = environment.artifacts.iter().find(|planned| *planned.path == *path) {
            return origins(environment, planned, sources, query);
        }
    }
    let Some(file) = sources.find(&query.path) else {
        return Err(vec![unknown(compilation, sources, query)]);
    };
    let tables: Vec<(&Environment, &Table)> = compilation
        .environments
        .iter()
        .flat_map(|environment| environment.tables.iter().map(move |table| (environment, table)))
        .filter(|(_, table)| table.file() == Some(file))
        .collect();
    if tables.is_empty() && !query.path.starts_with(&compilation.project.templates) {
        return Err(vec![unknown(compilation, sources, query)]);
    }
    within_file(sources, file, query)?;
    if tables.is_empty() {
        of_template(compilation, sources, file, query)
    } else {
        of_rows(&tables, sources, query)
    }
}

fn unknown(compilation: &Compilation, sources: &Sources, query: &Query) -> Diagnostic {
    let artifacts = compilation.environments.iter().flat_map(|environment| {
        environment.artifacts.iter().map(|planned| environment.folder.join(&planned.path).to_string())
    });
    let tables = compilation.environments.iter().flat_map(|environment| environment.tables.iter());
    let tables = tables.filter_map(|table| Some(sources.file(table.file()?).path().to_string()));
    let known: BTreeSet<String> = artifacts.chain(tables).collect();
    let message = format!("`{}` is no artifact, no table and no template", query.path);
    let diagnostic = Diagnostic::error(&code::USAGE, message)
        .hint_nearest(query.path.as_str(), known.iter().map(String::as_str));
    if diagnostic.hints.is_empty() { diagnostic.hint("`confwright list` names them") } else { diagnostic }
}

fn no_line(query: &Query, lines: usize) -> Diagnostic {
    let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    let message = format!("there is no line {} in `{}`: it has {lines}", query.lines.start, query.path);
    Diagnostic::error(&code::USAGE, message)
}

fn within_file(sources: &Sources, file: FileId, query: &Query) -> Result<(), Vec<Diagnostic>> {
    let bytes = sources.file(file).bytes();
    let lines = memchr::memchr_iter(b'\n', bytes).count() + usize::from(!bytes.ends_with(b"\n"));
    if query.lines.start <= lines { Ok(()) } else { Err(vec![no_line(query, lines)]) }
}

fn failed(failure: RenderFailure) -> Diagnostic {
    match failure {
        RenderFailure::Diagnostic(diagnostic) => *diagnostic,
        RenderFailure::Sink(error) => Diagnostic::error(&code::SOURCE_READ, error.to_string()),
    }
}

fn origins<'a>(
    environment: &'a Environment,
    planned: &'a Planned,
    sources: &Sources,
    query: &Query,
) -> Result<Found<'a>, Vec<Diagnostic>> {
    let excerpt =
        environment.trace(planned, sources, query.lines.clone()).map_err(|failure| vec![failed(failure)])?;
    if let Some(lines) = excerpt.lines.filter(|lines| query.lines.start > *lines) {
        return Err(vec![no_line(query, lines)]);
    }
    let mut lines: Vec<Line> = excerpt.by_line().collect();
    if let (Some(column), [line]) = (query.column, &mut lines[..]) {
        let text = String::from_utf8_lossy(excerpt.bytes(&line.bytes));
        let Some((at, _)) = text.char_indices().nth(column - 1) else {
            let count = text.chars().count();
            let message =
                format!("line {} of `{}` has no column {column}: it has {count}", line.number, query.path);
            return Err(vec![Diagnostic::error(&code::USAGE, message)]);
        };
        line.pieces.retain(|piece| piece.bytes.contains(&(line.bytes.start + at)));
    }
    Ok(Found::Lines { environment, planned, excerpt, lines })
}

fn of_rows<'a>(
    tables: &[(&Environment, &Table)],
    sources: &Sources,
    query: &Query,
) -> Result<Found<'a>, Vec<Diagnostic>> {
    let mut reached = Vec::new();
    let mut names = Vec::new();
    let mut cell_name = None;
    for (environment, table) in tables {
        let name = &table.schema().name;
        let rows: BTreeSet<usize> = query
            .lines
            .clone()
            .map_while(|line| Some(line).filter(|line| *line <= last_line(table, sources)))
            .filter_map(|line| table.row_at(sources, line))
            .collect();
        let column = query
            .column
            .and_then(|column| column_at(table, sources, *rows.first()?, query.lines.start, column));
        names.extend(rows.iter().map(|row| (name.clone(), *row, label(table, environment, sources, *row))));
        cell_name = cell_name.or(column.clone());
        let is_meant = |row: &Row| *row.table == **name && rows.contains(&row.number);
        let columns = column.as_ref().map(|column| with_derived(table, column));
        let touches = |piece: &Piece| match &columns {
            None => piece.rows().any(is_meant),
            Some(columns) => piece.sources().iter().any(|input| match input {
                Input::Cell { row, column } => is_meant(row) && columns.contains(&**column),
                _ => false,
            }),
        };
        collect(environment, sources, &touches, &mut reached).map_err(|diagnostic| vec![diagnostic])?;
    }
    names.sort();
    names.dedup();
    let what = match &names[..] {
        [] => {
            let message = format!("line {} of `{}` holds no row", query.lines.start, query.path);
            return Err(vec![Diagnostic::error(&code::USAGE, message)]);
        }
        [(table, _, label)] => match cell_name {
            Some(column) => format!("`{column}` of {label} in `{table}`"),
            None => format!("{label} of `{table}`"),
        },
        [(table, ..), ..] => format!("{} rows of `{table}`", names.len()),
    };
    Ok(Found::Reached { what, is_many: names.len() > 1, reached })
}

fn last_line(table: &Table, sources: &Sources) -> usize {
    table.file().map_or(0, |file| {
        let file = sources.file(file);
        file.position(file.bytes().len()).line
    })
}

/// The column whose cell is written at a place.
fn column_at(table: &Table, sources: &Sources, row: usize, line: usize, column: usize) -> Option<String> {
    let columns = table.schema().columns.iter().enumerate();
    let mut spans =
        columns.filter_map(|(number, known)| Some((known, table.cell_span(sources, row, number)?)));
    spans.find_map(|(known, span)| {
        let file = sources.file(span.file);
        let (start, end) = (file.position(span.start), file.position(span.end));
        let at = (line, column);
        ((start.line, start.column) <= at && at <= (end.line, end.column)).then(|| known.name.clone())
    })
}

/// A column with those that are derived from it.
fn with_derived<'a>(table: &'a Table, column: &'a str) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::from([column]);
    // A derived column is computed from those that are declared before it.
    for derived in &table.schema().columns {
        let read = derived.expr.as_deref().map(|expr| read_by(expr).0).unwrap_or_default();
        if read.iter().any(|name| known.contains(&**name)) {
            known.insert(&derived.name);
        }
    }
    known
}

/// The columns of its row and the values that the expression of a derived column reads, in order.
fn read_by(expr: &str) -> (Vec<String>, Vec<String>) {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    let Ok((mut expression, _)) = parse_expression(expr) else { return (columns, values) };
    visit(&mut expression, &mut |found| {
        let (base, name) = match found.kind.as_ref() {
            ExpressionKind::Attribute { base, name, .. } => (base, &name.text),
            ExpressionKind::Index { base, index, .. } => match index.kind.as_ref() {
                ExpressionKind::Text(name) => (base, name),
                _ => return,
            },
            _ => return,
        };
        let into = match base.kind.as_ref() {
            ExpressionKind::Variable(variable) if variable == "row" => &mut columns,
            ExpressionKind::Variable(variable) if variable == "values" => &mut values,
            _ => return,
        };
        if !into.contains(name) {
            into.push(name.clone());
        }
    });
    (columns, values)
}

fn label(table: &Table, environment: &Environment, sources: &Sources, number: usize) -> String {
    match table.rows(sources).nth(number) {
        Some(row) => environment.tables.label(table, number, &row.cells),
        None => format!("#{}", number + 1),
    }
}

fn of_template<'a>(
    compilation: &Compilation,
    sources: &Sources,
    file: FileId,
    query: &Query,
) -> Result<Found<'a>, Vec<Diagnostic>> {
    let source = sources.file(file);
    let lines = query.lines.clone().map_while(|line| source.line(line));
    let lines: Vec<Range<usize>> = lines.collect();
    let (start, end) = (lines.first().map_or(0, |line| line.start), lines.last().map_or(0, |line| line.end));
    let meets = |span: Span| span.file == file && span.start < end.max(start + 1) && start < span.end;
    let begins = |span: Span| span.file == file && (start..=end).contains(&span.start);
    let touches = |piece: &Piece| {
        piece.span().is_some_and(meets) || piece.frames.iter().any(|frame| begins(frame.site))
    };
    let mut reached = Vec::new();
    for environment in &compilation.environments {
        collect(environment, sources, &touches, &mut reached).map_err(|diagnostic| vec![diagnostic])?;
    }
    let what = match lines.len() {
        0 | 1 => format!("line {} of the template", query.lines.start),
        count => {
            let first = query.lines.start;
            format!("lines {first}-{} of the template", first + count - 1)
        }
    };
    Ok(Found::Reached { what, is_many: lines.len() > 1, reached })
}

/// Adds the lines of all artifacts in which something touches.
fn collect(
    environment: &Environment,
    sources: &Sources,
    touches: &dyn Fn(&Piece) -> bool,
    reached: &mut Vec<Reached>,
) -> Result<(), Diagnostic> {
    for planned in &environment.artifacts {
        let excerpt = environment.trace(planned, sources, 1..usize::MAX).map_err(failed)?;
        let path = environment.folder.join(&planned.path).to_string();
        let mut open: Option<Reached> = None;
        for line in excerpt.by_line().filter(|line| line.pieces.iter().any(touches)) {
            match &mut open {
                Some(before) if before.last + 1 == line.number => before.last = line.number,
                _ => {
                    let next = Reached { path: path.clone(), first: line.number, last: line.number };
                    reached.extend(open.replace(next));
                }
            }
        }
        reached.extend(open);
    }
    Ok(())
}

/// A line of an artifact with where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Line")]
pub(crate) struct LineDocument {
    /// Its number, from 1.
    line: usize,
    /// Its text without the line break.
    text: String,
    /// The pieces that it is made of, in order.
    pieces: Vec<PieceDocument>,
}

/// A piece of a line that has one cause.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Piece")]
struct PieceDocument {
    /// Where it begins, in characters, from 1.
    column: usize,
    /// Its text.
    text: String,
    /// `literal` is text of a template, `value` was printed by an expression, of `unknown` nothing certain is known.
    kind: &'static str,
    /// Where it stands in a template; null where that is not known.
    template: Option<PlaceDocument>,
    /// What the value was made of.
    sources: Vec<InputDocument>,
    /// The filters that it passed, in their order.
    filters: Vec<String>,
    /// The loops, includes, blocks and components around it, outermost first.
    frames: Vec<FrameDocument>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Place")]
pub(crate) struct PlaceDocument {
    /// The file, relative to the project's root.
    pub(crate) path: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    column: usize,
}

impl std::fmt::Display for PlaceDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// What a value was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Source")]
pub(crate) struct InputDocument {
    /// `cell`, `row` (a row as a whole, as where rows are counted) or `value`.
    pub(crate) kind: &'static str,
    /// The column or the value; empty for a row.
    pub(crate) name: String,
    /// The row; null for a value.
    pub(crate) row: Option<RowDocument>,
    /// Where it is written: the cell, or what says what an empty or derived cell is; null where nothing does.
    pub(crate) place: Option<PlaceDocument>,
    /// `written`, `default` (the value is not written, or the cell is empty), `empty` (a cell that has no default
    /// either) or `derived` (an expression computes it).
    pub(crate) given: &'static str,
}

/// Something around a piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Frame")]
pub(crate) struct FrameDocument {
    /// `artifact` (made for each row), `loop`, `include`, `block`, `component`, or `print` (of captured text).
    pub(crate) kind: &'static str,
    /// The loop's variable, or the name of the template, block or component.
    pub(crate) name: String,
    /// The tag or the call.
    pub(crate) place: PlaceDocument,
    /// The row that it is at; null where it is at none.
    pub(crate) row: Option<RowDocument>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Row")]
pub(crate) struct RowDocument {
    /// The table.
    pub(crate) table: String,
    /// The row's key; `#` and its number, from 1, where the table has none.
    pub(crate) row: String,
    /// Where it is written.
    pub(crate) place: Option<PlaceDocument>,
}

/// Tells origins in the words of the project.
pub(crate) struct Resolver<'a> {
    pub(crate) compilation: &'a Compilation,
    pub(crate) environment: &'a Environment,
    pub(crate) planned: &'a Planned,
    pub(crate) sources: &'a Sources,
    rows: std::cell::RefCell<BTreeMap<Row, RowDocument>>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(
        compilation: &'a Compilation,
        environment: &'a Environment,
        planned: &'a Planned,
        sources: &'a Sources,
    ) -> Self {
        Self { compilation, environment, planned, sources, rows: std::cell::RefCell::default() }
    }

    pub(crate) fn line(&self, line: &Line, excerpt: &Excerpt) -> LineDocument {
        let text = |bytes: &Range<usize>| {
            // Of an empty line, the piece is its line break.
            let bytes = bytes.start..bytes.end.min(line.bytes.end.max(bytes.start));
            String::from_utf8_lossy(excerpt.bytes(&bytes)).into_owned()
        };
        let pieces = line.pieces.iter().map(|piece| PieceDocument {
            column: text(&(line.bytes.start..piece.bytes.start)).chars().count() + 1,
            text: text(&piece.bytes),
            kind: match piece.cause {
                Cause::Literal { .. } => "literal",
                Cause::Value { .. } => "value",
                Cause::Unknown => "unknown",
            },
            template: piece.span().map(|span| self.place(span)),
            sources: self.inputs(piece.sources()).iter().map(|input| self.input(input)).collect(),
            filters: piece.filters().iter().map(ToString::to_string).collect(),
            frames: piece.frames.iter().map(|frame| self.frame(frame)).collect(),
        });
        LineDocument { line: line.number, text: text(&line.bytes), pieces: pieces.collect() }
    }

    fn place(&self, span: Span) -> PlaceDocument {
        let (path, position) = self.sources.locate(span);
        PlaceDocument { path: path.to_string(), line: position.line, column: position.column }
    }

    pub(crate) fn row(&self, row: &Row) -> RowDocument {
        if let Some(known) = self.rows.borrow().get(row) {
            return known.clone();
        }
        let table = self.environment.tables.get(&row.table);
        let document = RowDocument {
            table: row.table.to_string(),
            row: table
                .map_or_else(String::new, |table| label(table, self.environment, self.sources, row.number)),
            place: table.and_then(|table| Some(self.place(table.row_span(self.sources, row.number)?))),
        };
        self.rows.borrow_mut().insert(row.clone(), document.clone());
        document
    }

    /// What a value was made of; a derived cell is followed by what it is computed from.
    pub(crate) fn inputs<'i>(&self, inputs: impl IntoIterator<Item = &'i Input>) -> Vec<Input> {
        let mut all: Vec<Input> = Vec::new();
        let mut open: Vec<Input> = inputs.into_iter().cloned().collect();
        open.reverse();
        while let Some(input) = open.pop() {
            if all.contains(&input) {
                continue;
            }
            if let Input::Cell { row, column } = &input {
                let table = self.environment.tables.get(&row.table);
                let column = table.and_then(|table| Some(table.schema().column(column)?.1));
                let (columns, values) =
                    column.and_then(|column| column.expr.as_deref()).map(read_by).unwrap_or_default();
                open.extend(values.into_iter().rev().map(|name| Input::Value(name.into())));
                let columns = columns.into_iter().rev();
                open.extend(columns.map(|column| Input::Cell { row: row.clone(), column: column.into() }));
            }
            all.push(input);
        }
        all
    }

    /// Whether it is a cell that an expression computes.
    pub(crate) fn is_derived(&self, input: &Input) -> bool {
        self.column(input).is_some_and(|column| column.expr.is_some())
    }

    /// Where the expression of a derived cell is declared.
    pub(crate) fn derivation(&self, input: &Input) -> Option<Span> {
        self.column(input).filter(|column| column.expr.is_some())?.span
    }

    fn column(&self, input: &Input) -> Option<&'a Column> {
        let Input::Cell { row, column } = input else { return None };
        let environment = self.environment;
        Some(environment.tables.get(&row.table)?.schema().column(column)?.1)
    }

    pub(crate) fn input(&self, input: &Input) -> InputDocument {
        let (kind, name, row) = match input {
            Input::Row(row) => ("row", "", Some(row)),
            Input::Cell { row, column } => ("cell", &**column, Some(row)),
            Input::Value(name) => ("value", &**name, None),
        };
        let (span, given) = self.written(input);
        InputDocument {
            kind,
            name: name.to_owned(),
            row: row.map(|row| self.row(row)),
            place: span.map(|span| self.place(span)),
            given,
        }
    }

    /// Where something is written, or what says what an empty or derived cell is; and how it is given.
    pub(crate) fn written(&self, input: &Input) -> (Option<Span>, &'static str) {
        let (row, column) = match input {
            Input::Value(name) => return self.value(name),
            Input::Row(row) => (row, None),
            Input::Cell { row, column } => (row, Some(column)),
        };
        let Some(table) = self.environment.tables.get(&row.table) else { return (None, "written") };
        let Some(column) = column else { return (table.row_span(self.sources, row.number), "written") };
        let Some((number, declared)) = table.schema().column(column) else { return (None, "written") };
        if declared.expr.is_some() {
            return (declared.span, "derived");
        }
        match table.cell_span(self.sources, row.number, number) {
            Some(span) if !span.range().is_empty() => (Some(span), "written"),
            span => {
                let given = if declared.default.is_some() { "default" } else { "empty" };
                (span.or(declared.span), given)
            }
        }
    }

    /// Where a value of the project is written, or the default that the target gives it.
    pub(crate) fn value(&self, name: &str) -> (Option<Span>, &'static str) {
        let declared = self.compilation.project.environments.iter();
        let declared = declared.into_iter().find(|declared| declared.name == self.environment.name);
        let instance = declared.and_then(|declared| declared.targets.get(&*self.planned.target));
        let values = instance.map(|instance| &instance.values).or(declared.map(|declared| &declared.values));
        if let Some(value) = values.and_then(|values| values.get(name)) {
            return (Some(value.span), "written");
        }
        let target = instance.and_then(|instance| self.compilation.targets.get(&instance.target.value));
        let required = target.and_then(|target| target.values.as_ref()?.get(name));
        (required.map(|required| required.span), "default")
    }

    pub(crate) fn frame(&self, frame: &Frame) -> FrameDocument {
        FrameDocument {
            kind: match frame.kind {
                FrameKind::Artifact => "artifact",
                FrameKind::Loop => "loop",
                FrameKind::Include => "include",
                FrameKind::Block => "block",
                FrameKind::Component => "component",
                FrameKind::Print => "print",
            },
            name: frame.name.to_string(),
            place: self.place(frame.site),
            row: frame.row.as_ref().map(|row| self.row(row)),
        }
    }
}
