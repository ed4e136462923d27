//! Derived columns: the expressions that compute a cell from its row.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use tera::{Context, Value as Data};

use super::view;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::project;
use crate::source::{Sources, Span};
use crate::table::{Passing, Schema, Tables, Value};
use crate::template::check::{self, Entrance, Globals, View};
use crate::template::data::{self, ColumnKey, Rows};
use crate::template::library::{Unparsed, expression_error};
use crate::template::lists::Lists;
use crate::template::ready::{Ready, Renderer, Setting};
use crate::template::segment::Facts;
use crate::template::syntax::Delimiters;
use crate::template::types::{Type, ViewId};
use crate::template::{Library, Origin};

/// The name of the one template of an expression's library.
const NAME: &str = "expression";

/// Computes the derived columns of an environment. Each expression is checked once, when its first row comes.
pub(super) struct Deriver {
    values: Type,
    /// What every expression sees beside its row.
    context: Context,
    renderer: Renderer,
    state: RefCell<State>,
}

/// What evaluates an expression, with the keys of its rows as the engine sees them.
struct Evaluator {
    expression: Ready,
    view: ViewId,
    keys: Rc<[ColumnKey]>,
}

#[derive(Default)]
struct State {
    /// The expressions that have not met a row yet, by table and column.
    libraries: BTreeMap<(String, String), Library>,
    /// For each other what evaluates it, if it is sound.
    evaluators: BTreeMap<(String, String), Option<Evaluator>>,
    rows: Rows,
    /// What is wrong with expressions, each told once.
    found: Diagnostics,
}

impl Deriver {
    /// Parses the expressions of all derived columns.
    pub(super) fn new(
        project: &project::Project,
        declared: &project::Environment,
        renderer: Renderer,
        sources: &Sources,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut libraries = BTreeMap::new();
        for (table, declaration) in &declared.tables {
            for (column, spec) in declaration.columns.iter().flatten() {
                if let Some(expr) = spec.value.fields().expr {
                    let library = library(&expr, spec.span, sources, diagnostics);
                    libraries.insert((table.clone(), column.clone()), library);
                }
            }
        }
        let context = data::context(&project.name, &declared.name, view::data_of_values(&declared.values));
        Self {
            values: view::type_of_values(&declared.values),
            context,
            renderer,
            state: RefCell::new(State { libraries, ..State::default() }),
        }
    }

    /// Computes a cell from the cells of its row that are declared before it.
    pub(super) fn derive(
        &self,
        tables: &Tables,
        schema: &Schema,
        column: usize,
        row: &[Value],
    ) -> Result<Value, Option<Diagnostic>> {
        let name = (schema.name.clone(), schema.columns[column].name.clone());
        let State { libraries, evaluators, rows, found } = &mut *self.state.borrow_mut();
        // One that could not be parsed is reported.
        if let Some(library) = libraries.remove(&name).filter(|library| library.find(NAME).is_some()) {
            let evaluator = found.take(self.evaluator(library, tables, schema, column));
            evaluators.insert(name.clone(), evaluator);
        }
        let Some(Some(Evaluator { expression, view, keys })) = evaluators.get(&name) else {
            return Err(None);
        };
        let row = &row[..column];
        let rows = RefCell::new(rows);
        let setting = Setting {
            blocks: None,
            facts: Facts { tables, sources: &Sources::default(), lists: &Lists::default() },
            row: Some(Passing::of(0, row)),
            context: &|| {
                let mut context = self.context.clone();
                context.insert_value("row", rows.borrow_mut().map(schema, keys, row, tables));
                context
            },
        };
        let data = expression.evaluate(Some(*view), setting).map_err(Some)?;
        value_of(&data).ok_or_else(|| {
            let column = &schema.columns[column].name;
            let message = format!("the expression of `{column}` gives no value of a column");
            Some(
                Diagnostic::error(&code::RULE_EXPRESSION, message)
                    .at(expression.library.templates[0].span(0..0), "this expression"),
            )
        })
    }

