//! The rules of a project, and the exceptions to them.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use tera::{Context, Value as Data};

use crate::compile::{derive, view};
use crate::diagnostic::{Diagnostic, Diagnostics, Label, code, nearest};
use crate::document::Located;
use crate::format;
use crate::project::{self, Allow, Project, RowName, Rule};
use crate::source::Sources;
use crate::table::{Table, Tables};
use crate::template::check::{self, Entrance, Globals, View};
use crate::template::data;
use crate::template::engine::Engine;
use crate::template::library::Unparsed;
use crate::template::syntax::Delimiters;
use crate::template::types::{Type, ViewId};
use crate::template::{Library, Origin};

/// The tables and values that rules see.
pub(crate) struct Facts<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) views: &'a [View],
    /// The rows of the tables that rules walk or name, as lists.
    pub(crate) lists: &'a BTreeMap<String, Data>,
    pub(crate) sources: &'a Sources,
}

/// Checks every rule; `allowed` receives the numbers of the exceptions that apply.
pub(crate) fn check(
    project: &Project,
    declared: &project::Environment,
    facts: &Facts<'_>,
    allowed: &mut BTreeSet<usize>,
    diagnostics: &mut Diagnostics,
) {
    let tables: IndexMap<String, ViewId> =
        facts.views.iter().enumerate().map(|(number, view)| (view.name.clone(), ViewId(number))).collect();
    let globals =
        Globals { views: facts.views.to_vec(), tables, values: view::type_of_values(&declared.values) };
    let mut context = data::context(&project.name, &declared.name, view::data_of_values(&declared.values));
    for (name, list) in facts.lists {
        context.insert_value(name.clone(), list.clone());
    }
    for rule in &project.rules {
        let Some(prepared) = Prepared::new(rule, &globals, facts.sources, diagnostics) else { continue };
        let Some(each) = &rule.each else {
            match prepared.holds(&context) {
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
                        None => diagnostics.push(prepared.violation(rule, &context)),
                    }
                }
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
            continue;
        };
        let Some(table) = facts.tables.get(&each.value) else { continue };
        let rows = facts.lists.get(&each.value).and_then(Data::as_array).unwrap_or_default();
        let mut context = context.clone();
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
        for (number, data) in rows.iter().enumerate() {
            context.insert_value("row", data.clone());
            match prepared.holds(&context) {
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
                    let mut diagnostic = prepared.violation(rule, &context);
                    if let Some(span) = table.row_span(facts.sources, number) {
                        let label = Label { place: span.into(), text: "this row".into() };
                        diagnostic.labels.insert(0, label);
                    }
                    failed.push((key, diagnostic));
                }
                Err(diagnostic) => {
                    diagnostics.push(diagnostic);
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

/// The names of the tables that a rule's expressions need as lists.
pub(crate) fn tables_of(project: &Project, tables: &Tables) -> BTreeSet<String> {
    if project.rules.is_empty() {
        return BTreeSet::new();
    }
    // A rule may name any table; those that are neither walked nor named cost only their conversion.
    let mentions = |name: &str| {
        project.rules.iter().any(|rule| {
            rule.each.as_ref().is_some_and(|each| each.value == name)
                || rule.assert.value.contains(name)
                || rule.message.as_ref().is_some_and(|message| message.value.contains(name))
        })
    };
    tables.iter().map(|table| table.schema().name.clone()).filter(|name| mentions(name)).collect()
}

struct Prepared {
    assert: (Library, Engine),
    message: Option<(Library, Engine)>,
}

impl Prepared {
    fn new(rule: &Rule, globals: &Globals, sources: &Sources, diagnostics: &mut Diagnostics) -> Option<Self> {
        let row = match &rule.each {
            Some(each) => Some(*globals.tables.get(&each.value)?),
            None => None,
        };
        let library = derive::library(&rule.assert.value, rule.assert.span, sources, diagnostics);
        library.find(derive::EXPRESSION)?;
        let engine =
            derive::expression_engine(&library, globals, row, |ty| *ty == Type::Bool, "true or false");
        let engine = diagnostics.take(engine);
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
                let library = Library::build(vec![unparsed], sources, &mut found);
                let entrances: Vec<Entrance> = library
                    .find(derive::EXPRESSION)
                    .map(|template| Entrance { template, row, strict: false })
                    .into_iter()
                    .collect();
                let checked = check::check(&library, globals, &entrances, &mut found);
                let engine = if found.has_errors() {
                    diagnostics.append(found);
                    None
                } else {
                    match Engine::new(&library, checked, Delimiters::Curly) {
                        Ok(engine) => Some(engine),
                        Err(failed) => {
                            diagnostics.append(failed);
                            None
                        }
                    }
                };
                Some((library, engine?))
            }
        };
        Some(Self { assert: (library, engine?), message })
    }

    fn holds(&self, context: &Context) -> Result<bool, Diagnostic> {
        let (library, engine) = &self.assert;
        Ok(engine.evaluate(library, derive::EXPRESSION, context)?.as_bool() == Some(true))
    }

    fn violation(&self, rule: &Rule, context: &Context) -> Diagnostic {
        let message = self.message.as_ref().and_then(|(library, engine)| {
            let mut bytes = Vec::new();
            engine.render(library, derive::EXPRESSION, format::TEXT, context, &mut bytes).ok()?;
            String::from_utf8(bytes).ok()
        });
        let message = message.unwrap_or_else(|| format!("this does not hold: {}", rule.assert.value));
        let mut diagnostic = Diagnostic::error(&code::RULE_FAILED, message).at(rule.assert.span, "the rule");
        diagnostic.code = Cow::Owned(rule.id.clone());
        diagnostic
    }
}
