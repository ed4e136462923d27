//! The lexical structure of formats that are made of statements and words, as data: where a comment begins, what
//! quotes hold, what ends a statement, and what a value may be in which word.
//!
//! One machine, [`Follower`], goes through the text byte by byte. It decides how a value enters ([`Writer`]), and it
//! takes a whole artifact apart into [`Statement`]s, which the formats judge.

use std::ops::Range;

use super::json::excerpt;
use super::mark::{Emitted, Kind};
use super::text::{invisible, one_line};
use super::{Fault, Refused, Writer};

/// The lexical structure of a format.
#[derive(Debug)]
pub(crate) struct Lexis {
    /// What values are printed into, for messages.
    pub(super) place: &'static str,
    /// The bytes that begin a comment, which goes on to the end of the line.
    pub(super) comments: &'static [u8],
    /// Where they do.
    pub(super) comment_at: CommentAt,
    /// Whether what stands first in a comment may be more than a comment.
    pub(super) directives: bool,
    /// Its quotes.
    pub(super) quotes: &'static [Quote],
    /// Whether a backslash outside of quotes makes the next byte mean nothing.
    pub(super) escapes: bool,
    /// Whether what stands behind a `=` counts as the start of a word.
    pub(super) assigns: bool,
    /// How lines make statements.
    pub(super) lines: Lines,
    /// The bytes that end a statement beside the ends of lines.
    pub(super) ends: &'static [u8],
    /// What a value may be, given the text of the statement before it.
    pub(super) words: fn(before: &[u8]) -> &'static Words,
}

impl Lexis {
    /// Statements in lines of their own, with comments behind `#` that fill a line, without quotes and escapes.
    pub(super) const LINES: Self = Self {
        place: "a file",
        comments: b"#",
        comment_at: CommentAt::Line,
        directives: false,
        quotes: &[],
        escapes: false,
        assigns: false,
        lines: Lines::End,
        ends: b"",
        words: |_| &Words::WORD,
    };
}

/// Where a byte begins a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentAt {
    /// Where nothing but white space stands before it in its line.
    Line,
    /// Where a word would begin.
    Word,
    /// Everywhere outside of quotes.
    Anywhere,
}

/// What the end of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// White space.
    Space,
    /// The end of a statement.
    End,
    /// The end of a statement, unless the next line begins with white space.
    Continued,
    /// The end of a statement, unless a parenthesis is open.
    Grouped,
}

/// A kind of quotes.
#[derive(Debug)]
pub(super) struct Quote {
    pub(super) open: u8,
    pub(super) close: u8,
    /// Whether a backslash in it makes the next byte mean nothing.
    pub(super) escapes: bool,
    /// Whether it opens within a word too.
    pub(super) within: bool,
    /// Appends a character of a value as it has to stand in the quotes; false where there is no way.
    pub(super) write: fn(char, &mut String) -> bool,
    /// How many bytes it may hold, if there is a limit: what is more goes on in another.
    pub(super) limit: Option<usize>,
}

/// What a value may be in a word.
#[derive(Debug)]
pub(super) struct Words {
    /// Whether it may be more than one word, or nothing.
    pub(super) free: bool,
    /// What its characters may be, beyond what the lexis refuses.
    pub(super) allowed: fn(char) -> bool,
    /// With what it may not begin where it begins the word.
    pub(super) leading: &'static str,
    /// What it may not be, because that means something else than a name.
    pub(super) reserved: &'static [&'static str],
    /// Whether it may be what this accepts, whatever the rest says.
    pub(super) whole: Option<fn(&str) -> bool>,
}

impl Words {
    /// One word.
    pub(super) const WORD: Self =
        Self { free: false, allowed: |_| true, leading: "-", reserved: &[], whole: None };
    /// Text up to the end of the line.
    pub(super) const TEXT: Self = Self { free: true, leading: "", ..Self::WORD };
    /// A name of letters, digits and underscores.
    pub(super) const NAME: Self =
        Self { allowed: |character| character.is_ascii_alphanumeric() || character == '_', ..Self::WORD };
}

/// Appends a character that double quotes hold, with a backslash where it needs one.
pub(super) fn backslashed(character: char, out: &mut String) -> bool {
    if matches!(character, '"' | '\\') {
        out.push('\\');
    }
    out.push(character);
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The start of a line.
    Line,
    Space,
    Word,
    Quoted(usize),
    Comment,
}

