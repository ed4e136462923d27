//! The rendering of programs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexSet;
use tera::value::Key;
use tera::{Context, Kwargs, Map, Number, Value as Data};

use super::trace::{Made, Trace};
use super::{Apart, Arguments, Body, Call, Cell, Comprehension, Expr, Over, Place, Program, Segment};
use crate::format::mark::{self, Emitted, Kind};
use crate::format::{self, Emitter};
use crate::origin::Input;
use crate::source::Sources;
use crate::table::{CellRef, Passing, Table, Tables, Value};
use crate::template::data::{ColumnKey, keys};
use crate::template::filter::{self, OfText, printed};
use crate::template::lists::Lists;
use crate::template::syntax::{BinaryOperator, LoopField};
use crate::template::test;

/// What a program reads.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The tables it was built for.
    pub(crate) tables: &'a Tables,
    /// The files they are read from.
    pub(crate) sources: &'a Sources,
    /// All rows of a table as the engine sees them.
    pub(crate) lists: &'a Lists,
}

/// Who knows what blocks of rows made of an artifact when it was rendered last.
pub(crate) trait Blocks {
    /// Notes that a block of a loop over a table begins here or, with the number of all blocks, that the loop ends; all
    /// bytes before it have been handed on. Whether the bytes that it made are in the artifact already, and its rows are
    /// not to be rendered.
    fn begins(&self, apart: Apart, table: &Table, block: usize) -> io::Result<bool>;
}

/// Why a program ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A value was refused, or the artifact could not be written: the emitter knows. Of the rows that were passing
    /// by then, the names of their tables and their numbers; the innermost first.
    Output(Vec<(String, usize)>),
    /// A value does not do for what is done with it; the engine says so better.
    Value,
    /// All that was wanted has been seen.
    Seen,
}

/// A loop that is being walked, or the artifact itself.
pub(super) struct Frame<'f> {
    pub(super) parent: Option<&'f Frame<'f>>,
    /// The row, with its table's number.
    pub(super) row: Option<(usize, Passing<'f>)>,
    /// What the reference to the row was made of, if that is wanted.
    pub(super) made_of: &'f [Input],
    index: usize,
    /// How many rounds there are.
    length: usize,
}

impl<'f> Frame<'f> {
    /// The frame of an artifact; the table of its row is the first that its program names.
    pub(super) fn of_artifact(row: Option<Passing<'f>>) -> Self {
        Self { parent: None, row: row.map(|row| (0, row)), made_of: &[], index: 0, length: 1 }
    }

    pub(super) fn up(&'f self, levels: usize) -> &'f Frame<'f> {
        let mut frame = self;
        for _ in 0..levels {
            // A place never counts more levels than it was built below.
            let Some(parent) = frame.parent else { break };
            frame = parent;
        }
        frame
    }

    /// The number of the table that a place's row is of.
    fn table(&self, place: &Place) -> Option<usize> {
        let last = place.references.last().map(|(_, table)| *table);
        last.or_else(|| self.up(place.up).row.as_ref().map(|(table, _)| *table))
    }

    /// The row that passes where a place begins.
    fn row(&'f self, place: &Place) -> Option<&'f Passing<'f>> {
        self.up(place.up).row.as_ref().map(|(_, row)| row)
    }
}

/// What comes after a segment.
#[derive(PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Continue,
    Break,
}

pub(super) struct Run<'a, 'e, W> {
    pub(super) program: &'a Program,
    pub(super) facts: &'a Facts<'a>,
    pub(super) tables: Vec<&'a Table>,
    pub(super) slots: Vec<Data>,
    pub(super) emitter: &'e mut Emitter<W>,
    /// Who keeps blocks, if somebody does.
    blocks: Option<&'a dyn Blocks>,
    /// What is recorded, if the program is traced.
    pub(super) trace: Option<Trace>,
    /// The text of the captures that are open, with marks; the innermost last.
    pub(super) captured: Vec<String>,
    /// The keys of the rows of each table that are made maps of.
    keys: Vec<Option<Rc<[ColumnKey]>>>,
}

impl Program {
    /// Renders the template; `row` is the row that the artifact is bound to, with its table.
    pub(crate) fn render<W: Write>(
        &self,
        facts: &Facts<'_>,
        row: Option<Passing<'_>>,
        blocks: Option<&dyn Blocks>,
        emitter: &mut Emitter<W>,
    ) -> Result<(), Stop> {
        let mut run = self.run(facts, emitter)?;
        // What a format has seen of the text before a block may matter for it.
        run.blocks = blocks.filter(|_| run.emitter.unseen().is_some());
        let frame = Frame::of_artifact(row);
        run.segments(&self.segments, &frame)?;
        run.emitter.finish().map_err(|_| run.output(&frame))
    }

