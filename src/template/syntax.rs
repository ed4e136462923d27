//! The lossless syntax tree of Tera's language.
//!
//! [`parse`] reads a template into a [`Tree`]: tokens that tile the source byte for byte, and nodes and
//! expressions that know their range in it. [`Tree::print`] gives the source back, also with insertions, which
//! is how the engine wraps expressions without moving a line. What Tera 2.4 accepts, [`parse`] accepts; what it
//! refuses on top is listed in the documentation of [`parse`].

mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

pub use lexer::{Token, TokenKind};
pub use parser::{parse, parse_expression};
pub(crate) use walk::expression as visit;

/// The three pairs of delimiters of a template; each is two bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiters {
    /// `{{ }}`, `{% %}`, `{# #}`.
    #[default]
    Curly,
    /// `[[ ]]`, `[% %]`, `[# #]`.
    Square,
}

impl Delimiters {
    /// What opens and closes a printed expression.
    pub fn print(self) -> (&'static str, &'static str) {
        match self {
            Delimiters::Curly => ("{{", "}}"),
            Delimiters::Square => ("[[", "]]"),
        }
    }

    /// What opens and closes a tag.
    pub fn tag(self) -> (&'static str, &'static str) {
        match self {
            Delimiters::Curly => ("{%", "%}"),
            Delimiters::Square => ("[%", "%]"),
        }
    }

    /// What opens and closes a comment.
    pub fn comment(self) -> (&'static str, &'static str) {
        match self {
            Delimiters::Curly => ("{#", "#}"),
            Delimiters::Square => ("[#", "#]"),
        }
    }
}

/// A template, read: its source, the tokens that tile it, and what they mean.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The delimiters it was read with.
    pub delimiters: Delimiters,
    /// The top level: text, comments, tags and components, in order; they tile the source.
    pub nodes: Vec<Node>,
    /// How many expressions it has; their numbers are 0 to one less.
    pub expressions: u32,
    source: String,
    tokens: Vec<Token>,
}

impl Tree {
    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tokens, in order; white space inside tags is one too, so together they are the source.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The source with each insertion put before the byte at its offset; see [`insert`].
    pub fn print(&self, insertions: &[(usize, String)]) -> String {
        insert(&self.source, insertions)
    }

    /// The template that this one extends.
    pub fn extends(&self) -> Option<&Name> {
        self.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::Extends(name) => Some(name),
            _ => None,
        })
    }

    /// The components that it defines, in order.
    pub fn components(&self) -> impl Iterator<Item = &ComponentDefinition> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Component(definition) => Some(definition),
            _ => None,
        })
    }
}

/// `source` with each insertion put before the byte at its offset. Insertions come in any order; those at one
/// offset are put in the order given. An offset behind the end, or inside a character, moves to the next place
/// where text can stand.
pub fn insert(source: &str, insertions: &[(usize, String)]) -> String {
    let mut printed =
        String::with_capacity(source.len() + insertions.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut written = 0;
    for (offset, text) in ordered(source, insertions) {
        printed.push_str(&source[written..offset]);
        printed.push_str(text);
        written = offset;
    }
    printed.push_str(&source[written..]);
    printed
}

/// Where the byte at `printed` of what [`insert`] returned stands in `source`; of a byte that was inserted, where
/// it was put.
pub fn original_offset(source: &str, insertions: &[(usize, String)], printed: usize) -> usize {
    let mut inserted = 0;
    for (offset, text) in ordered(source, insertions) {
        if printed < offset + inserted {
            break;
        }
        if printed < offset + inserted + text.len() {
            return offset;
        }
        inserted += text.len();
    }
    (printed - inserted).min(source.len())
}

fn ordered<'a>(source: &str, insertions: &'a [(usize, String)]) -> Vec<(usize, &'a str)> {
    let place = |offset: usize| (offset..source.len()).find(|at| source.is_char_boundary(*at));
    let mut ordered: Vec<_> = insertions
        .iter()
        .map(|(offset, text)| (place(*offset).unwrap_or(source.len()), text.as_str()))
        .collect();
    ordered.sort_by_key(|(offset, _)| *offset);
    ordered
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where it is; may be empty at the end of the source.
    pub range: Range<usize>,
    /// What is wrong: a lower-case phrase.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// A second place that belongs to it, and what is there.
    pub related: Option<(Range<usize>, &'static str)>,
}

impl SyntaxError {
    fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), hint: None, related: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn related(self, range: Range<usize>, text: &'static str) -> Self {
        Self { related: Some((range, text)), ..self }
    }
}

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name; of a string literal, its content.
    pub text: String,
    /// Where it stands.
    pub range: Range<usize>,
}

