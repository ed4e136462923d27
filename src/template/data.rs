//! Table rows and values as the engine sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tera::value::Key;
use tera::{Context, Map, Value as Data};

use crate::source::Sources;
use crate::table::{Table, Tables, Value};

/// The rows of tables as maps, each converted once; a row that is referred to is shared.
#[derive(Debug, Default)]
pub struct Rows {
    tables: BTreeMap<String, Vec<Option<Data>>>,
}

impl Rows {
    /// All rows of a table, as a list.
    pub fn list(&mut self, table: &Table, tables: &Tables, sources: &Sources) -> Data {
        let rows: Vec<Data> = self.each(table, tables, sources).collect();
        Data::from(rows)
    }

    /// The rows of a table, one by one.
    pub fn each<'a>(
        &'a mut self,
        table: &'a Table,
        tables: &'a Tables,
        sources: &'a Sources,
    ) -> impl Iterator<Item = Data> + 'a {
        let keys = keys(table);
        table.rows(sources).map(move |row| match table.held(row.number) {
            Some(_) => self.held(table, row.number, tables),
            None => self.map(table, &keys, &row.cells, tables),
        })
    }

    /// A row of a table that holds its rows. References form no circle and no endless chain, so this ends.
    fn held(&mut self, table: &Table, number: usize, tables: &Tables) -> Data {
        let name = &table.schema().name;
        if let Some(Some(known)) = self.tables.get(name).and_then(|rows| rows.get(number)) {
            return known.clone();
        }
        let Some(values) = table.held(number) else { return Data::none() };
        let data = self.map(table, &keys(table), values, tables);
        let rows = self.tables.entry(name.clone()).or_insert_with(|| vec![None; table.len()]);
        rows[number] = Some(data.clone());
        data
    }

    fn map(&mut self, table: &Table, keys: &[Key<'static>], values: &[Value], tables: &Tables) -> Data {
        let mut map = Map::with_capacity(keys.len());
        for ((key, value), column) in keys.iter().zip(values).zip(&table.schema().columns) {
            let data = self.value(value, column.ty.refers_to(), tables);
            map.insert(key.clone(), data);
        }
        Data::from(map)
    }

    pub(crate) fn value(&mut self, value: &Value, refers_to: Option<&str>, tables: &Tables) -> Data {
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

fn keys(table: &Table) -> Vec<Key<'static>> {
    table.schema().columns.iter().map(|column| Key::String(Arc::from(column.name.as_str()))).collect()
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
