//! Puts the calls of a trace into templates.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::{Argument, Entered, Hook, Place, Reach, Step, Traceable};
use crate::template::Library;
use crate::template::check::Wrapping;
use crate::template::engine::insert;
use crate::template::filter::{self, ArgumentKind, Input, Output, Parts};
use crate::template::syntax::{
    ComponentArgument, ComponentCall, ComponentDefinition, Entry, Expression, ExpressionKind, FilterCall,
    Item, Node, NodeKind, Tree,
};

/// The filter that is put behind expressions.
pub(super) const FILTER: &str = "__filter";
/// The function that is called for what is no expression.
pub(super) const CALL: &str = "__call";
/// The argument that tells a component where it was called.
const SITE: &str = "__site";

/// What the calls mean by their numbers, and the sources with the calls in them. Without `followed`, what expressions
/// read is not told.
pub(super) fn instrument(
    library: &Library,
    traceable: &Traceable,
    followed: bool,
) -> (Vec<Hook>, Vec<String>) {
    let mut hooks = Vec::new();
    let sources = library.templates.iter().enumerate().map(|(template, parsed)| {
        let tree = &parsed.tree;
        let mut writer = Writer {
            traceable,
            tree,
            template,
            hooks: &mut hooks,
            reads: BTreeMap::new(),
            filters: BTreeMap::new(),
            edits: Vec::new(),
            bound: Vec::new(),
            asked: !followed,
            followed,
        };
        // At the top of a child only blocks are rendered.
        writer.nodes(&tree.nodes, tree.extends().is_none());
        writer.finish()
    });
    let sources = sources.collect();
    (hooks, sources)
}

/// What is read of an expression.
#[derive(Default)]
struct Read {
    variable: Option<String>,
    steps: Vec<Step>,
    /// What the filter is told of the steps.
    given: String,
    reaches: Vec<Reach>,
}

/// When a filter comes, of several behind one expression.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Read,
    Plain,
    Kept,
    Used,
}

/// A filter behind an expression: when it comes, its number, and what else it is given.
type Put = (Rank, usize, String);

struct Writer<'a> {
    traceable: &'a Traceable,
    tree: &'a Tree,
    template: usize,
    hooks: &'a mut Vec<Hook>,
    reads: BTreeMap<(usize, usize), Read>,
    /// The filters behind each expression.
    filters: BTreeMap<(usize, usize), Vec<Put>>,
    /// What takes the place of bytes outside of expressions, in order.
    edits: Vec<(Range<usize>, String)>,
    /// The variables of the comprehensions around.
    bound: Vec<&'a str>,
    /// Whether the expression is only asked whether it holds.
    asked: bool,
    followed: bool,
}

impl<'a> Writer<'a> {
    fn finish(mut self) -> String {
        for ((start, end), Read { variable, steps, given, reaches }) in std::mem::take(&mut self.reads) {
            let number = self.hook(Hook::Read { place: self.place(start..end), variable, steps, reaches });
            self.filters.entry((start, end)).or_default().push((Rank::Read, number, given));
        }
        let wrappings = std::mem::take(&mut self.filters).into_iter().map(|((start, end), mut filters)| {
            filters.sort();
            let calls: Vec<String> =
                filters.iter().map(|(_, number, given)| filter_call(*number, given)).collect();
            Wrapping { range: start..end, filter: calls.join(" | ") }
        });
        let mut insertions = insert(wrappings.collect()).into_iter().peekable();
        let source = self.tree.source();
        let mut out = String::with_capacity(source.len() * 2);
        let mut at = 0;
        for (range, text) in self.edits.into_iter().chain([(source.len()..source.len(), String::new())]) {
            while let Some((place, inserted)) = insertions.next_if(|(place, _)| *place < range.start) {
                out.push_str(&source[at..place]);
                out.push_str(&inserted);
                at = place;
            }
            out.push_str(&source[at..range.start]);
            out.push_str(&text);
            at = range.end;
        }
        out
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place { template: self.template, range }
    }

    fn hook(&mut self, hook: Hook) -> usize {
        self.hooks.push(hook);
        self.hooks.len() - 1
    }

    fn kept(&self, call: &FilterCall) -> Hook {
        Hook::Kept { place: self.place(call.range.clone()), name: call.name.text.as_str().into() }
    }

