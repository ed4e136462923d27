//! TOML 1.0: inside quotes a value's text is escaped, as a key or a value it becomes a complete one.

use super::json::{excerpt, write_content, write_string};
use super::mark::{Emitted, Kind};
use super::text::one_line;
use super::{Fault, Follow, Format, Refused, Writer};

pub(super) static FORMAT: Format = Format {
    name: "toml",
    about: "TOML",
    values: "is escaped between quotes; bare it becomes a complete key, string, number or truth value",
    strict: true,
    follow: Follow::Writer(|| Box::new(Toml::default())),
    check: Some(check),
};

/// What the text so far leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// A key: at the start of a line, in a header, in an inline table.
    #[default]
    Key,
    /// Within a bare key.
    BareKey,
    /// Behind a key, before `=`, `.` or `]`.
    AfterKey,
    Value,
    /// Within a number, a date or a name.
    Bare,
    /// Behind a value.
    After,
    Comment,
    String {
        quote: u8,
        lines: bool,
        key: bool,
    },
}

#[derive(Default)]
struct Toml {
    place: Place,
    /// The brackets of arrays and inline tables that are open; none in a header.
    open: Vec<u8>,
    header: bool,
    escaped: bool,
    /// How many quotes stand directly before, in a string's start or end.
    quotes: u8,
    /// Whether a complete key or value ends directly before.
    glue: bool,
}

impl Toml {
    fn step(&mut self, byte: u8) {
        self.place = match self.place {
            Place::String { quote, lines, key } => return self.string(byte, quote, lines, key),
            Place::Comment if byte == b'\n' => self.line_end(),
            Place::Comment => Place::Comment,
            place => self.bare(place, byte),
        };
    }

    fn bare(&mut self, place: Place, byte: u8) -> Place {
        match (place, byte) {
            (_, b'\n') => self.line_end(),
            (_, b'#') => Place::Comment,
            (Place::BareKey, b' ' | b'\t') => Place::AfterKey,
            (Place::Bare, b' ' | b'\t') => Place::After,
            (_, b' ' | b'\t' | b'\r') => place,
            (Place::Key, b'[') if self.open.is_empty() => {
                self.header = true;
                Place::Key
            }
            (Place::BareKey | Place::AfterKey, b']') if self.header => Place::AfterKey,
            (Place::BareKey | Place::AfterKey, b'.') => Place::Key,
            (Place::BareKey | Place::AfterKey, b'=') => Place::Value,
            (Place::Key | Place::Value, b'"' | b'\'') => {
                self.quotes = 1;
                Place::String { quote: byte, lines: false, key: place == Place::Key }
            }
            (Place::Value, b'[') => {
                self.open.push(byte);
                Place::Value
            }
            (Place::Value, b'{') => {
                self.open.push(byte);
                Place::Key
            }
            (_, b',') => {
                if self.open.last() == Some(&b'{') {
                    Place::Key
                } else {
                    Place::Value
                }
            }
            (_, b']' | b'}') => {
                self.open.pop();
                Place::After
            }
            (Place::Key | Place::BareKey, _) => Place::BareKey,
            (Place::Value | Place::Bare, _) => Place::Bare,
            _ => place,
        }
    }

    /// Three quotes begin a string of many lines, and end it.
    fn string(&mut self, byte: u8, quote: u8, lines: bool, key: bool) {
        let closed = if key { Place::AfterKey } else { Place::After };
        let opening = self.quotes;
        self.quotes = 0;
        if std::mem::take(&mut self.escaped) {
            return;
        }
        if !lines && opening == 1 && byte == quote {
            // Either nothing at all, or the second of three.
            self.quotes = 2;
        } else if !lines && opening == 2 {
            if byte == quote {
                self.place = Place::String { quote, lines: true, key };
            } else {
                self.place = closed;
                self.step(byte);
            }
        } else if lines && byte == quote {
            // Quotes within are counted from three.
            self.quotes = opening.max(3) + 1;
            if self.quotes == 6 {
                self.quotes = 0;
                self.place = closed;
            }
        } else if byte == quote {
            self.place = closed;
        } else if byte == b'\\' && quote == b'"' {
            self.escaped = true;
        }
    }

    fn line_end(&mut self) -> Place {
        self.header = false;
        match self.open.last() {
            None => Place::Key,
            Some(b'{') => Place::Key,
            Some(_) => Place::Value,
        }
    }
}

impl Writer for Toml {
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused> {
        let Some(&first) = text.first() else { return Ok(()) };
        if std::mem::take(&mut self.glue) && !b" \t\r\n,=.]}#".contains(&first) {
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
        let text = value.text;
        let glued = std::mem::take(&mut self.glue);
        if let Place::String { lines: false, key, .. } = self.place
            && self.quotes == 2
        {
            // `""` was a whole string.
            self.place = if key { Place::AfterKey } else { Place::After };
        }
        match self.place {
            Place::String { .. } if self.escaped => {
                return Err(Refused::ambiguous(
                    "a value stands within an escape sequence",
                    "write `\\\\` for a backslash",
                ));
            }
            Place::String { quote: b'"', .. } => {
                self.quotes = 0;
                write_content(text, out);
            }
            Place::String { .. } => {
                one_line(text, "a literal string")?;
                if let Some(at) = text.find('\'') {
                    return Err(Refused {
                        hint: "use double quotes, in which there are escapes",
                        ..Refused::character(at, '\'', "a quote", "a literal string")
                    });
                }
                self.quotes = 0;
                out.push_str(text);
            }
            Place::Comment => {
                one_line(text, "a comment")?;
                out.push_str(text);
            }
            Place::Key if !glued => {
                let is_bare = !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
                if is_bare {
                    out.push_str(text);
                } else {
                    write_string(text, out);
                }
                (self.place, self.glue) = (Place::AfterKey, true);
            }
            Place::Value if !glued => {
                match value.kind {
                    Kind::Literal | Kind::Json => literal(text, out)?,
                    _ => write_string(text, out),
                }
                (self.place, self.glue) = (Place::After, true);
            }
            _ => {
                return Err(Refused::ambiguous(
                    "a value stands where TOML has no key and no value of its own",
                    "put quotes around all of the text, or compute the whole in one expression",
                ));
            }
        }
        Ok(())
    }
}

fn literal(text: &str, out: &mut String) -> Result<(), Refused> {
    if text.contains('\n') || toml::from_str::<serde::de::IgnoredAny>(&format!("value = {text}")).is_err() {
        return Err(Refused::value(format!("`{}` is no value of TOML", excerpt(text))));
    }
    out.push_str(text);
    Ok(())
}

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let text = super::utf8(artifact)?;
    match toml::from_str::<toml::Table>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault {
            offset: error.span().map_or(0, |span| span.start),
            message: format!("not TOML: {}", error.message()),
        }),
    }
}
