//! The first pass: opens every table, checks every row, ties references to rows, computes derived columns.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use indexmap::map::Entry;

use super::read::{Cell, FORMATS, Flaw, Format, Raw, Record, Records};
use super::spec::ColumnSpec;
use super::value::shown;
use super::{
    Column, ColumnType, Fault, Keys, Schema, Source, Table, Tables, Value, Wrong, cert, graph, identity,
    resolve,
};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, code};
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
    /// The columns that make up the key; none where rows have no key.
    pub key: Vec<String>,
    /// The columns, where they are declared.
    pub columns: Option<IndexMap<String, (ColumnSpec, Span)>>,
    /// The types that targets require, for a table without declared columns.
    pub required: IndexMap<String, ColumnSpec>,
    /// Whether the file begins with a header; nothing for what its format has by itself.
    pub header: Option<bool>,
    /// Where the table is declared.
    pub span: Span,
}

/// Computes a derived column: the tables that are loaded already, the row's table, the number of the column and
/// the row so far.
pub type DeriveFn<'a> = dyn Fn(&Tables, &Schema, usize, &[Value]) -> Result<Value, Diagnostic> + 'a;

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
    let message = format!("{} is not a name: `a` to `z`, digits and `_`, no digit first", shown(text));
    let better: String = text
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let better = if better.starts_with(|c: char| c.is_ascii_digit()) { format!("_{better}") } else { better };
    Some((message, is_name(&better).then(|| format!("write it `{better}`"))))
}

/// How many mistakes of one column are told one by one.
const MOST: usize = 20;

/// Diagnostics of rows: the first ones of each column, and how many more there are.
#[derive(Default)]
struct Findings {
    list: Diagnostics,
    /// How many there are for a group of a table, and the first one that is not told.
    counts: BTreeMap<(String, String), (usize, Option<Diagnostic>)>,
    /// The tables with a mistake.
    unsound: BTreeSet<String>,
}

impl Findings {
    /// Takes a mistake of a group of a table; `what` is how the group is called in the plural.
    fn push(&mut self, table: &str, what: &str, make: impl FnOnce() -> Diagnostic) {
        self.unsound.insert(table.to_owned());
        let (count, rest) = self.counts.entry((table.to_owned(), what.to_owned())).or_default();
        *count += 1;
        if *count <= MOST {
            self.list.push(make());
        } else if rest.is_none() {
            *rest = Some(make());
        }
    }

    fn finish(self) -> Diagnostics {
        let mut list = self.list;
        for ((table, what), (count, rest)) in self.counts {
            let Some(first) = rest else { continue };
            let more = count - MOST;
            let message = format!("{more} more {what} of the table `{table}` are wrong");
            let labels = first.labels.into_iter().take(1);
            let labels =
                labels.map(|label| crate::diagnostic::Label { text: "from here on".to_owned(), ..label });
            list.push(Diagnostic { message, labels: labels.collect(), hints: Vec::new(), ..first });
        }
        list
    }
}

impl Tables {
    /// Reads and checks all tables and reports everything that is wrong with them.
    ///
    /// A table with mistakes is there all the same, with its schema, so that templates can be checked against it.
    pub fn load(
        specs: &[TableSpec],
        world: &dyn World,
        sources: &mut Sources,
        derive: &DeriveFn<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Tables {
        let mut tables = Tables::default();
        for spec in specs {
            let table = Opening { spec, diagnostics }.table(world, sources);
            match tables.map.entry(spec.name.clone()) {
                Entry::Vacant(place) => {
                    place.insert(table);
                }
                Entry::Occupied(first) => {
                    let message = format!("the table `{}` is declared twice", spec.name);
                    diagnostics.push(
                        Diagnostic::error(&code::PROJECT_NAME, message)
                            .at(spec.span, "the second one")
                            .at(first.get().schema.span, "the first one"),
                    );
                }
            }
        }
        check_references(&tables, diagnostics);
        let mut loader =
            Loader { tables, sources, derive, findings: Findings::default(), certificates: BTreeMap::new() };
        loader.run();
        let Loader { tables, findings, certificates, .. } = loader;
        diagnostics.append(findings.finish());
        for (path, spans) in certificates {
            check_certificate(&path, &spans, world, sources, diagnostics);
        }
        tables
    }
}

/// Opens a table: finds its format, its schema and the order of its cells.
struct Opening<'a> {
    spec: &'a TableSpec,
    diagnostics: &'a mut Diagnostics,
}