    /// Puts a filter behind an expression.
    fn behind(&mut self, range: Range<usize>, rank: Rank, hook: Hook) -> usize {
        let number = self.hook(hook);
        self.filters.entry((range.start, range.end)).or_default().push((rank, number, String::new()));
        number
    }

    /// Puts a filter behind an expression of which it takes what was read.
    fn taken(&mut self, range: Range<usize>, hook: Hook) -> usize {
        if self.followed { self.behind(range, Rank::Used, hook) } else { self.hook(hook) }
    }

    /// Notes what is read of an expression; nothing where it is only asked whether it holds.
    fn read(&mut self, expression: &Expression) -> Option<&mut Read> {
        let key = (expression.range.start, expression.range.end);
        if self.asked { None } else { Some(self.reads.entry(key).or_default()) }
    }

    /// A variable, or what is found from there by names and indexes.
    fn path(&mut self, expression: &'a Expression) {
        let mut steps = Vec::new();
        let mut given = String::new();
        let mut at = expression;
        let root = loop {
            match at.kind.as_ref() {
                ExpressionKind::Attribute { base, name, .. } => {
                    steps.push(Step::Name(name.text.clone()));
                    at = base;
                }
                ExpressionKind::Index { base, index, .. } => {
                    if let ExpressionKind::Text(name) = index.kind.as_ref() {
                        steps.push(Step::Name(name.clone()));
                    } else {
                        let name = format!("i{}", steps.len());
                        let source = &self.tree.source()[index.range.clone()];
                        // Writing to a string cannot fail.
                        let _ = write!(given, ", {name}=({source})");
                        steps.push(Step::Index(name));
                        self.condition(index);
                    }
                    at = base;
                }
                ExpressionKind::Slice { base, start, end, step, .. } => {
                    for part in [start, end, step].into_iter().flatten() {
                        self.condition(part);
                    }
                    // Which elements are left is not followed.
                    steps.clear();
                    given.clear();
                    at = base;
                }
                ExpressionKind::Variable(name) => break Some(name),
                _ => {
                    self.expression(at);
                    break None;
                }
            }
        };
        let Some(root) = root else { return };
        steps.reverse();
        let bound = self.bound.contains(&root.as_str());
        let Some(read) = self.read(expression) else { return };
        read.variable = (!bound).then(|| root.clone());
        if !steps.is_empty() {
            read.given = format!(", v={root}{given}");
            read.steps = steps;
        }
    }

    /// Puts a call in the place of bytes.
    fn call(&mut self, range: Range<usize>, number: usize, with: Option<&str>) {
        let (open, close) = self.tree.delimiters.print();
        let with = with.map(|name| format!(", v={name}")).unwrap_or_default();
        self.edits.push((range, format!("{open} {CALL}(n={number}{with}) {close}")));
    }

    fn call_at(&mut self, at: usize, number: usize, with: Option<&str>) {
        self.call(at..at, number, with);
    }

    fn enter(&mut self, range: Range<usize>, kind: Entered, name: &str) -> usize {
        let place = self.place(range);
        self.hook(Hook::Enter { place, kind, name: name.into() })
    }

    fn leave(&mut self, at: usize, entered: usize) {
        let number = self.hook(Hook::Leave(entered));
        self.call_at(at, number, None);
    }

    fn nodes(&mut self, nodes: &'a [Node], live: bool) {
        for node in nodes {
            self.node(node, live);
        }
    }

