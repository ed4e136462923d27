//! YAML 1.2: inside quotes a value's text is escaped, bare it becomes a complete scalar, which every reader takes for the
//! same string (also one of YAML 1.1, to whom `no` is a truth value).

use saphyr_parser::{Event, Parser};

use super::json::{write_content, write_string};
use super::mark::{Emitted, Kind};
use super::text::one_line;
use super::{Fault, Follow, Format, Refused, Writer};

pub(super) static FORMAT: Format = Format {
    name: "yaml",
    about: "YAML",
    values: "is escaped between quotes; bare it becomes a complete scalar, quoted where a reader could take it for other than a string; in a block it is a piece of a line",
    strict: true,
    follow: Follow::Writer(|| Box::new(Yaml::default())),
    check: Some(check),
};

/// What the text so far leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing of a node so far: a value may be one.
    Node,
    /// Within a plain scalar; behind a `-`, `?` or `:` that white space would make a sign.
    Plain {
        sign: bool,
    },
    /// Behind a quoted scalar, a collection in brackets, or a value.
    After,
    Single,
    Double,
    Comment,
    /// A tag, an anchor or an alias.
    Property,
    /// The line that opens a block scalar.
    Header,
    /// The text of a block scalar.
    Block,
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Yaml {
    place: Place,
    /// How many brackets are open.
    depth: usize,
    /// The column in the line, and whether only white space stood there so far.
    column: usize,
    blank: bool,
    /// The column at which the line begins.
    indent: usize,
    /// The columns of the keys and signs that the text stands behind, and of the line, the outermost first.
    indents: Vec<usize>,
    /// In a block scalar: the column of the key or sign that it stands behind, and that of its text, once it is known.
    opened: Option<usize>,
    text: Option<usize>,
    /// How many `-` or `.` the line begins with: three are the border of a document.
    border: usize,
    /// The column of the scalar that the line has, and whether it is a value.
    scalar: (usize, bool),
    /// The column from which on the next line goes on with that scalar, if it has no quotes.
    plain: Option<usize>,
    escaped: bool,
    /// Whether the byte before is white space or the start of a line.
    spaced: bool,
    /// Whether a value ends directly before, or only spaces behind it.
    glue: bool,
    /// Behind a value: a colon, which makes it a key only before white space.
    colon: bool,
}

impl Default for Yaml {
    fn default() -> Self {
        Self {
            place: Place::Node,
            depth: 0,
            column: 0,
            blank: true,
            indent: 0,
            indents: Vec::new(),
            opened: None,
            text: None,
            border: 0,
            scalar: (0, false),
            plain: None,
            escaped: false,
            spaced: true,
            glue: false,
            colon: false,
        }
    }
}

fn joined() -> Refused {
    Refused::ambiguous(
        "text stands together with a value outside of quotes",
        "put quotes around both, or compute the whole in one expression",
    )
}

impl Yaml {
    fn step(&mut self, byte: u8) -> Result<(), Refused> {
        if self.colon && !byte.is_ascii_whitespace() {
            return Err(joined());
        }
        self.colon = false;
        if matches!(byte, b'-' | b'.') && self.border == self.column {
            self.border += 1;
        }
        let is_border = (self.border, self.column) == (3, 3) && byte.is_ascii_whitespace();
        if is_border && !matches!(self.place, Place::Single | Place::Double | Place::Block) {
            (self.place, self.plain) = (Place::Node, None);
            self.indents.clear();
        }
        if self.place == (Place::Plain { sign: true }) && byte.is_ascii_whitespace() && self.depth == 0 {
            self.enter(self.scalar.0);
        }
        if byte == b'\n' {
            self.line_end();
        } else {
            if self.blank && byte != b' ' && byte != b'\r' {
                self.line_start()?;
            }
            self.character(byte)?;
            self.column += 1;
        }
        self.spaced = byte.is_ascii_whitespace();
        Ok(())
    }

    fn line_end(&mut self) {
        if matches!(self.place, Place::Plain { sign: false }) || self.glue {
            self.plain = Some(self.around().map_or(0, |around| around + 1));
        } else if !self.blank {
            self.plain = None;
        }
        self.place = match self.place {
            Place::Single | Place::Double => self.place,
            Place::Header => {
                self.opened = self.around();
                Place::Block
            }
            Place::Block => Place::Block,
            // Behind `key:` the node may come in the next line.
            _ => Place::Node,
        };
        (self.column, self.border, self.blank, self.glue, self.escaped) = (0, 0, true, false, false);
    }

    /// The column of the key or sign that the scalar of this line stands behind, or of that of a line around it where it
    /// stands alone; what goes on with the scalar stands further in.
    fn around(&self) -> Option<usize> {
        let (column, _) = self.scalar;
        self.indents.iter().rev().nth(usize::from(column == self.indent)).copied()
    }

    /// What follows stands behind a column.
    fn enter(&mut self, column: usize) {
        self.indents.retain(|outer| *outer < column);
        self.indents.push(column);
    }

    /// The first of a line that is not white space.
    fn line_start(&mut self) -> Result<(), Refused> {
        self.blank = false;
        self.indent = self.column;
        if self.place == Place::Block {
            let begins = *self.text.get_or_insert(self.column);
            if self.column < begins || self.opened.is_some_and(|opened| begins <= opened) {
                self.place = Place::Node;
            }
        }
        if self.place == Place::Node {
            self.enter(self.column);
        }
        if self.place == Place::Node
            && self.plain.is_some_and(|column| self.column >= column || self.depth > 0)
        {
            let (_, is_value) = self.scalar;
            if is_value {
                return Err(joined());
            }
            self.place = Place::Plain { sign: false };
        }
        Ok(())
    }

