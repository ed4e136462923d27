//! Statements: from the nodes of a template to segments.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tera::Value as Data;

use super::expression::table_of;
use super::scope::{Binding, Scope, Way};
use super::{Builder, Built, Lineage};
use crate::origin::FrameKind;
use crate::table::ColumnType;
use crate::template::segment::{Apart, Body, Declined, Entered, Expr, Note, Over, Segment};
use crate::template::syntax::{
    Branch, Expression, ExpressionKind, FilterCall, Name, Node, NodeKind, collect_blocks,
};
use crate::template::trace::has_super;

impl<'a> Builder<'a> {
    pub(super) fn template(
        &mut self,
        template: usize,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let library = self.inputs.library;
        let mut chain = vec![template];
        while let Some(parent) = library.templates[chain[chain.len() - 1]].tree.extends() {
            match library.find(&parent.text) {
                Some(next) if !chain.contains(&next) => chain.push(next),
                _ => return Err(Declined("a parent that does not exist")),
            }
        }
        let mut blocks: BTreeMap<&'a str, Lineage<'a>> = BTreeMap::new();
        for at in &chain {
            collect_blocks(&library.templates[*at].tree.nodes, &mut |name, body| {
                blocks.entry(name.text.as_str()).or_default().push((*at, body));
            });
        }
        self.blocks.push(blocks);
        let base = chain[chain.len() - 1];
        self.nodes(base, &library.templates[base].tree.nodes, scope, out)?;
        self.blocks.pop();
        Ok(())
    }

    pub(super) fn nodes(
        &mut self,
        template: usize,
        nodes: &'a [Node],
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        nodes.iter().try_for_each(|node| self.node(template, node, scope, out))
    }

