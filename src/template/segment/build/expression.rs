//! Expressions, and the rows and cells that they name.

use std::sync::Arc;

use tera::value::Key;
use tera::{Map, Value as Data};

use super::scope::{Binding, Scope, Way};
use super::{Builder, Built};
use crate::table::{Column, ColumnType};
use crate::template::segment::{Arguments, Call, Cell, Comprehension, Declined, Expr, Place};
use crate::template::syntax::{
    Argument, BinaryOperator, Entry, Expression, ExpressionKind, FilterCall, Item, UnaryOperator,
};
use crate::template::types::ViewId;
use crate::template::{filter, test};

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
        let before = std::mem::replace(&mut self.asked, true);
        let built = self.truth(template, expression, scope);
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
        let built = self.bare(template, expression, scope)?;
        if let Expr::Given { name, value } = &built {
            // Where it only decides, what it is called does not matter.
            match &**name {
                _ if self.asked => return Ok(Expr::Constant(value.clone())),
                "" => return Err(Declined("all values together")),
                _ => {}
            }
        }
        let place = (template, expression.range.start, expression.range.end);
        Ok(if self.inputs.checked.plain.contains(&place) { Expr::Plain(Box::new(built)) } else { built })
    }

    pub(super) fn bare(
        &mut self,
        template: usize,
        expression: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<Expr> {
        if let Some((way, column)) = self.cell_way(expression, scope)? {
            if let ColumnType::List { of, .. } = &self.column(&way, column)?.ty
                && of.ty.refers_to().is_some()
            {
                return Err(Declined("a list of rows as a value"));
            }
            return Ok(Expr::Cell(self.cell(&way, column)));
        }
        Ok(match expression.kind.as_ref() {
            ExpressionKind::Text(text) => Expr::Constant(Data::from(text.as_str())),
            ExpressionKind::Int(number) => Expr::Constant(Data::from(*number)),
            ExpressionKind::Float(number) => Expr::Constant(Data::from(*number)),
            ExpressionKind::Bool(truth) => Expr::Constant(Data::from(*truth)),
            ExpressionKind::None => Expr::Constant(Data::none()),
            ExpressionKind::Parenthesis(inner) => self.expression(template, inner, scope)?,
            ExpressionKind::Variable(name) => match scope.find(name) {
                Some(Binding::Slot(slot)) => Expr::Slot(*slot),
                Some(Binding::Value(value)) => value.clone(),
                Some(Binding::Table(view)) => {
                    let inputs = self.inputs;
                    if inputs.traced && !self.asked {
                        return Err(Declined("a list of rows, which are not followed"));
                    }
                    Expr::List(self.table(&inputs.globals.views[view.0].table)?)
                }
                Some(Binding::Row(_) | Binding::Cell(..)) => return Err(Declined("a row as a value")),
                Some(Binding::Body(_)) => return Err(Declined("the body of a component's call as a value")),
                None => return Err(Declined("a variable that is set later")),
            },
            ExpressionKind::Loop(field) => {
                let level = scope.round.ok_or(Declined("`loop` outside a loop"))?;
                Expr::Loop { up: self.level - level, field: *field }
            }
            ExpressionKind::Attribute { .. } | ExpressionKind::Index { .. } => {
                let Some((base, name, _)) = attribute(expression) else {
                    return Err(Declined("an index that is not a name"));
                };
                if self.way(expression, scope)?.is_some() {
                    return Err(Declined("a row as a value"));
                }
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
                    Expr::Constant(value) => {
                        let entry = value.as_map().and_then(|map| map.get(&Key::Str(name)));
                        Expr::Constant(entry.cloned().unwrap_or_else(Data::undefined))
                    }
                    base => Expr::Attribute { base: Box::new(base), name: name.into() },
                }
            }
            ExpressionKind::Slice { .. } => return Err(Declined("a slice")),
            ExpressionKind::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let Item::Value(value) = item else { return Err(Declined("a list that is spread")) };
                    list.push(self.expression(template, value, scope)?);
                }
                Expr::Array(list)
            }
            ExpressionKind::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for entry in entries {
                    let Entry::Pair { key, value } = entry else {
                        return Err(Declined("a map that is spread"));
                    };
                    let ExpressionKind::Text(key) = key.kind.as_ref() else {
                        return Err(Declined("a map with keys that are no text"));
                    };
                    map.push((key.as_str().into(), self.expression(template, value, scope)?));
                }
                Expr::Map(map)
            }
            ExpressionKind::Filter { base, filter } => {
                if let ("length", Some(view)) = (filter.name.text.as_str(), table_of(base, scope)) {
                    return self.count(view);
                }
                let base = self.boxed(template, base, scope)?;
                Expr::Filter { base, call: self.call(template, filter, scope)? }
            }
            ExpressionKind::Test { base, negated, name, arguments } => {
                let test = test::find(&name.text).ok_or(Declined("a test that does not exist"))?;
                if let Some(way) = self.way(base, scope)? {
                    let present = Expr::Present(self.place(&way, None));
                    return match test.name {
                        "defined" => Ok(unless(*negated, present)),
                        "undefined" | "none" => Ok(unless(!*negated, present)),
                        _ => Err(Declined("a row as a value")),
                    };
                }
                let base = self.boxed(template, base, scope)?;
                let arguments = self.arguments(template, test.arguments, arguments, scope)?;
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
            ExpressionKind::Call(_) => return Err(Declined("a component's call as a value")),
            ExpressionKind::Function { name, .. } if name.text == "throw" => Expr::Throw,
            ExpressionKind::Function { .. } => return Err(Declined("a function")),
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
        if operator == BinaryOperator::Power {
            return Err(Declined("a power"));
        }
        let left = self.expression(template, left, scope)?;
        let right = self.expression(template, right, scope)?;
        Ok(match operator {
            BinaryOperator::And | BinaryOperator::Or => logic(operator, left, right),
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

    pub(super) fn filters(
        &mut self,
        template: usize,
        calls: &'a [FilterCall],
        scope: &Scope<'a>,
    ) -> Built<Vec<Call>> {
        calls.iter().map(|call| self.call(template, call, scope)).collect()
    }

    pub(super) fn call(&mut self, template: usize, call: &'a FilterCall, scope: &Scope<'a>) -> Built<Call> {
        let filter = filter::find(&call.name.text).ok_or(Declined("a filter that does not exist"))?;
        let implementation = filter.implementation.ok_or(Declined("a filter of the engine"))?;
        let arguments = self.arguments(template, filter.arguments, &call.arguments, scope)?;
        Ok(Call { implementation, arguments })
    }

    pub(super) fn arguments(
        &mut self,
        template: usize,
        declared: &'static [filter::Argument],
        given: &'a [Argument],
        scope: &Scope<'a>,
    ) -> Built<Arguments> {
        let mut list = Vec::with_capacity(given.len());
        for argument in given {
            let known = declared.iter().find(|known| known.name == argument.name.text);
            let known = known.ok_or(Declined("an argument that does not exist"))?;
            list.push((known.name, self.expression(template, &argument.value, scope)?));
        }
        let mut map = Map::new();
        for (name, value) in &list {
            let Expr::Constant(value) = value else { return Ok(Arguments::Computed(list)) };
            map.insert(Key::Str(name), value.clone());
        }
        Ok(Arguments::Known(Arc::new(map)))
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
