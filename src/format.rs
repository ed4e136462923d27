//! How values enter the formats of artifacts.
//!
//! The template engine writes marked text (see [`mark`]) into a [`MarkReader`], which splits it into the
//! template's own text and printed values and drives the artifact's [`Writer`]. A writer follows the structure
//! of what the template writes and decides at each value how it is escaped there, or refuses it.

use std::io;
use std::ops::Range;

use crate::diagnostic::{Code, code};

mod dovecot;
mod haproxy;
mod ini;
pub mod json;
pub(crate) mod lexis;
pub mod mark;
mod nftables;
mod nginx;
mod path;
pub(crate) mod postfix;
mod prometheus;
pub mod shell;
mod ssh;
mod sudoers;
pub mod text;
mod toml;
mod xml;
mod yaml;
pub(crate) mod zone;

use mark::{Emitted, Kind};

/// A known format of artifacts.
#[derive(Debug)]
pub struct Format {
    /// Its name in target.toml.
    pub name: &'static str,
    /// What files are of this format.
    pub about: &'static str,
    /// What a value is in it, for people: "a value …".
    pub values: &'static str,
    /// Whether it wants to see every value: one that refuses only what is not printable does not care for numbers,
    /// addresses and names.
    pub strict: bool,
    follow: Follow,
    check: Option<Check>,
}

/// What follows the structure of an artifact.
#[derive(Debug)]
enum Follow {
    /// A writer of the format's own.
    Writer(fn() -> Box<dyn Writer>),
    /// The machine for statements and words.
    Lexis(&'static lexis::Lexis),
}

/// What judges a whole artifact.
type Check = fn(&[u8]) -> Result<(), Fault>;

impl Format {
    /// A fresh writer, for one artifact.
    pub fn writer(&self) -> Box<dyn Writer> {
        match self.follow {
            Follow::Writer(make) => make(),
            Follow::Lexis(lexis) => Box::new(lexis::Follower::new(lexis)),
        }
    }

    /// Whether a whole artifact is well-formed in this format.
    pub fn check(&self, artifact: &[u8]) -> Result<(), Fault> {
        self.check.map_or(Ok(()), |check| check(artifact))
    }

    /// Whether there is anything to judge of a whole artifact.
    pub fn is_checked(&self) -> bool {
        self.check.is_some()
    }
}

/// A structural fault of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is, in bytes from the start.
    pub offset: usize,
    /// A lower-case phrase.
    pub message: String,
}

/// All formats; `text` is the default.
pub static FORMATS: &[&Format] = &[
    &text::FORMAT,
    &json::FORMAT,
    &shell::FORMAT,
    &ini::SYSTEMD,
    &ini::INI,
    &yaml::FORMAT,
    &toml::FORMAT,
    &xml::FORMAT,
    &postfix::MAIN,
    &postfix::MASTER,
    &postfix::MAP,
    &nginx::FORMAT,
    &haproxy::FORMAT,
    &nftables::FORMAT,
    &zone::FORMAT,
    &sudoers::FORMAT,
    &ssh::CONFIG,
    &ssh::AUTHORIZED_KEYS,
    &ssh::KNOWN_HOSTS,
    &dovecot::FORMAT,
    &prometheus::FORMAT,
];

/// The paths of artifacts: no format of an artifact itself.
pub static PATH: &Format = &path::FORMAT;

/// The format of an artifact that names none.
pub static TEXT: &Format = &text::FORMAT;

/// The format of a name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name).copied()
}

/// The text of an artifact.
fn utf8(artifact: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(artifact)
        .map_err(|error| Fault { offset: error.valid_up_to(), message: "this is no UTF-8".to_owned() })
}

/// Where a line and a column lie, which are counted from 1.
fn offset(artifact: &[u8], line: usize, column: usize) -> usize {
    let lines = artifact.split_inclusive(|byte| *byte == b'\n');
    let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (start + column.saturating_sub(1)).min(artifact.len())
}

/// Follows the structure of one artifact and decides how each value enters it.
pub trait Writer {
    /// Takes the next bytes of the template's own text. It refuses what would make one with the value before.
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused>;

    /// Writes a value as it has to stand here, or refuses it.
    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused>;

    /// Ends the artifact. It refuses what only its end shows.
    fn finish(&mut self) -> Result<(), Refused> {
        Ok(())
    }
}

/// Why a writer refuses a value: the one it was just given, or in [`Writer::literal`] the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `format::value` or `format::ambiguous`.
    pub code: &'static Code,
    /// A lower-case phrase.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: &'static str,
    /// The bytes of the value that are to blame, if only some are.
    pub at: Option<Range<usize>>,
}

