//! Goes through the rows of a delimited file with a window that is small, however long the file is.
//!
//! The places of all bytes that divide are found first, many at a time. A row that has nothing but cells is put together
//! from them; all others are left to [`csv::Reader`](super::csv::Reader), which knows every case.

use std::ops::Range;

use super::csv::Reader;
use super::read::{Flaw, Raw, Record};
use crate::source::SourceFile;

/// How much is read at a time; little in tests, so that windows end everywhere.
const PART: usize = if cfg!(test) { 61 } else { 1 << 16 };

/// The rows of a file.
pub(super) struct Scan<'s> {
    file: &'s SourceFile,
    delimiter: u8,
    /// Where the text begins in the file, behind a byte order mark: offsets are those of the text.
    base: usize,
    /// How much is read at a time.
    part: usize,
    /// Whole lines, up to the end of the file or to a line break.
    window: String,
    /// Where the window begins.
    start: usize,
    /// What has been read of the line behind the window.
    rest: Vec<u8>,
    /// Whether nothing lies behind the window.
    last: bool,
    /// Where the next row begins in the window.
    at: usize,
    /// The bytes of the window that may divide, and which of them is the next; none in a window that grew.
    marks: Vec<u32>,
    mark: usize,
    /// The row, in the window.
    row: Range<usize>,
    cells: Vec<Place>,
    /// The text of cells that are not written as they are.
    unquoted: String,
}

/// Where the text of a cell stands.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    unquoted: bool,
}

impl<'s> Scan<'s> {
    /// Begins at a row that begins at the offset `at`.
    pub(super) fn new(file: &'s SourceFile, base: usize, at: usize, delimiter: u8) -> Self {
        Self {
            file,
            delimiter,
            base,
            part: PART,
            window: String::new(),
            start: at,
            rest: Vec::new(),
            last: false,
            at: 0,
            marks: Vec::new(),
            mark: 0,
            row: 0..0,
            cells: Vec::new(),
            unquoted: String::new(),
        }
    }

    /// Goes to the next row, and says whether it is well-formed: whether it has cells.
    #[inline]
    pub(super) fn next(&mut self) -> Option<bool> {
        if self.quick() { Some(true) } else { self.slow() }
    }

    /// How many cells the row has.
    #[inline]
    pub(super) fn width(&self) -> usize {
        self.cells.len()
    }

    /// The text of a cell of the row, without its quotes.
    #[inline]
    pub(super) fn cell(&self, number: usize) -> &str {
        let Some(place) = self.cells.get(number) else { return "" };
        let text = if place.unquoted { &self.unquoted } else { &self.window };
        text.get(place.start..place.end).unwrap_or_default()
    }

    /// Where the row lies.
    pub(super) fn range(&self) -> Range<usize> {
        self.start + self.row.start..self.start + self.row.end
    }

