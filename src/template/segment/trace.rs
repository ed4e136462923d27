//! Origins of what a program prints.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexSet;
use tera::Value as Data;

use super::run::{Flow, Frame as Round, Run};
use super::{
    Arguments, Comprehension, Entered, Expr, Facts, Note, Over, Passed, Place, Program, Segment, Stop,
};
use crate::format::mark::{self, Emitted, Kind};
use crate::format::{Emitter, Format};
use crate::origin::{Cause, Frame, FrameKind, Input, Piece, Row};
use crate::source::Span;
use crate::table::{CellRef, Passing, Value};
use crate::template::trace;

/// What is recorded of a run.
pub(super) struct Trace {
    /// The bytes of the artifact whose origins are wanted.
    pub(super) wanted: Range<usize>,
    pieces: Vec<Piece>,
    /// What is entered, outermost first, and the same where a piece has it.
    frames: Vec<Frame>,
    shared: Option<Arc<[Frame]>>,
    /// What the value of each slot was made of.
    slots: Vec<Made>,
    /// What captured text is made of: its parts have the numbers of these. The first is that of none.
    events: Vec<Event>,
}

/// What a value was made of, and the filters that captured text passed before.
#[derive(Clone, Default)]
pub(super) struct Made {
    inputs: IndexSet<Input>,
    filters: Vec<Arc<str>>,
}

impl Made {
    fn add(&mut self, inputs: &[Input], filters: &[Arc<str>]) {
        self.inputs.extend(inputs.iter().cloned());
        self.filters.extend(filters.iter().cloned());
    }
}

/// A part of captured text, where it was printed first.
#[derive(Clone)]
struct Event {
    cause: Cause,
    frames: Arc<[Frame]>,
}

impl Event {
    /// Notes a filter that the part has passed.
    fn pass(&mut self, filter: &Arc<str>) {
        let (Cause::Literal { filters, .. } | Cause::Value { filters, .. }) = &mut self.cause else { return };
        *filters = filters.iter().chain([filter]).cloned().collect();
    }
}

/// As many events as are kept without a look at which are still needed.
const MANY_EVENTS: usize = 4096;

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
                slots: std::iter::repeat_with(Made::default).take(self.slots).collect(),
                events: vec![Event { cause: Cause::Unknown, frames: Arc::default() }],
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

impl Trace {
    /// What is entered, as a piece has it.
    fn frames(&mut self) -> Arc<[Frame]> {
        Arc::clone(self.shared.get_or_insert_with(|| self.frames.as_slice().into()))
    }

    /// The number of a new event.
    fn event(&mut self, event: Event) -> u32 {
        self.events.push(event);
        u32::try_from(self.events.len() - 1).unwrap_or(u32::MAX)
    }

    /// The event of a part.
    fn known(&self, number: u32) -> Event {
        let event = self.events.get(number as usize).cloned();
        event.unwrap_or_else(|| Event { cause: Cause::Unknown, frames: Arc::default() })
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
        let begun = self.captured.last().map(String::len);
        let start = self.emitter.position();
        let mut flow = Flow::On;
        if let Segment::Value { value, site: None } = segment {
            let value = self.value(value, frame)?;
            if let Some(text) = value.as_str().filter(|text| mark::is_marked(text)) {
                return self.parts(note, text, frame);
            }
            self.print(&value, None, frame)?;
        } else {
            flow = self.segment(segment, frame)?;
        }
        let bytes = start..self.emitter.position();
        let Some(wanted) = self.trace.as_ref().map(|trace| trace.wanted.start) else { return Ok(flow) };
        let is_captured =
            begun.is_some_and(|begun| self.captured.last().is_some_and(|text| text.len() > begun));
        if !is_captured && (bytes.is_empty() || bytes.end <= wanted) {
            return Ok(flow);
        }
        let cause = self.cause(note, segment, frame)?;
        let Some(trace) = &mut self.trace else { return Ok(flow) };
        let frames = trace.frames();
        let Some((text, begun)) = self.captured.last_mut().zip(begun) else {
            return self.piece(bytes, cause, frames).map(|()| flow);
        };
        let printed = text.split_off(begun);
        let expression = trace.event(Event { cause, frames });
        for part in mark::segments(&printed).map_err(|_| Stop::Value)? {
            let part = match part {
                mark::Segment::Value(part) => Emitted { expression, ..part },
                mark::Segment::Literal(text) => Emitted { expression, kind: Kind::Plain, text },
            };
            part.write(text);
        }
        Ok(flow)
    }

