//! Plain text: a value is one piece of one line.

use super::mark::Emitted;
use super::{Follow, Format, Refused, Writer};

pub(super) static FORMAT: Format = Format {
    name: "text",
    about: "any text; values may have no line breaks and control characters",
    values: "is one piece of a line: line breaks, control characters and what makes a line read other than it is are refused",
    strict: false,
    follow: Follow::Writer(|| Box::new(Text)),
    check: None,
};

struct Text;

impl Writer for Text {
    fn literal(&mut self, _: &[u8]) -> Result<(), Refused> {
        Ok(())
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        one_line(value.text, "text")?;
        out.push_str(value.text);
        Ok(())
    }
}

/// Refuses line breaks, control characters, and what makes a line look other than it is.
pub(super) fn one_line(text: &str, place: &str) -> Result<(), Refused> {
    // Printable ASCII is nearly everything; without branches, many bytes take one instruction.
    if text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    let refused =
        text.char_indices().find_map(|(at, character)| Some((at, character, invisible(character)?)));
    match refused {
        None => Ok(()),
        Some((at, character, what)) => Err(Refused::character(at, character, what, place)),
    }
}

/// What [`invisible`] calls a character that begins another line.
pub(super) const LINE_BREAK: &str = "a line break";

/// What is wrong with a character in a value of one line, if anything is: line breaks (also U+0085, U+2028 and
/// U+2029, which some programs take for one), the control characters of ASCII and Latin-1, and the embeddings,
/// overrides and isolates of bidirectional text, by which a line can read other than it is.
pub(super) fn invisible(character: char) -> Option<&'static str> {
    match character {
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(LINE_BREAK),
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Some("a bidirectional control character"),
        _ if character.is_control() => Some("a control character"),
        _ => None,
    }
}
