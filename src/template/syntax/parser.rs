//! Reads tokens into nodes and expressions.
//!
//! Expressions are read by precedence climbing: an operator has a power to its left and to its right, and takes
//! what binds tighter. A mistake in a tag skips the rest of that tag, so that one run tells all of them.

use std::collections::HashMap;
use std::ops::Range;

use super::lexer::{self, Token, TokenKind};
use super::{
    Argument, BinaryOperator, Branch, ComponentArgument, ComponentCall, ComponentDefinition, Delimiters,
    Entry, Expression, ExpressionId, ExpressionKind, FilterCall, Item, LoopField, Name, Node, NodeKind,
    Parameter, SyntaxError, Tree, UnaryOperator, walk,
};
use crate::diagnostic::nearest;

/// How deep expressions, and bodies of tags, may nest. This and the next three are Tera's limits.
const MOST_DEPTH: usize = 40;
/// How many operators and accesses an expression may have.
const MOST_OPERATORS: usize = 256;
/// How deep arrays may nest.
const MOST_ARRAYS: usize = 2;
/// How deep indexes may nest.
const MOST_BRACKETS: usize = 4;
/// Tera nests each `elif` in the one before it, without a limit, and its stack ends.
const MOST_ELIFS: usize = 100;

/// Names that no variable can have.
const RESERVED: [&str; 16] = [
    "true", "True", "false", "False", "loop", "self", "and", "or", "not", "is", "in", "continue", "break",
    "none", "None", "null",
];

/// The types that a component's parameter can have.
const TYPES: [&str; 8] = ["string", "bool", "integer", "float", "number", "array", "map", "bytes"];

/// The words that begin a tag.
const TAGS: [&str; 12] = [
    "set",
    "set_global",
    "include",
    "extends",
    "block",
    "for",
    "if",
    "filter",
    "component",
    "break",
    "continue",
    "raw",
];

/// The words that end a body.
const CLOSERS: [&str; 9] =
    ["elif", "else", "endif", "endfor", "endblock", "endset", "endfilter", "endcomponent", "</"];

/// What to do about an argument that is only a value.
const BY_NAME: &str = "arguments are given by name: `name=value`";

/// A minus binds tighter than any operator but an index; `not` as `in` does.
const MINUS: u8 = 20;
const NOT: u8 = 5;
const TERNARY: u8 = 0;
const TEST: u8 = 5;
const IN: (u8, u8) = (5, 6);
const FILTER: u8 = 17;

/// Reads a template.
///
/// What Tera 2.4 accepts is accepted and means the same, except:
/// - a name that begins with `__`, `__tera_context` among them;
/// - text or a string that holds one of the Unicode noncharacters U+FDD0 to U+FDEF, which mark values while an
///   artifact is rendered;
/// - a byte order mark before the first character, which Tera prints;
/// - an argument that a component's call gives twice;
/// - `extends`, or the definition of a component, in the `else` of a `for` (Tera takes it as if it stood outside);
/// - a field of `loop` that is not taken from `loop` itself, as in `loop.index.first` or `loop[0].last` (Tera
///   forgets what stands before);
/// - `loop.index` and its siblings in what the outermost `for` walks, where there is no loop yet.
///
/// All mistakes that can be told apart are returned, in the order of their places.
pub fn parse(source: &str, delimiters: Delimiters) -> Result<Tree, Vec<SyntaxError>> {
    let (tokens, errors) = lexer::template(source, delimiters);
    let mut parser = Parser::new(source, delimiters, &tokens, errors);
    let mut nodes = parser.body(Place::Top, 0..0, &[]).unwrap_or_default();
    let mut errors = parser.errors;
    if source.starts_with('\u{feff}') {
        // Taken away in silence, it would be missing in the rare file that is meant to begin with one.
        errors.push(
            SyntaxError::new(0..'\u{feff}'.len_utf8(), "the template begins with a byte order mark")
                .hint("save it as UTF-8 without one: the mark would be written into the artifact"),
        );
    }
    if !errors.is_empty() {
        errors.sort_by_key(|error| error.range.start);
        return Err(errors);
    }
    let mut expressions = 0;
    walk::nodes(&mut nodes, &mut |expression| number(expression, &mut expressions));
    Ok(Tree { delimiters, nodes, expressions, source: source.to_owned(), tokens })
}

/// Reads a text that is a single expression, and tells how many it has with those within. It can stand in a tag,
/// but not always between `{{` and `}}`: a map in a map may end with `}}`.
pub fn parse_expression(source: &str) -> Result<(Expression, u32), SyntaxError> {
    let (tokens, errors) = lexer::expression(source);
    let mut parser = Parser::new(source, Delimiters::Curly, &tokens, errors);
    parser.skip_spaces();
    let result = parser.expression().and_then(|expression| {
        if parser.at_end() { Ok(expression) } else { Err(parser.expected("the end of the expression")) }
    });
    let first = parser.errors.into_iter().min_by_key(|error| error.range.start);
    match (result, first) {
        (Ok(mut expression), None) => {
            let mut expressions = 0;
            walk::expression(&mut expression, &mut |expression| number(expression, &mut expressions));
            Ok((expression, expressions))
        }
        (_, Some(error)) => Err(error),
        (Err(Failed), None) => {
            Err(SyntaxError::new(0..source.len(), format!("`{source}` is not an expression")))
        }
    }
}

fn number(expression: &mut Expression, count: &mut u32) {
    expression.id = ExpressionId(*count);
    *count += 1;
}

/// Something could not be read; the error is with the parser.
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// Names of one kind, and where each stands.
type Seen<'a> = HashMap<&'a str, Range<usize>>;

/// What a body belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Loop,
    /// The `else` of a loop.
    LoopElse,
    Block,
    If,
    Component,
    /// What is rendered to be used elsewhere, and its name.
    Capture(&'static str),
}

/// A body that is being read.
struct Open {
    place: Place,
    /// The tag that opened it.
    opening: Range<usize>,
    /// The words of the tags that end it, the last of them for good.
    closers: &'static [&'static str],
}