/// The number of an expression within its template, counted from 0 in source order of their starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpressionId(pub u32);

/// A statement, a piece of text, or a comment.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// All of it, with its delimiters and its body.
    pub range: Range<usize>,
    /// What it is.
    pub kind: NodeKind,
}

impl Node {
    /// The bodies within it, in source order.
    pub fn bodies(&self) -> Vec<&[Node]> {
        match &self.kind {
            NodeKind::SetBlock { body, .. }
            | NodeKind::Block { body, .. }
            | NodeKind::Filter { body, .. }
            | NodeKind::Call { body, .. }
            | NodeKind::Component(ComponentDefinition { body, .. }) => vec![body],
            NodeKind::For { body, otherwise, .. } => {
                [Some(body), otherwise.as_ref()].into_iter().flatten().map(Vec::as_slice).collect()
            }
            NodeKind::If { branches, otherwise } => {
                branches.iter().map(|branch| &branch.body).chain(otherwise).map(Vec::as_slice).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Hands the blocks within nodes to `found`, outer ones first.
pub(crate) fn collect_blocks<'a>(nodes: &'a [Node], found: &mut impl FnMut(&'a Name, &'a [Node])) {
    for node in nodes {
        if let NodeKind::Block { name, body } = &node.kind {
            found(name, body);
        }
        for body in node.bodies() {
            collect_blocks(body, found);
        }
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Literal text; `trimmed` is what remains of it after `-` next to it. A raw block is one too: its range is
    /// the whole block, `trimmed` lies within its body.
    Text {
        /// The bytes that are printed.
        trimmed: Range<usize>,
    },
    /// `{# … #}`.
    Comment,
    /// `{{ expression }}`.
    Print(Expression),
    /// `{% set name = value %}`, or `set_global`.
    Set {
        /// The variable.
        name: Name,
        /// Its value.
        value: Expression,
        /// Whether it outlives the loop it stands in.
        global: bool,
    },
    /// `{% set name | filter %} body {% endset %}`.
    SetBlock {
        /// The variable.
        name: Name,
        /// The filters that the body passes, in order.
        filters: Vec<FilterCall>,
        /// What is captured.
        body: Vec<Node>,
        /// Whether it outlives the loop it stands in.
        global: bool,
    },
    /// `{% include "name" %}`.
    Include(Name),
    /// `{% extends "name" %}`.
    Extends(Name),
    /// `{% block name %} body {% endblock %}`.
    Block {
        /// Its name.
        name: Name,
        /// What it holds unless a child overrides it.
        body: Vec<Node>,
    },
    /// `{% for key, value in target %} body {% else %} otherwise {% endfor %}`.
    For {
        /// The key's variable, when a map is walked.
        key: Option<Name>,
        /// The value's variable.
        value: Name,
        /// What is walked.
        target: Expression,
        /// Rendered for each value.
        body: Vec<Node>,
        /// Rendered when there is none.
        otherwise: Option<Vec<Node>>,
    },
    /// `{% if … %} … {% elif … %} … {% else %} … {% endif %}`.
    If {
        /// The `if` and each `elif`.
        branches: Vec<Branch>,
        /// The `else`.
        otherwise: Option<Vec<Node>>,
    },
    /// `{% filter a | b %} body {% endfilter %}`.
    Filter {
        /// The filters, in order.
        filters: Vec<FilterCall>,
        /// What is filtered.
        body: Vec<Node>,
    },
    /// `{% component name(…) %} body {% endcomponent %}`.
    Component(ComponentDefinition),
    /// `{% <name …> %} body {% </name> %}`.
    Call {
        /// The component and its arguments.
        call: ComponentCall,
        /// What the component sees as `body`.
        body: Vec<Node>,
    },
    /// `{% break %}`.
    Break,
    /// `{% continue %}`.
    Continue,
}

/// A condition with what is rendered when it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The condition.
    pub condition: Expression,
    /// The body.
    pub body: Vec<Node>,
}

/// `{% component name(arguments) { metadata } %} body {% endcomponent name %}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentDefinition {
    /// Its name; dots are part of it.
    pub name: Name,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// `...rest`.
    pub rest: Option<Name>,
    /// The metadata map, if it has one; a map of literals.
    pub metadata: Option<Expression>,
    /// What it renders.
    pub body: Vec<Node>,
}

/// A parameter of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// `@name`: taken from the caller's scope when it is not given.
    pub implicit: bool,
    /// `: string` and the like, as written.
    pub ty: Option<Name>,
    /// `= literal`.
    pub default: Option<Expression>,
}

/// The name and arguments of a component's call.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentCall {
    /// The component.
    pub name: Name,
    /// Its arguments, in order.
    pub arguments: Vec<ComponentArgument>,
}

