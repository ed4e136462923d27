//! The origins of what an environment makes.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use tera::Value as Data;
use tera::value::Key;

use super::{Environment, Producer, RenderFailure};
use crate::diagnostic::{Diagnostic, Label};
use crate::origin::{Excerpt, Frame, FrameKind, Input, Row};
use crate::plan::Planned;
use crate::source::Sources;
use crate::table::{Table, Tables, Value};
use crate::template::segment::Program;
use crate::template::{Fault, Known, Traced};

/// More cells than these are not shown of one value.
pub(crate) const MOST_CELLS: usize = 3;

impl Environment {
    /// Lines of an artifact of the plan, counted from 1, with the origin of every byte.
    ///
    /// A trace that has other bytes than the artifact is dropped; every origin is unknown then.
    pub fn trace(
        &self,
        planned: &Planned,
        sources: &Sources,
        lines: Range<usize>,
    ) -> Result<Excerpt, RenderFailure> {
        if let Some(program) = self.traceable(planned) {
            let mut window = Window::new(lines.clone());
            match self.render(planned, sources, &mut window) {
                Err(RenderFailure::Sink(_)) if window.is_full() => {}
                rendered => rendered?,
            }
            if let Some(excerpt) = self.recorded(program, planned, sources, &window) {
                return Ok(excerpt);
            }
        }
        self.trace_by_engine(planned, sources, lines)
    }

    /// The program that traces an artifact.
    fn traceable(&self, planned: &Planned) -> Option<&Program> {
        let producer = &self.producers[planned.producer];
        let template = producer.templates.library.find(&planned.template)?;
        let view = planned.each.as_ref().and_then(|each| producer.globals.tables.get(&**each).copied());
        let known = (&producer.globals, &self.tables, &producer.context);
        producer.templates.traceable((template, view), known)
    }

    /// The lines of a window with what a program says of them; nothing if it gives other bytes.
    fn recorded(
        &self,
        program: &Program,
        planned: &Planned,
        sources: &Sources,
        window: &Window,
    ) -> Option<Excerpt> {
        let range = window.start..window.start + window.text.len();
        let row = planned.row.as_ref().and_then(|row| self.tables.get(&row.table)?.passing(row.number));
        let around = around(planned);
        let (text, pieces) = program.trace(&self.facts(sources), row, planned.format, &range, around).ok()?;
        let lines = window.lines();
        (text == window.text)
            .then(|| Excerpt::recorded(lines, window.wanted.start, window.start, text, &pieces))
    }

    /// The same as [`Self::trace`], by Tera.
    fn trace_by_engine(
        &self,
        planned: &Planned,
        sources: &Sources,
        lines: Range<usize>,
    ) -> Result<Excerpt, RenderFailure> {
        let mut bytes = Vec::new();
        self.render(planned, sources, &mut bytes)?;
        let pieces = match self.traced(planned, sources) {
            Some(Ok(traced)) if traced.bytes == bytes => traced.pieces,
            _ => Vec::new(),
        };
        Ok(Excerpt::cut(&bytes, &pieces, lines))
    }

    /// Adds to an error of a render the row or the cells that it happened on; false if they are not known.
    pub(super) fn point_at_origin(
        &self,
        diagnostic: &mut Diagnostic,
        planned: &Planned,
        sources: &Sources,
    ) -> bool {
        let Some(Err(fault)) = self.traced(planned, sources) else { return false };
        if fault.message != diagnostic.message {
            return false;
        }
        let cell = |input: &Input| {
            let Input::Cell { row, column } = input else { return None };
            let table = self.tables.get(&row.table)?;
            let (number, _) = table.schema().column(column)?;
            let span = table.cell_span(sources, row.number, number);
            let span = span.or_else(|| table.row_span(sources, row.number))?;
            let written = sources.file(span.file).text().ok()?.get(span.range())?;
            let blamed = fault.blamed.as_ref().is_none_or(|blamed| written.contains(blamed));
            let text = format!("the value comes from column `{column}`");
            Some((Label { place: span.into(), text }, blamed))
        };
        let mut cells: Vec<(Label, bool)> = fault.sources.iter().filter_map(cell).collect();
        if cells.iter().any(|(_, blamed)| *blamed) {
            cells.retain(|(_, blamed)| *blamed);
        }
        let mut labels: Vec<Label> = cells.into_iter().take(MOST_CELLS).map(|(label, _)| label).collect();
        if labels.is_empty() {
            let row = fault.row.and_then(|row| self.tables.get(&row.table)?.row_span(sources, row.number));
            labels.extend(row.map(|span| Label { place: span.into(), text: "for this row".into() }));
        }
        let known = !labels.is_empty();
        diagnostic.labels.append(&mut labels);
        known
    }

