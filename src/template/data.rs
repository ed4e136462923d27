//! Table rows and values as the engine sees them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tera::value::Key;
use tera::{Context, Map, Value as Data};

use crate::source::Sources;
use crate::table::{Schema, Table, Tables, Value};

/// The rows of tables as maps, each converted once; a row that is referred to is shared.
#[derive(Debug, Default)]
pub struct Rows {
    tables: BTreeMap<String, Held>,
}

/// A table that holds its rows, as far as they were converted.
#[derive(Debug)]
struct Held {
    keys: Rc<[ColumnKey]>,
    rows: Vec<Option<Data>>,
}

/// The key of a column in the maps of its rows. It sorts by the column's number, so that a sorted map, which is
/// the cheapest one that the engine takes, has the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ColumnKey {
    number: usize,
    key: Key<'static>,
}

impl From<ColumnKey> for Key<'static> {
    fn from(column: ColumnKey) -> Self {
        column.key
    }
}

/// The keys of a table's rows, one for each column.
pub(crate) fn keys(schema: &Schema) -> Rc<[ColumnKey]> {
    let columns = schema.columns.iter().enumerate();
    columns
        .map(|(number, column)| ColumnKey { number, key: Key::String(Arc::from(column.name.as_str())) })
        .collect()
}

impl Rows {
    /// All rows of a table, as a list.
    pub fn list(&mut self, table: &Table, tables: &Tables, sources: &Sources) -> Data {
        let mut rows = Vec::with_capacity(table.len());
        rows.extend(self.each(table, tables, sources));
        Data::from(rows)
    }

    /// The rows of a table, one by one.
    pub fn each<'a>(
        &'a mut self,
        table: &'a Table,
        tables: &'a Tables,
        sources: &'a Sources,
    ) -> impl Iterator<Item = Data> + 'a {
        let keys = keys(table.schema());
        table.rows(sources).map(move |row| match table.held(row.number) {
            Some(_) => self.held(table, row.number, tables),
            None => self.map(table.schema(), &keys, &row.cells, tables),
        })
    }

    /// A row of a table that holds its rows. References form no circle and no endless chain, so this ends.
    fn held(&mut self, table: &Table, number: usize, tables: &Tables) -> Data {
        let name = &table.schema().name;
        if !self.tables.contains_key(name) {
            let held = Held { keys: keys(table.schema()), rows: vec![None; table.len()] };
            self.tables.insert(name.clone(), held);
        }
        let (Some(held), Some(values)) = (self.tables.get(name), table.held(number)) else {
            return Data::none();
        };
        if let Some(Some(known)) = held.rows.get(number) {
            return known.clone();
        }
        let keys = Rc::clone(&held.keys);
        let data = self.map(table.schema(), &keys, values, tables);
        if let Some(place) = self.tables.get_mut(name).and_then(|held| held.rows.get_mut(number)) {
            *place = Some(data.clone());
        }
        data
    }

    /// A row as a map; of fewer values than there are columns, the row so far.
    pub(crate) fn map(
        &mut self,
        schema: &Schema,
        keys: &[ColumnKey],
        values: &[Value],
        tables: &Tables,
    ) -> Data {
        let cells = keys.iter().zip(values).zip(&schema.columns);
        let map: BTreeMap<ColumnKey, Data> = cells
            .map(|((key, value), column)| (key.clone(), self.value(value, column.ty.refers_to(), tables)))
            .collect();
        Data::from(map)
    }

    fn value(&mut self, value: &Value, refers_to: Option<&str>, tables: &Tables) -> Data {
        match value {
            Value::Absent => Data::none(),
            Value::Text(text) => Data::from(&**text),
            Value::Int(int) => Data::from(*int),
            Value::Float(float) => Data::from(*float),
            Value::Bool(bool) => Data::from(*bool),
            Value::List(entries) => {
                let list: Vec<Data> =
                    entries.iter().map(|entry| self.value(entry, refers_to, tables)).collect();
                Data::from(list)
            }
            Value::Ref(number) => match refers_to.and_then(|name| tables.get(name)) {
                Some(table) => self.held(table, *number, tables),
                None => Data::none(),
            },
        }
    }
}

/// What every template sees of the project and the environment, with `values`.
pub(crate) fn context(project: &str, environment: &str, values: Data) -> Context {
    let name: Map = [(Key::Str("name"), Data::from(project))].into_iter().collect();
    let mut context = Context::new();
    context.insert_value("project", Data::from(name));
    context.insert_value("environment", Data::from(environment));
    context.insert_value("values", values);
    context
}

/// A value of confwright.toml.
pub fn constant(value: &toml::Value) -> Data {
    match value {
        toml::Value::String(text) => Data::from(text.as_str()),
        toml::Value::Integer(int) => Data::from(*int),
        toml::Value::Float(float) => Data::from(*float),
        toml::Value::Boolean(bool) => Data::from(*bool),
        toml::Value::Datetime(date) => Data::from(date.to_string()),
        toml::Value::Array(list) => Data::from(list.iter().map(constant).collect::<Vec<_>>()),
        toml::Value::Table(table) => {
            let map: Map = table
                .iter()
                .map(|(key, value)| (Key::String(Arc::from(key.as_str())), constant(value)))
                .collect();
            Data::from(map)
        }
    }
}