impl Opening<'_> {
    fn table(mut self, world: &dyn World, sources: &mut Sources) -> Table {
        if let Some((message, hint)) = name_fault(&self.spec.name) {
            self.report(&code::PROJECT_NAME, message, self.spec.span, "this table", hint);
        }
        let declared = self.declared();
        let opened = self.file(world, sources).and_then(|(file, format)| {
            let text = sources.file(file).text().unwrap_or_default();
            let base = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
            self.columns(file, format, base, &text[base..], declared.as_deref())
        });
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
        Table { schema, source, len: 0, held: None, keys: None, lookups, sound }
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
            declared.push(Column::resolve(name, spec, Some(*span), self.diagnostics));
        }
        Some(declared)
    }

    /// The columns that targets require, where nothing else is known.
    fn required(&mut self) -> Vec<Column> {
        let names: Vec<&String> = self.spec.required.keys().collect();
        names.into_iter().map(|name| self.inferred(name)).collect()
    }

    /// A column that is not declared: as a target requires it, or text.
    fn inferred(&mut self, name: &str) -> Column {
        match self.spec.required.get(name) {
            Some(spec) => Column::resolve(name, spec, None, self.diagnostics),
            None => Column::string(name),
        }
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
        let file = match sources.load(world, path) {
            Ok(file) => file,
            Err(error) => {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
                    std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
                    std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
                    _ => error.to_string(),
                };
                let message = format!("the table `{}` cannot be read from `{path}`", self.spec.name);
                self.report(&code::SOURCE_READ, message, span, reason, None);
                return None;
            }
        };
        if let Err(at) = sources.file(file).text() {
            let message = format!("`{path}` is not UTF-8");
            let hint = "convert it, for example with `iconv -f latin1 -t utf-8`".to_owned();
            let place = Span::new(file, at..at + 1);
            self.report(&code::SOURCE_UTF8, message, place, "this byte is part of no character", Some(hint));
            return None;
        }
        Some((file, format))
    }

    /// The columns of a file that was read, and how to read its rows.
    fn columns(
        &mut self,
        file: FileId,
        format: &'static Format,
        base: usize,
        text: &str,
        declared: Option<&[Column]>,
    ) -> Option<(Vec<Column>, Source)> {
        let spec = self.spec;
        let mut source =
            Source { file, format, base, header: false, order: Vec::new(), width: None, rest: false };
        let records = match (format.open)(text, &spec.name) {
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

    /// The columns of a file whose rows name their cells, in the order in which the names come up.
    fn named(&mut self, source: &Source, records: Records<'_>) -> Vec<Column> {
        let mut names: IndexMap<String, Range<usize>> = IndexMap::new();
        for record in records.flatten() {
            for name in record.names {
                if !names.contains_key(&*name.text) {
                    names.insert(name.text.into_owned(), name.range);
                }
            }
        }
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
        mut records: Records<'_>,
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
        let mut fine = true;
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
                    self.diagnostics.push(undeclared(&self.spec.name, name, *span, self.spec.span, &columns));
                    fine = false;
                }
            }
        }
        let required: Vec<(&str, Option<Span>)> = match declared {
            Some(declared) => {
                let stored = declared.iter().filter(|column| column.expr.is_none());
                stored.map(|column| (column.name.as_str(), column.span)).collect()
            }
            None => self.spec.required.keys().map(|name| (name.as_str(), None)).collect(),
        };
        for (name, span) in required {
            if !names.contains_key(name) {
                let message = format!("the column `{name}` of the table `{}` is missing", self.spec.name);
                let diagnostic = Diagnostic::error(&code::TABLE_COLUMN, message)
                    .at(whole, "it is not in this header")
                    .at(span.unwrap_or(self.spec.span), "it is declared here");
                self.diagnostics.push(match span {
                    Some(_) => diagnostic,
                    None => diagnostic.hint("a target requires it"),
                });
                fine = false;
            }
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

/// A column that is in the source, but not declared.
fn undeclared(table: &str, name: &str, span: Span, declaration: Span, columns: &[Column]) -> Diagnostic {
    let stored = columns.iter().filter(|column| column.expr.is_none());
    Diagnostic::error(&code::TABLE_COLUMN, format!("the table `{table}` has no column {}", shown(name)))
        .at(span, "this column is not declared")
        .at(declaration, "the table is declared here")
        .hint_nearest(name, stored.map(|column| column.name.as_str()))
}

fn flaw_diagnostic(source: &Source, flaw: Flaw) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(flaw.code, flaw.message).at(source.span(&flaw.range), flaw.label);
    if let Some((range, label)) = flaw.also {
        diagnostic = diagnostic.at(source.span(&range), label);
    }
    diagnostic.hints.extend(flaw.hint);
    diagnostic
}

