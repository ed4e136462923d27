//! What a cell holds once it has been read: one canonical form for every value.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A cell's value in its canonical form, which is what is printed and compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: an empty cell of an `optional` column.
    Absent,
    /// Every type that prints as text; canonical, so equal texts are equal values.
    Text(Box<str>),
    /// `int` and `port`.
    Int(i64),
    /// `float`; finite, and never the negative zero.
    Float(f64),
    /// `bool`.
    Bool(bool),
    /// `list`.
    List(Vec<Value>),
    /// `ref`: the number of the row in the table that the column refers to, from 0.
    Ref(usize),
}

impl Value {
    /// The canonical text; a list's entries are divided by spaces, a reference is `#` and the row's number.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Absent => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Int(int) => Cow::Owned(int.to_string()),
            // As the template engine prints it: `1.0`, `0.25`.
            Self::Float(float) => Cow::Owned(format!("{float:?}")),
            Self::Bool(bool) => Cow::Borrowed(if *bool { "true" } else { "false" }),
            Self::List(entries) => Cow::Owned(entries.iter().map(Value::text).collect::<Vec<_>>().join(" ")),
            Self::Ref(row) => Cow::Owned(format!("#{row}")),
        }
    }

    /// Whether there is nothing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Writes a text that is equal for equal values only. Entries are divided by NUL, which no cell holds.
    pub(super) fn identify(&self, into: &mut String) {
        match self {
            Self::List(entries) => {
                // The count keeps a list of one entry apart from its entry, and lists in a key apart.
                let _ = write!(into, "{}\0", entries.len());
                for entry in entries {
                    entry.identify(into);
                    into.push('\0');
                }
            }
            scalar => into.push_str(&scalar.text()),
        }
    }
}

/// A text as messages quote it: characters that nobody sees are escaped, the middle of a long one is left out.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let escape = |part: &str| {
        part.chars().fold(String::new(), |mut shown, c| {
            if c.is_control() || c == '\u{feff}' {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
            shown
        })
    };
    match text.char_indices().nth(MOST) {
        None => format!("`{}`", escape(text)),
        Some((cut, _)) => format!("`{}…`", escape(&text[..cut])),
    }
}
