//! Reads tokens into nodes: bodies, tags and names; [`expression`] reads what stands in the tags.
//!
//! A mistake in a tag skips the rest of that tag, so that one run tells all of them.

mod expression;

use std::collections::HashMap;
use std::ops::Range;

use super::lexer::{self, Token, TokenKind};
use super::{
    Branch, ComponentDefinition, Delimiters, Expression, ExpressionId, ExpressionKind, Name, Node, NodeKind,
    Parameter, SyntaxError, Tree, walk,
};
use crate::diagnostic::nearest;

/// How deep expressions, and bodies of tags, may nest: Tera's limit.
const MOST_DEPTH: usize = 40;
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

/// Reads a template.
///
/// What Tera 2.4 accepts is accepted and means the same, except:
/// - a name that begins with `__`, `__tera_context` among them;
/// - text or a string that holds one of the Unicode noncharacters U+FDD0 to U+FDEF, which mark values while an
///   artifact is rendered;
/// - a byte order mark before the first character, which Tera prints;
/// - a carriage return, which Tera prints too: the line ends of a checkout would decide what artifacts are;
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
    if let Some(at) = source.find('\r') {
        errors.push(
            SyntaxError::new(
                at..at + 1,
                "the template has a carriage return, which would be written into the artifact",
            )
            .hint("end its lines with LF; print one that is meant with `{{ \"\\r\" | raw }}`"),
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
                    let word = self.after_next();
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

    /// The text of the token behind the next one and white space: the word of a tag.
    fn after_next(&self) -> &'a str {
        let behind = self.tokens.get(self.next + 1..).unwrap_or_default();
        let token = behind.iter().find(|token| token.kind != TokenKind::Space);
        token.map_or("", |token| &self.source[token.range.clone()])
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
        let lost = std::mem::replace(&mut self.lost, true);
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
            "end" if !lost => {
                let closer = self.open.last().and_then(|open| open.closers.last());
                closer.map(|closer| format!("write `{closer}`"))
            }
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
        if let Some(name) = &name {
            let first = self.blocks.insert(name.text.clone(), name.range.clone());
            self.check_first("block", name, first);
        }
        let body = self.named_body(Place::Block, opening, &["endblock"], name.as_ref())?;
        Some(NodeKind::Block { name: name?, body })
    }

    fn check_first(&mut self, what: &str, name: &Name, first: Option<Range<usize>>) {
        if let Some(first) = first {
            let message = format!("there is a {what} `{}` already", name.text);
            self.fail(SyntaxError::new(name.range.clone(), message).related(first, "first here"));
        }
    }

    /// Reads the body of what has a name, and its end, which may repeat that; where the name could not be read,
    /// the end is skipped.
    fn named_body(
        &mut self,
        place: Place,
        opening: Range<usize>,
        closers: &'static [&'static str],
        name: Option<&Name>,
    ) -> Option<Vec<Node>> {
        let body = self.body(place, opening, closers)?;
        if let Some(name) = name {
            self.close_named(&name.text)?;
        } else {
            self.bump();
            self.skip_tag();
        }
        Some(body)
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
            if self.at("else") && self.after_next() == "if" {
                // Read as it is meant, so that the rest of the tags fit.
                let start = self.bump().start;
                let error = SyntaxError::new(start..self.range().end, "there is no `else if`");
                self.errors.push(error.hint("write `elif`"));
            } else if !self.at("elif") {
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
        let name = head.as_ref().map(|definition| &definition.name);
        if let Some(name) = name {
            let first = self.components.insert(name.text.clone(), name.range.clone());
            self.check_first("component", name, first);
        }
        let body = self.named_body(Place::Component, opening, &["endcomponent"], name)?;
        Some(ComponentDefinition { body, ..head? })
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

    // Names

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