impl Refused {
    /// A value that this format has no way to write.
    pub fn value(message: impl Into<String>) -> Self {
        Self { code: &code::FORMAT_VALUE, message: message.into(), hint: "", at: None }
    }

    /// A place that does not say how a value has to be written.
    pub fn ambiguous(message: impl Into<String>, hint: &'static str) -> Self {
        Self { code: &code::FORMAT_AMBIGUOUS, message: message.into(), hint, at: None }
    }

    /// Refuses a value for one of its characters, which starts at a byte.
    pub(crate) fn character(start: usize, character: char, what: &str, place: &str) -> Self {
        // With `| raw` a line break would make another line of the file.
        let hint = if what == text::LINE_BREAK {
            "print each of its lines, as with `{% for line in … | split(pat=\"\\n\") %}`, or a literal of it with `| json`"
        } else {
            "change the value, or print it as it is with `| raw`"
        };
        Self {
            at: Some(start..start + character.len_utf8()),
            hint,
            ..Self::value(format!(
                "a value with {what} (U+{:04X}) in it is printed into {place}",
                u32::from(character)
            ))
        }
    }
}

/// A refused value with where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The number of the expression that printed it.
    pub expression: u32,
    /// The value's text.
    pub value: String,
    /// Why.
    pub refused: Refused,
}

/// An emitter hands its bytes on when it has so many.
const FULL: usize = 256 * 1024;

/// Writes the bytes of one artifact: the template's own text as it is, values as its format has them.
pub struct Emitter<W> {
    format: Box<dyn Writer>,
    /// Whether the format wants to see all text.
    strict: bool,
    out: W,
    /// What is not yet handed to the writer below.
    buffer: Vec<u8>,
    /// How many bytes were handed on.
    handed: usize,
    /// What the format made of a value; kept for its memory.
    written: String,
    last: Option<(u32, String)>,
    refusal: Option<Refusal>,
    /// What the writer below failed with; the engine keeps no more than its kind.
    error: Option<io::Error>,
}

impl<W: io::Write> Emitter<W> {
    /// An emitter for one artifact of a format.
    pub fn new(format: &Format, out: W) -> Self {
        Self {
            format: format.writer(),
            strict: format.strict,
            out,
            buffer: Vec::with_capacity(1024),
            handed: 0,
            written: String::new(),
            last: None,
            refusal: None,
            error: None,
        }
    }

    /// The value that was refused, if writing failed for that.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The error of the writer below, if writing failed for that.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// The writer below.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Writes the template's own text. After an error, [`Self::refusal`] tells whether a value was refused.
    pub fn literal(&mut self, text: &[u8]) -> io::Result<()> {
        if self.strict
            && let Err(refused) = self.format.literal(text)
        {
            return Err(self.blame_last(refused));
        }
        self.buffer.extend_from_slice(text);
        self.settle()
    }

    /// Writes a value, or refuses it.
    pub fn value(&mut self, value: &Emitted<'_>) -> io::Result<()> {
        self.written.clear();
        let result = match value.kind {
            Kind::Raw | Kind::Plain => {
                self.written.push_str(value.text);
                // Raw text counts as the template's own.
                self.format.literal(value.text.as_bytes())
            }
            _ => self.format.value(value, &mut self.written),
        };
        // A format that does not see what follows a value refuses it at once, or never.
        if self.strict || result.is_err() {
            match &mut self.last {
                Some((number, last)) => {
                    *number = value.expression;
                    last.clear();
                    last.push_str(value.text);
                }
                none => *none = Some((value.expression, value.text.to_owned())),
            }
        }
        if let Err(refused) = result {
            return Err(self.blame_last(refused));
        }
        self.buffer.extend_from_slice(self.written.as_bytes());
        self.settle()
    }

    /// Where text may be put that the format does not want to see: the template's own, and values that it has no say
    /// in. Nothing, where the format wants to see everything. [`Self::settle`] has to follow before long.
    pub(crate) fn unseen(&mut self) -> Option<&mut Vec<u8>> {
        (!self.strict).then_some(&mut self.buffer)
    }

