//! Typed data: columns and their types, one reader a format, rows that are checked before anything is rendered.
//!
//! A table is a source of rows that can be opened again, not a vector: the first pass checks every row of every
//! table and reports all that is wrong; later passes read the same bytes again and cannot fail. Tables that are
//! referred to, have derived columns or have an artifact for each row hold their rows, all others are read as they are
//! walked; of a long file of delimited cells no more is ever in memory than a window of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;

use crate::source::{FileId, Sources, Span};

mod blocks;
mod cert;
mod column;
mod csv;
mod findings;
mod graph;
mod json;
mod load;
mod open;
mod plain;
mod read;
mod scan;
pub mod spec;
mod toml;
mod txt;
mod types;
mod unique;
mod value;
mod walk;
mod yaml;

pub(crate) use blocks::Block;
pub use column::{Column, ColumnType};
pub use load::DeriveFn;
pub use open::{RESERVED, TableSpec, is_name};
pub use types::Fault;
pub(crate) use types::is_ssh_public_key;
pub use value::Value;
pub(crate) use walk::{CellRef, Passing};

use read::{Cell, Format, Raw, Read, Reading, Record};
use scan::Scan;

/// What a table's rows look like.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The table's name.
    pub name: String,
    /// Its columns, in the order of their declaration, or of the source where there is none.
    pub columns: Vec<Column>,
    /// The numbers of the columns that make up the key; none where rows have no key.
    pub key: Vec<usize>,
    /// Where the table is declared.
    pub span: Span,
    /// Whether all columns are known; not, where the source could not be read and declares them.
    pub complete: bool,
}

impl Schema {
    /// A column and its number.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
pub struct Row<'t> {
    /// Its number, from 0.
    pub number: usize,
    /// A value for each column of the schema.
    pub cells: Cow<'t, [Value]>,
}

/// A table whose rows have been checked.
#[derive(Debug)]
pub struct Table {
    schema: Schema,
    source: Option<Source>,
    len: usize,
    /// Whether rows are asked for by their number.
    hold: bool,
    /// The rows, where they are held.
    held: Option<Vec<Box<[Value]>>>,
    keys: Option<Arc<Keys>>,
    /// For each column that refers to a table, the keys of that table.
    lookups: Vec<Option<Arc<Keys>>>,
    /// For each column whether the first pass found all its cells to be text in its canonical form.
    canonical: Vec<bool>,
    /// The rows in blocks, of a table that is read as it is walked from a file that is not held; else none.
    blocks: Vec<Block>,
    /// Whether nothing is wrong with it and with what it refers to.
    sound: bool,
}

/// The bytes of a table and how to read them.
#[derive(Debug)]
struct Source {
    file: FileId,
    format: &'static Format,
    /// The length of a byte order mark.
    base: usize,
    /// Whether the first record is a header.
    header: bool,
    /// The number of the cell of each column; nothing where cells are named or the column is derived.
    order: Vec<Option<usize>>,
    /// How many cells a row has, where cells are not named.
    width: Option<usize>,
    /// Whether the last of them is a list that takes all further cells.
    rest: bool,
    /// Where rows are written, found when the first place of a row is told: many may follow. Of a format that is read
    /// through a window, where every [`STRIDE`]th row begins.
    rows: OnceLock<Vec<Option<Range<usize>>>>,
}

/// How many rows are between two whose places are kept.
const STRIDE: usize = 256;

/// The keys of a table.
#[derive(Debug)]
struct Keys {
    columns: Vec<Column>,
    /// The keys of the tables that columns of the key refer to.
    lookups: Vec<Option<Arc<Keys>>>,
    rows: HashMap<Box<str>, usize>,
    /// Whether every row has one.
    sound: bool,
}

impl Keys {
    /// The row of a key that is written as a cell is, canonical or not.
    fn find(&self, text: &str) -> Option<usize> {
        // Mostly it is written in its canonical form. The number of a row that a key refers to is nobody's text.
        if let [column] = &self.columns[..]
            && column.ty.refers_to().is_none()
            && let Some(row) = self.rows.get(text)
        {
            return Some(*row);
        }
        self.rows.get(&*identity_of_key(&self.columns, &self.lookups, text)?).copied()
    }
}

