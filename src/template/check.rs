//! Static checks: resolves every path of every expression against the schema before anything is rendered.
//!
//! A template is walked as it would be rendered, with the types of its variables in place of their values: an
//! include in the scope of each place that includes it, a block as each child has it, a component for each
//! distinct call. What cannot be known is an error, never silence. The walk also tells the engine which printed
//! expressions have to pass the last filter, and which columns reach them.

mod calls;
mod scope;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use indexmap::IndexMap;

use super::Library;
use super::Origin;
use super::engine::TAKE;
use super::filter::PLAIN;
use super::syntax::{
    BinaryOperator, Branch, Entry, Expression, ExpressionKind, Item, LoopField, Name, Node, NodeKind,
    UnaryOperator, collect_blocks,
};
use super::types::{TextKind, Type, ViewId};
use crate::diagnostic::{Diagnostic, Diagnostics, Label, code};
use crate::source::Span;
use crate::table::RESERVED;
use scope::{Inferred, Scope, Variable};

/// How deep components may call each other: Tera's limit.
pub(super) const DEEPEST_CALL: usize = 20;

/// How deep bodies may lie in each other, over all templates: the walks and the engine descend with them.
const DEEPEST_NESTING: usize = 200;

/// What is said of `row` where there is none.
pub(crate) const NO_ROW: &str = "`row` is used in an artifact without `each`";

/// What templates call the named constants.
const VALUES: &str = "values";

/// A column of one of the project's tables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellColumn {
    /// The table, as the project calls it.
    pub table: String,
    /// The column.
    pub column: String,
}

/// The columns of a table that templates may use.
#[derive(Debug, Clone)]
pub struct View {
    /// What the templates call the table.
    pub name: String,
    /// What the project calls it.
    pub table: String,
    /// The columns, in the table's order.
    pub columns: IndexMap<String, Type>,
    /// Columns that the table has, but the target does not require, or that are not computed yet.
    pub hidden: Vec<String>,
    /// Whether a derived column is computed from a row.
    pub derives: bool,
    /// Whether all columns are known; where a source could not be read they are not, and nothing is said of them.
    pub complete: bool,
}

/// What every template of a target sees.
#[derive(Debug, Clone)]
pub struct Globals {
    /// The tables' views; rows refer to them by number.
    pub views: Vec<View>,
    /// The views that are variables, by name; the others are only referred to.
    pub tables: IndexMap<String, ViewId>,
    /// The type of `values`.
    pub values: Type,
}

/// A template that an artifact renders, with the row that it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entrance {
    /// The template's number in the library.
    pub template: usize,
    /// The view of `row`.
    pub row: Option<ViewId>,
    /// Whether the artifact's format wants to see every value, not just those that could hold a line break.
    pub strict: bool,
}

/// A printed expression that passes the last filter.
#[derive(Debug, Clone)]
pub struct PrintSite {
    /// The template.
    pub template: usize,
    /// The expression's bytes.
    pub range: Range<usize>,
    /// The columns that its value comes from.
    pub cells: BTreeSet<CellColumn>,
}

/// A printed expression, whether it passes the last filter or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// The template.
    pub template: usize,
    /// The expression's bytes.
    pub range: Range<usize>,
    /// Whether it passes the last filter.
    pub wrapped: bool,
}

/// What the walk found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The expressions that pass the last filter; the index is the filter's number.
    pub sites: Vec<PrintSite>,
    /// All printed expressions that were met.
    pub prints: Vec<Print>,
    /// What to insert around expressions of each template so that they do.
    pub insertions: BTreeMap<usize, Vec<Wrapping>>,
    /// The expressions with `| raw`.
    pub raw: BTreeSet<Span>,
    /// The calls by which a component leads back to itself.
    pub recursions: BTreeSet<Span>,
    /// The tables that are walked.
    pub tables: BTreeSet<ViewId>,
    /// Those of them of which every row matters: a loop prints something for each whatever is in it, or the table is
    /// used otherwise than by loops that print for some rows, and keep nothing of the others.
    pub whole: BTreeSet<ViewId>,
    /// For each column, a place that uses it: the first.
    pub uses: BTreeMap<CellColumn, Span>,
    /// The names of `values` that are used; all, where they are passed on whole.
    pub values: BTreeSet<String>,
    /// The tables that are named, as the templates call them.
    pub named: BTreeSet<String>,
    /// Captured values that are used otherwise than printed, by template and range.
    pub plain: BTreeSet<(usize, usize, usize)>,
}

/// A filter that is put behind an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapping {
    /// The expression.
    pub range: Range<usize>,
    /// The filter's name.
    pub filter: String,
}

/// How a printed expression was met so far.
#[derive(Debug, Default)]
struct Printed {
    wrap: bool,
    captured: bool,
    cells: BTreeSet<CellColumn>,
}

/// Checks the templates of a target from its entrances.
pub fn check(
    library: &Library,
    globals: &Globals,
    entrances: &[Entrance],
    diagnostics: &mut Diagnostics,
) -> Checked {
    let mut checker = Checker::new(library, globals, diagnostics);
    checker.strict = entrances.iter().any(|entrance| entrance.strict);
    for entrance in entrances {
        let mut scope = checker.global_scope(entrance.row);
        checker.template(entrance.template, &mut scope);
    }
    checker.uncalled_components();
    checker.finish()
}

/// Checks a template that is one `{% set %}` of an expression, and has the engine hand its value over.
///
/// Returns the expression's type; nothing if the template is something else.
pub fn check_expression(
    library: &Library,
    template: usize,
    globals: &Globals,
    row: Option<ViewId>,
    diagnostics: &mut Diagnostics,
) -> Option<(Type, Checked)> {
    let [Node { kind: NodeKind::Set { value: expression, .. }, .. }] =
        library.templates[template].tree.nodes.as_slice()
    else {
        return None;
    };
    let mut checker = Checker::new(library, globals, diagnostics);
    let mut scope = checker.global_scope(row);
    let ty = checker.infer_plain(template, expression, &mut scope).ty;
    let mut checked = checker.finish();
    let take = Wrapping { range: expression.range.clone(), filter: TAKE.to_owned() };
    checked.insertions.entry(template).or_default().push(take);
    Some((ty, checked))
}

