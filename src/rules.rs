//! The rules of a project, and the exceptions to them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use indexmap::IndexMap;
use tera::Context;

use crate::compile::lists::Lists;
use crate::compile::{derive, view};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::format;
use crate::project::{self, Project, Rule};
use crate::source::Sources;
use crate::table::Tables;
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
    pub(crate) lists: &'a Lists,
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
    for name in tables_of(project, facts.tables) {
        let list = facts.lists.get(&name, facts.tables, facts.sources);
        context.insert_value(name, list);
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
        let list = facts.lists.get(&each.value, facts.tables, facts.sources);
        let rows = list.as_array().unwrap_or_default();
        let mut context = context.clone();
        // Read as far as the last row that was told.
        let mut read = table.rows(facts.sources).peekable();
        for (number, data) in rows.iter().enumerate() {
            context.insert_value("row", data.clone());
            match prepared.holds(&context) {
                Ok(true) => {}
                Ok(false) => {
                    while read.next_if(|row| row.number < number).is_some() {}
                    let key = read.peek().map(|row| facts.tables.label(table, number, &row.cells));
                    let allow = project.allows.iter().position(|allow| {
                        let row = allow.row.as_ref().map(|row| &row.value);
                        allow.rule.value == rule.id
                            && row.is_none_or(|row| row.table == each.value && Some(&row.key) == key.as_ref())
                    });
                    if let Some(number) = allow {
                        allowed.insert(number);
                        continue;
                    }
                    let mut diagnostic = prepared.violation(rule, &context);
                    if let Some(span) = table.row_span(facts.sources, number) {
                        let label = crate::diagnostic::Label { place: span.into(), text: "this row".into() };
                        diagnostic.labels.insert(0, label);
                    }
                    diagnostics.push(diagnostic);
                }
                Err(diagnostic) => {
                    diagnostics.push(diagnostic);
                    break;
                }
            }
        }
    }
}

/// The names of the tables that a rule's expressions need as lists.
fn tables_of(project: &Project, tables: &Tables) -> BTreeSet<String> {
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
