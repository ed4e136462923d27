//! Cuts a template into tokens that tile it.

use std::ops::Range;

use super::{Delimiters, SyntaxError};

/// A piece of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands; never empty.
    pub range: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Text outside of tags.
    Text,
    /// A whole comment.
    Comment,
    /// A whole `{% raw %}` tag.
    RawStart,
    /// What a raw block holds.
    RawText,
    /// A whole `{% endraw %}` tag.
    RawEnd,
    /// `{{` or `{{-`.
    PrintStart,
    /// `}}` or `-}}`; or what stands in its place, with an error.
    PrintEnd,
    /// `{%` or `{%-`.
    TagStart,
    /// `%}` or `-%}`; or what stands in its place, with an error.
    TagEnd,
    /// White space inside a tag.
    Space,
    /// A name or a word of the language.
    Name,
    /// `true`, `false`, `True`, `False`.
    Bool,
    /// Digits.
    Integer,
    /// Digits with a dot behind or among them.
    Float,
    /// A string with its quotes.
    Quoted,
    /// An operator or a bracket.
    Symbol,
    /// What cannot be read; an error tells why.
    Unknown,
}

/// The length of the operator or bracket that a text begins with; the longest counts.
fn symbol(text: &[u8]) -> Option<usize> {
    match text {
        b"" => None,
        [b'.', b'.', b'.', ..] => Some(3),
        [b'/' | b'<', b'/', ..] | [b'*', b'*', ..] | [b'=' | b'!' | b'>' | b'<', b'=', ..] => Some(2),
        [b'?', next, ..] => matches!(next, b'.' | b'[').then_some(2),
        [first, ..] => b"+-*/%!.,:~|=><()[]{}@".contains(first).then_some(1),
    }
}

/// With more errors than this, what follows a string that is never closed is not looked at.
const MOST_ERRORS: usize = 20;

/// The tokens of a template, and what could not be read.
pub(super) fn template(source: &str, delimiters: Delimiters) -> (Vec<Token>, Vec<SyntaxError>) {
    let mut lexer = Lexer::new(source, delimiters);
    lexer.template();
    (lexer.tokens, lexer.errors)
}

/// The tokens of a text that is a single expression, and what could not be read.
pub(super) fn expression(source: &str) -> (Vec<Token>, Vec<SyntaxError>) {
    let mut lexer = Lexer::new(source, Delimiters::Curly);
    lexer.inside(None);
    (lexer.tokens, lexer.errors)
}

struct Lexer<'a> {
    source: &'a str,
    delimiters: Delimiters,
    position: usize,
    tokens: Vec<Token>,
    errors: Vec<SyntaxError>,
}