struct Checker<'a> {
    library: &'a Library,
    globals: &'a Globals,
    diagnostics: &'a mut Diagnostics,
    /// Printed expressions by template and range.
    printed: BTreeMap<(usize, usize, usize), Printed>,
    /// Component calls with the types of their arguments that were checked already.
    calls: BTreeSet<String>,
    checked: Checked,
    strict: bool,
    /// The templates that are being walked because of includes.
    including: Vec<usize>,
    /// How many bodies are around the one that is being walked.
    depth: usize,
    /// The bodies of each block of the templates that are being walked, the innermost template last.
    blocks: Vec<BTreeMap<String, Lineage<'a>>>,
    /// The blocks that are being walked, each with its level; the innermost last.
    walking: Vec<(String, usize)>,
    /// Where the bodies of blocks begin that were walked.
    walked: BTreeSet<(usize, usize)>,
    /// The components that were called.
    called: BTreeSet<String>,
    /// The component calls that are being walked, outermost first.
    callers: Vec<Caller>,
    /// How many branches and loops, which may not be entered, lead to this place.
    conditions: usize,
    /// The loops that are being walked, each with the table whose rows it is at; the innermost last.
    loops: Vec<Option<ViewId>>,
    /// Where a table is named to be walked by a loop: the template and the first byte.
    named_to_walk: Option<(usize, usize)>,
    /// What was reported, so that a component called twice is reported once.
    reported: BTreeSet<(Span, String)>,
}

/// A component that is being walked.
struct Caller {
    /// The component.
    name: String,
    /// What its caller sees.
    scope: Scope,
    /// Where it is called; nothing for one that nothing calls.
    call: Option<Span>,
    /// [`Checker::conditions`] where its body begins.
    conditions: usize,
}

/// A block's bodies, most derived first.
#[derive(Debug, Clone, Default)]
struct Lineage<'a> {
    bodies: Vec<(usize, &'a [Node])>,
}

