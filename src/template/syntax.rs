//! The lossless syntax tree of Tera's language.
//!
//! [`parse`] reads a template into a [`Tree`]: tokens that tile the source byte for byte, and nodes and
//! expressions that know their range in it. [`Tree::print`] gives the source back, also with insertions, which
//! is how the engine wraps expressions without moving a line. What Tera 2.4 accepts, [`parse`] accepts; what it
//! refuses on top is listed in the documentation of [`parse`].

use std::ops::Range;

/// The three pairs of delimiters of a template; each is two bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiters {
    /// `{{ }}`, `{% %}`, `{# #}`.
    #[default]
    Curly,
    /// `[[ ]]`, `[% %]`, `[# #]`.
    Square,
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
            NodeKind::For { body, otherwise, .. } => [Some(body), otherwise.as_ref()].into_iter().flatten().map(Vec::as_slice).collect(),
            NodeKind::If { branches, otherwise } => {
                branches.iter().map(|branch| &branch.body).chain(otherwise).map(Vec::as_slice).collect()
            }
            _ => Vec::new(),
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
    /// `name="text"`, `name={expression}`; of the short form `name` the value is the variable of that name.
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
    /// All of it; parentheres around it are an expression of their own.
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
    /// `a + b` and the like; `a not in b` is a `not` around an `in`.
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
