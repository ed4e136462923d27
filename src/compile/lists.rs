//! The rows of tables as the engine sees them, each table converted when it is first asked for.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tera::Value as Data;

use crate::plan::PlannedRow;
use crate::source::Sources;
use crate::table::{Table, Tables};
use crate::template::data::Rows;

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

    /// The row of an artifact.
    pub(crate) fn row(&self, row: &PlannedRow, tables: &Tables, sources: &Sources) -> Data {
        let list = self.get(&row.table, tables, sources);
        list.as_array().and_then(|rows| rows.get(row.number)).cloned().unwrap_or_else(Data::none)
    }
}
