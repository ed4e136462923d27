//! From a checked template to its program.
//!
//! Names are resolved as the engine would resolve them while it renders: each loop and include has variables of its
//! own, a component sees its arguments only. A variable that stands for a row, a table or a cell is a place, not a
//! value; every other is a slot. Includes, blocks and components are built in where they are used, so that one
//! component has as many copies as it has calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use tera::value::Key;
use tera::{Context, Map, Value as Data};

use super::{
    Arguments, Body, Call, Cell, Comprehension, Declined, Entered, Expr, Note, Over, Place, Program, Segment,
};
use crate::origin::FrameKind;
use crate::source::Span;
use crate::table::{Column, ColumnType, Schema, Tables};
use crate::template::check::{Checked, DEEPEST_CALL, Globals};
use crate::template::syntax::{
    Argument, BinaryOperator, Branch, ComponentArgument, ComponentCall, Entry, Expression, ExpressionKind,
    FilterCall, Item, Name, Node, NodeKind, UnaryOperator, collect_blocks,
};
use crate::template::trace::{has_super, names_of_filters};
use crate::template::types::ViewId;
use crate::template::{Library, filter, test};

/// Programs longer than this are not built: components that call components may multiply.
const LONGEST: usize = 20_000;

/// What a program is built from.
pub(crate) struct Inputs<'a> {
    /// The templates.
    pub(crate) library: &'a Library,
    /// What they see.
    pub(crate) globals: &'a Globals,
    /// What the checks said of them.
    pub(crate) checked: &'a Checked,
    /// The tables of the project.
    pub(crate) tables: &'a Tables,
    /// The values that are the same for every artifact.
    pub(crate) context: &'a Context,
    /// Whether the program is to be traced.
    pub(crate) traced: bool,
}

/// Builds the program of a template; `row` is the view of the row that its artifacts are bound to.
pub(crate) fn build(inputs: &Inputs<'_>, template: usize, row: Option<ViewId>) -> Result<Program, Declined> {
    let mut builder = Builder {
        inputs,
        sites: inputs
            .checked
            .sites
            .iter()
            .enumerate()
            .map(|(number, site)| {
                ((site.template, site.range.start, site.range.end), u32::try_from(number).unwrap_or(u32::MAX))
            })
            .collect(),
        tables: Vec::new(),
        slots: 0,
        level: 0,
        branches: 0,
        depth: 0,
        length: 0,
        asked: false,
        needed: vec![Vec::new()],
        blocks: Vec::new(),
        walking: Vec::new(),
    };
    let mut scope = Scope { frames: vec![Frame::default()], base: 0, round: None, caller: None };
    for name in ["project", "environment", "values"] {
        if let Some(value) = inputs.context.get(name) {
            let value = value.clone();
            scope.bind(
                name,
                Binding::Value(if inputs.traced && name == "values" {
                    Expr::Given { name: "".into(), value }
                } else {
                    Expr::Constant(value)
                }),
            );
        }
    }
    for (name, view) in &inputs.globals.tables {
        scope.bind(name, Binding::Table(*view));
    }
    if let Some(view) = row {
        let table = builder.table(&inputs.globals.views[view.0].table)?;
        scope.bind("row", Binding::Row(Way { level: 0, references: Vec::new(), table }));
    }
    let mut segments = Vec::new();
    builder.template(template, &mut scope, &mut segments)?;
    Ok(Program { segments, slots: builder.slots, tables: builder.tables })
}

struct Builder<'a> {
    inputs: &'a Inputs<'a>,
    /// The numbers of the printed expressions that pass the last filter, by template and range.
    sites: HashMap<(usize, usize, usize), u32>,
    tables: Vec<String>,
    slots: usize,
    /// How many loops are around the place that is being built.
    level: usize,
    /// How many branches are around it.
    branches: usize,
    /// How many component calls are around it.
    depth: usize,
    /// How many segments there are.
    length: usize,
    /// Whether the expression only decides, and nothing is made of it.
    asked: bool,
    /// For each level, the columns that are asked for of its row.
    needed: Vec<Vec<bool>>,
    /// The bodies of each block of the templates that are being built, most derived first.
    blocks: Vec<BTreeMap<&'a str, Lineage<'a>>>,
    /// The block that is being built, with the number of its body.
    walking: Vec<(&'a str, usize)>,
}

