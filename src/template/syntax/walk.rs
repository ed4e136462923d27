//! Visits every expression of a template in source order.

use super::{
    Argument, ComponentArgument, ComponentCall, Entry, Expression, ExpressionKind, FilterCall, Item, Node,
    NodeKind,
};

/// Calls `visit` with every expression below `nodes`: outer ones before those within, left before right. That is
/// the order of their starts.
pub(super) fn nodes(nodes: &mut [Node], visit: &mut dyn FnMut(&mut Expression)) {
    for node in nodes {
        match &mut node.kind {
            NodeKind::Text { .. }
            | NodeKind::Comment
            | NodeKind::Include(_)
            | NodeKind::Extends(_)
            | NodeKind::Break
            | NodeKind::Continue => {}
            NodeKind::Print(value) | NodeKind::Set { value, .. } => expression(value, visit),
            NodeKind::SetBlock { filters, body, .. } | NodeKind::Filter { filters, body } => {
                for filter in filters {
                    filter_call(filter, visit);
                }
                self::nodes(body, visit);
            }
            NodeKind::Block { body, .. } => self::nodes(body, visit),
            NodeKind::For { target, body, otherwise, .. } => {
                expression(target, visit);
                self::nodes(body, visit);
                self::nodes(otherwise.as_deref_mut().unwrap_or_default(), visit);
            }
            NodeKind::If { branches, otherwise } => {
                for branch in branches {
                    expression(&mut branch.condition, visit);
                    self::nodes(&mut branch.body, visit);
                }
                self::nodes(otherwise.as_deref_mut().unwrap_or_default(), visit);
            }
            NodeKind::Component(definition) => {
                for default in definition.parameters.iter_mut().filter_map(|it| it.default.as_mut()) {
                    expression(default, visit);
                }
                if let Some(metadata) = &mut definition.metadata {
                    expression(metadata, visit);
                }
                self::nodes(&mut definition.body, visit);
            }
            NodeKind::Call { call, body } => {
                component_call(call, visit);
                self::nodes(body, visit);
            }
        }
    }
}

/// Calls `visit` with `expression` and every one below it.
pub(crate) fn expression(expression: &mut Expression, visit: &mut dyn FnMut(&mut Expression)) {
    visit(expression);
    match &mut *expression.kind {
        ExpressionKind::Text(_)
        | ExpressionKind::Int(_)
        | ExpressionKind::Float(_)
        | ExpressionKind::Bool(_)
        | ExpressionKind::None
        | ExpressionKind::Variable(_)
        | ExpressionKind::Loop(_) => {}
        ExpressionKind::Array(items) => {
            for item in items {
                let (Item::Value(value) | Item::Spread(value)) = item;
                self::expression(value, visit);
            }
        }
        ExpressionKind::Map(entries) => {
            for entry in entries {
                match entry {
                    Entry::Pair { key, value } => {
                        self::expression(key, visit);
                        self::expression(value, visit);
                    }
                    Entry::Spread(value) => self::expression(value, visit),
                }
            }
        }
        ExpressionKind::Attribute { base, .. } => self::expression(base, visit),
        ExpressionKind::Index { base, index, .. } => {
            self::expression(base, visit);
            self::expression(index, visit);
        }
        ExpressionKind::Slice { base, start, end, step, .. } => {
            self::expression(base, visit);
            for bound in [start, end, step].into_iter().flatten() {
                self::expression(bound, visit);
            }
        }
        ExpressionKind::Filter { base, filter } => {
            self::expression(base, visit);
            filter_call(filter, visit);
        }
        ExpressionKind::Test { base, arguments, .. } => {
            self::expression(base, visit);
            self::arguments(arguments, visit);
        }
        ExpressionKind::Ternary { condition, then, otherwise } => {
            for part in [then, condition, otherwise] {
                self::expression(part, visit);
            }
        }
        ExpressionKind::Comprehension { element, target, condition, .. } => {
            for part in [element, target].into_iter().chain(condition) {
                self::expression(part, visit);
            }
        }
        ExpressionKind::Call(call) => component_call(call, visit),
        ExpressionKind::Function { arguments, .. } => self::arguments(arguments, visit),
        ExpressionKind::Unary { operand: inner, .. } | ExpressionKind::Parenthesis(inner) => {
            self::expression(inner, visit);
        }
        ExpressionKind::Binary { left, right, .. } => {
            self::expression(left, visit);
            self::expression(right, visit);
        }
    }
}

fn arguments(arguments: &mut [Argument], visit: &mut dyn FnMut(&mut Expression)) {
    for argument in arguments {
        expression(&mut argument.value, visit);
    }
}

fn filter_call(call: &mut FilterCall, visit: &mut dyn FnMut(&mut Expression)) {
    arguments(&mut call.arguments, visit);
}

fn component_call(call: &mut ComponentCall, visit: &mut dyn FnMut(&mut Expression)) {
    for argument in &mut call.arguments {
        let (ComponentArgument::Named { value, .. } | ComponentArgument::Spread(value)) = argument;
        expression(value, visit);
    }
}
