//! Origins of what a program prints.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexSet;

use super::run::{Flow, Frame as Round, Run};
use super::{Arguments, Comprehension, Entered, Expr, Facts, Note, Over, Place, Program, Segment, Stop};
use crate::format::{Emitter, Format};
use crate::origin::{Cause, Frame, Input, Piece, Row};
use crate::table::{CellRef, Passing, Value};

/// What is recorded of a run.
pub(super) struct Trace {
    /// The bytes of the artifact whose origins are wanted.
    pub(super) wanted: Range<usize>,
    pieces: Vec<Piece>,
    /// What is entered, outermost first, and the same where a piece has it.
    frames: Vec<Frame>,
    shared: Option<Arc<[Frame]>>,
    /// What the value of each slot was made of.
    slots: Vec<Vec<Input>>,
}

/// Keeps a range of what is written.
struct Kept {
    wanted: Range<usize>,
    position: usize,
    text: Vec<u8>,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inside = |at: usize| at.saturating_sub(self.position).min(bytes.len());
        let part = inside(self.wanted.start)..inside(self.wanted.end);
        self.text.extend_from_slice(&bytes[part]);
        self.position += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Program {
    /// Bytes of what the template renders, with their origins; of a program that is built to be traced. It ends
    /// behind the bytes that are wanted. `around` is what the artifact itself is made for.
    pub(crate) fn trace(
        &self,
        facts: &Facts<'_>,
        row: Option<Passing<'_>>,
        format: &Format,
        wanted: &Range<usize>,
        around: Option<Frame>,
    ) -> Result<(Vec<u8>, Vec<Piece>), Stop> {
        let kept = Kept { wanted: wanted.clone(), position: 0, text: Vec::new() };
        let mut emitter = Emitter::new(format, kept);
        let mut pieces = Vec::new();
        if !wanted.is_empty() {
            let mut run = self.run(facts, &mut emitter)?;
            run.trace = Some(Trace {
                wanted: wanted.clone(),
                pieces: Vec::new(),
                frames: around.into_iter().collect(),
                shared: None,
                slots: vec![Vec::new(); self.slots],
            });
            match run.segments(&self.segments, &Round::of_artifact(row)) {
                Ok(_) | Err(Stop::Seen) => {}
                Err(stop) => return Err(stop),
            }
            pieces = run.trace.take().map(|trace| trace.pieces).unwrap_or_default();
        }
        // What is kept has no errors of its own.
        emitter.flush().map_err(|_| Stop::Value)?;
        Ok((emitter.into_inner().text, pieces))
    }
}

impl<'a, W: Write> Run<'a, '_, W> {
    /// What something prints, and where it comes from.
    pub(super) fn noted(
        &mut self,
        note: &Note,
        segment: &'a Segment,
        frame: &Round<'_>,
    ) -> Result<Flow, Stop> {
        let start = self.emitter.position();
        let flow = self.segment(segment, frame)?;
        let bytes = start..self.emitter.position();
        let Some(wanted) = self.trace.as_ref().map(|trace| trace.wanted.clone()) else { return Ok(flow) };
        if bytes.is_empty() || bytes.end <= wanted.start {
            return Ok(flow);
        }
        let cause = match note {
            Note::Text(span) => Cause::Literal { span: *span, filters: Arc::default() },
            Note::Value { expression, filters, given } => {
                let mut inputs: IndexSet<Input> =
                    given.iter().map(|name| Input::Value(Arc::clone(name))).collect();
                match segment {
                    Segment::Cell { cell, .. } => {
                        self.touch(&cell.row, Some(cell.column), frame, &mut inputs);
                    }
                    Segment::Value { value, .. } => self.gather(value, frame, &mut inputs)?,
                    _ => {}
                }
                let filters = Arc::clone(filters);
                Cause::Value { expression: *expression, sources: inputs.into_iter().collect(), filters }
            }
        };
        if let Some(trace) = &mut self.trace {
            let frames = trace.shared.get_or_insert_with(|| trace.frames.as_slice().into());
            let frames = Arc::clone(frames);
            let is_last = bytes.end >= wanted.end;
            trace.pieces.push(Piece { bytes, cause, frames });
            if is_last {
                return Err(Stop::Seen);
            }
        }
        Ok(flow)
    }

    /// Does something within what is entered; a round of a loop with the row that it is at.
    pub(super) fn entered<T>(
        &mut self,
        entered: &Entered,
        of_loop: bool,
        frame: &Round<'_>,
        inner: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let row = frame.row.as_ref().filter(|_| of_loop);
        let row = row.map(|(table, row)| self.row(*table, row.number()));
        if let Some(trace) = &mut self.trace {
            trace.frames.push(entered.frame(row));
            trace.shared = None;
        }
        let done = inner(self)?;
        if let Some(trace) = &mut self.trace {
            trace.frames.pop();
            trace.shared = None;
        }
        Ok(done)
    }

    /// Notes what a slot's value was made of.
    pub(super) fn note_slot(&mut self, slot: usize, inputs: Vec<Input>) {
        if let Some(trace) = &mut self.trace {
            trace.slots[slot] = inputs;
        }
    }

    fn row(&self, table: usize, number: usize) -> Row {
        Row { table: self.program.tables[table].as_str().into(), number }
    }

