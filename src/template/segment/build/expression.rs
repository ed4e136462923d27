//! Expressions, and the rows and cells that they name.

use std::rc::Rc;
use std::sync::Arc;

use tera::value::Key;
use tera::{Map, Value as Data};

use super::scope::{Binding, Scope, Way};
use super::statement::sets;
use super::{Builder, Built};
use crate::table::{Column, ColumnType};
use crate::template::segment::border::{Left, VARIABLES};
use crate::template::segment::{
    Arguments, Call, Captured, Cell, Comprehension, Declined, Expr, Passed, Place, Segment,
};
use crate::template::syntax::{
    Argument, BinaryOperator, Entry, Expression, ExpressionKind, FilterCall, Item, UnaryOperator,
};
use crate::template::types::ViewId;
use crate::template::{filter, function, test};

impl<'a> Builder<'a> {
    /// The row that an expression is, if it is one.
    pub(super) fn way(&mut self, expression: &Expression, scope: &Scope<'a>) -> Built<Option<Way>> {
        match expression.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => self.way(inner, scope),
            ExpressionKind::Variable(name) => Ok(match scope.find(name) {
                Some(Binding::Row(way)) => Some(way.clone()),
                _ => None,
            }),
            _ => {
                let Some((mut way, column)) = self.field(expression, scope)? else { return Ok(None) };
                let ColumnType::Ref(to) = &self.column(&way, column)?.ty else { return Ok(None) };
                let to = self.table(to)?;
                way.references.push((column, to));
                way.table = to;
                Ok(Some(way))
            }
        }
    }

    /// The cell that an expression is, if it is one.
    pub(super) fn cell_way(
        &mut self,
        expression: &Expression,
        scope: &Scope<'a>,
    ) -> Built<Option<(Way, usize)>> {
        match expression.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => self.cell_way(inner, scope),
            ExpressionKind::Variable(name) => Ok(match scope.find(name) {
                Some(Binding::Cell(way, column)) => Some((way.clone(), *column)),
                _ => None,
            }),
            _ => {
                let Some((way, column)) = self.field(expression, scope)? else { return Ok(None) };
                let is_row = matches!(self.column(&way, column)?.ty, ColumnType::Ref(_));
                Ok((!is_row).then_some((way, column)))
            }
        }
    }

    /// `row.column` and `row["column"]`: the row and the number of the column.
    pub(super) fn field(
        &mut self,
        expression: &Expression,
        scope: &Scope<'a>,
    ) -> Built<Option<(Way, usize)>> {
        let Some((base, name, _)) = attribute(expression) else { return Ok(None) };
        let Some(way) = self.way(base, scope)? else { return Ok(None) };
        let column = self.schema(way.table)?.column(name).map(|(column, _)| column);
        Ok(column.map(|column| (way, column)))
    }

    pub(super) fn column(&self, way: &Way, column: usize) -> Built<&'a Column> {
        Ok(&self.schema(way.table)?.columns[column])
    }

    pub(super) fn place(&mut self, way: &Way, column: Option<usize>) -> Place {
        let first = way.references.first().map(|(column, _)| *column).or(column);
        if let (Some(needed), Some(first)) = (self.needed.get_mut(way.level), first) {
            if needed.len() <= first {
                needed.resize(first + 1, false);
            }
            needed[first] = true;
        }
        Place { up: self.level - way.level, references: way.references.clone() }
    }

    pub(super) fn cell(&mut self, way: &Way, column: usize) -> Cell {
        Cell { row: self.place(way, Some(column)), column }
    }

    /// An expression that decides, but is nothing that a value is made of.
    pub(super) fn condition(
        &mut self,
        template: usize,
        expression: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        self.asking(|builder| builder.truth(template, expression, scope))
    }

    /// Builds what is asked for a decision only.
    fn asking(&mut self, build: impl FnOnce(&mut Self) -> Built<Expr>) -> Built<Expr> {
        let before = std::mem::replace(&mut self.asked, true);
        let built = build(self);
        self.asked = before;
        built
    }

    /// An expression that is only asked whether it holds.
    pub(super) fn truth(
        &mut self,
        template: usize,
        expression: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        if let Some(way) = self.way(expression, scope)? {
            return Ok(Expr::Present(self.place(&way, None)));
        }
        match expression.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => self.truth(template, inner, scope),
            ExpressionKind::Binary {
                operator: operator @ (BinaryOperator::And | BinaryOperator::Or),
                left,
                right,
            } => {
                let left = self.truth(template, left, scope)?;
                let right = self.truth(template, right, scope)?;
                Ok(logic(*operator, left, right))
            }
            _ => match table_of(expression, scope) {
                Some(_) if self.inputs.traced && !self.asked => Err(Declined("a table that is made a truth")),
                Some(view) => self.count(view),
                None => self.expression(template, expression, scope),
            },
        }
    }

    pub(super) fn count(&mut self, view: ViewId) -> Built<Expr> {
        let inputs = self.inputs;
        Ok(Expr::Count(self.table(&inputs.globals.views[view.0].table)?))
    }

    pub(super) fn boxed(
        &mut self,
        template: usize,
        of: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Box<Expr>> {
        self.expression(template, of, scope).map(Box::new)
    }

    pub(super) fn expression(
        &mut self,
        template: usize,
        expression: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        let mut built = self.bare(template, expression, scope)?;
        if let Expr::Given { name, value } = &built {
            // Where it only decides, what it is called does not matter.
            match &**name {
                _ if self.asked => return Ok(Expr::Constant(value.clone())),
                "" => return Err(Declined("all values together")),
                _ => {}
            }
        }
        let place = (template, expression.range.start, expression.range.end);
        if !self.inputs.checked.plain.contains(&place) {
            return Ok(built);
        }
        if let Expr::Filter { call, .. } = &mut built {
            // Of what is plain behind it, the value that is made of it tells the filter.
            call.kept = None;
        }
        Ok(Expr::Plain(Box::new(built)))
    }

    pub(super) fn bare(
        &mut self,
        template: usize,
        expression: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        if let Some((way, column)) = self.cell_way(expression, scope)? {
            return self.bound(&Binding::Cell(way, column));
        }
        if let Some(way) = self.way(expression, scope)? {
            return self.bound(&Binding::Row(way));
        }
        Ok(match expression.kind.as_ref() {
            ExpressionKind::Text(text) => Expr::Constant(Data::from(text.as_str())),
            ExpressionKind::Int(number) => Expr::Constant(Data::from(*number)),
            ExpressionKind::Float(number) => Expr::Constant(Data::from(*number)),
            ExpressionKind::Bool(truth) => Expr::Constant(Data::from(*truth)),
            ExpressionKind::None => Expr::Constant(Data::none()),
            ExpressionKind::Parenthesis(inner) => self.expression(template, inner, scope)?,
            ExpressionKind::Variable(name) => match scope.find(name) {
                Some(binding) => self.bound(binding)?,
                // It was not set, or a condition that did not hold sets it.
                None => Expr::Constant(Data::undefined()),
            },
            ExpressionKind::Loop(field) => {
                let level = scope.round.ok_or(Declined("`loop` outside a loop"))?;
                Expr::Loop { up: self.level - level, field: *field }
            }
            ExpressionKind::Attribute { .. } | ExpressionKind::Index { .. } => {
                let Some((base, name, optional)) = attribute(expression) else {
                    return self.index(template, expression, scope);
                };
                if self.way(base, scope)?.is_some() {
                    if self.inputs.traced && !self.asked {
                        return Err(Declined("a column that is not there, which is not followed"));
                    }
                    // The target does not insist on the column, and the project does not have it.
                    return Ok(Expr::Constant(Data::none()));
                }
                let base = match base.kind.as_ref() {
                    // The values as a whole are nothing but the base of one of them.
                    ExpressionKind::Variable(_) => self.bare(template, base, scope)?,
                    _ => self.expression(template, base, scope)?,
                };
                match base {
                    Expr::Given { name: outer, value } => {
                        let entry = value.as_map().and_then(|map| map.get(&Key::Str(name)));
                        let value = entry.cloned().unwrap_or_else(Data::undefined);
                        Expr::Given { name: if outer.is_empty() { name.into() } else { outer }, value }
                    }
                    Expr::Constant(value) if !value.is_undefined() => {
                        let entry = value.as_map().and_then(|map| map.get(&Key::Str(name)));
                        Expr::Constant(entry.cloned().unwrap_or_else(Data::undefined))
                    }
                    base => Expr::Attribute { base: Box::new(base), name: name.into(), optional },
                }
            }
            ExpressionKind::Slice { base, start, end, step, optional } => {
                let mut parts = vec![("a".into(), self.expression(template, base, scope)?)];
                let mut text = format!("a{}[", if *optional { "?" } else { "" });
                for (before, bound, behind) in [("", start, ":"), ("", end, ""), (":", step, "")] {
                    if let Some(bound) = bound {
                        text.push_str(before);
                        let variable = VARIABLES[parts.len()];
                        text.push_str(variable);
                        let value = self.asking(|builder| builder.expression(template, bound, scope))?;
                        parts.push((variable.into(), value));
                    }
                    text.push_str(behind);
                }
                text.push(']');
                // Where it is cut decides only.
                Expr::Left { number: self.border.number(Left::Expression(text)), parts, made_of: 1 }
            }
            ExpressionKind::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let (Item::Value(value) | Item::Spread(value)) = item;
                    let spread = matches!(item, Item::Spread(_));
                    list.push((spread, self.expression(template, value, scope)?));
                }
                Expr::Array(list)
            }
            ExpressionKind::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for entry in entries {
                    let (key, value) = match entry {
                        Entry::Pair { key, value } => (Some(literal_key(key)?), value),
                        Entry::Spread(value) => (None, value),
                    };
                    map.push((key, self.expression(template, value, scope)?));
                }
                Expr::Map(map)
            }
            ExpressionKind::Filter { base, filter } => {
                if let ("length", Some(view)) = (filter.name.text.as_str(), table_of(base, scope)) {
                    return self.count(view);
                }
                let base = self.expression(template, base, scope)?;
                self.filter(template, base, filter, scope)?
            }
            ExpressionKind::Test { base, negated, name, arguments } => {
                let test = test::find(&name.text).ok_or(Declined("a test that does not exist"))?;
                let asks = matches!(test.name, "defined" | "undefined" | "none");
                if let (true, Some(way)) = (asks, self.way(base, scope)?) {
                    let present = Expr::Present(self.place(&way, None));
                    return Ok(unless(*negated == (test.name == "defined"), present));
                }
                let base = self.boxed(template, base, scope)?;
                let arguments = known(self.argument_list(template, test.arguments, arguments, scope)?);
                Expr::Test { base, test, arguments, negated: *negated }
            }
            ExpressionKind::Ternary { condition, then, otherwise } => Expr::If(Box::new([
                self.condition(template, condition, scope)?,
                self.expression(template, then, scope)?,
                self.expression(template, otherwise, scope)?,
            ])),
            ExpressionKind::Comprehension { element, key, value, target, condition } => {
                let (mut over, mut inner) = self.enter(template, key.as_ref(), value, target, scope)?;
                inner.round = None;
                let condition = condition.as_ref();
                let condition = condition.map(|it| self.condition(template, it, &inner)).transpose()?;
                let element = self.expression(template, element, &inner)?;
                self.leave(&mut over);
                Expr::Comprehension(Box::new(Comprehension { over: Arc::new(over), condition, element }))
            }
            ExpressionKind::Call(call) => {
                self.captured(|builder, out| builder.component(template, call, None, scope, out))?
            }
            ExpressionKind::Function { name, .. } if name.text == "throw" => Expr::Throw,
            ExpressionKind::Function { name, .. } if name.text == "super" => self.parent(scope)?,
            ExpressionKind::Function { name, arguments } => {
                let function = function::find(&name.text);
                let function = function.ok_or(Declined("a function that does not exist"))?;
                let parts = self.argument_list(template, function.arguments, arguments, scope)?;
                self.left("", &name.text, None, parts)?
            }
            ExpressionKind::Unary { operator: UnaryOperator::Not, operand } => {
                match self.truth(template, operand, scope)? {
                    Expr::Constant(value) => Expr::Constant(Data::from(!value.is_truthy())),
                    operand => Expr::Not(Box::new(operand)),
                }
            }
            ExpressionKind::Unary { operator: UnaryOperator::Minus, operand } => {
                Expr::Minus(self.boxed(template, operand, scope)?)
            }
            ExpressionKind::Binary { operator, left, right } => {
                self.binary(template, *operator, left, right, scope)?
            }
        })
    }

    pub(super) fn binary(
        &mut self,
        template: usize,
        operator: BinaryOperator,
        left: &'a Expression,
        right: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        if let BinaryOperator::Equal | BinaryOperator::NotEqual = operator
            && let ExpressionKind::None = right.kind.as_ref()
            && let Some(way) = self.way(left, scope)?
        {
            let present = Expr::Present(self.place(&way, None));
            return Ok(unless(operator == BinaryOperator::Equal, present));
        }
        let left = self.expression(template, left, scope)?;
        let right = self.expression(template, right, scope)?;
        Ok(match operator {
            BinaryOperator::And | BinaryOperator::Or => logic(operator, left, right),
            BinaryOperator::Power => {
                let number = self.border.number(Left::Expression("a ** b".to_owned()));
                Expr::Left { number, parts: vec![("a".into(), left), ("b".into(), right)], made_of: 2 }
            }
            BinaryOperator::Concatenate => {
                let mut parts = Vec::new();
                for side in [left, right] {
                    match side {
                        Expr::Concatenate(list) => parts.extend(list),
                        other => parts.push(other),
                    }
                }
                Expr::Concatenate(parts)
            }
            _ => Expr::Binary { operator, sides: Box::new([left, right]) },
        })
    }

    /// A value behind a filter.
    pub(super) fn filter(
        &mut self,
        template: usize,
        base: Expr,
        call: &'a FilterCall,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        let filter = filter::find(&call.name.text).ok_or(Declined("a filter that does not exist"))?;
        let arguments = self.argument_list(template, filter.arguments, &call.arguments, scope)?;
        match filter.implementation {
            Some(implementation) => {
                let keeps = self.inputs.traced && filter.parts == filter::Parts::Keep;
                let kept = keeps.then(|| {
                    Arc::new(Passed { name: filter.name.into(), call: self.span(template, &call.range) })
                });
                let arguments = known(arguments);
                let of_text = match &arguments {
                    Arguments::Known(map) => filter::OfText::new(filter.name, map),
                    Arguments::Computed(_) => None,
                };
                let call = Call { implementation, arguments, of_text, kept };
                Ok(Expr::Filter { base: Box::new(base), call })
            }
            None => self.left(" | ", filter.name, Some(base), arguments),
        }
    }

    /// A call that the engine makes.
    fn left(
        &mut self,
        before: &str,
        name: &str,
        base: Option<Expr>,
        arguments: Vec<(&'static str, Expr)>,
    ) -> Built<Expr> {
        let mut parts: Vec<_> = base.into_iter().map(|base| (VARIABLES[0].into(), base)).collect();
        let base = VARIABLES[..parts.len()].concat();
        let mut given = Vec::with_capacity(arguments.len());
        for (name, value) in arguments {
            let variable = *VARIABLES.get(parts.len()).ok_or(Declined("a call with many arguments"))?;
            given.push(format!("{name}={variable}"));
            parts.push((variable.into(), value));
        }
        let text = format!("{base}{before}{name}({})", given.join(", "));
        let number = self.border.number(Left::Expression(text));
        Ok(Expr::Left { number, made_of: parts.len(), parts })
    }

    /// `base[index]`.
    fn index(&mut self, template: usize, expression: &'a Expression, scope: &Scope<'a>) -> Built<Expr> {
        let ExpressionKind::Index { base, index, optional } = expression.kind.as_ref() else {
            return Err(Declined("an attribute without a name"));
        };
        let base = self.expression(template, base, scope)?;
        // It only decides which value is meant.
        let index = self.asking(|builder| builder.expression(template, index, scope))?;
        Ok(Expr::Index { sides: Box::new([base, index]), optional: *optional })
    }

    /// What a variable stands for, as a value.
    pub(super) fn bound(&mut self, binding: &Binding<'a>) -> Built<Expr> {
        let inputs = self.inputs;
        let followed = !inputs.traced || self.asked;
        Ok(match binding {
            Binding::Slot(slot) => Expr::Slot(*slot),
            Binding::Value(value) => value.clone(),
            Binding::Sometimes { set, slot, otherwise } => {
                Expr::If(Box::new([Expr::Slot(*set), Expr::Slot(*slot), self.bound(otherwise)?]))
            }
            Binding::Cell(way, column) => {
                if let ColumnType::List { of, .. } = &self.column(way, *column)?.ty
                    && of.ty.refers_to().is_some()
                    && !followed
                {
                    return Err(Declined("a list of rows, which are not followed"));
                }
                Expr::Cell(self.cell(way, *column))
            }
            Binding::Table(_) | Binding::Row(_) if !followed => {
                return Err(Declined("rows as values, which are not followed"));
            }
            Binding::Table(view) => Expr::List(self.table(&inputs.globals.views[view.0].table)?),
            Binding::Row(way) => {
                let columns = self.schema(way.table)?.columns.len();
                if let (true, Some(needed)) = (way.references.is_empty(), self.needed.get_mut(way.level)) {
                    *needed = vec![true; columns];
                }
                Expr::Row(self.place(way, None))
            }
            Binding::Body(body) => {
                let body = Rc::clone(body);
                self.captured(|builder, out| builder.body(&body, out))?
            }
        })
    }

    /// What is printed, as a value.
    fn captured(&mut self, build: impl FnOnce(&mut Self, &mut Vec<Segment>) -> Built<()>) -> Built<Expr> {
        let asked = std::mem::replace(&mut self.asked, false);
        let from = self.slots;
        let mut segments = Vec::new();
        build(self, &mut segments)?;
        self.asked = asked;
        Ok(Expr::Captured(Arc::new(Captured { segments, slots: from..self.slots })))
    }

    /// `super()` as a value.
    fn parent(&mut self, scope: &Scope<'a>) -> Built<Expr> {
        let (name, number) = *self.walking.last().ok_or(Declined("`super` outside a block"))?;
        let bodies = self.blocks.last().and_then(|blocks| blocks.get(name));
        let parents = bodies.into_iter().flatten().skip(number + 1);
        if parents.flat_map(|(_, nodes)| *nodes).any(sets) {
            return Err(Declined("a variable that a parent's block sets"));
        }
        self.captured(|builder, out| builder.block(name, number + 1, &mut scope.clone(), out))
    }

    pub(super) fn argument_list(
        &mut self,
        template: usize,
        declared: &'static [filter::Argument],
        given: &'a [Argument],
        scope: &Scope<'a>,
    ) -> Built<Vec<(&'static str, Expr)>> {
        let mut list = Vec::with_capacity(given.len());
        for argument in given {
            let known = declared.iter().find(|known| known.name == argument.name.text);
            let known = known.ok_or(Declined("an argument that does not exist"))?;
            list.push((known.name, self.expression(template, &argument.value, scope)?));
        }
        Ok(list)
    }
}

