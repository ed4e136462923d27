//! TOML files with places: all mistakes of a file in one run, and the decoded value.
//!
//! A type's JSON Schema, made from its declaration, is the one description of a file. It goes to editors (`schema`),
//! and what it says of values stands in `shapes`, so that no run makes it anew: `read` walks the document along
//! that, reports what does not fit and takes it out, and serde decodes the rest. To serde every field is optional;
//! which ones are required only the schema knows, so a file with mistakes still decodes and the stages behind find
//! theirs in the same run.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

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

#[rustfmt::skip]
pub(crate) mod shapes;

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

/// The kinds of value that a place of a file takes; any, where there are none.
pub(crate) type Shape = &'static [Kind];

/// One kind of value.
pub(crate) struct Kind {
    /// What it is called in messages; without, it may be any value.
    name: Option<&'static str>,
    /// What the texts of an enumeration are called.
    noun: Option<&'static str>,
    /// The texts that are all it may be; any, where there are none.
    texts: &'static [&'static str],
    /// The shape of a list's entries.
    entries: Shape,
    /// The keys of a table.
    keys: &'static [(&'static str, Shape)],
    /// The shape of a table's other values, where it may have any.
    others: Option<Shape>,
    /// The keys that a table must have.
    required: &'static [&'static str],
}

/// Any value, and what a kind is where nothing else is said of it.
const PLAIN: Kind =
    Kind { name: None, noun: None, texts: &[], entries: &[], keys: &[], others: Some(&[]), required: &[] };

/// A type that a whole file is decoded as.
pub(crate) trait Document: DeserializeOwned {
    /// What its schema says of values.
    const SHAPE: Shape;
}

/// Reads a TOML file: reports everything in it that does not fit `T`, and decodes what does.
///
/// Nothing is returned where the text is not UTF-8 or not TOML.
pub(crate) fn read<T: Document>(sources: &Sources, file: FileId, diagnostics: &mut Diagnostics) -> Option<T> {
    let source = sources.file(file);
    diagnostics.take(source.utf8(file))?;
    let text = source.text().unwrap_or_default();
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        diagnostics.extend(syntax(&errors, T::SHAPE, source, file));
        return None;
    }
    let before = diagnostics.len();
    for (name, value) in root.get_ref() {
        refuse_reserved(name, value, file, diagnostics);
    }
    if diagnostics.len() > before {
        return None;
    }
    let mut root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    let fits = Walk { file, text, diagnostics }.value(T::SHAPE, &mut root, Path::Root);
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
fn syntax(errors: &[toml::de::Error], shape: Shape, source: &SourceFile, file: FileId) -> Vec<Diagnostic> {
    let written = |range: Range<usize>| source.bytes().get(range).unwrap_or_default();
    // The header of a table that is there already, where it is meant for an entry of a list.
    let is_entry = |range: &Range<usize>| {
        let key = (shape.iter().flat_map(|kind| kind.keys))
            .find(|(name, _)| name.as_bytes() == written(range.clone()));
        key.is_some_and(|(_, shape)| shape.iter().any(|kind| kind.name == Some("a list")))
            && written(0..range.start).ends_with(b"[")
    };

    let mut places: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), lower_case(error.message()))).collect();
    places.sort_by_key(|(range, _)| range.start);
    places.dedup_by_key(|(range, _)| source.position(range.start).line);
    // The keys of such a table, which is taken for the first one, follow from its header.
    let headers: Vec<usize> =
        places.iter().filter(|(range, _)| is_entry(range)).map(|(range, _)| range.end).collect();
    places.retain(|(range, _)| {
        let above = headers.iter().rev().find(|end| **end <= range.start);
        above.is_none_or(|end| written(*end..range.start).windows(2).any(|pair| pair == b"\n["))
    });
    places
        .into_iter()
        .map(|(range, message)| {
            let name = String::from_utf8_lossy(written(range.clone())).into_owned();
            let number = octal(source.bytes(), range.start);
            let entry = is_entry(&range);
            let twice = message == "duplicate key";
            let bare = source.bytes().get(range.clone()).is_some_and(|written| {
                written.first().is_some_and(u8::is_ascii_alphabetic)
                    && source.bytes()[..range.start].trim_ascii_end().ends_with(b"=")
            });
            let diagnostic = Diagnostic::error(&code::PROJECT_SYNTAX, message)
                .at(Span::new(file, range), "this is not TOML");
            match number {
                _ if entry => diagnostic.hint(format!("write `[[{name}]]`")),
                Some(number) => diagnostic.hint(format!("write \"{number}\"")),
                None if bare => diagnostic.hint("put text between quotes"),
                None if twice => diagnostic.hint(format!("`{name}` is there already, and may be once")),
                None => diagnostic,
            }
        })
        .collect()
}

