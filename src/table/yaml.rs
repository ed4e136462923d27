//! YAML 1.2: a list of maps, each a row.
//!
//! A plain scalar has no kind of its own here: its source text is read by the column's type, so neither `no`
//! nor `1.10` turns into something else on the way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::read::{Cell, Flaw, Name, Raw, Record, Records, doubled};

/// Begins to read.
pub(super) fn open(text: &str) -> Result<Records<'_>, Flaw> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        places: Places::new(text),
        anchors: BTreeMap::new(),
        done: false,
    };
    loop {
        let (event, range) = reader.event()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::SequenceStart(..) => return Ok(Box::new(reader)),
            _ => {
                let start = range.start;
                return Err(Flaw::syntax(start..start, "a YAML table is a list of maps", "expected `- `"));
            }
        }
    }
}

struct Reader<'s> {
    parser: Parser<'s, StrInput<'s>>,
    places: Places<'s>,
    /// Scalars by the number of their anchor; an alias of anything else is refused.
    anchors: BTreeMap<usize, Raw<'s>>,
    done: bool,
}

impl<'s> Reader<'s> {
    fn event(&mut self) -> Result<(Event<'s>, Range<usize>), Flaw> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = self.places.range(&span);
                Ok((event, range))
            }
            Some(Err(error)) => {
                self.done = true;
                let at = self.places.offset(*error.marker());
                Err(Flaw::syntax(at..at, "this is not well-formed YAML", error.info()))
            }
            None => {
                self.done = true;
                let end = self.places.text.len();
                Err(Flaw::syntax(end..end, "the YAML ends too early", "expected more"))
            }
        }
    }

    fn record(&mut self, start: usize) -> Result<Record<'s>, Flaw> {
        let (mut names, mut cells) = (Vec::new(), Vec::new());
        let mut flaw = None;
        let end = loop {
            let (event, range) = self.event()?;
            match event {
                Event::MappingEnd => break cells.last().map_or(range.end, |cell: &Cell<'_>| cell.range.end),
                Event::Scalar(text, _, anchor, _) => {
                    if anchor != 0 {
                        self.anchors.insert(anchor, Raw::string(text.clone()));
                    }
                    names.push(Name { text, range });
                }
                other => {
                    flaw.get_or_insert(Flaw::syntax(range, "a key of a row is a name", "expected a name"));
                    self.skip(&other)?;
                    names.push(Name { text: Cow::Borrowed(""), range: start..start });
                }
            }
            let (event, range) = self.event()?;
            match self.cell(event, range) {
                Ok(cell) => cells.push(cell),
                Err(_) if flaw.is_some() && !self.done => {}
                Err(fault) => {
                    if self.done {
                        return Err(fault);
                    }
                    flaw = Some(fault);
                }
            }
        };
        match flaw.or_else(|| doubled(&names)) {
            Some(flaw) => Err(flaw),
            None => Ok(Record { range: start..end, names, cells }),
        }
    }

    fn cell(&mut self, event: Event<'s>, range: Range<usize>) -> Result<Cell<'s>, Flaw> {
        let raw = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let raw = match tag {
                    None => scalar(text, style),
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Raw::string(text),
                    Some(_) => {
                        return Err(Flaw::syntax(range, "a value with a tag is not read", "this value")
                            .hint("leave the tag out; the column's type decides"));
                    }
                };
                if anchor != 0 {
                    self.anchors.insert(anchor, raw.clone());
                }
                raw
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(raw) => raw.clone(),
                None => return Err(no_value(range)),
            },
            Event::SequenceStart(..) => return self.list(range.start),
            other => {
                self.skip(&other)?;
                Raw::Map
            }
        };
        Ok(Cell { raw, range })
    }

    /// A list of scalars; what is nested deeper is no value of any column.
    fn list(&mut self, start: usize) -> Result<Cell<'s>, Flaw> {
        let mut entries: Vec<Cell<'s>> = Vec::new();
        let mut flaw = None;
        loop {
            let (event, range) = self.event()?;
            match event {
                Event::SequenceEnd => {
                    let end = entries.last().map_or(range.end, |entry| entry.range.end.max(range.end));
                    let cell = Cell { raw: Raw::List(entries), range: start..end };
                    return flaw.map_or(Ok(cell), Err);
                }
                Event::SequenceStart(..) => {
                    self.skip(&event)?;
                    entries.push(Cell { raw: Raw::Map, range });
                }
                event => match self.cell(event, range) {
                    Ok(entry) => entries.push(entry),
                    Err(fault) if self.done => return Err(fault),
                    Err(fault) => flaw = flaw.or(Some(fault)),
                },
            }
        }
    }

    /// Reads to the end of what `event` has begun.
    fn skip(&mut self, event: &Event<'s>) -> Result<(), Flaw> {
        let begins = |event: &Event<'_>| matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        let mut depth = usize::from(begins(event));
        while depth > 0 {
            let (event, _) = self.event()?;
            if begins(&event) {
                depth += 1;
            } else if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
                depth -= 1;
            }
        }
        Ok(())
    }

    /// Reads what may stand behind the list.
    fn finish(&mut self) -> Option<Flaw> {
        self.done = true;
        loop {
            match self.event() {
                Ok((Event::StreamEnd, _)) => return None,
                Ok((Event::DocumentStart(_), range)) => {
                    return Some(Flaw::syntax(
                        range,
                        "a YAML table is one document",
                        "the second one begins here",
                    ));
                }
                Ok(_) => {}
                Err(flaw) => return Some(flaw),
            }
        }
    }
}

