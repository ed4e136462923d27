//! The conditions that decide whether something of a template is printed at all.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::explain::Resolver;
use crate::origin::{FrameKind, Input, Piece, Row};
use crate::source::Span;
use crate::template::syntax::{ExpressionKind, Node, NodeKind, visit};

/// An `if` around a piece.
pub(super) struct Condition {
    /// Its tag's first condition.
    pub(super) span: Span,
    /// The branch in which the piece stands.
    pub(super) body: Span,
    /// Whether it has other branches.
    pub(super) has_others: bool,
    /// The cells of the rows around it and the values that its conditions read.
    pub(super) inputs: BTreeSet<Input>,
    /// What else they read: tables, variables, and what components are given.
    pub(super) others: BTreeSet<String>,
}

impl Condition {
    /// What it reads that is not a cell of a row around it.
    pub(super) fn beyond_rows(&self) -> BTreeSet<String> {
        let values = self.inputs.iter().filter_map(|input| match input {
            Input::Value(name) => Some(format!("values.{name}")),
            Input::Cell { .. } | Input::Row(_) => None,
        });
        values.chain(self.others.iter().cloned()).collect()
    }
}

/// The conditions around a piece and around what was entered to get there, outermost first.
pub(super) fn around(resolver: &Resolver<'_>, piece: &Piece) -> Vec<Condition> {
    let sites = piece.frames.iter().filter(|frame| frame.kind != FrameKind::Artifact).map(|frame| frame.site);
    let mut all = Vec::new();
    for span in sites.chain(piece.span()) {
        let templates = resolver.environment.templates(resolver.planned);
        for template in templates.iter().filter(|template| template.span(0..0).file == span.file) {
            let mut found = Vec::new();
            enclosing(&template.tree.nodes, &span.range(), &mut found);
            for (node, body) in found {
                let NodeKind::If { branches, otherwise } = &node.kind else { continue };
                let (mut inputs, mut others) = (BTreeSet::new(), BTreeSet::new());
                for branch in branches {
                    read(&mut branch.condition.clone(), piece, &mut inputs, &mut others);
                }
                let first = branches.first().map_or(0..0, |branch| branch.condition.range.clone());
                all.push(Condition {
                    span: template.span(first),
                    body: template.span(body),
                    has_others: branches.len() + usize::from(otherwise.is_some()) > 1,
                    inputs,
                    others,
                });
            }
        }
    }
    all
}

/// The nodes with a condition around a place, outermost first, each with the range of the body that holds it.
fn enclosing<'n>(nodes: &'n [Node], at: &Range<usize>, found: &mut Vec<(&'n Node, Range<usize>)>) {
    let Some(node) = nodes.iter().find(|node| node.range.start <= at.start && at.end <= node.range.end)
    else {
        return;
    };
    for body in node.bodies() {
        let (Some(first), Some(last)) = (body.first(), body.last()) else { continue };
        let range = first.range.start..last.range.end;
        if range.start <= at.start && at.end <= range.end {
            if matches!(node.kind, NodeKind::If { .. }) {
                found.push((node, range));
            }
            enclosing(body, at, found);
        }
    }
}

/// Notes what a condition reads.
fn read(
    condition: &mut crate::template::syntax::Expression,
    piece: &Piece,
    inputs: &mut BTreeSet<Input>,
    others: &mut BTreeSet<String>,
) {
    let row_of = |variable: &str| -> Option<&Row> {
        let frames = piece.frames.iter().rev();
        frames.filter(|frame| *frame.name == *variable).find_map(|frame| frame.row.as_ref())
    };
    // Outer expressions come before those within.
    let mut bases = BTreeSet::new();
    visit(condition, &mut |expression| match expression.kind.as_ref() {
        ExpressionKind::Attribute { base, name, .. } => {
            let ExpressionKind::Variable(variable) = base.kind.as_ref() else { return };
            bases.insert(base.range.start);
            if variable == "values" {
                inputs.insert(Input::Value(name.text.as_str().into()));
            } else if let Some(row) = row_of(variable) {
                inputs.insert(Input::Cell { row: row.clone(), column: name.text.as_str().into() });
            } else {
                others.insert(format!("{variable}.{}", name.text));
            }
        }
        ExpressionKind::Variable(name) if !bases.contains(&expression.range.start) => {
            others.insert(name.clone());
        }
        ExpressionKind::Loop(_) => {
            others.insert("loop".to_owned());
        }
        _ => {}
    });
}
