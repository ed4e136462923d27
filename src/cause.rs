//! What makes artifacts differ: cells, rows, values and lines of templates, each with the lines that it changes.
//!
//! The lines that differ are traced. Of two states of the sources, what each line was made of is looked up in the
//! other, and what differs there is the cause. Golden does not tell what made its lines: what is printed elsewhere
//! unchanged is not the cause then, and what cannot be told apart is named together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::compile::RenderFailure;
use crate::explain::Resolver;
use crate::golden::ChangeKind;
use crate::origin::{Excerpt, Line, Row};
use crate::source::Span;

mod conditions;
mod golden;
mod lines;
mod sources;

pub(crate) use sources::State;

/// The causes within an artifact that is longer than this on one side are not looked for.
pub(crate) const LARGEST: usize = 1024 * 1024;

/// The causes are looked for within the first artifacts that differ, and no more than these.
const ARTIFACTS: usize = 1000;

/// What makes lines of artifacts differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// What it is.
    #[serde(flatten)]
    pub reason: Reason,
    /// The artifacts that it changes, sorted by path.
    pub artifacts: Vec<Touched>,
}

impl Cause {
    /// How many lines it changes.
    pub fn lines(&self) -> usize {
        self.artifacts.iter().map(|artifact| artifact.lines.len()).sum()
    }
}

/// What a cause is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Reason {
    /// What changed.
    #[serde(rename = "cause")]
    pub kind: CauseKind,
    /// The file that says so, relative to the project's root; null where none is known.
    pub path: Option<String>,
    /// The line, from 1; null where it is gone, or the file as a whole is meant.
    pub line: Option<usize>,
    /// The row's key; `#` and its number, from 1, where the table has none; null where no single row is meant.
    pub row: Option<String>,
    /// The columns of the row, or the value; of a template, the columns (`table.column`) and values that it may be
    /// instead; of a condition, what it reads.
    pub names: Vec<String>,
    /// What of these is known on both sides, as it was and as it is.
    pub edits: Vec<Edit>,
}

/// A cell or a value that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Edit {
    /// The column or the value.
    pub name: String,
    /// What it was; null where it was not there.
    pub from: Option<String>,
    /// What it is; null where it is not there.
    pub to: Option<String>,
}

/// What kind of a change makes lines differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// Cells of a row.
    Cells,
    /// A row that was not there before.
    NewRow,
    /// A row that is no longer there.
    RemovedRow,
    /// A row that decides what is printed.
    Row,
    /// One of the project's values.
    Value,
    /// Text or an expression of a template.
    Template,
    /// A condition of a template, or what stands in it: golden does not tell which.
    Condition,
    /// What confwright.toml or target.toml says of an artifact or a column.
    Declaration,
    /// The order of a table's rows.
    Order,
    /// The golden file was edited by hand.
    Edited,
    /// The golden file was deleted by hand.
    Missing,
    /// Lines of golden that are no longer made; golden does not tell what made them.
    Removed,
    /// Nothing certain can be said: a condition, or text that cannot be traced.
    Unknown,
    /// So much of an artifact changed, or it is so long, that causes are not told apart.
    TooMuch,
}

/// An artifact with the lines that a cause changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Touched {
    /// Its path, relative to the project's root.
    pub path: String,
    /// The lines that differ; in documents, how many.
    #[serde(serialize_with = "count")]
    #[schemars(with = "usize")]
    pub lines: Vec<Changed>,
}

fn count<S: Serializer>(lines: &[Changed], serializer: S) -> Result<S::Ok, S::Error> {
    lines.len().serialize(serializer)
}

/// A line that differs; it is there before, afterwards, or both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Changed {
    /// Its number before, from 0.
    pub old: Option<usize>,
    /// Its number afterwards, from 0.
    pub new: Option<usize>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        let named = |name: &String| match self.edits.iter().find(|edit| edit.name == *name) {
            Some(edit) => format!("{name} ({edit})"),
            None => name.clone(),
        };
        let names = self.names.iter().map(named).collect::<Vec<_>>().join(", ");
        let columns = if self.names.len() == 1 { "column" } else { "columns" };
        match self.kind {
            CauseKind::Cells => write!(f, "{place}, {columns} {names}"),
            CauseKind::NewRow => write!(f, "{place}, a new row"),
            CauseKind::RemovedRow => write!(f, "{place}, a row that is gone"),
            CauseKind::Value => write!(f, "{place}, value {names}"),
            CauseKind::Template if !names.is_empty() => write!(f, "{place}, or all of {names}"),
            CauseKind::Condition => write!(f, "{place}, a condition on {names}, or what stands in it"),
            CauseKind::Declaration => write!(f, "{place}, a declaration"),
            CauseKind::Row | CauseKind::Template => f.write_str(&place),
            CauseKind::Order if place.is_empty() => f.write_str("another order"),
            CauseKind::Order => write!(f, "{place}, the order of its rows"),
            CauseKind::Edited => f.write_str("edited by hand"),
            CauseKind::Missing => f.write_str("deleted by hand"),
            CauseKind::Removed => f.write_str("no longer made"),
            CauseKind::Unknown => f.write_str("not known"),
            CauseKind::TooMuch => f.write_str("too much changed to tell causes apart"),
        }
    }
}

