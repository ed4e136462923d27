//! What is certain to have a value.

use crate::template::segment::{Comprehension, Expr, Over, Segment};
use crate::template::syntax::BinaryOperator;

/// Whether segments cannot fail before they are printed.
pub(super) fn is_certain(segment: &Segment) -> bool {
    match segment {
        Segment::Literal(_) | Segment::Cell { .. } | Segment::Continue | Segment::Break => true,
        Segment::Value { value, .. } | Segment::Set { value, .. } => has_value(value),
        Segment::Capture { body, .. } => body.iter().all(is_certain),
        Segment::If { branches, otherwise } => {
            let bodies = branches.iter().flat_map(|(_, body)| body).chain(otherwise);
            branches.iter().all(|(condition, _)| has_value(condition)) && bodies.into_iter().all(is_certain)
        }
        Segment::For { over, body, otherwise } => {
            is_walkable(over) && body.segments.iter().chain(otherwise).all(is_certain)
        }
        Segment::Noted { segment, .. } => is_certain(segment),
        Segment::Within { body, .. } => body.iter().all(is_certain),
    }
}

pub(super) fn is_walkable(over: &Over) -> bool {
    match over {
        Over::Table { .. } | Over::References { .. } => true,
        Over::Value { value, .. } => has_value(value),
    }
}

/// Whether an expression has a value whatever the values in it are.
pub(super) fn has_value(expression: &Expr) -> bool {
    use BinaryOperator as Op;
    match expression {
        Expr::Constant(_)
        | Expr::Given { .. }
        | Expr::Slot(_)
        | Expr::Cell(_)
        | Expr::Present(_)
        | Expr::Row(_)
        | Expr::List(_)
        | Expr::Count(_)
        | Expr::Loop { .. } => true,
        Expr::Attribute { base: of, optional: true, .. } | Expr::Not(of) | Expr::Plain(of) => has_value(of),
        Expr::Concatenate(list) => list.iter().all(has_value),
        Expr::Array(list) => list.iter().all(|(spread, value)| !spread && has_value(value)),
        Expr::Map(entries) => entries.iter().all(|(key, value)| key.is_some() && has_value(value)),
        Expr::Captured(captured) => captured.segments.iter().all(is_certain),
        Expr::Else(parts) => parts.iter().all(has_value),
        Expr::And(left, right) | Expr::Or(left, right) => has_value(left) && has_value(right),
        Expr::If(parts) => parts.iter().all(has_value),
        Expr::Binary { operator: Op::Equal | Op::NotEqual, sides } => sides.iter().all(has_value),
        Expr::Comprehension(comprehension) => {
            let Comprehension { over, condition, element } = &**comprehension;
            is_walkable(over) && condition.iter().chain([element]).all(has_value)
        }
        Expr::Attribute { .. }
        | Expr::Index { .. }
        | Expr::Without(..)
        | Expr::Filter { .. }
        | Expr::Test { .. }
        | Expr::Minus(_)
        | Expr::Binary { .. }
        | Expr::Left { .. }
        | Expr::Throw => false,
    }
}
