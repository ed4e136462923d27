//! Segment programs: templates compiled on their syntax tree, for one pass over the rows of a table without an
//! engine between them.
//!
//! [`build`] turns a template and all that it includes, extends and calls into a [`Program`] of literal text, cells,
//! values, conditions and loops; names become places, constants are folded. [`run`] renders it: rows pass by one by
//! one and are never held, a cell goes from the table's bytes into the artifact's. What a program cannot express lies
//! beyond a [`border`]: Tera evaluates it alone. Where variables would have to cross it, the program is [`Declined`]
//! when it is built, and the template is left to Tera, which is also what programs are tested against: both give the
//! same bytes, or the program was declined.
//!
//! A program that is built to be traced has more in it: notes of what is printed and of what is entered, which
//! [`trace`] makes origins of. What it cannot attribute is declined when it is built, too: rows as values.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use tera::value::Key;
use tera::{Map, Value as Data};

use super::filter;
use super::syntax::{BinaryOperator, LoopField};
use super::test;
use crate::origin::{self, FrameKind};
use crate::source::Span;

mod apart;
mod border;
mod build;
mod run;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use apart::Apart;
use border::Border;
pub(crate) use build::{Inputs, build};
pub(crate) use run::{Blocks, Facts, Stop};

/// Why a template is left to the engine: what a program has no segment for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declined(pub(crate) &'static str);

/// A template that is ready to be rendered without the engine.
#[derive(Debug)]
pub(crate) struct Program {
    segments: Vec<Segment>,
    /// How many variables it has.
    slots: usize,
    /// The tables whose rows it reads; segments refer to them by number.
    tables: Vec<String>,
    /// What it leaves to the engine.
    border: Border,
}

/// A piece of a program.
#[derive(Debug)]
enum Segment {
    /// Text of the template.
    Literal(Box<str>),
    /// A cell, as it is written.
    Cell { cell: Cell, site: Option<u32> },
    /// The value of an expression.
    Value { value: Expr, site: Option<u32> },
    /// Gives a variable its value.
    Set { slot: usize, value: Expr },
    /// Gives a variable what segments print.
    Capture { slot: usize, body: Vec<Segment> },
    /// The first branch whose condition holds.
    If { branches: Vec<(Expr, Vec<Segment>)>, otherwise: Vec<Segment> },
    /// A loop.
    For { over: Over, body: Body, otherwise: Vec<Segment> },
    /// The next round.
    Continue,
    /// The end of the loop.
    Break,
    /// What prints, with what it is; only where the program is built to be traced, as all that follows.
    Noted { note: Note, segment: Box<Segment> },
    /// What is printed within an include, a block or a component.
    Within { entered: Entered, body: Vec<Segment> },
}

/// What a segment prints.
#[derive(Debug)]
enum Note {
    /// Text of the template.
    Text(Span),
    /// Captured text behind the filters of a section.
    Section,
    /// The value of an expression, with the filters that it passes; of a constant, the project's value that it is.
    Value { expression: Span, filters: Arc<[Arc<str>]>, given: Option<Arc<str>> },
}

/// Something that is entered.
#[derive(Debug)]
struct Entered {
    kind: FrameKind,
    name: Arc<str>,
    site: Span,
}

impl Entered {
    fn frame(&self, row: Option<origin::Row>) -> origin::Frame {
        origin::Frame { kind: self.kind, name: Arc::clone(&self.name), site: self.site, row }
    }
}

/// What is done in each round.
#[derive(Debug)]
struct Body {
    segments: Vec<Segment>,
    /// The variables that each round begins without: all that are set in it but those that outlive it.
    slots: Box<[usize]>,
    /// Whether it is only text and cells of the loop's own row that the format has no say in.
    flat: bool,
    /// Of a loop over a table whose rounds depend on their rows alone, what they see of them.
    apart: Option<Apart>,
    /// The loop, for those who trace it.
    entered: Option<Box<Entered>>,
}

