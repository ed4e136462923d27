//! TOML: one array of tables, each a row, under any name; nothing else is in the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read::{Cell, Flaw, Name, Raw, Record, Records};
use crate::diagnostic::nearest;

/// Reads the whole file; its rows are made one at a time.
pub(super) fn open<'s>(text: &'s str, table: &str) -> Result<Records<'s>, Flaw> {
    let document = DeTable::parse(text).map_err(|error| {
        let range = error.span().unwrap_or(0..0);
        Flaw::syntax(range, "this is not well-formed TOML", error.message().replace('\n', ", "))
    })?;
    let root = document.into_inner();
    if let Some((key, _)) = root.iter().find(|(_, value)| !is_rows(value.get_ref())) {
        let message = format!("`{}` is not an array of tables", key.get_ref());
        return Err(Flaw::syntax(key.span(), message, format!("expected rows, such as `[[{table}]]`")));
    }
    let mut lists: Vec<_> = root.into_iter().collect();
    // The rows come first: the list with the table's name, or the first one of the file.
    lists.sort_by_key(|(key, _)| (key.get_ref() != table, key.span().start));
    let mut lists = lists.into_iter();
    let Some((rows, list)) = lists.next() else { return Ok(Box::new(std::iter::empty())) };
    if let Some((other, _)) = lists.next() {
        let (rows, name) = (rows.get_ref(), other.get_ref());
        let message = format!("unknown key `{name}`: the file has its rows in `{rows}`");
        let flaw = Flaw::syntax(other.span(), message, "a file has one list of tables");
        return Err(match nearest(name, [&**rows]) {
            Some(near) => flaw.hint(format!("did you mean `{near}`?")),
            None => flaw,
        });
    }
    let DeValue::Array(rows) = list.into_inner() else { return Ok(Box::new(std::iter::empty())) };
    Ok(Box::new(rows.into_iter().map(move |row| record(text, row))))
}

fn is_rows(value: &DeValue<'_>) -> bool {
    value.as_array().is_some_and(|rows| rows.iter().all(|row| row.get_ref().is_table()))
}

fn record<'s>(text: &'s str, row: Spanned<DeValue<'s>>) -> Result<Record<'s>, Flaw> {
    let range = row.span();
    let DeValue::Table(table) = row.into_inner() else {
        return Err(Flaw::syntax(range, "a row of a TOML table is a table", "expected keys and values"));
    };
    let (names, cells) = table
        .into_iter()
        .map(|(key, value)| (Name { range: key.span(), text: key.into_inner() }, cell(text, value)))
        .unzip();
    Ok(Record { range, names, cells })
}

/// The depth of a document is bounded by the parser.
fn cell<'s>(text: &'s str, value: Spanned<DeValue<'s>>) -> Cell<'s> {
    let range = value.span();
    let raw = match value.into_inner() {
        DeValue::String(string) => Raw::string(string),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => {
            Raw::Number(text.get(range.clone()).unwrap_or_default().into())
        }
        DeValue::Boolean(bool) => Raw::Bool(bool),
        DeValue::Array(entries) => Raw::List(entries.into_iter().map(|entry| cell(text, entry)).collect()),
        DeValue::Table(_) => Raw::Map,
    };
    Cell { raw, range }
}