    /// The value of the last variable that is set: of a template that is an expression, its value.
    pub(crate) fn evaluate(&self, facts: &Facts<'_>, row: Option<Passing<'_>>) -> Result<Data, Stop> {
        let Some(Segment::Set { slot, .. }) = self.segments.last() else { return Err(Stop::Value) };
        let mut emitter = Emitter::new(format::TEXT, std::io::sink());
        let mut run = self.run(facts, &mut emitter)?;
        run.segments(&self.segments, &Frame::of_artifact(row))?;
        Ok(run.slots.swap_remove(*slot))
    }

    pub(super) fn run<'a, 'e, W: Write>(
        &'a self,
        facts: &'a Facts<'a>,
        emitter: &'e mut Emitter<W>,
    ) -> Result<Run<'a, 'e, W>, Stop> {
        let tables: Option<Vec<&Table>> = self.tables.iter().map(|name| facts.tables.get(name)).collect();
        Ok(Run {
            program: self,
            facts,
            tables: tables.ok_or(Stop::Value)?,
            slots: vec![Data::undefined(); self.slots],
            emitter,
            blocks: None,
            trace: None,
            captured: Vec::new(),
            keys: vec![None; self.tables.len()],
        })
    }
}

impl<'a, W: Write> Run<'a, '_, W> {
    pub(super) fn output(&self, frame: &Frame<'_>) -> Stop {
        let frames = std::iter::successors(Some(frame), |frame| frame.parent);
        let rows = frames.filter_map(|frame| frame.row.as_ref());
        Stop::Output(rows.map(|(table, row)| (self.program.tables[*table].clone(), row.number())).collect())
    }

    pub(super) fn segments(&mut self, segments: &'a [Segment], frame: &Frame<'_>) -> Result<Flow, Stop> {
        for segment in segments {
            let flow = self.segment(segment, frame)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    pub(super) fn segment(&mut self, segment: &'a Segment, frame: &Frame<'_>) -> Result<Flow, Stop> {
        match segment {
            Segment::Literal(text) => self.literal(text, frame)?,
            Segment::Cell { cell, site } => match self.cell(cell, frame) {
                CellRef::Text(text) => self.emit(Kind::Text, *site, text, frame)?,
                CellRef::Value(Value::Text(text)) => self.emit(Kind::Text, *site, text, frame)?,
                CellRef::Value(value @ (Value::Int(_) | Value::Float(_) | Value::Bool(_))) => {
                    self.emit(Kind::Literal, *site, &value.text(), frame)?;
                }
                // The checks let only scalars that are there be printed.
                _ => return Err(Stop::Value),
            },
            Segment::Value { value, site } => {
                if let Some(text) = self.text(value, frame)? {
                    self.emit(Kind::Text, *site, &text, frame)?;
                } else {
                    let value = self.value(value, frame)?;
                    self.print(&value, *site, frame)?;
                }
            }
            Segment::Set { slot, value } => {
                self.slots[*slot] = self.value(value, frame)?;
                if self.trace.is_some() {
                    let inputs = self.inputs(value, frame)?;
                    self.note_slot(*slot, inputs);
                }
            }
            Segment::Capture { slot, body } => {
                self.slots[*slot] = self.capture(body, frame)?;
                self.note_slot(*slot, Made::default());
            }
            Segment::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.holds(condition, frame)? {
                        return self.segments(body, frame);
                    }
                }
                return self.segments(otherwise, frame);
            }
            Segment::For { over: Over::Table { table: number, needed }, body, otherwise }
                if body.flat && self.captured.is_empty() && self.emitter.unseen().is_some() =>
            {
                if self.tables[*number].is_empty() {
                    return self.segments(otherwise, frame);
                }
                self.flat_rounds(*number, needed, body, frame)?;
            }
            Segment::For { over: Over::Table { table: number, needed }, body, otherwise }
                if self.keeps(*number, body, frame) =>
            {
                if self.tables[*number].is_empty() {
                    return self.segments(otherwise, frame);
                }
                self.table_rounds(*number, needed, body.apart, frame, &mut |run, frame| {
                    run.round(body, frame)
                })?;
            }
            Segment::For { over, body, otherwise } => {
                let mut rounds = 0;
                self.rounds(over, frame, &mut |run, frame| {
                    rounds += 1;
                    match &body.entered {
                        Some(entered) => run.entered(entered, true, frame, |run| run.round(body, frame)),
                        None => run.round(body, frame),
                    }
                })?;
                if rounds == 0 {
                    return self.segments(otherwise, frame);
                }
            }
            Segment::Continue => return Ok(Flow::Continue),
            Segment::Break => return Ok(Flow::Break),
            Segment::Noted { note, segment } => return self.noted(note, segment, frame),
            Segment::Within { entered, body } => {
                return self.entered(entered, false, frame, |run| run.segments(body, frame));
            }
        }
        Ok(Flow::On)
    }

    /// All rounds of a loop over a table whose body is flat: each row's text is put together without a look at it.
    fn flat_rounds(
        &mut self,
        number: usize,
        needed: &[bool],
        body: &'a Body,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let table = self.tables[number];
        let pieces: Option<Vec<Flat<'_>>> = body.segments.iter().map(Flat::of).collect();
        let pieces = pieces.ok_or(Stop::Value)?;
        let apart = body.apart.filter(|_| self.keeps(number, body, frame));
        self.rows(number, needed, apart, frame, |run, row| {
            let Some(out) = run.emitter.unseen() else { return Err(Stop::Value) };
            let begun = out.len();
            for piece in &pieces {
                match piece {
                    Flat::Literal(text) => out.extend_from_slice(text),
                    Flat::Cell(column) => match row.bytes(*column) {
                        Some(bytes) => out.extend_from_slice(bytes),
                        None => flat_cell(row.cell(*column), out)?,
                    },
                }
            }
            if let (Some(trace), Some(entered)) = (&run.trace, &body.entered)
                && run.emitter.position() > trace.wanted.start
            {
                // The row reaches into what is wanted: it is rendered again, with notes.
                if let Some(out) = run.emitter.unseen() {
                    out.truncate(begun);
                }
                let (index, length) = (row.number(), table.len());
                let inner =
                    Frame { parent: Some(frame), row: Some((number, row)), made_of: &[], index, length };
                run.entered(entered, true, &inner, |run| run.round(body, &inner))?;
            }
            run.emitter.settle().map_err(|_| run.output(frame))?;
            Ok(true)
        })
    }

    /// Whether blocks of the rows of a loop are kept: it is not within another loop, and what it prints is printed.
    fn keeps(&self, table: usize, body: &Body, frame: &Frame<'_>) -> bool {
        let outermost = frame.parent.is_none() && self.captured.is_empty();
        outermost && self.blocks.is_some() && body.apart.is_some() && !self.tables[table].blocks().is_empty()
    }

    /// Calls `each` for each row of a table, until it wants no more; but for the rows of blocks that are in the artifact
    /// already, where these are kept.
    fn rows(
        &mut self,
        number: usize,
        needed: &[bool],
        apart: Option<Apart>,
        frame: &Frame<'_>,
        mut each: impl FnMut(&mut Self, Passing<'_>) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let table = self.tables[number];
        let mut rows = table.walk(self.facts.sources, needed);
        let (Some(apart), Some(keeper)) = (apart, self.blocks) else {
            while let Some(row) = rows.next() {
                if !each(self, row)? {
                    break;
                }
            }
            return Ok(());
        };
        let mut passed = false;
        let ends = table.blocks().iter().skip(1).map(|next| next.row).chain([table.len()]);
        for ((at, block), end) in table.blocks().iter().enumerate().zip(ends) {
            self.emitter.flush().map_err(|_| self.output(frame))?;
            if keeper.begins(apart, table, at).map_err(|_| self.output(frame))? {
                passed = true;
                continue;
            }
            if std::mem::take(&mut passed) {
                rows.go_to(block);
            }
            for _ in block.row..end {
                // A file that is not what it was ends early, and the run with it.
                let Some(row) = rows.next() else { return Ok(()) };
                each(self, row)?;
            }
        }
        self.emitter.flush().map_err(|_| self.output(frame))?;
        keeper.begins(apart, table, table.blocks().len()).map_err(|_| self.output(frame))?;
        Ok(())
    }

    /// One round of a loop; whether the next may come.
    fn round(&mut self, body: &'a Body, frame: &Frame<'_>) -> Result<bool, Stop> {
        for slot in &body.slots {
            self.slots[*slot] = Data::undefined();
            self.note_slot(*slot, Made::default());
        }
        self.forget();
        Ok(self.segments(&body.segments, frame)? != Flow::Break)
    }

    /// As [`Self::rows`], with a frame for each row.
    fn table_rounds(
        &mut self,
        number: usize,
        needed: &[bool],
        apart: Option<Apart>,
        frame: &Frame<'_>,
        round: &mut dyn FnMut(&mut Self, &Frame<'_>) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let length = self.tables[number].len();
        self.rows(number, needed, apart, frame, |run, row| {
            let index = row.number();
            round(run, &Frame { parent: Some(frame), row: Some((number, row)), made_of: &[], index, length })
        })
    }

    /// Calls `round` with a frame for each round, until it wants no more.
    pub(super) fn rounds(
        &mut self,
        over: &'a Over,
        frame: &Frame<'_>,
        round: &mut dyn FnMut(&mut Self, &Frame<'_>) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        match over {
            Over::Table { table: number, needed } => {
                self.table_rounds(*number, needed, None, frame, round)?;
            }
            Over::References { cell, table: number } => {
                let table = self.tables[*number];
                let CellRef::Value(Value::List(entries)) = self.cell(cell, frame) else { return Ok(()) };
                let mut made_of = IndexSet::new();
                if self.trace.is_some() {
                    self.touch(&cell.row, Some(cell.column), frame, &mut made_of);
                }
                let made_of: Vec<Input> = made_of.into_iter().collect();
                for (index, entry) in entries.iter().enumerate() {
                    let Value::Ref(row) = entry else { return Err(Stop::Value) };
                    let row = table.passing(*row).map(|row| (*number, row));
                    let (made_of, length) = (&made_of[..], entries.len());
                    let inner = Frame { parent: Some(frame), row, made_of, index, length };
                    if !round(self, &inner)? {
                        break;
                    }
                }
            }
            Over::Value { value, key, slot } => {
                if self.trace.is_some() {
                    let inputs = self.inputs(value, frame)?;
                    if let Some(key) = key {
                        self.note_slot(*key, inputs.clone());
                    }
                    self.note_slot(*slot, inputs);
                }
                let value = self.value(value, frame)?;
                let entries: Vec<(Option<Data>, Data)> = if let Some(list) = value.as_array() {
                    list.iter().map(|element| (None, element.clone())).collect()
                } else if let Some(map) = value.as_map() {
                    map.iter().map(|(key, value)| (Some(key.as_value()), value.clone())).collect()
                } else if let Some(text) = value.as_str() {
                    text.chars().map(|character| (None, Data::from(character))).collect()
                } else {
                    return Err(Stop::Value);
                };
                let length = entries.len();
                for (index, (name, value)) in entries.into_iter().enumerate() {
                    if let (Some(key), Some(name)) = (key, name) {
                        self.slots[*key] = name;
                    }
                    self.slots[*slot] = value;
                    let inner = Frame { parent: Some(frame), row: None, made_of: &[], index, length };
                    if !round(self, &inner)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// What segments print, as a value.
    fn capture(&mut self, segments: &'a [Segment], frame: &Frame<'_>) -> Result<Data, Stop> {
        self.captured.push(String::new());
        let flow = self.segments(segments, frame);
        let text = self.captured.pop().unwrap_or_default();
        if flow? != Flow::On {
            return Err(Stop::Value);
        }
        Ok(Data::from(text))
    }

    pub(super) fn literal(&mut self, text: &str, frame: &Frame<'_>) -> Result<(), Stop> {
        if let Some(captured) = self.captured.last_mut() {
            captured.push_str(text);
            return Ok(());
        }
        self.emitter.literal(text.as_bytes()).map_err(|_| self.output(frame))
    }

    fn emit(&mut self, kind: Kind, site: Option<u32>, text: &str, frame: &Frame<'_>) -> Result<(), Stop> {
        // What needs no look is as good as the template's own text.
        let Some(expression) = site else { return self.literal(text, frame) };
        let value = Emitted { expression, kind, text };
        if let Some(captured) = self.captured.last_mut() {
            value.write(captured);
            return Ok(());
        }
        self.emitter.value(&value).map_err(|_| self.output(frame))
    }

    pub(super) fn print(&mut self, value: &Data, site: Option<u32>, frame: &Frame<'_>) -> Result<(), Stop> {
        if site.is_some() {
            let (kind, text) = printed(value).map_err(|_| Stop::Value)?;
            return self.emit(kind, site, &text, frame);
        }
        let Some(text) = value.as_str() else {
            if value.is_undefined() {
                return Err(Stop::Value);
            }
            return self.literal(&value.to_string(), frame);
        };
        if !mark::is_marked(text) || !self.captured.is_empty() {
            return self.literal(text, frame);
        }
        for segment in mark::segments(text).map_err(|_| Stop::Value)? {
            match segment {
                mark::Segment::Literal(text) => self.literal(text, frame)?,
                mark::Segment::Value(value) => {
                    self.emitter.value(&value).map_err(|_| self.output(frame))?;
                }
            }
        }
        Ok(())
    }

    /// The cells that a place's references lead to; none where it has no references.
    fn referred<'f>(&self, place: &Place, frame: &'f Frame<'f>) -> Option<&'f [Value]>
    where
        'a: 'f,
    {
        let row = frame.row(place)?;
        let mut steps = place.references.iter();
        let (column, table) = steps.next()?;
        let CellRef::Value(Value::Ref(number)) = row.cell(*column) else { return None };
        let mut cells = self.tables[*table].held(*number)?;
        for (column, table) in steps {
            let Value::Ref(number) = cells.get(*column)? else { return None };
            cells = self.tables[*table].held(*number)?;
        }
        Some(cells)
    }

    fn cell<'f>(&self, cell: &Cell, frame: &'f Frame<'f>) -> CellRef<'f>
    where
        'a: 'f,
    {
        if cell.row.references.is_empty() {
            return frame.row(&cell.row).map_or(CellRef::Absent, |row| row.cell(cell.column));
        }
        let cells = self.referred(&cell.row, frame);
        cells.and_then(|cells| cells.get(cell.column)).map_or(CellRef::Absent, CellRef::from)
    }

    pub(super) fn present(&self, place: &Place, frame: &Frame<'_>) -> bool {
        if place.references.is_empty() {
            return frame.row(place).is_some();
        }
        self.referred(place, frame).is_some()
    }

    pub(super) fn holds(&mut self, condition: &'a Expr, frame: &Frame<'_>) -> Result<bool, Stop> {
        Ok(match condition {
            Expr::Present(place) => self.present(place, frame),
            Expr::Not(operand) => !self.holds(operand, frame)?,
            Expr::And(left, right) => self.holds(left, frame)? && self.holds(right, frame)?,
            Expr::Or(left, right) => self.holds(left, frame)? || self.holds(right, frame)?,
            Expr::Cell(cell) => match self.cell(cell, frame) {
                CellRef::Absent => false,
                CellRef::Text(text) => !text.is_empty(),
                CellRef::Value(value) => data(CellRef::Value(value)).is_truthy(),
            },
            Expr::Filter { .. } => match self.text(condition, frame)? {
                Some(text) => !text.is_empty(),
                None => self.value(condition, frame)?.is_truthy(),
            },
            Expr::Binary { operator: BinaryOperator::Equal, sides } => self.equal(sides, frame)?,
            Expr::Binary { operator: BinaryOperator::NotEqual, sides } => !self.equal(sides, frame)?,
            other => self.value(other, frame)?.is_truthy(),
        })
    }

    fn equal(&mut self, sides: &'a [Expr; 2], frame: &Frame<'_>) -> Result<bool, Stop> {
        // A column that is compared with a text needs no copy of its cell.
        if let [Expr::Cell(cell), Expr::Constant(value)] = sides
            && let (CellRef::Text(cell), Some(text)) = (self.cell(cell, frame), value.as_str())
        {
            return Ok(cell == text);
        }
        let [left, right] = sides;
        if let Some(text) = self.text(left, frame)?
            && let Some(other) = self.text(right, frame)?
        {
            return Ok(text == other);
        }
        Ok(self.value(left, frame)? == self.value(right, frame)?)
    }

    /// The value of an expression that is text without parts, where that takes no value of the engine.
    fn text<'f>(&mut self, expression: &'a Expr, frame: &'f Frame<'f>) -> Result<Option<Cow<'f, str>>, Stop>
    where
        'a: 'f,
    {
        Ok(match expression {
            Expr::Cell(cell) => match self.cell(cell, frame) {
                CellRef::Text(text) => Some(Cow::Borrowed(text)),
                CellRef::Value(Value::Text(text)) => Some(Cow::Borrowed(&**text)),
                CellRef::Absent | CellRef::Value(_) => None,
            },
            Expr::Constant(value) => value.as_str().filter(|text| !mark::is_marked(text)).map(Cow::Borrowed),
            Expr::Filter { base, call } => {
                let Some(of_text) = &call.of_text else { return Ok(None) };
                match (of_text, &**base) {
                    (OfText::Default { substitute, .. }, Expr::Cell(cell))
                        if matches!(
                            self.cell(cell, frame),
                            CellRef::Absent | CellRef::Value(Value::Absent)
                        ) =>
                    {
                        Some(Cow::Borrowed(&**substitute))
                    }
                    _ => self.text(base, frame)?.map(|text| of_text.apply(text)),
                }
            }
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if self.holds(condition, frame)? { then } else { otherwise };
                self.text(taken, frame)?
            }
            _ => None,
        })
    }

    pub(super) fn value(&mut self, expression: &'a Expr, frame: &Frame<'_>) -> Result<Data, Stop> {
        Ok(match expression {
            Expr::Constant(value) | Expr::Given { value, .. } => value.clone(),
            Expr::Slot(slot) => self.slots[*slot].clone(),
            Expr::Cell(cell) => match self.cell(cell, frame) {
                CellRef::Value(Value::List(entries)) => {
                    let schema = frame.table(&cell.row).map(|table| self.tables[table].schema());
                    let to = schema.and_then(|schema| schema.columns[cell.column].ty.refers_to());
                    let entries = entries.iter().map(|entry| self.entry(entry.into(), to));
                    Data::from(entries.collect::<Vec<_>>())
                }
                scalar => data(scalar),
            },
            Expr::Row(place) => self.row_data(place, frame),
            Expr::List(table) => {
                self.facts.lists.get(&self.program.tables[*table], self.facts.tables, self.facts.sources)
            }
            Expr::Count(table) => Data::from(self.tables[*table].len()),
            Expr::Loop { up, field } => {
                let round = frame.up(*up);
                match field {
                    LoopField::Index => Data::from(round.index + 1),
                    LoopField::Index0 => Data::from(round.index),
                    LoopField::First => Data::from(round.index == 0),
                    LoopField::Last => Data::from(round.index + 1 == round.length),
                    LoopField::Length => Data::from(round.length),
                }
            }
            Expr::Attribute { base, name, optional } => {
                let base = self.value(base, frame)?;
                if base.is_undefined() && !optional {
                    return Err(Stop::Value);
                }
                let entry = base.as_map().and_then(|map| map.get(&Key::Str(name)));
                entry.cloned().unwrap_or_else(Data::undefined)
            }
            Expr::Index { sides, optional } => {
                let base = self.value(&sides[0], frame)?;
                let index = self.value(&sides[1], frame)?;
                at_index(&base, &index, *optional).ok_or(Stop::Value)?
            }
            Expr::Array(parts) => {
                let mut list = Vec::with_capacity(parts.len());
                for (spread, part) in parts {
                    let value = self.value(part, frame)?;
                    if *spread {
                        list.extend_from_slice(value.as_array().ok_or(Stop::Value)?);
                    } else {
                        list.push(value);
                    }
                }
                Data::from(list)
            }
            Expr::Map(entries) => self.map(entries, frame)?,
            Expr::Without(map, names) => {
                let map = self.value(map, frame)?;
                let entries = map.as_map().ok_or(Stop::Value)?.iter().filter(|(key, _)| {
                    key.as_str().is_some_and(|key| !names.iter().any(|name| **name == *key))
                });
                Data::from(entries.map(|(key, value)| (key.clone(), value.clone())).collect::<Map>())
            }
            Expr::Filter { base, call } => {
                let base = self.value(base, frame)?;
                let value = self.call(call, &base, frame)?;
                match &call.kept {
                    Some(kept) => self.kept(kept, value),
                    None => value,
                }
            }
            Expr::Test { base, test, arguments, negated } => {
                let base = self.value(base, frame)?;
                let arguments = self.arguments(arguments, frame)?;
                let holds = (test.implementation)(&base, &arguments).map_err(|_| Stop::Value)?;
                Data::from(holds != *negated)
            }
            Expr::Present(_) | Expr::Not(_) => Data::from(self.holds(expression, frame)?),
            Expr::Minus(operand) => match self.value(operand, frame)?.as_number() {
                Some(Number::Integer(number)) => Data::from(number.checked_neg().ok_or(Stop::Value)?),
                Some(Number::Float(number)) => Data::from(-number),
                _ => return Err(Stop::Value),
            },
            Expr::And(left, right) => {
                let left = self.value(left, frame)?;
                if left.is_truthy() { self.value(right, frame)? } else { left }
            }
            Expr::Or(left, right) => {
                let left = self.value(left, frame)?;
                if left.is_truthy() { left } else { self.value(right, frame)? }
            }
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if self.holds(condition, frame)? { then } else { otherwise };
                self.value(taken, frame)?
            }
            Expr::Concatenate(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Expr::Cell(cell) => match self.cell(cell, frame) {
                            CellRef::Text(part) => text.push_str(part),
                            other => text.push_str(&data(other).to_string()),
                        },
                        other => {
                            let value = self.value(other, frame)?;
                            match value.as_str() {
                                Some(part) => text.push_str(part),
                                None => text.push_str(&value.to_string()),
                            }
                        }
                    }
                }
                Data::from(text)
            }
            Expr::Binary { operator, sides } => {
                let left = self.value(&sides[0], frame)?;
                let right = self.value(&sides[1], frame)?;
                binary(*operator, &left, &right).ok_or(Stop::Value)?
            }
            Expr::Comprehension(comprehension) => {
                let Comprehension { over, condition, element } = &**comprehension;
                let mut list = Vec::new();
                self.rounds(over, frame, &mut |run, frame| {
                    let counts = match condition {
                        Some(condition) => run.holds(condition, frame)?,
                        None => true,
                    };
                    if counts {
                        list.push(run.value(element, frame)?);
                    }
                    Ok(true)
                })?;
                Data::from(list)
            }
            Expr::Else(parts) => {
                let first = self.value(&parts[0], frame)?;
                if first.is_undefined() { self.value(&parts[1], frame)? } else { first }
            }
            Expr::Captured(captured) => {
                self.slots[captured.slots.clone()].fill(Data::undefined());
                self.capture(&captured.segments, frame)?
            }
            Expr::Left { number, parts, .. } => {
                let mut context = Context::new();
                for (name, part) in parts {
                    context.insert_value(name.clone(), self.value(part, frame)?);
                }
                self.program.border.evaluate(*number, &context).ok_or(Stop::Value)?
            }
            Expr::Plain(captured) => filter::plain(&self.value(captured, frame)?),
            Expr::Throw => return Err(Stop::Value),
        })
    }

    /// A map of entries; of two with one key, the right one wins, and where a map is spread, it also comes first.
    fn map(&mut self, entries: &'a [(Option<Key<'static>>, Expr)], frame: &Frame<'_>) -> Result<Data, Stop> {
        let mut values = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            values.push((key, self.value(value, frame)?));
        }
        let mut map = Map::new();
        if entries.iter().all(|(key, _)| key.is_some()) {
            map.extend(values.into_iter().filter_map(|(key, value)| Some((key.clone()?, value))));
            return Ok(Data::from(map));
        }
        for (key, value) in values.into_iter().rev() {
            if let Some(key) = key {
                map.entry(key.clone()).or_insert(value);
                continue;
            }
            for (key, value) in value.as_map().ok_or(Stop::Value)? {
                map.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(Data::from(map))
    }

    /// All of a row, as the engine sees it.
    fn row_data(&mut self, place: &Place, frame: &Frame<'_>) -> Data {
        let Some(table) = frame.table(place) else { return Data::none() };
        let schema = self.tables[table].schema();
        let columns = schema.columns.iter().map(|column| column.ty.refers_to());
        let values: Vec<Data> = if place.references.is_empty() {
            let Some(passing) = frame.row(place) else { return Data::none() };
            let cells = (0..passing.len()).map(|number| passing.cell(number));
            cells.zip(columns).map(|(cell, to)| self.entry(cell, to)).collect()
        } else {
            let Some(cells) = self.referred(place, frame) else { return Data::none() };
            cells.iter().zip(columns).map(|(cell, to)| self.entry(cell.into(), to)).collect()
        };
        let keys = self.keys[table].get_or_insert_with(|| keys(schema));
        Data::from(keys.iter().cloned().zip(values).collect::<BTreeMap<ColumnKey, Data>>())
    }

    /// A cell or an entry of its list, as the engine sees it; `to` is the table that it refers to.
    fn entry(&self, cell: CellRef<'_>, to: Option<&str>) -> Data {
        let Facts { tables, sources, lists } = self.facts;
        match (cell, to) {
            (CellRef::Value(Value::Ref(number)), Some(table)) => lists.row(table, *number, tables, sources),
            (CellRef::Value(Value::List(entries)), _) => {
                Data::from(entries.iter().map(|entry| self.entry(entry.into(), to)).collect::<Vec<_>>())
            }
            (scalar, _) => data(scalar),
        }
    }

    fn call(&mut self, call: &'a Call, value: &Data, frame: &Frame<'_>) -> Result<Data, Stop> {
        let arguments = self.arguments(&call.arguments, frame)?;
        (call.implementation)(value, &arguments).map_err(|_| Stop::Value)
    }

    fn arguments(&mut self, arguments: &'a Arguments, frame: &Frame<'_>) -> Result<Kwargs, Stop> {
        Ok(Kwargs::new(match arguments {
            Arguments::Known(map) => Arc::clone(map),
            Arguments::Computed(list) => {
                let mut map = Map::new();
                for (name, value) in list {
                    map.insert(Key::Str(name), self.value(value, frame)?);
                }
                Arc::new(map)
            }
        }))
    }
}

