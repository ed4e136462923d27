//! Raw rows: what every reader yields, and the one list of the formats that tables are written in.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::Scan;
use super::{json, toml, txt, yaml};
use crate::diagnostic::{Code, code};
use crate::source::SourceFile;

/// A format of tables, known by the ending of the file's name.
#[derive(Debug)]
pub(super) struct Format {
    /// The ending, without its dot.
    pub(super) ending: &'static str,
    /// Whether the first record names the columns, where the project does not say; nothing where each record
    /// names its own cells.
    pub(super) header: Option<bool>,
    /// Whether a last column of the type `list` takes all further cells of the row.
    pub(super) rest: bool,
    /// Whether quotes hold a cell together.
    pub(super) quotes: bool,
    /// Reads a row again from its own text, where that is all it takes and the whole text is there.
    pub(super) row: Option<for<'s> fn(text: &'s str) -> Records<'s>>,
    /// How it is read.
    pub(super) read: Read,
}

/// How the rows of a format are read.
#[derive(Debug)]
pub(super) enum Read {
    /// Through a window, for cells are divided by a byte and rows by line breaks.
    Divided(u8),
    /// From the whole text. The second argument is the table's name.
    Whole(for<'s> fn(text: &'s str, table: &str) -> Result<Records<'s>, Flaw>),
}

/// All formats.
pub(super) static FORMATS: &[Format] = &[
    Format { ending: "csv", header: Some(true), read: Read::Divided(b','), ..NAMED },
    Format { ending: "tsv", header: Some(true), read: Read::Divided(b'\t'), ..NAMED },
    Format {
        ending: "txt",
        header: Some(false),
        rest: true,
        quotes: false,
        row: Some(|text| txt::open(text)),
        read: Read::Whole(|text, _| Ok(txt::open(text))),
    },
    Format {
        ending: "json",
        row: Some(|text| json::row(text)),
        read: Read::Whole(|text, _| json::open(text)),
        ..NAMED
    },
    Format { ending: "yaml", read: Read::Whole(|text, _| yaml::open(text)), ..NAMED },
    Format { ending: "yml", read: Read::Whole(|text, _| yaml::open(text)), ..NAMED },
    Format { ending: "toml", read: Read::Whole(toml::open), ..NAMED },
];

/// A format whose rows name their cells, and are understood only where they stand.
const NAMED: Format = Format {
    ending: "",
    header: None,
    rest: false,
    quotes: true,
    row: None,
    read: Read::Whole(|_, _| Ok(Box::new(std::iter::empty()))),
};

/// Records as they are read; after a flaw that is not the end, the next record follows.
pub(super) type Records<'s> = Box<dyn Iterator<Item = Result<Record<'s>, Flaw>> + 's>;

/// The rows of a file, one by one.
pub(super) enum Reading<'s> {
    /// Read through a window.
    Divided(Box<Scan<'s>>),
    /// Made from the whole text.
    Whole(Records<'s>),
}

impl<'s> Reading<'s> {
    /// Begins to read behind a byte order mark of the length `base`. `table` is the table's name.
    pub(super) fn begin(
        format: &Format,
        file: &'s SourceFile,
        base: usize,
        table: &str,
    ) -> Result<Self, Flaw> {
        match format.read {
            Read::Divided(delimiter) => Ok(Self::Divided(Box::new(Scan::new(file, base, 0, delimiter)))),
            // A file that is not UTF-8 is reported when it is opened, and not read.
            Read::Whole(open) => open(file.text().map_or("", |text| &text[base..]), table).map(Self::Whole),
        }
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Option<Result<Record<'_>, Flaw>> {
        match self {
            Self::Divided(scan) => scan.next().map(|_| scan.record()),
            Self::Whole(records) => records.next(),
        }
    }
}

/// One raw row. Ranges are offsets in the text that the reader was given.
#[derive(Debug, Clone)]
pub(super) struct Record<'s> {
    /// All of the row.
    pub(super) range: Range<usize>,
    /// The names of the cells, one for each; empty in formats with a header.
    pub(super) names: Vec<Name<'s>>,
    /// The cells.
    pub(super) cells: Vec<Cell<'s>>,
}

impl Record<'_> {
    /// Moves all places on.
    pub(super) fn shift(&mut self, by: usize) {
        self.range = moved(&self.range, by);
        for name in &mut self.names {
            name.range = moved(&name.range, by);
        }
        for cell in &mut self.cells {
            cell.shift(by);
        }
    }
}

impl Cell<'_> {
    fn shift(&mut self, by: usize) {
        self.range = moved(&self.range, by);
        if let Raw::List(entries) = &mut self.raw {
            for entry in entries {
                entry.shift(by);
            }
        }
    }
}

fn moved(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// The name that a record or a header gives to a cell.
#[derive(Debug, Clone)]
pub(super) struct Name<'s> {
    pub(super) text: Cow<'s, str>,
    pub(super) range: Range<usize>,
}

/// A cell as it is written.
#[derive(Debug, Clone)]
pub(super) struct Cell<'s> {
    pub(super) raw: Raw<'s>,
    /// With its quotes.
    pub(super) range: Range<usize>,
}

/// What a cell is in its format.
#[derive(Debug, Clone)]
pub(super) enum Raw<'s> {
    /// Nothing: an empty cell, null, `-` in .txt.
    Empty,
    /// Text without a kind of its own: the column decides.
    Plain(Cow<'s, str>),
    /// A string: text and never a truth value.
    Text(Cow<'s, str>),
    /// A number, by its source text.
    Number(Cow<'s, str>),
    /// A truth value.
    Bool(bool),
    /// A list.
    List(Vec<Cell<'s>>),
    /// An object, which no column takes.
    Map,
}

impl<'s> Raw<'s> {
    /// Text of a format without kinds; empty text is an empty cell.
    pub(super) fn plain(text: impl Into<Cow<'s, str>>) -> Self {
        match text.into() {
            text if text.is_empty() => Self::Empty,
            text => Self::Plain(text),
        }
    }

    /// A string; an empty one is an empty cell, so that a table means the same in every format.
    pub(super) fn string(text: impl Into<Cow<'s, str>>) -> Self {
        match text.into() {
            text if text.is_empty() => Self::Empty,
            text => Self::Text(text),
        }
    }
}

/// What is wrong with a record or a whole file.
#[derive(Debug, Clone)]
pub(super) struct Flaw {
    pub(super) code: &'static Code,
    pub(super) message: String,
    pub(super) range: Range<usize>,
    pub(super) label: String,
    /// Another place that matters.
    pub(super) also: Option<Box<(Range<usize>, String)>>,
    pub(super) hint: Option<String>,
}

impl Flaw {
    /// A mistake in the syntax of the format.
    pub(super) fn syntax(range: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            code: &code::TABLE_SYNTAX,
            message: message.into(),
            range,
            label: label.into(),
            also: None,
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The flaw of a record that gives one name to two cells, if it does.
pub(super) fn doubled(names: &[Name<'_>]) -> Option<Flaw> {
    let mut sorted: Vec<&Name<'_>> = names.iter().collect();
    sorted.sort_by(|a, b| (&a.text, a.range.start).cmp(&(&b.text, b.range.start)));
    let pair = sorted.windows(2).find(|pair| pair[0].text == pair[1].text)?;
    let message = format!("the key `{}` is there twice", pair[0].text);
    let mut flaw = Flaw::syntax(pair[1].range.clone(), message, "the second one");
    flaw.also = Some(Box::new((pair[0].range.clone(), "the first one".to_owned())));
    Some(flaw)
}