/// An argument of a component's call.
#[derive(Debug, Clone, PartialEq)]
pub enum ComponentArgument {
    /// `name="text"`, `name={expression}`; of the short form `name` the value is the variable of that name, with
    /// the name's range. Only a value in braces can be put into parentheses.
    Named {
        /// The parameter.
        name: Name,
        /// Its value.
        value: Expression,
    },
    /// `{...expression}`.
    Spread(Expression),
}

/// `name(argument=value, …)` behind a `|`, or in a filter or set block.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterCall {
    /// The filter.
    pub name: Name,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The name and the arguments.
    pub range: Range<usize>,
}

/// `name=value` in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: Expression,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// Its number in the template.
    pub id: ExpressionId,
    /// All of it; parentheses around it are an expression of their own.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Box<ExpressionKind>,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// A string, with its escapes resolved.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A decimal number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `none`.
    None,
    /// `[a, ...b]`.
    Array(Vec<Item>),
    /// `{"a": b, ...c}`.
    Map(Vec<Entry>),
    /// A variable.
    Variable(String),
    /// `loop.index` and its siblings, in a loop.
    Loop(LoopField),
    /// `base.name`, `base?.name`.
    Attribute {
        /// What has the attribute.
        base: Expression,
        /// The attribute.
        name: Name,
        /// Whether it is `?.`.
        optional: bool,
    },
    /// `base[index]`, `base?[index]`.
    Index {
        /// What is indexed.
        base: Expression,
        /// The index.
        index: Expression,
        /// Whether it is `?[`.
        optional: bool,
    },
    /// `base[start:end:step]`.
    Slice {
        /// What is sliced.
        base: Expression,
        /// The first index.
        start: Option<Expression>,
        /// The index behind the last.
        end: Option<Expression>,
        /// The step.
        step: Option<Expression>,
        /// Whether it is `?[`.
        optional: bool,
    },
    /// `base | filter`.
    Filter {
        /// What is filtered.
        base: Expression,
        /// The filter.
        filter: FilterCall,
    },
    /// `base is test`, `base is not test`.
    Test {
        /// What is tested.
        base: Expression,
        /// Whether it is `is not`.
        negated: bool,
        /// The test.
        name: Name,
        /// Its arguments.
        arguments: Vec<Argument>,
    },
    /// `then if condition else otherwise`.
    Ternary {
        /// The condition.
        condition: Expression,
        /// The value when it holds.
        then: Expression,
        /// The value when it does not.
        otherwise: Expression,
    },
    /// `[element for key, value in target if condition]`.
    Comprehension {
        /// An element of the result.
        element: Expression,
        /// The key's variable.
        key: Option<Name>,
        /// The value's variable.
        value: Name,
        /// What is walked.
        target: Expression,
        /// Which values count.
        condition: Option<Expression>,
    },
    /// `<name argument={…} />`.
    Call(ComponentCall),
    /// `name(argument=value)`.
    Function {
        /// The function.
        name: Name,
        /// Its arguments.
        arguments: Vec<Argument>,
    },
    /// `not a`, `-a`.
    Unary {
        /// The operator.
        operator: UnaryOperator,
        /// What it is applied to.
        operand: Expression,
    },
    /// `a + b` and the like; `a not in b` is a `not` around an `in`, both of the same range.
    Binary {
        /// The operator.
        operator: BinaryOperator,
        /// The left side.
        left: Expression,
        /// The right side.
        right: Expression,
    },
    /// `( … )`.
    Parenthesis(Expression),
}

/// An entry of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A value.
    Value(Expression),
    /// `...list`.
    Spread(Expression),
}

/// An entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// `key: value`; the key is a literal.
    Pair {
        /// The key: a text, whole number or boolean literal.
        key: Expression,
        /// The value.
        value: Expression,
    },
    /// `...map`.
    Spread(Expression),
}

/// A field of `loop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopField {
    /// From 1.
    Index,
    /// From 0.
    Index0,
    /// Whether it is the first round.
    First,
    /// Whether it is the last round.
    Last,
    /// How many rounds there are.
    Length,
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `not`.
    Not,
    /// `-`.
    Minus,
}

/// An operator between its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `//`.
    FloorDivide,
    /// `%`.
    Modulo,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `**`.
    Power,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `and`.
    And,
    /// `or`.
    Or,
    /// `~`.
    Concatenate,
    /// `in`.
    In,
}