/// A piece of a flat body.
enum Flat<'a> {
    Literal(&'a [u8]),
    /// The cell of a column.
    Cell(usize),
}

impl<'a> Flat<'a> {
    fn of(segment: &'a Segment) -> Option<Self> {
        match segment {
            Segment::Literal(text) => Some(Self::Literal(text.as_bytes())),
            Segment::Cell { cell, .. } => Some(Self::Cell(cell.column)),
            Segment::Noted { segment, .. } => Self::of(segment),
            _ => None,
        }
    }
}

/// Appends a cell that the format has no say in.
fn flat_cell(cell: CellRef<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    match cell {
        CellRef::Text(text) => out.extend_from_slice(text.as_bytes()),
        // The checks let only scalars that are there be printed.
        CellRef::Absent | CellRef::Value(Value::Absent | Value::List(_) | Value::Ref(_)) => {
            return Err(Stop::Value);
        }
        CellRef::Value(value) => out.extend_from_slice(value.text().as_bytes()),
    }
    Ok(())
}

/// A cell as the engine sees it; a reference has no place in a value.
fn data(cell: CellRef<'_>) -> Data {
    match cell {
        CellRef::Absent | CellRef::Value(Value::Absent | Value::Ref(_)) => Data::none(),
        CellRef::Text(text) => Data::from(text),
        CellRef::Value(Value::Text(text)) => Data::from(&**text),
        CellRef::Value(Value::Int(number)) => Data::from(*number),
        CellRef::Value(Value::Float(number)) => Data::from(*number),
        CellRef::Value(Value::Bool(truth)) => Data::from(*truth),
        CellRef::Value(Value::List(entries)) => {
            Data::from(entries.iter().map(|entry| data(entry.into())).collect::<Vec<_>>())
        }
    }
}

