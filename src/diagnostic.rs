//! What is wrong and where: values that stages return and [`crate::report`] prints.
//!
//! A stage collects all its diagnostics in one run. Every one has a stable [`Code`], a lower-case phrase that
//! says what was expected and what was found, labels at both ends (the cell in the table, the place in the
//! template) and hints where a fix is known.

use std::borrow::Cow;

use camino::Utf8PathBuf;

use crate::source::{Sources, Span};

mod codes;
pub use codes::{CODES, Code, code};

/// How bad it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing may be written.
    Error,
    /// Worth a look; changes no exit code.
    Warning,
}

/// What a label points at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// Bytes of a file that was read.
    Span(Span),
    /// A file or folder as a whole: one that is missing, or a golden file. Relative to the project's root.
    File(Utf8PathBuf),
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self::Span(span)
    }
}

/// A place with what to know about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// A short phrase printed at the caret; may be empty.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// The stable identifier, such as `table::type`.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// One lower-case phrase.
    pub message: String,
    /// The places; the first is where the mistake is, the others are where it matters.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The table and the column that a mistake in a cell lies in, so that the templates that use it can be shown.
    pub column: Option<(String, String)>,
}

impl Diagnostic {
    /// An error with a catalogued code.
    pub fn error(code: &'static Code, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code.id),
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            hints: Vec::new(),
            column: None,
        }
    }

    /// A warning with a catalogued code.
    pub fn warning(code: &'static Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place and what to know about it.
    #[must_use]
    pub fn at(mut self, place: impl Into<Place>, text: impl Into<String>) -> Self {
        self.labels.push(Label { place: place.into(), text: text.into() });
        self
    }

    /// Says in which column a cell is wrong.
    #[must_use]
    pub fn of_column(mut self, table: impl Into<String>, column: impl Into<String>) -> Self {
        self.column = Some((table.into(), column.into()));
        self
    }

    /// Adds a whole file as a place.
    #[must_use]
    pub fn at_file(self, path: impl Into<Utf8PathBuf>, text: impl Into<String>) -> Self {
        self.at(Place::File(path.into()), text)
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the hint "did you mean …?" if one of the names is near.
    #[must_use]
    pub fn hint_nearest<'n>(self, name: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match nearest(name, names) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// The name that is closest to a mistyped one, if any is close enough to be meant.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Of a single letter, nothing would be left.
    let limit = (name.chars().count() / 3).max(usize::from(name.chars().count() > 1));
    let name = name.to_lowercase();
    names
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::osa_distance(&name, &lower);
            let begins = name.len() > 2 && (lower.starts_with(&name) || name.starts_with(&lower));
            (distance <= limit || begins).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// The diagnostics of a run.
#[derive(Debug, Default, Clone)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Takes over all of another collection.
    pub fn append(&mut self, mut other: Diagnostics) {
        self.list.append(&mut other.list);
    }

    /// Takes the value, or the diagnostic and nothing.
    pub fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.push(diagnostic)).ok()
    }

    /// Changes each of them.
    pub fn for_each_mut(&mut self, change: impl FnMut(&mut Diagnostic)) {
        self.list.iter_mut().for_each(change);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether any has this code.
    pub fn has(&self, code: &Code) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.code == code.id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All of them, in the order of their first places (path, then position), without repetitions; what has one place and
    /// one code is in the order of the other places.
    pub fn sorted(&self, sources: &Sources) -> Vec<Diagnostic> {
        let mut list = self.list.clone();
        list.sort_by_cached_key(|diagnostic| {
            let mut places = diagnostic.labels.iter().map(|label| match &label.place {
                Place::Span(span) => (sources.file(span.file).path().to_owned(), span.start),
                Place::File(path) => (path.clone(), 0),
            });
            let (first, others) = (places.next(), places.collect::<Vec<_>>());
            (first, diagnostic.severity, diagnostic.code.clone(), others, diagnostic.message.clone())
        });
        list.dedup();
        list
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { list: vec![diagnostic] }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        self.list.extend(diagnostics);
    }
}