impl<'s> Iterator for Reader<'s> {
    type Item = Result<Record<'s>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let (event, range) = match self.event() {
            Ok(next) => next,
            Err(flaw) => return Some(Err(flaw)),
        };
        match event {
            Event::SequenceEnd => self.finish().map(Err),
            Event::MappingStart(..) => Some(self.record(range.start)),
            other => {
                if let Err(flaw) = self.skip(&other) {
                    return Some(Err(flaw));
                }
                Some(Err(match other {
                    Event::Alias(_) => no_value(range),
                    _ => Flaw::syntax(range, "a row of a YAML table is a map", "expected `name: value`"),
                }))
            }
        }
    }
}

fn no_value(alias: Range<usize>) -> Flaw {
    Flaw::syntax(alias, "an alias stands for a single value only", "this alias")
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Raw<'_> {
    match style {
        // The core schema of YAML 1.2.2, section 10.3.2.
        ScalarStyle::Plain if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") => Raw::Empty,
        ScalarStyle::Plain => Raw::Plain(text),
        _ => Raw::string(text),
    }
}

/// Turns lines and columns, which count characters, into offsets of bytes.
struct Places<'s> {
    text: &'s str,
    lines: Vec<usize>,
    /// Line, column and offset of the last answer: answers rise, so a long line is walked once.
    last: (usize, usize, usize),
}

impl<'s> Places<'s> {
    fn new(text: &'s str) -> Self {
        let bytes = text.as_bytes();
        let mut lines = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                lines.push(at + 1);
            }
        }
        Self { text, lines, last: (0, 0, 0) }
    }

    fn offset(&mut self, marker: Marker) -> usize {
        let (line, column) = (marker.line(), marker.col());
        let Some(start) = self.lines.get(line.saturating_sub(1)) else { return self.text.len() };
        let (walked, from) = match self.last {
            (last, walked, offset) if last == line && walked <= column => (walked, offset),
            _ => (0, *start),
        };
        let rest = &self.text[from..];
        let offset = rest.char_indices().nth(column - walked).map_or(self.text.len(), |(at, _)| from + at);
        self.last = (line, column, offset);
        offset
    }

    fn range(&mut self, span: &Span) -> Range<usize> {
        let start = self.offset(span.start);
        let end = self.offset(span.end);
        start..end.max(start)
    }
}
