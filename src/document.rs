//! TOML files with places: all mistakes of a file in one run, and the decoded value.
//!
//! A type's JSON Schema, made from its declaration, is the one description of a file: `read` walks the
//! document along it, reports what does not fit and takes it out, and serde decodes the rest. The same schema
//! goes to editors (`schema`). To serde every field is optional; which ones are required only the schema
//! knows, so a file with mistakes still decodes and the stages behind find theirs in the same run.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::format::mark;
use crate::source::{FileId, SourceFile, Sources, Span};

/// A value with the place where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it is written; of a text, with its quotes; of a table, its header.
    pub span: Span,
}

impl Located<String> {
    /// The offset in its file of the text's first byte, where the file holds the text byte for byte: without an
    /// escape in it.
    pub fn verbatim(&self, sources: &Sources) -> Option<usize> {
        let written = sources.file(self.span.file).bytes().get(self.span.range())?;
        // Between the quotes stands what was written, after the line break that a `"""` may begin with.
        let quotes = written.iter().take_while(|byte| matches!(byte, b'"' | b'\'' | b'\n' | b'\r')).count();
        let inside = (0..=quotes).rev().find(|at| written[*at..].starts_with(self.value.as_bytes()))?;
        Some(self.span.start + inside)
    }
}

/// A value of a TOML file, as it is decoded.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct At<T>(Spanned<T>);

impl<T> At<T> {
    /// The value with its place in `file`.
    pub(crate) fn locate(self, file: FileId) -> Located<T> {
        Located { span: Span::new(file, self.0.span()), value: self.0.into_inner() }
    }

    /// The place in `file`.
    pub(crate) fn span(&self, file: FileId) -> Span {
        Span::new(file, self.0.span())
    }

    /// The value.
    pub(crate) fn value(&self) -> &T {
        self.0.get_ref()
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl<T: Eq> Eq for At<T> {}

impl<T: Hash> Hash for At<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value().hash(state);
    }
}

impl Borrow<str> for At<String> {
    fn borrow(&self) -> &str {
        self.value()
    }
}

/// A TOML table whose keys are names; in the order of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent, bound = "T: Deserialize<'de>")]
pub(crate) struct Map<T>(pub(crate) IndexMap<At<String>, At<T>>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<T> Map<T> {
    /// The names and their values, with their places in `file`.
    pub(crate) fn entries(self, file: FileId) -> impl Iterator<Item = (Located<String>, Located<T>)> {
        self.0.into_iter().map(move |(name, value)| (name.locate(file), value.locate(file)))
    }
}

/// A TOML value of any kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Any(pub(crate) toml::Value);

/// A date without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date(pub(crate) jiff::civil::Date);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = toml::value::Datetime::deserialize(deserializer)?;
        written.to_string().parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A type that is described as another one is.
macro_rules! described_as {
    ([$($generics:tt)*] $type:ty => $other:ty) => {
        impl<$($generics)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                <$other>::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                <$other>::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                <$other>::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$other>::json_schema(generator)
            }
        }
    };
}

described_as!([T: JsonSchema] At<T> => T);
described_as!([T: JsonSchema] Map<T> => IndexMap<String, T>);
described_as!([] Any => Json);

impl JsonSchema for Date {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "date" })
    }
}

/// The JSON Schema of a TOML file that is decoded as `T`.
pub(crate) fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>()
}

/// Reads a TOML file: reports everything in it that does not fit `T`, and decodes what does.
///
/// Nothing is returned where the text is not UTF-8 or not TOML.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(
    sources: &Sources,
    file: FileId,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let source = sources.file(file);
    diagnostics.take(source.utf8(file))?;
    let text = source.text().unwrap_or_default();
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        diagnostics.extend(syntax(&errors, source, file));
        return None;
    }
    let before = diagnostics.len();
    for (name, value) in root.get_ref() {
        refuse_reserved(name, value, file, diagnostics);
    }
    if diagnostics.len() > before {
        return None;
    }
    // Without the transformations that an older draft for editors takes.
    let schema = SchemaSettings::default().into_generator().into_root_schema_for::<T>();
    let mut root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    let mut walk = Walk { root: schema.as_value(), file, diagnostics, met: BTreeMap::new() };
    let fits = walk.value(schema.as_value(), &mut root, "");
    let DeValue::Table(table) = root.into_inner() else { return None };
    if !fits {
        return None;
    }
    let decoder = toml::de::Deserializer::from(Spanned::new(0..0, table));
    match T::deserialize(decoder) {
        Ok(value) => Some(value),
        Err(error) => {
            let span = Span::new(file, error.span().unwrap_or(0..0));
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_VALUE, lower_case(error.message()))
                    .at(span, "in this value"),
            );
            None
        }
    }
}