/// Goes through the text of an artifact.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Follower {
    lexis: &'static Lexis,
    place: Place,
    escaped: bool,
    /// Whether the line has nothing but white space so far.
    blank: bool,
    /// The text of the statement so far.
    before: Vec<u8>,
    /// How many bytes the open quotes hold.
    quoted: usize,
    /// How many parentheses are open.
    grouped: usize,
    /// What ended a statement just before.
    ended: Option<u8>,
    /// Whether the last value was nothing where a word has to be.
    nothing: bool,
    /// What the word before may not be, if it ends with a value.
    reserved: &'static [&'static str],
    /// Whether the comment has nothing but white space so far.
    bare_comment: bool,
}

impl Follower {
    pub(super) fn new(lexis: &'static Lexis) -> Self {
        Self {
            lexis,
            place: Place::Line,
            escaped: false,
            blank: true,
            before: Vec::new(),
            quoted: 0,
            grouped: 0,
            ended: None,
            nothing: false,
            reserved: &[],
            bare_comment: false,
        }
    }

    fn step(&mut self, byte: u8) {
        self.ended = None;
        match self.place {
            Place::Comment => {
                self.bare_comment &= byte.is_ascii_whitespace();
                if byte == b'\n' {
                    self.line_end();
                }
            }
            Place::Quoted(number) => {
                let quote = &self.lexis.quotes[number];
                self.before.push(byte);
                self.quoted += 1;
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' && quote.escapes {
                    self.escaped = true;
                } else if byte == quote.close {
                    self.place = Place::Word;
                }
            }
            _ if self.escaped => {
                self.escaped = false;
                self.before.push(byte);
                self.place = if byte == b'\n' { Place::Space } else { Place::Word };
            }
            _ => self.bare_step(byte),
        }
    }

    fn bare_step(&mut self, byte: u8) {
        if byte == b'\n' {
            return self.line_end();
        }
        if byte == b' ' || byte == b'\t' || byte == b'\r' {
            self.place = Place::Space;
            self.before.push(byte);
            return;
        }
        if self.begins_comment(byte) {
            (self.place, self.bare_comment) = (Place::Comment, true);
            return;
        }
        self.begin_statement();
        self.blank = false;
        if self.lexis.ends.contains(&byte) {
            self.end(byte);
            return;
        }
        if self.lexis.lines == Lines::Grouped && (byte == b'(' || byte == b')') {
            self.grouped = if byte == b'(' { self.grouped + 1 } else { self.grouped.saturating_sub(1) };
            self.before.push(byte);
            self.place = Place::Space;
            return;
        }
        if byte == b'\\' && self.lexis.escapes {
            self.escaped = true;
        }
        let begins = self.begins_word();
        let quote = self.lexis.quotes.iter().position(|quote| quote.open == byte && (quote.within || begins));
        self.before.push(byte);
        self.quoted = 0;
        self.place = quote.map_or(Place::Word, Place::Quoted);
    }

    fn begins_comment(&self, byte: u8) -> bool {
        self.lexis.comments.contains(&byte)
            && match self.lexis.comment_at {
                CommentAt::Line => self.blank,
                CommentAt::Word => self.place != Place::Word,
                CommentAt::Anywhere => true,
            }
    }

    /// Something other than white space and a comment follows: at the start of a line, it is of another statement.
    fn begin_statement(&mut self) {
        if self.place == Place::Line && self.lexis.lines == Lines::Continued && !self.before.is_empty() {
            self.end(b'\n');
        }
    }

    fn line_end(&mut self) {
        match self.lexis.lines {
            Lines::End => self.end(b'\n'),
            Lines::Grouped if self.grouped == 0 => self.end(b'\n'),
            Lines::Space | Lines::Continued | Lines::Grouped => self.before.push(b'\n'),
        }
        self.place = Place::Line;
        self.blank = true;
    }

    fn end(&mut self, byte: u8) {
        self.before.clear();
        self.ended = Some(byte);
        self.place = Place::Space;
    }

    fn begins_word(&self) -> bool {
        self.place != Place::Word || self.lexis.assigns && self.before.ends_with(b"=")
    }

    fn is_in_word(&self) -> bool {
        matches!(self.place, Place::Word | Place::Quoted(_)) || self.escaped
    }

    /// Whether a byte leaves a word out where nothing was printed.
    fn separates(&self, byte: u8) -> bool {
        byte.is_ascii_whitespace() || self.lexis.ends.contains(&byte)
    }

    fn quoted_value(&mut self, number: usize, text: &str, out: &mut String) -> Result<(), Refused> {
        let quote = &self.lexis.quotes[number];
        for (at, character) in text.char_indices() {
            let start = out.len();
            if !(quote.write)(character, out) {
                let place = format!("quotes of {}", self.lexis.place);
                let refused = Refused::character(at, character, &what(character), &place);
                return Err(Refused {
                    hint: "change the value: these quotes have no way to hold it",
                    ..refused
                });
            }
            let more = out.len() - start;
            if quote.limit.is_some_and(|limit| self.quoted + width(&out[start..]) > limit) {
                out.insert_str(start, "\" \"");
                self.quoted = 0;
            }
            self.quoted += width(&out[out.len() - more..]);
        }
        self.before.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn bare_value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        let text = value.text;
        self.begin_statement();
        let words = (self.lexis.words)(self.before.trim_ascii_start());
        let begins = self.begins_word();
        self.nothing =
            text.is_empty() && self.place != Place::Word && (!words.free || self.place == Place::Line);
        if text.is_empty() {
            return Ok(());
        }
        if words.whole.is_some_and(|accepts| accepts(text)) {
            one_line(text, self.lexis.place)?;
        } else {
            self.judge(words, value, begins)?;
        }
        out.push_str(text);
        self.before.extend_from_slice(text.as_bytes());
        (self.place, self.blank, self.reserved) = (Place::Word, false, words.reserved);
        Ok(())
    }

    /// Refuses a word that ends with a value and means something else than a name, whatever it is put together from.
    fn end_word(&mut self, next: Option<u8>) -> Result<(), Refused> {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let reserved = std::mem::take(&mut self.reserved);
        let start = self.before.iter().rposition(|byte| !is_name(byte)).map_or(0, |at| at + 1);
        let word = &self.before[start..];
        let is_reserved = |known: &&str| known.as_bytes().eq_ignore_ascii_case(word);
        if next.is_some_and(|byte| is_name(&byte)) || !reserved.iter().any(is_reserved) {
            return Ok(());
        }
        Err(Refused {
            hint: "change the value, or write the word into the template",
            ..Refused::value(format!(
                "`{}` is printed into {}, where it is no name",
                String::from_utf8_lossy(word),
                self.lexis.place
            ))
        })
    }

    /// Refuses a value that would be more than its place has room for.
    fn judge(&self, words: &Words, value: &Emitted<'_>, begins: bool) -> Result<(), Refused> {
        let (text, place) = (value.text, self.lexis.place);
        let mut before = if begins { ' ' } else { 'a' };
        for (at, character) in text.char_indices() {
            let refused = invisible(character).is_some()
                || character.is_whitespace() && !words.free
                || self.is_structure(character)
                || self.is_comment(character, before, at == 0)
                || at == 0
                    && begins
                    && words.leading.contains(character)
                    && value.kind != Kind::Literal
                    && text != "-"
                || !(character.is_whitespace() || (words.allowed)(character));
            if refused {
                let mut refused = Refused::character(at, character, &what(character), place);
                if at == 0 && begins && words.leading.contains(character) {
                    refused.message = format!(
                        "a value that begins with `{character}` is printed into {place}, where it would say more than a word"
                    );
                }
                let takes = |quote: &Quote| (quote.write)(character, &mut String::new());
                let quotable = begins && self.lexis.quotes.iter().any(takes);
                return Err(if quotable { Refused { hint: QUOTE, ..refused } } else { refused });
            }
            before = character;
        }
        Ok(())
    }

    fn is_structure(&self, character: char) -> bool {
        let Ok(byte) = u8::try_from(character) else { return false };
        self.lexis.ends.contains(&byte)
            || byte == b'\\' && self.lexis.escapes
            || self.lexis.quotes.iter().any(|quote| quote.open == byte || quote.close == byte)
            || self.lexis.lines == Lines::Grouped && matches!(byte, b'(' | b')')
    }

    fn is_comment(&self, character: char, before: char, first: bool) -> bool {
        let Ok(byte) = u8::try_from(character) else { return false };
        self.lexis.comments.contains(&byte)
            && match self.lexis.comment_at {
                CommentAt::Line => first && self.blank,
                CommentAt::Word => before.is_whitespace(),
                CommentAt::Anywhere => true,
            }
    }
}

