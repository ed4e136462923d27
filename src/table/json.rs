//! JSON (RFC 8259): an array of objects, each a row.

use jsonc_parser::ast::{ObjectPropName, Value as Node};
use jsonc_parser::common::{Range as Place, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::IgnoredAny;

use super::read::{Cell, Flaw, Name, Raw, Record, Records, doubled};

/// Reads the whole file; its rows are made one at a time.
pub(super) fn open(text: &str) -> Result<Records<'_>, Flaw> {
    // The one parser is strict, the other knows the places.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax(text, &error))?;
    let document = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    let root = document.map_err(|error| {
        let place = error.range();
        Flaw::syntax(place.start..place.end, "this is not well-formed JSON", error.kind().to_string())
    })?;
    match root.value {
        Some(Node::Array(array)) => Ok(Box::new(array.elements.into_iter().map(record))),
        other => {
            let range = other.map_or(0..0, |node| range(node.range()));
            Err(Flaw::syntax(range.start..range.start, "a JSON table is an array of objects", "expected `[`"))
        }
    }
}

/// The row that a text is.
pub(super) fn row(text: &str) -> Records<'_> {
    let document = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    Box::new(document.ok().and_then(|document| document.value).map(record).into_iter())
}

fn range(place: Place) -> std::ops::Range<usize> {
    place.start..place.end
}

fn syntax(text: &str, error: &serde_json::Error) -> Flaw {
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // The column counts bytes, up to and with the one that was refused.
    let mut start = (line + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let end = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or(&message);
    Flaw::syntax(start..end, "this is not well-formed JSON", reason)
}

fn record(node: Node<'_>) -> Result<Record<'_>, Flaw> {
    let place = range(node.range());
    let Node::Object(object) = node else {
        return Err(Flaw::syntax(place, "a row of a JSON table is an object", "expected `{`"));
    };
    let mut names = Vec::with_capacity(object.properties.len());
    let mut cells = Vec::with_capacity(object.properties.len());
    for property in object.properties {
        let name = range(property.name.range());
        names.push(match property.name {
            ObjectPropName::String(string) => Name { text: string.value, range: name },
            ObjectPropName::Word(word) => Name { text: word.value.into(), range: name },
        });
        cells.push(cell(property.value));
    }
    match doubled(&names) {
        Some(flaw) => Err(flaw),
        None => Ok(Record { range: place, names, cells }),
    }
}

/// The depth of a document is bounded by the parsers.
fn cell(node: Node<'_>) -> Cell<'_> {
    let range = range(node.range());
    let raw = match node {
        Node::NullKeyword(_) => Raw::Empty,
        Node::BooleanLit(bool) => Raw::Bool(bool.value),
        Node::NumberLit(number) => Raw::Number(number.value.into()),
        Node::StringLit(string) => Raw::string(string.value),
        Node::Array(array) => Raw::List(array.elements.into_iter().map(cell).collect()),
        Node::Object(_) => Raw::Map,
    };
    Cell { raw, range }
}