struct Parser<'a> {
    source: &'a str,
    delimiters: Delimiters,
    tokens: &'a [Token],
    /// The token to be read.
    next: usize,
    /// Where the token before ends.
    end: usize,
    errors: Vec<SyntaxError>,
    open: Vec<Open>,
    /// How many `elif` lead to this place.
    elifs: usize,
    /// How many operators the outermost expression has so far.
    operators: usize,
    depth: usize,
    arrays: usize,
    brackets: usize,
    /// Whether what a `for` walks is being read.
    in_target: bool,
    extends: Option<Range<usize>>,
    blocks: HashMap<String, Range<usize>>,
    components: HashMap<String, Range<usize>>,
    /// Whether tags may have been skipped, so that a missing or a superfluous end is no news.
    lost: bool,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, delimiters: Delimiters, tokens: &'a [Token], errors: Vec<SyntaxError>) -> Self {
        Self {
            source,
            delimiters,
            tokens,
            next: 0,
            end: 0,
            // An unclosed comment or raw block took the rest.
            lost: !errors.is_empty()
                && tokens.last().is_some_and(|token| {
                    matches!(token.kind, TokenKind::Comment | TokenKind::RawStart | TokenKind::RawText)
                }),
            errors,
            open: Vec::new(),
            elifs: 0,
            operators: 0,
            depth: 0,
            arrays: 0,
            brackets: 0,
            in_target: false,
            extends: None,
            blocks: HashMap::new(),
            components: HashMap::new(),
        }
    }

    // Tokens

    fn kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.next).map(|token| token.kind)
    }

    fn at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    fn range(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.source.len()..self.source.len(), |token| token.range.clone())
    }

    fn text(&self) -> &'a str {
        &self.source[self.range()]
    }

    /// Whether a word or a symbol is next.
    fn at(&self, text: &str) -> bool {
        self.text() == text
    }

    /// Goes on behind the next token and white space.
    fn bump(&mut self) -> Range<usize> {
        let range = self.range();
        self.end = range.end;
        self.next += 1;
        self.skip_spaces();
        range
    }

    fn skip_spaces(&mut self) {
        while self.kind() == Some(TokenKind::Space) {
            self.next += 1;
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        let eaten = self.at(text);
        if eaten {
            self.bump();
        }
        eaten
    }

    /// Whether what is next ends the tag, but not as it should, which is an error already.
    fn at_wrong_end(&self) -> bool {
        let right = match self.kind() {
            Some(TokenKind::PrintEnd) => self.delimiters.print().1,
            Some(TokenKind::TagEnd) => self.delimiters.tag().1,
            _ => return false,
        };
        !self.text().ends_with(right)
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.eat(text) { Ok(()) } else { Err(self.expected(&format!("`{text}`"))) }
    }

    // Errors

    fn fail(&mut self, error: SyntaxError) -> Failed {
        self.errors.push(error);
        Failed
    }

    fn expected(&mut self, what: &str) -> Failed {
        self.expected_with(what, None)
    }

    /// What is expected in place of the next token, with a hint unless that token has one.
    fn expected_with(&mut self, what: &str, hint: Option<&str>) -> Failed {
        if self.kind() == Some(TokenKind::Unknown) || self.at_wrong_end() {
            return Failed;
        }
        let mut range = self.range();
        let rest = &self.source[range.start..];
        let (print, tag, comment) =
            (self.delimiters.print(), self.delimiters.tag(), self.delimiters.comment());
        let delimiter = [print.0, print.1, tag.0, tag.1, comment.0, comment.1]
            .into_iter()
            .find(|delimiter| self.kind() == Some(TokenKind::Symbol) && rest.starts_with(delimiter));
        let found = match self.kind() {
            None => "the end".to_owned(),
            Some(TokenKind::Quoted) => "a string".to_owned(),
            _ => {
                range.end = delimiter.map_or(range.end, |delimiter| range.start + delimiter.len());
                format!("`{}`", &self.source[range.clone()])
            }
        };
        let hint = match self.text() {
            "!" => Some("write `not`"),
            "=" => Some("`==` compares"),
            "|" if self.source[..range.start].ends_with('|') => Some("write `or`"),
            _ => hint,
        };
        let error = SyntaxError::new(range, format!("expected {what}, found {found}"));
        self.fail(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    /// Skips what is left of a tag.
    fn skip_tag(&mut self) {
        let start = self.range().start;
        while let Some(kind) = self.kind() {
            self.bump();
            if matches!(kind, TokenKind::PrintEnd | TokenKind::TagEnd) {
                break;
            }
        }
        self.lost |= self.source[start..self.end.max(start)].contains(self.delimiters.tag().0);
        (self.arrays, self.brackets, self.in_target) = (0, 0, false);
    }

    // Bodies

    /// Reads nodes up to a tag that ends the body; that tag's start is read, its word is next. Nothing when there
    /// is no such tag.
    fn body(
        &mut self,
        place: Place,
        opening: Range<usize>,
        closers: &'static [&'static str],
    ) -> Option<Vec<Node>> {
        if self.open.len() == MOST_DEPTH {
            self.fail(SyntaxError::new(opening, format!("tags nest deeper than {MOST_DEPTH}")));
            self.next = self.tokens.len();
            self.lost = true;
            return None;
        }
        self.open.push(Open { place, opening: opening.clone(), closers });
        let nodes = self.nodes(&opening, closers);
        self.open.pop();
        nodes
    }

    fn nodes(&mut self, opening: &Range<usize>, closers: &[&str]) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        while let Some(kind) = self.kind() {
            let start = self.range().start;
            let read = match kind {
                TokenKind::Comment => {
                    self.bump();
                    Some(NodeKind::Comment)
                }
                TokenKind::PrintStart => {
                    self.bump();
                    self.tag_until(TokenKind::PrintEnd, Self::expression).map(NodeKind::Print)
                }
                TokenKind::TagStart => {
                    let word = self.tag_word();
                    if closers.contains(&word) {
                        self.bump();
                        return Some(nodes);
                    }
                    if CLOSERS.contains(&word) && self.open.iter().any(|open| open.closers.contains(&word)) {
                        self.crossed(opening, closers, word);
                        return None;
                    }
                    self.bump();
                    self.tag(start, &nodes)
                }
                _ => Some(self.literal()),
            };
            if let Some(kind) = read {
                let node = Node { range: start..self.end, kind };
                self.check_reached(&node);
                nodes.push(node);
            }
        }
        match closers.last() {
            None => Some(nodes),
            Some(closer) => {
                let closer = self.tag_text(closer);
                if !self.lost {
                    self.fail(
                        SyntaxError::new(opening.clone(), format!("`{closer}` is missing for this tag"))
                            .hint(format!("add `{closer}`")),
                    );
                }
                None
            }
        }
    }

    /// The word of the tag that is next.
    fn tag_word(&self) -> &'a str {
        self.tokens[self.next + 1..]
            .iter()
            .find(|token| token.kind != TokenKind::Space)
            .map_or("", |token| &self.source[token.range.clone()])
    }

    fn tag_text(&self, word: &str) -> String {
        let (open, close) = self.delimiters.tag();
        let word = if word == "</" { "</…>" } else { word };
        format!("{open} {word} {close}")
    }

    /// The tag that is next ends an outer body.
    fn crossed(&mut self, opening: &Range<usize>, closers: &[&str], word: &str) {
        if let Some(closer) = closers.last()
            && !self.lost
        {
            let (expected, found) = (self.tag_text(closer), self.tag_text(word));
            let start = self.range().start;
            let end = self.tokens[self.next..]
                .iter()
                .find(|token| token.kind == TokenKind::TagEnd)
                .map_or(self.source.len(), |token| token.range.end);
            self.fail(
                SyntaxError::new(start..end, format!("expected `{expected}`, found `{found}`"))
                    .related(opening.clone(), "opened here"),
            );
            self.lost = true;
        }
    }

    /// Text, or a raw block.
    fn literal(&mut self) -> NodeKind {
        let first = self.next;
        let raw = self.kind() == Some(TokenKind::RawStart);
        let mut trimmed = self.bump();
        if raw {
            trimmed = trimmed.end..trimmed.end;
            if self.kind() == Some(TokenKind::RawText) {
                trimmed = self.bump();
            }
            self.bump();
        }
        let last = self.next - 1;
        if self.trims_after(first) || (raw && self.dash_at_end(first)) {
            let text = &self.source[trimmed.clone()];
            trimmed.start = trimmed.end - text.trim_start().len();
        }
        if self.dash_at_start(self.next) || (raw && self.dash_at_start(last)) {
            let text = &self.source[trimmed.clone()];
            trimmed.end = trimmed.start + text.trim_end().len();
        }
        self.check_marks(trimmed.clone());
        NodeKind::Text { trimmed }
    }

    /// Whether a `-` before the token trims it. Comments let it through.
    fn trims_after(&self, token: usize) -> bool {
        let before = self.tokens[..token].iter().rposition(|token| token.kind != TokenKind::Comment);
        before.is_some_and(|before| self.dash_at_end(before))
            || (before.map_or(0, |before| before + 1)..token).any(|comment| self.dash_at_end(comment))
    }

    /// Whether the token begins a tag or a comment with a `-` behind its delimiter.
    fn dash_at_start(&self, token: usize) -> bool {
        self.tokens.get(token).is_some_and(|token| {
            !matches!(token.kind, TokenKind::Text | TokenKind::RawText)
                && self.source.as_bytes().get(token.range.start + 2) == Some(&b'-')
        })
    }

    /// Whether the token ends a tag or a comment with a `-` before its delimiter.
    fn dash_at_end(&self, token: usize) -> bool {
        self.tokens.get(token).is_some_and(|token| {
            let bytes = self.source[token.range.clone()].as_bytes();
            // The `-` of `{#-#}` belongs to its start.
            let start = match token.kind {
                TokenKind::PrintEnd | TokenKind::TagEnd => 0,
                TokenKind::Comment | TokenKind::RawStart | TokenKind::RawEnd => 3,
                _ => return false,
            };
            bytes.len().checked_sub(3).is_some_and(|dash| dash >= start && bytes[dash] == b'-')
        })
    }

    fn check_marks(&mut self, range: Range<usize>) {
        let mark = self.source[range.clone()]
            .char_indices()
            .find(|(_, char)| ('\u{fdd0}'..='\u{fdef}').contains(char));
        if let Some((at, char)) = mark {
            let start = range.start + at;
            self.fail(SyntaxError::new(
                start..start + char.len_utf8(),
                format!(
                    "U+{:04X} cannot stand in a template: it is a noncharacter that marks values",
                    u32::from(char)
                ),
            ));
        }
    }

    /// A child renders its parent: what is not in a block is lost.
    fn check_reached(&mut self, node: &Node) {
        if self.extends.is_none() || self.open.len() > 1 {
            return;
        }
        let lost = match &node.kind {
            NodeKind::Comment | NodeKind::Extends(_) | NodeKind::Block { .. } | NodeKind::Component(_) => {
                false
            }
            NodeKind::Text { trimmed } => !self.source[trimmed.clone()].trim().is_empty(),
            _ => true,
        };
        if lost {
            let range = match &node.kind {
                NodeKind::Text { trimmed } => {
                    let text = &self.source[trimmed.clone()];
                    let start = trimmed.end - text.trim_start().len();
                    start..trimmed.start + text.trim_end().len()
                }
                _ => node.range.clone(),
            };
            let error = SyntaxError::new(range, "this is never rendered: the template extends another")
                .hint("put it into a block of the parent");
            self.errors.push(match self.extends.clone() {
                Some(extends) => error.related(extends, "extends here"),
                None => error,
            });
        }
    }

    // Tags

    /// Reads the rest of a tag; of one that cannot be read, all is skipped, so that reading goes on behind it.
    fn tag_until<T>(&mut self, end: TokenKind, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Option<T> {
        let result = read(self).and_then(|read| {
            if self.kind() == Some(end) {
                self.bump();
                return Ok(read);
            }
            let close =
                if end == TokenKind::PrintEnd { self.delimiters.print().1 } else { self.delimiters.tag().1 };
            Err(self.expected(&format!("`{close}`")))
        });
        if result.is_err() {
            self.skip_tag();
        }
        result.ok()
    }

    fn head<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Option<T> {
        self.tag_until(TokenKind::TagEnd, read)
    }

    /// Reads the tag that ends a body, of which the word is next.
    fn close(&mut self) -> Option<()> {
        self.bump();
        self.head(|_| Ok(()))
    }

    /// Reads the tag that ends a body and may repeat its name.
    fn close_named(&mut self, name: &str) -> Option<()> {
        self.bump();
        self.head(
            |parser| {
                if parser.kind() == Some(TokenKind::Name) { parser.same_name(name) } else { Ok(()) }
            },
        )
    }

    fn same_name(&mut self, name: &str) -> Parsed<()> {
        let end = self.dotted_name()?;
        if end.text == name {
            return Ok(());
        }
        let message = format!("expected `{name}`, found `{}`", end.text);
        Err(self.fail(SyntaxError::new(end.range, message).hint("the end repeats the name of what it ends")))
    }

    /// Reads a tag, of which the word is next, and its body.
    fn tag(&mut self, start: usize, before: &[Node]) -> Option<NodeKind> {
        let word = self.text();
        match word {
            "set" | "set_global" => self.set(start, word == "set_global"),
            "include" => self.word(Self::quoted_name).map(NodeKind::Include),
            "extends" => self.extends(start, before),
            "block" => self.block(start),
            "for" => self.for_loop(start),
            "if" => self.condition(start),
            "filter" => {
                let filters = self.word(|parser| {
                    let mut filters = vec![parser.filter_call()?];
                    while parser.eat("|") {
                        filters.push(parser.filter_call()?);
                    }
                    Ok(filters)
                });
                let body = self.body(Place::Capture("a filter section"), start..self.end, &["endfilter"])?;
                self.close()?;
                Some(NodeKind::Filter { filters: filters?, body })
            }
            "component" => self.component(start).map(NodeKind::Component),
            "break" | "continue" => {
                self.word(|_| Ok(()))?;
                self.check_jump(start..self.end, word)?;
                Some(if word == "break" { NodeKind::Break } else { NodeKind::Continue })
            }
            "<" => {
                let call = self.word(|parser| {
                    let call = parser.component_call()?;
                    if parser.at("/") {
                        parser.lost = true;
                        let (print, close) = parser.delimiters.print();
                        let error = SyntaxError::new(parser.range(), "expected `>`, found `/`")
                            .hint(format!("without a body, a component is printed: `{print} <… /> {close}`"));
                        return Err(parser.fail(error));
                    }
                    parser.expect(">")?;
                    Ok(call)
                });
                let body = self.body(Place::Capture("a component's body"), start..self.end, &["</"])?;
                self.word(|parser| {
                    match &call {
                        Some(call) => parser.same_name(&call.name.text)?,
                        None => drop(parser.dotted_name()?),
                    }
                    parser.expect(">")
                })?;
                Some(NodeKind::Call { call: call?, body })
            }
            _ => {
                self.unknown_tag(start, word);
                self.skip_tag();
                None
            }
        }
    }

    /// Reads a tag's word, and the rest of it.
    fn word<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Option<T> {
        self.bump();
        self.head(read)
    }

    fn unknown_tag(&mut self, start: usize, word: &str) {
        if self.kind() == Some(TokenKind::Unknown) {
            return;
        }
        if CLOSERS.contains(&word) {
            if !self.lost {
                let end = self.range().end;
                let text = self.tag_text(word);
                self.fail(SyntaxError::new(start..end, format!("`{text}` closes nothing")));
            }
            return;
        }
        if self.kind() != Some(TokenKind::Name) {
            self.expected("the word of a tag");
            return;
        }
        // Whether it has a body is not known.
        self.lost = true;
        if word == "raw" {
            // One that is well-formed is a token of its own.
            self.bump();
            self.expected(&format!("`{}`", self.delimiters.tag().1));
            return;
        }
        let error = SyntaxError::new(self.range(), format!("`{word}` is not a tag"));
        let hint = match word {
            "macro" | "endmacro" | "import" => Some("Tera 2 has components: `component`".to_owned()),
            "elseif" | "elsif" => Some("did you mean `elif`?".to_owned()),
            _ => nearest(word, TAGS.into_iter().chain(CLOSERS)).map(|near| format!("did you mean `{near}`?")),
        };
        self.fail(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }

    fn set(&mut self, start: usize, global: bool) -> Option<NodeKind> {
        let (name, value, filters) = self.word(|parser| {
            let name = parser.variable_name()?;
            let (mut value, mut filters) = (None, Vec::new());
            if parser.eat("=") {
                value = Some(parser.expression()?);
            } else if parser.at("|") || parser.kind() == Some(TokenKind::TagEnd) {
                while parser.eat("|") {
                    filters.push(parser.filter_call()?);
                }
            } else {
                return Err(parser.expected("`=`"));
            }
            Ok((name, value, filters))
        })?;
        if let Some(value) = value {
            return Some(NodeKind::Set { name, value, global });
        }
        let body = self.body(Place::Capture("a `set` block"), start..self.end, &["endset"])?;
        self.close()?;
        Some(NodeKind::SetBlock { name, filters, body, global })
    }

    fn extends(&mut self, start: usize, before: &[Node]) -> Option<NodeKind> {
        let name = self.word(Self::quoted_name)?;
        let range = start..self.end;
        if let Some(first) = self.extends.clone() {
            let error =
                SyntaxError::new(range, "a template extends one other").related(first, "extends here");
            self.fail(error);
            return None;
        }
        if let [_, .., open] = self.open.as_slice() {
            let error = SyntaxError::new(range, "`extends` cannot stand within another tag")
                .related(open.opening.clone(), "within this");
            self.fail(error);
            return None;
        }
        let first = before.iter().find(|node| match &node.kind {
            NodeKind::Text { trimmed } => !self.source[trimmed.clone()].trim().is_empty(),
            NodeKind::Comment | NodeKind::Component(_) => false,
            _ => true,
        });
        if let Some(first) = first {
            let error = SyntaxError::new(range, "`extends` must be the first tag of a template")
                .related(first.range.clone(), "stands before it");
            self.fail(error);
            return None;
        }
        self.extends = Some(range);
        Some(NodeKind::Extends(name))
    }

    fn block(&mut self, start: usize) -> Option<NodeKind> {
        let name = self.word(|parser| parser.name("the name of the block"));
        let opening = start..self.end;
        let outer = self.open.iter().find(|open| matches!(open.place, Place::Loop | Place::Component));
        if let Some(Open { place, opening: outer, .. }) = outer {
            let what = if *place == Place::Loop { "a loop" } else { "a component" };
            let error = SyntaxError::new(opening.clone(), format!("a block cannot stand in {what}"))
                .related(outer.clone(), "within this");
            self.fail(error);
        }
        if let Some(name) = &name
            && let Some(first) = self.blocks.insert(name.text.clone(), name.range.clone())
        {
            let message = format!("there is a block `{}` already", name.text);
            self.fail(SyntaxError::new(name.range.clone(), message).related(first, "first here"));
        }
        let body = self.body(Place::Block, opening, &["endblock"])?;
        let Some(name) = name else {
            self.bump();
            self.skip_tag();
            return None;
        };
        self.close_named(&name.text)?;
        Some(NodeKind::Block { name, body })
    }

    fn for_loop(&mut self, start: usize) -> Option<NodeKind> {
        let head = self.word(|parser| {
            let (key, value) = parser.loop_names()?;
            parser.in_target = true;
            let target = parser.expression();
            parser.in_target = false;
            Ok((key, value, target?))
        });
        let opening = start..self.end;
        let body = self.body(Place::Loop, opening.clone(), &["else", "endfor"])?;
        let otherwise = if self.at("else") {
            self.close();
            Some(self.body(Place::LoopElse, opening, &["endfor"])?)
        } else {
            None
        };
        self.close()?;
        let (key, value, target) = head?;
        Some(NodeKind::For { key, value, target, body, otherwise })
    }

    /// `value in` or `key, value in`.
    fn loop_names(&mut self) -> Parsed<(Option<Name>, Name)> {
        let first = self.variable_name()?;
        let names = if self.eat(",") { (Some(first), self.variable_name()?) } else { (None, first) };
        self.expect("in")?;
        Ok(names)
    }

    fn condition(&mut self, start: usize) -> Option<NodeKind> {
        // Those of an `if` in a branch stand behind all that lead there.
        let before = self.elifs;
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut opening = start..start;
        loop {
            let condition = self.word(Self::expression);
            if branches.is_empty() {
                opening.end = self.end;
            }
            let body = self.body(Place::If, opening.clone(), &["elif", "else", "endif"])?;
            branches.push(condition.map(|condition| Branch { condition, body }));
            if !self.at("elif") {
                break;
            }
            self.elifs += 1;
            if self.elifs > MOST_ELIFS {
                let error =
                    SyntaxError::new(opening, format!("more than {MOST_ELIFS} `elif` follow each other"))
                        .hint("look it up in a map or a table");
                self.fail(error);
                self.next = self.tokens.len();
                self.lost = true;
                return None;
            }
        }
        self.elifs = before;
        if self.at("else") {
            self.close();
            otherwise = Some(self.body(Place::If, opening, &["endif"])?);
        }
        self.close()?;
        Some(NodeKind::If { branches: branches.into_iter().collect::<Option<_>>()?, otherwise })
    }

    fn check_jump(&mut self, range: Range<usize>, word: &str) -> Option<()> {
        let reached =
            self.open.iter().rev().find(|open| matches!(open.place, Place::Loop | Place::Capture(_)));
        let error = match reached {
            Some(Open { place: Place::Loop, .. }) => return Some(()),
            Some(Open { place: Place::Capture(what), opening, .. }) => {
                SyntaxError::new(range, format!("`{word}` cannot leave {what}"))
                    .related(opening.clone(), "within this")
            }
            _ => SyntaxError::new(range, format!("`{word}` stands in no loop")),
        };
        self.fail(error);
        None
    }

    fn component(&mut self, start: usize) -> Option<ComponentDefinition> {
        let head = self.word(|parser| {
            let name = parser.dotted_name()?;
            let mut definition = ComponentDefinition {
                name,
                parameters: Vec::new(),
                rest: None,
                metadata: None,
                body: Vec::new(),
            };
            parser.expect("(")?;
            let mut seen = HashMap::new();
            parser.list(")", |parser| parser.parameter(&mut definition, &mut seen))?;
            if parser.at("{") {
                let metadata = parser.expression_of_literals("the metadata")?;
                definition.metadata = Some(metadata);
            }
            Ok(definition)
        });
        let opening = start..self.end;
        if let [_, .., open] = self.open.as_slice() {
            let error = SyntaxError::new(opening.clone(), "a component cannot be defined within another tag")
                .related(open.opening.clone(), "within this");
            self.fail(error);
        }
        if let Some(ComponentDefinition { name, .. }) = &head
            && let Some(first) = self.components.insert(name.text.clone(), name.range.clone())
        {
            let message = format!("there is a component `{}` already", name.text);
            self.fail(SyntaxError::new(name.range.clone(), message).related(first, "first here"));
        }
        let body = self.body(Place::Component, opening, &["endcomponent"])?;
        let Some(definition) = head else {
            self.bump();
            self.skip_tag();
            return None;
        };
        self.close_named(&definition.name.text)?;
        Some(ComponentDefinition { body, ..definition })
    }

    fn parameter(&mut self, definition: &mut ComponentDefinition, seen: &mut Seen<'a>) -> Parsed<()> {
        let rest = self.eat("...");
        let implicit = !rest && self.eat("@");
        let name = self.new_name("parameter", seen)?;
        if name.text == "body" {
            let message = "`body` is what stands between a component's tags";
            return Err(self.fail(SyntaxError::new(name.range, message).hint("choose another name")));
        }
        if rest {
            definition.rest = Some(name);
            return if self.at(")") {
                Ok(())
            } else {
                Err(self.expected_with("`)`", Some("the rest comes last")))
            };
        }
        let ty = if self.eat(":") { Some(self.parameter_type()?) } else { None };
        let default = if self.eat("=") {
            let default = self.expression_of_literals("a default")?;
            if let Some(ty) = &ty
                && !accepts(&ty.text, &default)
            {
                let message = format!("the default is not of type `{}`", ty.text);
                let error =
                    SyntaxError::new(default.range, message).related(ty.range.clone(), "declared here");
                return Err(self.fail(error));
            }
            Some(default)
        } else {
            None
        };
        definition.parameters.push(Parameter { name, implicit, ty, default });
        Ok(())
    }

    fn parameter_type(&mut self) -> Parsed<Name> {
        let ty = self.name("a type")?;
        if TYPES.contains(&ty.text.to_lowercase().as_str()) {
            return Ok(ty);
        }
        let error = SyntaxError::new(ty.range, format!("`{}` is not a type", ty.text));
        let hint = match nearest(&ty.text, TYPES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the types are {}", TYPES.join(", ")),
        };
        Err(self.fail(error.hint(hint)))
    }

    /// A text, a number, a truth value, `none`, or an array or map of them.
    fn expression_of_literals(&mut self, what: &str) -> Parsed<Expression> {
        let start = self.range();
        // A sign, an array and a map are read as such; an operator behind them is not.
        let minus = self.at("-");
        let allowed = matches!(
            self.kind(),
            Some(TokenKind::Quoted | TokenKind::Bool | TokenKind::Integer | TokenKind::Float)
        ) || ["[", "{", "-", "none", "None", "null"].contains(&self.text());
        if !allowed {
            return Err(self.expected("a literal"));
        }
        let value = if minus {
            self.bump();
            if !matches!(self.kind(), Some(TokenKind::Integer | TokenKind::Float)) {
                return Err(self.expected("a number"));
            }
            let operand = self.operand()?;
            self.make(start.start, ExpressionKind::Unary { operator: UnaryOperator::Minus, operand })
        } else {
            self.operand()?
        };
        if is_literal(&value) {
            return Ok(value);
        }
        Err(self.fail(SyntaxError::new(value.range, format!("{what} can only hold literals"))))
    }

    // Names and arguments

    fn name(&mut self, what: &str) -> Parsed<Name> {
        if self.kind() != Some(TokenKind::Name) {
            return Err(self.expected(what));
        }
        let text = self.text().to_owned();
        Ok(Name { text, range: self.bump() })
    }

    /// A name that is not among those seen.
    fn new_name(&mut self, what: &str, seen: &mut Seen<'a>) -> Parsed<Name> {
        let text = self.text();
        let name = self.name(&format!("the name of the {what}"))?;
        if let Some(first) = seen.insert(text, name.range.clone()) {
            let error = SyntaxError::new(name.range, format!("the {what} `{text}` is given twice"))
                .related(first, "first here");
            return Err(self.fail(error));
        }
        Ok(name)
    }

    fn variable_name(&mut self) -> Parsed<Name> {
        if RESERVED.contains(&self.text()) {
            let message = format!("`{}` is a word of the language, not a variable", self.text());
            let error = SyntaxError::new(self.range(), message).hint("choose another name");
            return Err(self.fail(error));
        }
        self.name("the name of a variable")
    }

    fn dotted_name(&mut self) -> Parsed<Name> {
        let mut name = self.name("the name of a component")?;
        while self.eat(".") {
            let part = self.name("the rest of the name")?;
            name.text.push('.');
            name.text.push_str(&part.text);
            name.range.end = part.range.end;
        }
        Ok(name)
    }

    fn quoted_name(&mut self) -> Parsed<Name> {
        if self.kind() != Some(TokenKind::Quoted) {
            return Err(self.expected("the name of a template in quotes"));
        }
        let range = self.range();
        Ok(Name { text: self.string()?, range })
    }

    /// Reads what is separated by commas, and the bracket that closes it; a comma may stand before that.
    fn list(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        while !self.at(close) {
            item(self)?;
            if !self.at(close) && !self.eat(",") {
                return Err(self.expected(&format!("`,` or `{close}`")));
            }
        }
        self.expect(close)
    }

    /// `(name=value, …)`, if it is there.
    fn arguments(&mut self) -> Parsed<Vec<Argument>> {
        let mut arguments = Vec::new();
        let mut seen = HashMap::new();
        if self.eat("(") {
            self.list(")", |parser| {
                if parser.kind() != Some(TokenKind::Name) {
                    return Err(parser.expected_with("the name of an argument", Some(BY_NAME)));
                }
                let name = parser.new_name("argument", &mut seen)?;
                if !parser.eat("=") {
                    return Err(parser.expected_with("`=`", Some(BY_NAME)));
                }
                let value = parser.expression()?;
                arguments.push(Argument { name, value });
                Ok(())
            })?;
        }
        Ok(arguments)
    }

    fn filter_call(&mut self) -> Parsed<FilterCall> {
        let name = self.name("the name of a filter")?;
        let arguments = self.arguments()?;
        let range = name.range.start..self.end;
        Ok(FilterCall { name, arguments, range })
    }

    /// A component's name and arguments, behind its `<`.
    fn component_call(&mut self) -> Parsed<ComponentCall> {
        let name = self.dotted_name()?;
        let mut call = ComponentCall { name, arguments: Vec::new() };
        let mut seen = HashMap::new();
        loop {
            if self.eat("{") {
                self.expect("...")?;
                call.arguments.push(ComponentArgument::Spread(self.expression()?));
                self.expect("}")?;
            } else if self.kind() == Some(TokenKind::Name) {
                let name = self.new_name("argument", &mut seen)?;
                let value = self.component_argument(&name)?;
                call.arguments.push(ComponentArgument::Named { name, value });
            } else {
                return Ok(call);
            }
        }
    }

    fn component_argument(&mut self, name: &Name) -> Parsed<Expression> {
        if !self.eat("=") {
            return Ok(self.make(name.range.start, ExpressionKind::Variable(name.text.clone())));
        }
        if self.kind() == Some(TokenKind::Quoted) {
            return self.operand();
        }
        if !self.eat("{") {
            return Err(self.expected_in_braces(name));
        }
        let value = self.expression()?;
        self.expect("}")?;
        Ok(value)
    }

    /// What stands behind `name=` without braces, with how it is written.
    fn expected_in_braces(&mut self, name: &Name) -> Failed {
        let is_part = |token: &&Token| {
            matches!(token.kind, TokenKind::Name | TokenKind::Bool | TokenKind::Integer | TokenKind::Float)
                || &self.source[token.range.clone()] == "."
        };
        let value: String = self.tokens[self.next..]
            .iter()
            .take_while(is_part)
            .map(|token| &self.source[token.range.clone()])
            .collect();
        let value = if value.is_empty() { "…" } else { &value };
        let hint = format!("write `{}={{{value}}}`", name.text);
        self.expected_with("a string or an expression in braces", Some(&hint))
    }

    // Expressions

    /// An expression from `start` to what was read last.
    fn make(&self, start: usize, kind: ExpressionKind) -> Expression {
        // Numbers are given when all of the template is read.
        Expression { id: ExpressionId(0), range: start..self.end, kind: Box::new(kind) }
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.binding(TERNARY)
    }

    /// An expression of operators that bind at least as tight as `power`.
    fn binding(&mut self, power: u8) -> Parsed<Expression> {
        if self.depth == 0 {
            self.operators = 0;
        }
        if self.depth == MOST_DEPTH {
            return Err(self.too_complex());
        }
        self.depth += 1;
        let expression = self.operand().and_then(|operand| self.operations(operand, power));
        self.depth -= 1;
        expression
    }

    fn too_complex(&mut self) -> Failed {
        let error = SyntaxError::new(self.range(), "this expression is too long or nests too deep")
            .hint("give a part of it a name with `set`");
        self.fail(error)
    }

    fn count_operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > MOST_OPERATORS { Err(self.too_complex()) } else { Ok(()) }
    }

    fn operations(&mut self, mut left: Expression, power: u8) -> Parsed<Expression> {
        let start = left.range.start;
        while matches!(self.kind(), Some(TokenKind::Name | TokenKind::Symbol)) {
            match self.text() {
                "if" if power == TERNARY => {
                    self.bump();
                    let condition = self.expression()?;
                    self.expect("else")?;
                    let otherwise = self.expression()?;
                    return Ok(self.make(start, ExpressionKind::Ternary { condition, then: left, otherwise }));
                }
                "is" if power <= TEST => {
                    self.count_operator()?;
                    self.bump();
                    let negated = self.eat("not");
                    let name = self.name("the name of a test")?;
                    let arguments = self.arguments()?;
                    left = self.make(start, ExpressionKind::Test { base: left, negated, name, arguments });
                }
                "not" if power <= IN.0 => {
                    self.bump();
                    if !self.at("in") {
                        return Err(self.expected("`in`"));
                    }
                    let operand = self.binary(left, BinaryOperator::In, IN.1)?;
                    left = self.make(start, ExpressionKind::Unary { operator: UnaryOperator::Not, operand });
                }
                // It binds to whatever stands before it.
                "[" => {
                    self.count_operator()?;
                    left = self.index(left)?;
                }
                "|" if power <= FILTER => {
                    self.count_operator()?;
                    self.bump();
                    let filter = self.filter_call()?;
                    left = self.make(start, ExpressionKind::Filter { base: left, filter });
                }
                text => match binary_operator(text) {
                    Some((operator, binds, right)) if power <= binds => {
                        left = self.binary(left, operator, right)?;
                    }
                    _ => break,
                },
            }
        }
        Ok(left)
    }

    fn binary(&mut self, left: Expression, operator: BinaryOperator, power: u8) -> Parsed<Expression> {
        self.count_operator()?;
        self.bump();
        let right = self.binding(power)?;
        if operator == BinaryOperator::Concatenate && is_unary(&right) {
            let error = SyntaxError::new(right.range, "`-` and `not` cannot stand behind `~`")
                .hint("give it a name with `set`");
            return Err(self.fail(error));
        }
        Ok(self.make(left.range.start, ExpressionKind::Binary { operator, left, right }))
    }

    /// What stands before, between and behind operators.
    fn operand(&mut self) -> Parsed<Expression> {
        let start = self.range().start;
        let text = self.text();
        let kind = match self.kind() {
            Some(TokenKind::Quoted) => ExpressionKind::Text(self.string()?),
            Some(TokenKind::Integer) => {
                let Ok(value) = text.parse() else {
                    let error = SyntaxError::new(self.range(), format!("`{text}` is too large"))
                        .hint(format!("the largest whole number is {}", i64::MAX));
                    return Err(self.fail(error));
                };
                self.bump();
                ExpressionKind::Int(value)
            }
            Some(TokenKind::Float) => {
                let Ok(value) = text.parse() else { return Err(self.expected("a number")) };
                self.bump();
                ExpressionKind::Float(value)
            }
            Some(TokenKind::Bool) => {
                self.bump();
                ExpressionKind::Bool(text.eq_ignore_ascii_case("true"))
            }
            Some(TokenKind::Name) => match text {
                "none" | "None" | "null" => {
                    self.bump();
                    ExpressionKind::None
                }
                "not" => return self.unary(UnaryOperator::Not, NOT),
                _ => return self.variable(),
            },
            Some(TokenKind::Symbol) => match text {
                "-" => return self.unary(UnaryOperator::Minus, MINUS),
                "[" => return self.array(),
                "{" => return self.map(),
                "(" => {
                    self.bump();
                    let inner = self.expression()?;
                    self.expect(")")?;
                    ExpressionKind::Parenthesis(inner)
                }
                "<" => {
                    self.bump();
                    let call = self.component_call()?;
                    if self.at(">") {
                        let hint = format!(
                            "without a body it ends with `/>`; with one it is a tag: `{}`",
                            self.tag_text(&format!("<{} …>", call.name.text))
                        );
                        let error = SyntaxError::new(self.range(), "expected `/>`, found `>`").hint(hint);
                        return Err(self.fail(error));
                    }
                    self.expect("/")?;
                    self.expect(">")?;
                    ExpressionKind::Call(call)
                }
                _ => return Err(self.expected("an expression")),
            },
            _ => return Err(self.expected("an expression")),
        };
        Ok(self.make(start, kind))
    }

    fn unary(&mut self, operator: UnaryOperator, power: u8) -> Parsed<Expression> {
        let start = self.bump().start;
        if self.at("-") || self.at("not") {
            let error = SyntaxError::new(self.range(), "`-` and `not` cannot follow each other")
                .hint("put the second one into parentheses");
            return Err(self.fail(error));
        }
        let operand = self.binding(power)?;
        Ok(self.make(start, ExpressionKind::Unary { operator, operand }))
    }

    /// The content of the string that is next.
    fn string(&mut self) -> Parsed<String> {
        let range = self.range();
        let content = range.start + 1..range.end - 1;
        self.check_marks(content.clone());
        let mut text = String::with_capacity(content.len());
        let mut chars = self.source[content.clone()].char_indices();
        while let Some((at, char)) = chars.next() {
            if char != '\\' {
                text.push(char);
                continue;
            }
            match chars.next() {
                Some((_, escaped @ ('"' | '\'' | '/' | '\\'))) => text.push(escaped),
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                other => {
                    let start = content.start + at;
                    let end = start + 1 + other.map_or(0, |(_, char)| char.len_utf8());
                    let message = format!("`{}` is not an escape", &self.source[start..end]);
                    let error = SyntaxError::new(start..end, message)
                        .hint(r#"the escapes are \" \' \/ \\ \n \t \r; a backslash is written `\\`"#);
                    return Err(self.fail(error));
                }
            }
        }
        self.bump();
        Ok(text)
    }

    /// A variable with its fields and indexes, or a function's call.
    fn variable(&mut self) -> Parsed<Expression> {
        let name = self.name("an expression")?;
        let start = name.range.start;
        if self.at("(") {
            let arguments = self.arguments()?;
            return Ok(self.make(start, ExpressionKind::Function { name, arguments }));
        }
        let in_loop = self.open.iter().any(|open| open.place == Place::Loop);
        let is_loop = name.text == "loop" && (in_loop || self.in_target);
        let mut base = self.make(start, ExpressionKind::Variable(name.text));
        loop {
            match self.text() {
                "." | "?." => {
                    self.count_operator()?;
                    let optional = self.at("?.");
                    self.bump();
                    let name = self.name("the name of a field")?;
                    let kind = if is_loop {
                        self.loop_field(&base, &name, in_loop)?
                    } else {
                        ExpressionKind::Attribute { base, name, optional }
                    };
                    base = self.make(start, kind);
                }
                "[" | "?[" => {
                    self.count_operator()?;
                    base = self.index(base)?;
                }
                "(" => {
                    let error = SyntaxError::new(self.range(), "a field cannot be called")
                        .hint("values are changed by filters: `value | filter`");
                    return Err(self.fail(error));
                }
                _ => return Ok(base),
            }
        }
    }

    fn loop_field(&mut self, base: &Expression, name: &Name, in_loop: bool) -> Parsed<ExpressionKind> {
        let field = match name.text.as_str() {
            "index" => LoopField::Index,
            "index0" => LoopField::Index0,
            "first" => LoopField::First,
            "last" => LoopField::Last,
            "length" => LoopField::Length,
            _ => {
                let message = format!("`loop` has no field `{}`", name.text);
                let error = SyntaxError::new(name.range.clone(), message)
                    .hint("its fields are index, index0, first, last and length");
                return Err(self.fail(error));
            }
        };
        if !in_loop {
            let error =
                SyntaxError::new(base.range.start..name.range.end, "`loop` is not known before the loop");
            return Err(self.fail(error));
        }
        if !matches!(*base.kind, ExpressionKind::Variable(_)) {
            let message = format!("a field of `loop` has no field `{}`", name.text);
            return Err(self.fail(SyntaxError::new(name.range.clone(), message)));
        }
        Ok(ExpressionKind::Loop(field))
    }

    /// `[index]` or `[start:end:step]` behind `base`.
    fn index(&mut self, base: Expression) -> Parsed<Expression> {
        let optional = self.at("?[");
        let bracket = self.bump();
        let base_start = base.range.start;
        self.brackets += 1;
        if self.brackets > MOST_BRACKETS {
            let error = SyntaxError::new(bracket, format!("indexes nest deeper than {MOST_BRACKETS}"));
            return Err(self.fail(error));
        }
        let first = if self.at(":") { None } else { Some(self.expression()?) };
        let mut bounds = [None, None];
        let slice = self.eat(":");
        if slice {
            if !self.at(":") && !self.at("]") {
                bounds[0] = Some(self.expression()?);
            }
            if self.eat(":") {
                bounds[1] = Some(self.expression()?);
            }
        }
        self.expect("]")?;
        self.brackets -= 1;
        let kind = match first {
            Some(index) if !slice => ExpressionKind::Index { base, index, optional },
            start => {
                let [end, step] = bounds;
                ExpressionKind::Slice { base, start, end, step, optional }
            }
        };
        Ok(self.make(base_start, kind))
    }

    fn array(&mut self) -> Parsed<Expression> {
        let bracket = self.bump();
        self.arrays += 1;
        if self.arrays > MOST_ARRAYS {
            let error = SyntaxError::new(bracket, format!("arrays nest deeper than {MOST_ARRAYS}"));
            return Err(self.fail(error));
        }
        let mut items = Vec::new();
        while !self.at("]") {
            if self.eat("...") {
                items.push(Item::Spread(self.binding(TERNARY)?));
            } else {
                let value = self.binding(TERNARY)?;
                if items.is_empty() && self.at("for") {
                    self.arrays -= 1;
                    return self.comprehension(bracket.start, value);
                }
                items.push(Item::Value(value));
            }
            if !self.at("]") && !self.eat(",") {
                return Err(self.expected("`,` or `]`"));
            }
        }
        self.arrays -= 1;
        self.bump();
        Ok(self.make(bracket.start, ExpressionKind::Array(items)))
    }

    fn comprehension(&mut self, start: usize, element: Expression) -> Parsed<Expression> {
        self.bump();
        let (key, value) = self.loop_names()?;
        let target = self.binding(TERNARY + 1)?;
        let condition = if self.eat("if") { Some(self.binding(TERNARY + 1)?) } else { None };
        if self.at("for") {
            let error = SyntaxError::new(self.range(), "a list has one `for`");
            return Err(self.fail(error));
        }
        self.expect("]")?;
        Ok(self.make(start, ExpressionKind::Comprehension { element, key, value, target, condition }))
    }

    fn map(&mut self) -> Parsed<Expression> {
        let start = self.bump().start;
        let mut entries = Vec::new();
        self.list("}", |parser| {
            if parser.eat("...") {
                entries.push(Entry::Spread(parser.binding(TERNARY)?));
                return Ok(());
            }
            if !matches!(parser.kind(), Some(TokenKind::Quoted | TokenKind::Integer | TokenKind::Bool)) {
                let failed = parser.expected("a string, a whole number or a truth value as key");
                return Err(failed);
            }
            let key = parser.operand()?;
            parser.expect(":")?;
            let value = parser.binding(TERNARY)?;
            entries.push(Entry::Pair { key, value });
            Ok(())
        })?;
        Ok(self.make(start, ExpressionKind::Map(entries)))
    }
}

/// The operator that `text` is, how tight it binds to its left, and to its right.
fn binary_operator(text: &str) -> Option<(BinaryOperator, u8, u8)> {
    use BinaryOperator::{
        Add, And, Concatenate, Divide, Equal, FloorDivide, Greater, GreaterOrEqual, In, Less, LessOrEqual,
        Modulo, Multiply, NotEqual, Or, Power, Subtract,
    };
    let operator = match text {
        "or" => Or,
        "and" => And,
        "in" => In,
        "==" => Equal,
        "!=" => NotEqual,
        "<" => Less,
        "<=" => LessOrEqual,
        ">" => Greater,
        ">=" => GreaterOrEqual,
        "+" => Add,
        "-" => Subtract,
        "*" => Multiply,
        "/" => Divide,
        "%" => Modulo,
        "~" => Concatenate,
        "//" => FloorDivide,
        "**" => Power,
        _ => return None,
    };
    let (left, right) = match operator {
        Or => (1, 2),
        And => (3, 4),
        In => IN,
        Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual => (7, 8),
        Add | Subtract => (11, 12),
        Multiply | Divide | Modulo | Concatenate | FloorDivide => (13, 14),
        // `2 ** 3 ** 2` is `2 ** (3 ** 2)`.
        Power => (16, 15),
    };
    Some((operator, left, right))
}

/// Whether it is a number with or without signs, which Tera reads as one literal.
fn is_number(expression: &Expression) -> bool {
    match &*expression.kind {
        ExpressionKind::Int(_) | ExpressionKind::Float(_) => true,
        ExpressionKind::Parenthesis(inner)
        | ExpressionKind::Unary { operator: UnaryOperator::Minus, operand: inner } => is_number(inner),
        _ => false,
    }
}

/// Whether it is a `-` or a `not` of something, in parentheses or not.
fn is_unary(expression: &Expression) -> bool {
    match &*expression.kind {
        ExpressionKind::Parenthesis(inner) => is_unary(inner),
        ExpressionKind::Unary { .. } => !is_number(expression),
        ExpressionKind::Test { negated, .. } => *negated,
        _ => false,
    }
}

/// Whether its value is written in the template.
fn is_literal(expression: &Expression) -> bool {
    match &*expression.kind {
        ExpressionKind::Text(_) | ExpressionKind::Bool(_) | ExpressionKind::None => true,
        ExpressionKind::Array(items) => {
            items.iter().all(|item| matches!(item, Item::Value(value) if is_literal(value)))
        }
        ExpressionKind::Map(entries) => {
            entries.iter().all(|entry| matches!(entry, Entry::Pair { value, .. } if is_literal(value)))
        }
        ExpressionKind::Parenthesis(inner) => is_literal(inner),
        _ => is_number(expression),
    }
}

/// Whether a parameter of the type can have the literal as its default.
fn accepts(ty: &str, default: &Expression) -> bool {
    let inner = match &*default.kind {
        ExpressionKind::Unary { operand, .. } => operand,
        _ => default,
    };
    match &*inner.kind {
        ExpressionKind::None => true,
        ExpressionKind::Text(_) => ty.eq_ignore_ascii_case("string"),
        ExpressionKind::Bool(_) => ty.eq_ignore_ascii_case("bool"),
        ExpressionKind::Int(_) => ["integer", "number"].iter().any(|it| ty.eq_ignore_ascii_case(it)),
        ExpressionKind::Float(_) => ["float", "number"].iter().any(|it| ty.eq_ignore_ascii_case(it)),
        ExpressionKind::Array(_) => ty.eq_ignore_ascii_case("array"),
        ExpressionKind::Map(_) => ty.eq_ignore_ascii_case("map"),
        _ => false,
    }
}