    fn cause(&mut self, note: &Note, segment: &'a Segment, frame: &Round<'_>) -> Result<Cause, Stop> {
        Ok(match note {
            Note::Text(span) => Cause::Literal { span: *span, filters: Arc::default() },
            Note::Section => Cause::Unknown,
            Note::Value { expression, filters, given } => {
                let mut made = Made::default();
                made.inputs.extend(given.iter().map(|name| Input::Value(Arc::clone(name))));
                match segment {
                    Segment::Cell { cell, .. } => {
                        self.touch(&cell.row, Some(cell.column), frame, &mut made.inputs);
                    }
                    Segment::Value { value, .. } => self.gather(value, frame, &mut made)?,
                    _ => {}
                }
                made.filters.extend(filters.iter().cloned());
                Cause::Value {
                    expression: *expression,
                    sources: made.inputs.into_iter().collect(),
                    filters: made.filters.into(),
                }
            }
        })
    }

    /// Prints captured text, whose parts come from where they were captured.
    fn parts(&mut self, note: &Note, text: &str, frame: &Round<'_>) -> Result<Flow, Stop> {
        let site = match note {
            Note::Value { expression, .. } => {
                Some(Frame { kind: FrameKind::Print, name: Arc::default(), site: *expression, row: None })
            }
            Note::Text(_) | Note::Section => None,
        };
        let mut changed = HashMap::new();
        for part in mark::segments(text).map_err(|_| Stop::Value)? {
            let (part, trace) = match (part, &mut self.trace) {
                (mark::Segment::Value(part), Some(trace)) => (part, trace),
                // What a filter has put there that does not keep its parts.
                (mark::Segment::Value(Emitted { text, .. }) | mark::Segment::Literal(text), _) => {
                    self.literal(text, frame)?;
                    continue;
                }
            };
            let expression = *changed.entry(part.expression).or_insert_with(|| {
                let mut event = trace.known(part.expression);
                event.frames = event.frames.iter().chain(&site).cloned().collect();
                trace.event(event)
            });
            if let Some(captured) = self.captured.last_mut() {
                Emitted { expression, ..part }.write(captured);
                continue;
            }
            let Event { cause, frames } = trace.known(expression);
            let start = self.emitter.position();
            self.emitter.value(&Emitted { expression, ..part }).map_err(|_| self.output(frame))?;
            let end = self.emitter.position();
            match cause {
                Cause::Literal { span, filters } if !filters.is_empty() && part.kind == Kind::Plain => {
                    let file = self.facts.sources.file(span.file).text().unwrap_or_default();
                    let source = file.get(span.range()).unwrap_or_default();
                    for (bytes, from) in trace::literal(source, part.text.as_bytes()) {
                        let bytes = start + bytes.start..start + bytes.end;
                        let from = Span::new(span.file, span.start + from.start..span.start + from.end);
                        let cause = Cause::Literal { span: from, filters: Arc::clone(&filters) };
                        self.piece(bytes, cause, Arc::clone(&frames))?;
                    }
                }
                cause => self.piece(start..end, cause, frames)?,
            }
        }
        Ok(Flow::On)
    }

    /// Notes a piece, if it is wanted.
    fn piece(&mut self, bytes: Range<usize>, cause: Cause, frames: Arc<[Frame]>) -> Result<(), Stop> {
        let Some(trace) = &mut self.trace else { return Ok(()) };
        if bytes.is_empty() || bytes.end <= trace.wanted.start {
            return Ok(());
        }
        let is_last = bytes.end >= trace.wanted.end;
        trace.pieces.push(Piece { bytes, cause, frames });
        if is_last { Err(Stop::Seen) } else { Ok(()) }
    }

    /// What a filter gives that keeps the parts of captured text: they have passed it, and what it adds is its own.
    pub(super) fn kept(&mut self, kept: &Passed, value: Data) -> Data {
        let Some(trace) = &mut self.trace else { return value };
        let Some(Ok(segments)) = value.as_str().filter(|text| mark::is_marked(text)).map(mark::segments)
        else {
            return value;
        };
        let cause = Cause::Literal { span: kept.call, filters: [Arc::clone(&kept.name)].into() };
        let frames = trace.frames();
        let added = trace.event(Event { cause, frames });
        let mut changed = HashMap::new();
        let mut out = String::new();
        for segment in segments {
            let part = match segment {
                mark::Segment::Literal(text) => Emitted { expression: added, kind: Kind::Plain, text },
                mark::Segment::Value(part) => {
                    let expression = *changed.entry(part.expression).or_insert_with(|| {
                        let mut event = trace.known(part.expression);
                        event.pass(&kept.name);
                        trace.event(event)
                    });
                    Emitted { expression, ..part }
                }
            };
            part.write(&mut out);
        }
        out.into()
    }

