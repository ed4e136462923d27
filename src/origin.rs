//! Origins: where the bytes of an artifact come from, as plain data, whatever rendered them.
//!
//! A [`Piece`] is a range of an artifact's bytes with its cause: text of a template, or a printed expression with the
//! cells that its value was made of; and with the loops, includes, blocks and components around it.

use std::ops::Range;
use std::sync::Arc;

use crate::source::Span;

/// Bytes of an artifact that have one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes, counted from the artifact's start.
    pub bytes: Range<usize>,
    /// What they are.
    pub cause: Cause,
    /// What was entered to get there, outermost first.
    pub frames: Arc<[Frame]>,
}

/// What bytes of an artifact are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Text of a template.
    Literal {
        /// Where it stands; as long as the bytes, or all of what a filter made the bytes of.
        span: Span,
        /// The filters that the text passed, in their order.
        filters: Arc<[Arc<str>]>,
    },
    /// A printed value.
    Value {
        /// The expression that printed it.
        expression: Span,
        /// What it was made of, in the order in which it was read.
        sources: Arc<[Input]>,
        /// The filters that it passed, in their order.
        filters: Arc<[Arc<str>]>,
    },
    /// Nothing certain can be said.
    Unknown,
}

/// What a value was made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// A cell of a table.
    Cell {
        /// Its row.
        row: Row,
        /// Its column.
        column: Arc<str>,
    },
    /// A row as a whole, as where rows are counted.
    Row(Row),
    /// One of the project's values.
    Value(Arc<str>),
}

/// A row of one of the project's tables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// The table, as the project calls it.
    pub table: Arc<str>,
    /// The row's number, from 0.
    pub number: usize,
}

/// Something that was entered before a piece was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// The loop's variable, or the name of the template, block or component.
    pub name: Arc<str>,
    /// The tag or the call.
    pub site: Span,
    /// The row that a loop, or the artifact, is at.
    pub row: Option<Row>,
}

/// What was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// An artifact that is made for each row of a table.
    Artifact,
    /// A round of a loop.
    Loop,
    /// An included template.
    Include,
    /// A block, from the template that gives it a place, or from `super()`.
    Block,
    /// A component.
    Component,
    /// The expression that prints text which was captured before.
    Print,
}

/// Lines of an artifact with their origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// How many lines the whole artifact has, where it was rendered to its end.
    pub lines: Option<usize>,
    /// The number of the first of these lines, from 1.
    pub first: usize,
    /// Where it starts, in bytes.
    pub start: usize,
    /// The lines.
    pub text: Vec<u8>,
    /// Where they come from; they tile the lines.
    pub pieces: Vec<Piece>,
}

/// One line of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Its bytes in the artifact, without the line break.
    pub bytes: Range<usize>,
    /// Where they come from; of an empty line, where its line break comes from.
    pub pieces: Vec<Piece>,
}

impl Piece {
    /// The part of it that lies in a range of bytes, if any does.
    pub fn within(&self, range: &Range<usize>) -> Option<Self> {
        let bytes = self.bytes.start.max(range.start)..self.bytes.end.min(range.end);
        if bytes.is_empty() {
            return None;
        }
        let mut cause = self.cause.clone();
        if let Cause::Literal { span, .. } = &mut cause
            && span.range().len() == self.bytes.len()
        {
            let start = span.start + bytes.start - self.bytes.start;
            *span = Span::new(span.file, start..start + bytes.len());
        }
        Some(Self { bytes, cause, frames: Arc::clone(&self.frames) })
    }

    /// Where in the templates it comes from.
    pub fn span(&self) -> Option<Span> {
        match &self.cause {
            Cause::Literal { span, .. } => Some(*span),
            Cause::Value { expression, .. } => Some(*expression),
            Cause::Unknown => None,
        }
    }

    /// The filters that it passed.
    pub fn filters(&self) -> &[Arc<str>] {
        match &self.cause {
            Cause::Literal { filters, .. } | Cause::Value { filters, .. } => filters,
            Cause::Unknown => &[],
        }
    }

    /// What its value was made of.
    pub fn sources(&self) -> &[Input] {
        match &self.cause {
            Cause::Value { sources, .. } => sources,
            Cause::Literal { .. } | Cause::Unknown => &[],
        }
    }

    /// The rows that it comes from: those that its loops are at, and those of its cells.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        let cells = self.sources().iter().filter_map(|source| match source {
            Input::Cell { row, .. } | Input::Row(row) => Some(row),
            Input::Value(_) => None,
        });
        self.frames.iter().filter_map(|frame| frame.row.as_ref()).chain(cells)
    }
}

impl Excerpt {
    /// Lines of a whole artifact, counted from 1; fewer where it ends before. `pieces` are sorted, and what lies
    /// between them is unknown.
    pub fn cut(artifact: &[u8], pieces: &[Piece], lines: Range<usize>) -> Self {
        let mut starts = vec![0];
        starts.extend(memchr::memchr_iter(b'\n', artifact).map(|at| at + 1));
        if starts.last() == Some(&artifact.len()) {
            starts.pop();
        }
        let start_of = |line: usize| starts.get(line.saturating_sub(1)).copied().unwrap_or(artifact.len());
        let first = lines.start.max(1);
        let range = start_of(first)..start_of(lines.end.max(first));
        let text = artifact[range.clone()].to_vec();
        Self::recorded(Some(starts.len()), first, range.start, text, pieces)
    }

    /// Lines of an artifact of which nothing else is there; `start` is where they start in it, `first` the number of
    /// the first. `pieces` are sorted, and what lies between them is unknown.
    pub fn recorded(
        lines: Option<usize>,
        first: usize,
        start: usize,
        text: Vec<u8>,
        pieces: &[Piece],
    ) -> Self {
        let range = start..start + text.len();
        let mut kept = Vec::new();
        let mut at = range.start;
        let unknown = |bytes: Range<usize>| Piece { bytes, cause: Cause::Unknown, frames: Vec::new().into() };
        let begin = pieces.partition_point(|piece| piece.bytes.end <= range.start);
        for piece in pieces[begin..].iter().map_while(|piece| piece.within(&range)) {
            if piece.bytes.start > at {
                kept.push(unknown(at..piece.bytes.start));
            }
            at = piece.bytes.end;
            kept.push(piece);
        }
        if at < range.end {
            kept.push(unknown(at..range.end));
        }
        Self { lines, first, start, text, pieces: kept }
    }

    /// Bytes of the artifact that lie in its lines.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.text[range.start - self.start..range.end - self.start]
    }

    /// Line by line. A line break belongs to a line only where there is nothing else: most blocks begin with the one
    /// that ends the line before.
    pub fn by_line(&self) -> impl Iterator<Item = Line> + '_ {
        let mut start = self.start;
        let mut from = 0;
        let lines = self.text.split_inclusive(|byte| *byte == b'\n').enumerate();
        lines.map(move |(at, line)| {
            let end = start + line.len();
            let bytes = start..end - usize::from(line.ends_with(b"\n"));
            let looked_at = if bytes.is_empty() { start..end } else { bytes.clone() };
            from += self.pieces[from..].partition_point(|piece| piece.bytes.end <= start);
            let pieces = self.pieces[from..].iter().take_while(|piece| piece.bytes.start < looked_at.end);
            let pieces = pieces.filter_map(|piece| piece.within(&looked_at)).collect();
            start = end;
            Line { number: self.first + at, bytes, pieces }
        })
    }
}