impl<'a> Checker<'a> {
    fn new(library: &'a Library, globals: &'a Globals, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            library,
            globals,
            diagnostics,
            printed: BTreeMap::new(),
            calls: BTreeSet::new(),
            checked: Checked::default(),
            strict: false,
            including: Vec::new(),
            depth: 0,
            blocks: Vec::new(),
            walking: Vec::new(),
            walked: BTreeSet::new(),
            called: BTreeSet::new(),
            callers: Vec::new(),
            conditions: 0,
            loops: Vec::new(),
            named_to_walk: None,
            reported: BTreeSet::new(),
        }
    }

    fn finish(mut self) -> Checked {
        for ((template, start, end), printed) in std::mem::take(&mut self.printed) {
            self.checked.prints.push(Print { template, range: start..end, wrapped: printed.wrap });
            if printed.captured && printed.wrap {
                self.report(
                    template,
                    start..end,
                    Diagnostic::error(
                        &code::TEMPLATE_TYPE,
                        "captured text and a plain value are both printed by this expression",
                    )
                    .hint("print each in a branch of its own"),
                    "sometimes captured text, sometimes a value",
                );
            } else if printed.wrap {
                let number = self.checked.sites.len();
                let filter = format!("__emit{number}");
                self.checked
                    .insertions
                    .entry(template)
                    .or_default()
                    .push(Wrapping { range: start..end, filter });
                self.checked.sites.push(PrintSite { template, range: start..end, cells: printed.cells });
            }
        }
        for &(template, start, end) in &self.checked.plain {
            let filter = PLAIN.to_owned();
            self.checked.insertions.entry(template).or_default().push(Wrapping { range: start..end, filter });
        }
        self.checked
    }

    fn report(&mut self, template: usize, range: Range<usize>, diagnostic: Diagnostic, label: &str) {
        let span = self.library.templates[template].span(range);
        if !self.reported.insert((span, diagnostic.message.clone())) {
            return;
        }
        let mut diagnostic = diagnostic;
        diagnostic.labels.insert(0, Label { place: span.into(), text: label.to_owned() });
        if let Some(Caller { call: Some(call), .. }) = self.callers.last() {
            diagnostic = diagnostic.at(*call, "in this call");
        }
        self.diagnostics.push(diagnostic);
    }

    fn global_scope(&self, row: Option<ViewId>) -> Scope {
        let mut variables = BTreeMap::new();
        let name = IndexMap::from([("name".to_owned(), Type::Text(TextKind::Clean))]);
        variables.insert("project".into(), Variable::new(Type::Map(Rc::new(name))));
        variables.insert("environment".into(), Variable::new(Type::Text(TextKind::Clean)));
        variables.insert("values".into(), Variable::new(self.globals.values.clone()));
        for (name, view) in &self.globals.tables {
            variables.insert(name.clone(), Variable::new(Type::Row(*view).list()));
        }
        if let Some(view) = row {
            variables.insert("row".into(), Variable::new(Type::Row(view)));
        }
        Scope::new(variables)
    }

    /// Walks a template with its parents.
    fn template(&mut self, template: usize, scope: &mut Scope) {
        let mut chain = vec![template];
        loop {
            let current = chain[chain.len() - 1];
            let Some(parent) = self.library.templates[current].tree.extends() else { break };
            // Missing and circular parents are reported when the library is built.
            match self.library.find(&parent.text) {
                Some(next) if !chain.contains(&next) => chain.push(next),
                _ => return,
            }
        }
        let mut blocks: BTreeMap<String, Lineage<'a>> = BTreeMap::new();
        for at in &chain {
            collect_blocks(&self.library.templates[*at].tree.nodes, &mut |name, body| {
                let lineage = blocks.entry(name.text.clone()).or_default();
                lineage.bodies.push((*at, body));
            });
        }
        self.blocks.push(blocks);
        let base = chain[chain.len() - 1];
        let library = self.library;
        self.nodes(base, &library.templates[base].tree.nodes, scope);
        self.blocks.pop();
    }

    fn nodes(&mut self, template: usize, nodes: &'a [Node], scope: &mut Scope) {
        if self.depth == DEEPEST_NESTING {
            if let Some(first) = nodes.first() {
                let message =
                    format!("tags nest deeper than {DEEPEST_NESTING}, over includes, blocks and components");
                let diagnostic = Diagnostic::error(&code::TEMPLATE_REFUSED, message)
                    .hint("let templates that include each other stand side by side");
                self.report(template, first.range.clone(), diagnostic, "too deep");
            }
            return;
        }
        self.depth += 1;
        self.nodes_of(template, nodes, scope);
        self.depth -= 1;
    }

    fn nodes_of(&mut self, template: usize, nodes: &'a [Node], scope: &mut Scope) {
        for node in nodes {
            self.node(template, node, scope);
        }
    }

    fn node(&mut self, template: usize, node: &'a Node, scope: &mut Scope) {
        match &node.kind {
            NodeKind::Text { .. } | NodeKind::Comment | NodeKind::Extends(_) | NodeKind::Component(_) => {}
            NodeKind::Print(expression) => self.print(template, expression, scope),
            NodeKind::Set { name, value, global } => {
                self.definable(template, name);
                let value = self.infer(template, value, scope);
                self.outlives(*global);
                scope.set(&name.text, value, *global);
            }
            NodeKind::SetBlock { name, filters, body, global } => {
                self.definable(template, name);
                let mut inner = scope.clone();
                self.nodes(template, body, &mut inner);
                scope.take_assignments(inner);
                let mut captured = Inferred::of(Type::Captured);
                for filter in filters {
                    captured = self.filter(template, captured, None, filter, scope);
                }
                self.outlives(*global);
                scope.set(&name.text, captured, *global);
            }
            NodeKind::Include(name) => self.include(template, name, scope),
            NodeKind::Block { name, .. } => self.block(&name.text, 0, scope),
            NodeKind::For { key, value, target, body, otherwise } => {
                self.for_loop(template, (key.as_ref(), value), target, body, otherwise.as_deref(), scope);
            }
            NodeKind::If { branches, otherwise } => {
                self.if_node(template, branches, otherwise.as_deref(), scope);
            }
            NodeKind::Filter { filters, body } => {
                self.nodes(template, body, scope);
                let mut captured = Inferred::of(Type::Captured);
                for filter in filters {
                    captured = self.filter(template, captured, None, filter, scope);
                }
                if captured.ty != Type::Captured && captured.ty != Type::Reported {
                    let name =
                        filters.first().map_or_else(|| node.range.clone(), |filter| filter.range.clone());
                    self.report(
                        template,
                        name,
                        Diagnostic::error(
                            &code::TEMPLATE_REFUSED,
                            "this filter does not keep the parts of the text it captures",
                        )
                        .hint("capture the text with `{% set %}` and print the filtered variable"),
                        "used on a whole section",
                    );
                }
            }
            NodeKind::Call { call, body } => {
                let mut inner = scope.clone();
                self.nodes(template, body, &mut inner);
                scope.take_assignments(inner);
                self.component(template, call, true, scope);
            }
            NodeKind::Break => self.counts(),
            NodeKind::Continue => {}
        }
    }

    /// A row of the innermost loop matters, whatever is printed for it.
    fn counts(&mut self) {
        self.checked.whole.extend(self.loops.last().copied().flatten());
    }

    /// So does one of any loop where a variable outlives them.
    fn outlives(&mut self, global: bool) {
        if global {
            self.checked.whole.extend(self.loops.iter().flatten());
        }
    }

    fn definable(&mut self, template: usize, name: &Name) {
        let table = self.globals.tables.contains_key(&name.text);
        if RESERVED.contains(&name.text.as_str()) || table {
            let what = if table { "is a table" } else { "is reserved" };
            self.report(
                template,
                name.range.clone(),
                Diagnostic::error(
                    &code::TEMPLATE_REFUSED,
                    format!("`{}` {what}; use another name", name.text),
                ),
                "cannot be redefined",
            );
        }
    }

    fn print(&mut self, template: usize, expression: &'a Expression, scope: &mut Scope) {
        match expression.kind.as_ref() {
            ExpressionKind::Parenthesis(inner) => self.print(template, inner, scope),
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.condition(template, condition, scope);
                self.conditions += 1;
                self.print(template, then, &mut scope.narrowed(condition, true));
                self.print(template, otherwise, &mut scope.narrowed(condition, false));
                self.conditions -= 1;
            }
            ExpressionKind::Call(call) => {
                self.component(template, call, false, scope);
            }
            kind => {
                let inferred = self.infer(template, expression, scope);
                if !self.printable(template, expression, &inferred.ty) {
                    return;
                }
                let literal = matches!(
                    kind,
                    ExpressionKind::Text(_)
                        | ExpressionKind::Int(_)
                        | ExpressionKind::Float(_)
                        | ExpressionKind::Bool(_)
                );
                let key = (template, expression.range.start, expression.range.end);
                let printed = self.printed.entry(key).or_default();
                if inferred.ty == Type::Captured {
                    printed.captured = true;
                } else {
                    printed.wrap |= self.strict || !(literal || inferred.ty.is_clean());
                }
                printed.cells.extend(inferred.cells);
            }
        }
    }

    fn printable(&mut self, template: usize, expression: &Expression, ty: &Type) -> bool {
        if *ty == Type::Reported {
            return false;
        }
        if ty.is_scalar() {
            return true;
        }
        let diagnostic = match ty {
            Type::Optional(_) | Type::Absent => {
                let guard = self.guard(template, expression);
                Diagnostic::error(&code::TEMPLATE_OPTIONAL, "a value that may be absent is printed")
                    .hint(format!("guard it with {guard}, or give `| default(value=…)`"))
            }
            Type::Unknown => Diagnostic::error(
                &code::TEMPLATE_TYPE,
                "the type of this expression is not known: values of unlike types meet here",
            ),
            Type::List(of) => {
                let hint = if of.is_scalar() {
                    "print its entries with `| join(sep=\", \")` or a `for`"
                } else {
                    "walk it with `{% for row in … %}`"
                };
                Diagnostic::error(&code::TEMPLATE_PRINT, format!("{} is printed", ty.describe())).hint(hint)
            }
            Type::Row(view) => {
                let columns =
                    self.globals.views[view.0].columns.keys().cloned().collect::<Vec<_>>().join("`, `");
                Diagnostic::error(&code::TEMPLATE_PRINT, "a row is printed")
                    .hint(format!("print one of its columns: `{columns}`"))
            }
            Type::Map(entries) if !entries.is_empty() => {
                let names = entries.keys().cloned().collect::<Vec<_>>().join("`, `");
                Diagnostic::error(&code::TEMPLATE_PRINT, "a map is printed")
                    .hint(format!("print one of its entries: `{names}`; or all with `| json`"))
            }
            _ => Diagnostic::error(&code::TEMPLATE_PRINT, format!("{} is printed", ty.describe()))
                .hint("print one of its entries, or all with `| json`"),
        };
        let label = ty.describe();
        self.report(template, expression.range.clone(), diagnostic, &label);
        false
    }

    fn include(&mut self, template: usize, name: &Name, scope: &mut Scope) {
        // Missing templates and circles are reported when the library is built.
        let Some(included) = self.library.find(&name.text) else { return };
        if self.including.contains(&included) || included == template {
            return;
        }
        self.including.push(included);
        self.template(included, &mut scope.clone());
        self.including.pop();
    }

    fn block(&mut self, name: &str, level: usize, scope: &mut Scope) {
        let before = scope.clone();
        self.block_body(name, level, scope);
        // What a child overrides is not printed, but a mistake in it is one all the same.
        let levels = self.lineage(name).map_or(0, |lineage| lineage.bodies.len());
        for hidden in level + 1..levels {
            let Some((template, body)) = self.lineage(name).map(|lineage| lineage.bodies[hidden]) else {
                return;
            };
            let start = body.first().map_or(0, |node| node.range.start);
            if !self.walked.contains(&(template, start)) {
                self.block_body(name, hidden, &mut before.clone());
            }
        }
    }

    fn block_body(&mut self, name: &str, level: usize, scope: &mut Scope) {
        let Some((template, body)) =
            self.lineage(name).and_then(|lineage| lineage.bodies.get(level).copied())
        else {
            return;
        };
        self.walked.insert((template, body.first().map_or(0, |node| node.range.start)));
        self.walking.push((name.to_owned(), level));
        self.nodes(template, body, scope);
        self.walking.pop();
    }

    fn lineage(&self, name: &str) -> Option<&Lineage<'a>> {
        self.blocks.last()?.get(name)
    }

    /// Walks the next body up of the block that is being walked; false outside a block with a parent.
    fn parent_block(&mut self, scope: &mut Scope) -> bool {
        let Some((name, level)) = self.walking.last().cloned() else { return false };
        if self.lineage(&name).is_none_or(|lineage| lineage.bodies.len() <= level + 1) {
            return false;
        }
        self.block_body(&name, level + 1, scope);
        true
    }

    fn for_loop(
        &mut self,
        template: usize,
        (key, value): (Option<&Name>, &Name),
        target: &'a Expression,
        body: &'a [Node],
        otherwise: Option<&'a [Node]>,
        scope: &mut Scope,
    ) {
        for name in key.into_iter().chain([value]) {
            // `row` and friends may be the variable of a loop over rows; tables may not be hidden.
            if self.globals.tables.contains_key(&name.text)
                || ["values", "project", "environment"].contains(&name.text.as_str())
            {
                self.definable(template, name);
            }
        }
        let mut is_all = true;
        let table = walked_table(target, &mut is_all).and_then(|(table, name)| {
            self.named_to_walk = Some((template, table.range.start));
            self.globals.tables.get(name).copied()
        });
        let walked = self.infer(template, target, scope);
        let (key_type, value_type) = self.entries_of(template, target, &walked.ty, key.is_some());
        let before = scope.clone();
        if self.conditions == 0 && is_all && body.iter().any(is_text) {
            self.checked.whole.extend(table);
        }
        self.loops.push(table);
        self.conditions += 1;
        // A variable that a round sets for the next may change its type: walk until nothing changes.
        for _ in 0..4 {
            let mut inner = scope.clone();
            inner.open_loop();
            if let Some(key) = key {
                inner.set(&key.text, Inferred::of(key_type.clone()), false);
            }
            inner.set(&value.text, Inferred { ty: value_type.clone(), cells: walked.cells.clone() }, false);
            self.nodes(template, body, &mut inner);
            inner.close_loop();
            let joined = scope.join(&inner);
            if joined == *scope {
                break;
            }
            *scope = joined;
        }
        self.loops.pop();
        if let Some(otherwise) = otherwise {
            let mut other = before;
            self.nodes(template, otherwise, &mut other);
            *scope = scope.join(&other);
        }
        self.conditions -= 1;
    }

    /// The types of the keys and values of what a loop walks.
    fn entries_of(&mut self, template: usize, target: &Expression, ty: &Type, keyed: bool) -> (Type, Type) {
        let reported = (Type::Reported, Type::Reported);
        let diagnostic = match ty {
            Type::Reported => return reported,
            Type::List(of) if !keyed => return (Type::Reported, (**of).clone()),
            Type::Dictionary(of) if keyed => return (Type::TEXT, (**of).clone()),
            Type::Map(fields) if keyed => {
                let value = fields.values().cloned().reduce(|a, b| a.join(&b)).unwrap_or(Type::Absent);
                return (Type::TEXT, value);
            }
            Type::Text(_) => {
                Diagnostic::error(&code::TEMPLATE_TYPE, "text is walked, character by character").hint(
                    "make a list of it with `| split(pat=…)`; `name={row.list}` hands a component a list",
                )
            }
            Type::Map(_) | Type::Dictionary(_) => {
                Diagnostic::error(&code::TEMPLATE_TYPE, "a map is walked with one variable")
                    .hint("write `{% for key, value in … %}`")
            }
            Type::List(_) => {
                Diagnostic::error(&code::TEMPLATE_TYPE, "a list is walked with a key and a value")
                    .hint("write `{% for value in … %}`")
            }
            Type::Optional(_) => {
                Diagnostic::error(&code::TEMPLATE_OPTIONAL, "something that may be absent is walked")
                    .hint("guard it with `{% if … %}`, or give `| default(value=[])`")
            }
            Type::Row(_) => {
                Diagnostic::error(&code::TEMPLATE_TYPE, "a row is walked").hint("name its columns")
            }
            other => Diagnostic::error(
                &code::TEMPLATE_TYPE,
                format!("expected a list or a map to walk, found {}", other.describe()),
            ),
        };
        self.report(template, target.range.clone(), diagnostic, &ty.describe());
        reported
    }

    fn if_node(
        &mut self,
        template: usize,
        branches: &'a [Branch],
        otherwise: Option<&'a [Node]>,
        scope: &mut Scope,
    ) {
        let mut rest = scope.clone();
        let mut outcome: Option<Scope> = None;
        let before = self.conditions;
        for branch in branches {
            self.condition(template, &branch.condition, &mut rest);
            // The first condition is asked in any case, all that follows is not.
            self.conditions = before + 1;
            let mut taken = rest.narrowed(&branch.condition, true);
            self.nodes(template, &branch.body, &mut taken);
            outcome = Some(outcome.map_or(taken.clone(), |before| before.join(&taken)));
            rest = rest.narrowed(&branch.condition, false);
        }
        if let Some(otherwise) = otherwise {
            self.nodes(template, otherwise, &mut rest);
        }
        self.conditions = before;
        let outcome = outcome.map_or(rest.clone(), |before| before.join(&rest));
        scope.leave_branches(outcome);
    }

    /// Infers an expression that is only asked whether it holds.
    fn condition(&mut self, template: usize, expression: &'a Expression, scope: &mut Scope) {
        let inferred = self.infer_plain(template, expression, scope);
        // Of `a or b` it does not matter which of two unlike types it is.
        if inferred.ty == Type::Unknown && !is_logic(expression) {
            self.mismatch(template, expression, "a condition of a known type", &inferred.ty);
        }
    }

    /// How an expression that may be absent is guarded: in a single expression, which has no tags, too.
    fn guard(&self, template: usize, expression: &Expression) -> String {
        let path = scope::path(expression).unwrap_or_else(|| "…".to_owned());
        match self.library.templates[template].origin {
            Origin::Toml { prefix, .. } if prefix > 0 => format!("`{path} is defined and …`"),
            _ => format!("`{{% if {path} %}}`"),
        }
    }

    fn mismatch(&mut self, template: usize, expression: &Expression, expected: &str, found: &Type) {
        if *found == Type::Reported {
            return;
        }
        let label = found.describe();
        let diagnostic = match found {
            Type::Optional(inner) => {
                let guard = self.guard(template, expression);
                Diagnostic::error(
                    &code::TEMPLATE_OPTIONAL,
                    format!("expected {expected}, found {} that may be absent", inner.describe()),
                )
                .hint(format!("guard it with {guard}, or give `| default(value=…)`"))
            }
            _ => Diagnostic::error(&code::TEMPLATE_TYPE, format!("expected {expected}, found {label}")),
        };
        self.report(template, expression.range.clone(), diagnostic, &label);
    }

    /// Notes that captured text is used as a plain value.
    fn use_plain(&mut self, template: usize, expression: &Expression) {
        self.checked.plain.insert((template, expression.range.start, expression.range.end));
    }

    /// Infers an operand that is used as a value: captured text becomes plain.
    fn infer_plain(&mut self, template: usize, expression: &'a Expression, scope: &mut Scope) -> Inferred {
        let mut inferred = self.infer(template, expression, scope);
        match &inferred.ty {
            Type::Captured | Type::Marked => {
                self.use_plain(template, expression);
                inferred.ty = Type::TEXT;
            }
            Type::Optional(inner) if matches!(**inner, Type::Captured | Type::Marked) => {
                self.use_plain(template, expression);
                inferred.ty = Type::TEXT.optional();
            }
            _ => {}
        }
        inferred
    }

    fn infer(&mut self, template: usize, expression: &'a Expression, scope: &mut Scope) -> Inferred {
        match expression.kind.as_ref() {
            ExpressionKind::Text(_) => Inferred::of(Type::TEXT),
            ExpressionKind::Int(_) => Inferred::of(Type::Int),
            ExpressionKind::Float(_) => Inferred::of(Type::Float),
            ExpressionKind::Bool(_) => Inferred::of(Type::Bool),
            ExpressionKind::None => Inferred::of(Type::Absent),
            ExpressionKind::Loop(field) => {
                self.counts();
                Inferred::of(match field {
                    LoopField::First | LoopField::Last => Type::Bool,
                    LoopField::Index | LoopField::Index0 | LoopField::Length => Type::Int,
                })
            }
            ExpressionKind::Parenthesis(inner) => self.infer(template, inner, scope),
            ExpressionKind::Variable(name) => {
                if name == VALUES {
                    let all =
                        super::types::fields(&self.globals.values).into_iter().flat_map(|all| all.keys());
                    self.checked.values.extend(all.cloned());
                }
                self.variable(template, expression, name, scope)
            }
            ExpressionKind::Attribute { base, name, optional } => {
                let of = self.base(template, base, &name.text, scope);
                self.attribute(template, expression, of, name, *optional, scope)
            }
            ExpressionKind::Index { base, index, optional } => {
                if let ExpressionKind::Text(text) = index.kind.as_ref() {
                    let of = self.base(template, base, text, scope);
                    let name = Name { text: text.clone(), range: index.range.clone() };
                    return self.attribute(template, expression, of, &name, *optional, scope);
                }
                let of = self.infer(template, base, scope);
                self.index(template, base, index, of, *optional, scope)
            }
            ExpressionKind::Slice { base, start, end, step, optional } => {
                for bound in [start, end, step].into_iter().flatten() {
                    let ty = self.infer_plain(template, bound, scope).ty;
                    if !matches!(ty, Type::Int | Type::Reported) {
                        self.mismatch(template, bound, "a whole number", &ty);
                    }
                }
                let of = self.infer_plain(template, base, scope);
                let (inner, absent) = match (&of.ty, optional) {
                    (Type::Optional(inner), true) => ((**inner).clone(), true),
                    (other, _) => (other.clone(), false),
                };
                let ty = match inner {
                    Type::List(_) | Type::Reported => inner,
                    Type::Text(_) => Type::TEXT,
                    other => {
                        self.mismatch(template, base, "a list or text to slice", &other);
                        Type::Reported
                    }
                };
                Inferred { ty: if absent { ty.optional() } else { ty }, cells: of.cells }
            }
            ExpressionKind::Array(items) => self.array(template, items, scope),
            ExpressionKind::Map(entries) => self.map(template, entries, scope),
            ExpressionKind::Filter { base, filter } => {
                let of = self.infer(template, base, scope);
                self.filter(template, of, Some(base), filter, scope)
            }
            ExpressionKind::Test { base, name, arguments, .. } => {
                let of = self.infer(template, base, scope);
                self.test(template, base, of, name, arguments, scope)
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.condition(template, condition, scope);
                self.conditions += 1;
                let then = self.infer(template, then, &mut scope.narrowed(condition, true));
                let otherwise = self.infer(template, otherwise, &mut scope.narrowed(condition, false));
                self.conditions -= 1;
                then.join(otherwise)
            }
            ExpressionKind::Comprehension { element, key, value, target, condition } => {
                let walked = self.infer(template, target, scope);
                let (key_type, value_type) = self.entries_of(template, target, &walked.ty, key.is_some());
                let mut inner = scope.clone();
                inner.open_loop();
                if let Some(key) = key {
                    inner.set(&key.text, Inferred::of(key_type), false);
                }
                inner.set(&value.text, Inferred { ty: value_type, cells: walked.cells }, false);
                self.conditions += 1;
                if let Some(condition) = condition {
                    self.condition(template, condition, &mut inner);
                    inner = inner.narrowed(condition, true);
                }
                let element = self.infer(template, element, &mut inner);
                self.conditions -= 1;
                Inferred { ty: element.ty.list(), cells: element.cells }
            }
            ExpressionKind::Call(call) => {
                self.component(template, call, false, scope);
                Inferred::of(Type::Captured)
            }
            ExpressionKind::Function { name, arguments } => {
                self.function(template, expression, name, arguments, scope)
            }
            ExpressionKind::Unary { operator, operand } => match operator {
                UnaryOperator::Not => {
                    self.condition(template, operand, scope);
                    Inferred::of(Type::Bool)
                }
                UnaryOperator::Minus => {
                    let of = self.infer_plain(template, operand, scope);
                    if !of.ty.is_number() {
                        self.mismatch(template, operand, "a number", &of.ty);
                        return Inferred::of(Type::Reported);
                    }
                    of
                }
            },
            ExpressionKind::Binary { operator, left, right } => {
                self.binary(template, *operator, left, right, scope)
            }
        }
    }

    /// Infers what a field is taken of; of `values`, only that field is used.
    fn base(&mut self, template: usize, base: &'a Expression, field: &str, scope: &mut Scope) -> Inferred {
        match base.kind.as_ref() {
            ExpressionKind::Variable(name) if name == VALUES => {
                self.checked.values.insert(field.to_owned());
                self.variable(template, base, name, scope)
            }
            _ => self.infer(template, base, scope),
        }
    }

    fn variable(&mut self, template: usize, expression: &Expression, name: &str, scope: &Scope) -> Inferred {
        if let Some(variable) = scope.find(name) {
            if let Some(view) = self.globals.tables.get(name) {
                self.checked.tables.insert(*view);
                self.checked.named.insert(name.to_owned());
                if self.named_to_walk != Some((template, expression.range.start)) {
                    self.checked.whole.insert(*view);
                }
            }
            let mut inferred = Inferred { ty: variable.ty.clone(), cells: variable.cells.clone() };
            if scope.is_present(name) {
                inferred.ty = inferred.ty.present();
            }
            return inferred;
        }
        let diagnostic = if name == "loop" {
            Diagnostic::error(&code::TEMPLATE_UNKNOWN_VARIABLE, "`loop` is used outside a `for`")
        } else if name == "row" && self.callers.is_empty() {
            Diagnostic::error(&code::TEMPLATE_UNKNOWN_VARIABLE, NO_ROW)
                .hint("walk a table with `{% for row in … %}`, or give the artifact `each = \"…\"`")
        } else {
            let names = scope.names();
            let mut diagnostic = Diagnostic::error(
                &code::TEMPLATE_UNKNOWN_VARIABLE,
                format!("there is no variable `{name}` here"),
            );
            if super::types::fields(&self.globals.values).is_some_and(|fields| fields.contains_key(name)) {
                diagnostic = diagnostic.hint(format!("did you mean `values.{name}`?"));
            } else if let Some(component) = self.hidden_from(name) {
                diagnostic = diagnostic.hint(format!(
                    "a component sees its arguments only: declare `@{name}` among those of `{component}`, or pass it"
                ));
            } else {
                diagnostic = diagnostic.hint_nearest(name, names.iter().map(String::as_str));
            }
            diagnostic
        };
        self.report(template, expression.range.clone(), diagnostic, "not defined");
        Inferred::of(Type::Reported)
    }

    /// The component that is walked, if its caller sees a variable that it does not.
    fn hidden_from(&self, name: &str) -> Option<&str> {
        let caller = self.callers.last()?;
        let global = [VALUES, "project", "environment", "row"].contains(&name)
            || self.globals.tables.contains_key(name);
        (global || self.callers.iter().any(|caller| caller.scope.find(name).is_some()))
            .then_some(caller.name.as_str())
    }

    fn attribute(
        &mut self,
        template: usize,
        expression: &Expression,
        of: Inferred,
        name: &Name,
        optional: bool,
        scope: &Scope,
    ) -> Inferred {
        let (base, absent) = match of.ty {
            Type::Optional(inner) if optional => (*inner, true),
            other => (other, false),
        };
        let mut cells = of.cells;
        let ty = match &base {
            Type::Reported => Type::Reported,
            Type::Row(view) => {
                let view = &self.globals.views[view.0];
                let cell = CellColumn { table: view.table.clone(), column: name.text.clone() };
                if let Some(ty) = view.columns.get(&name.text) {
                    let span = self.library.templates[template].span(name.range.clone());
                    self.checked.uses.entry(cell.clone()).or_insert(span);
                    cells = BTreeSet::from([cell]);
                    ty.clone()
                } else if !view.complete {
                    Type::Reported
                } else {
                    let diagnostic = unknown_column(view, &name.text);
                    self.report(template, name.range.clone(), diagnostic, "no such column");
                    Type::Reported
                }
            }
            Type::Map(fields) => {
                if let Some(ty) = fields.get(&name.text) {
                    ty.clone()
                } else {
                    let is_values = fields == super::types::fields(&self.globals.values).unwrap_or(fields)
                        && base == self.globals.values;
                    let (code, what) = if is_values {
                        (&code::TEMPLATE_UNKNOWN_VALUE, "value")
                    } else {
                        (&code::TEMPLATE_UNKNOWN_VARIABLE, "field")
                    };
                    let diagnostic = Diagnostic::error(code, format!("there is no {what} `{}`", name.text))
                        .hint_nearest(&name.text, fields.keys().map(String::as_str));
                    self.report(template, name.range.clone(), diagnostic, &format!("no such {what}"));
                    Type::Reported
                }
            }
            Type::Dictionary(of) => (**of).clone().optional(),
            Type::Optional(inner) => {
                let inner = inner.describe();
                let diagnostic = Diagnostic::error(
                    &code::TEMPLATE_OPTIONAL,
                    format!("`.{}` is taken of {inner} that may be absent", name.text),
                )
                .hint("guard it with `{% if … %}`, or write `?.`");
                self.report(template, expression.range.clone(), diagnostic, "may be absent");
                Type::Reported
            }
            other => {
                let found = other.describe();
                let hint = matches!(other, Type::List(_)).then_some("walk it with `{% for row in … %}`");
                let mut diagnostic =
                    Diagnostic::error(&code::TEMPLATE_TYPE, format!("`.{}` is taken of {found}", name.text));
                if let Some(hint) = hint {
                    diagnostic = diagnostic.hint(hint);
                }
                self.report(template, name.range.clone(), diagnostic, "has no fields");
                Type::Reported
            }
        };
        let mut ty = if absent { ty.optional() } else { ty };
        if scope::path(expression).is_some_and(|path| scope.is_present(&path)) {
            ty = ty.present();
        }
        Inferred { ty, cells }
    }

    fn index(
        &mut self,
        template: usize,
        base: &Expression,
        index: &'a Expression,
        of: Inferred,
        optional: bool,
        scope: &mut Scope,
    ) -> Inferred {
        let by = self.infer_plain(template, index, scope).ty;
        let (inner, absent) = match of.ty {
            Type::Optional(inner) if optional => (*inner, true),
            other => (other, false),
        };
        let (wanted, ty) = match inner {
            Type::Reported => return Inferred::of(Type::Reported),
            Type::List(of) => (Type::Int, *of),
            Type::Text(_) => (Type::Int, Type::TEXT),
            Type::Dictionary(of) => (Type::TEXT, (*of).optional()),
            Type::Map(fields) => {
                let joined = fields.values().cloned().reduce(|a, b| a.join(&b)).unwrap_or(Type::Absent);
                (Type::TEXT, joined.optional())
            }
            other => {
                let expected = match other {
                    Type::Row(_) => "a column's name in quotes as index of a row",
                    _ => "a list or a map to index",
                };
                self.mismatch(template, base, expected, &other);
                return Inferred::of(Type::Reported);
            }
        };
        if by != Type::Reported && !(by.is_like(&wanted) && by != Type::Unknown && by != Type::Float) {
            self.mismatch(template, index, &format!("{} as index", wanted.describe()), &by);
        }
        Inferred { ty: if absent { ty.optional() } else { ty }, cells: of.cells }
    }

    fn array(&mut self, template: usize, items: &'a [Item], scope: &mut Scope) -> Inferred {
        let mut of: Option<Type> = None;
        let mut cells = BTreeSet::new();
        for item in items {
            let (ty, expression) = match item {
                Item::Value(value) => {
                    let inferred = self.infer_plain(template, value, scope);
                    cells.extend(inferred.cells);
                    (inferred.ty, value)
                }
                Item::Spread(list) => {
                    let inferred = self.infer(template, list, scope);
                    cells.extend(inferred.cells);
                    match inferred.ty {
                        Type::List(of) => (*of, list),
                        other => {
                            self.mismatch(template, list, "a list to spread", &other);
                            (Type::Reported, list)
                        }
                    }
                }
            };
            let joined = of.as_ref().map_or(ty.clone(), |before| before.join(&ty));
            if joined == Type::Unknown && of.as_ref() != Some(&Type::Unknown) {
                self.mismatch(template, expression, "entries of one type", &ty);
            }
            of = Some(joined);
        }
        // Nothing can be done with the entries of an empty list, so their type does not matter.
        Inferred { ty: of.unwrap_or(Type::Reported).list(), cells }
    }

    fn map(&mut self, template: usize, entries: &'a [Entry], scope: &mut Scope) -> Inferred {
        let mut fields = IndexMap::new();
        for entry in entries {
            match entry {
                Entry::Pair { key, value } => {
                    let ty = self.infer_plain(template, value, scope).ty;
                    let key = match key.kind.as_ref() {
                        ExpressionKind::Text(text) => text.clone(),
                        ExpressionKind::Int(number) => number.to_string(),
                        ExpressionKind::Bool(truth) => truth.to_string(),
                        _ => continue,
                    };
                    fields.insert(key, ty);
                }
                Entry::Spread(map) => {
                    let ty = self.infer(template, map, scope).ty;
                    match &ty {
                        Type::Map(spread) => {
                            fields.extend(spread.iter().map(|(k, v)| (k.clone(), v.clone())));
                        }
                        other => self.mismatch(template, map, "a map with known keys to spread", other),
                    }
                }
            }
        }
        Inferred::of(Type::Map(Rc::new(fields)))
    }

    fn binary(
        &mut self,
        template: usize,
        operator: BinaryOperator,
        left: &'a Expression,
        right: &'a Expression,
        scope: &mut Scope,
    ) -> Inferred {
        use BinaryOperator as Op;
        match operator {
            Op::And | Op::Or => {
                let a = self.infer_plain(template, left, scope);
                self.conditions += 1;
                let b = self.infer_plain(template, right, &mut scope.narrowed(left, operator == Op::And));
                self.conditions -= 1;
                let first = if operator == Op::Or { a.ty.clone().present() } else { a.ty.clone() };
                let mut cells = a.cells;
                cells.extend(b.cells);
                let ty = first.join(&b.ty);
                Inferred { ty, cells }
            }
            Op::Equal | Op::NotEqual => {
                let a = self.infer_plain(template, left, scope).ty;
                let b = self.infer_plain(template, right, scope).ty;
                self.comparable(template, operator, (left, &a), (right, &b));
                Inferred::of(Type::Bool)
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                let a = self.infer_plain(template, left, scope).ty;
                let b = self.infer_plain(template, right, scope).ty;
                if self.comparable(template, operator, (left, &a), (right, &b))
                    && !(a.is_scalar() && b.is_scalar())
                {
                    let reported = a == Type::Reported || b == Type::Reported;
                    if !reported {
                        self.mismatch(template, left, "numbers or texts to compare", &a);
                    }
                }
                Inferred::of(Type::Bool)
            }
            Op::In => {
                let a = self.infer_plain(template, left, scope).ty;
                let b = self.infer_plain(template, right, scope).ty;
                match &b {
                    Type::Reported => {}
                    Type::List(of) => {
                        self.comparable(template, operator, (left, &a), (right, of));
                    }
                    Type::Text(_) | Type::Map(_) | Type::Dictionary(_) => {
                        if !a.is_like(&Type::TEXT) || a == Type::Unknown {
                            self.mismatch(template, left, "text", &a);
                        }
                    }
                    other => self.mismatch(template, right, "a list, a map or text to look in", other),
                }
                Inferred::of(Type::Bool)
            }
            Op::Concatenate => {
                let mut cells = BTreeSet::new();
                for side in [left, right] {
                    let inferred = self.infer_plain(template, side, scope);
                    cells.extend(inferred.cells);
                    if inferred.ty != Type::Reported {
                        self.printable(template, side, &inferred.ty);
                    }
                }
                Inferred { ty: Type::TEXT, cells }
            }
            Op::Multiply | Op::Divide | Op::FloorDivide | Op::Modulo | Op::Add | Op::Subtract | Op::Power => {
                let mut ty = Type::Int;
                let mut cells = BTreeSet::new();
                for side in [left, right] {
                    let inferred = self.infer_plain(template, side, scope);
                    if operator == Op::Add && inferred.ty.is_text() {
                        let message = "`+` adds numbers, found text";
                        let diagnostic = Diagnostic::error(&code::TEMPLATE_TYPE, message)
                            .hint("text is joined with `~`, as in `\"a\" ~ row.name`");
                        self.report(template, side.range.clone(), diagnostic, "text");
                        ty = Type::Reported;
                        // The other side is joined to it.
                        let _ = self.infer_plain(template, right, scope);
                        break;
                    }
                    if !inferred.ty.is_number() {
                        self.mismatch(template, side, "a number", &inferred.ty);
                        ty = Type::Reported;
                    } else if inferred.ty == Type::Float && ty == Type::Int {
                        ty = Type::Float;
                    }
                    cells.extend(inferred.cells);
                }
                if operator == Op::Divide && ty == Type::Int {
                    ty = Type::Float;
                }
                Inferred { ty, cells }
            }
        }
    }

    /// Reports a comparison that can never be true; says whether it was fine.
    fn comparable(
        &mut self,
        template: usize,
        operator: BinaryOperator,
        (left, a): (&Expression, &Type),
        (right, b): (&Expression, &Type),
    ) -> bool {
        // `x == none` asks for absence.
        if matches!(a, Type::Absent) || matches!(b, Type::Absent) {
            return true;
        }
        for (side, ty) in [(left, a), (right, b)] {
            if matches!(ty, Type::Optional(_) | Type::Unknown) {
                self.mismatch(template, side, "a value that is there, to compare", ty);
                return false;
            }
        }
        if a.is_like(b) {
            return true;
        }
        let why = match operator {
            BinaryOperator::Equal | BinaryOperator::NotEqual | BinaryOperator::In => "are never equal",
            _ => "have no order",
        };
        let diagnostic = Diagnostic::error(
            &code::TEMPLATE_TYPE,
            format!("{} is compared with {}: they {why}", a.describe(), b.describe()),
        );
        let hint = match (a.is_text(), b.is_text()) {
            _ if operator == BinaryOperator::In => None,
            (true, false) => alike(left, right, b),
            (false, true) => alike(right, left, a),
            _ => None,
        };
        let diagnostic = match hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        };
        self.report(template, left.range.start..right.range.end, diagnostic, "unlike types");
        false
    }
}