/// The bodies of a block, most derived first, each with its template.
type Lineage<'a> = Vec<(usize, &'a [Node])>;

/// The variables at a place.
#[derive(Clone)]
struct Scope<'a> {
    frames: Vec<Frame<'a>>,
    /// The frame of the template or the include, to which `set_global` sets.
    base: usize,
    /// The level of the loop that `loop` speaks of.
    round: Option<usize>,
    /// Of a component, the scope of its call.
    caller: Option<Rc<Scope<'a>>>,
}

/// The variables of a template, an include or a loop.
#[derive(Clone, Default)]
struct Frame<'a> {
    variables: BTreeMap<String, Binding<'a>>,
    /// How many branches were around its beginning.
    branches: usize,
}

/// What a name stands for.
#[derive(Clone)]
enum Binding<'a> {
    Row(Way),
    Table(ViewId),
    /// A constant.
    Value(Expr),
    Cell(Way, usize),
    Slot(usize),
    /// The body of a component's call.
    Body(Rc<Captive<'a>>),
}

/// Nodes with the scope in which they are to be built.
struct Captive<'a> {
    template: usize,
    nodes: &'a [Node],
    scope: Scope<'a>,
}

/// The way to a row: from the loop at a level through references.
#[derive(Clone)]
struct Way {
    level: usize,
    references: Vec<(usize, usize)>,
    /// The number of the row's table in the program.
    table: usize,
}

impl<'a> Scope<'a> {
    fn bind(&mut self, name: &str, binding: Binding<'a>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.variables.insert(name.to_owned(), binding);
        }
    }

    fn find(&self, name: &str) -> Option<&Binding<'a>> {
        self.frames.iter().rev().find_map(|frame| frame.variables.get(name))
    }

    /// The slots of all variables.
    fn slots(&self) -> impl Iterator<Item = usize> {
        self.frames.iter().flat_map(|frame| frame.variables.values()).filter_map(|binding| match binding {
            Binding::Slot(slot) => Some(*slot),
            _ => None,
        })
    }

    fn open(&mut self, branches: usize) {
        self.frames.push(Frame { variables: BTreeMap::new(), branches });
    }
}

type Built<T> = Result<T, Declined>;

impl<'a> Builder<'a> {
    fn table(&mut self, name: &str) -> Built<usize> {
        if let Some(known) = self.tables.iter().position(|table| table == name) {
            return Ok(known);
        }
        self.inputs.tables.get(name).ok_or(Declined("a table that does not exist"))?;
        self.tables.push(name.to_owned());
        Ok(self.tables.len() - 1)
    }

    fn schema(&self, table: usize) -> Built<&'a Schema> {
        let table = self.inputs.tables.get(&self.tables[table]);
        table.map(crate::table::Table::schema).ok_or(Declined("a table that does not exist"))
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    fn push(&mut self, out: &mut Vec<Segment>, segment: Segment) -> Built<()> {
        self.length += 1;
        if self.length > LONGEST {
            return Err(Declined("a program that is too long"));
        }
        out.push(segment);
        Ok(())
    }

    fn literal(&mut self, out: &mut Vec<Segment>, text: &str) -> Built<()> {
        if text.is_empty() {
            return Ok(());
        }
        if let Some(Segment::Literal(before)) = out.last_mut() {
            *before = [before, text].concat().into();
            return Ok(());
        }
        self.push(out, Segment::Literal(text.into()))
    }

    fn span(&self, template: usize, range: &Range<usize>) -> Span {
        self.inputs.library.templates[template].span(range.clone())
    }

    /// Builds what is printed within something that is entered.
    fn within(
        &mut self,
        kind: FrameKind,
        name: &str,
        site: Span,
        out: &mut Vec<Segment>,
        build: impl FnOnce(&mut Self, &mut Vec<Segment>) -> Built<()>,
    ) -> Built<()> {
        if !self.inputs.traced {
            return build(self, out);
        }
        let mut body = Vec::new();
        build(self, &mut body)?;
        self.push(out, Segment::Within { entered: Entered { kind, name: name.into(), site }, body })
    }

