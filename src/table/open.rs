//! Opening a table: its declaration, its format, its columns and the order of its cells.

use std::ops::Range;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::read::{FORMATS, Flaw, Format, Raw, Read, Reading, Record};
use super::spec::ColumnSpec;
use super::value::shown;
use super::{Column, ColumnType, Schema, Source, Table};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, code, nearest};
use crate::source::{FileId, Sources, Span, World};

/// What the project says of a table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// The file, relative to the project's root.
    pub source: Utf8PathBuf,
    /// Where the file is named.
    pub source_span: Span,
    /// The files that it has in other environments.
    pub elsewhere: Vec<Utf8PathBuf>,
    /// The columns that make up the key; none where rows have no key.
    pub key: Vec<String>,
    /// The columns, where they are declared.
    pub columns: Option<IndexMap<String, (ColumnSpec, Span)>>,
    /// The types that targets require and where, for a table without declared columns; they were checked when the
    /// targets were read.
    pub required: IndexMap<String, (ColumnSpec, Span)>,
    /// All that targets require of a column. Its constraints hold beside those of its declaration.
    pub constraints: Vec<(String, ColumnSpec, Span)>,
    /// Whether the file begins with a header; nothing for what its format has by itself.
    pub header: Option<bool>,
    /// Whether its rows are asked for by their number, so that they are to be held.
    pub hold: bool,
    /// Where the table is declared.
    pub span: Span,
}

/// The names that a template sees beside the tables.
pub const RESERVED: &[&str] = &["project", "values", "environment", "row", "loop"];

/// Whether a text can be the name of a table, a column or a component: `[a-z_][a-z0-9_]*`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// What is wrong with a name, and a better one where there is one.
fn name_fault(text: &str) -> Option<(String, Option<String>)> {
    if RESERVED.contains(&text) {
        let hint = format!("call it otherwise, such as `{text}_name`");
        return Some((format!("the name `{text}` is reserved"), Some(hint)));
    }
    if is_name(text) {
        return None;
    }
    if text.starts_with('\u{feff}') {
        let message = format!("{} begins with a second byte order mark", shown(text));
        return Some((message, Some("remove all byte order marks: the file is UTF-8".to_owned())));
    }
    let message = format!("{} is not a name: `a` to `z`, digits and `_`, no digit first", shown(text));
    let better: String = text
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let better = if better.starts_with(|c: char| c.is_ascii_digit()) { format!("_{better}") } else { better };
    Some((message, is_name(&better).then(|| format!("write it `{better}`"))))
}