/// The number with a leading zero that a mistake lies in: an octal one, which TOML does not have.
fn octal(bytes: &[u8], at: usize) -> Option<String> {
    let line = bytes.get(..at)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = bytes.get(line..)?.split(|byte| *byte == b'\n').next()?;
    let (_, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let is_octal =
        value.len() > 1 && value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    is_octal.then(|| value.to_owned())
}

fn lower_case(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut characters = message.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// A walk through a document along the shape of its file.
struct Walk<'a> {
    file: FileId,
    /// What is in the file.
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
}

/// Where a walk is: the keys that lead there, and the numbers of entries in lists, from 1.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Entry(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(above, key) => write!(f, "{above}.{key}"),
            Self::Entry(list, number) => write!(f, "{list}[{number}]"),
        }
    }
}

impl Walk<'_> {
    /// Checks a value, and takes out of it what does not fit; says whether it may stay itself.
    fn value(&mut self, shape: Shape, value: &mut Spanned<DeValue<'_>>, path: Path<'_>) -> bool {
        let found = kind(value.get_ref());
        let fits = |kind: &&Kind| {
            kind.name.is_none_or(|name| name == found || (name == "a number" && found == "a whole number"))
        };
        let span = value.span();
        let Some(first) = shape.iter().find(fits).or(shape.is_empty().then_some(&PLAIN)) else {
            let mut expected: Vec<&str> = shape.iter().filter_map(|kind| kind.name).collect();
            expected.dedup();
            let header = self.text.get(span.clone()).is_some_and(|text| text.starts_with('['));
            let hint = match value.get_ref() {
                DeValue::Table(_) if header && expected == ["a list"] => Some(format!("write `[[{path}]]`")),
                value => self.quotes(&expected, value, span.clone()),
            };
            let expected = expected.join(" or ");
            let message = format!("`{path}`: expected {expected}, found {found}");
            let mut diagnostic = Diagnostic::error(&code::PROJECT_VALUE, message)
                .at(Span::new(self.file, span), format!("not {expected}"));
            diagnostic.hints.extend(hint);
            self.diagnostics.push(diagnostic);
            return false;
        };
        match value.get_mut() {
            DeValue::Table(table) => self.table(first, table, &span, path),
            DeValue::Array(array) => {
                let fit: Vec<bool> = array
                    .iter_mut()
                    .enumerate()
                    .map(|(at, entry)| self.value(first.entries, entry, Path::Entry(&path, at + 1)))
                    .collect();
                if fit.contains(&false) {
                    let entries = std::mem::replace(array, DeArray::new()).into_iter().zip(fit);
                    *array = entries.filter_map(|(entry, fits)| fits.then_some(entry)).collect();
                }
            }
            DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => {
                self.report(
                    span,
                    format!("`{path}`: {number} is too large"),
                    format!("at most {}", i64::MAX),
                );
                return false;
            }
            DeValue::Float(number) if !number.as_str().parse::<f64>().is_ok_and(f64::is_finite) => {
                let message = format!("`{path}`: {} is no finite number", number.as_str());
                self.report(span, message, "not a number that can be printed".to_owned());
                return false;
            }
            DeValue::String(text) => return self.text(shape, text, span, path),
            _ => {}
        }
        true
    }

    /// What to write where quotes are all that is wrong with a value.
    fn quotes(&self, expected: &[&str], value: &DeValue<'_>, span: Range<usize>) -> Option<String> {
        match value {
            DeValue::String(text) => {
                let bare = DeValue::parse(text).ok()?;
                expected.contains(&kind(bare.get_ref())).then(|| format!("leave out the quotes: {text}"))
            }
            DeValue::Array(_) | DeValue::Table(_) => None,
            _ if expected == ["a text"] => {
                Some(format!("put it between quotes: \"{}\"", self.text.get(span)?))
            }
            _ => None,
        }
    }

    /// Checks a text against the enumerations that are all it may be.
    fn text(&mut self, shape: Shape, text: &str, span: Range<usize>, path: Path<'_>) -> bool {
        let kinds = || shape.iter().filter(|kind| kind.name.is_none_or(|name| name == "a text"));
        if shape.is_empty() || kinds().any(|kind| kind.texts.is_empty() || kind.texts.contains(&text)) {
            return true;
        }
        let known: Vec<&str> = kinds().flat_map(|kind| kind.texts).copied().collect();
        let noun = kinds().find_map(|kind| kind.noun).unwrap_or("known value");
        let diagnostic = Diagnostic::error(&code::PROJECT_VALUE, format!("`{text}` is not a {noun}"))
            .at(Span::new(self.file, span), format!("`{path}` is one of: {}", known.join(", ")))
            .hint_nearest(text, known.iter().copied());
        self.diagnostics.push(diagnostic);
        false
    }

    fn table(&mut self, kind: &Kind, table: &mut DeTable<'_>, span: &Range<usize>, path: Path<'_>) {
        for name in kind.required {
            if !table.contains_key(*name) {
                let place = match path {
                    Path::Root => "the file".to_owned(),
                    _ => format!("`{path}`"),
                };
                self.report(
                    span.clone(),
                    format!("{place} has no `{name}`"),
                    format!("`{name}` must be given"),
                );
            }
        }
        let mut unfit = Vec::new();
        for (key, value) in table.iter_mut() {
            let name = key.get_ref().as_ref();
            let inside = Path::Key(&path, name);
            let fits = if let Some((_, shape)) = kind.keys.iter().find(|(known, _)| *known == name) {
                self.value(shape, value, inside)
            } else if let Some(shape) = kind.others {
                // Its name stays known: what refers to it is no further mistake.
                self.value(shape, value, inside) || empty(shape, value)
            } else {
                self.unknown(key, kind, path);
                false
            };
            if !fits {
                unfit.push(name.to_owned());
            }
        }
        for name in &unfit {
            table.remove(name.as_str());
        }
    }

    fn unknown(&mut self, key: &Spanned<Cow<'_, str>>, kind: &Kind, path: Path<'_>) {
        let place = match path {
            Path::Root => String::new(),
            _ => format!(" in `{path}`"),
        };
        let known: Vec<&str> = kind.keys.iter().map(|(name, _)| *name).collect();
        let message = format!("unknown key `{}`{place}", key.get_ref());
        let diagnostic = Diagnostic::error(&code::PROJECT_UNKNOWN_KEY, message)
            .at(Span::new(self.file, key.span()), format!("known keys: {}", known.join(", ")))
            .hint_nearest(key.get_ref(), known.iter().copied());
        self.diagnostics.push(diagnostic);
    }

    fn report(&mut self, range: Range<usize>, message: String, label: String) {
        let span = Span::new(self.file, range);
        self.diagnostics.push(Diagnostic::error(&code::PROJECT_VALUE, message).at(span, label));
    }
}

/// Puts an empty table in the place of a value, if a table is accepted there.
fn empty(shape: Shape, value: &mut Spanned<DeValue<'_>>) -> bool {
    *value.get_mut() = DeValue::Table(DeTable::new());
    shape.iter().any(|kind| kind.name == Some("a table"))
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