/// A table that is referred to is there and has a key of one column.
fn check_references(tables: &Tables, diagnostics: &mut Diagnostics) {
    for table in tables.iter() {
        for column in &table.schema.columns {
            let Some(name) = column.ty.refers_to() else { continue };
            let place = column.span.unwrap_or(table.schema.span);
            match tables.get(name) {
                None => {
                    let message = format!(
                        "the column `{}` refers to the table `{name}`, which does not exist",
                        column.name
                    );
                    let names = tables.iter().map(|table| table.schema.name.as_str());
                    diagnostics.push(
                        Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message)
                            .at(place, "this column")
                            .hint_nearest(name, names),
                    );
                }
                Some(target)
                    if target.schema.key.len() != 1 && (target.sound || !target.schema.key.is_empty()) =>
                {
                    let message = format!(
                        "the column `{}` refers to the table `{name}`, which has no key of one column",
                        column.name
                    );
                    diagnostics.push(
                        Diagnostic::error(&code::PROJECT_VALUE, message)
                            .at(place, "this column")
                            .at(target.schema.span, "give this table a `key`"),
                    );
                }
                Some(_) => {}
            }
        }
    }
}

fn check_certificate(
    path: &Utf8Path,
    spans: &[Span],
    world: &dyn World,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) {
    let fault = match sources.load(world, path) {
        Ok(file) => cert::fault(sources.file(file).bytes()).map(str::to_owned),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("it does not exist".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(fault) = fault {
        for span in spans {
            let message = format!("`{path}` is not a certificate chain: {fault}");
            let label = "this certificate is looked up by its file name in the column's `local` folder";
            diagnostics.push(Diagnostic::error(&code::TABLE_CERT, message).at(*span, label));
        }
    }
}

/// The tables while they are loaded.
struct Loader<'a> {
    tables: Tables,
    sources: &'a Sources,
    derive: &'a DeriveFn<'a>,
    findings: Findings,
    /// The local certificate files with the cells that name them.
    certificates: BTreeMap<Utf8PathBuf, Vec<Span>>,
}

/// What the first pass over a table has to find twice.
struct Seen {
    /// The columns together: the key, or a unique one.
    columns: Vec<usize>,
    rows: HashMap<Box<str>, usize>,
}

impl Seen {
    /// Takes the values of a row, and returns the number of an earlier row that has the same.
    fn insert(&mut self, row: usize, cells: &[Value]) -> Option<usize> {
        let values = || self.columns.iter().map(|number| &cells[*number]);
        if values().any(Value::is_absent) {
            return None;
        }
        match self.rows.entry(identity(values()).into()) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(row);
                None
            }
        }
    }
}

