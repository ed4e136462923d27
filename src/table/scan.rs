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
    /// What has been read of the line behind the window: so many bytes of this buffer.
    buffer: Vec<u8>,
    filled: usize,
    /// Whether nothing lies behind the window.
    last: bool,
    /// Where the next row begins in the window.
    at: usize,
    /// The bytes of the window that may divide, so many of them, and which one is the next; none in a window that grew.
    marks: Vec<u32>,
    known: usize,
    mark: usize,
    /// The row, in the window.
    row: Range<usize>,
    /// Where the cells of the row are, so many of them; those of longer rows before it are behind them. What lies behind
    /// the window is in the text of cells that are not written as they are.
    cells: Vec<(usize, usize)>,
    width: usize,
    unquoted: String,
}

/// The cells of a row.
#[derive(Clone, Copy)]
pub(super) struct Cells<'r> {
    window: &'r str,
    unquoted: &'r str,
    places: &'r [(usize, usize)],
}

impl<'r> Cells<'r> {
    /// How many there are.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.places.len()
    }

    /// The text of a cell, without its quotes.
    #[inline]
    pub(super) fn get(self, number: usize) -> &'r str {
        let Some(&(start, end)) = self.places.get(number) else { return "" };
        match self.window.get(start..end) {
            Some(text) => text,
            None => self.behind(start, end),
        }
    }

    /// The bytes of a cell that stands in the window as it is.
    #[inline]
    pub(super) fn bytes(self, number: usize) -> Option<&'r [u8]> {
        let (start, end) = *self.places.get(number)?;
        self.window.as_bytes().get(start..end)
    }

    /// The text of a cell that is not in the window.
    fn behind(self, start: usize, end: usize) -> &'r str {
        let window = self.window.len();
        self.unquoted.get(start.saturating_sub(window)..end.saturating_sub(window)).unwrap_or_default()
    }
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
            buffer: Vec::new(),
            filled: 0,
            last: false,
            at: 0,
            marks: Vec::new(),
            known: 0,
            mark: 0,
            row: 0..0,
            cells: Vec::new(),
            width: 0,
            unquoted: String::new(),
        }
    }

    /// Goes to the next row, and says whether it is well-formed: whether it has cells.
    #[inline]
    pub(super) fn next(&mut self) -> Option<bool> {
        if self.quick() { Some(true) } else { self.slow() }
    }

    /// The cells of the row.
    #[inline]
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells {
            window: &self.window,
            unquoted: &self.unquoted,
            places: self.cells.get(..self.width).unwrap_or_default(),
        }
    }

    /// The row as it is written.
    #[inline]
    pub(super) fn row(&self) -> &[u8] {
        self.window.as_bytes().get(self.row.clone()).unwrap_or_default()
    }

    /// Goes to a row that begins at the offset `at`.
    pub(super) fn go_to(&mut self, at: usize) {
        self.window.clear();
        (self.start, self.at, self.filled, self.last) = (at, 0, 0, false);
        (self.known, self.mark) = (0, 0);
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

    /// Puts a row together that has nothing but cells.
    #[inline]
    fn quick(&mut self) -> bool {
        let bytes = self.window.as_bytes();
        loop {
            let Some(marks) = self.marks.get(self.mark..self.known) else { return false };
            let (mut start, mut width, mut whole) = (self.at, 0, false);
            for mark in marks {
                let end = *mark as usize;
                let Some(byte) = bytes.get(end) else { return false };
                if *byte != self.delimiter && *byte != b'\n' {
                    return self.quoted();
                }
                put(&mut self.cells, width, start, end);
                width += 1;
                start = end + 1;
                whole = *byte == b'\n';
                if whole {
                    break;
                }
            }
            // At the end of the file there may be no line break.
            if !whole {
                return false;
            }
            (self.row, self.at, self.mark) = (self.at..start - 1, start, self.mark + width);
            self.width = width;
            if width > 1 || !is_blank(&bytes[self.row.clone()]) {
                return true;
            }
        }
    }

    /// Puts a row together that has cells in quotes, or ends with a carriage return too.
    fn quoted(&mut self) -> bool {
        let bytes = self.window.as_bytes();
        let (mut start, mut mark, mut width) = (self.at, self.mark, 0);
        self.unquoted.clear();
        let (end, behind) = loop {
            let Some(at) = self.marked(mark) else { return false };
            let mut place = start..at;
            let mut end = at;
            if bytes[at] == b'"' {
                // Behind the quote that closes the cell, something divides.
                if at > start {
                    return false;
                }
                let begun = self.unquoted.len();
                let mut from = start + 1;
                let close = loop {
                    mark += 1;
                    let Some(at) = self.marked(mark) else { return false };
                    if bytes[at] != b'"' {
                        continue;
                    }
                    if bytes.get(at + 1) != Some(&b'"') {
                        break at;
                    }
                    self.unquoted.push_str(&self.window[from..=at]);
                    from = at + 2;
                    mark += 1;
                };
                mark += 1;
                if self.marked(mark) != Some(close + 1) {
                    return false;
                }
                (place, end) = (from..close, close + 1);
                if from > start + 1 {
                    self.unquoted.push_str(&self.window[place]);
                    place = self.window.len() + begun..self.window.len() + self.unquoted.len();
                }
            }
            put(&mut self.cells, width, place.start, place.end);
            width += 1;
            mark += 1;
            match bytes[end] {
                b'\n' => break (end, end + 1),
                b'\r' if bytes.get(end + 1) == Some(&b'\n') => {
                    mark += 1;
                    break (end, end + 2);
                }
                byte if byte == self.delimiter => start = end + 1,
                _ => return false,
            }
        };
        let row = self.at..end;
        if width == 1 && is_blank(&bytes[row.clone()]) {
            return false;
        }
        (self.row, self.at, self.mark) = (row, behind, mark);
        self.width = width;
        true
    }

    fn marked(&self, mark: usize) -> Option<usize> {
        self.marks.get(..self.known)?.get(mark).map(|at| *at as usize)
    }

    /// Reads a row in any of its forms.
    #[cold]
    fn slow(&mut self) -> Option<bool> {
        loop {
            let mut reader = Reader::new(&self.window, self.at, self.delimiter);
            let read = reader.next();
            let at = reader.at();
            let Some(read) = read else {
                (self.at, self.mark) = (at, self.known);
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
            let fine = read.is_ok();
            match read {
                Ok(record) => {
                    self.row = record.range;
                    self.width = record.cells.len();
                    self.unquoted.clear();
                    let window = self.window.len();
                    for (number, cell) in record.cells.into_iter().enumerate() {
                        let start = window + self.unquoted.len();
                        if let Raw::Plain(text) = cell.raw {
                            self.unquoted.push_str(&text);
                        }
                        put(&mut self.cells, number, start, window + self.unquoted.len());
                    }
                }
                Err(_) => self.row = self.at..at,
            }
            self.at = at;
            self.mark = self.marks[..self.known].partition_point(|mark| (*mark as usize) < at);
            return Some(fine);
        }
    }

    /// Reads on: the window begins with the row that it ended in, if it did, and has at least one line more.
    fn refill(&mut self) {
        self.window.drain(..self.at);
        self.start += self.at;
        self.at = 0;
        let whole = loop {
            // A row that is longer than the window doubles it, so that it is not read over and over.
            let from = self.base + self.start + self.window.len() + self.filled;
            let more = self.part.max(self.window.len() + self.filled);
            // Of a small file no more than the byte that is missing at its end: memory that is new takes time.
            let more = match self.file.len().checked_sub(from) {
                Some(left) => more.min(left + 1),
                None => more,
            };
            if self.buffer.len() < self.filled + more {
                self.buffer.resize(self.filled + more, 0);
            }
            let count = self.file.read(&mut self.buffer[self.filled..self.filled + more], from);
            let line = memchr::memrchr(b'\n', &self.buffer[self.filled..self.filled + count]);
            let before = self.filled;
            self.filled += count;
            self.last = count < more;
            if self.last {
                break self.filled;
            }
            if let Some(line) = line {
                break before + line + 1;
            }
        };
        if let Ok(text) = std::str::from_utf8(&self.buffer[..whole]) {
            self.window.push_str(text);
        } else {
            // All of it was text when it was read first.
            self.file.tear();
            self.last = true;
            self.window.clear();
        }
        self.buffer.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        self.mark = 0;
        self.known = 0;
        if self.window.len() <= 4 * self.part {
            self.known = find(self.window.as_bytes(), self.delimiter, &mut self.marks);
        }
    }
}

/// Notes the place of a cell.
#[inline]
fn put(cells: &mut Vec<(usize, usize)>, number: usize, start: usize, end: usize) {
    match cells.get_mut(number) {
        Some(cell) => *cell = (start, end),
        None => cells.push((start, end)),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b' ')
}

/// Finds the bytes that may divide cells or rows, and returns how many there are.
#[expect(clippy::needless_bitwise_bool, reason = "without branches, many bytes take one instruction")]
fn find(text: &[u8], delimiter: u8, marks: &mut Vec<u32>) -> usize {
    let divides = |byte: u8| (byte == delimiter) | (byte == b'\n') | (byte == b'"') | (byte == b'\r');
    let (blocks, end) = text.as_chunks::<64>();
    let (mut at, mut known) = (0, 0);
    for block in blocks {
        // Loops over arrays of a known length are what the compiler makes one instruction of for many bytes.
        let mut found = [0_u8; 64];
        for number in 0..64 {
            found[number] = u8::from(divides(block[number]));
        }
        if marks.len() < known + 64 {
            marks.resize((known + 64).max(2 * known), 0);
        }
        let places = &mut marks[known..known + 64];
        let mut count = 0;
        for eight in found.as_chunks::<8>().0 {
            let mut bits = u64::from_le_bytes(*eight);
            while bits != 0 {
                places[count & 63] = at + (bits.trailing_zeros() >> 3);
                count += 1;
                bits &= bits - 1;
            }
            at += 8;
        }
        known += count;
    }
    for (at, _) in (at..).zip(end).filter(|(_, byte)| divides(**byte)) {
        match marks.get_mut(known) {
            Some(mark) => *mark = at,
            None => marks.push(at),
        }
        known += 1;
    }
    known
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
                prop_assert_eq!(record.cells.len(), scan.cells().len());
                for (number, cell) in record.cells.iter().enumerate() {
                    let text = match &cell.raw {
                        Raw::Plain(text) => &**text,
                        _ => "",
                    };
                    prop_assert_eq!(text, scan.cells().get(number));
                }
            }
            prop_assert_eq!(rows, expected);
            prop_assert!(scan.next().is_none(), "the end is the end");
        }
    }
}
