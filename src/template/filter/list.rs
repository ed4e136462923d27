//! Filters on lists whose order must be certain.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::Write as _;

use tera::value::Key;
use tera::{Error, Kwargs, Map, TeraResult, Value};

use super::{describe, mismatch};

/// The elements of a list.
pub(super) fn elements<'v>(value: &'v Value, filter: &str) -> TeraResult<&'v [Value]> {
    value.as_array().ok_or_else(|| mismatch(filter, "a list", value))
}

/// What a row has at a dotted path; the element itself without a path. A path that leads nowhere is an error;
/// one that ends at an absent value is not.
pub(super) fn attribute<'v>(
    row: &'v Value,
    path: Option<&'v str>,
    index: usize,
    filter: &str,
) -> TeraResult<&'v Value> {
    let Some(path) = path else { return Ok(row) };
    path.split('.').try_fold(row, |value, name| value.as_map()?.get(&Key::Str(name))).ok_or_else(|| {
        Error::message(format!("`{filter}` finds no `{path}` in element {} of the list", index + 1))
    })
}

pub(super) fn length(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    value.len().map(Value::from).ok_or_else(|| mismatch("length", "text, a list or a map", value))
}

pub(super) fn first(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(elements(value, "first")?.first().cloned().unwrap_or_else(Value::none))
}

pub(super) fn last(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(elements(value, "last")?.last().cloned().unwrap_or_else(Value::none))
}

pub(super) fn nth(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let number = arguments.must_get::<usize>("n")?;
    Ok(elements(value, "nth")?.get(number).cloned().unwrap_or_else(Value::none))
}

pub(super) fn reverse(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    value.reverse()
}

pub(super) fn join(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let separator = arguments.get::<&str>("sep")?.unwrap_or_default();
    let texts: Vec<String> = elements(value, "join")?.iter().map(Value::to_string).collect();
    Ok(texts.join(separator).into())
}

pub(super) fn sort(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let rows = elements(value, "sort")?;
    let path = arguments.get::<&str>("attribute")?;
    let mut decorated = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        decorated.push((attribute(row, path, index, "sort")?, row));
    }
    let mut present = decorated.iter().map(|(key, _)| *key).filter(|key| !is_absent(key));
    if let Some(first) = present.next() {
        if rank(first).is_none() {
            return Err(mismatch("sort", "text, numbers, or true and false", first));
        }
        if let Some(other) = present.find(|key| rank(key) != rank(first)) {
            return Err(Error::message(format!(
                "`sort` cannot compare {} with {}",
                describe(first),
                describe(other)
            )));
        }
    }
    decorated.sort_by(|(left, _), (right, _)| match (is_absent(left), is_absent(right)) {
        (false, false) => left.cmp(right),
        (true, true) => Ordering::Equal,
        (left, right) => left.cmp(&right),
    });
    Ok(decorated.into_iter().map(|(_, row)| row.clone()).collect::<Vec<_>>().into())
}

fn is_absent(value: &Value) -> bool {
    value.is_none() || value.is_undefined()
}

/// Values are comparable if they have the same rank.
fn rank(value: &Value) -> Option<u8> {
    match value {
        value if value.is_string() => Some(0),
        value if value.is_number() => Some(1),
        value if value.is_bool() => Some(2),
        _ => None,
    }
}

pub(super) fn unique(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    let mut seen = HashSet::new();
    let list = elements(value, "unique")?.iter().filter(|element| {
        let mut identity = String::new();
        write_identity(element, &mut identity);
        seen.insert(identity)
    });
    Ok(list.cloned().collect::<Vec<_>>().into())
}

/// Appends text that is the same for two values exactly if they are equal: numbers by what they count, maps
/// without regard to the order of their keys.
fn write_identity(value: &Value, out: &mut String) {
    // Writing to a string cannot fail.
    if let Some(text) = value.as_str() {
        let _ = write!(out, "{text:?}");
    } else if let Some(list) = value.as_array() {
        out.push('[');
        for element in list {
            write_identity(element, out);
            out.push(',');
        }
        out.push(']');
    } else if let Some(map) = value.as_map() {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by_key(|(key, _)| *key);
        out.push('{');
        for (key, element) in entries {
            write_identity(&key.as_value(), out);
            out.push(':');
            write_identity(element, out);
            out.push(',');
        }
        out.push('}');
    } else if let Some(float) = value.is_f64().then(|| value.as_f64()).flatten() {
        if let Some(integer) = tera::Number::Float(float).as_integer() {
            let _ = write!(out, "{integer}");
        } else {
            let _ = write!(out, "{float:e}f");
        }
    } else if value.is_undefined() {
        out.push('?');
    } else if value.is_none() {
        out.push('-');
    } else {
        let _ = write!(out, "{value}");
    }
}

pub(super) fn group_by(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let path = arguments.must_get::<&str>("attribute")?;
    let mut groups: indexmap::IndexMap<Key<'static>, Vec<Value>> = indexmap::IndexMap::new();
    for (index, row) in elements(value, "group_by")?.iter().enumerate() {
        let value = attribute(row, Some(path), index, "group_by")?;
        let key = if let Some(text) = value.as_str() {
            Key::from(text.to_owned())
        } else if let Some(bool) = value.as_bool() {
            Key::Bool(bool)
        } else if let Some(number) = value.as_i64() {
            Key::I64(number)
        } else if is_absent(value) {
            return Err(Error::message(format!(
                "`group_by` finds `{path}` absent in element {} of the list",
                index + 1
            )));
        } else {
            return Err(mismatch("group_by", "text, integers, or true and false", value));
        };
        groups.entry(key).or_default().push(row.clone());
    }
    Ok(groups.into_iter().map(|(key, rows)| (key, Value::from(rows))).collect::<Map>().into())
}