/// An artifact that differs.
pub(crate) struct Differing<'a> {
    /// Its path, relative to the project's root.
    pub(crate) path: &'a str,
    /// The environment and the instance of a target that make it, or made it.
    pub(crate) environment: &'a str,
    pub(crate) target: &'a str,
    /// What happens to it.
    pub(crate) kind: ChangeKind,
    /// Whether its golden file was edited by hand.
    pub(crate) edited: bool,
    /// Whether its golden file is gone, although the manifest lists it.
    pub(crate) missing: bool,
    /// Whether it is longer than [`LARGEST`] on one side; its bytes may be missing then.
    pub(crate) large: bool,
    /// Its bytes before, and what they are made of, where that is known.
    pub(crate) before: &'a [u8],
    pub(crate) old: Option<Resolver<'a>>,
    /// Its bytes afterwards, and what they are made of.
    pub(crate) after: &'a [u8],
    pub(crate) new: Option<Resolver<'a>>,
}

impl Differing<'_> {
    /// All lines of an artifact that is new or gone.
    fn whole(&self) -> Vec<Changed> {
        let before = (0..lines::split(self.before).len()).map(|old| Changed { old: Some(old), new: None });
        let after = (0..lines::split(self.after).len()).map(|new| Changed { old: None, new: Some(new) });
        before.chain(after).collect()
    }

    /// What does not take a trace: true if nothing is left to be found.
    fn is_settled(&self, number: usize, found: &mut Found) -> bool {
        let kind = match self.kind {
            // Of an artifact that differs in its mode only, no line does.
            ChangeKind::Unchanged => return true,
            _ if self.large => CauseKind::TooMuch,
            _ if self.edited => CauseKind::Edited,
            _ if self.missing => CauseKind::Missing,
            ChangeKind::Changed if number >= ARTIFACTS => CauseKind::TooMuch,
            _ => return false,
        };
        let changed = if self.large { None } else { lines::compare(self, &[], &[]) };
        found.add(Reason::of(kind), number, changed.unwrap_or_default());
        true
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<String>| side.as_deref().map_or("nothing".into(), short);
        write!(f, "{} -> {}", side(&self.from), side(&self.to))
    }
}

/// A text that is not longer than one wants to read in the middle of a line.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None if text.is_empty() => "\"\"".to_owned(),
        None => text.to_owned(),
    }
}

impl Reason {
    /// The file, the line and the row, as far as they are known.
    pub(crate) fn place(&self) -> String {
        let mut place = self.path.clone().unwrap_or_default();
        if let Some(line) = self.line {
            place = format!("{place}:{line}");
        }
        match &self.row {
            Some(row) if place.is_empty() => row.clone(),
            Some(row) => format!("{place} {row}"),
            None => place,
        }
    }

    fn of(kind: CauseKind) -> Self {
        Self { kind, path: None, line: None, row: None, names: Vec::new(), edits: Vec::new() }
    }

    /// A line of a template, or of a TOML file.
    fn at(kind: CauseKind, resolver: &Resolver<'_>, span: Span) -> Self {
        let (path, position) = resolver.sources.locate(span);
        Self { path: Some(path.to_string()), line: Some(position.line), ..Self::of(kind) }
    }

    fn of_row(kind: CauseKind, resolver: &Resolver<'_>, row: &Row) -> Self {
        let known = resolver.row(row);
        let (path, line) = known.place.map(|place| (place.path, place.line)).unzip();
        Self { path, line, row: Some(known.row), ..Self::of(kind) }
    }
}

/// The causes, as they are found.
#[derive(Default)]
struct Found(BTreeMap<Reason, BTreeMap<usize, BTreeSet<Changed>>>);

impl Found {
    fn add(&mut self, reason: Reason, file: usize, lines: impl IntoIterator<Item = Changed>) {
        self.0.entry(reason).or_default().entry(file).or_default().extend(lines);
    }
}

/// What artifacts are compared with.
#[derive(Clone, Copy)]
pub(crate) enum Against<'a> {
    /// Golden; of these artifacts it is what the sources give.
    Golden(&'a [Resolver<'a>]),
    /// Another state of the sources; the older one is the first.
    Sources([State<'a>; 2]),
}

/// The causes of what differs.
pub(crate) fn find(files: &[Differing<'_>], against: Against<'_>) -> Result<Vec<Cause>, RenderFailure> {
    let mut found = Found::default();
    match against {
        Against::Sources(states) => sources::find(files, states, &mut found)?,
        Against::Golden(same) => golden::find(files, same, &mut found)?,
    }
    let touched = |(file, lines): (usize, BTreeSet<Changed>)| Touched {
        path: files[file].path.to_owned(),
        lines: lines.into_iter().collect(),
    };
    let causes = found
        .0
        .into_iter()
        .map(|(reason, artifacts)| Cause { reason, artifacts: artifacts.into_iter().map(touched).collect() });
    Ok(causes.collect())
}

/// All lines of an artifact with their origins.
fn trace(side: Option<&Resolver<'_>>, text: &[u8]) -> Result<Vec<Line>, RenderFailure> {
    let Some(side) = side else { return Ok(Vec::new()) };
    let excerpt = side.environment.trace(side.planned, side.sources, 1..usize::MAX)?;
    // What is compared was rendered from the same sources.
    let excerpt = if excerpt.text == text { excerpt } else { Excerpt::cut(text, &[], 1..usize::MAX) };
    Ok(excerpt.by_line().collect())
}

/// The row that a line was made at: that of its innermost loop.
fn row_of(line: &Line) -> Option<&Row> {
    line.pieces.iter().find_map(|piece| piece.frames.iter().rev().find_map(|frame| frame.row.as_ref()))
}
