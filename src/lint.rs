//! Lints: what can be wrong with a whole configuration whose files are well-formed each.
//!
//! A lint judges bytes in memory: rendered artifacts, or the files of a folder. It opens no file; [`Files`] answers for
//! those that it asks for. What it finds is a rule, a place in one of the files and a phrase.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::civil::Date;

use crate::diagnostic::{Code, Severity};

pub mod postfix;

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'f> {
    /// A file.
    File(Cow<'f, [u8]>),
    /// Nothing, for certain.
    Absent,
    /// Nobody knows here: it lies on the host.
    Unknown,
}

/// The files that a configuration is made of, and those that it names.
pub trait Files {
    /// What there is at a path: a relative one lies beside the configuration, an absolute one is the host's.
    fn find(&self, path: &Utf8Path) -> Found<'_>;

    /// When a file was last changed, in nanoseconds since 1970; nothing where files have no such time.
    fn modified(&self, path: &Utf8Path) -> Option<i64> {
        let _ = path;
        None
    }

    /// Whether these are the files of the host that the configuration is for, in their places.
    fn is_host(&self) -> bool {
        false
    }

    /// The names of the files in the folder of a file.
    fn beside(&self, path: &Utf8Path) -> Vec<String>;

    /// The name of the folder that the configuration lies in; empty where it has none.
    fn folder(&self) -> &str;
}

/// Files in memory, by their paths.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The name of the folder that the configuration lies in.
    pub folder: String,
    /// The files.
    pub files: BTreeMap<Utf8PathBuf, Vec<u8>>,
}

impl Files for Memory {
    fn find(&self, path: &Utf8Path) -> Found<'_> {
        match self.files.get(path) {
            Some(bytes) => Found::File(Cow::Borrowed(bytes)),
            None if path.is_relative() => Found::Absent,
            None => Found::Unknown,
        }
    }

    fn beside(&self, path: &Utf8Path) -> Vec<String> {
        let of = |file: &&Utf8PathBuf| file.parent() == path.parent();
        self.files.keys().filter(of).filter_map(|file| file.file_name().map(str::to_owned)).collect()
    }

    fn folder(&self) -> &str {
        &self.folder
    }
}

/// What a lint is told beside the files.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The version of the program that the files are for, if that is known.
    pub version: Option<postfix::Version>,
    /// The version that they were for so far: what differs since then is told.
    pub from: Option<postfix::Version>,
    /// The day that certificates are judged on.
    pub as_of: Date,
    /// Whether what depends on the day is an error.
    pub strict: bool,
}

/// Bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as [`Files`] knows it.
    pub file: Utf8PathBuf,
    /// Its bytes.
    pub bytes: (usize, usize),
}

impl Place {
    /// Bytes of a file.
    pub fn new(file: impl Into<Utf8PathBuf>, bytes: Range<usize>) -> Self {
        Self { file: file.into(), bytes: (bytes.start, bytes.end.max(bytes.start)) }
    }
}

/// What a rule has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub code: &'static Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// A lower-case phrase that stands alone.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// The other end, with what to know of it.
    pub other: Option<(Place, &'static str)>,
}

impl Finding {
    /// An error.
    pub fn new(code: &'static Code, place: Place, message: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), String::new());
        Self { code, severity: Severity::Error, place, message, hint, other: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The name that may be meant, if one is near.
    #[must_use]
    pub fn nearest<'n>(self, name: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match crate::diagnostic::nearest(name, names) {
            Some(near) => {
                let hint = format!("did you mean `{near}`?");
                self.hint(hint)
            }
            None => self,
        }
    }

    /// The other end.
    #[must_use]
    pub fn other(self, place: Place, text: &'static str) -> Self {
        let other = Some((place, text)).filter(|(place, _)| *place != self.place);
        Self { other, ..self }
    }

    /// Makes a warning of it.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// What a lint has found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub list: Vec<Finding>,
    /// What could not be judged, as phrases.
    pub unchecked: BTreeSet<String>,
    /// The first day on which more will be found wrong with the same files.
    pub until: Option<Date>,
}

impl Findings {
    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// Adds what could not be judged.
    pub fn unchecked(&mut self, what: impl Into<String>) {
        self.unchecked.insert(what.into());
    }

    /// Notes a day from which on something will be found.
    pub fn due(&mut self, day: Date) {
        self.until = Some(self.until.map_or(day, |until| until.min(day)));
    }
}

/// A configuration that shows what a rule is about.
#[derive(Debug)]
pub struct Example {
    /// Files, by their paths beside the configuration.
    pub files: &'static [(&'static str, &'static str)],
}