/// Reports the characters that no text may hold; see [`mark::is_reserved`].
fn refuse_reserved(
    name: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    file: FileId,
    diagnostics: &mut Diagnostics,
) {
    let mut refuse = |text: &str, range: Range<usize>| {
        if let Some(reserved) = text.chars().find(|character| mark::is_reserved(*character)) {
            let message = format!("this text has the noncharacter U+{:04X} in it", u32::from(reserved));
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_VALUE, message)
                    .at(Span::new(file, range), "")
                    .hint("remove it: no text has a use for it"),
            );
        }
    };
    refuse(name.get_ref(), name.span());
    match value.get_ref() {
        DeValue::String(text) => refuse(text, value.span()),
        DeValue::Array(list) => list.iter().for_each(|entry| refuse_reserved(name, entry, file, diagnostics)),
        DeValue::Table(table) => {
            table.iter().for_each(|(name, value)| refuse_reserved(name, value, file, diagnostics));
        }
        _ => {}
    }
}

/// What the TOML parser found: the first mistake of each line, as the others on it follow from that one.
fn syntax(errors: &[toml::de::Error], source: &SourceFile, file: FileId) -> Vec<Diagnostic> {
    let mut places: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), lower_case(error.message()))).collect();
    places.sort_by_key(|(range, _)| range.start);
    places.dedup_by_key(|(range, _)| source.position(range.start).line);
    places
        .into_iter()
        .map(|(range, message)| {
            let bare = source.bytes().get(range.clone()).is_some_and(|written| {
                written.first().is_some_and(u8::is_ascii_alphabetic)
                    && source.bytes()[..range.start].trim_ascii_end().ends_with(b"=")
            });
            let diagnostic = Diagnostic::error(&code::PROJECT_SYNTAX, message)
                .at(Span::new(file, range), "this is not TOML");
            if bare { diagnostic.hint("put text between quotes") } else { diagnostic }
        })
        .collect()
}

fn lower_case(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut characters = message.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// The schema of any value.
static ANY: Json = Json::Bool(true);

/// A walk through a document along a schema.
struct Walk<'a> {
    root: &'a Json,
    file: FileId,
    diagnostics: &'a mut Diagnostics,
    /// The alternatives of the schemas that were met, by their addresses: most are met again and again.
    met: BTreeMap<*const Json, Rc<[Branch<'a>]>>,
}

/// One kind of value that a schema accepts.
#[derive(Clone, Copy)]
struct Branch<'a> {
    kind: Option<&'static str>,
    schema: &'a Json,
    /// What the texts of an enumeration are called.
    noun: Option<&'a str>,
    properties: Option<&'a serde_json::Map<String, Json>>,
    /// The schema of keys that are no property.
    others: &'a Json,
    required: &'a [Json],
}

