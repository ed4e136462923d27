//! The rows of tables as the engine sees them, each table converted when it is first asked for.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tera::Value as Data;

use super::data::Rows;
use crate::source::Sources;
use crate::table::{Table, Tables};

/// For each table the list of its rows, where something has asked for it.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    tables: BTreeMap<String, OnceLock<Data>>,
}

impl Lists {
    /// Empty lists for all tables.
    pub(crate) fn of(tables: &Tables) -> Self {
        let names = tables.iter().map(|table| table.schema().name.clone());
        Self { tables: names.map(|name| (name, OnceLock::new())).collect() }
    }

    /// All rows of a table; none for a table that does not exist.
    pub(crate) fn get(&self, name: &str, tables: &Tables, sources: &Sources) -> Data {
        let made = |table: &Table| Rows::default().list(table, tables, sources);
        match (self.tables.get(name), tables.get(name)) {
            (Some(list), Some(table)) => list.get_or_init(|| made(table)).clone(),
            _ => Data::from(Vec::<Data>::new()),
        }
    }

    /// One row of a table.
    pub(crate) fn row(&self, name: &str, number: usize, tables: &Tables, sources: &Sources) -> Data {
        let list = self.get(name, tables, sources);
        list.as_array().and_then(|rows| rows.get(number)).cloned().unwrap_or_else(Data::none)
    }
}