    /// Adds what prints an expression.
    fn printing(
        &mut self,
        template: usize,
        expression: &Expression,
        given: Option<Arc<str>>,
        segment: Segment,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        match segment {
            segment if self.inputs.traced => {
                let mut filters = Vec::new();
                names_of_filters(expression, &mut filters);
                let expression = self.span(template, &expression.range);
                let note = Note::Value { expression, filters: filters.into(), given };
                self.push(out, Segment::Noted { note, segment: Box::new(segment) })
            }
            Segment::Literal(text) => self.literal(out, &text),
            segment => self.push(out, segment),
        }
    }

    /// Builds a template with its parents.
    fn template(&mut self, template: usize, scope: &mut Scope<'a>, out: &mut Vec<Segment>) -> Built<()> {
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

    fn nodes(
        &mut self,
        template: usize,
        nodes: &'a [Node],
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        nodes.iter().try_for_each(|node| self.node(template, node, scope, out))
    }

    fn node(
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
            NodeKind::SetBlock { .. } | NodeKind::Filter { .. } if self.inputs.traced => {
                Err(Declined("captured text, whose parts are not followed"))
            }
            NodeKind::SetBlock { name, filters, body, global } => {
                let mut segments = Vec::new();
                self.nodes(template, body, scope, &mut segments)?;
                let filters = self.filters(template, filters, scope)?;
                let slot = self.assigned(name, *global, scope)?;
                self.push(out, Segment::Capture { slot, body: segments, filters })
            }
            NodeKind::Filter { filters, body } => {
                let mut segments = Vec::new();
                self.nodes(template, body, scope, &mut segments)?;
                let filters = self.filters(template, filters, scope)?;
                let slot = self.slot();
                self.push(out, Segment::Capture { slot, body: segments, filters })?;
                self.push(out, Segment::Value { value: Expr::Slot(slot), site: None })
            }
            NodeKind::Include(name) => {
                let included = self.inputs.library.find(&name.text);
                let included = included.ok_or(Declined("an include that does not exist"))?;
                let mut inner = scope.clone();
                inner.open(self.branches);
                inner.base = inner.frames.len() - 1;
                inner.round = None;
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
                let mut rest = Vec::new();
                if let Some(otherwise) = otherwise {
                    self.branches += 1;
                    self.nodes(template, otherwise, &mut scope.clone(), &mut rest)?;
                    self.branches -= 1;
                }
                let (mut over, mut inner) = self.enter(template, key.as_ref(), value, target, scope)?;
                let from = self.slots;
                let mut segments = Vec::new();
                self.nodes(template, body, &mut inner, &mut segments)?;
                self.leave(&mut over);
                // What a round sets for all outlives it, and is known behind the loop too.
                inner.frames.pop();
                let lasting: BTreeSet<usize> = inner.slots().collect();
                let slots = (from..self.slots).filter(|slot| !lasting.contains(slot)).collect();
                let base = scope.base;
                scope.frames[base].variables.extend(inner.frames.swap_remove(base).variables);
                let flat = segments.iter().all(is_flat);
                let tag = key.as_ref().unwrap_or(value).range.start..target.range.end;
                let entered = self.inputs.traced.then(|| {
                    let (kind, name) = (FrameKind::Loop, value.text.as_str().into());
                    Box::new(Entered { kind, name, site: self.span(template, &tag) })
                });
                let body = Body { segments, slots, flat, entered };
                self.push(out, Segment::For { over, body, otherwise: rest })
            }
            NodeKind::If { branches, otherwise } => {
                self.conditional(template, branches, otherwise.as_deref(), scope, out)
            }
            NodeKind::Call { call, body } => {
                if body.iter().any(assigns) {
                    return Err(Declined("a variable that is set in the body of a component's call"));
                }
                let body = Captive { template, nodes: body, scope: scope.clone() };
                self.component(template, call, Some(body), scope, out)
            }
            NodeKind::Break => self.push(out, Segment::Break),
            NodeKind::Continue => self.push(out, Segment::Continue),
        }
    }