impl<'a> Walk<'a> {
    /// Checks a value, and takes out of it what does not fit; says whether it may stay itself.
    fn value(&mut self, schema: &'a Json, value: &mut Spanned<DeValue<'_>>, path: &str) -> bool {
        let branches = self.branches(schema);
        let found = kind(value.get_ref());
        let fits = |branch: &&Branch<'_>| {
            branch.kind.is_none_or(|kind| kind == found || (kind == "a number" && found == "a whole number"))
        };
        let span = value.span();
        let Some(first) = branches.iter().find(fits) else {
            let mut expected: Vec<&str> = branches.iter().filter_map(|branch| branch.kind).collect();
            expected.dedup();
            let expected = expected.join(" or ");
            self.report(
                span,
                format!("`{path}`: expected {expected}, found {found}"),
                format!("not {expected}"),
            );
            return false;
        };
        match value.get_mut() {
            DeValue::Table(table) => self.table(first, table, span, path),
            DeValue::Array(array) => {
                let items = first.schema.get("items").unwrap_or(&ANY);
                let entries = std::mem::replace(array, DeArray::new()).into_iter().enumerate();
                *array = entries
                    .filter_map(|(at, mut entry)| {
                        let path = format!("{path}[{}]", at + 1);
                        self.value(items, &mut entry, &path).then_some(entry)
                    })
                    .collect();
            }
            DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => {
                self.report(
                    span,
                    format!("`{path}`: {number} is too large"),
                    format!("at most {}", i64::MAX),
                );
                return false;
            }
            DeValue::String(text) => {
                let branches: Vec<&Branch<'a>> = branches.iter().filter(fits).collect();
                return self.text(&branches, text, span, path);
            }
            _ => {}
        }
        true
    }

    /// Checks a text against the enumerations that are all it may be.
    fn text(&mut self, branches: &[&Branch<'a>], text: &str, span: Range<usize>, path: &str) -> bool {
        let mut known = Vec::new();
        for branch in branches {
            match (branch.schema.get("const"), branch.schema.get("enum").and_then(Json::as_array)) {
                (Some(Json::String(only)), _) => known.push(only.as_str()),
                (_, Some(several)) => known.extend(several.iter().filter_map(Json::as_str)),
                _ => return true,
            }
        }
        if known.contains(&text) {
            return true;
        }
        let noun = branches.iter().find_map(|branch| branch.noun).unwrap_or("known value");
        let diagnostic = Diagnostic::error(&code::PROJECT_VALUE, format!("`{text}` is not a {noun}"))
            .at(Span::new(self.file, span), format!("`{path}` is one of: {}", known.join(", ")))
            .hint_nearest(text, known.iter().copied());
        self.diagnostics.push(diagnostic);
        false
    }

    fn table<'t>(&mut self, branch: &Branch<'a>, table: &mut DeTable<'t>, span: Range<usize>, path: &str) {
        let Branch { properties, others, required, .. } = *branch;
        let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };

        for name in required.iter().filter_map(Json::as_str) {
            if !table.contains_key(name) {
                let place = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
                self.report(
                    span.clone(),
                    format!("{place} has no `{name}`"),
                    format!("`{name}` must be given"),
                );
            }
        }
        let keep = |(key, mut value): (Spanned<Cow<'t, str>>, Spanned<DeValue<'t>>)| {
            let keep = if let Some(schema) = properties.and_then(|known| known.get(key.get_ref().as_ref())) {
                self.value(schema, &mut value, &join(key.get_ref()))
            } else if *others != Json::Bool(false) {
                // Its name stays known: what refers to it is no further mistake.
                self.value(others, &mut value, &join(key.get_ref())) || self.empty(others, &mut value)
            } else {
                let known: Vec<&str> =
                    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                self.unknown(&key, &known, path);
                false
            };
            keep.then_some((key, value))
        };
        *table = std::mem::take(table).into_iter().filter_map(keep).collect();
    }

    fn unknown(&mut self, key: &Spanned<Cow<'_, str>>, known: &[&str], path: &str) {
        let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        let message = format!("unknown key `{}`{place}", key.get_ref());
        let diagnostic = Diagnostic::error(&code::PROJECT_UNKNOWN_KEY, message)
            .at(Span::new(self.file, key.span()), format!("known keys: {}", known.join(", ")))
            .hint_nearest(key.get_ref(), known.iter().copied());
        self.diagnostics.push(diagnostic);
    }

    /// Puts an empty table in the place of a value, if a table is accepted there.
    fn empty(&mut self, schema: &'a Json, value: &mut Spanned<DeValue<'_>>) -> bool {
        let accepted = self.branches(schema).iter().any(|branch| branch.kind == Some("a table"));
        *value.get_mut() = DeValue::Table(DeTable::new());
        accepted
    }

    /// The alternatives of a schema, with its references followed, without null.
    fn branches(&mut self, schema: &'a Json) -> Rc<[Branch<'a>]> {
        let address = std::ptr::from_ref(schema);
        if let Some(met) = self.met.get(&address) {
            return Rc::clone(met);
        }
        let mut branches = Vec::new();
        self.follow(schema, None, &mut branches);
        branches.retain(|branch| branch.kind != Some("nothing"));
        let branches = Rc::from(branches);
        self.met.insert(address, Rc::clone(&branches));
        branches
    }

    fn follow(&self, schema: &'a Json, noun: Option<&'a str>, into: &mut Vec<Branch<'a>>) {
        let noun = schema.get("title").and_then(Json::as_str).or(noun);
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            if let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                self.follow(target, noun, into);
            }
            return;
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            if let Some(several) = schema.get(key).and_then(Json::as_array) {
                for schema in several {
                    self.follow(schema, noun, into);
                }
                return;
            }
        }
        let date = schema.get("format").and_then(Json::as_str) == Some("date");
        let mut push = |kind| {
            into.push(Branch {
                kind,
                schema,
                noun,
                properties: schema.get("properties").and_then(Json::as_object),
                others: schema.get("additionalProperties").unwrap_or(&ANY),
                required: schema.get("required").and_then(Json::as_array).map_or(&[], Vec::as_slice),
            });
        };
        match schema.get("type") {
            Some(Json::String(name)) => push(Some(word(name, date))),
            Some(Json::Array(names)) => {
                names.iter().filter_map(Json::as_str).for_each(|name| push(Some(word(name, date))));
            }
            _ => push(None),
        }
    }

    fn report(&mut self, range: Range<usize>, message: String, label: String) {
        let span = Span::new(self.file, range);
        self.diagnostics.push(Diagnostic::error(&code::PROJECT_VALUE, message).at(span, label));
    }
}

/// What a JSON Schema type is called in messages.
fn word(name: &str, date: bool) -> &'static str {
    match name {
        "string" if date => "a date",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => "nothing",
    }
}

/// What a TOML value is called in messages.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(written) if written.date.is_some() && written.time.is_none() => "a date",
        DeValue::Datetime(_) => "a date with a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
