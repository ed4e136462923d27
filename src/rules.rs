//! The rules of a project, and the exceptions to them.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::BTreeSet;

use indexmap::IndexMap;
use tera::Context;

use crate::compile::{derive, view};
use crate::diagnostic::{Diagnostic, Diagnostics, Label, code, nearest};
use crate::document::Located;
use crate::format;
use crate::plan::{self, PlannedRow};
use crate::project::{self, Allow, Project, RowName, Rule};
use crate::source::Sources;
use crate::table::{Passing, Table};
use crate::template::check::{self, Entrance, Globals, View};
use crate::template::data;
use crate::template::engine::Failure;
use crate::template::library::Unparsed;
use crate::template::ready::{Failed, Ready, Renderer, Setting};
use crate::template::segment::Facts;
use crate::template::syntax::Delimiters;
use crate::template::types::{Type, ViewId};
use crate::template::{Library, Origin};

/// Checks every rule; `allowed` receives the numbers of the exceptions that apply.
pub(crate) fn check(
    project: &Project,
    declared: &project::Environment,
    views: &[View],
    facts: &Facts<'_>,
    renderer: Renderer,
    allowed: &mut BTreeSet<usize>,
    diagnostics: &mut Diagnostics,
) {
    let tables: IndexMap<String, ViewId> =
        views.iter().enumerate().map(|(number, view)| (view.name.clone(), ViewId(number))).collect();
    let globals = Globals { views: views.to_vec(), tables, values: view::type_of_values(&declared.values) };
    let context = data::context(&project.name, &declared.name, view::data_of_values(&declared.values));
    for rule in &project.rules {
        let known = (&globals, facts, &context);
        let mut found = Diagnostics::default();
        let prepared = Prepared::new(rule, known, renderer, &mut found);
        diagnostics.append(without_row(found));
        let Some(prepared) = prepared else { continue };
        let Some(each) = &rule.each else {
            match prepared.holds(None) {
                Ok(true) => {}
                Ok(false) => {
                    let allow = project
                        .allows
                        .iter()
                        .position(|allow| allow.rule.value == rule.id && allow.row.is_none());
                    match allow {
                        Some(number) => {
                            allowed.insert(number);
                        }
                        None => diagnostics.push(prepared.violation(rule, None)),
                    }
                }
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
            continue;
        };
        let Some(table) = facts.tables.get(&each.value) else { continue };
        // Read as far as the last row that was told.
        let mut read = table.rows(facts.sources).peekable();
        let mut failed: Vec<(Option<String>, Diagnostic)> = Vec::new();
        // The rows that exceptions name; looking for one may take the time of reading the table.
        let named = LazyCell::new(|| {
            let named = |row: &RowName| {
                let is_here = row.table == each.value;
                if is_here { table.find(facts.sources, &row.key) } else { None }
            };
            let ours = |allow: &&Allow| allow.rule.value == rule.id;
            let row = |allow: &Allow| allow.row.as_ref().and_then(|row| named(&row.value));
            project.allows.iter().map(|allow| Some(allow).filter(ours).and_then(row)).collect::<Vec<_>>()
        });
        let mut rows = table.walk(facts.sources, &vec![true; table.schema().columns.len()]);
        while let Some(row) = rows.next() {
            let number = row.number();
            match prepared.holds(Some((&each.value, row))) {
                Ok(true) => {}
                Ok(false) => {
                    while read.next_if(|row| row.number < number).is_some() {}
                    let key = read.peek().map(|row| facts.tables.label(table, number, &row.cells));
                    let is_meant = |row: &RowName, named: Option<usize>| {
                        row.table == each.value && (named == Some(number) || Some(&row.key) == key.as_ref())
                    };
                    let allow = project.allows.iter().zip(&*named).position(|(allow, named)| {
                        allow.rule.value == rule.id
                            && allow.row.as_ref().is_none_or(|row| is_meant(&row.value, *named))
                    });
                    if let Some(number) = allow {
                        allowed.insert(number);
                        continue;
                    }
                    let mut diagnostic = prepared.violation(rule, Some((&each.value, row)));
                    if let Some(span) = table.row_span(facts.sources, number) {
                        let label = Label { place: span.into(), text: "this row".into() };
                        diagnostic.labels.insert(0, label);
                    }
                    failed.push((key, diagnostic));
                }
                Err(diagnostic) => {
                    let row = PlannedRow { table: each.value.as_str().into(), number };
                    diagnostics.push(plan::point_at_row(diagnostic, Some(&row), facts.tables, facts.sources));
                    break;
                }
            }
        }
        let exceptions = project.allows.iter().filter(|allow| allow.rule.value == rule.id);
        for row in exceptions.filter_map(|allow| allow.row.as_ref()) {
            if row.value.table == each.value && !table.schema().key.is_empty() {
                point_at_exception(row, table, facts.sources, &mut failed);
            }
        }
        diagnostics.extend(failed.into_iter().map(|(_, diagnostic)| diagnostic));
    }
}

/// What is wrong with a rule, with one diagnostic for all places that use a row where the rule has none.
fn without_row(found: Diagnostics) -> Diagnostics {
    let is_rowless = |diagnostic: &Diagnostic| diagnostic.message == check::NO_ROW;
    let (rowless, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_rowless);
    let mut rest = Diagnostics::default();
    rest.extend(others);
    if let Some(mut first) = rowless.into_iter().next() {
        first.message = "`row` is used in a rule without `each`".into();
        first.hints = vec!["give the rule `each = \"…\"`: the table whose rows it must hold for".into()];
        rest.push(first);
    }
    rest
}

/// Where an exception is for a row that does not exist: says so at the row that it may be meant for, or the first one.
fn point_at_exception(
    row: &Located<RowName>,
    table: &Table,
    sources: &Sources,
    failed: &mut [(Option<String>, Diagnostic)],
) {
    if failed.is_empty() || table.find(sources, &row.value.key).is_some() {
        return;
    }
    let near =
        nearest(&row.value.key, failed.iter().filter_map(|(key, _)| key.as_deref())).map(str::to_owned);
    let meant = near.as_ref().map(|key| format!("; did you mean `{}/{key}`?", row.value.table));
    let text = format!("this exception is for a row that does not exist{}", meant.unwrap_or_default());
    let place = failed.iter_mut().find(|(key, _)| near.is_none() || *key == near);
    if let Some((_, diagnostic)) = place {
        diagnostic.labels.push(Label { place: row.span.into(), text });
    }
}

/// A row with the name of its table.
type Row<'a> = (&'a str, Passing<'a>);

/// A rule that is ready to be asked.
struct Prepared<'a> {
    facts: &'a Facts<'a>,
    context: &'a Context,
    view: Option<ViewId>,
    assert: Ready,
    message: Option<Ready>,
}