impl Loader<'_> {
    fn table(&self, number: usize) -> &Table {
        &self.tables.map[number]
    }

    /// The tables that a table refers to, by number.
    fn targets(&self, number: usize) -> Vec<usize> {
        let columns = self.table(number).schema.columns.iter();
        columns.filter_map(|column| self.tables.map.get_index_of(column.ty.refers_to()?)).collect()
    }

    fn run(&mut self) {
        let count = self.tables.len();
        let referred: BTreeSet<usize> = (0..count).flat_map(|number| self.targets(number)).collect();
        for members in graph::components(count, |number| self.targets(number)) {
            let circular =
                members.len() > 1 || members.iter().any(|member| self.targets(*member).contains(member));
            let circle: &[usize] = if circular { &members } else { &[] };
            for member in &members {
                let derived = self.table(*member).schema.columns.iter().any(|column| column.expr.is_some());
                self.walk(*member, referred.contains(member) || derived, circle);
            }
            let order = self.tie(circle);
            for member in &members {
                self.settle(*member);
            }
            match order {
                Some(order) => order.into_iter().for_each(|(table, row)| self.derive_row(table, row)),
                None => {
                    for member in &members {
                        (0..self.table(*member).len).for_each(|row| self.derive_row(*member, row));
                    }
                }
            }
            for member in &members {
                self.finish(*member, circle);
            }
        }
    }

    /// Whether a column's values are known only when the rows of its circle are tied or derived.
    fn is_late(&self, column: &Column, circle: &[usize]) -> bool {
        let target = column.ty.refers_to().and_then(|table| self.tables.map.get_index_of(table));
        column.expr.is_some() || target.is_some_and(|target| circle.contains(&target))
    }

    /// The key and the unique columns of a table, the late ones or the others.
    fn seen(&self, number: usize, circle: &[usize], late: bool) -> Vec<Seen> {
        let schema = &self.table(number).schema;
        let unique =
            schema.columns.iter().enumerate().filter(|(at, column)| column.unique && schema.key != [*at]);
        std::iter::once(schema.key.clone())
            .chain(unique.map(|(at, _)| vec![at]))
            .filter(|columns| !columns.is_empty())
            .filter(|columns| columns.iter().any(|at| self.is_late(&schema.columns[*at], circle)) == late)
            .map(|columns| Seen { columns, rows: HashMap::new() })
            .collect()
    }

    /// Reads every row of a table. References into the circle that it is part of stay keys.
    fn walk(&mut self, number: usize, hold: bool, circle: &[usize]) {
        let lookups: Vec<Option<Arc<Keys>>> = self
            .table(number)
            .schema
            .columns
            .iter()
            .map(|column| {
                let target = self.tables.map.get_index_of(column.ty.refers_to()?)?;
                self.table(target).keys.clone()
            })
            .collect();
        self.tables.map[number].lookups = lookups;
        let mut all_seen = self.seen(number, circle, false);
        let mut findings = std::mem::take(&mut self.findings);
        let table = self.table(number);
        let Some(source) = &table.source else {
            self.findings = findings;
            return;
        };
        let schema = &table.schema;
        let mut held = hold.then(Vec::new);
        let mut whole = true;
        let mut len = 0;
        let mut unknown = BTreeSet::new();
        let mut certificates = Vec::new();
        for (row, record) in source.records(&schema.name, self.sources).enumerate() {
            len += 1;
            let absent = || vec![Value::Absent; schema.columns.len()].into_boxed_slice();
            let flaw = match &record {
                Ok(record) => source.width.filter(|width| record.cells.len() != *width).map(|width| {
                    let cells = plural(record.cells.len(), "cell");
                    let message = format!("row {} has {cells} instead of {width}", row + 1);
                    let expected = schema.columns.iter().filter(|column| column.expr.is_none());
                    let names = expected.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
                    Diagnostic::error(&code::TABLE_RAGGED, message)
                        .at(source.span(&record.range), format!("the columns are {}", shown(&names)))
                }),
                Err(flaw) => Some(flaw_diagnostic(source, flaw.clone())),
            };
            let record = match (record, flaw) {
                (Ok(record), None) => record,
                (_, flaw) => {
                    whole = false;
                    if let Some(flaw) = flaw {
                        findings.push(&schema.name, "rows", || flaw);
                    }
                    held.as_mut().map(|held| held.push(absent()));
                    continue;
                }
            };
            if source.width.is_none() {
                check_names(schema, source, &record, &mut unknown, &mut findings);
            }
            let mut wrong = Vec::new();
            let cells = table.read(source, &record, &mut |column, fault, range| {
                whole = false;
                wrong.push(column);
                if let Some(diagnostic) = self.cell_fault(table, source, &record, column, fault, range) {
                    let diagnostic = diagnostic.of_column(&schema.name, &schema.columns[column].name);
                    findings.push(&schema.name, &cells_of(&schema.columns[column]), || diagnostic);
                } else {
                    findings.unsound.insert(schema.name.clone());
                }
            });
            for seen in &mut all_seen {
                let is_key = seen.columns == schema.key;
                if let Some(first) = seen.insert(row, &cells) {
                    findings.push(&schema.name, &what_is_seen(schema, &seen.columns), || {
                        self.twice(table, &seen.columns, &cells, row, first)
                    });
                }
                if is_key {
                    whole &= self.check_key(table, source, &record, &cells, &wrong, &mut findings);
                }
            }
            for (at, column) in schema.columns.iter().enumerate() {
                if let (ColumnType::Cert { local: Some(folder) }, Value::Text(path)) =
                    (&column.ty, &cells[at])
                {
                    let name = Utf8Path::new(path).file_name().unwrap_or_default();
                    let cell = source.cell(&record, at, column);
                    let range = cell.map_or_else(|| record.range.clone(), |cell| cell.range.clone());
                    certificates.push((Utf8Path::new(folder).join(name), source.span(&range)));
                }
            }
            held.as_mut().map(|held| held.push(cells.into_boxed_slice()));
        }
        let keys = self.keys(number, &mut all_seen, whole);
        self.findings = findings;
        for (path, span) in certificates {
            self.certificates.entry(path).or_default().push(span);
        }
        let table = &mut self.tables.map[number];
        table.len = len;
        table.held = held;
        table.keys = keys;
    }

    /// Takes the key's index out of what was seen.
    fn keys(&self, number: usize, all_seen: &mut [Seen], sound: bool) -> Option<Arc<Keys>> {
        let table = self.table(number);
        let schema = &table.schema;
        let seen = all_seen.iter_mut().find(|seen| seen.columns == schema.key)?;
        Some(Arc::new(Keys {
            columns: schema.key.iter().map(|at| schema.columns[*at].clone()).collect(),
            lookups: schema.key.iter().map(|at| table.lookups[*at].clone()).collect(),
            rows: std::mem::take(&mut seen.rows),
            sound,
        }))
    }

    /// Whether a row has its key; a part that is wrong has been reported.
    fn check_key(
        &self,
        table: &Table,
        source: &Source,
        record: &Record<'_>,
        cells: &[Value],
        wrong: &[usize],
        findings: &mut Findings,
    ) -> bool {
        let schema = &table.schema;
        let missing = schema.key.iter().find(|at| cells[**at].is_absent() && !wrong.contains(at));
        if let Some(at) = missing {
            let column = &schema.columns[*at];
            findings.push(&schema.name, &cells_of(column), || {
                let range =
                    source.cell(record, *at, column).map_or(record.range.clone(), |cell| cell.range.clone());
                Diagnostic::error(&code::TABLE_EMPTY, format!("the key `{}` is empty", column.name))
                    .at(source.span(&head(source.text(self.sources), &range)), "every row needs its key")
                    .at(schema.span, "the key is declared here")
            });
        }
        missing.is_none()
    }

    /// The diagnostic of a cell, or nothing where the mistake lies in the table that it refers to.
    fn cell_fault(
        &self,
        table: &Table,
        source: &Source,
        record: &Record<'_>,
        number: usize,
        wrong: Wrong,
        range: Option<Range<usize>>,
    ) -> Option<Diagnostic> {
        let column = &table.schema.columns[number];
        let span = |range: &Range<usize>| source.span(&head(source.text(self.sources), range));
        let place = span(range.as_ref().unwrap_or(&record.range));
        match wrong {
            Wrong::Value(fault) => {
                let label = match range {
                    None => format!("this row has no `{}`", column.name),
                    Some(_) => format!("column `{}` is declared `{}`", column.name, column.ty),
                };
                Some(value_fault(column, fault, place, label))
            }
            Wrong::Key(key) => self.key_fault(column, &key, place),
        }
    }

    /// A cell that names no row, unless rows of that table are missing because they are wrong themselves.
    fn key_fault(&self, column: &Column, key: &str, place: Span) -> Option<Diagnostic> {
        /// Looking for near keys takes time for each key.
        const FEW: usize = 10_000;
        let target = self.tables.get(column.ty.refers_to()?)?;
        let keys = target.keys.as_ref().filter(|keys| keys.sound)?;
        let schema = &target.schema;
        let key_column = &schema.columns[*schema.key.first()?];
        let diagnostic = Diagnostic::error(
            &code::TABLE_REF,
            format!("the table `{}` has no row {}", schema.name, shown(key)),
        )
        .at(place, format!("column `{}` refers to the table `{}`", column.name, schema.name))
        .at(schema.span, format!("its key is `{}`", key_column.name));
        if keys.rows.len() > FEW || key_column.ty.refers_to().is_some() {
            return Some(diagnostic);
        }
        Some(diagnostic.hint_nearest(key, keys.rows.keys().map(|key| &**key)))
    }

    /// Two rows with the same key, or the same value in a unique column.
    fn twice(
        &self,
        table: &Table,
        columns: &[usize],
        cells: &[Value],
        row: usize,
        first: usize,
    ) -> Diagnostic {
        let schema = &table.schema;
        let texts = columns.iter().map(|at| self.tables.text(&schema.columns[*at], &cells[*at]).into_owned());
        let value = shown(&texts.collect::<Vec<_>>().join("/"));
        let message = if columns == schema.key {
            format!("two rows have the key {value}")
        } else {
            format!("two rows have the same `{}`: {value}", schema.columns[columns[0]].name)
        };
        let mut diagnostic = Diagnostic::error(&code::TABLE_UNIQUE, message);
        for (row, label) in [(row, "the second one"), (first, "the first one")] {
            let cell = table.cell_span(self.sources, row, columns[0]);
            if let Some(span) = cell.or_else(|| self.row_head(table, row)) {
                diagnostic = diagnostic.at(span, label);
            }
        }
        diagnostic
    }

    /// The first line of a row.
    fn row_head(&self, table: &Table, row: usize) -> Option<Span> {
        let source = table.source.as_ref()?;
        let range = table.record(source, self.sources, row)?.range;
        Some(source.span(&head(source.text(self.sources), &range)))
    }

    /// Ties the references inside of a circle of tables to rows, and puts the rows into an order in which each
    /// is behind those that it refers to. Rows in a circle are an error.
    fn tie(&mut self, circle: &[usize]) -> Option<Vec<(usize, usize)>> {
        if circle.is_empty() {
            return None;
        }
        for table in circle {
            let columns = self.table(*table).schema.columns.len();
            for column in 0..columns {
                self.tie_column(*table, column, circle);
            }
        }
        // Rows are numbered through the tables of the circle.
        let mut starts = Vec::new();
        let mut count = 0;
        for table in circle {
            starts.push(count);
            count += self.table(*table).held.as_ref().map_or(0, Vec::len);
        }
        let place = |node: usize| {
            let table = starts.partition_point(|start| *start <= node) - 1;
            // Tables without rows begin where the next one does; the last of them is the one with the row.
            (circle[table], node - starts[table])
        };
        let edges = |node: usize| -> Vec<(usize, usize)> {
            let (table, row) = place(node);
            let table = self.table(table);
            let mut edges = Vec::new();
            for (column, value) in table.held(row).unwrap_or_default().iter().enumerate() {
                let Some(target) = table.schema.columns[column].ty.refers_to() else { continue };
                let Some(target) = self.tables.map.get_index_of(target) else { continue };
                let Some(at) = circle.iter().position(|member| *member == target) else { continue };
                let mut add = |value: &Value| {
                    if let Value::Ref(row) = value {
                        edges.push((starts[at] + row, column));
                    }
                };
                match value {
                    Value::List(entries) => entries.iter().for_each(add),
                    value => add(value),
                }
            }
            edges
        };
        let nodes = |node: usize| edges(node).into_iter().map(|(target, _)| target).collect::<Vec<_>>();
        let components = graph::components(count, nodes);
        let mut cycles = Vec::new();
        for component in &components {
            let node = component[0];
            if (component.len() > 1 || nodes(node).contains(&node))
                && let Some(path) = graph::circle(component, nodes)
            {
                cycles.push(self.cycle(&path, place, edges));
            }
        }
        let order = components.into_iter().flatten().map(place).collect();
        for (table, diagnostic) in cycles {
            self.findings.push(&table, "circles of rows", || diagnostic);
        }
        Some(order)
    }

    fn cycle(
        &self,
        path: &[usize],
        place: impl Fn(usize) -> (usize, usize),
        edges: impl Fn(usize) -> Vec<(usize, usize)>,
    ) -> (String, Diagnostic) {
        /// How many steps of a circle are shown.
        const STEPS: usize = 8;
        let label = |node: usize| {
            let (table, row) = place(node);
            let table = self.table(table);
            self.tables.label(table, row, table.held(row).unwrap_or_default())
        };
        let mut steps: Vec<String> =
            path.iter().take(STEPS).map(|node| format!("`{}`", label(*node))).collect();
        if path.len() > STEPS {
            steps.push(format!("… {} more rows", path.len() - STEPS));
        }
        steps.push(format!("`{}`", label(path[0])));
        let message = format!("rows refer to each other in a circle: {}", steps.join(" -> "));
        let mut diagnostic = Diagnostic::error(&code::TABLE_CYCLE, message);
        for (at, node) in path.iter().enumerate().take(STEPS) {
            let next = path[(at + 1) % path.len()];
            let (number, row) = place(*node);
            let table = self.table(number);
            let column =
                edges(*node).into_iter().find(|(target, _)| *target == next).map(|(_, column)| column);
            if let Some(span) = column.and_then(|column| table.cell_span(self.sources, row, column)) {
                diagnostic = diagnostic.at(span, format!("`{}` refers to `{}`", label(*node), label(next)));
            }
        }
        let (table, _) = place(path[0]);
        (self.table(table).schema.name.clone(), diagnostic)
    }

    /// Ties the cells of one column to rows of a table of the circle.
    fn tie_column(&mut self, number: usize, at: usize, circle: &[usize]) {
        let table = &self.tables.map[number];
        let column = &table.schema.columns[at];
        if !self.is_late(column, circle) || column.ty.refers_to().is_none() {
            return;
        }
        let late = if column.expr.is_some() { "derived" } else { "a reference back to it" };
        if column.expr.is_some() || table.schema.key.contains(&at) {
            let message = format!(
                "the column `{}` is {late}, but tables that refer to each other need their keys and references first",
                column.name
            );
            let place = column.span.unwrap_or(table.schema.span);
            self.findings
                .list
                .push(Diagnostic::error(&code::PROJECT_VALUE, message).at(place, "this column"));
            self.findings.unsound.insert(table.schema.name.clone());
            return;
        }
        let (name, column) = (table.schema.name.clone(), column.clone());
        let target = column.ty.refers_to().and_then(|target| self.tables.get(target));
        let Some(keys) = target.and_then(|target| target.keys.clone()) else {
            self.findings.unsound.insert(name);
            return;
        };
        let mut held = self.tables.map[number].held.take().unwrap_or_default();
        let mut faults = Vec::new();
        for (row, cells) in held.iter_mut().enumerate() {
            cells[at] =
                resolve(std::mem::replace(&mut cells[at], Value::Absent), &keys).unwrap_or_else(|key| {
                    faults.push((row, key));
                    Value::Absent
                });
        }
        let table = &mut self.tables.map[number];
        table.held = Some(held);
        table.lookups[at] = Some(keys);
        let table = &self.tables.map[number];
        for (row, key) in faults {
            let mut findings = std::mem::take(&mut self.findings);
            findings.unsound.insert(name.clone());
            let place = || table.cell_span(self.sources, row, at).or_else(|| self.row_head(table, row));
            // The place is looked up only for what is told.
            let told = findings
                .counts
                .get(&(name.clone(), cells_of(&column)))
                .is_none_or(|(count, _)| *count <= MOST);
            let place = if told { place() } else { Some(table.schema.span) };
            if let Some(diagnostic) = place.and_then(|place| self.key_fault(&column, &key, place)) {
                findings.push(&name, &cells_of(&column), || diagnostic);
            }
            self.findings = findings;
        }
    }

    /// Decides whether a table and all that it refers to are without mistakes so far.
    fn settle(&mut self, number: usize) {
        let name = &self.table(number).schema.name;
        let own = !self.findings.unsound.contains(name);
        let targets = self.targets(number).into_iter();
        let sound = own && targets.filter(|target| *target != number).all(|target| self.table(target).sound);
        self.tables.map[number].sound &= sound;
    }

    /// Computes the derived columns of a row, in the order of their declaration.
    fn derive_row(&mut self, number: usize, row: usize) {
        let columns = self.table(number).schema.columns.len();
        for at in 0..columns {
            let table = &self.tables.map[number];
            // What is derived from a wrong row would be one more mistake for the same reason.
            if table.schema.columns[at].expr.is_none() || !table.sound {
                continue;
            }
            let Some(cells) = table.held(row) else { continue };
            let column = &table.schema.columns[at];
            let value = (self.derive)(&self.tables, &table.schema, at, cells);
            let value = value.map_err(Box::new).and_then(|value| {
                let value = match cell(&value).raw {
                    Raw::Empty => column.empty(),
                    _ => column.read_cell(&cell(&value)).map_err(|(fault, _)| fault),
                };
                value.map_err(|fault| {
                    let place = column.span.unwrap_or(table.schema.span);
                    let label = format!("column `{}` is declared `{}`", column.name, column.ty);
                    Box::new(value_fault(column, fault, place, label))
                })
            });
            let value = value.and_then(|value| match &table.lookups[at] {
                None => Ok(value),
                Some(keys) => resolve(value, keys).map_err(|key| {
                    let place = column.span.unwrap_or(table.schema.span);
                    let fault = Fault::new(&code::TABLE_REF, format!("there is no row {}", shown(&key)));
                    let label = format!("column `{}` is declared `{}`", column.name, column.ty);
                    Box::new(value_fault(column, fault, place, label))
                }),
            });
            match value {
                Ok(value) => {
                    if let Some(held) = &mut self.tables.map[number].held {
                        held[row][at] = value;
                    }
                }
                Err(diagnostic) => {
                    let (name, group) = (table.schema.name.clone(), cells_of(column));
                    let mut findings = std::mem::take(&mut self.findings);
                    findings.push(&name, &group, || match self.row_head(table, row) {
                        Some(span) => diagnostic.at(span, "computed for this row"),
                        None => *diagnostic,
                    });
                    self.findings = findings;
                }
            }
        }
    }

    /// Checks the key and the unique columns that were not known while the rows were read.
    fn finish(&mut self, number: usize, circle: &[usize]) {
        let mut all_seen = self.seen(number, circle, true);
        let mut findings = std::mem::take(&mut self.findings);
        let table = self.table(number);
        let schema = &table.schema;
        let mut whole = table.sound;
        if table.sound {
            for row in 0..table.len {
                let cells = table.held(row).unwrap_or_default();
                for seen in &mut all_seen {
                    if let Some(first) = seen.insert(row, cells) {
                        findings.push(&schema.name, &what_is_seen(schema, &seen.columns), || {
                            self.twice(table, &seen.columns, cells, row, first)
                        });
                    }
                    if seen.columns == schema.key
                        && let Some(at) = schema.key.iter().find(|at| cells[**at].is_absent())
                        && !findings.unsound.contains(&schema.name)
                    {
                        whole = false;
                        let message = format!("the key `{}` is empty", schema.columns[*at].name);
                        let place = self.row_head(table, row).unwrap_or(schema.span);
                        findings.push(&schema.name, &cells_of(&schema.columns[*at]), || {
                            Diagnostic::error(&code::TABLE_EMPTY, message)
                                .at(place, "every row needs its key")
                        });
                    }
                }
            }
        }
        let keys = self.keys(number, &mut all_seen, whole);
        let sound = table.sound && !findings.unsound.contains(&schema.name);
        self.findings = findings;
        let table = &mut self.tables.map[number];
        table.sound = sound;
        if let Some(keys) = keys {
            table.keys = Some(keys);
        }
    }
}

