//! Filters on text. Those that keep the parts of captured text work on each part by itself.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem::Finder;
use tera::value::Key;
use tera::{Error, Kwargs, Map, TeraResult, Value};

use super::{mismatch, text};
use crate::format::mark::{self, Emitted, Kind, Segment};

/// What a filter with constant arguments makes of text that has no parts, without a value of the engine between. The
/// filters themselves say what is right.
#[derive(Debug, Clone)]
pub(crate) enum OfText {
    /// `upper`
    Upper,
    /// `lower`
    Lower,
    /// `replace`
    Replace {
        /// What is replaced; not the empty text.
        from: Box<Finder<'static>>,
        /// What it is replaced by.
        to: Box<str>,
    },
    /// `trim`, `trim_start`, `trim_end`
    Trim {
        /// What is taken away; white space, if nothing is said.
        pattern: Option<Box<str>>,
        /// Whether it is taken from the start.
        start: bool,
        /// Whether it is taken from the end.
        end: bool,
    },
    /// `default`
    Default {
        /// What takes the place of nothing.
        substitute: Box<str>,
        /// Whether it takes that of the empty text too.
        boolean: bool,
    },
}

impl OfText {
    /// A filter by its name; nothing for one that needs more than the text.
    pub(crate) fn new(name: &str, arguments: &Map) -> Option<Self> {
        let text = |name| {
            let text = arguments.get(&Key::Str(name))?.as_str()?;
            (!mark::is_marked(text)).then(|| Box::<str>::from(text))
        };
        let trim = |start, end| {
            let pattern = if arguments.is_empty() { None } else { Some(text("pat")?) };
            Some(Self::Trim { pattern, start, end })
        };
        match name {
            "upper" => Some(Self::Upper),
            "lower" => Some(Self::Lower),
            "replace" => {
                let from = Finder::new(text("from")?.as_bytes()).into_owned();
                let is_text = !from.needle().is_empty();
                is_text.then_some(Self::Replace { from: from.into(), to: text("to")? })
            }
            "trim" => trim(true, true),
            "trim_start" => trim(true, false),
            "trim_end" => trim(false, true),
            "default" => Some(Self::Default {
                substitute: text("value")?,
                boolean: match arguments.get(&Key::Str("boolean")) {
                    None => false,
                    Some(boolean) => boolean.as_bool()?,
                },
            }),
            _ => None,
        }
    }

    /// What it makes of a text.
    pub(crate) fn apply<'t>(&'t self, text: Cow<'t, str>) -> Cow<'t, str> {
        match self {
            Self::Default { substitute, boolean: true } if text.is_empty() => Cow::Borrowed(substitute),
            Self::Default { .. } => text,
            Self::Upper => Cow::Owned(text.to_uppercase()),
            Self::Lower => Cow::Owned(text.to_lowercase()),
            Self::Replace { from, to } => replaced(text, from, to),
            Self::Trim { pattern, start, end } => {
                let trimmed = |text: &'_ str| {
                    let pattern = pattern.as_deref();
                    let rest = if *start { trim_from_start(text, pattern) } else { text };
                    let from = text.len() - rest.len();
                    from..from + if *end { trim_from_end(rest, pattern) } else { rest }.len()
                };
                match text {
                    Cow::Borrowed(text) => Cow::Borrowed(&text[trimmed(text)]),
                    Cow::Owned(mut text) => {
                        let Range { start, end } = trimmed(&text);
                        text.truncate(end);
                        text.drain(..start);
                        Cow::Owned(text)
                    }
                }
            }
        }
    }
}

fn replaced<'t>(text: Cow<'t, str>, from: &Finder<'_>, to: &str) -> Cow<'t, str> {
    let mut found = from.find_iter(text.as_bytes()).peekable();
    if found.peek().is_none() {
        drop(found);
        return text;
    }
    let mut out = String::with_capacity(text.len() + to.len());
    let mut rest = 0;
    for at in found {
        out.push_str(&text[rest..at]);
        out.push_str(to);
        rest = at + from.needle().len();
    }
    out.push_str(&text[rest..]);
    Cow::Owned(out)
}

fn trim_from_start<'t>(text: &'t str, pattern: Option<&str>) -> &'t str {
    pattern.map_or(text.trim_start(), |pattern| text.trim_start_matches(pattern))
}

fn trim_from_end<'t>(text: &'t str, pattern: Option<&str>) -> &'t str {
    pattern.map_or(text.trim_end(), |pattern| text.trim_end_matches(pattern))
}

pub(super) fn default(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let substitute = arguments.must_get::<Value>("value")?;
    let wanted = if arguments.get::<bool>("boolean")?.unwrap_or_default() {
        value.is_truthy()
    } else {
        !value.is_none() && !value.is_undefined()
    };
    Ok(if wanted { value.clone() } else { substitute })
}

pub(super) fn str(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    let scalar = value.is_string() || value.is_number() || value.is_bool();
    if scalar { Ok(value.to_string().into()) } else { Err(mismatch("str", "a scalar", value)) }
}

pub(super) fn split(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let separator = arguments.must_get::<&str>("pat")?;
    let text = text(value, "split")?;
    Ok(text.split(separator).map(Value::from).collect::<Vec<_>>().into())
}

pub(super) fn slug(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    let text = text(value, "slug")?;
    let lower = text.to_ascii_lowercase();
    let words: Vec<_> = lower
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return Err(Error::message(format!("`slug` finds no letter or digit of ASCII in `{text}`")));
    }
    Ok(words.join("-").into())
}

pub(super) fn upper(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    each_part(value, "upper", str::to_uppercase)
}

pub(super) fn lower(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    each_part(value, "lower", str::to_lowercase)
}

