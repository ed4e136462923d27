//! Reads expressions, arguments and calls.
//!
//! Expressions are read by precedence climbing: an operator has a power to its left and to its right, and takes
//! what binds tighter.

use std::collections::HashMap;

use super::{Failed, MOST_DEPTH, Parsed, Parser, Place};
use crate::template::syntax::lexer::{Token, TokenKind};
use crate::template::syntax::{
    Argument, BinaryOperator, ComponentArgument, ComponentCall, Entry, Expression, ExpressionId,
    ExpressionKind, FilterCall, Item, LoopField, Name, SyntaxError, UnaryOperator,
};
use crate::template::{filter, function, test};

/// How many operators and accesses an expression may have. This and the next two are Tera's limits.
const MOST_OPERATORS: usize = 256;
/// How deep arrays may nest.
const MOST_ARRAYS: usize = 2;
/// How deep indexes may nest.
const MOST_BRACKETS: usize = 4;

/// What to do about an argument of a filter, test or function that is only a value.
fn by_name(callee: &str) -> String {
    let declared = (filter::find(callee).map(|filter| filter.arguments))
        .or_else(|| test::find(callee).map(|test| test.arguments))
        .or_else(|| function::find(callee).map(|function| function.arguments));
    let name = declared.and_then(<[_]>::first).map(|argument| argument.name);
    match name {
        Some(name) => format!("arguments are given by name: `{callee}({name}=…)`"),
        None => "arguments are given by name: `name=value`".to_owned(),
    }
}

/// A minus binds tighter than any operator but an index; `not` as `in` does.
const MINUS: u8 = 20;
const NOT: u8 = 5;
const TERNARY: u8 = 0;
const TEST: u8 = 5;
const IN: (u8, u8) = (5, 6);
const FILTER: u8 = 17;

impl Parser<'_> {
    /// An expression from `start` to what was read last.
    fn make(&self, start: usize, kind: ExpressionKind) -> Expression {
        // Numbers are given when all of the template is read.
        Expression { id: ExpressionId(0), range: start..self.end, kind: Box::new(kind) }
    }

    pub(super) fn expression(&mut self) -> Parsed<Expression> {
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
                    let word = self.bump().start;
                    let condition = self.expression()?;
                    if self.in_target && self.kind() == Some(TokenKind::TagEnd) && !self.at_wrong_end() {
                        let error = SyntaxError::new(word..self.end, "a `for` has no condition");
                        let body = self.tag_text("if …");
                        return Err(self.fail(error.hint(format!("put an `{body}` into its body"))));
                    }
                    self.expect("else")?;
                    let otherwise = self.expression()?;
                    return Ok(self.make(start, ExpressionKind::Ternary { condition, then: left, otherwise }));
                }
                "is" if power <= TEST => {
                    self.count_operator()?;
                    self.bump();
                    let negated = self.eat("not");
                    let name = self.name("the name of a test")?;
                    let arguments = self.arguments(&name)?;
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
    pub(super) fn string(&mut self) -> Parsed<String> {
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
            let arguments = self.arguments(&name)?;
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

    /// Reads what is separated by commas, and the bracket that closes it; a comma may stand before that.
    pub(super) fn list(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        while !self.at(close) {
            item(self)?;
            if !self.at(close) && !self.eat(",") {
                return Err(self.expected(&format!("`,` or `{close}`")));
            }
        }
        self.expect(close)
    }

    /// `(name=value, …)`, if it is there.
    fn arguments(&mut self, callee: &Name) -> Parsed<Vec<Argument>> {
        let mut arguments = Vec::new();
        let mut seen = HashMap::new();
        if self.eat("(") {
            self.list(")", |parser| {
                if parser.kind() != Some(TokenKind::Name) {
                    return Err(parser.expected_with("the name of an argument", Some(&by_name(&callee.text))));
                }
                let name = parser.new_name("argument", &mut seen)?;
                if !parser.eat("=") {
                    return Err(parser.expected_with("`=`", Some(&by_name(&callee.text))));
                }
                let value = parser.expression()?;
                arguments.push(Argument { name, value });
                Ok(())
            })?;
        }
        Ok(arguments)
    }

    pub(super) fn filter_call(&mut self) -> Parsed<FilterCall> {
        let name = self.name("the name of a filter")?;
        let arguments = self.arguments(&name)?;
        let range = name.range.start..self.end;
        Ok(FilterCall { name, arguments, range })
    }

    /// A component's name and arguments, behind its `<`.
    pub(super) fn component_call(&mut self) -> Parsed<ComponentCall> {
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

    /// A text, a number, a truth value, `none`, or an array or map of them.
    pub(super) fn expression_of_literals(&mut self, what: &str) -> Parsed<Expression> {
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