/// Opens a table: finds its format, its schema and the order of its cells.
pub(super) struct Opening<'a> {
    pub(super) spec: &'a TableSpec,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl Opening<'_> {
    pub(super) fn table(mut self, world: &dyn World, sources: &mut Sources) -> Table {
        if let Some((message, hint)) = name_fault(&self.spec.name) {
            self.report(&code::PROJECT_NAME, message, self.spec.span, "this table", hint);
        }
        let declared = self.declared();
        let opened = self
            .file(world, sources)
            .and_then(|(file, format)| self.columns(sources, file, format, declared.as_deref()));
        let complete = declared.is_some() || opened.is_some();
        let (columns, source) = match opened {
            Some((columns, source)) => (columns, Some(source)),
            None => (declared.unwrap_or_else(|| self.required()), None),
        };
        let key = self.key(&columns, complete);
        let spec = self.spec;
        let lookups = columns.iter().map(|_| None).collect();
        let sound = source.is_some() && key.len() == spec.key.len();
        let schema = Schema { name: spec.name.clone(), columns, key, span: spec.span, complete };
        let hold = self.spec.hold;
        Table {
            schema,
            source,
            len: 0,
            hold,
            held: None,
            keys: None,
            lookups,
            canonical: Vec::new(),
            blocks: Vec::new(),
            sound,
        }
    }

    fn report(
        &mut self,
        code: &'static Code,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
        hint: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::error(code, message).at(span, label);
        diagnostic.hints.extend(hint);
        self.diagnostics.push(diagnostic);
    }

    fn declared(&mut self) -> Option<Vec<Column>> {
        let columns = self.spec.columns.as_ref()?;
        let mut declared = Vec::new();
        for (name, (spec, span)) in columns {
            if let Some((message, hint)) = name_fault(name) {
                self.report(&code::PROJECT_NAME, message, *span, "this column", hint);
            }
            let column = Column::resolve(name, spec, Some(*span), self.diagnostics);
            declared.push(self.constrained(column));
        }
        Some(declared)
    }

    /// The columns that targets require, where nothing else is known.
    fn required(&self) -> Vec<Column> {
        self.spec.required.keys().map(|name| self.inferred(name)).collect()
    }

    /// A column that is not declared: as a target requires it, or text.
    fn inferred(&self, name: &str) -> Column {
        self.constrained(match self.spec.required.get(name) {
            Some((spec, span)) => Column::resolve(name, spec, Some(*span), &mut Diagnostics::default()),
            None => Column::string(name),
        })
    }

    /// A column with the constraints of targets beside its own.
    fn constrained(&self, mut column: Column) -> Column {
        for (name, spec, span) in &self.spec.constraints {
            if *name == column.name && column.span != Some(*span) {
                column.require(Column::resolve(name, spec, Some(*span), &mut Diagnostics::default()));
            }
        }
        column
    }

    fn key(&mut self, columns: &[Column], complete: bool) -> Vec<usize> {
        let mut key = Vec::new();
        for name in &self.spec.key {
            match columns.iter().position(|column| column.name == *name) {
                Some(number) if key.contains(&number) => {
                    let message = format!("the key names the column `{name}` twice");
                    self.report(&code::PROJECT_VALUE, message, self.spec.span, "this table", None);
                }
                Some(number) => key.push(number),
                None if complete => {
                    let message = format!("the key `{name}` is no column of the table `{}`", self.spec.name);
                    self.diagnostics.push(
                        Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message)
                            .at(self.spec.span, "this table")
                            .hint_nearest(name, columns.iter().map(|column| column.name.as_str())),
                    );
                }
                None => {}
            }
        }
        key
    }

    fn file(&mut self, world: &dyn World, sources: &mut Sources) -> Option<(FileId, &'static Format)> {
        let (path, span) = (&self.spec.source, self.spec.source_span);
        let ending = path.extension().unwrap_or_default();
        let Some(format) = FORMATS.iter().find(|format| format.ending.eq_ignore_ascii_case(ending)) else {
            let endings = FORMATS.iter().map(|format| format!(".{}", format.ending));
            let message = format!("`{path}` is not a table by its name");
            let hint = format!("a table's file ends in one of {}", endings.collect::<Vec<_>>().join(" "));
            self.report(&code::PROJECT_VALUE, message, span, "this file", Some(hint));
            return None;
        };
        let loaded = match format.read {
            Read::Divided(_) => sources.load_rows(world, path),
            Read::Whole(_) => sources.load(world, path),
        };
        let file = match loaded {
            Ok(file) => file,
            Err(error) => {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
                    std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
                    std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
                    _ => error.to_string(),
                };
                let message = format!("the table `{}` cannot be read from `{path}`", self.spec.name);
                let mut diagnostic = Diagnostic::error(&code::SOURCE_READ, message).at(span, reason);
                // Not the root: all that is below it may be a lot.
                let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
                if error.kind() == std::io::ErrorKind::NotFound
                    && let Some(folder) = folder
                    && let Ok(files) = world.list(folder)
                {
                    // Another environment has its own file for the table.
                    let free = files.iter().filter(|file| !self.spec.elsewhere.contains(file));
                    let (near, below): (Vec<_>, Vec<_>) =
                        free.map(Utf8PathBuf::as_path).partition(|file| file.parent() == Some(folder));
                    let near = [near, below]
                        .into_iter()
                        .find_map(|files| nearest(path.as_str(), files.into_iter().map(Utf8Path::as_str)));
                    diagnostic.hints.extend(near.map(|near| format!("did you mean `{near}`?")));
                }
                self.diagnostics.push(diagnostic);
                return None;
            }
        };
        self.diagnostics.take(sources.file(file).utf8(file))?;
        Some((file, format))
    }

    /// The columns of a file that was read, and how to read its rows.
    fn columns(
        &mut self,
        sources: &Sources,
        file: FileId,
        format: &'static Format,
        declared: Option<&[Column]>,
    ) -> Option<(Vec<Column>, Source)> {
        let spec = self.spec;
        let mark = "\u{feff}".as_bytes();
        let base = if *sources.file(file).part(0..mark.len()) == *mark { mark.len() } else { 0 };
        let mut source = Source {
            file,
            format,
            base,
            header: false,
            order: Vec::new(),
            width: None,
            rest: false,
            rows: OnceLock::new(),
        };
        let records = match Reading::begin(format, sources.file(file), base, &spec.name) {
            Ok(records) => records,
            Err(flaw) => {
                self.diagnostics.push(flaw_diagnostic(&source, flaw));
                return None;
            }
        };
        let columns = match (spec.header.or(format.header), format.header) {
            (Some(_), None) if spec.header.is_some() => {
                let message = format!("`header` has no meaning for a .{} table", format.ending);
                self.report(&code::PROJECT_VALUE, message, spec.span, "its rows name their cells", None);
                return None;
            }
            (None, _) => match declared {
                Some(declared) => return Some((declared.to_vec(), source)),
                None => return Some((self.named(&source, records), source)),
            },
            (Some(true), _) => {
                source.header = true;
                self.header(&mut source, records, declared)?
            }
            (Some(false), _) => {
                let Some(declared) = declared else {
                    let message =
                        format!("the table `{}` has no header line and no declared columns", spec.name);
                    let hint = format!(
                        "declare them in their order under [tables.{}.columns], or set `header = true`",
                        spec.name
                    );
                    self.report(&code::TABLE_HEADER, message, spec.span, "this table", Some(hint));
                    return None;
                };
                self.not_named(&source, records, declared)?;
                let mut cells = 0..;
                source.order = declared
                    .iter()
                    .map(|column| if column.expr.is_none() { cells.next() } else { None })
                    .collect();
                source.width = Some(cells.start);
                declared.to_vec()
            }
        };
        let last = source.width.and_then(|width| width.checked_sub(1));
        let last = source.order.iter().position(|cell| cell.is_some() && *cell == last);
        let last = last.and_then(|number| columns.get(number));
        source.rest = format.rest
            && matches!(last.map(|column| &column.ty), Some(ColumnType::List { separator: None, .. }));
        Some((columns, source))
    }

    /// Reports a first line that names the columns where rows are expected from the start.
    fn not_named(&mut self, source: &Source, mut records: Reading<'_>, declared: &[Column]) -> Option<()> {
        let Some(Ok(first)) = records.next() else { return Some(()) };
        let names: Vec<&str> = (declared.iter().filter(|column| column.expr.is_none()))
            .map(|column| column.name.as_str())
            .collect();
        let is_named = names.iter().zip(&first.cells).all(|(name, cell)| match &cell.raw {
            Raw::Plain(text) => text == name,
            _ => false,
        });
        if names.is_empty() || names.len() != first.cells.len() || !is_named {
            return Some(());
        }
        let message = format!("the first line of the table `{}` names its columns", self.spec.name);
        let hint = "set `header = true`, or remove the line".to_owned();
        let label = "without `header = true`, this is a row";
        self.report(&code::TABLE_HEADER, message, source.span(&first.range), label, Some(hint));
        None
    }

    /// The columns of a file whose rows name their cells, in the order in which the names come up.
    fn named(&mut self, source: &Source, mut records: Reading<'_>) -> Vec<Column> {
        let mut names: IndexMap<String, (Range<usize>, usize)> = IndexMap::new();
        let mut rows = 0;
        while let Some(record) = records.next() {
            let Ok(record) = record else { continue };
            rows += 1;
            for name in record.names {
                match names.get_mut(&*name.text) {
                    Some((_, count)) => *count += 1,
                    None => {
                        names.insert(name.text.into_owned(), (name.range, 1));
                    }
                }
            }
        }
        // A name in few rows that stands where most have a near one is that one misspelt, and no column.
        let is_known = |name: &String| self.spec.required.contains_key(name) || self.spec.key.contains(name);
        let is_misspelt = |name: &String, count: usize| {
            let common = names.iter().filter(|(_, (_, other))| *other > count && *other + count <= rows);
            !is_known(name) && nearest(name, common.map(|(other, _)| other.as_str())).is_some()
        };
        let all = names.iter().filter(|(name, (_, count))| !is_misspelt(name, *count));
        let names: IndexMap<String, Range<usize>> =
            all.map(|(name, (range, _))| (name.clone(), range.clone())).collect();
        for (name, range) in &names {
            if let Some((message, hint)) = name_fault(name) {
                self.report(&code::TABLE_HEADER, message, source.span(range), "this key", hint);
            }
        }
        let mut all: Vec<String> = names.into_keys().collect();
        for name in self.spec.required.keys().chain(&self.spec.key) {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        all.iter().map(|name| self.inferred(name)).collect()
    }

    /// The columns of a file with a header.
    fn header(
        &mut self,
        source: &mut Source,
        mut records: Reading<'_>,
        declared: Option<&[Column]>,
    ) -> Option<Vec<Column>> {
        let record = match records.next() {
            Some(Ok(record)) => record,
            Some(Err(flaw)) => {
                self.diagnostics.push(flaw_diagnostic(source, flaw));
                return None;
            }
            None => {
                let message = format!("the table `{}` has no header line", self.spec.name);
                let hint = "begin the file with the names of its columns".to_owned();
                self.report(
                    &code::TABLE_HEADER,
                    message,
                    source.span(&(0..0)),
                    "the file is empty",
                    Some(hint),
                );
                return None;
            }
        };
        let names = self.header_names(source, &record)?;
        let columns = match declared {
            Some(declared) => declared.to_vec(),
            None => names.iter().map(|(name, _)| self.inferred(name)).collect(),
        };
        let is_declared = |name: &String| columns.iter().any(|column| column.name == *name);
        if source.format.header == Some(false) && declared.is_some() && !names.keys().any(is_declared) {
            let message =
                format!("the first line of the table `{}` names none of its columns", self.spec.name);
            let hint = "take the `#` from before the names, or leave out `header = true`".to_owned();
            let label = "with `header = true`, this line names the columns";
            self.report(&code::TABLE_HEADER, message, source.span(&record.range), label, Some(hint));
            return None;
        }
        let spec = self.spec;
        let mut fine = true;
        let mut misspelt: Vec<&str> = Vec::new();
        let whole = source.span(&record.range);
        for (name, span) in &names {
            match columns.iter().find(|column| column.name == *name) {
                Some(column) if column.expr.is_some() => {
                    let message =
                        format!("the column `{name}` is derived, so it cannot be in the source too");
                    let mut diagnostic =
                        Diagnostic::error(&code::TABLE_COLUMN, message).at(*span, "this column");
                    if let Some(span) = column.span {
                        diagnostic = diagnostic.at(span, "its `expr` is declared here");
                    }
                    self.diagnostics.push(diagnostic);
                    fine = false;
                }
                Some(_) => {}
                None => {
                    let (diagnostic, meant) =
                        undeclared(&spec.name, name, *span, spec.span, &columns, |name| {
                            names.contains_key(name)
                        });
                    self.diagnostics.push(diagnostic);
                    misspelt.extend(meant);
                    fine = false;
                }
            }
        }
        let needed: Vec<(&str, Span, &str)> = if let Some(declared) = declared {
            let stored = declared.iter().filter(|column| column.expr.is_none());
            let place = |column: &Column| column.span.unwrap_or(spec.span);
            stored.map(|column| (column.name.as_str(), place(column), "it is declared here")).collect()
        } else {
            let required = spec.required.iter();
            required.map(|(name, (_, span))| (name.as_str(), *span, "a target requires it")).collect()
        };
        let missing = needed.iter().filter(|(name, ..)| !names.contains_key(*name));
        for (name, span, label) in missing {
            fine = false;
            // A name that is misspelt is one mistake, not two.
            if misspelt.contains(name) {
                continue;
            }
            let message = format!("the column `{name}` of the table `{}` is missing", spec.name);
            let others = names.keys().map(String::as_str).filter(|name| !spec.required.contains_key(*name));
            self.diagnostics.push(
                Diagnostic::error(&code::TABLE_COLUMN, message)
                    .at(whole, "it is not in this header")
                    .at(*span, *label)
                    .hint_nearest(name, others.filter(|_| declared.is_none())),
            );
        }
        source.width = Some(names.len());
        source.order = columns.iter().map(|column| names.get_index_of(&column.name)).collect();
        // With a header that does not fit, every row would be wrong once more.
        fine.then_some(columns)
    }

    /// The names in a header with their places, or nothing if one of them is none.
    fn header_names(&mut self, source: &Source, record: &Record<'_>) -> Option<IndexMap<String, Span>> {
        let mut names: IndexMap<String, Span> = IndexMap::new();
        let mut fine = true;
        for (number, cell) in record.cells.iter().enumerate() {
            let span = source.span(&cell.range);
            let name = match &cell.raw {
                Raw::Plain(text) | Raw::Text(text) | Raw::Number(text) => &**text,
                _ => "",
            };
            if name.is_empty() {
                let message = format!("column {} has no name in the header", number + 1);
                let hint = "name it, or remove the column and the separator before it".to_owned();
                self.report(&code::TABLE_HEADER, message, span, "a name is missing here", Some(hint));
                fine = false;
            } else if let Some(first) = names.get(name) {
                let message = format!("the column `{name}` is twice in the header");
                self.diagnostics.push(
                    Diagnostic::error(&code::TABLE_HEADER, message)
                        .at(span, "the second one")
                        .at(*first, "the first one"),
                );
                fine = false;
            } else {
                if let Some((message, better)) = name_fault(name) {
                    if name.starts_with(|c: char| c.is_ascii_digit()) {
                        // No name was ever meant: this line is a row.
                        let hint = match source.format.header {
                            Some(false) => {
                                "take the `#` from before the names, or leave out `header = true` and declare the columns"
                            }
                            _ => "begin the file with the names of its columns",
                        };
                        let hint = Some(hint.to_owned());
                        self.report(
                            &code::TABLE_HEADER,
                            message,
                            span,
                            "the first line names the columns",
                            hint,
                        );
                        return None;
                    }
                    let divided = record.cells.len() == 1 && name.contains([';', '\t', ',', '|']);
                    let hint = if divided {
                        Some("cells are divided by `,` in .csv and by a tab in .tsv".to_owned())
                    } else {
                        better
                    };
                    self.report(&code::TABLE_HEADER, message, span, "this column", hint);
                    fine = false;
                }
                names.insert(name.to_owned(), span);
            }
        }
        fine.then_some(names)
    }
}