pub(super) fn replace(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let from = arguments.must_get::<&str>("from")?;
    let to = arguments.must_get::<&str>("to")?;
    each_part(value, "replace", |text| text.replace(from, to))
}

/// Changes every part. What was JSON or shell words is any text afterwards.
fn each_part(value: &Value, filter: &str, change: impl Fn(&str) -> String) -> TeraResult<Value> {
    let mut out = String::new();
    let segments = segments(value, filter)?;
    // Only where text is traced do several segments of the template's own text follow each other.
    for run in segments.chunk_by(|a, b| is_own(a) && is_own(b)) {
        match run {
            [Segment::Literal(text)] => out.push_str(&change(text)),
            [Segment::Value(part)] if part.kind != Kind::Plain => {
                let kind = if part.kind == Kind::Raw { Kind::Raw } else { Kind::Text };
                Emitted { kind, text: &change(part.text), ..*part }.write(&mut out);
            }
            run => change_run(run, &change, &mut out),
        }
    }
    Ok(out.into())
}

/// Changes segments that are one text. Where it matters that they are one, nobody can say which of them it comes
/// from, and the part that comes of them has the number 0.
fn change_run(run: &[Segment<'_>], change: impl Fn(&str) -> String, out: &mut String) {
    let whole = change(&run.iter().map(text_of).collect::<String>());
    let changed: Vec<String> = run.iter().map(|segment| change(text_of(segment))).collect();
    if changed.concat() != whole {
        return Emitted { expression: 0, kind: Kind::Plain, text: &whole }.write(out);
    }
    for (segment, text) in run.iter().zip(&changed) {
        match segment {
            Segment::Literal(_) => out.push_str(text),
            Segment::Value(part) => Emitted { text, ..*part }.write(out),
        }
    }
}

/// Whether a segment is the template's own text.
fn is_own(segment: &Segment<'_>) -> bool {
    matches!(segment, Segment::Literal(_) | Segment::Value(Emitted { kind: Kind::Plain, .. }))
}

fn segments<'v>(value: &'v Value, filter: &str) -> TeraResult<Vec<Segment<'v>>> {
    let text = value.as_str().ok_or_else(|| mismatch(filter, "text", value))?;
    mark::segments(text).map_err(Error::message)
}

/// Whether a part is one whole that cannot be changed from within: JSON and shell words.
fn is_whole(segment: &Segment<'_>) -> bool {
    matches!(segment, Segment::Value(Emitted { kind: Kind::Json | Kind::Word | Kind::Words, .. }))
}

fn change_text<'t>(segment: Segment<'t>, change: impl FnOnce(&'t str) -> &'t str) -> Segment<'t> {
    match segment {
        Segment::Literal(text) => Segment::Literal(change(text)),
        Segment::Value(part) => Segment::Value(Emitted { text: change(part.text), ..part }),
    }
}

fn text_of<'t>(segment: &Segment<'t>) -> &'t str {
    match segment {
        Segment::Literal(text) => text,
        Segment::Value(part) => part.text,
    }
}

pub(super) fn trim(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    trim_ends(value, arguments, "trim", true, true)
}

pub(super) fn trim_start(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    trim_ends(value, arguments, "trim_start", true, false)
}

pub(super) fn trim_end(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    trim_ends(value, arguments, "trim_end", false, true)
}

fn trim_ends(value: &Value, arguments: &Kwargs, filter: &str, start: bool, end: bool) -> TeraResult<Value> {
    let pattern = arguments.get::<&str>("pat")?;
    let mut list = segments(value, filter)?;
    if start {
        trim_until(list.iter_mut(), |text| trim_from_start(text, pattern));
    }
    if end {
        trim_until(list.iter_mut().rev(), |text| trim_from_end(text, pattern));
    }
    Ok(mark::join(list).into())
}

/// Trims segments up to the first one of which something is left.
fn trim_until<'s, 't: 's>(
    segments: impl Iterator<Item = &'s mut Segment<'t>>,
    trim: impl Fn(&'t str) -> &'t str,
) {
    for segment in segments {
        if is_whole(segment) {
            break;
        }
        *segment = change_text(*segment, &trim);
        if !text_of(segment).is_empty() {
            break;
        }
    }
}

pub(super) fn indent(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let width = arguments.get::<usize>("width")?.unwrap_or(4).min(1000);
    let character = arguments.get::<&str>("indentation")?.unwrap_or(" ");
    let first = arguments.get::<bool>("first")?.unwrap_or_default();
    let blank = arguments.get::<bool>("blank")?.unwrap_or_default();
    if character.chars().count() != 1 {
        return Err(Error::message(format!("`indentation` takes one character, found `{character}`")));
    }
    let indentation = character.repeat(width);
    let segments = segments(value, "indent")?;
    let mut out = String::new();
    // Whether the next character begins a line that is to be indented.
    let (mut pending, mut first_line) = (first, true);
    for segment in &segments {
        if is_whole(segment) {
            if std::mem::take(&mut pending) {
                out.push_str(&indentation);
            }
            out.push_str(&mark::join([*segment]));
            continue;
        }
        let mut buffer = String::new();
        for (index, line) in text_of(segment).split_inclusive('\n').enumerate() {
            let content =
                line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
            if pending && (!content.is_empty() || blank || first_line) {
                // Before a value, indentation is the template's own.
                if index == 0 && !is_own(segment) { &mut out } else { &mut buffer }.push_str(&indentation);
                pending = false;
            }
            buffer.push_str(content);
            if line.ends_with('\n') {
                buffer.push('\n');
                (pending, first_line) = (true, false);
            }
        }
        match segment {
            Segment::Literal(_) => out.push_str(&buffer),
            Segment::Value(part) => Emitted { text: &buffer, ..*part }.write(&mut out),
        }
    }
    Ok(out.into())
}