    pub(super) fn node(
        &mut self,
        template: usize,
        node: &'a Node,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        match &node.kind {
            NodeKind::Comment | NodeKind::Extends(_) | NodeKind::Component(_) => Ok(()),
            NodeKind::Text { trimmed } => {
                let text = &self.inputs.library.templates[template].tree.source()[trimmed.clone()];
                if self.inputs.traced && !text.is_empty() {
                    let note = Note::Text(self.span(template, trimmed));
                    let segment = Box::new(Segment::Literal(text.into()));
                    return self.push(out, Segment::Noted { note, segment });
                }
                self.literal(out, text)
            }
            NodeKind::Print(expression) if has_super(expression) => {
                let site = self.span(template, &expression.range);
                self.within(FrameKind::Block, "super", site, out, |builder, out| {
                    builder.print(template, expression, scope, out)
                })
            }
            NodeKind::Print(expression) => self.print(template, expression, scope, out),
            NodeKind::Set { name, value, global } => self.set(template, name, value, *global, scope, out),
            NodeKind::SetBlock { name, filters, body, global } => {
                let value = self.section(template, body, filters, scope, out)?;
                self.assign(name, *global, value, scope, out)
            }
            NodeKind::Filter { filters, body } => {
                let value = self.section(template, body, filters, scope, out)?;
                let segment = Segment::Value { value, site: None };
                if !self.inputs.traced {
                    return self.push(out, segment);
                }
                self.push(out, Segment::Noted { note: Note::Section, segment: Box::new(segment) })
            }
            NodeKind::Include(name) => {
                let included = self.inputs.library.find(&name.text);
                let included = included.ok_or(Declined("an include that does not exist"))?;
                let mut inner = scope.clone();
                inner.open(self.branches);
                inner.base = inner.frames.len() - 1;
                inner.round = None;
                self.bind_late(&mut inner);
                let site = self.span(template, &node.range);
                self.within(FrameKind::Include, &name.text, site, out, |builder, out| {
                    builder.template(included, &mut inner, out)
                })
            }
            NodeKind::Block { name, .. } => {
                let site = self.span(template, &name.range);
                self.within(FrameKind::Block, &name.text, site, out, |builder, out| {
                    builder.block(&name.text, 0, scope, out)
                })
            }
            NodeKind::For { key, value, target, body, otherwise } => {
                let (mut over, mut inner) = self.enter(template, key.as_ref(), value, target, scope)?;
                let from = self.slots;
                let mut segments = Vec::new();
                self.nodes(template, body, &mut inner, &mut segments)?;
                self.leave(&mut over);
                // What a round sets for all outlives it, and is known behind the loop too.
                inner.frames.pop();
                let lasting: BTreeSet<usize> = inner.slots().collect();
                let slots: Box<[usize]> = (from..self.slots).filter(|slot| !lasting.contains(slot)).collect();
                let base = scope.base;
                scope.frames[base].variables.extend(inner.frames.swap_remove(base).variables);
                let flat = segments.iter().all(is_flat);
                let tag = key.as_ref().unwrap_or(value).range.start..target.range.end;
                let entered = self.inputs.traced.then(|| {
                    let (kind, name) = (FrameKind::Loop, value.text.as_str().into());
                    Box::new(Entered { kind, name, site: self.span(template, &tag) })
                });
                self.loops += 1;
                let apart = match &over {
                    Over::Table { table, .. } => Apart::of(self.loops, *table, &segments, &slots),
                    _ => None,
                };
                let body = Body { segments, slots, flat, apart, entered };
                let mut rest = Vec::new();
                if let Some(otherwise) = otherwise {
                    self.branches += 1;
                    self.nodes(template, otherwise, scope, &mut rest)?;
                    self.branches -= 1;
                }
                self.push(out, Segment::For { over, body, otherwise: rest })
            }
            NodeKind::If { branches, otherwise } => {
                self.conditional(template, branches, otherwise.as_deref(), scope, out)
            }
            NodeKind::Call { call, body } => {
                let body = self.captive(template, body, scope, out)?;
                self.component(template, call, Some(body), scope, out)
            }
            NodeKind::Break => self.push(out, Segment::Break),
            NodeKind::Continue => self.push(out, Segment::Continue),
        }
    }

    pub(super) fn block(
        &mut self,
        name: &str,
        number: usize,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let bodies = self.blocks.last().and_then(|blocks| blocks.get_key_value(name));
        let Some((name, (template, body))) =
            bodies.and_then(|(name, bodies)| Some((*name, *bodies.get(number)?)))
        else {
            return Err(Declined("a block that does not exist"));
        };
        self.walking.push((name, number));
        self.nodes(template, body, scope, out)?;
        self.walking.pop();
        Ok(())
    }

    pub(super) fn conditional(
        &mut self,
        template: usize,
        branches: &'a [Branch],
        otherwise: Option<&'a [Node]>,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let mut built = Vec::new();
        let mut rest = Vec::new();
        let mut certain = false;
        for branch in branches {
            let condition = self.condition(template, &branch.condition, scope)?;
            if let Expr::Constant(value) = &condition {
                if !value.is_truthy() {
                    continue;
                }
                // Not a branch any more where nothing else comes before it.
                self.branches += usize::from(!built.is_empty());
                self.nodes(template, &branch.body, scope, &mut rest)?;
                self.branches -= usize::from(!built.is_empty());
                certain = true;
                break;
            }
            let mut body = Vec::new();
            self.branches += 1;
            self.nodes(template, &branch.body, scope, &mut body)?;
            self.branches -= 1;
            built.push((condition, body));
        }
        if let (false, Some(otherwise)) = (certain, otherwise) {
            self.branches += usize::from(!built.is_empty());
            self.nodes(template, otherwise, scope, &mut rest)?;
            self.branches -= usize::from(!built.is_empty());
        }
        if !built.is_empty() {
            return self.push(out, Segment::If { branches: built, otherwise: rest });
        }
        self.take(rest, out)
    }

    pub(super) fn set(
        &mut self,
        template: usize,
        name: &'a Name,
        value: &'a Expression,
        global: bool,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        if self.is_certain_set(&name.text, global, scope) {
            let place = match self.way(value, scope)? {
                Some(way) => Some(Binding::Row(way)),
                None => table_of(value, scope).map(Binding::Table),
            };
            if let Some(place) = place {
                scope.bind(&name.text, place);
                return Ok(());
            }
        }
        let value = self.expression(template, value, scope)?;
        self.assign(name, global, value, scope, out)
    }

    /// Whether a variable is the same for all that follows in its frame.
    fn is_certain_set(&self, name: &str, global: bool, scope: &Scope<'a>) -> bool {
        let frame = scope.frames.last().map_or(0, |frame| frame.branches);
        let inside = global && scope.frames.len() > scope.base + 1;
        self.branches <= frame && !inside && !self.late.contains(name)
    }

    /// Gives a variable a value.
    fn assign(
        &mut self,
        name: &Name,
        global: bool,
        value: Expr,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let (slot, set) = self.assigned(&name.text, global, scope)?;
        self.push(out, Segment::Set { slot, value })?;
        if let Some(slot) = set {
            self.push(out, Segment::Set { slot, value: Expr::Constant(Data::from(true)) })?;
        }
        Ok(())
    }

    /// The slot of a variable that is given a value, and the one that says that it was.
    fn assigned(&mut self, name: &str, global: bool, scope: &mut Scope<'a>) -> Built<(usize, Option<usize>)> {
        let at = if global { scope.base } else { scope.frames.len() - 1 };
        match scope.frames[at].variables.get(name) {
            Some(Binding::Slot(slot)) => return Ok((*slot, None)),
            Some(Binding::Sometimes { set, slot, .. }) => return Ok((*slot, Some(*set))),
            _ => {}
        }
        if at + 1 < scope.frames.len() {
            // What was built of this loop until now does not know it.
            self.missed = Some(name.to_owned());
            return Err(Declined("a variable that is set later"));
        }
        if self.branches > scope.frames[at].branches {
            return Ok(self.sometimes(name, scope));
        }
        let slot = self.slot();
        scope.bind(name, Binding::Slot(slot));
        Ok((slot, None))
    }

    /// Binds a variable in the last frame that may be set there, and is what it was otherwise.
    fn sometimes(&mut self, name: &str, scope: &mut Scope<'a>) -> (usize, Option<usize>) {
        let slot = self.slot();
        let Some(known) = scope.find(name).cloned() else {
            scope.bind(name, Binding::Slot(slot));
            return (slot, None);
        };
        let set = self.slot();
        scope.bind(name, Binding::Sometimes { set, slot, otherwise: Box::new(known) });
        (slot, Some(set))
    }

    /// Binds the variables that rounds of loops will set in the last frame.
    pub(super) fn bind_late(&mut self, scope: &mut Scope<'a>) {
        for name in self.late.clone() {
            self.sometimes(&name, scope);
        }
    }

    /// The value of what nodes print, behind filters.
    fn section(
        &mut self,
        template: usize,
        nodes: &'a [Node],
        filters: &'a [FilterCall],
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<Expr> {
        let mut body = Vec::new();
        self.nodes(template, nodes, scope, &mut body)?;
        let slot = self.slot();
        self.push(out, Segment::Capture { slot, body })?;
        filters.iter().try_fold(Expr::Slot(slot), |value, filter| self.filter(template, value, filter, scope))
    }

    /// Opens a loop: what it walks, and the scope of its body.
    pub(super) fn enter(
        &mut self,
        template: usize,
        key: Option<&'a Name>,
        value: &'a Name,
        target: &'a Expression,
        scope: &Scope<'a>,
    ) -> Built<(Over, Scope<'a>)> {
        let inputs = self.inputs;
        let level = self.level + 1;
        let rows = |table| Binding::Row(Way { level, references: Vec::new(), table });
        let (over, binding) = if let Some(view) = table_of(target, scope) {
            let table = self.table(&inputs.globals.views[view.0].table)?;
            (Over::Table { table, needed: Vec::new() }, rows(table))
        } else if let Some((way, column)) = self.cell_way(target, scope)?
            && let ColumnType::List { of, .. } = &self.column(&way, column)?.ty
            && let Some(to) = of.ty.refers_to()
        {
            let table = self.table(to)?;
            (Over::References { cell: self.cell(&way, column), table }, rows(table))
        } else {
            let value = self.expression(template, target, scope)?;
            let key = key.map(|_| self.slot());
            let slot = self.slot();
            (Over::Value { value, key, slot }, Binding::Slot(slot))
        };
        let mut inner = scope.clone();
        self.level = level;
        self.needed.push(Vec::new());
        inner.open(self.branches);
        inner.round = Some(level);
        if let (Some(name), Over::Value { key: Some(slot), .. }) = (key, &over) {
            inner.bind(&name.text, Binding::Slot(*slot));
        }
        inner.bind(&value.text, binding);
        Ok((over, inner))
    }

    /// Closes a loop, and notes which columns of its rows were asked for.
    pub(super) fn leave(&mut self, over: &mut Over) {
        let asked = self.needed.pop().unwrap_or_default();
        if let Over::Table { needed, .. } = over {
            *needed = asked;
        }
        self.level -= 1;
    }

    pub(super) fn print(
        &mut self,
        template: usize,
        expression: &'a Expression,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        match expression.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => return self.print(template, inner, scope, out),
            ExpressionKind::Call(call) => return self.component(template, call, None, scope, out),
            ExpressionKind::Ternary { condition, then, otherwise } => {
                let condition = self.condition(template, condition, scope)?;
                let (mut yes, mut no) = (Vec::new(), Vec::new());
                self.branches += 1;
                self.print(template, then, scope, &mut yes)?;
                self.print(template, otherwise, scope, &mut no)?;
                self.branches -= 1;
                return self.push(out, Segment::If { branches: vec![(condition, yes)], otherwise: no });
            }
            ExpressionKind::Function { name, .. } if name.text == "super" => {
                let (name, number) = *self.walking.last().ok_or(Declined("`super` outside a block"))?;
                return self.block(name, number + 1, scope, out);
            }
            ExpressionKind::Variable(name) => {
                if let Some(Binding::Body(body)) = scope.find(name) {
                    let body = Rc::clone(body);
                    return self.body(&body, out);
                }
            }
            _ => {}
        }
        let site = self.sites.get(&(template, expression.range.start, expression.range.end)).copied();
        match (self.expression(template, expression, scope)?, site) {
            (Expr::Constant(value), None) => {
                let text = Segment::Literal(value.to_string().into());
                self.printing(template, expression, None, text, out)
            }
            (Expr::Given { name, value }, None) => {
                let text = Segment::Literal(value.to_string().into());
                self.printing(template, expression, Some(name), text, out)
            }
            (Expr::Cell(cell), site) => {
                self.printing(template, expression, None, Segment::Cell { cell, site }, out)
            }
            (value, site) => self.printing(template, expression, None, Segment::Value { value, site }, out),
        }
    }
}

/// Whether a segment of a loop's body is text or a cell of the loop's row that the format has no say in.
pub(super) fn is_flat(segment: &Segment) -> bool {
    match segment {
        Segment::Literal(_) => true,
        Segment::Cell { cell, site: None } => cell.row.up == 0 && cell.row.references.is_empty(),
        Segment::Noted { segment, .. } => is_flat(segment),
        _ => false,
    }
}

/// Whether a node or one within it gives a variable a value, as far as it does so in every place.
pub(super) fn sets(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Set { .. } | NodeKind::SetBlock { .. })
        || node.bodies().into_iter().flatten().any(sets)
}

/// Whether a node may give a variable a value, or is something else in another place.
pub(super) fn has_effect(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Set { .. } | NodeKind::SetBlock { .. } | NodeKind::Block { .. } => true,
        NodeKind::Print(expression) => has_super(expression),
        _ => node.bodies().into_iter().flatten().any(has_effect),
    }
}