    /// Forgets what no captured text is made of any more.
    pub(super) fn forget(&mut self) {
        let Some(trace) = self.trace.as_mut().filter(|trace| trace.events.len() > MANY_EVENTS) else {
            return;
        };
        if self.captured.is_empty()
            && !self.slots.iter().any(|value| value.as_str().is_some_and(mark::is_marked))
        {
            trace.events.truncate(1);
        }
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
    pub(super) fn note_slot(&mut self, slot: usize, made: Made) {
        if let Some(trace) = &mut self.trace {
            trace.slots[slot] = made;
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
    pub(super) fn inputs(&mut self, expression: &'a Expr, frame: &Round<'_>) -> Result<Made, Stop> {
        let mut made = Made::default();
        self.gather(expression, frame, &mut made)?;
        Ok(made)
    }

    fn gather(&mut self, expression: &'a Expr, frame: &Round<'_>, made: &mut Made) -> Result<(), Stop> {
        match expression {
            Expr::Constant(_) | Expr::Loop { .. } | Expr::Captured(_) | Expr::Throw => {}
            Expr::Given { name, .. } => {
                made.inputs.insert(Input::Value(Arc::clone(name)));
            }
            Expr::Slot(slot) => {
                if let Some(trace) = &self.trace {
                    let Made { inputs, filters } = &trace.slots[*slot];
                    made.inputs.extend(inputs.iter().cloned());
                    made.filters.extend(filters.iter().cloned());
                }
            }
            Expr::Cell(cell) => self.touch(&cell.row, Some(cell.column), frame, &mut made.inputs),
            Expr::Present(place) | Expr::Row(place) => self.touch(place, None, frame, &mut made.inputs),
            Expr::Count(table) | Expr::List(table) => {
                made.inputs
                    .extend((0..self.tables[*table].len()).map(|row| Input::Row(self.row(*table, row))));
            }
            Expr::Attribute { base: of, .. } | Expr::Without(of, _) | Expr::Not(of) | Expr::Minus(of) => {
                self.gather(of, frame, made)?;
            }
            Expr::Plain(of) => {
                self.gather(of, frame, made)?;
                let value = self.value(of, frame)?;
                let text = value.as_str().filter(|text| mark::is_marked(text)).unwrap_or_default();
                for part in mark::segments(text).map_err(|_| Stop::Value)? {
                    let (mark::Segment::Value(part), Some(trace)) = (part, &self.trace) else { continue };
                    match trace.known(part.expression).cause {
                        Cause::Value { sources, filters, .. } => made.add(&sources, &filters),
                        Cause::Literal { filters, .. } => made.add(&[], &filters),
                        Cause::Unknown => {}
                    }
                }
            }
            // Where it is looked decides only.
            Expr::Index { sides, .. } => self.gather(&sides[0], frame, made)?,
            Expr::Else(parts) => {
                let [first, second] = &**parts;
                let taken = if self.value(first, frame)?.is_undefined() { second } else { first };
                self.gather(taken, frame, made)?;
            }
            Expr::Left { parts, made_of, .. } => {
                for (_, part) in &parts[..*made_of] {
                    self.gather(part, frame, made)?;
                }
            }
            Expr::Array(list) => {
                for (_, part) in list {
                    self.gather(part, frame, made)?;
                }
            }
            Expr::Concatenate(list) => {
                for part in list {
                    self.gather(part, frame, made)?;
                }
            }
            Expr::Map(entries) => {
                for (_, value) in entries {
                    self.gather(value, frame, made)?;
                }
            }
            Expr::Filter { base, call } => {
                self.gather(base, frame, made)?;
                self.gather_arguments(&call.arguments, frame, made)?;
            }
            Expr::Test { base, arguments, .. } => {
                self.gather(base, frame, made)?;
                self.gather_arguments(arguments, frame, made)?;
            }
            Expr::And(left, right) | Expr::Or(left, right) => {
                self.gather(left, frame, made)?;
                if self.holds(left, frame)? == matches!(expression, Expr::And(..)) {
                    self.gather(right, frame, made)?;
                }
            }
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if self.holds(condition, frame)? { then } else { otherwise };
                self.gather(taken, frame, made)?;
            }
            Expr::Binary { sides, .. } => {
                for side in &**sides {
                    self.gather(side, frame, made)?;
                }
            }
            Expr::Comprehension(comprehension) => {
                let Comprehension { over, condition, element } = &**comprehension;
                if let Over::Value { value, .. } = &**over {
                    self.gather(value, frame, made)?;
                } else if let Over::References { cell, .. } = &**over {
                    self.touch(&cell.row, Some(cell.column), frame, &mut made.inputs);
                }
                self.rounds(over, frame, &mut |run, frame| {
                    let counts = match condition {
                        Some(condition) => run.holds(condition, frame)?,
                        None => true,
                    };
                    if counts {
                        run.gather(element, frame, made)?;
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
        made: &mut Made,
    ) -> Result<(), Stop> {
        if let Arguments::Computed(list) = arguments {
            for (_, value) in list {
                self.gather(value, frame, made)?;
            }
        }
        Ok(())
    }
}
