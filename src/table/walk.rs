//! Rows as they pass by: one at a time, without holding them.

use super::{Row, Table, Value};
use crate::source::Sources;

/// The rows of a table, one by one.
pub(crate) struct Walk<'t> {
    rows: Box<dyn Iterator<Item = Row<'t>> + 't>,
    row: Option<Row<'t>>,
}

/// A row as it passes by.
pub(crate) struct Passing<'r> {
    number: usize,
    cells: &'r [Value],
}

/// A value without its copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CellRef<'r> {
    /// Nothing: an empty cell of an `optional` column.
    Absent,
    /// Text in its canonical form.
    Text(&'r str),
    /// A number, a truth value, a list, a reference.
    Value(&'r Value),
}

impl<'r> From<&'r Value> for CellRef<'r> {
    fn from(value: &'r Value) -> Self {
        match value {
            Value::Absent => Self::Absent,
            Value::Text(text) => Self::Text(text),
            value => Self::Value(value),
        }
    }
}

impl Table {
    /// The rows one by one, without holding them; `needed` says which columns will be asked for. `sources` is what the
    /// table was loaded into. What cannot be read ends it early, and `Sources::changed` then says so.
    pub(crate) fn walk<'t>(&'t self, sources: &'t Sources, _needed: &[bool]) -> Walk<'t> {
        Walk { rows: self.rows(sources), row: None }
    }
}

impl Walk<'_> {
    /// The next row, valid until the next call.
    pub(crate) fn next(&mut self) -> Option<Passing<'_>> {
        self.row = self.rows.next();
        self.row.as_ref().map(|row| Passing { number: row.number, cells: &row.cells })
    }
}

impl<'r> Passing<'r> {
    /// Its number, from 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The value of a column that is needed.
    pub(crate) fn cell(&self, column: usize) -> CellRef<'r> {
        self.cells.get(column).map_or(CellRef::Absent, CellRef::from)
    }
}