/// What [`identity`] gives for the row of a key that is written as a cell is, canonical or not.
fn identity_of_key(columns: &[Column], lookups: &[Option<Arc<Keys>>], text: &str) -> Option<String> {
    let parts: Vec<&str> = if columns.len() == 1 { vec![text] } else { text.split('/').collect() };
    if parts.len() != columns.len() {
        return None;
    }
    let mut values = Vec::new();
    for ((column, lookup), part) in columns.iter().zip(lookups).zip(parts) {
        values.push(match lookup {
            Some(keys) => Value::Ref(keys.find(part)?),
            None => column.parse(part).ok()?,
        });
    }
    Some(identity(values.iter()))
}

/// A text that is equal for rows with equal values only.
fn identity<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    let mut text = String::new();
    for (number, value) in values.enumerate() {
        if number > 0 {
            text.push('\0');
        }
        value.identify(&mut text);
    }
    text
}

/// Turns the keys in a value into rows, or returns the first that is none.
fn resolve(value: Value, keys: &Keys) -> Result<Value, Box<str>> {
    match value {
        Value::Text(text) => keys.find(&text).map(Value::Ref).ok_or(text),
        Value::List(entries) => {
            entries.into_iter().map(|entry| resolve(entry, keys)).collect::<Result<_, _>>().map(Value::List)
        }
        other => Ok(other),
    }
}

impl Source {
    /// The records without the header.
    fn records<'s>(&'s self, table: &str, sources: &'s Sources) -> Reading<'s> {
        match Reading::begin(self.format, sources.file(self.file), self.base, table) {
            Ok(Reading::Whole(records)) => {
                Reading::Whole(Box::new(records.skip(usize::from(self.header)).map(|mut record| {
                    if let Ok(record) = &mut record {
                        self.gather(record);
                    }
                    record
                })))
            }
            Ok(mut divided) => {
                if self.header {
                    divided.next();
                }
                divided
            }
            Err(flaw) => Reading::Whole(Box::new(std::iter::once(Err(flaw)))),
        }
    }

    /// Hands the record of a row to `take`.
    fn record<T>(
        &self,
        table: &str,
        sources: &Sources,
        row: usize,
        take: impl FnOnce(&Record<'_>) -> T,
    ) -> Option<T> {
        let Read::Divided(delimiter) = self.format.read else {
            let Some(read) = self.format.row else {
                let Reading::Whole(mut records) = self.records(table, sources) else { return None };
                return Some(take(&records.nth(row)?.ok()?));
            };
            let range = self.range(table, sources, row)?;
            // Only these bytes are looked at: the whole file may be long.
            let bytes = sources.file(self.file).bytes().get(self.span(range).range())?;
            let mut record = read(std::str::from_utf8(bytes).ok()?).next()?.ok()?;
            record.shift(range.start);
            self.gather(&mut record);
            return Some(take(&record));
        };
        let starts = self.rows.get_or_init(|| {
            let Reading::Divided(mut scan) = self.records(table, sources) else { return Vec::new() };
            let mut starts = Vec::new();
            for row in 0.. {
                if scan.next().is_none() {
                    break;
                }
                if row % STRIDE == 0 {
                    starts.push(Some(scan.range()));
                }
            }
            starts
        });
        let start = starts.get(row / STRIDE)?.as_ref()?.start;
        let mut scan = Scan::new(sources.file(self.file), self.base, start, delimiter);
        for _ in 0..=row % STRIDE {
            scan.next()?;
        }
        Some(take(&scan.record().ok()?))
    }

    fn is_divided(&self) -> bool {
        matches!(self.format.read, Read::Divided(_))
    }

    /// The part of a range that is on its first line.
    fn head(&self, sources: &Sources, range: &Range<usize>) -> Range<usize> {
        let part = sources.file(self.file).part(self.span(range).range());
        let cut = memchr::memchr2(b'\r', b'\n', &part);
        cut.map_or(range.clone(), |length| range.start..range.start + length)
    }

    /// Where a row is written.
    fn range(&self, table: &str, sources: &Sources, row: usize) -> Option<&Range<usize>> {
        let rows = self.rows.get_or_init(|| {
            let mut records = self.records(table, sources);
            let mut rows = Vec::new();
            while let Some(record) = records.next() {
                rows.push(record.ok().map(|record| record.range));
            }
            rows
        });
        rows.get(row)?.as_ref()
    }

    fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.file, range.start + self.base..range.end + self.base)
    }

    /// The cell of a column in a record.
    fn cell<'r, 's>(&self, record: &'r Record<'s>, number: usize, column: &Column) -> Option<&'r Cell<'s>> {
        if self.width.is_some() {
            return record.cells.get(self.order.get(number).copied().flatten()?);
        }
        // Rows mostly have their keys in the order of the columns.
        let at = match record.names.get(number) {
            Some(name) if name.text == column.name => number,
            _ => record.names.iter().position(|name| name.text == column.name)?,
        };
        record.cells.get(at)
    }

    /// Gives all further cells of a row to the list that takes them.
    fn gather(&self, record: &mut Record<'_>) {
        if let Some(last) = self.width.and_then(|width| width.checked_sub(1))
            && self.rest
            && record.cells.len() > last + 1
        {
            let entries = record.cells.split_off(last);
            let range = entries[0].range.start..record.range.end;
            record.cells.push(Cell { raw: Raw::List(entries), range });
        }
    }
}