    fn node(&mut self, node: &'a Node, live: bool) {
        match &node.kind {
            NodeKind::Text { trimmed } => {
                if live {
                    if trimmed.is_empty() {
                        self.edits.push((node.range.clone(), String::new()));
                    } else {
                        let number = self.hook(Hook::Text(self.place(trimmed.clone())));
                        self.call(node.range.clone(), number, None);
                    }
                }
            }
            NodeKind::Comment | NodeKind::Extends(_) | NodeKind::Break | NodeKind::Continue => {}
            NodeKind::Print(expression) => {
                if !(live && has_super(expression)) {
                    return self.print(expression);
                }
                let entered = self.enter(expression.range.clone(), Entered::Block, "super");
                self.call_at(node.range.start, entered, None);
                self.print(expression);
                self.leave(node.range.end, entered);
            }
            NodeKind::Set { name, value, global } => {
                self.expression(value);
                if !is_call(value) {
                    let place = self.place(value.range.clone());
                    let hook = Hook::Set { place, name: name.text.clone(), global: *global };
                    self.taken(value.range.clone(), hook);
                } else if live {
                    self.captured(node, &name.text, *global);
                }
            }
            NodeKind::SetBlock { name, filters, body, global } => {
                self.sections(filters);
                self.nodes(body, live);
                if live {
                    self.captured(node, &name.text, *global);
                }
            }
            NodeKind::Include(name) => {
                if live {
                    let entered = self.enter(node.range.clone(), Entered::Include, &name.text);
                    self.call_at(node.range.start, entered, None);
                    self.leave(node.range.end, entered);
                }
            }
            NodeKind::Block { name, body } => {
                let entered = self.enter(name.range.clone(), Entered::Block, &name.text);
                if live {
                    self.call_at(node.range.start, entered, None);
                }
                self.nodes(body, true);
                if live {
                    self.leave(node.range.end, entered);
                }
            }
            NodeKind::For { key, value, target, body, otherwise } => {
                let tag = key.as_ref().unwrap_or(value).range.start..target.range.end;
                let entered = self.enter(tag, Entered::Loop, &value.text);
                if live {
                    self.call_at(node.range.start, entered, None);
                }
                self.expression(target);
                let place = self.place(target.range.clone());
                let target_number = if is_call(target) {
                    self.hook(Hook::Pending(place))
                } else {
                    self.taken(target.range.clone(), Hook::Pending(place))
                };
                if let (Some(first), true) = (body.first(), live) {
                    let round = self.hook(Hook::Round {
                        entered,
                        target: target_number,
                        key: key.as_ref().map(|key| key.text.clone()),
                        value: value.text.clone(),
                        grouped: grouped_by(target),
                    });
                    self.call_at(first.range.start, round, Some(&value.text));
                }
                self.nodes(body, live);
                if let Some(first) = otherwise.as_ref().and_then(|nodes| nodes.first()).filter(|_| live) {
                    self.leave(first.range.start, entered);
                }
                self.nodes(otherwise.as_deref().unwrap_or_default(), live);
                if live {
                    self.leave(node.range.end, entered);
                }
            }
            NodeKind::If { branches, otherwise } => {
                for branch in branches {
                    self.condition(&branch.condition);
                    self.nodes(&branch.body, live);
                }
                self.nodes(otherwise.as_deref().unwrap_or_default(), live);
            }
            NodeKind::Filter { filters, body } => {
                self.sections(filters);
                self.nodes(body, live);
            }
            NodeKind::Component(definition) => self.component(definition),
            NodeKind::Call { call, body } => {
                self.component_call(call);
                self.nodes(body, live);
            }
        }
    }

    /// A variable becomes captured text.
    fn captured(&mut self, node: &Node, name: &str, global: bool) {
        let number = self.hook(Hook::Capture { name: name.to_owned(), global });
        self.call_at(node.range.end, number, None);
    }

    /// The filters of a section.
    fn sections(&mut self, filters: &'a [FilterCall]) {
        for filter in filters {
            for argument in &filter.arguments {
                self.condition(&argument.value);
            }
            if filter::find(&filter.name.text).is_some_and(|known| known.parts == Parts::Keep) {
                let number = {
                    let hook = self.kept(filter);
                    self.hook(hook)
                };
                self.edits
                    .push((filter.range.end..filter.range.end, format!(" | {}", filter_call(number, ""))));
            }
        }
    }

    fn component(&mut self, definition: &'a ComponentDefinition) {
        let source = self.tree.source();
        let name = &definition.name;
        let Some(open) = source[name.range.end..].find('(').map(|at| name.range.end + at + 1) else { return };
        let comma = if definition.parameters.is_empty() && definition.rest.is_none() { "" } else { ", " };
        self.edits.push((open..open, format!("{SITE}=0{comma}")));
        let parameters = definition.parameters.iter();
        let parameters =
            parameters.map(|parameter| (parameter.name.text.clone(), parameter.implicit)).collect();
        let rest = definition.rest.as_ref().map(|rest| rest.text.clone());
        let kind = Entered::Component { parameters, rest };
        let entered = self.enter(name.range.clone(), kind, &name.text);
        let (Some(first), Some(last)) = (definition.body.first(), definition.body.last()) else { return };
        self.call_at(first.range.start, entered, Some(SITE));
        self.nodes(&definition.body, true);
        self.leave(last.range.end, entered);
    }