    fn character(&mut self, byte: u8) -> Result<(), Refused> {
        if self.place == Place::Node && byte != b' ' {
            self.scalar = (self.column, false);
        }
        self.place = match (self.place, byte) {
            (Place::Double, _) if std::mem::take(&mut self.escaped) => Place::Double,
            (Place::Double, b'\\') => {
                self.escaped = true;
                Place::Double
            }
            (Place::Double, b'"') | (Place::Single, b'\'') => Place::After,
            (Place::Header, b'1'..=b'9') => {
                self.text = Some(self.around().unwrap_or_default() + usize::from(byte - b'0'));
                Place::Header
            }
            (Place::Comment | Place::Double | Place::Single | Place::Block | Place::Header, _) => self.place,
            (place, b'#') if self.spaced && place != (Place::Plain { sign: true }) => Place::Comment,
            // Two single quotes in single quotes are one.
            (Place::After, b'\'') if !self.spaced && !self.glue => Place::Single,
            (Place::After, b' ' | b'\t' | b'\r') => Place::After,
            (Place::After | Place::Plain { .. }, b',') if self.depth > 0 => Place::Node,
            (Place::After | Place::Plain { .. } | Place::Node, b']' | b'}') if self.depth > 0 => {
                self.depth -= 1;
                Place::After
            }
            (Place::After, b':') => {
                self.colon = self.glue;
                Place::Plain { sign: true }
            }
            (Place::After, _) if self.glue => return Err(joined()),
            (Place::Plain { sign: true } | Place::Property, b' ' | b'\t' | b'\r') => Place::Node,
            (Place::Plain { sign: false }, b':') => Place::Plain { sign: true },
            (Place::Plain { .. }, _) => Place::Plain { sign: false },
            (Place::Node, b' ' | b'\t' | b'\r') => Place::Node,
            (Place::Node, b',') => Place::Node,
            (Place::Node, b'"') => Place::Double,
            (Place::Node, b'\'') => Place::Single,
            (Place::Node, b'[' | b'{') => {
                self.depth += 1;
                Place::Node
            }
            (Place::Node, b'|' | b'>') => {
                self.text = None;
                Place::Header
            }
            (Place::Node, b'&' | b'*' | b'!') => Place::Property,
            (Place::Node, b'-' | b'?' | b':') => Place::Plain { sign: true },
            (Place::Node, _) => Place::Plain { sign: false },
            (place, _) => place,
        };
        if self.glue && !matches!(byte, b' ' | b'\t' | b'\r') {
            self.glue = false;
        }
        Ok(())
    }
}

impl Writer for Yaml {
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused> {
        text.iter().try_for_each(|byte| self.step(*byte))
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        let text = value.text;
        if self.escaped {
            return Err(Refused::ambiguous(
                "a value stands within an escape sequence",
                "write `\\\\` for a backslash",
            ));
        }
        if self.colon || self.glue {
            return Err(joined());
        }
        if self.blank && !matches!(self.place, Place::Double | Place::Single) {
            if self.place == Place::Block && (text.is_empty() || text.starts_with(' ')) {
                return Err(Refused::value(
                    "a value that is empty or begins with a space begins a line of a block",
                ));
            }
            self.line_start()?;
        }
        if self.column == 0
            && matches!(self.place, Place::Double | Place::Single)
            && (text.starts_with("---") || text.starts_with("..."))
        {
            return Err(Refused::value(
                "a value that begins a line of a quoted text would be the border of a document",
            ));
        }
        match self.place {
            Place::Double => write_content(text, out),
            Place::Single => {
                printable(text, "single quotes")?;
                out.push_str(&text.replace('\'', "''"));
            }
            Place::Comment => {
                printable(text, "a comment")?;
                out.push_str(text);
            }
            Place::Block => {
                printable(text, "a block")?;
                out.push_str(text);
            }
            Place::Node => {
                match value.kind {
                    Kind::Literal | Kind::Json => out.push_str(text),
                    _ if is_plain(text) => out.push_str(text),
                    _ => write_string(text, out),
                }
                (self.place, self.glue, self.scalar) = (Place::After, true, (self.column, true));
            }
            Place::Plain { .. } | Place::After => return Err(joined()),
            Place::Property | Place::Header => {
                return Err(Refused::ambiguous(
                    "a value stands within a tag, an anchor or the start of a block",
                    "write it into the template",
                ));
            }
        }
        (self.spaced, self.column) = (false, self.column + 1);
        Ok(())
    }
}

/// Refuses what has no place in a line of YAML outside of double quotes (YAML 1.2.2, section 5.1).
fn printable(text: &str, place: &str) -> Result<(), Refused> {
    one_line(text, place)?;
    match text.char_indices().find(|(_, character)| matches!(character, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}'))
    {
        None => Ok(()),
        Some((at, character)) => {
            Err(Refused::character(at, character, "a character that does not show", place))
        }
    }
}

/// What some reader takes for other than a string.
const NAMES: &[&str] = &["true", "false", "yes", "no", "on", "off", "y", "n", "null", "none"];

/// Whether text without quotes is a string to every reader, wherever it stands.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'/'))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'-' | b'@'))
        && !NAMES.contains(&&*text.to_ascii_lowercase())
}

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let text = super::utf8(artifact)?;
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::StreamEnd, _)) => break,
            Ok(_) => {}
            Err(error) => {
                // Its index counts characters.
                let index = error.marker().index();
                let offset = text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
                return Err(Fault { offset, message: format!("not YAML: {}", error.info()) });
            }
        }
    }
    Ok(())
}
