//! Rows as they pass by: one at a time, without holding them and without a copy of their text.

use super::read::Reading;
use super::scan::Cells;
use super::{Block, Column, Source, Table, Value, resolve};
use crate::source::Sources;

/// The rows of a table, one by one.
pub(crate) struct Walk<'t> {
    table: &'t Table,
    rows: Rows<'t>,
    /// The number of the next row.
    next: usize,
    /// How the cell of each column is found.
    ways: Vec<Way<'t>>,
    /// The columns whose cells have to be converted.
    converted: Vec<usize>,
    values: Vec<Value>,
}

/// Where the rows come from.
enum Rows<'t> {
    Held(std::slice::Iter<'t, Box<[Value]>>),
    Read(&'t Source, Reading<'t>),
    None,
}

/// How the cell of a column is found.
#[derive(Clone, Copy)]
enum Way<'t> {
    /// It is text as it is written in this cell of the row; in an empty one, it is this.
    Written(usize, CellRef<'t>),
    /// It is converted for every row.
    Value,
}

/// A row as it passes by.
#[derive(Clone, Copy)]
pub(crate) struct Passing<'r> {
    number: usize,
    /// Its values, where they are made.
    values: &'r [Value],
    written: Option<Written<'r>>,
}

/// A row that is in the window.
#[derive(Clone, Copy)]
struct Written<'r> {
    cells: Cells<'r>,
    ways: &'r [Way<'r>],
}

/// A value without its copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CellRef<'r> {
    /// Nothing: an empty cell of an `optional` column.
    Absent,
    /// Text in its canonical form.
    Text(&'r str),
    /// A number, a truth value, a list, a reference, or text that had to be made canonical.
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

impl CellRef<'_> {
    /// The value, copied.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Absent => Value::Absent,
            Self::Text(text) => Value::Text(text.into()),
            Self::Value(value) => value.clone(),
        }
    }
}

impl Table {
    /// The rows one by one, without holding them; `needed` says which columns will be asked for. `sources` is what the
    /// table was loaded into. A file that is not what it was ends the rows early: [`Sources::changed`] tells it.
    pub(crate) fn walk<'t>(&'t self, sources: &'t Sources, needed: &[bool]) -> Walk<'t> {
        let columns = &self.schema.columns;
        let mut walk = Walk {
            table: self,
            rows: Rows::None,
            next: 0,
            ways: vec![Way::Value; columns.len()],
            converted: Vec::new(),
            values: vec![Value::Absent; columns.len()],
        };
        match (&self.held, &self.source) {
            (Some(held), _) => walk.rows = Rows::Held(held.iter()),
            (None, Some(source)) => {
                walk.rows = Rows::Read(source, source.records(&self.schema.name, sources));
                for (number, column) in columns.iter().enumerate() {
                    if needed.get(number) != Some(&true) {
                        continue;
                    }
                    match self.written(source, number, column) {
                        Some(way) => walk.ways[number] = way,
                        None => walk.converted.push(number),
                    }
                }
            }
            (None, None) => {}
        }
        walk
    }

    /// How the cell of a column is found that needs no conversion.
    fn written<'t>(&'t self, source: &Source, number: usize, column: &'t Column) -> Option<Way<'t>> {
        let at = source.order.get(number).copied().flatten().filter(|_| source.is_divided())?;
        let canonical = self.canonical.get(number) == Some(&true) && self.lookups[number].is_none();
        canonical.then(|| Way::Written(at, column.default.as_ref().map_or(CellRef::Absent, CellRef::from)))
    }

    /// The value of a cell that has been checked before.
    fn convert(&self, number: usize, text: &str) -> Value {
        let column = &self.schema.columns[number];
        let value = match text {
            "" => column.empty(),
            text => column.convert(text),
        };
        let value = value.unwrap_or(Value::Absent);
        match &self.lookups[number] {
            None => value,
            Some(keys) => resolve(value, keys).unwrap_or(Value::Absent),
        }
    }

    /// A row of a table that holds its rows.
    pub(crate) fn passing(&self, number: usize) -> Option<Passing<'_>> {
        self.held(number).map(|cells| Passing::of(number, cells))
    }
}

impl Walk<'_> {
    /// Goes to the first row of a block of the table.
    pub(crate) fn go_to(&mut self, block: &Block) {
        // Only what is read through a window has blocks.
        if let Rows::Read(_, Reading::Divided(scan)) = &mut self.rows {
            scan.go_to(block.start);
            self.next = block.row;
        }
    }

    /// The next row, valid until the next call.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Passing<'_>> {
        let passing = match &mut self.rows {
            Rows::Held(rows) => {
                self.next += 1;
                Passing { number: self.next - 1, values: rows.next()?, written: None }
            }
            Rows::Read(source, Reading::Divided(scan)) => {
                // Only a table that was reported has rows with flaws; it is never rendered.
                loop {
                    let fine = scan.next()?;
                    self.next += 1;
                    if fine && source.width == Some(scan.cells().len()) {
                        break;
                    }
                }
                let cells = scan.cells();
                for number in &self.converted {
                    let Some(at) = source.order[*number] else { continue };
                    let (text, column) = (cells.get(at), &self.table.schema.columns[*number]);
                    let is_text = column.ty.is_text() && self.table.lookups[*number].is_none();
                    self.ways[*number] = if is_text && column.is_canonical(text) {
                        Way::Written(at, CellRef::Absent)
                    } else {
                        self.values[*number] = self.table.convert(*number, text);
                        Way::Value
                    };
                }
                let written = Some(Written { cells, ways: &self.ways });
                Passing { number: self.next - 1, values: &self.values, written }
            }
            Rows::Read(source, Reading::Whole(records)) => {
                let record = loop {
                    self.next += 1;
                    if let Ok(record) = records.next()? {
                        break record;
                    }
                };
                self.values = self.table.read(source, &record, &mut |_, _, _| {});
                Passing { number: self.next - 1, values: &self.values, written: None }
            }
            Rows::None => return None,
        };
        Some(passing)
    }
}

impl<'r> Passing<'r> {
    /// A row of a number with its values; of fewer than there are columns, the row so far.
    pub(crate) fn of(number: usize, cells: &'r [Value]) -> Self {
        Self { number, values: cells, written: None }
    }

    /// Its number, from 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The bytes of a cell that is text as it is written, and not empty: of most cells, without a closer look.
    #[inline]
    pub(crate) fn bytes(&self, column: usize) -> Option<&'r [u8]> {
        let Written { cells, ways } = self.written?;
        let Some(Way::Written(at, _)) = ways.get(column) else { return None };
        cells.bytes(*at).filter(|bytes| !bytes.is_empty())
    }

    /// How many values it has: of a row that is not complete yet, fewer than there are columns.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value of a column that is needed.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> CellRef<'r> {
        if let Some(Written { cells, ways }) = self.written
            && let Some(Way::Written(at, empty)) = ways.get(column)
        {
            return match cells.get(*at) {
                "" => *empty,
                text => CellRef::Text(text),
            };
        }
        self.values.get(column).map_or(CellRef::Absent, CellRef::from)
    }
}
