//! Plain text as /etc/hosts is: columns by white space, `#` comments, `-` for an empty cell.

use super::read::{Cell, Flaw, Raw, Record, Records};

/// Begins to read.
pub(super) fn open(text: &str) -> Records<'_> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    });
    Box::new(lines.filter_map(|(start, line)| record(start, line)))
}

/// The cells of a line, or nothing where there are none.
fn record(start: usize, line: &str) -> Option<Result<Record<'_>, Flaw>> {
    let text = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    if let Some(at) = memchr::memchr(b'\r', text.as_bytes()) {
        let place = start + at..start + at + 1;
        let flaw = Flaw::syntax(
            place,
            "there is a carriage return without a line feed",
            "lines end with LF or CRLF",
        );
        return Some(Err(flaw.hint("convert the line ends")));
    }
    let mut cells = Vec::new();
    let mut at = 0;
    for word in line.split(|c: char| c.is_ascii_whitespace()) {
        // `#` begins a comment where a word could begin.
        if word.starts_with('#') {
            break;
        }
        if !word.is_empty() {
            let raw = if word == "-" { Raw::Empty } else { Raw::Plain(word.into()) };
            cells.push(Cell { raw, range: start + at..start + at + word.len() });
        }
        // The white space that ends a word is one byte.
        at += word.len() + 1;
    }
    let range = cells.first()?.range.start..cells.last()?.range.end;
    Some(Ok(Record { range, names: Vec::new(), cells }))
}