impl Table {
    /// What its rows look like.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file that its rows are read from, unless it could not be read.
    pub fn file(&self) -> Option<FileId> {
        self.source.as_ref().map(|source| source.file)
    }

    /// The number of the row with a key; the parts of a key of several columns are divided by `/`.
    pub fn find(&self, sources: &Sources, key: &str) -> Option<usize> {
        if let Some(keys) = &self.keys {
            return keys.find(key);
        }
        let columns: Vec<Column> =
            self.schema.key.iter().map(|at| self.schema.columns[*at].clone()).collect();
        let lookups: Vec<_> = self.schema.key.iter().map(|at| self.lookups[*at].clone()).collect();
        let wanted = identity_of_key(&columns, &lookups, key).filter(|_| !columns.is_empty())?;
        self.rows(sources).find_map(|row| {
            let cells = self.schema.key.iter().map(|at| &row.cells[*at]);
            (identity(cells) == wanted).then_some(row.number)
        })
    }

    /// Its rows in blocks, if it is read anew with each walk from a long file.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// What stands above its rows.
    pub(crate) fn head<'s>(&self, sources: &'s Sources) -> Cow<'s, [u8]> {
        let Some(source) = &self.source else { return Cow::Borrowed(&[]) };
        let rows = self.blocks.first().map_or(0, |block| block.start + source.base);
        sources.file(source.file).part(0..rows)
    }

    /// The cells of a row of a table that holds its rows: one that is referred to or has derived columns.
    pub fn held(&self, row: usize) -> Option<&[Value]> {
        self.held.as_ref()?.get(row).map(|cells| &**cells)
    }

    /// All rows, in the order of the source. `sources` is what the table was loaded into.
    pub fn rows<'t>(&'t self, sources: &'t Sources) -> Box<dyn Iterator<Item = Row<'t>> + 't> {
        if let Some(held) = &self.held {
            let rows = held.iter().enumerate();
            return Box::new(rows.map(|(number, cells)| Row { number, cells: Cow::Borrowed(cells) }));
        }
        let columns = self.schema.columns.len();
        let mut walk = self.walk(sources, &vec![true; columns]);
        Box::new(std::iter::from_fn(move || {
            let row = walk.next()?;
            let cells = (0..columns).map(|column| row.cell(column).to_value()).collect();
            Some(Row { number: row.number(), cells: Cow::Owned(cells) })
        }))
    }

    /// Where a cell is written; nothing for a derived column and for a cell that is not there.
    pub fn cell_span(&self, sources: &Sources, row: usize, column: usize) -> Option<Span> {
        let source = self.source.as_ref()?;
        let declared = self.schema.columns.get(column)?;
        source.record(&self.schema.name, sources, row, |record| {
            let cell = source.cell(record, column, declared)?;
            Some(source.span(&cell.range))
        })?
    }

    /// Where a row is written, all of it.
    pub fn row_span(&self, sources: &Sources, row: usize) -> Option<Span> {
        let source = self.source.as_ref()?;
        if source.is_divided() {
            return source.record(&self.schema.name, sources, row, |record| source.span(&record.range));
        }
        Some(source.span(source.range(&self.schema.name, sources, row)?))
    }

    /// The number of the row that is written at a line of its file, from 1.
    pub fn row_at(&self, sources: &Sources, line: usize) -> Option<usize> {
        let source = self.source.as_ref()?;
        let line = sources.file(source.file).line(line)?;
        let mut records = source.records(&self.schema.name, sources);
        for number in 0.. {
            let range = match &mut records {
                Reading::Divided(scan) => scan.next()?.then(|| scan.range()),
                Reading::Whole(records) => records.next()?.ok().map(|record| record.range),
            };
            let covers = |span: Span| span.start <= line.end && line.start < span.end.max(span.start + 1);
            if range.is_some_and(|range| covers(source.span(&range))) {
                return Some(number);
            }
        }
        None
    }

    /// The values of a record; a cell that is wrong is handed to `fault` and absent.
    fn read(
        &self,
        source: &Source,
        record: &Record<'_>,
        fault: &mut dyn FnMut(usize, Wrong, Option<Range<usize>>),
    ) -> Vec<Value> {
        let mut values = Vec::with_capacity(self.schema.columns.len());
        for (number, column) in self.schema.columns.iter().enumerate() {
            if column.expr.is_some() {
                values.push(Value::Absent);
                continue;
            }
            let cell = source.cell(record, number, column);
            if let Some(Raw::Plain(text)) = cell.map(|cell| &cell.raw)
                && self.canonical.get(number) == Some(&true)
            {
                values.push(Value::Text((&**text).into()));
                continue;
            }
            let value = match cell.filter(|cell| !matches!(cell.raw, Raw::Empty)) {
                Some(cell) => column.read_cell(cell).map_err(|(wrong, range)| (wrong, Some(range))),
                None => column.empty().map_err(|wrong| (wrong, cell.map(|cell| cell.range.clone()))),
            };
            let value = value.map_err(|(wrong, range)| (Wrong::Value(wrong), range)).and_then(|value| {
                match self.lookups.get(number).and_then(Option::as_ref) {
                    None => Ok(value),
                    Some(keys) => resolve(value, keys)
                        .map_err(|key| (Wrong::Key(key), cell.map(|cell| cell.range.clone()))),
                }
            });
            values.push(value.unwrap_or_else(|(wrong, range)| {
                fault(number, wrong, range);
                Value::Absent
            }));
        }
        values
    }
}