    /// The cells that lead to a place, and that of the column.
    pub(super) fn touch(
        &self,
        place: &Place,
        column: Option<usize>,
        frame: &Round<'_>,
        inputs: &mut IndexSet<Input>,
    ) {
        let round = frame.up(place.up);
        inputs.extend(round.made_of.iter().cloned());
        let Some((mut table, passing)) = round.row.as_ref().map(|(table, row)| (*table, row)) else { return };
        let mut number = passing.number();
        let mut cells: Option<&[Value]> = None;
        let mut cell = |table: usize, number: usize, column: usize| {
            let name = self.tables[table].schema().columns[column].name.as_str().into();
            inputs.insert(Input::Cell { row: self.row(table, number), column: name });
        };
        for (column, to) in &place.references {
            cell(table, number, *column);
            let reference = match cells {
                None => passing.cell(*column),
                Some(cells) => cells.get(*column).map_or(CellRef::Absent, CellRef::from),
            };
            let CellRef::Value(Value::Ref(next)) = reference else { return };
            (table, number) = (*to, *next);
            cells = self.tables[table].held(number);
            if cells.is_none() {
                return;
            }
        }
        if let Some(column) = column {
            cell(table, number, column);
        }
    }

    /// What the value of an expression is made of, in the order in which it is read.
    pub(super) fn inputs(&mut self, expression: &'a Expr, frame: &Round<'_>) -> Result<Vec<Input>, Stop> {
        let mut inputs = IndexSet::new();
        self.gather(expression, frame, &mut inputs)?;
        Ok(inputs.into_iter().collect())
    }

    fn gather(
        &mut self,
        expression: &'a Expr,
        frame: &Round<'_>,
        inputs: &mut IndexSet<Input>,
    ) -> Result<(), Stop> {
        match expression {
            Expr::Constant(_) | Expr::Loop { .. } | Expr::Captured(_) | Expr::Throw => {}
            Expr::Given { name, .. } => {
                inputs.insert(Input::Value(Arc::clone(name)));
            }
            Expr::Slot(slot) => {
                let made_of = self.trace.as_ref().map(|trace| &trace.slots[*slot]);
                inputs.extend(made_of.into_iter().flatten().cloned());
            }
            Expr::Cell(cell) => self.touch(&cell.row, Some(cell.column), frame, inputs),
            Expr::Present(place) | Expr::Row(place) => self.touch(place, None, frame, inputs),
            Expr::Count(table) | Expr::List(table) => {
                inputs.extend((0..self.tables[*table].len()).map(|row| Input::Row(self.row(*table, row))));
            }
            Expr::Attribute { base: of, .. }
            | Expr::Without(of, _)
            | Expr::Not(of)
            | Expr::Minus(of)
            | Expr::Plain(of) => {
                self.gather(of, frame, inputs)?;
            }
            // Where it is looked decides only.
            Expr::Index { sides, .. } => self.gather(&sides[0], frame, inputs)?,
            Expr::Else(parts) => {
                let [first, second] = &**parts;
                let taken = if self.value(first, frame)?.is_undefined() { second } else { first };
                self.gather(taken, frame, inputs)?;
            }
            Expr::Left { parts, made_of, .. } => {
                for part in &parts[..*made_of] {
                    self.gather(part, frame, inputs)?;
                }
            }
            Expr::Array(list) => {
                for (_, part) in list {
                    self.gather(part, frame, inputs)?;
                }
            }
            Expr::Concatenate(list) => {
                for part in list {
                    self.gather(part, frame, inputs)?;
                }
            }
            Expr::Map(entries) => {
                for (_, value) in entries {
                    self.gather(value, frame, inputs)?;
                }
            }
            Expr::Filter { base, call } => {
                self.gather(base, frame, inputs)?;
                self.gather_arguments(&call.arguments, frame, inputs)?;
            }
            Expr::Test { base, arguments, .. } => {
                self.gather(base, frame, inputs)?;
                self.gather_arguments(arguments, frame, inputs)?;
            }
            Expr::And(left, right) | Expr::Or(left, right) => {
                self.gather(left, frame, inputs)?;
                if self.holds(left, frame)? == matches!(expression, Expr::And(..)) {
                    self.gather(right, frame, inputs)?;
                }
            }
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if self.holds(condition, frame)? { then } else { otherwise };
                self.gather(taken, frame, inputs)?;
            }
            Expr::Binary { sides, .. } => {
                for side in &**sides {
                    self.gather(side, frame, inputs)?;
                }
            }
            Expr::Comprehension(comprehension) => {
                let Comprehension { over, condition, element } = &**comprehension;
                if let Over::Value { value, .. } = &**over {
                    self.gather(value, frame, inputs)?;
                } else if let Over::References { cell, .. } = &**over {
                    self.touch(&cell.row, Some(cell.column), frame, inputs);
                }
                self.rounds(over, frame, &mut |run, frame| {
                    let counts = match condition {
                        Some(condition) => run.holds(condition, frame)?,
                        None => true,
                    };
                    if counts {
                        run.gather(element, frame, inputs)?;
                    }
                    Ok(true)
                })?;
            }
        }
        Ok(())
    }

    fn gather_arguments(
        &mut self,
        arguments: &'a Arguments,
        frame: &Round<'_>,
        inputs: &mut IndexSet<Input>,
    ) -> Result<(), Stop> {
        if let Arguments::Computed(list) = arguments {
            for (_, value) in list {
                self.gather(value, frame, inputs)?;
            }
        }
        Ok(())
    }
}
