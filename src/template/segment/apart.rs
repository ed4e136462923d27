//! Whether what a round of a loop over a table prints depends on nothing but its row.
//!
//! Then the bytes that a block of rows made stand for it as long as the same rows are there. Rows that it refers to, and
//! the row of the artifact, are of tables that are held: they have not changed where nothing but blocks has.

use super::{Arguments, Comprehension, Expr, Over, Segment};
use crate::template::syntax::LoopField;

/// A loop over the rows of a table whose rounds do not depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Apart {
    /// The number of the loop in its program.
    pub(crate) number: usize,
    /// Whether a round sees the number of its row.
    pub(crate) numbered: bool,
    /// Whether it sees how many rows there are.
    pub(crate) counted: bool,
    /// Whether it sees all rows of another table.
    pub(crate) others: bool,
}

impl Apart {
    /// Looks at the body of a loop over a table; `slots` are the variables that each round begins without.
    pub(super) fn of(number: usize, table: usize, body: &[Segment], slots: &[usize]) -> Option<Self> {
        let found = Self { number, numbered: false, counted: false, others: false };
        let mut look = Look { found, table, slots, depth: 0, apart: true };
        look.segments(body);
        look.apart.then_some(look.found)
    }
}

struct Look<'l> {
    found: Apart,
    table: usize,
    slots: &'l [usize],
    /// How many loops are around within the body.
    depth: usize,
    apart: bool,
}

impl Look<'_> {
    fn segments(&mut self, segments: &[Segment]) {
        for segment in segments {
            self.segment(segment);
        }
    }

    fn segment(&mut self, segment: &Segment) {
        match segment {
            Segment::Literal(_) | Segment::Cell { .. } | Segment::Continue => {}
            Segment::Value { value, .. } => self.value(value),
            Segment::Set { slot, value } => {
                self.slot(*slot);
                self.value(value);
            }
            Segment::Capture { slot, body } => {
                self.slot(*slot);
                self.segments(body);
            }
            Segment::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.value(condition);
                    self.segments(body);
                }
                self.segments(otherwise);
            }
            Segment::For { over, body, otherwise } => {
                self.over(over, |look| look.segments(&body.segments));
                self.segments(otherwise);
            }
            // Behind the end of the loop no row is printed, however it looks.
            Segment::Break => self.apart &= self.depth > 0,
            // Only what is traced has them, and that is not kept.
            Segment::Noted { .. } | Segment::Within { .. } => self.apart = false,
        }
    }

    fn over(&mut self, over: &Over, inside: impl FnOnce(&mut Self)) {
        match over {
            Over::Table { table, .. } => self.table(*table),
            Over::References { .. } => {}
            Over::Value { value, key, slot } => {
                self.value(value);
                key.iter().chain([slot]).for_each(|slot| self.slot(*slot));
            }
        }
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    fn table(&mut self, table: usize) {
        self.found.others = true;
        self.apart &= table != self.table;
    }

    fn slot(&mut self, slot: usize) {
        self.apart &= self.slots.contains(&slot);
    }

    fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v Expr>) {
        values.into_iter().for_each(|value| self.value(value));
    }

    fn value(&mut self, value: &Expr) {
        match value {
            Expr::Constant(_) | Expr::Throw | Expr::Cell(_) | Expr::Present(_) | Expr::Row(_) => {}
            Expr::Given { .. } => self.apart = false,
            Expr::Slot(slot) => self.slot(*slot),
            Expr::Count(table) if *table == self.table => self.found.counted = true,
            Expr::List(table) | Expr::Count(table) => self.table(*table),
            Expr::Loop { up, field } if *up == self.depth => match field {
                LoopField::Index | LoopField::Index0 | LoopField::First => self.found.numbered = true,
                LoopField::Last => (self.found.numbered, self.found.counted) = (true, true),
                LoopField::Length => self.found.counted = true,
            },
            Expr::Loop { up, .. } => self.apart &= *up < self.depth,
            Expr::Attribute { base: operand, .. }
            | Expr::Without(operand, _)
            | Expr::Not(operand)
            | Expr::Minus(operand)
            | Expr::Plain(operand) => self.value(operand),
            Expr::Filter { base, call } => {
                self.value(base);
                self.arguments(&call.arguments);
            }
            Expr::Test { base, arguments, .. } => {
                self.value(base);
                self.arguments(arguments);
            }
            Expr::Index { sides, .. } | Expr::Binary { sides, .. } | Expr::Else(sides) => {
                self.values(&**sides);
            }
            Expr::And(left, right) | Expr::Or(left, right) => self.values([&**left, &**right]),
            Expr::If(parts) => self.values(&**parts),
            Expr::Array(parts) => self.values(parts.iter().map(|(_, part)| part)),
            Expr::Map(entries) => self.values(entries.iter().map(|(_, entry)| entry)),
            Expr::Left { parts, .. } => self.values(parts.iter().map(|(_, part)| part)),
            Expr::Concatenate(parts) => self.values(parts),
            Expr::Comprehension(comprehension) => {
                let Comprehension { over, condition, element } = &**comprehension;
                self.over(over, |look| look.values(condition.iter().chain([element])));
            }
            Expr::Captured(captured) => {
                captured.slots.clone().for_each(|slot| self.slot(slot));
                self.segments(&captured.segments);
            }
        }
    }

    fn arguments(&mut self, arguments: &Arguments) {
        if let Arguments::Computed(list) = arguments {
            self.values(list.iter().map(|(_, value)| value));
        }
    }
}