/// What is wrong with a cell.
enum Wrong {
    /// Its value does not fit the column.
    Value(Fault),
    /// It names a row that does not exist.
    Key(Box<str>),
}

/// All tables of a project, in the order of their declaration.
#[derive(Debug, Default)]
pub struct Tables {
    map: IndexMap<String, Table>,
}

impl Tables {
    /// A table by its name.
    pub fn get(&self, name: &str) -> Option<&Table> {
        self.map.get(name)
    }

    /// All tables, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Table> {
        self.map.values()
    }

    /// How many tables there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no table.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The canonical text of a cell; of a reference, the key of the row that it refers to.
    pub fn text<'v>(&self, column: &Column, value: &'v Value) -> Cow<'v, str> {
        let entry = match (&column.ty, value) {
            (ColumnType::List { of, .. }, Value::List(entries)) if of.ty.refers_to().is_some() => {
                let texts: Vec<_> = entries.iter().map(|entry| self.text(of, entry)).collect();
                return Cow::Owned(texts.join(" "));
            }
            (ColumnType::Ref(table), Value::Ref(row)) => self.get(table).map(|table| (table, *row)),
            _ => None,
        };
        match entry.and_then(|(table, row)| Some((table, row, table.held(row)?))) {
            Some((table, row, cells)) => Cow::Owned(self.label(table, row, cells)),
            None => value.text(),
        }
    }

    /// What people call a row: its key, the parts divided by `/`, or `#` and its number from 1.
    pub fn label(&self, table: &Table, row: usize, cells: &[Value]) -> String {
        let schema = &table.schema;
        if schema.key.is_empty() {
            return format!("#{}", row + 1);
        }
        let part = |number: &usize| self.text(&schema.columns[*number], &cells[*number]).into_owned();
        schema.key.iter().map(part).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests;
