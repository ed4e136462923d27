//! XML (the fifth edition of XML 1.0): a value is text between tags, or a part of an attribute's value.

use std::fmt::Write as _;

use super::mark::Emitted;
use super::text::{invisible, one_line};
use super::{Fault, Follow, Format, Refused, Writer};

pub(super) static FORMAT: Format = Format {
    name: "xml",
    about: "XML",
    values: "is escaped, as text and between quotes; elsewhere in a tag it is refused",
    strict: true,
    follow: Follow::Writer(|| Box::new(Xml::default())),
    check: Some(check),
};

/// What the text so far leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Text,
    /// Within a tag, outside of quotes.
    Tag,
    /// Within the quotes of an attribute's value.
    Attribute(u8),
    Comment,
    CharacterData,
    /// A processing instruction or a declaration.
    Instruction,
    Declaration,
}

#[derive(Default)]
struct Xml {
    place: Place,
    /// The last bytes, as far as they say what begins or ends.
    recent: Vec<u8>,
}

/// As much of the text as what begins or ends is long: `<![CDATA[`.
const LONGEST: usize = 9;

impl Xml {
    fn step(&mut self, byte: u8) {
        self.recent.push(byte);
        if self.recent.len() > LONGEST {
            self.recent.remove(0);
        }
        let ends = |mark: &[u8]| self.recent.ends_with(mark);
        let next = match self.place {
            Place::Text if byte == b'<' => Place::Tag,
            Place::Tag if ends(b"<?") => Place::Instruction,
            Place::Tag if ends(b"<!--") => Place::Comment,
            Place::Tag if ends(b"<![CDATA[") => Place::CharacterData,
            Place::Tag if ends(b"<!D") => Place::Declaration,
            Place::Tag if byte == b'>' => Place::Text,
            Place::Tag if byte == b'"' || byte == b'\'' => Place::Attribute(byte),
            Place::Attribute(quote) if byte == quote => Place::Tag,
            Place::Comment if ends(b"-->") => Place::Text,
            Place::CharacterData if ends(b"]]>") => Place::Text,
            Place::Instruction if ends(b"?>") => Place::Text,
            Place::Declaration if byte == b'>' => Place::Text,
            place => place,
        };
        if next != self.place {
            // What ends one thing begins no other.
            if next != Place::Tag {
                self.recent.clear();
            }
            self.place = next;
        }
    }
}

impl Writer for Xml {
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused> {
        for &byte in text {
            self.step(byte);
        }
        Ok(())
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        let text = value.text;
        match self.place {
            Place::Text | Place::Attribute(_) => {
                for (at, character) in text.char_indices() {
                    match character {
                        '&' => out.push_str("&amp;"),
                        '<' => out.push_str("&lt;"),
                        '>' => out.push_str("&gt;"),
                        '"' => out.push_str("&quot;"),
                        '\'' => out.push_str("&apos;"),
                        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => reference(character, out),
                        _ if character.is_control() || matches!(character, '\u{FFFE}' | '\u{FFFF}') => {
                            return Err(Refused::character(at, character, "a control character", "XML"));
                        }
                        _ if invisible(character).is_some() => reference(character, out),
                        _ => out.push(character),
                    }
                }
                self.recent.clear();
            }
            Place::Comment => {
                one_line(text, "a comment")?;
                if text.contains("--") || text.starts_with(['-', '>']) || text.ends_with('-') {
                    return Err(Refused::value("a value that could end a comment is printed into one"));
                }
                out.push_str(text);
                self.recent.clear();
            }
            Place::CharacterData => {
                one_line(text, "character data")?;
                if text.contains("]]") || text.starts_with([']', '>']) || text.ends_with(']') {
                    return Err(Refused::value("a value that could end character data is printed into it"));
                }
                out.push_str(text);
                self.recent.clear();
            }
            Place::Tag | Place::Instruction | Place::Declaration => {
                return Err(Refused::ambiguous(
                    "a value stands within a tag, outside of quotes",
                    "put quotes around the expression, or write the name into the template",
                ));
            }
        }
        Ok(())
    }
}

fn reference(character: char, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "&#{};", u32::from(character));
}

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let text = super::utf8(artifact)?;
    match roxmltree::Document::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let place = error.pos();
            let offset = super::offset(artifact, place.row as usize, place.col as usize);
            let text = error.to_string();
            let message = text.rsplit_once(" at ").map_or(text.as_str(), |(message, _)| message);
            Err(Fault { offset, message: format!("not XML: {message}") })
        }
    }
}