impl<'a> Lexer<'a> {
    fn new(source: &'a str, delimiters: Delimiters) -> Self {
        Self { source, delimiters, position: 0, tokens: Vec::new(), errors: Vec::new() }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.position..]
    }

    /// Makes a token of the next `length` bytes; none of none.
    fn push(&mut self, kind: TokenKind, length: usize) {
        if length > 0 {
            let range = self.position..self.position + length;
            self.position = range.end;
            self.tokens.push(Token { kind, range });
        }
    }

    fn template(&mut self) {
        let (print, tag, comment) =
            (self.delimiters.print(), self.delimiters.tag(), self.delimiters.comment());
        while !self.rest().is_empty() {
            let rest = self.rest();
            // The `-` of `{{-`.
            let start = if rest.as_bytes().get(2) == Some(&b'-') { 3 } else { 2 };
            if rest.starts_with(print.0) {
                self.push(TokenKind::PrintStart, start);
                self.inside(Some((TokenKind::PrintEnd, print.1)));
            } else if rest.starts_with(tag.0) {
                if let Some(length) = lone_tag(&rest[start..], "raw", tag.1) {
                    self.raw(start + length);
                } else {
                    self.push(TokenKind::TagStart, start);
                    self.inside(Some((TokenKind::TagEnd, tag.1)));
                }
            } else if rest.starts_with(comment.0) {
                let length = rest[start..].find(comment.1).map(|at| start + at + 2);
                if length.is_none() {
                    self.errors.push(
                        SyntaxError::new(self.position..self.position + 2, "this comment is never closed")
                            .hint(format!("close it with `{}`", comment.1)),
                    );
                }
                self.push(TokenKind::Comment, length.unwrap_or(rest.len()));
            } else {
                self.push(TokenKind::Text, self.text(rest));
            }
        }
    }

    /// How many bytes there are before the next opening delimiter.
    fn text(&self, rest: &str) -> usize {
        let openers = [self.delimiters.print().0, self.delimiters.tag().0, self.delimiters.comment().0];
        let first = char::from(self.delimiters.print().0.as_bytes()[0]);
        rest.match_indices(first)
            .map(|(at, _)| at)
            .find(|at| openers.iter().any(|opener| rest[*at..].starts_with(opener)))
            .unwrap_or(rest.len())
    }

    /// A raw block, of which the first tag is `start` bytes long.
    fn raw(&mut self, start: usize) {
        let (open, close) = self.delimiters.tag();
        let opening = self.position..self.position + start;
        self.push(TokenKind::RawStart, start);
        let rest = self.rest();
        let end = rest.match_indices(open).find_map(|(at, _)| {
            Some((at, open.len() + lone_tag(&rest[at + open.len()..], "endraw", close)?))
        });
        if let Some((at, length)) = end {
            self.push(TokenKind::RawText, at);
            self.push(TokenKind::RawEnd, length);
        } else {
            self.push(TokenKind::RawText, rest.len());
            self.errors.push(
                SyntaxError::new(opening, "this raw block is never closed")
                    .hint(format!("add `{open} endraw {close}`")),
            );
        }
    }

    /// What stands between the delimiters of a tag, up to its `end` and with it; without one, all there is.
    fn inside(&mut self, end: Option<(TokenKind, &str)>) {
        // How many brackets are open of the kind that also ends tags.
        let mut brackets = 0_usize;
        while let Some(&first) = self.rest().as_bytes().first() {
            let rest = self.rest();
            if let Some((kind, close)) = end {
                let dash = usize::from(first == b'-');
                let next = rest.as_bytes().get(dash);
                if next == close.as_bytes().first() && rest[dash..].starts_with(close) {
                    self.push(kind, dash + close.len());
                    return;
                }
                if brackets == 0
                    && let Some(length) = self.wrong_end(&rest[dash..], close)
                {
                    // What follows is not looked at as if it still stood in the tag.
                    let found = self.position + dash..self.position + dash + length;
                    let message = format!("expected `{close}`, found `{}`", &self.source[found.clone()]);
                    self.errors.push(SyntaxError::new(found, message));
                    self.push(kind, dash + length);
                    return;
                }
            }
            let count = |included: fn(&u8) -> bool| rest.bytes().take_while(included).count();
            match first {
                _ if first.is_ascii_whitespace() => {
                    self.push(TokenKind::Space, count(u8::is_ascii_whitespace));
                }
                b'0'..=b'9' => {
                    let digits = count(u8::is_ascii_digit);
                    if rest.as_bytes().get(digits) == Some(&b'.') {
                        let fraction = rest.bytes().skip(digits + 1).take_while(u8::is_ascii_digit).count();
                        self.push(TokenKind::Float, digits + 1 + fraction);
                    } else {
                        self.push(TokenKind::Integer, digits);
                    }
                }
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                    let length = count(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                    let text = &rest[..length];
                    if text.starts_with("__") {
                        self.errors.push(SyntaxError::new(
                            self.position..self.position + length,
                            format!("`{text}` begins with `__`, which is kept for the engine"),
                        ));
                    }
                    let truth = matches!(text, "true" | "True" | "false" | "False");
                    self.push(if truth { TokenKind::Bool } else { TokenKind::Name }, length);
                }
                b'\'' | b'"' | b'`' => self.quoted(first, end.map(|(_, close)| close)),
                _ => {
                    if let Some(length) = symbol(rest.as_bytes()) {
                        let (open, close) = self.delimiters.print();
                        let last = rest.as_bytes().get(length - 1);
                        if last == open.as_bytes().first() {
                            brackets += 1;
                        } else if last == close.as_bytes().first() {
                            brackets = brackets.saturating_sub(1);
                        }
                        self.push(TokenKind::Symbol, length);
                    } else {
                        self.unknown();
                    }
                }
            }
        }
    }

    /// The length of what a text begins with, if it ends a tag of another kind, or this one with a part missing.
    fn wrong_end(&self, rest: &str, close: &str) -> Option<usize> {
        let ends = [self.delimiters.print().1, self.delimiters.tag().1, self.delimiters.comment().1];
        let other = ends.iter().find(|end| rest.starts_with(**end));
        other.map(|end| end.len()).or_else(|| rest.starts_with(&close[1..]).then_some(1))
    }

    fn quoted(&mut self, quote: u8, close: Option<&str>) {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let ends = !escaped && byte == quote;
            escaped = !escaped && byte == b'\\';
            ends
        });
        if let Some(end) = end {
            self.push(TokenKind::Quoted, end + 2);
        } else {
            let quote = char::from(quote);
            self.errors.push(
                SyntaxError::new(self.position..self.position + 1, "this string is never closed")
                    .hint(format!("close it with `{quote}`")),
            );
            // Each attempt reads to the end, so there are not many.
            let close = close.filter(|_| self.errors.len() < MOST_ERRORS);
            let length = close.and_then(|close| rest.find(close)).unwrap_or(rest.len());
            self.push(TokenKind::Unknown, length);
        }
    }

    fn unknown(&mut self) {
        let found = self.rest().chars().next().unwrap_or_default();
        // Of several in a row, the first is told.
        if self.tokens.last().is_none_or(|token| token.kind != TokenKind::Unknown) {
            let error = SyntaxError::new(
                self.position..self.position + found.len_utf8(),
                format!("`{}` means nothing here", found.escape_debug()),
            );
            self.errors.push(match found {
                '&' => error.hint("write `and`"),
                _ => error,
            });
        }
        self.push(TokenKind::Unknown, found.len_utf8());
    }
}

/// The length of a tag that is only `word`, counted from behind its opening delimiter.
fn lone_tag(rest: &str, word: &str, close: &str) -> Option<usize> {
    let spaces =
        |text: &'_ str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
    let mut at = usize::from(rest.starts_with('-'));
    at += spaces(&rest[at..]);
    at += rest[at..].starts_with(word).then_some(word.len())?;
    at += spaces(&rest[at..]);
    at += usize::from(rest[at..].starts_with('-'));
    rest[at..].starts_with(close).then_some(at + close.len())
}