    fn component_call(&mut self, call: &'a ComponentCall) {
        let number =
            self.hook(Hook::Call { place: self.place(call.name.range.clone()), arguments: Vec::new() });
        let end = call.name.range.end;
        self.edits.push((end..end, format!(" {SITE}={{{number}}}")));
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            let (name, value) = match argument {
                ComponentArgument::Named { name, value } => (Some(name), value),
                ComponentArgument::Spread(value) => (None, value),
            };
            let short = name.is_some_and(|name| name.range == value.range);
            let known = match value.kind.as_ref() {
                ExpressionKind::Variable(variable) if short => Argument::Variable(variable.clone()),
                // Quoted text has no braces in which a filter could stand.
                ExpressionKind::Text(_) => continue,
                _ => {
                    self.expression(value);
                    if is_call(value) {
                        continue;
                    }
                    let pending = Hook::Pending(self.place(value.range.clone()));
                    Argument::Pending(self.taken(value.range.clone(), pending))
                }
            };
            arguments.push((name.map(|name| name.text.clone()), known));
        }
        if let Some(Hook::Call { arguments: known, .. }) = self.hooks.get_mut(number) {
            *known = arguments;
        }
    }

    /// A printed expression, as the checks walk it.
    fn print(&mut self, expression: &'a Expression) {
        match expression.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => self.print(inner),
            ExpressionKind::Ternary { condition, then, otherwise } => {
                // In the order of the source, which is that of the edits.
                self.print(then);
                self.condition(condition);
                self.print(otherwise);
            }
            ExpressionKind::Call(call) => self.component_call(call),
            _ => {
                self.expression(expression);
                let range = expression.range.clone();
                let key = (self.template, range.start, range.end);
                if let Some(wrapped) = self.traceable.prints.get(&key)
                    && !is_super(expression)
                {
                    let mut filters = Vec::new();
                    names_of_filters(expression, &mut filters);
                    let (place, followed) = (self.place(range.clone()), self.followed);
                    self.behind(
                        range,
                        Rank::Used,
                        Hook::Print { place, wrapped: *wrapped, filters, followed },
                    );
                }
            }
        }
    }

    /// What decides, but is nothing that a value is made of.
    fn condition(&mut self, expression: &'a Expression) {
        let before = std::mem::replace(&mut self.asked, true);
        self.expression(expression);
        self.asked = before;
    }

    fn expression(&mut self, expression: &'a Expression) {
        let range = &expression.range;
        if self.traceable.plain.contains(&(self.template, range.start, range.end)) {
            let place = self.place(range.clone());
            self.behind(range.clone(), Rank::Plain, Hook::Plain(place));
        }
        match expression.kind.as_ref() {
            ExpressionKind::Text(_)
            | ExpressionKind::Int(_)
            | ExpressionKind::Float(_)
            | ExpressionKind::Bool(_)
            | ExpressionKind::None
            | ExpressionKind::Loop(_) => {}
            ExpressionKind::Variable(_)
            | ExpressionKind::Attribute { .. }
            | ExpressionKind::Index { .. }
            | ExpressionKind::Slice { .. } => self.path(expression),
            ExpressionKind::Array(items) => {
                for item in items {
                    let (Item::Value(value) | Item::Spread(value)) = item;
                    self.expression(value);
                }
            }
            ExpressionKind::Map(entries) => {
                for entry in entries {
                    let (Entry::Pair { value, .. } | Entry::Spread(value)) = entry;
                    self.expression(value);
                }
            }
            ExpressionKind::Filter { base, filter } => self.filter(expression, base, filter),
            ExpressionKind::Test { base, arguments, .. } => {
                self.expression(base);
                for argument in arguments {
                    self.expression(&argument.value);
                }
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.expression(then);
                self.condition(condition);
                self.expression(otherwise);
            }
            ExpressionKind::Comprehension { element, key, value, target, condition } => {
                let before = self.bound.len();
                self.bound.extend(key.as_ref().map(|key| key.text.as_str()));
                self.bound.push(&value.text);
                self.expression(element);
                let names = self.bound.split_off(before);
                self.expression(target);
                self.bound.extend(names);
                if let Some(condition) = condition {
                    self.condition(condition);
                }
                self.bound.truncate(before);
            }
            ExpressionKind::Call(call) => self.component_call(call),
            ExpressionKind::Function { arguments, .. } => {
                for argument in arguments {
                    self.expression(&argument.value);
                }
            }
            ExpressionKind::Unary { operand: inner, .. } | ExpressionKind::Parenthesis(inner) => {
                self.expression(inner);
            }
            ExpressionKind::Binary { left, right, .. } => {
                self.expression(left);
                self.expression(right);
            }
        }
    }

    fn filter(&mut self, expression: &'a Expression, base: &'a Expression, call: &'a FilterCall) {
        self.expression(base);
        for argument in &call.arguments {
            self.expression(&argument.value);
        }
        let Some(filter) = filter::find(&call.name.text) else { return };
        // A filter that hands rows on takes nothing of them.
        let hands_on = matches!(
            filter.output,
            Output::Same | Output::Default | Output::Element | Output::Groups | Output::Values
        );
        let takes_rows = !matches!(
            filter.input,
            Input::Text
                | Input::Number
                | Input::Integer
                | Input::Scalar
                | Input::Address
                | Input::Prefix
                | Input::Place
        );
        let reach = if let Some(path) = path_argument(call, filter, ArgumentKind::Key) {
            Some(Reach::Path(path))
        } else if hands_on || !takes_rows {
            None
        } else if let Some(path) = path_argument(call, filter, ArgumentKind::Attribute) {
            Some(Reach::Each(path))
        } else {
            Some(Reach::Whole)
        };
        if let (Some(reach), Some(read)) = (reach, self.read(base)) {
            read.reaches.push(reach);
        }
        if filter.parts == Parts::Keep {
            let hook = self.kept(call);
            self.behind(expression.range.clone(), Rank::Kept, hook);
        }
    }
}