/// The keys of a record that names its cells have to be columns; each other one is told once.
fn check_names(
    schema: &Schema,
    source: &Source,
    record: &Record<'_>,
    unknown: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    for (at, name) in record.names.iter().enumerate() {
        let near = schema.columns.get(at).filter(|column| column.name == name.text);
        let column = near.or_else(|| schema.columns.iter().find(|column| column.name == name.text));
        if column.is_some_and(|column| column.expr.is_none()) || !unknown.insert(name.text.to_string()) {
            continue;
        }
        let span = source.span(&name.range);
        findings.push(&schema.name, "columns", || match column {
            Some(column) => {
                let message =
                    format!("the column `{}` is derived, so it cannot be in the source too", column.name);
                Diagnostic::error(&code::TABLE_COLUMN, message)
                    .at(span, "this key")
                    .at(column.span.unwrap_or(schema.span), "its `expr` is declared here")
            }
            None => undeclared(&schema.name, &name.text, span, schema.span, &schema.columns),
        });
    }
}

/// The diagnostic of a value that does not fit its column.
fn value_fault(column: &Column, fault: Fault, place: Span, label: String) -> Diagnostic {
    let is_limit = fault.code == &code::TABLE_CONSTRAINT;
    let mut diagnostic = Diagnostic::error(fault.code, fault.message).at(place, label);
    if let Some(span) = column.span.filter(|span| is_limit && *span != place) {
        diagnostic = diagnostic.at(span, "the constraint is declared here");
    }
    diagnostic.hints.extend(fault.hint);
    diagnostic
}

