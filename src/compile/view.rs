//! What the templates of an instance see: which tables, columns and values, under which names and types.

use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use tera::value::Key;
use tera::{Map, Value as Data};

use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::document::Located;
use crate::project::{Instance, Values};
use crate::table::spec::ColumnSpec;
use crate::table::{Column, Tables, Value};
use crate::target::{RequiredTable, Target};
use crate::template::check::{Globals, View};
use crate::template::data;
use crate::template::types::{TextKind, Type, ViewId};

/// What the templates of an instance see.
pub(super) struct Seen {
    pub(super) globals: Globals,
    /// For each of the target's names of a table, the project's.
    pub(super) tables: BTreeMap<String, String>,
    pub(super) values: Data,
}

/// Views of all tables with all their columns, under the project's names.
pub(super) fn all(tables: &Tables) -> Vec<View> {
    let numbers = numbers(tables);
    tables
        .iter()
        .map(|table| {
            let schema = table.schema();
            let columns = schema.columns.iter().map(|column| {
                (column.name.clone(), Type::of_column(column, &mut |name| number_of(&numbers, name)))
            });
            View {
                name: schema.name.clone(),
                table: schema.name.clone(),
                columns: columns.collect(),
                hidden: Vec::new(),
                derives: false,
                complete: schema.complete,
            }
        })
        .collect()
}

fn numbers(tables: &Tables) -> BTreeMap<&str, usize> {
    tables.iter().enumerate().map(|(number, table)| (table.schema().name.as_str(), number)).collect()
}

fn number_of(numbers: &BTreeMap<&str, usize>, name: &str) -> Option<ViewId> {
    numbers.get(name).copied().map(ViewId)
}

/// What an instance's templates see; reports what the project lacks of what the target requires.
pub(super) fn of_instance(
    instance: Option<&Instance>,
    target: Option<&Target>,
    tables: &Tables,
    values: &Values,
    diagnostics: &mut Diagnostics,
) -> Option<Seen> {
    let mut found = Diagnostics::default();
    let mut views = all(tables);
    let mut names = BTreeMap::new();
    match (instance, target.and_then(|target| target.tables.as_ref())) {
        (Some(instance), Some(required)) => {
            for view in &mut views {
                view.hidden = std::mem::take(&mut view.columns).into_keys().collect();
            }
            for (name, requirement) in required {
                let table = instance.table(name).to_owned();
                require_table(name, &table, requirement, instance, tables, &mut views, &mut found);
                names.insert(name.clone(), table);
            }
        }
        (instance, _) => {
            for view in &views {
                names.insert(view.name.clone(), view.table.clone());
            }
            for (theirs, ours) in instance.iter().flat_map(|instance| &instance.tables) {
                names.insert(theirs.clone(), ours.table.value.clone());
            }
        }
    }
    let globals_tables: IndexMap<String, ViewId> = names
        .iter()
        .filter_map(|(name, table)| Some((name.clone(), super::view_of(&views, table)?)))
        .collect();
    let (values_type, values) = match (instance, target.and_then(|target| target.values.as_ref())) {
        (Some(instance), Some(required)) => require_values(required, values, instance, &mut found),
        _ => (type_of_values(values), data_of_values(values)),
    };
    let sound = !found.has_errors();
    diagnostics.append(found);
    sound.then_some(Seen {
        globals: Globals { views, tables: globals_tables, values: values_type },
        tables: names,
        values,
    })
}

fn require_table(
    name: &str,
    table: &str,
    requirement: &RequiredTable,
    instance: &Instance,
    tables: &Tables,
    views: &mut [View],
    diagnostics: &mut Diagnostics,
) {
    let target = &instance.target.value;
    let Some(found) = tables.get(table) else {
        let place = instance.tables.get(name).map_or(instance.span, |mapped| mapped.table.span);
        diagnostics.push(
            Diagnostic::error(
                &code::TARGET_REQUIRES,
                format!("target `{target}` requires a table `{name}`, which the project does not have"),
            )
            .at(place, format!("this instance has no table `{table}`"))
            .at(requirement.span, "required here")
            .hint(format!("add `[tables.{table}]`, or name another with `tables = {{ {name} = \"…\" }}`")),
        );
        return;
    };
    let schema = found.schema();
    let numbers = numbers(tables);
    let Some(view) = super::view_of(views, table) else { return };
    let mut columns = IndexMap::new();
    for (column, spec) in &requirement.columns {
        // Its declaration was checked when the target was read.
        let wanted = Column::resolve(column, &spec.value, Some(spec.span), &mut Diagnostics::default());
        let mut ty = Type::of_column(&wanted, &mut |theirs| number_of(&numbers, instance.table(theirs)));
        match schema.column(column).map(|(_, given)| given) {
            // What a source declares that could not be read is not known.
            None if wanted.optional || !schema.complete => {}
            None => diagnostics.push(
                Diagnostic::error(
                    &code::TARGET_REQUIRES,
                    format!("target `{target}` requires the column `{column}`, which table `{table}` does not have"),
                )
                .at(schema.span, "has no such column")
                .at(spec.span, "required here")
                .hint_nearest(column, schema.columns.iter().map(|column| column.name.as_str())),
            ),
            Some(given) => {
                let place = given.span.unwrap_or(schema.span);
                if !fits(given, &wanted, instance) {
                    diagnostics.push(
                        Diagnostic::error(
                            &code::TARGET_REQUIRES,
                            format!(
                                "column `{column}` of table `{table}` is `{}`; target `{target}` requires `{}`",
                                given.ty, wanted.ty
                            ),
                        )
                        .at(place, format!("declared `{}`", given.ty))
                        .at(spec.span, "required here"),
                    );
                } else if given.optional && given.default.is_none() && !wanted.optional {
                    diagnostics.push(
                        Diagnostic::error(
                            &code::TARGET_REQUIRES,
                            format!("column `{column}` of table `{table}` is optional; target `{target}` needs it in every row"),
                        )
                        .at(place, "may be absent")
                        .at(spec.span, "required here"),
                    );
                }
                // What the project knows of a list's entries or a row is as good as what the target asks for.
                if matches!(ty, Type::Text(TextKind::Any)) {
                    ty = Type::of_column(given, &mut |theirs| number_of(&numbers, theirs));
                    if wanted.optional {
                        ty = ty.optional();
                    }
                }
            }
        }
        columns.insert(column.clone(), ty);
    }
    let view = &mut views[view.0];
    name.clone_into(&mut view.name);
    view.hidden.retain(|hidden| !columns.contains_key(hidden));
    view.columns.extend(columns);
}