/// How a text can be compared with something of another type.
fn alike(text: &Expression, other: &Expression, ty: &Type) -> Option<String> {
    let filter = match ty {
        Type::Int => "int",
        Type::Float => "float",
        _ => "",
    };
    match (text.kind.as_ref(), other.kind.as_ref()) {
        (ExpressionKind::Text(text), _) => {
            let fits = match ty {
                Type::Int => text.parse::<i64>().is_ok(),
                Type::Float => text.parse::<f64>().is_ok(),
                Type::Bool => text.parse::<bool>().is_ok(),
                _ => false,
            };
            fits.then(|| format!("write `{text}` without quotes"))
        }
        _ if filter.is_empty() => None,
        (_, ExpressionKind::Int(number)) => {
            Some(format!("put `| {filter}` behind the text, or write `\"{number}\"`"))
        }
        _ => Some(format!("put `| {filter}` behind the text")),
    }
}

fn is_logic(expression: &Expression) -> bool {
    match expression.kind.as_ref() {
        ExpressionKind::Parenthesis(inner) => is_logic(inner),
        ExpressionKind::Binary { operator, .. } => {
            matches!(operator, BinaryOperator::And | BinaryOperator::Or)
        }
        _ => false,
    }
}

/// The table whose rows a loop is at one by one, with its name; perhaps they are sorted, or not all of them.
fn walked_table<'e>(target: &'e Expression, is_all: &mut bool) -> Option<(&'e Expression, &'e str)> {
    match target.kind.as_ref() {
        ExpressionKind::Variable(name) => Some((target, name)),
        ExpressionKind::Parenthesis(inner) => walked_table(inner, is_all),
        ExpressionKind::Filter { base, filter } if ["sort", "reverse"].contains(&&*filter.name.text) => {
            walked_table(base, is_all)
        }
        ExpressionKind::Comprehension { element, key: None, value, target, condition } => {
            *is_all &= condition.is_none();
            let is_row =
                matches!(element.kind.as_ref(), ExpressionKind::Variable(name) if *name == value.text);
            is_row.then(|| walked_table(target, is_all))?
        }
        _ => None,
    }
}

/// Whether it is text that is printed wherever it is met.
fn is_text(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Text { trimmed } if !trimmed.is_empty())
}

/// The diagnostic for a column that a view does not have.
fn unknown_column(view: &View, name: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        &code::TEMPLATE_UNKNOWN_COLUMN,
        format!("table `{}` has no column `{name}`", view.name),
    );
    if view.hidden.iter().any(|hidden| hidden == name) {
        if view.derives {
            return diagnostic.hint(
                "a derived column is computed from those of the source and from derived ones declared before it",
            );
        }
        return diagnostic.hint(format!(
            "the project's table `{}` has it; add it to `[requires.tables.{}]` in target.toml",
            view.table, view.name
        ));
    }
    diagnostic.hint_nearest(name, view.columns.keys().map(String::as_str))
}