fn filter_call(number: usize, given: &str) -> String {
    format!("{FILTER}(n={number}{given})")
}

/// The path that a filter's argument of a kind gives.
fn path_argument(call: &FilterCall, filter: &filter::Filter, kind: ArgumentKind) -> Option<Vec<String>> {
    let declared = filter.arguments.iter().find(|argument| argument.kind == kind)?;
    let given = call.arguments.iter().find(|argument| argument.name.text == declared.name)?;
    match given.value.kind.as_ref() {
        ExpressionKind::Text(path) if kind == ArgumentKind::Key => Some(vec![path.clone()]),
        ExpressionKind::Text(path) => Some(path.split('.').map(str::to_owned).collect()),
        _ => None,
    }
}

/// The path that a list is grouped by.
fn grouped_by(target: &Expression) -> Option<Vec<String>> {
    match target.kind.as_ref() {
        ExpressionKind::Parenthesis(inner) => grouped_by(inner),
        ExpressionKind::Filter { filter: call, .. } => {
            let filter = filter::find(&call.name.text).filter(|known| known.output == Output::Groups)?;
            path_argument(call, filter, ArgumentKind::Attribute)
        }
        _ => None,
    }
}

/// The filters that an expression's value passes, the first one first.
pub(in crate::template) fn names_of_filters(expression: &Expression, names: &mut Vec<Arc<str>>) {
    match expression.kind.as_ref() {
        ExpressionKind::Filter { base, filter } => {
            names_of_filters(base, names);
            names.push(filter.name.text.as_str().into());
        }
        ExpressionKind::Parenthesis(inner) => names_of_filters(inner, names),
        ExpressionKind::Binary { left, right, .. } => {
            names_of_filters(left, names);
            names_of_filters(right, names);
        }
        _ => {}
    }
}

/// Whether an expression is a component's call, behind which no filter can stand.
fn is_call(expression: &Expression) -> bool {
    match expression.kind.as_ref() {
        ExpressionKind::Parenthesis(inner) => is_call(inner),
        ExpressionKind::Call(_) => true,
        _ => false,
    }
}

fn is_super(expression: &Expression) -> bool {
    matches!(expression.kind.as_ref(), ExpressionKind::Function { name, .. } if name.text == "super")
}

/// Whether the value of an expression may be the parent's block.
pub(in crate::template) fn has_super(expression: &Expression) -> bool {
    match expression.kind.as_ref() {
        ExpressionKind::Parenthesis(inner) => has_super(inner),
        ExpressionKind::Filter { base, .. } => has_super(base),
        ExpressionKind::Ternary { then, otherwise, .. } => has_super(then) || has_super(otherwise),
        _ => is_super(expression),
    }
}