    /// The row with all its places, or what is wrong with it.
    pub(super) fn record(&self) -> Result<Record<'_>, Flaw> {
        let shift = |range: &mut Range<usize>| *range = self.start + range.start..self.start + range.end;
        let read = Reader::new(&self.window, self.row.start, self.delimiter).next();
        // There is a row where one was read.
        match read.unwrap_or_else(|| Err(Flaw::syntax(0..0, "this row is gone", ""))) {
            Ok(mut record) => {
                shift(&mut record.range);
                record.cells.iter_mut().for_each(|cell| shift(&mut cell.range));
                Ok(record)
            }
            Err(mut flaw) => {
                shift(&mut flaw.range);
                Err(flaw)
            }
        }
    }

    /// Puts a row together that has nothing but cells, in quotes or not.
    #[inline]
    fn quick(&mut self) -> bool {
        let bytes = self.window.as_bytes();
        loop {
            let (row, mut start, mut mark) = (self.at, self.at, self.mark);
            self.cells.clear();
            let behind = loop {
                let Some(end) = self.marks.get(mark).map(|mark| *mark as usize) else { return false };
                let Some(byte) = bytes.get(end).copied() else { return false };
                mark += 1;
                let mut place = Place { start, end, unquoted: false };
                let mut next = (byte, end);
                if byte == b'"' {
                    // A quoted cell, without quotes in it.
                    let Some(closed) = (end == start).then(|| self.closed(bytes, mark)).flatten() else {
                        return false;
                    };
                    place = Place { start: start + 1, end: closed.0, unquoted: false };
                    mark = closed.1 + 1;
                    next = (closed.2, closed.0 + 1);
                }
                self.cells.push(place);
                match next {
                    (b'\n', at) => break at + 1,
                    (byte, at) if byte == self.delimiter => start = at + 1,
                    (b'\r', at) if bytes.get(at + 1) == Some(&b'\n') => {
                        mark += 1;
                        break at + 2;
                    }
                    _ => return false,
                }
            };
            (self.at, self.mark) = (behind, mark);
            let end = behind - 1 - usize::from(bytes.get(behind.wrapping_sub(2)) == Some(&b'\r'));
            if self.cells.len() == 1 && bytes[row..end].iter().all(|byte| *byte == b' ') {
                // A blank line.
                continue;
            }
            self.row = row..end;
            return true;
        }
    }

    /// Where a quoted cell is closed, the number of the mark behind it, and what that is; nothing where it has quotes.
    fn closed(&self, bytes: &[u8], from: usize) -> Option<(usize, usize, u8)> {
        let marks = self.marks.get(from..)?;
        let number = marks.iter().position(|mark| bytes.get(*mark as usize) == Some(&b'"'))?;
        let (close, next) = (marks[number] as usize, *marks.get(number + 1)? as usize);
        (next == close + 1).then(|| (close, from + number + 1, bytes.get(next).copied().unwrap_or_default()))
    }

    /// Reads a row in any of its forms.
    #[cold]
    fn slow(&mut self) -> Option<bool> {
        loop {
            let mut reader = Reader::new(&self.window, self.at, self.delimiter);
            let read = reader.next();
            let at = reader.at();
            let Some(read) = read else {
                self.at = at;
                if self.last {
                    return None;
                }
                self.refill();
                if self.quick() {
                    return Some(true);
                }
                continue;
            };
            if reader.is_cut() && !self.last {
                self.refill();
                continue;
            }
            self.cells.clear();
            self.unquoted.clear();
            let mut fine = true;
            match read {
                Ok(record) => {
                    self.row = record.range;
                    for cell in record.cells {
                        let Range { start, end } = cell.range;
                        let quote = usize::from(self.window.as_bytes().get(start) == Some(&b'"'));
                        self.cells.push(match cell.raw {
                            Raw::Plain(std::borrow::Cow::Owned(text)) => {
                                let start = self.unquoted.len();
                                self.unquoted.push_str(&text);
                                Place { start, end: self.unquoted.len(), unquoted: true }
                            }
                            _ => Place { start: start + quote, end: end - quote, unquoted: false },
                        });
                    }
                }
                Err(_) => {
                    fine = false;
                    self.row = self.at..at;
                }
            }
            self.at = at;
            self.mark = self.marks.partition_point(|mark| (*mark as usize) < at);
            return Some(fine);
        }
    }

    /// Reads on: the window begins with the row that it ended in, if it did, and has at least one line more.
    fn refill(&mut self) {
        let mut bytes = std::mem::take(&mut self.window).into_bytes();
        bytes.drain(..self.at);
        self.start += self.at;
        self.at = 0;
        let known = bytes.len();
        bytes.append(&mut self.rest);
        loop {
            let filled = bytes.len();
            // A row that is longer than the window doubles it, so that it is not read over and over.
            let more = self.part.max(filled);
            bytes.resize(filled + more, 0);
            let count = self.file.read(&mut bytes[filled..], self.base + self.start + filled);
            bytes.truncate(filled + count);
            self.last = count < more;
            if self.last {
                break;
            }
            if let Some(line) = memchr::memrchr(b'\n', &bytes[known..]) {
                self.rest.extend_from_slice(&bytes[known + line + 1..]);
                bytes.truncate(known + line + 1);
                break;
            }
        }
        self.window = String::from_utf8(bytes).unwrap_or_else(|_| {
            // All of it was text when it was read first.
            self.file.tear();
            self.last = true;
            String::new()
        });
        self.marks.clear();
        self.mark = 0;
        if self.window.len() <= 4 * self.part {
            find(self.window.as_bytes(), self.delimiter, &mut self.marks);
        }
    }
}

/// Finds the bytes that may divide cells or rows.
fn find(text: &[u8], delimiter: u8, marks: &mut Vec<u32>) {
    let divides = |byte: u8| (byte == delimiter) | (byte == b'\n') | (byte == b'"') | (byte == b'\r');
    let (blocks, end) = text.as_chunks::<64>();
    let mut at = 0;
    for block in blocks {
        let mut found = [0u8; 64];
        for (found, byte) in found.iter_mut().zip(block) {
            *found = u8::from(divides(*byte));
        }
        for eight in found.as_chunks::<8>().0 {
            let mut bits = u64::from_le_bytes(*eight);
            while bits != 0 {
                marks.push(at + (bits.trailing_zeros() >> 3));
                bits &= bits - 1;
            }
            at += 8;
        }
    }
    marks.extend((at..).zip(end).filter(|(_, byte)| divides(**byte)).map(|(at, _)| at));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::Sources;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn windows_change_nothing(
            text in prop_oneof![
                "[a,\n]{0,80}",
                "[ab \",\r\nü]{0,80}",
                "(a|bc|,|,|\n|\r\n|\"a,b\"|\"\"|\"x\"\"y\n\"| ){0,60}",
            ],
            part in 1..40_usize,
        ) {
            let mut reader = Reader::new(&text, 0, b',');
            let expected: Vec<String> = std::iter::from_fn(|| reader.next()).map(|row| format!("{row:?}")).collect();
            let mut sources = Sources::default();
            let id = sources.add("t.csv", text.as_bytes());
            let mut scan = Scan::new(sources.file(id), 0, 0, b',');
            scan.part = part;
            let mut rows = Vec::new();
            while let Some(fine) = scan.next() {
                let record = scan.record();
                prop_assert_eq!(record.is_ok(), fine);
                rows.push(format!("{record:?}"));
                let Ok(record) = record else { continue };
                prop_assert_eq!(&record.range, &scan.range());
                prop_assert_eq!(record.cells.len(), scan.width());
                for (number, cell) in record.cells.iter().enumerate() {
                    let text = match &cell.raw {
                        Raw::Plain(text) => &**text,
                        _ => "",
                    };
                    prop_assert_eq!(text, scan.cell(number));
                }
            }
            prop_assert_eq!(rows, expected);
            prop_assert!(scan.next().is_none(), "the end is the end");
        }
    }
}