    fn block(
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

    fn conditional(
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
        for segment in rest {
            match segment {
                Segment::Literal(text) => self.literal(out, &text)?,
                other => out.push(other),
            }
        }
        Ok(())
    }

    fn set(
        &mut self,
        template: usize,
        name: &'a Name,
        value: &'a Expression,
        global: bool,
        scope: &mut Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        if let Some(way) = self.way(value, scope)? {
            let frame = scope.frames.last().map_or(0, |frame| frame.branches);
            if self.branches > frame || (global && scope.frames.len() > scope.base + 1) {
                return Err(Declined("a row that a variable is only sometimes"));
            }
            scope.bind(&name.text, Binding::Row(way));
            return Ok(());
        }
        let value = self.expression(template, value, scope)?;
        let slot = self.assigned(name, global, scope)?;
        self.push(out, Segment::Set { slot, value })
    }

    /// The slot of a variable that is given a value.
    fn assigned(&mut self, name: &Name, global: bool, scope: &mut Scope<'a>) -> Built<usize> {
        let at = if global { scope.base } else { scope.frames.len() - 1 };
        let known = scope.find(&name.text).is_some();
        let frame = &scope.frames[at];
        if let Some(Binding::Slot(slot)) = frame.variables.get(&name.text) {
            return Ok(*slot);
        }
        if known && (self.branches > frame.branches || at + 1 < scope.frames.len()) {
            return Err(Declined("a variable that is only sometimes another"));
        }
        let slot = self.slot();
        scope.frames[at].variables.insert(name.text.clone(), Binding::Slot(slot));
        Ok(slot)
    }

    /// Opens a loop: what it walks, and the scope of its body.
    fn enter(
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
    fn leave(&mut self, over: &mut Over) {
        let asked = self.needed.pop().unwrap_or_default();
        if let Over::Table { needed, .. } = over {
            *needed = asked;
        }
        self.level -= 1;
    }

    fn print(
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
                self.print(template, then, scope, &mut yes)?;
                self.print(template, otherwise, scope, &mut no)?;
                return self.push(out, Segment::If { branches: vec![(condition, yes)], otherwise: no });
            }
            ExpressionKind::Function { name, .. } if name.text == "super" => {
                let (name, number) = *self.walking.last().ok_or(Declined("`super` outside a block"))?;
                return self.block(name, number + 1, scope, out);
            }
            ExpressionKind::Variable(name) => {
                if let Some(Binding::Body(body)) = scope.find(name) {
                    let body = Rc::clone(body);
                    return self.nodes(body.template, body.nodes, &mut body.scope.clone(), out);
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

    fn component(
        &mut self,
        template: usize,
        call: &'a ComponentCall,
        body: Option<Captive<'a>>,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<()> {
        let inputs = self.inputs;
        let found = inputs.library.component(&call.name.text);
        let (home, definition) = found.ok_or(Declined("a component that does not exist"))?;
        if definition.rest.is_some() {
            return Err(Declined("a component that takes any arguments"));
        }
        if self.depth == DEEPEST_CALL {
            return Err(Declined("components within components without an end"));
        }
        let mut inner = Scope {
            frames: vec![Frame { variables: BTreeMap::new(), branches: self.branches }],
            base: 0,
            round: None,
            caller: Some(Rc::new(scope.clone())),
        };
        for argument in &call.arguments {
            let ComponentArgument::Named { name, value } = argument else {
                return Err(Declined("arguments that are spread"));
            };
            let binding = self.argument(template, value, scope, out)?;
            inner.bind(&name.text, binding);
        }
        for parameter in &definition.parameters {
            let name = &parameter.name.text;
            if inner.find(name).is_some() {
                continue;
            }
            let mut callers = std::iter::successors(Some(scope), |scope| scope.caller.as_deref());
            let given = if parameter.implicit { callers.find_map(|scope| scope.find(name)) } else { None };
            let binding = match (given, &parameter.default) {
                (Some(binding), _) => binding.clone(),
                (None, Some(default)) => self.argument(home, default, &inner.clone(), out)?,
                (None, None) => return Err(Declined("an argument that is not given")),
            };
            inner.bind(name, binding);
        }
        if let Some(body) = body {
            if self.inputs.traced {
                return Err(Declined("the body of a component's call, whose parts are not followed"));
            }
            let mut segments = Vec::new();
            self.nodes(body.template, body.nodes, &mut body.scope.clone(), &mut segments)?;
            if segments.iter().all(is_certain) {
                inner.bind("body", Binding::Body(Rc::new(body)));
            } else {
                // What may fail has to be tried, printed or not.
                let slot = self.slot();
                self.push(out, Segment::Capture { slot, body: segments, filters: Vec::new() })?;
                inner.bind("body", Binding::Slot(slot));
            }
        }
        self.depth += 1;
        let site = self.span(template, &call.name.range);
        self.within(FrameKind::Component, &definition.name.text, site, out, |builder, out| {
            builder.nodes(home, &definition.body, &mut inner, out)
        })?;
        self.depth -= 1;
        Ok(())
    }

    fn argument(
        &mut self,
        template: usize,
        value: &'a Expression,
        scope: &Scope<'a>,
        out: &mut Vec<Segment>,
    ) -> Built<Binding<'a>> {
        if let Some(way) = self.way(value, scope)? {
            return Ok(Binding::Row(way));
        }
        if let Some(view) = table_of(value, scope) {
            return Ok(Binding::Table(view));
        }
        if let ExpressionKind::Variable(name) = value.kind.as_ref()
            && let Some(body @ Binding::Body(_)) = scope.find(name)
        {
            return Ok(body.clone());
        }
        if let Some((way, column)) = self.cell_way(value, scope)? {
            return Ok(Binding::Cell(way, column));
        }
        let value = self.expression(template, value, scope)?;
        if let Expr::Constant(_) | Expr::Given { .. } = value {
            return Ok(Binding::Value(value));
        }
        let slot = self.slot();
        self.push(out, Segment::Set { slot, value })?;
        Ok(Binding::Slot(slot))
    }

    /// The row that an expression is, if it is one.
    fn way(&mut self, expression: &Expression, scope: &Scope<'a>) -> Built<Option<Way>> {
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
    fn cell_way(&mut self, expression: &Expression, scope: &Scope<'a>) -> Built<Option<(Way, usize)>> {
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
    fn field(&mut self, expression: &Expression, scope: &Scope<'a>) -> Built<Option<(Way, usize)>> {
        let Some((base, name, _)) = attribute(expression) else { return Ok(None) };
        let Some(way) = self.way(base, scope)? else { return Ok(None) };
        let column = self.schema(way.table)?.column(name).map(|(column, _)| column);
        Ok(column.map(|column| (way, column)))
    }

    fn column(&self, way: &Way, column: usize) -> Built<&'a Column> {
        Ok(&self.schema(way.table)?.columns[column])
    }

    fn place(&mut self, way: &Way, column: Option<usize>) -> Place {
        let first = way.references.first().map(|(column, _)| *column).or(column);
        if let (Some(needed), Some(first)) = (self.needed.get_mut(way.level), first) {
            if needed.len() <= first {
                needed.resize(first + 1, false);
            }
            needed[first] = true;
        }
        Place { up: self.level - way.level, references: way.references.clone() }
    }

    fn cell(&mut self, way: &Way, column: usize) -> Cell {
        Cell { row: self.place(way, Some(column)), column }
    }

    /// An expression that decides, but is nothing that a value is made of.
    fn condition(&mut self, template: usize, expression: &'a Expression, scope: &Scope<'a>) -> Built<Expr> {
        let before = std::mem::replace(&mut self.asked, true);
        let built = self.truth(template, expression, scope);
        self.asked = before;
        built
    }

    /// An expression that is only asked whether it holds.
    fn truth(&mut self, template: usize, expression: &'a Expression, scope: &Scope<'a>) -> Built<Expr> {
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

    fn count(&mut self, view: ViewId) -> Built<Expr> {
        let inputs = self.inputs;
        Ok(Expr::Count(self.table(&inputs.globals.views[view.0].table)?))
    }

    fn boxed(&mut self, template: usize, of: &'a Expression, scope: &Scope<'a>) -> Built<Box<Expr>> {
        self.expression(template, of, scope).map(Box::new)
    }

    fn expression(&mut self, template: usize, expression: &'a Expression, scope: &Scope<'a>) -> Built<Expr> {
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

    fn bare(&mut self, template: usize, expression: &'a Expression, scope: &Scope<'a>) -> Built<Expr> {
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

    fn binary(
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

    fn filters(&mut self, template: usize, calls: &'a [FilterCall], scope: &Scope<'a>) -> Built<Vec<Call>> {
        calls.iter().map(|call| self.call(template, call, scope)).collect()
    }

    fn call(&mut self, template: usize, call: &'a FilterCall, scope: &Scope<'a>) -> Built<Call> {
        let filter = filter::find(&call.name.text).ok_or(Declined("a filter that does not exist"))?;
        let implementation = filter.implementation.ok_or(Declined("a filter of the engine"))?;
        let arguments = self.arguments(template, filter.arguments, &call.arguments, scope)?;
        let of_text = match &arguments {
            Arguments::Known(map) => filter::OfText::new(filter.name, map),
            Arguments::Computed(_) => None,
        };
        Ok(Call { implementation, arguments, of_text })
    }

    fn arguments(
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
fn table_of(expression: &Expression, scope: &Scope<'_>) -> Option<ViewId> {
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
fn attribute(expression: &Expression) -> Option<(&Expression, &str, bool)> {
    match expression.kind.as_ref() {
        ExpressionKind::Attribute { base, name, optional } => Some((base, &name.text, *optional)),
        ExpressionKind::Index { base, index, optional } => match index.kind.as_ref() {
            ExpressionKind::Text(text) => Some((base, text, *optional)),
            _ => None,
        },
        _ => None,
    }
}

fn logic(operator: BinaryOperator, left: Expr, right: Expr) -> Expr {
    match (operator, &left) {
        (BinaryOperator::And, Expr::Constant(value)) if value.is_truthy() => right,
        (BinaryOperator::And, Expr::Constant(_)) => left,
        (BinaryOperator::And, _) => Expr::And(Box::new(left), Box::new(right)),
        (_, Expr::Constant(value)) if !value.is_truthy() => right,
        (_, Expr::Constant(_)) => left,
        _ => Expr::Or(Box::new(left), Box::new(right)),
    }
}

fn unless(negated: bool, condition: Expr) -> Expr {
    if negated { Expr::Not(Box::new(condition)) } else { condition }
}

/// Whether a segment of a loop's body is text or a cell of the loop's row that the format has no say in.
fn is_flat(segment: &Segment) -> bool {
    match segment {
        Segment::Literal(_) => true,
        Segment::Cell { cell, site: None } => cell.row.up == 0 && cell.row.references.is_empty(),
        Segment::Noted { segment, .. } => is_flat(segment),
        _ => false,
    }
}

/// Whether segments cannot fail before they are printed.
fn is_certain(segment: &Segment) -> bool {
    match segment {
        Segment::Literal(_) | Segment::Cell { .. } | Segment::Continue | Segment::Break => true,
        Segment::Value { value, .. } | Segment::Set { value, .. } => has_value(value),
        Segment::Capture { body, filters, .. } => filters.is_empty() && body.iter().all(is_certain),
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

fn is_walkable(over: &Over) -> bool {
    match over {
        Over::Table { .. } | Over::References { .. } => true,
        Over::Value { value, .. } => has_value(value),
    }
}

/// Whether an expression has a value whatever the values in it are.
fn has_value(expression: &Expr) -> bool {
    use BinaryOperator as Op;
    match expression {
        Expr::Constant(_)
        | Expr::Given { .. }
        | Expr::Slot(_)
        | Expr::Cell(_)
        | Expr::Present(_)
        | Expr::List(_)
        | Expr::Count(_)
        | Expr::Loop { .. } => true,
        Expr::Attribute { base: of, .. } | Expr::Not(of) | Expr::Plain(of) => has_value(of),
        Expr::Array(list) | Expr::Concatenate(list) => list.iter().all(has_value),
        Expr::Map(entries) => entries.iter().all(|(_, value)| has_value(value)),
        Expr::And(left, right) | Expr::Or(left, right) => has_value(left) && has_value(right),
        Expr::If(parts) => parts.iter().all(has_value),
        Expr::Binary { operator: Op::Equal | Op::NotEqual, sides } => sides.iter().all(has_value),
        Expr::Comprehension(comprehension) => {
            let Comprehension { over, condition, element } = &**comprehension;
            is_walkable(over) && condition.iter().chain([element]).all(has_value)
        }
        Expr::Filter { .. } | Expr::Test { .. } | Expr::Minus(_) | Expr::Binary { .. } | Expr::Throw => false,
    }
}

/// Whether a node or one within it gives a variable a value.
fn assigns(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Set { .. } | NodeKind::SetBlock { .. })
        || node.bodies().into_iter().flatten().any(assigns)
}