/// What a loop walks.
#[derive(Debug)]
enum Over {
    /// The rows of a table, with the columns that are asked for.
    Table { table: usize, needed: Vec<bool> },
    /// The rows that a list of references names.
    References { cell: Cell, table: usize },
    /// The elements of a list, the entries of a map, or the characters of a text.
    Value { value: Expr, key: Option<usize>, slot: usize },
}

/// The place of a row: of the loop so many levels up, or what its reference leads to.
#[derive(Debug, Clone)]
struct Place {
    /// How many loops further out the row passes.
    up: usize,
    /// The references to follow: a column, and the table that it refers to.
    references: Vec<(usize, usize)>,
}

/// The place of a cell.
#[derive(Debug, Clone)]
struct Cell {
    row: Place,
    column: usize,
}

/// An expression.
#[derive(Debug, Clone)]
enum Expr {
    Constant(Data),
    /// One of the project's values, or all of them where it has no name; only to be traced.
    Given {
        name: Arc<str>,
        value: Data,
    },
    Slot(usize),
    Cell(Cell),
    /// Whether a reference leads to a row.
    Present(Place),
    /// All of a row, as a map.
    Row(Place),
    /// All rows of a table, as a list of maps: what filters take.
    List(usize),
    /// How many rows a table has.
    Count(usize),
    Loop {
        up: usize,
        field: LoopField,
    },
    Attribute {
        base: Box<Expr>,
        name: Box<str>,
        optional: bool,
    },
    /// What a value has at an index.
    Index {
        sides: Box<[Expr; 2]>,
        optional: bool,
    },
    /// A list; of the elements that are spread, all of theirs.
    Array(Vec<(Spread, Expr)>),
    /// A map; an entry without a key is spread.
    Map(Vec<(Option<Key<'static>>, Expr)>),
    /// A map without some of its keys.
    Without(Box<Expr>, Arc<[Box<str>]>),
    Filter {
        base: Box<Expr>,
        call: Call,
    },
    Test {
        base: Box<Expr>,
        test: &'static test::Test,
        arguments: Arguments,
        negated: bool,
    },
    Not(Box<Expr>),
    Minus(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    If(Box<[Expr; 3]>),
    Concatenate(Vec<Expr>),
    Binary {
        operator: BinaryOperator,
        sides: Box<[Expr; 2]>,
    },
    Comprehension(Box<Comprehension>),
    /// The text of what was captured, without the borders of its parts.
    Plain(Box<Expr>),
    /// What segments print.
    Captured(Arc<Captured>),
    /// The first unless it is undefined, which it is where a variable was never set.
    Else(Box<[Expr; 2]>),
    /// What the engine evaluates alone, by its number; the parts are the variables that it sees. Only so many of them
    /// are what the value is made of.
    Left {
        number: usize,
        parts: Vec<(Cow<'static, str>, Expr)>,
        made_of: usize,
    },
    /// `throw`: the engine says it with the author's words.
    Throw,
}

/// Whether an element of a list is a list whose elements are meant.
type Spread = bool;

/// Segments whose text is a value.
#[derive(Debug)]
struct Captured {
    segments: Vec<Segment>,
    /// The variables that are theirs.
    slots: Range<usize>,
}

/// A list of what an expression gives for each round.
#[derive(Debug, Clone)]
struct Comprehension {
    over: Arc<Over>,
    condition: Option<Expr>,
    element: Expr,
}

/// A filter with its arguments.
#[derive(Debug, Clone)]
struct Call {
    implementation: filter::Implementation,
    arguments: Arguments,
    /// What it makes of text, where nothing else has to be known.
    of_text: Option<filter::OfText>,
    /// Of one behind which captured text keeps its parts, what is noted of them; only to be traced.
    kept: Option<Arc<Passed>>,
}

/// A filter that parts have passed, with its call.
#[derive(Debug)]
struct Passed {
    name: Arc<str>,
    call: Span,
}

/// Arguments by name.
#[derive(Debug, Clone)]
enum Arguments {
    /// Known when the program is built.
    Known(Arc<Map>),
    Computed(Vec<(&'static str, Expr)>),
}