/// Whether one requirement of a column does for another too, but not the other way round.
pub(super) fn is_narrower(one: &ColumnSpec, other: &ColumnSpec) -> bool {
    let resolve = |spec| Column::resolve("column", spec, None, &mut Diagnostics::default());
    let (one, other) = (resolve(one), resolve(other));
    (one.ty.fits(&other.ty) && !other.ty.fits(&one.ty))
        || (other.optional && !one.optional && one.ty.fits(&other.ty))
}

/// Whether a column does where another is required; a reference is meant by the target's name for the table.
fn fits(given: &Column, wanted: &Column, instance: &Instance) -> bool {
    match (given.ty.refers_to(), wanted.ty.refers_to()) {
        (Some(""), _) => true,
        (Some(table), Some(theirs)) => instance.table(theirs) == table,
        _ => given.ty.fits(&wanted.ty),
    }
}

fn require_values(
    required: &IndexMap<String, Located<ColumnSpec>>,
    values: &Values,
    instance: &Instance,
    diagnostics: &mut Diagnostics,
) -> (Type, Data) {
    let mut types = IndexMap::new();
    let mut map = Map::new();
    let others = || values.keys().map(String::as_str).filter(|name| !required.contains_key(*name));
    for (name, spec) in required {
        let wanted = Column::resolve(name, &spec.value, Some(spec.span), &mut Diagnostics::default());
        types.insert(name.clone(), Type::of_column(&wanted, &mut |_| None));
        let key = Key::from(name.clone());
        match values.get(name) {
            Some(value) => match wanted.parse_toml(&value.value) {
                Ok(parsed) => {
                    map.insert(key, data_of(&parsed));
                }
                Err(fault) => {
                    let mut diagnostic = Diagnostic::error(
                        &code::TARGET_REQUIRES,
                        format!("value `{name}`: {}", fault.message),
                    )
                    .at(value.span, format!("target `{}` requires `{}`", instance.target.value, wanted.ty))
                    .at(spec.span, "required here");
                    diagnostic.hints.extend(fault.hint);
                    diagnostics.push(diagnostic);
                }
            },
            None => match wanted.empty() {
                Ok(value) => {
                    map.insert(key, data_of(&value));
                }
                Err(_) => diagnostics.push(
                    Diagnostic::error(
                        &code::TARGET_REQUIRES,
                        format!(
                            "target `{}` requires the value `{name}`, which the project does not have",
                            instance.target.value
                        ),
                    )
                    .at(instance.span, "for this instance")
                    .at(spec.span, "required here")
                    .hint(match nearest(name, others()) {
                        Some(near) => format!("the project has `{near}`; rename it to `{name}`"),
                        None => format!("add `{name} = …` under [values]"),
                    }),
                ),
            },
        }
    }
    (Type::Map(Rc::new(types)), Data::from(map))
}

/// A value that refers to no row.
pub(super) fn data_of(value: &Value) -> Data {
    match value {
        Value::Text(text) => Data::from(&**text),
        Value::Int(int) => Data::from(*int),
        Value::Float(float) => Data::from(*float),
        Value::Bool(bool) => Data::from(*bool),
        Value::List(entries) => Data::from(entries.iter().map(data_of).collect::<Vec<_>>()),
        Value::Absent | Value::Ref(_) => Data::none(),
    }
}

/// The type of `values` where a target does not say which it requires.
pub(crate) fn type_of_values(values: &Values) -> Type {
    Type::Map(Rc::new(
        values.iter().map(|(name, value)| (name.clone(), type_of_constant(&value.value))).collect(),
    ))
}

/// `values` where a target does not say which it requires.
pub(crate) fn data_of_values(values: &Values) -> Data {
    let map: Map =
        values.iter().map(|(name, value)| (Key::from(name.clone()), data::constant(&value.value))).collect();
    Data::from(map)
}

fn type_of_constant(value: &toml::Value) -> Type {
    match value {
        toml::Value::String(text) if text.chars().any(char::is_control) => Type::TEXT,
        toml::Value::String(_) | toml::Value::Datetime(_) => Type::Text(TextKind::Clean),
        toml::Value::Integer(_) => Type::Int,
        toml::Value::Float(_) => Type::Float,
        toml::Value::Boolean(_) => Type::Bool,
        toml::Value::Array(list) => {
            list.iter().map(type_of_constant).reduce(|a, b| a.join(&b)).unwrap_or(Type::Reported).list()
        }
        toml::Value::Table(table) => Type::Map(Rc::new(
            table.iter().map(|(name, value)| (name.clone(), type_of_constant(value))).collect(),
        )),
    }
}