/// Arguments, as a map where all are known.
fn known(list: Vec<(&'static str, Expr)>) -> Arguments {
    let mut map = Map::new();
    for (name, value) in &list {
        let Expr::Constant(value) = value else { return Arguments::Computed(list) };
        map.insert(Key::Str(name), value.clone());
    }
    Arguments::Known(Arc::new(map))
}

/// The key that a literal is.
fn literal_key(literal: &Expression) -> Built<Key<'static>> {
    match literal.kind.as_ref() {
        ExpressionKind::Text(text) => Ok(Key::from(text.clone())),
        ExpressionKind::Int(number) => Ok(Key::I64(*number)),
        ExpressionKind::Bool(truth) => Ok(Key::Bool(*truth)),
        _ => Err(Declined("a map with keys that are no literals")),
    }
}

/// The table that an expression names.
pub(super) fn table_of(expression: &Expression, scope: &Scope<'_>) -> Option<ViewId> {
    match expression.kind.as_ref() {
        ExpressionKind::Parenthesis(inner) => table_of(inner, scope),
        ExpressionKind::Variable(name) => match scope.find(name)? {
            Binding::Table(view) => Some(*view),
            _ => None,
        },
        _ => None,
    }
}

/// The base and the name of `base.name` and `base["name"]`, and whether the base may be absent.
pub(super) fn attribute(expression: &Expression) -> Option<(&Expression, &str, bool)> {
    match expression.kind.as_ref() {
        ExpressionKind::Attribute { base, name, optional } => Some((base, &name.text, *optional)),
        ExpressionKind::Index { base, index, optional } => match index.kind.as_ref() {
            ExpressionKind::Text(text) => Some((base, text, *optional)),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn logic(operator: BinaryOperator, left: Expr, right: Expr) -> Expr {
    match (operator, &left) {
        (BinaryOperator::And, Expr::Constant(value)) if value.is_truthy() => right,
        (BinaryOperator::And, Expr::Constant(_)) => left,
        (BinaryOperator::And, _) => Expr::And(Box::new(left), Box::new(right)),
        (_, Expr::Constant(value)) if !value.is_truthy() => right,
        (_, Expr::Constant(_)) => left,
        _ => Expr::Or(Box::new(left), Box::new(right)),
    }
}

pub(super) fn unless(negated: bool, condition: Expr) -> Expr {
    if negated { Expr::Not(Box::new(condition)) } else { condition }
}
