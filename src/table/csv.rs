//! Comma and tab separated values: RFC 4180, with line ends as they come and blank lines skipped.
//!
//! The reader is strict about quotes, for a quote that is read otherwise than it was meant moves all that
//! follows into other columns. It reads every row there can be, with what is wrong with it; [`super::scan`] goes through
//! a file and takes the rows without peculiarities by itself.

use std::borrow::Cow;

use super::read::{Cell, Flaw, Raw, Record};

/// Reads the rows of a text from an offset on.
pub(super) struct Reader<'s> {
    text: &'s str,
    delimiter: u8,
    at: usize,
    /// Whether the text ended within a quoted cell.
    cut: bool,
}

/// What follows a cell.
enum Next {
    Cell,
    Row,
}

impl<'s> Reader<'s> {
    pub(super) fn new(text: &'s str, at: usize, delimiter: u8) -> Self {
        Self { text, delimiter, at, cut: false }
    }

    /// The offset behind the last row.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether the text ended within a quoted cell: with more text there may be nothing wrong with it.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The length of a line break at an offset; the end of the file is one without length.
    fn line_break(&self, at: usize) -> Option<usize> {
        match self.byte(at) {
            None => Some(0),
            Some(b'\n') => Some(1),
            Some(b'\r') if self.byte(at + 1) == Some(b'\n') => Some(2),
            Some(_) => None,
        }
    }

    /// Goes to the next line that has more than spaces.
    fn skip_blank_lines(&mut self) {
        while self.at < self.text.len() {
            let rest = &self.text.as_bytes()[self.at..];
            let spaces = rest.iter().take_while(|b| **b == b' ').count();
            match self.line_break(self.at + spaces) {
                Some(length) => self.at += spaces + length,
                None => break,
            }
        }
    }

    /// The offset of the first byte from `from` on that is one of the wanted, or the end.
    fn seek(&self, from: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = &self.text.as_bytes()[from..];
        rest.iter().position(|b| wanted(*b)).map_or(self.text.len(), |offset| from + offset)
    }

    fn cell(&mut self, flaw: &mut Option<Flaw>) -> Cell<'s> {
        let start = self.at;
        let raw = if self.byte(start) == Some(b'"') { self.quoted(flaw) } else { self.bare(flaw) };
        Cell { raw, range: start..self.at }
    }

    fn quoted(&mut self, flaw: &mut Option<Flaw>) -> Raw<'s> {
        let start = self.at;
        let mut end = start + 1;
        let mut doubled = false;
        loop {
            end = self.seek(end, |b| b == b'"');
            if end == self.text.len() {
                let message = "a quote is never closed";
                flaw.get_or_insert(
                    Flaw::syntax(start..start + 1, message, "it is opened here")
                        .hint("close it with `\"`, and write a quote inside of it as `\"\"`"),
                );
                self.at = end;
                self.cut = true;
                return Raw::Empty;
            }
            if self.byte(end + 1) != Some(b'"') {
                break;
            }
            doubled = true;
            end += 2;
        }
        let content = &self.text[start + 1..end];
        self.at = end + 1;
        if self.line_break(self.at).is_none() && self.byte(self.at) != Some(self.delimiter) {
            let delimiter = self.delimiter;
            let divides = |b| b == delimiter || b == b'\n' || b == b'\r';
            // A lone carriage return is the text itself.
            let stop = self.seek(self.at, divides).max(self.at + 1);
            let mut next = self.seek(self.at, divides);
            while self.byte(next) == Some(b'\r') && self.line_break(next).is_none() {
                next = self.seek(next + 1, divides);
            }
            flaw.get_or_insert(
                Flaw::syntax(
                    self.at..stop,
                    "there is text behind a closing quote",
                    "the cell has ended before it",
                )
                .hint("put all of the cell between the quotes, and write a quote inside of it as `\"\"`"),
            );
            self.at = next;
        }
        if doubled { Raw::plain(content.replace("\"\"", "\"")) } else { Raw::plain(content) }
    }

    fn bare(&mut self, flaw: &mut Option<Flaw>) -> Raw<'s> {
        let (start, delimiter) = (self.at, self.delimiter);
        let mut end = start;
        loop {
            end = self.seek(end, |b| b == delimiter || matches!(b, b'\n' | b'\r' | b'"'));
            match self.byte(end) {
                Some(b'"') => {
                    let message = "there is a quote in the middle of a cell that does not begin with one";
                    flaw.get_or_insert(
                        Flaw::syntax(end..end + 1, message, "this quote")
                            .hint("put all of the cell between quotes, and write this one as `\"\"`"),
                    );
                    end += 1;
                }
                Some(b'\r') if self.line_break(end).is_none() => {
                    flaw.get_or_insert(
                        Flaw::syntax(
                            end..end + 1,
                            "there is a carriage return without a line feed",
                            "lines end with LF or CRLF",
                        )
                        .hint("convert the line ends, or put the cell between quotes"),
                    );
                    end += 1;
                }
                _ => break,
            }
        }
        self.at = end;
        Raw::plain(Cow::Borrowed(&self.text[start..end]))
    }

    fn advance(&mut self) -> Next {
        if let Some(length) = self.line_break(self.at) {
            self.at += length;
            Next::Row
        } else {
            self.at += 1;
            Next::Cell
        }
    }
}

impl<'s> Iterator for Reader<'s> {
    type Item = Result<Record<'s>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank_lines();
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let mut flaw = None;
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell(&mut flaw));
            let end = self.at;
            if let Next::Row = self.advance() {
                return Some(match flaw {
                    Some(flaw) => Err(flaw),
                    None => Ok(Record { range: start..end, names: Vec::new(), cells }),
                });
            }
        }
    }
}