    /// The result of a traced render, if the templates can be traced.
    fn traced(&self, planned: &Planned, sources: &Sources) -> Option<Result<Traced, Fault>> {
        let producer = &self.producers[planned.producer];
        let context = self.context(planned, sources);
        let tracer = producer.tracer.get_or_init(|| producer.templates.tracer(self.known(producer, sources)));
        let around = around(planned);
        let library = &producer.templates.library;
        Some(tracer.as_ref()?.trace(library, &planned.template, planned.format, &context, around))
    }

    /// The maps that stand for the rows and values that the templates of a producer see.
    fn known(&self, producer: &Producer, sources: &Sources) -> Known {
        let mut known = Known::default();
        if let Some(values) = producer.context.get("values") {
            known.values(values);
        }
        let walked =
            producer.templates.checked.tables.iter().map(|view| &producer.globals.views[view.0].table);
        let each = producer
            .artifacts
            .iter()
            .filter_map(|artifact| producer.tables.get(&artifact.each.as_ref()?.value));
        let tables: BTreeSet<&String> = walked.chain(each).collect();
        for table in tables.into_iter().filter_map(|name| self.tables.get(name)) {
            let name: Arc<str> = table.schema().name.as_str().into();
            let list = self.lists.get(&name, &self.tables, sources);
            let list = list.as_array().unwrap_or_default();
            if table.schema().columns.iter().all(|column| column.ty.refers_to().is_none()) {
                for (number, data) in list.iter().enumerate() {
                    known.row(data, Row { table: Arc::clone(&name), number });
                }
                continue;
            }
            for (row, data) in table.rows(sources).zip(list) {
                note(&mut known, table, &self.tables, row.number, &row.cells, data);
            }
        }
        known
    }
}

/// What an artifact is made for.
fn around(planned: &Planned) -> Option<Frame> {
    planned.row.as_ref().map(|row| Frame {
        kind: FrameKind::Artifact,
        name: "row".into(),
        site: planned.span,
        row: Some(Row { table: Arc::clone(&row.table), number: row.number }),
    })
}

/// Keeps lines of what is written, and wants no more behind them.
struct Window {
    /// The lines, from 1.
    wanted: Range<usize>,
    /// The line that is being written, and how many of its bytes and of those before it there are.
    line: usize,
    position: usize,
    /// Where the wanted lines start.
    start: usize,
    text: Vec<u8>,
    /// Whether the last byte was a line break.
    ended: bool,
}

impl Window {
    fn new(lines: Range<usize>) -> Self {
        let first = lines.start.max(1);
        let wanted = first..lines.end.max(first);
        Self { wanted, line: 1, position: 0, start: 0, text: Vec::new(), ended: true }
    }

    fn is_full(&self) -> bool {
        self.line >= self.wanted.end
    }

    /// How many lines there are, where all were written.
    fn lines(&self) -> Option<usize> {
        (!self.is_full()).then(|| self.line - usize::from(self.ended))
    }
}

impl io::Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.is_full() {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let breaks = memchr::memchr_iter(b'\n', rest);
            let wanted = self.line >= self.wanted.start;
            let lines = if wanted { self.wanted.end } else { self.wanted.start } - self.line;
            // The end of the last of so many lines; `lines` is at least 1.
            let end =
                if wanted || breaks.clone().count() >= lines { breaks.clone().nth(lines - 1) } else { None };
            let (part, next) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
            self.line += end.map_or_else(|| breaks.count(), |_| lines);
            self.position += part.len();
            self.ended = part.ends_with(b"\n");
            if wanted {
                self.text.extend_from_slice(part);
            } else {
                self.start = self.position;
            }
            rest = next;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes a row and those that it refers to. References form no circle and no endless chain, so this ends.
fn note(known: &mut Known, table: &Table, tables: &Tables, number: usize, cells: &[Value], data: &Data) {
    let schema = table.schema();
    if !known.row(data, Row { table: schema.name.as_str().into(), number }) {
        return;
    }
    let Some(map) = data.as_map() else { return };
    for (column, cell) in schema.columns.iter().zip(cells) {
        let Some(referred) = column.ty.refers_to().and_then(|name| tables.get(name)) else { continue };
        let Some(data) = map.get(&Key::Str(&column.name)) else { continue };
        let mut follow = |cell: &Value, data: &Data| {
            if let Value::Ref(number) = cell
                && let Some(cells) = referred.held(*number)
            {
                note(known, referred, tables, *number, cells, data);
            }
        };
        match cell {
            Value::List(entries) => {
                let elements = data.as_array().unwrap_or_default();
                entries.iter().zip(elements).for_each(|(entry, data)| follow(entry, data));
            }
            cell => follow(cell, data),
        }
    }
}

#[cfg(test)]
mod tests;