/// A column that is in the source, but not declared; and the one that is meant, if one with a near name is missing.
pub(super) fn undeclared<'c>(
    table: &str,
    name: &str,
    span: Span,
    declaration: Span,
    columns: &'c [Column],
    is_there: impl Fn(&str) -> bool,
) -> (Diagnostic, Option<&'c str>) {
    let stored = columns.iter().filter(|column| column.expr.is_none()).map(|column| column.name.as_str());
    let meant = nearest(name, stored.clone().filter(|column| !is_there(column)));
    let near = meant.or_else(|| nearest(name, stored));
    let diagnostic =
        Diagnostic::error(&code::TABLE_COLUMN, format!("the table `{table}` has no column {}", shown(name)))
            .at(span, "this column is not declared")
            .at(declaration, "the table is declared here")
            .hint_nearest(name, near);
    (diagnostic, meant)
}

/// The diagnostic of a flaw.
pub(super) fn flaw_diagnostic(source: &Source, flaw: Flaw) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(flaw.code, flaw.message).at(source.span(&flaw.range), flaw.label);
    if let Some((range, label)) = flaw.also.map(|also| *also) {
        diagnostic = diagnostic.at(source.span(&range), label);
    }
    diagnostic.hints.extend(flaw.hint);
    diagnostic
}
