//! JSON (RFC 8259): inside quotes a value's text is escaped, elsewhere it becomes a complete literal.

use std::fmt::Write as _;

use super::mark::{Emitted, Kind};
use super::text::invisible;
use super::{Fault, Follow, Format, Refused, Writer};

pub(super) static FORMAT: Format = Format {
    name: "json",
    about: "one JSON text (RFC 8259)",
    values: "is escaped between quotes; bare it becomes a complete literal",
    strict: true,
    follow: Follow::Writer(|| Box::new(Json::default())),
    check: Some(check),
};

/// Appends a string literal. Characters that do not show are escaped too.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    write_content(text, out);
    out.push('"');
}

/// Appends the content of a string literal.
pub(super) fn write_content(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Writing to a string cannot fail. All these are below U+10000, so one escape is enough.
            _ if invisible(character).is_some() => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
}

/// What the text so far leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A value; in an array that was just opened, its end too.
    Value { or_end: bool },
    /// A key; in an object that was just opened, its end too.
    Key { or_end: bool },
    /// The colon after a key.
    Colon,
    /// A comma or the end of the array or object, or nothing more.
    After,
    /// Inside a string, which is a key or a value.
    String { key: bool },
    /// After a backslash in a string; the hexadecimal digits that are still to come.
    Escape { key: bool, digits: Option<u8> },
    /// Inside a number or a name.
    Bare,
    /// No JSON any more.
    Broken,
}

struct Json {
    place: Place,
    /// For each open bracket: whether it is an object's.
    open: Vec<bool>,
    /// Whether the last thing was a value that stands bare.
    glue: bool,
}

impl Default for Json {
    fn default() -> Self {
        Self { place: Place::Value { or_end: false }, open: Vec::new(), glue: false }
    }
}

impl Json {
    fn step(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (Place::String { .. }, b'\\') => match self.place {
                Place::String { key } => Place::Escape { key, digits: None },
                other => other,
            },
            (Place::String { key }, b'"') => {
                if key {
                    Place::Colon
                } else {
                    Place::After
                }
            }
            (Place::String { .. }, 0..0x20) => Place::Broken,
            (Place::String { .. }, _) => self.place,
            (Place::Escape { key, digits: None }, b'u') => Place::Escape { key, digits: Some(4) },
            (Place::Escape { key, digits: None }, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                Place::String { key }
            }
            (Place::Escape { key, digits: Some(left) }, _) if byte.is_ascii_hexdigit() => match left {
                1 => Place::String { key },
                _ => Place::Escape { key, digits: Some(left - 1) },
            },
            (Place::Bare, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.')
            | (Place::Value { .. }, b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => Place::Bare,
            // What ends a bare literal is what comes after it.
            (Place::Bare | Place::After, _)
            | (Place::Value { or_end: true }, b']')
            | (Place::Key { or_end: true }, b'}') => self.after(byte),
            (Place::Value { .. } | Place::Key { .. } | Place::Colon, b' ' | b'\t' | b'\n' | b'\r') => {
                self.place
            }
            (Place::Value { .. }, b'"') => Place::String { key: false },
            (Place::Value { .. }, b'{') => {
                self.open.push(true);
                Place::Key { or_end: true }
            }
            (Place::Value { .. }, b'[') => {
                self.open.push(false);
                Place::Value { or_end: true }
            }
            (Place::Key { .. }, b'"') => Place::String { key: true },
            (Place::Colon, b':') => Place::Value { or_end: false },
            _ => Place::Broken,
        };
    }

    fn after(&mut self, byte: u8) -> Place {
        match (byte, self.open.last()) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => Place::After,
            (b',', Some(true)) => Place::Key { or_end: false },
            (b',', Some(false)) => Place::Value { or_end: false },
            (b'}', Some(true)) | (b']', Some(false)) => {
                self.open.pop();
                Place::After
            }
            _ => Place::Broken,
        }
    }
}

impl Writer for Json {
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused> {
        let Some(&first) = text.first() else { return Ok(()) };
        if std::mem::take(&mut self.glue)
            && !matches!(first, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b']' | b'}')
        {
            return Err(Refused::ambiguous(
                "text follows directly on a value that stands outside of quotes",
                "put quotes around both, or compute the whole in one expression",
            ));
        }
        for &byte in text {
            self.step(byte);
        }
        Ok(())
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        self.glue = false;
        match self.place {
            Place::String { .. } => write_content(value.text, out),
            Place::Value { .. } => {
                match value.kind {
                    Kind::Json => out.push_str(value.text),
                    Kind::Literal => literal(value.text, out)?,
                    _ => write_string(value.text, out),
                }
                self.place = Place::After;
                self.glue = true;
            }
            Place::Key { .. } => {
                if matches!(value.kind, Kind::Json | Kind::Literal) {
                    return Err(Refused::ambiguous(
                        format!(
                            "`{}` stands where a key has to be, and keys are strings",
                            excerpt(value.text)
                        ),
                        "put quotes around the expression",
                    ));
                }
                write_string(value.text, out);
                self.place = Place::Colon;
                self.glue = true;
            }
            Place::Colon | Place::After => {
                return Err(Refused::ambiguous(
                    "a value stands where JSON needs a comma, a colon or a bracket",
                    "put a separator before the expression",
                ));
            }
            Place::Escape { .. } => {
                return Err(Refused::ambiguous(
                    "a value stands within an escape sequence",
                    "write `\\\\` for a backslash",
                ));
            }
            Place::Bare => {
                return Err(Refused::ambiguous(
                    "a value stands within a number or a name",
                    "put quotes around both, or compute the whole in one expression",
                ));
            }
            Place::Broken => {
                return Err(Refused::ambiguous(
                    "the text before this value is not JSON",
                    "JSON has no comments, no trailing commas and one value only",
                ));
            }
        }
        Ok(())
    }
}

fn literal(text: &str, out: &mut String) -> Result<(), Refused> {
    // Infinity and NaN are numbers to the template, and nothing to JSON.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(Refused::value(format!("`{}` is no number of JSON", excerpt(text))));
    }
    out.push_str(text);
    Ok(())
}

/// The start of a value, for messages.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn check(artifact: &[u8]) -> Result<(), Fault> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(artifact) {
        Ok(_) => Ok(()),
        Err(error) => {
            let offset = super::offset(artifact, error.line(), error.column());
            let text = error.to_string();
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
            Err(Fault { offset, message: format!("not JSON: {message}") })
        }
    }
}