/// A computed value as a cell of a source would have it.
fn cell(value: &Value) -> Cell<'_> {
    let raw = match value {
        Value::Absent => Raw::Empty,
        Value::Text(text) => Raw::plain(&**text),
        Value::Int(_) | Value::Float(_) => Raw::Number(value.text()),
        Value::Bool(bool) => Raw::Bool(*bool),
        Value::List(entries) => Raw::List(entries.iter().map(cell).collect()),
        // A row is not a text; the column refuses it.
        Value::Ref(_) => Raw::Map,
    };
    Cell { raw, range: 0..0 }
}

/// The part of a range that is on its first line.
fn head(text: &str, range: &Range<usize>) -> Range<usize> {
    let cut = text.get(range.clone()).and_then(|part| part.find(['\r', '\n']));
    cut.map_or(range.clone(), |length| range.start..range.start + length)
}

fn cells_of(column: &Column) -> String {
    format!("cells of the column `{}`", column.name)
}

fn what_is_seen(schema: &Schema, columns: &[usize]) -> String {
    let names = columns.iter().map(|at| schema.columns[*at].name.as_str()).collect::<Vec<_>>().join(", ");
    format!("doubled values of `{names}`")
}

fn plural(count: usize, noun: &str) -> Cow<'static, str> {
    if count == 1 { format!("1 {noun}").into() } else { format!("{count} {noun}s").into() }
}