    /// What was wrong with the expressions themselves.
    pub(super) fn into_findings(self) -> Diagnostics {
        self.state.into_inner().found
    }

    fn evaluator(
        &self,
        library: Library,
        tables: &Tables,
        schema: &Schema,
        column: usize,
    ) -> Result<Evaluator, Diagnostic> {
        let mut views = view::all(tables);
        let numbers: BTreeMap<String, usize> =
            views.iter().enumerate().map(|(number, view)| (view.table.clone(), number)).collect();
        let columns: IndexMap<String, Type> = schema.columns[..column]
            .iter()
            .map(|column| {
                let ty = Type::of_column(column, &mut |table| numbers.get(table).copied().map(ViewId));
                (column.name.clone(), ty)
            })
            .collect();
        let hidden = schema.columns[column..].iter().map(|column| column.name.clone()).collect();
        views.push(View {
            name: schema.name.clone(),
            table: schema.name.clone(),
            columns,
            hidden,
            derives: true,
            complete: true,
        });
        let view = ViewId(views.len() - 1);
        let globals = Globals { views, tables: IndexMap::new(), values: self.values.clone() };
        let known = (&globals, tables, &self.context);
        let expected = "a value of a column";
        let expression = expression(library, Some(view), |_| true, expected, self.renderer, known)?;
        Ok(Evaluator { expression, view, keys: data::keys(schema) })
    }
}

/// A library with one expression of a TOML file.
pub(crate) fn library(
    expression: &str,
    span: Span,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Library {
    if let Some(error) = expression_error(expression, span, sources) {
        diagnostics.push(error);
        return Library::default();
    }
    // Not `{{ … }}`: an expression may hold `}}`, where maps end.
    let before = "{% set value = ";
    let unparsed = Unparsed {
        name: NAME.into(),
        origin: Origin::Toml { value: span, prefix: before.len() },
        text: format!("{before}{expression} %}}"),
        delimiters: Delimiters::Curly,
    };
    Library::build(vec![unparsed], sources, diagnostics)
}

/// What evaluates the expression of a library; the first mistake in it otherwise.
pub(crate) fn expression(
    library: Library,
    row: Option<ViewId>,
    accepts: impl Fn(&Type) -> bool,
    expected: &str,
    renderer: Renderer,
    known: (&Globals, &Tables, &Context),
) -> Result<Ready, Diagnostic> {
    let mut found = Diagnostics::default();
    let whole = library.templates[0].span(0..0);
    let Some((ty, checked)) = check::check_expression(&library, 0, known.0, row, &mut found) else {
        return Err(Diagnostic::error(&code::RULE_EXPRESSION, "expected one expression")
            .at(whole, "not an expression"));
    };
    if let Some(first) = found.into_iter().next() {
        return Err(first);
    }
    if !accepts(&ty) {
        let message = format!("expected {expected}, found {}", ty.describe());
        return Err(Diagnostic::error(&code::RULE_EXPRESSION, message).at(whole, ty.describe()));
    }
    let entrance = Entrance { template: 0, row, strict: false };
    Ok(Ready::new(library, checked, Delimiters::Curly, &[entrance], renderer, known))
}

/// The name of the template in a [`library`].
pub(crate) const EXPRESSION: &str = NAME;

fn value_of(data: &Data) -> Option<Value> {
    if let Some(text) = data.as_str() {
        return Some(Value::Text(text.into()));
    }
    if let Some(bool) = data.as_bool() {
        return Some(Value::Bool(bool));
    }
    if let Some(list) = data.as_array() {
        return list.iter().map(value_of).collect::<Option<_>>().map(Value::List);
    }
    if data.is_none() || data.is_undefined() {
        return Some(Value::Absent);
    }
    data.as_i64().map(Value::Int).or_else(|| data.as_f64().map(Value::Float))
}
