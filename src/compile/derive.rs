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
use crate::table::{Schema, Tables, Value};
use crate::template::check::{self, Globals, View};
use crate::template::data::{self, ColumnKey, Rows};
use crate::template::engine::Engine;
use crate::template::library::{Unparsed, expression_error};
use crate::template::syntax::Delimiters;
use crate::template::types::{Type, ViewId};
use crate::template::{Library, Origin};

/// The name of the one template of an expression's library.
const NAME: &str = "expression";

/// Computes the derived columns of an environment. Each expression is checked once, when its first row comes.
pub(super) struct Deriver {
    values: Type,
    libraries: BTreeMap<(String, String), Library>,
    state: RefCell<State>,
}

/// An engine with the keys of the rows that it evaluates.
type Evaluator = (Engine, Rc<[ColumnKey]>);

#[derive(Default)]
struct State {
    /// For each expression what evaluates it, if it is sound.
    engines: BTreeMap<(String, String), Option<Evaluator>>,
    rows: Rows,
    /// What every expression sees; the row is that of the last one.
    context: Context,
    /// What is wrong with expressions, each told once.
    found: Diagnostics,
}

impl Deriver {
    /// Parses the expressions of all derived columns.
    pub(super) fn new(
        project: &project::Project,
        declared: &project::Environment,
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
            libraries,
            state: RefCell::new(State { context, ..State::default() }),
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
        let Some(library) = self.libraries.get(&name).filter(|library| library.find(NAME).is_some()) else {
            // It could not be parsed, which is reported.
            return Err(None);
        };
        let state = &mut *self.state.borrow_mut();
        if !state.engines.contains_key(&name) {
            let engine = self.engine(library, tables, schema, column);
            let prepared = state.found.take(engine).map(|engine| (engine, data::keys(schema)));
            state.engines.insert(name.clone(), prepared);
        }
        let Some(Some((engine, keys))) = state.engines.get(&name) else { return Err(None) };
        let row = state.rows.map(schema, keys, &row[..column], tables);
        state.context.insert_value("row", row);
        let data = engine.evaluate(library, NAME, &state.context).map_err(Some)?;
        value_of(&data).ok_or_else(|| {
            let column = &schema.columns[column].name;
            let message = format!("the expression of `{column}` gives no value of a column");
            Some(
                Diagnostic::error(&code::RULE_EXPRESSION, message)
                    .at(library.templates[0].span(0..0), "this expression"),
            )
        })
    }

    /// What was wrong with the expressions themselves.
    pub(super) fn into_findings(self) -> Diagnostics {
        self.state.into_inner().found
    }

    fn engine(
        &self,
        library: &Library,
        tables: &Tables,
        schema: &Schema,
        column: usize,
    ) -> Result<Engine, Diagnostic> {
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
            complete: true,
        });
        let row = ViewId(views.len() - 1);
        let globals = Globals { views, tables: IndexMap::new(), values: self.values.clone() };
        expression_engine(library, &globals, Some(row), |_| true, "a value of a column")
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

/// An engine that evaluates the expression of a library; the first mistake in it otherwise.
pub(crate) fn expression_engine(
    library: &Library,
    globals: &Globals,
    row: Option<ViewId>,
    accepts: impl Fn(&Type) -> bool,
    expected: &str,
) -> Result<Engine, Diagnostic> {
    let mut found = Diagnostics::default();
    let whole = library.templates[0].span(0..0);
    let Some((ty, checked)) = check::check_expression(library, 0, globals, row, &mut found) else {
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
    Engine::new(library, checked, Delimiters::Curly).map_err(|failed| {
        let first = failed.into_iter().next();
        first.unwrap_or_else(|| {
            Diagnostic::error(&code::RULE_EXPRESSION, "this expression cannot be evaluated").at(whole, "")
        })
    })
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