impl<'a> Prepared<'a> {
    fn new(
        rule: &Rule,
        (globals, facts, context): (&Globals, &'a Facts<'a>, &'a Context),
        renderer: Renderer,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let view = match &rule.each {
            Some(each) => Some(*globals.tables.get(&each.value)?),
            None => None,
        };
        let library = derive::library(&rule.assert.value, rule.assert.span, facts.sources, diagnostics);
        library.find(derive::EXPRESSION)?;
        let known = (globals, facts.tables, context);
        let is_bool = |ty: &Type| *ty == Type::Bool;
        let assert = derive::expression(library, view, is_bool, "true or false", renderer, known);
        let assert = diagnostics.take(assert);
        let message = match &rule.message {
            None => None,
            Some(message) => {
                let unparsed = Unparsed {
                    name: derive::EXPRESSION.into(),
                    origin: Origin::Toml { value: message.span, prefix: 0 },
                    text: message.value.clone(),
                    delimiters: Delimiters::Curly,
                };
                let mut found = Diagnostics::default();
                let library = Library::build(vec![unparsed], facts.sources, &mut found);
                let entrance = |template| Entrance { template, row: view, strict: false };
                let entrances: Vec<Entrance> =
                    library.find(derive::EXPRESSION).map(entrance).into_iter().collect();
                let checked = check::check(&library, globals, &entrances, &mut found);
                if found.has_errors() {
                    diagnostics.append(found);
                    return None;
                }
                Some(Ready::new(library, checked, Delimiters::Curly, &entrances, renderer, known))
            }
        };
        Some(Self { facts, context, view, assert: assert?, message })
    }

    fn holds(&self, row: Option<Row<'_>>) -> Result<bool, Diagnostic> {
        let context = || self.context(row);
        Ok(self.assert.evaluate(self.view, self.setting(row, &context))?.as_bool() == Some(true))
    }

    fn violation(&self, rule: &Rule, row: Option<Row<'_>>) -> Diagnostic {
        let message = self.message.as_ref().map(|message| {
            let mut bytes = Vec::new();
            let context = || self.context(row);
            let setting = self.setting(row, &context);
            match message.render((0, self.view), format::TEXT, setting, &mut bytes) {
                Ok(()) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Err(Failed { failure: Failure::Diagnostic { diagnostic, .. }, .. }) => {
                    Err(diagnostic.message)
                }
                Err(Failed { failure: Failure::Sink(error), .. }) => Err(error.to_string()),
            }
        });
        let (message, failed) = match message {
            Some(Ok(message)) => (Some(message), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let message = message.unwrap_or_else(|| format!("this does not hold: {}", rule.assert.value));
        let mut diagnostic = Diagnostic::error(&code::RULE_FAILED, message).at(rule.assert.span, "the rule");
        if let (Some(why), Some(written)) = (failed, &rule.message) {
            diagnostic = diagnostic.at(written.span, format!("its message cannot be printed: {why}"));
        }
        diagnostic.code = Cow::Owned(rule.id.clone());
        diagnostic
    }

    fn setting<'s>(&self, row: Option<Row<'s>>, context: &'s dyn Fn() -> Context) -> Setting<'s>
    where
        'a: 's,
    {
        Setting { facts: *self.facts, row: row.map(|(_, row)| row), context, blocks: None }
    }

    /// What the engine sees.
    fn context(&self, row: Option<Row<'_>>) -> Context {
        let Facts { tables, sources, lists } = *self.facts;
        let mut context = self.context.clone();
        let trees = std::iter::once(&self.assert).chain(&self.message);
        let mentioned = |name: &str| {
            trees.clone().any(|ready| {
                ready.library.templates.iter().any(|template| template.tree.source().contains(name))
            })
        };
        for table in tables.iter().map(|table| &table.schema().name).filter(|name| mentioned(name)) {
            context.insert_value(table.clone(), lists.get(table, tables, sources));
        }
        if let Some((table, row)) = row {
            context.insert_value("row", lists.row(table, row.number(), tables, sources));
        }
        context
    }
}