    /// Hands on what was put into [`Self::unseen`], if it is much.
    #[inline]
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.buffer.len() < FULL { Ok(()) } else { self.flush() }
    }

    /// Ends the artifact.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Err(refused) = self.format.finish() {
            return Err(self.blame_last(refused));
        }
        self.flush()
    }

    fn blame_last(&mut self, refused: Refused) -> io::Error {
        let (expression, value) = self.last.clone().unwrap_or_default();
        let error = io::Error::new(io::ErrorKind::InvalidData, refused.message.clone());
        self.refusal = Some(Refusal { expression, value, refused });
        error
    }

    /// How many bytes the artifact has so far.
    pub(crate) fn position(&self) -> usize {
        self.handed + self.buffer.len()
    }

    /// Hands on all bytes.
    #[cold]
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.buffer);
        self.handed += self.buffer.len();
        self.buffer.clear();
        written.map_err(|failed| {
            let kind = failed.kind();
            self.error = Some(failed);
            kind.into()
        })
    }
}

/// Takes marked text in pieces of any size and hands it to an [`Emitter`]. It holds no more than one value.
pub struct MarkReader<W> {
    /// What writes the artifact.
    pub emitter: Emitter<W>,
    state: State,
    /// The bytes of a mark that the last piece ended in.
    partial: Vec<u8>,
    /// The head, then the text of the part that is being read.
    head: Vec<u8>,
    value: Vec<u8>,
    /// How many bytes of the artifact were handed on.
    position: usize,
    /// Where each part was written, with its number, if that is wanted.
    parts: Option<Vec<(Range<usize>, u32)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Literal,
    Head,
    Value,
}

impl<W: io::Write> MarkReader<W> {
    /// A reader for one artifact of a format.
    pub fn new(format: &Format, out: W) -> Self {
        Self {
            emitter: Emitter::new(format, out),
            state: State::Literal,
            partial: Vec::new(),
            head: Vec::new(),
            value: Vec::new(),
            position: 0,
            parts: None,
        }
    }

    /// A reader that notes where it writes each part.
    pub fn noting(format: &Format, out: W) -> Self {
        Self { parts: Some(Vec::new()), ..Self::new(format, out) }
    }

    /// Where each part was written, with its number, in order.
    pub fn take_parts(&mut self) -> Vec<(Range<usize>, u32)> {
        self.parts.take().unwrap_or_default()
    }

    /// Ends the artifact. After an error, the emitter tells whether a value was refused.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.state != State::Literal {
            return Err(malformed());
        }
        let partial = std::mem::take(&mut self.partial);
        self.text(&partial)?;
        self.emitter.finish()
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        match self.state {
            State::Literal => {
                self.emitter.literal(text)?;
                self.position += text.len();
            }
            // A head is a letter and at most ten digits.
            State::Head if self.head.len() + text.len() > 11 => return Err(malformed()),
            State::Head => self.head.extend_from_slice(text),
            State::Value => self.value.extend_from_slice(text),
        }
        Ok(())
    }

    fn mark(&mut self, byte: u8) -> io::Result<()> {
        self.state = match (self.state, byte) {
            (State::Literal, mark::START_BYTE) => State::Head,
            (State::Head, mark::SEPARATOR_BYTE) => State::Value,
            (State::Value, mark::END_BYTE) => {
                let (kind, expression) = mark::head(&self.head).ok_or_else(malformed)?;
                let text = std::str::from_utf8(&self.value).map_err(|_| malformed())?;
                self.emitter.value(&Emitted { expression, kind, text })?;
                let start = self.position;
                self.position += self.emitter.written.len();
                if let Some(parts) = &mut self.parts {
                    parts.push((start..self.position, expression));
                }
                self.head.clear();
                self.value.clear();
                State::Literal
            }
            _ => return Err(malformed()),
        };
        Ok(())
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, mark::Malformed)
}

impl<W: io::Write> io::Write for MarkReader<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let joined;
        let mut rest = if self.partial.is_empty() {
            piece
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(piece);
            joined = bytes;
            &joined
        };
        // Nothing before `from` needs another look.
        let mut from = 0;
        while let Some(found) = memchr::memchr(mark::PREFIX[0], &rest[from..]) {
            let at = from + found;
            match rest[at..] {
                [_, second, third, ..]
                    if second == mark::PREFIX[1] && (mark::START_BYTE..=mark::END_BYTE).contains(&third) =>
                {
                    self.text(&rest[..at])?;
                    self.mark(third)?;
                    rest = &rest[at + 3..];
                    from = 0;
                }
                [_] => {
                    self.partial.extend_from_slice(&rest[at..]);
                    rest = &rest[..at];
                    break;
                }
                [_, second] if second == mark::PREFIX[1] => {
                    self.partial.extend_from_slice(&rest[at..]);
                    rest = &rest[..at];
                    break;
                }
                _ => from = at + 1,
            }
        }
        self.text(rest)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.emitter.flush()?;
        self.emitter.out.flush()
    }
}

#[cfg(test)]
mod tests;
