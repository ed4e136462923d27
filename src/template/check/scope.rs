//! The variables that a template has at a place, with their types.

use std::collections::{BTreeMap, BTreeSet};

use super::CellColumn;
use crate::template::syntax::{BinaryOperator, Expression, ExpressionKind, UnaryOperator};
use crate::template::types::Type;

/// A type with the columns that the value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inferred {
    pub(super) ty: Type,
    pub(super) cells: BTreeSet<CellColumn>,
}

/// A variable is what was inferred of its value.
pub(super) type Variable = Inferred;

impl Inferred {
    pub(super) fn of(ty: Type) -> Self {
        Self { ty, cells: BTreeSet::new() }
    }

    pub(super) fn new(ty: Type) -> Self {
        Self::of(ty)
    }

    pub(super) fn join(mut self, other: Self) -> Self {
        self.ty = self.ty.join(&other.ty);
        self.cells.extend(other.cells);
        self
    }
}

/// The variables at a place: one frame for the template, one for each loop around the place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scope {
    frames: Vec<BTreeMap<String, Variable>>,
    /// Paths that a condition has shown to be there.
    present: BTreeSet<String>,
}

impl Scope {
    pub(super) fn new(variables: BTreeMap<String, Variable>) -> Self {
        Self { frames: vec![variables], present: BTreeSet::new() }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Variable> {
        self.frames.iter().rev().find_map(|frame| frame.get(name))
    }

    pub(super) fn names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.frames.iter().flat_map(BTreeMap::keys).collect();
        names.into_iter().cloned().collect()
    }

    pub(super) fn set(&mut self, name: &str, value: Inferred, global: bool) {
        let at = if global { 0 } else { self.frames.len() - 1 };
        self.frames[at].insert(name.to_owned(), value);
        self.present.retain(|path| path.split(['.', '[']).next() != Some(name));
    }

    pub(super) fn open_loop(&mut self) {
        self.frames.push(BTreeMap::new());
    }

    pub(super) fn close_loop(&mut self) {
        if self.frames.len() > 1 {
            self.frames.pop();
        }
    }

    pub(super) fn is_present(&self, path: &str) -> bool {
        self.present.contains(path)
    }

    /// Takes over what a captured body assigned.
    pub(super) fn take_assignments(&mut self, inner: Scope) {
        self.frames = inner.frames;
    }

    /// Takes over the outcome of branches; what their conditions showed holds no longer.
    pub(super) fn leave_branches(&mut self, outcome: Scope) {
        self.frames = outcome.frames;
        self.present.retain(|path| outcome.present.contains(path));
    }

    /// The scope after one of two ways.
    pub(super) fn join(&self, other: &Self) -> Self {
        let mut frames = Vec::with_capacity(self.frames.len());
        for (at, frame) in self.frames.iter().enumerate() {
            let theirs = other.frames.get(at);
            let mut joined = BTreeMap::new();
            let names: BTreeSet<&String> =
                frame.keys().chain(theirs.into_iter().flat_map(BTreeMap::keys)).collect();
            for name in names {
                let a = frame.get(name).or_else(|| self.find(name));
                let b = theirs.and_then(|frame| frame.get(name)).or_else(|| other.find(name));
                let variable = match (a, b) {
                    (Some(a), Some(b)) => a.clone().join(b.clone()),
                    (Some(one), None) | (None, Some(one)) => {
                        Inferred { ty: one.ty.clone().optional(), cells: one.cells.clone() }
                    }
                    (None, None) => continue,
                };
                joined.insert(name.clone(), variable);
            }
            frames.push(joined);
        }
        let present = self.present.intersection(&other.present).cloned().collect();
        Self { frames, present }
    }

    /// This scope where a condition holds, or does not.
    pub(super) fn narrowed(&self, condition: &Expression, holds: bool) -> Self {
        let mut scope = self.clone();
        scope.narrow(condition, holds);
        scope
    }

    fn narrow(&mut self, condition: &Expression, holds: bool) {
        match condition.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => self.narrow(inner, holds),
            ExpressionKind::Unary { operator: UnaryOperator::Not, operand } => self.narrow(operand, !holds),
            ExpressionKind::Binary { operator: BinaryOperator::And, left, right } if holds => {
                self.narrow(left, true);
                self.narrow(right, true);
            }
            ExpressionKind::Binary { operator: BinaryOperator::Or, left, right } if !holds => {
                self.narrow(left, false);
                self.narrow(right, false);
            }
            ExpressionKind::Binary { operator, left, right } => {
                let asks = matches!(
                    (operator, holds),
                    (BinaryOperator::NotEqual, true) | (BinaryOperator::Equal, false)
                );
                if asks && matches!(right.kind.as_ref(), ExpressionKind::None) {
                    self.show(left);
                }
            }
            ExpressionKind::Test { base, negated, name, .. } => match (name.text.as_str(), holds != *negated)
            {
                ("defined", true) | ("none" | "undefined", false) => self.show(base),
                _ => {}
            },
            _ if holds => self.show(condition),
            _ => {}
        }
    }

    fn show(&mut self, expression: &Expression) {
        if let Some(path) = path(expression) {
            // `a?.b` holds only where `a` is there too.
            let mut ends: Vec<usize> = path.match_indices(['.', '[']).map(|(at, _)| at).collect();
            ends.push(path.len());
            self.present.extend(ends.into_iter().map(|end| path[..end].to_owned()));
        }
    }
}

/// The path that an expression is, such as `row.ip6`, if it is one.
pub(super) fn path(expression: &Expression) -> Option<String> {
    match expression.kind.as_ref() {
        ExpressionKind::Variable(name) => Some(name.clone()),
        ExpressionKind::Parenthesis(inner) => path(inner),
        ExpressionKind::Attribute { base, name, .. } => Some(format!("{}.{}", path(base)?, name.text)),
        ExpressionKind::Index { base, index, .. } => match index.kind.as_ref() {
            ExpressionKind::Text(text) => Some(format!("{}.{text}", path(base)?)),
            _ => None,
        },
        _ => None,
    }
}