const QUOTE: &str = "put quotes around the expression, change the value, or print it as it is with `| raw`";

/// How many bytes a written character stands for: an escape is one.
fn width(written: &str) -> usize {
    if written.starts_with('\\') { written.matches('\\').count().max(1) } else { written.len() }
}

/// A character, for messages.
fn what(character: char) -> String {
    match invisible(character) {
        Some(what) => what.to_owned(),
        None if character.is_whitespace() => "white space".to_owned(),
        None => format!("`{character}`"),
    }
}

impl Writer for Follower {
    fn literal(&mut self, text: &[u8]) -> Result<(), Refused> {
        let Some(&first) = text.first() else { return Ok(()) };
        if std::mem::take(&mut self.nothing) && self.separates(first) {
            return Err(empty(self.lexis.place));
        }
        self.end_word(Some(first))?;
        for &byte in text {
            self.step(byte);
        }
        Ok(())
    }

    fn value(&mut self, value: &Emitted<'_>, out: &mut String) -> Result<(), Refused> {
        if self.escaped {
            return Err(Refused::ambiguous(
                "a value stands behind a backslash",
                "write the backslash twice, or take it away",
            ));
        }
        match self.place {
            Place::Comment if self.lexis.directives && self.bare_comment => Err(Refused::ambiguous(
                "a value stands first in a comment, where it could be a directive",
                "write a word before it",
            )),
            Place::Comment => {
                one_line(value.text, "a comment")?;
                out.push_str(value.text);
                Ok(())
            }
            Place::Quoted(number) => self.quoted_value(number, value.text, out),
            Place::Line | Place::Space | Place::Word => self.bare_value(value, out),
        }
    }