/// What a value has at an index, as the engine has it; nothing where that is an error.
fn at_index(base: &Data, index: &Data, optional: bool) -> Option<Data> {
    if optional && (base.is_undefined() || base.is_none()) {
        return Some(Data::undefined());
    }
    if base.is_undefined() || index.is_undefined() {
        return None;
    }
    let found = |length: usize| -> Option<Option<usize>> {
        let index = index.as_i128()?;
        let index = if index < 0 { index + i128::try_from(length).ok()? } else { index };
        Some(usize::try_from(index).ok().filter(|index| *index < length))
    };
    let entry = if let Some(list) = base.as_array() {
        found(list.len())?.map(|at| list[at].clone())
    } else if let Some(text) = base.as_str() {
        found(text.chars().count())?.and_then(|at| text.chars().nth(at)).map(Data::from)
    } else if let Some(map) = base.as_map() {
        let key = match (index.as_str(), index.as_bool()) {
            (Some(text), _) => Key::Str(text),
            (_, Some(truth)) => Key::Bool(truth),
            _ => Key::I128(index.as_i128().filter(|_| !index.is_f64())?),
        };
        map.get(&key).cloned()
    } else {
        None
    };
    Some(entry.unwrap_or_else(Data::undefined))
}

/// What an operator gives, as the engine has it; nothing where that is an error.
fn binary(operator: BinaryOperator, left: &Data, right: &Data) -> Option<Data> {
    use BinaryOperator as Op;
    Some(match operator {
        Op::Equal => Data::from(left == right),
        Op::NotEqual => Data::from(left != right),
        Op::Less => Data::from(left.partial_cmp(right)?.is_lt()),
        Op::LessOrEqual => Data::from(left.partial_cmp(right)?.is_le()),
        Op::Greater => Data::from(left.partial_cmp(right)?.is_gt()),
        Op::GreaterOrEqual => Data::from(left.partial_cmp(right)?.is_ge()),
        Op::In => Data::from(test::contains(right, left)?),
        _ => match (left.as_number()?, right.as_number()?) {
            (Number::Integer(left), Number::Integer(right)) => match operator {
                Op::Add => Data::from(left.checked_add(right)?),
                Op::Subtract => Data::from(left.checked_sub(right)?),
                Op::Multiply => Data::from(left.checked_mul(right)?),
                Op::Modulo => Data::from(left.checked_rem_euclid(right)?),
                Op::FloorDivide => Data::from(left.checked_div_euclid(right)?),
                _ => {
                    let (left, right) = (Number::Integer(left).as_float(), Number::Integer(right).as_float());
                    float(operator, left, right)?
                }
            },
            (left, right) => float(operator, left.as_float(), right.as_float())?,
        },
    })
}

fn float(operator: BinaryOperator, left: f64, right: f64) -> Option<Data> {
    use BinaryOperator as Op;
    let divides = matches!(operator, Op::Divide | Op::FloorDivide | Op::Modulo);
    if divides && right == 0.0 {
        return None;
    }
    Some(Data::from(match operator {
        Op::Add => left + right,
        Op::Subtract => left - right,
        Op::Multiply => left * right,
        Op::Divide => left / right,
        Op::FloorDivide => left.div_euclid(right),
        Op::Modulo => left.rem_euclid(right),
        _ => return None,
    }))
}
