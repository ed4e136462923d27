//! Marked text: how a printed value keeps its borders on its way through the template engine.
//!
//! A part is `START kind number SEPARATOR text END`. The three marks are Unicode noncharacters, which tables,
//! values and templates may not contain, so that no value can forge one. Parts do not nest: text that is
//! captured and printed later keeps the parts that it has.

use std::borrow::Cow;

/// Opens a part.
pub const START: char = '\u{FDD0}';
/// Stands between a part's head and its text.
pub const SEPARATOR: char = '\u{FDD1}';
/// Closes a part.
pub const END: char = '\u{FDD2}';

/// Whether a character is one of the noncharacters that marks are made of; text from outside may hold none of them.
pub fn is_reserved(character: char) -> bool {
    matches!(character, '\u{FDD0}'..='\u{FDEF}')
}

/// The first two of the three UTF-8 bytes that all marks share.
pub(super) const PREFIX: [u8; 2] = [0xEF, 0xB7];
/// The last bytes of the three marks.
pub(super) const START_BYTE: u8 = 0x90;
pub(super) const SEPARATOR_BYTE: u8 = 0x91;
pub(super) const END_BYTE: u8 = 0x92;

/// What a part's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text, to be escaped.
    Text,
    /// A number or `true` or `false`.
    Literal,
    /// A JSON text, from the filter `json`.
    Json,
    /// One shell word, from the filter `shell`.
    Word,
    /// Any number of shell words, from the filter `shell` on a list.
    Words,
    /// What the author of the template vouches for, from the filter `raw`.
    Raw,
    /// The template's own text, or a value that needs no escape: what has no mark at all unless it is traced.
    Plain,
}

impl Kind {
    const ALL: [(Self, u8); 7] = [
        (Self::Text, b's'),
        (Self::Literal, b'n'),
        (Self::Json, b'j'),
        (Self::Word, b'w'),
        (Self::Words, b'l'),
        (Self::Raw, b'r'),
        (Self::Plain, b'p'),
    ];

    fn letter(self) -> char {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or('s', |(_, letter)| char::from(*letter))
    }

    fn from_letter(letter: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == letter).map(|(kind, _)| *kind)
    }
}

/// One printed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitted<'t> {
    /// The number of the expression that printed it.
    pub expression: u32,
    /// What its text is.
    pub kind: Kind,
    /// The value's text, not yet escaped.
    pub text: &'t str,
}

impl Emitted<'_> {
    /// Appends the value as a part.
    pub fn write(&self, out: &mut String) {
        out.push(START);
        out.push(self.kind.letter());
        out.push_str(&self.expression.to_string());
        out.push(SEPARATOR);
        out.push_str(self.text);
        out.push(END);
    }

    /// The value as a part.
    pub fn marked(&self) -> String {
        let mut out = String::with_capacity(self.text.len() + 16);
        self.write(&mut out);
        out
    }
}

/// What stands between [`START`] and [`SEPARATOR`]: kind and number.
pub(super) fn head(bytes: &[u8]) -> Option<(Kind, u32)> {
    let (&letter, digits) = bytes.split_first()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((Kind::from_letter(letter)?, number))
}

/// A piece of marked text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'t> {
    /// Text of the template.
    Literal(&'t str),
    /// A printed value.
    Value(Emitted<'t>),
}

/// Marks that are not well-formed: text was taken apart between them, or holds a noncharacter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text holds parts of printed values that were taken apart")]
pub struct Malformed;

/// Whether text holds any mark.
pub fn is_marked(text: &str) -> bool {
    memchr::memchr_iter(PREFIX[0], text.as_bytes()).any(|at| is_mark(&text.as_bytes()[at..]))
}

fn is_mark(bytes: &[u8]) -> bool {
    bytes.len() > 2 && bytes[..2] == PREFIX && (START_BYTE..=END_BYTE).contains(&bytes[2])
}

/// Splits marked text; empty literals are left out.
pub fn segments(text: &str) -> Result<Vec<Segment<'_>>, Malformed> {
    let mut list = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once(START) {
        push_literal(&mut list, literal)?;
        let (head_text, after) = after.split_once(SEPARATOR).ok_or(Malformed)?;
        let (kind, expression) = head(head_text.as_bytes()).ok_or(Malformed)?;
        let (text, after) = after.split_once(END).ok_or(Malformed)?;
        if is_marked(text) {
            return Err(Malformed);
        }
        list.push(Segment::Value(Emitted { expression, kind, text }));
        rest = after;
    }
    push_literal(&mut list, rest)?;
    Ok(list)
}

fn push_literal<'t>(list: &mut Vec<Segment<'t>>, literal: &'t str) -> Result<(), Malformed> {
    if is_marked(literal) {
        return Err(Malformed);
    }
    if !literal.is_empty() {
        list.push(Segment::Literal(literal));
    }
    Ok(())
}

/// Joins segments to marked text.
pub fn join<'t>(segments: impl IntoIterator<Item = Segment<'t>>) -> String {
    let mut out = String::new();
    for segment in segments {
        match segment {
            Segment::Literal(text) => out.push_str(text),
            Segment::Value(value) => value.write(&mut out),
        }
    }
    out
}

/// The plain text of marked text. Text whose marks are not well-formed stays as it is: where it is printed,
/// it is refused.
pub fn strip(text: &str) -> Cow<'_, str> {
    if !is_marked(text) {
        return Cow::Borrowed(text);
    }
    segments(text).map_or(Cow::Borrowed(text), |list| {
        list.iter()
            .map(|segment| match segment {
                Segment::Literal(text) => *text,
                Segment::Value(value) => value.text,
            })
            .collect::<String>()
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_taken_apart_are_malformed() {
        let whole = Emitted { expression: 7, kind: Kind::Word, text: "mx" }.marked();
        for (at, _) in whole.char_indices().skip(1) {
            assert_eq!(segments(&whole[..at]), Err(Malformed));
            assert_eq!(segments(&whole[at..]), Err(Malformed));
            assert_eq!(strip(&whole[at..]), &whole[at..]);
        }
        let nested = Emitted { expression: 1, kind: Kind::Text, text: &whole }.marked();
        assert_eq!(segments(&nested), Err(Malformed));
        assert_eq!(segments("\u{FDD0}x1\u{FDD1}a\u{FDD2}"), Err(Malformed));
        assert_eq!(segments("\u{FDD0}s+1\u{FDD1}a\u{FDD2}"), Err(Malformed));
        assert_eq!(segments("\u{FDD0}s99999999999\u{FDD1}a\u{FDD2}"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn split_and_join(pieces in prop::collection::vec((any::<bool>(), any::<u32>(), "[^\u{FDD0}-\u{FDD2}]{0,9}"), 0..9)) {
            let mut marked = String::new();
            let mut plain = String::new();
            for (value, number, text) in &pieces {
                plain.push_str(text);
                if *value {
                    Emitted { expression: *number, kind: Kind::Text, text }.write(&mut marked);
                } else {
                    marked.push_str(text);
                }
            }
            prop_assert_eq!(join(segments(&marked).unwrap()), marked.clone());
            prop_assert_eq!(strip(&marked), plain);
        }
    }
}