    fn finish(&mut self) -> Result<(), Refused> {
        if self.nothing { Err(empty(self.lexis.place)) } else { self.end_word(None) }
    }
}

fn empty(place: &str) -> Refused {
    Refused {
        hint: "give it a value, or leave the words around it out with `{% if … %}`",
        ..Refused::value(format!("an empty value is printed into {place} where a word has to be"))
    }
}

/// A statement of an artifact: words, as they are written, and what ends it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement<'t> {
    pub(crate) words: Vec<Word<'t>>,
    /// The byte that ends it; a line break also at the end of the artifact.
    pub(crate) end: u8,
    /// Where it ends.
    pub(crate) end_at: usize,
}

/// A word of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'t> {
    pub(crate) at: usize,
    pub(crate) text: &'t str,
}

impl Statement<'_> {
    /// Where it begins.
    pub(crate) fn at(&self) -> usize {
        self.words.first().map_or(self.end_at, |word| word.at)
    }

    /// The text of a word; nothing where there are fewer.
    pub(crate) fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", |word| word.text)
    }
}

/// Takes an artifact apart.
pub(crate) fn statements<'t>(lexis: &'static Lexis, artifact: &'t [u8]) -> Result<Vec<Statement<'t>>, Fault> {
    let text = std::str::from_utf8(artifact)
        .map_err(|error| Fault { offset: error.valid_up_to(), message: "this is no UTF-8".to_owned() })?;
    let mut follower = Follower::new(lexis);
    let mut list = Vec::new();
    let mut words: Vec<Word<'t>> = Vec::new();
    let mut start = None;
    let mut opened = 0;
    let word = |range: Range<usize>| Word { at: range.start, text: &text[range] };
    for (at, &byte) in artifact.iter().enumerate() {
        let was_open = matches!(follower.place, Place::Quoted(_));
        follower.step(byte);
        let is_in_word = follower.is_in_word();
        if let Some(from) = start.filter(|_| !is_in_word || follower.ended.is_some()) {
            words.push(word(from..at));
            start = None;
        }
        if let Some(end) = follower.ended.filter(|end| !words.is_empty() || *end != b'\n') {
            list.push(Statement { words: std::mem::take(&mut words), end, end_at: at });
        }
        if is_in_word && start.is_none() {
            start = Some(at);
        }
        if !was_open && matches!(follower.place, Place::Quoted(_)) {
            opened = at;
        }
    }
    if let Place::Quoted(number) = follower.place {
        let message = format!("the quote `{}` is never closed", char::from(lexis.quotes[number].open));
        return Err(Fault { offset: opened, message });
    }
    if follower.grouped > 0 {
        return Err(Fault { offset: artifact.len(), message: "a parenthesis is never closed".to_owned() });
    }
    words.extend(start.map(|from| word(from..artifact.len())));
    if !words.is_empty() {
        list.push(Statement { words, end: b'\n', end_at: artifact.len() });
    }
    Ok(list)
}

/// Whether all blocks in braces are closed, and none is closed that was not opened.
pub(super) fn balanced(statements: &[Statement<'_>]) -> Result<(), Fault> {
    let mut open = Vec::new();
    for statement in statements {
        match statement.end {
            b'{' => open.push(statement.end_at),
            b'}' if open.pop().is_none() => {
                return Err(Fault {
                    offset: statement.end_at,
                    message: "a `}` closes what nothing has opened".to_owned(),
                });
            }
            _ => {}
        }
    }
    match open.last() {
        None => Ok(()),
        Some(&offset) => Err(Fault { offset, message: "this `{` is never closed".to_owned() }),
    }
}

/// A fault of a statement.
pub(super) fn fault(statement: &Statement<'_>, message: impl Into<String>) -> Fault {
    Fault { offset: statement.at(), message: message.into() }
}

/// A word of a statement that is wrong, with what was expected.
pub(super) fn unexpected(word: Word<'_>, expected: &str) -> Fault {
    Fault { offset: word.at, message: format!("expected {expected}, found `{}`", excerpt(word.text)) }
}
