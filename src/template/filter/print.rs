//! The filters that decide how a value is printed, and the one behind every printed expression.

use std::borrow::Cow;
use std::fmt::Write as _;

use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use super::{describe, list, mismatch};
use crate::format::mark::{self, Emitted, Kind, Segment};
use crate::format::{json as json_format, shell as shell_format};

/// What an expression that is printed can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    /// A scalar, or what `json`, `shell` and `raw` give.
    Value,
    /// Captured text: a `set` block, the body of a component or of a `filter` section, a component's result;
    /// after filters with [`super::Parts::Keep`] too. What stands outside of its parts is the template's own
    /// text, so nothing else may be declared so.
    Captured,
}

/// Gives an engine the filter that marks what expression `number` prints, and returns its name. It must come
/// before any template.
pub fn register_emitter(tera: &mut Tera, number: u32, printed: Printed) -> String {
    let name = format!("__emit{number}");
    tera.register_filter(name.clone(), move |value: &Value, _: Kwargs, _: &State<'_>| match printed {
        Printed::Value => emit(value, number),
        Printed::Captured => pass(value),
    });
    name
}

pub(in crate::template) fn emit(value: &Value, expression: u32) -> TeraResult<Value> {
    let (kind, text) = printed(value)?;
    Ok(Emitted { expression, kind, text: &text }.marked().into())
}

/// The text of a value that is printed, and what that text is.
pub(crate) fn printed(value: &Value) -> TeraResult<(Kind, Cow<'_, str>)> {
    let Some(text) = value.as_str() else {
        if value.as_f64().is_some_and(|float| !float.is_finite()) {
            return Err(Error::message(format!("`{value}` is printed, which is no number")));
        }
        if value.is_number() || value.is_bool() {
            return Ok((Kind::Literal, value.to_string().into()));
        }
        return Err(Error::message(format!("{} is printed", describe(value))));
    };
    if !mark::is_marked(text) {
        return Ok((Kind::Text, Cow::Borrowed(text)));
    }
    // The result of `json`, `shell` or `raw` takes the number of where it is printed.
    match mark::segments(text).as_deref() {
        Ok([Segment::Value(part)]) if part.kind != Kind::Text && part.kind != Kind::Literal => {
            Ok((part.kind, part.text.to_owned().into()))
        }
        Ok(_) => Err(Error::message("captured text is printed together with a value")),
        Err(malformed) => Err(Error::message(malformed)),
    }
}

fn pass(value: &Value) -> TeraResult<Value> {
    let text = value.as_str().ok_or_else(|| mismatch("a captured text", "text", value))?;
    mark::segments(text).map_err(Error::message)?;
    Ok(value.clone())
}

/// Marks what `json`, `shell` and `raw` give. The number comes where it is printed.
fn preformatted(kind: Kind, text: &str) -> Value {
    Emitted { expression: 0, kind, text }.marked().into()
}

/// A value without the marks of its parts.
pub(crate) fn plain(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if mark::is_marked(text) => mark::strip(text).into(),
        _ => value.clone(),
    }
}

pub(super) fn raw(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(preformatted(Kind::Raw, &scalar(value, "raw")?))
}

pub(super) fn shell(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    if value.is_array() {
        let words = list::elements(value, "shell")?.iter().map(word);
        return Ok(preformatted(Kind::Words, &words.collect::<TeraResult<Vec<_>>>()?.join(" ")));
    }
    Ok(preformatted(Kind::Word, &word(value)?))
}

fn word(value: &Value) -> TeraResult<String> {
    let text = scalar(value, "shell")?;
    if text.contains('\0') {
        return Err(Error::message("`shell` finds a NUL character, which no shell word can hold"));
    }
    Ok(shell_format::word(&text).into_owned())
}

fn scalar(value: &Value, filter: &str) -> TeraResult<String> {
    if let Some(text) = value.as_str() {
        return Ok(mark::strip(text).into_owned());
    }
    if value.is_number() || value.is_bool() {
        return Ok(value.to_string());
    }
    Err(mismatch(filter, "text, a number, or true and false", value))
}

pub(super) fn json(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    let mut out = String::new();
    write_json(value, &mut out)?;
    Ok(preformatted(Kind::Json, &out))
}

fn write_json(value: &Value, out: &mut String) -> TeraResult<()> {
    if let Some(text) = value.as_str() {
        json_format::write_string(&mark::strip(text), out);
    } else if let Some(list) = value.as_array() {
        out.push('[');
        for (index, element) in list.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_json(element, out)?;
        }
        out.push(']');
    } else if let Some(map) = value.as_map() {
        out.push('{');
        for (index, (key, element)) in map.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json_format::write_string(&key.to_string(), out);
            out.push(':');
            write_json(element, out)?;
        }
        out.push('}');
    } else if value.is_none() || value.is_undefined() {
        out.push_str("null");
    } else if value.is_bytes() || value.as_f64().is_some_and(|float| !float.is_finite()) {
        return Err(Error::message(format!("`json` cannot write {value}")));
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "{value}");
    }
    Ok(())
}
