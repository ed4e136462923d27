//! The first pass: checks every row of every table, ties references to rows, computes derived columns.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::map::Entry;

use super::blocks::Blocks;
use super::findings::Findings;
use super::open::{Opening, TableSpec, flaw_diagnostic, undeclared};
use super::read::{Cell, Flaw, Raw, Reading, Record};
use super::scan::Scan;
use super::unique::{self, Seen, Values};
use super::value::shown;
use super::{
    Column, Fault, Keys, Schema, Source, Table, Tables, Value, Wrong, cert, graph, identity, resolve,
};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::source::{Sources, Span, World};

/// Computes a derived column: the tables that are loaded already, the row's table, the number of the column and
/// the row so far. An error without a diagnostic is one that is reported elsewhere, once for all rows.
pub type DeriveFn<'a> = dyn Fn(&Tables, &Schema, usize, &[Value]) -> Result<Value, Option<Diagnostic>> + 'a;

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
        for (folder, cells) in certificates {
            check_certificates(&folder, &cells, world, sources, diagnostics);
        }
        tables
    }
}

/// A table that is referred to is there and has a key of one column.
fn check_references(tables: &Tables, diagnostics: &mut Diagnostics) {
    for table in tables.iter() {
        for column in &table.schema.columns {
            // One that names no table is reported already.
            let Some(name) = column.ty.refers_to().filter(|name| !name.is_empty()) else { continue };
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
                        Diagnostic::error(&code::PROJECT_VALUE, message).at(place, "this column").at(
                            target.schema.span,
                            match target.schema.key.len() {
                                0 => "give this table a `key`",
                                _ => "a `ref` needs a `key` of a single column",
                            },
                        ),
                    );
                }
                Some(_) => {}
            }
        }
    }
}

/// Checks the files below one folder that stand for certificates on hosts, each by its path there.
///
/// Of a path, the longest end that names a file counts, and at least as much of it as no other path ends with: no file
/// stands for two certificates.
fn check_certificates(
    folder: &Utf8Path,
    cells: &BTreeMap<String, Vec<Span>>,
    world: &dyn World,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) {
    let listed = world.list(folder);
    let files: BTreeSet<&Utf8Path> = listed.iter().flatten().map(Utf8PathBuf::as_path).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for end in cells.keys().flat_map(|path| ends(path)) {
        *counts.entry(end).or_default() += 1;
    }
    for (path, spans) in cells {
        let certain = |end: &&str| counts.get(end) == Some(&1) || path.trim_start_matches('/') == *end;
        let own: Vec<&str> = ends(path).filter(certain).collect();
        let found = own.iter().map(|end| folder.join(end)).find(|file| files.contains(file.as_path()));
        let file = found.clone().unwrap_or_else(|| folder.join(own.last().unwrap_or(&"")));
        let fault = match (&found, &listed) {
            (Some(file), _) => match sources.load(world, file) {
                Ok(file) => cert::fault(sources.file(file).bytes()).map(str::to_owned),
                Err(error) => Some(error.to_string()),
            },
            (None, Err(error)) => Some(error.to_string()),
            (None, Ok(_)) => Some("it does not exist".to_owned()),
        };
        let Some(fault) = fault else { continue };
        let name = Utf8Path::new(path).file_name().unwrap_or_default();
        let shared = counts.get(name).is_some_and(|count| *count > 1);
        for span in spans {
            let message = format!("`{file}` is not a certificate chain: {fault}");
            let label = "this certificate is looked up in the column's `local` folder by the end of its path";
            let mut diagnostic = Diagnostic::error(&code::TABLE_CERT, message).at(*span, label);
            if found.is_none() && shared {
                let hint = format!("other cells name a `{name}` too: the folders above it tell them apart");
                diagnostic = diagnostic.hint(hint);
            }
            diagnostics.push(diagnostic);
        }
    }
}

/// What a path ends with, in whole parts; the longest first.
fn ends(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[at + 1..]).filter(|end| !end.is_empty())
}

/// The tables while they are loaded.
struct Loader<'a> {
    tables: Tables,
    sources: &'a Sources,
    derive: &'a DeriveFn<'a>,
    findings: Findings,
    /// For each local folder, the certificates that are looked up there, with the cells that name them.
    certificates: BTreeMap<Utf8PathBuf, BTreeMap<String, Vec<Span>>>,
}

/// What the first pass over a table finds.
struct Pass<'p> {
    table: &'p Table,
    source: &'p Source,
    findings: Findings,
    /// How many rows there were.
    len: usize,
    /// Whether every row has its key.
    whole: bool,
    held: Option<Vec<Box<[Value]>>>,
    seen: Vec<Seen>,
    /// The keys of records that are no columns.
    unknown: BTreeSet<String>,
    certificates: Vec<(Utf8PathBuf, String, Span)>,
    canonical: Vec<bool>,
    /// The rows in blocks, if they are wanted.
    blocks: Option<Blocks>,
    /// What to look for in the cell of each column; nothing, if every row has to be read.
    looks: Option<Vec<Look<'p>>>,
    /// The identity of a row, while it is put together.
    identity: String,
}

/// What a cell has to be for its row to need no closer look.
struct Look<'p> {
    column: &'p Column,
    /// The number of the cell.
    cell: usize,
    /// Whether its text is beyond doubt a value, and the only spelling of it, at first sight.
    is_plain: fn(&str) -> bool,
    /// Whether rows are told apart by it: it has to be the one spelling of its value.
    same: bool,
    keys: Option<&'p Keys>,
    may_be_empty: bool,
    is_text: bool,
}

/// How long a chain of references may be: rows hold the rows that they refer to, so a chain is as deep as it is long.
const DEEPEST: usize = 500;

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
                let hold = derived || referred.contains(member) || self.table(*member).hold;
                self.walk(*member, hold, circle);
            }
            let order = self.tie(circle);
            for member in &members {
                self.settle(*member);
            }
            match order {
                Some(order) => order.into_iter().for_each(|(table, row)| self.derive_row(table, row)),
                None => {
                    for member in &members {
                        let rows = self.table(*member).held.as_ref().map_or(0, Vec::len);
                        (0..rows).for_each(|row| self.derive_row(*member, row));
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
    fn seen(&self, number: usize, circle: &[usize], late: bool, held: bool) -> Vec<Seen> {
        let schema = &self.table(number).schema;
        let unique =
            schema.columns.iter().enumerate().filter(|(at, column)| column.unique && schema.key != [*at]);
        std::iter::once(schema.key.clone())
            .chain(unique.map(|(at, _)| vec![at]))
            .filter(|columns| !columns.is_empty())
            .filter(|columns| columns.iter().any(|at| self.is_late(&schema.columns[*at], circle)) == late)
            .map(|columns| Seen::new(columns, held))
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
                // A key of several columns, to which nothing can refer, is reported already.
                self.table(target).keys.clone().filter(|_| self.table(target).schema.key.len() == 1)
            })
            .collect();
        self.tables.map[number].lookups = lookups;
        let findings = std::mem::take(&mut self.findings);
        let table = self.table(number);
        let Some(source) = &table.source else {
            self.findings = findings;
            return;
        };
        let columns = &table.schema.columns;
        let mut pass = Pass {
            table,
            source,
            findings,
            len: 0,
            whole: true,
            held: hold.then(Vec::new),
            seen: self.seen(number, circle, false, hold),
            unknown: BTreeSet::new(),
            certificates: Vec::new(),
            canonical: vec![true; columns.len()],
            blocks: None,
            looks: None,
            identity: String::new(),
        };
        let mut rows = source.records(&table.schema.name, self.sources);
        if source.is_divided() && !hold {
            pass.look();
            pass.blocks = self.sources.file(source.file).is_streamed().then(Blocks::default);
        }
        loop {
            if let Reading::Divided(scan) = &mut rows {
                let Some(fine) = scan.next() else { break };
                if let Some(blocks) = &mut pass.blocks {
                    blocks.add(scan.range().start, scan.row());
                }
                if !(fine && pass.takes(scan)) {
                    self.row(&mut pass, scan.record());
                }
            } else {
                let Some(record) = rows.next() else { break };
                self.row(&mut pass, record);
            }
            pass.len += 1;
        }
        drop(rows);
        let Pass { len, whole, held, mut seen, certificates, canonical, blocks, findings, .. } = pass;
        self.findings = findings;
        let keys = hold.then(|| self.keys(number, &mut seen, whole)).flatten();
        for (folder, path, span) in certificates {
            self.certificates.entry(folder).or_default().entry(path).or_default().push(span);
        }
        let table = &mut self.tables.map[number];
        table.len = len;
        table.held = held;
        table.canonical = canonical;
        table.blocks = blocks.map(Blocks::finish).unwrap_or_default();
        table.keys = keys;
        for mut seen in seen {
            let suspects = seen.suspects();
            if !suspects.is_empty() {
                self.confirm(number, &seen.columns, &suspects);
            }
        }
    }

    /// Reads the rows again whose fingerprint is there twice, and reports those that are the same.
    fn confirm(&mut self, number: usize, columns: &[usize], suspects: &[u64]) {
        let mut findings = std::mem::take(&mut self.findings);
        let table = self.table(number);
        let schema = &table.schema;
        let needed: Vec<bool> = (0..schema.columns.len()).map(|at| columns.contains(&at)).collect();
        let mut walk = table.walk(self.sources, &needed);
        let mut rows = HashMap::new();
        let mut cells = vec![Value::Absent; schema.columns.len()];
        while let Some(row) = walk.next() {
            for at in columns {
                cells[*at] = row.cell(*at).to_value();
            }
            let values = || columns.iter().map(|at| &cells[*at]);
            if values().any(Value::is_absent) {
                continue;
            }
            let identity = identity(values());
            if suspects.binary_search(&unique::fingerprint(&identity)).is_ok()
                && let Some(first) = unique::first(&mut rows, identity, row.number())
            {
                findings.push(&schema.name, &what_is_seen(schema, columns), || {
                    self.twice(table, columns, &cells, row.number(), first)
                });
            }
        }
        drop(walk);
        self.findings = findings;
    }

    /// Looks at a row in every respect.
    fn row(&self, pass: &mut Pass<'_>, record: Result<Record<'_>, Flaw>) {
        let Pass { table, source, findings, whole, held, .. } = pass;
        let (table, source, row) = (*table, *source, pass.len);
        let schema = &table.schema;
        let flaw = match &record {
            Ok(record) => source.width.filter(|width| record.cells.len() != *width).map(|width| {
                let cells = plural(record.cells.len(), "cell");
                let message = format!("row {} has {cells} instead of {width}", row + 1);
                let expected = schema.columns.iter().filter(|column| column.expr.is_none());
                let names = expected.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
                let mut diagnostic = Diagnostic::error(&code::TABLE_RAGGED, message)
                    .at(source.span(&record.range), format!("the columns are {}", shown(&names)));
                let mut cells = record.cells.iter();
                diagnostic.hints.extend(cells.find_map(|cell| quotes(source, self.sources, &cell.range)));
                if !source.format.quotes && record.cells.len() < width {
                    diagnostic = diagnostic.hint(match record.cells.as_slice() {
                        [Cell { raw: Raw::Plain(text), .. }] if text.contains(',') => {
                            "cells are divided by white space in .txt; with `,` between them it is a .csv file"
                        }
                        [Cell { raw: Raw::Plain(text), .. }] if text.contains([';', '|']) => {
                            "cells are divided by white space in .txt"
                        }
                        _ => "write `-` for an empty cell",
                    });
                }
                if source.format.quotes && is_comment(self.sources, source, &record.range) {
                    let hint = format!("a .{} file has no comments; remove the line", source.format.ending);
                    diagnostic = diagnostic.hint(hint);
                }
                diagnostic
            }),
            Err(flaw) => Some(flaw_diagnostic(source, flaw.clone())),
        };
        let record = match (record, flaw) {
            (Ok(record), None) => record,
            (_, flaw) => {
                *whole = false;
                if let Some(flaw) = flaw {
                    findings.push(&schema.name, "rows", || flaw);
                }
                if let Some(held) = held {
                    held.push(vec![Value::Absent; schema.columns.len()].into_boxed_slice());
                }
                return;
            }
        };
        let misspelt = match source.width {
            None => check_names(schema, source, &record, &mut pass.unknown, findings),
            Some(_) => Vec::new(),
        };
        let mut wrong = Vec::new();
        let cells = table.read(source, &record, &mut |column, fault, range| {
            *whole = false;
            wrong.push(column);
            let column = &schema.columns[column];
            if range.is_none() && misspelt.contains(&column.name.as_str()) {
                return;
            }
            if matches!(fault, Wrong::Key(_)) && !self.knows_keys(column) {
                findings.unsound.insert(schema.name.clone());
            } else {
                findings.push(&schema.name, &cells_of(column), || {
                    self.cell_fault(source, &record, column, fault, range.as_ref())
                        .of_column(&schema.name, &column.name)
                });
            }
        });
        for seen in &mut pass.seen {
            let is_key = seen.columns == schema.key;
            if let Some(first) = seen.insert(row, &cells) {
                // One of them is meant to be another row, to which cells may refer.
                *whole &= !is_key;
                findings.push(&schema.name, &what_is_seen(schema, &seen.columns), || {
                    self.twice(table, &seen.columns, &cells, row, first)
                });
            }
            if is_key {
                *whole &= self.check_key(table, source, &record, &cells, &wrong, findings);
            }
        }
        for (at, column) in schema.columns.iter().enumerate() {
            let Some(folder) = column.ty.certificates() else { continue };
            let cell = source.cell(&record, at, column);
            let range = cell.map_or_else(|| record.range.clone(), |cell| cell.range.clone());
            let paths = paths(&cells[at]).map(|path| (folder.into(), path, source.span(&range)));
            pass.certificates.extend(paths);
        }
        match held {
            Some(held) => held.push(cells.into_boxed_slice()),
            None => {
                for ((at, column), canonical) in schema.columns.iter().enumerate().zip(&mut pass.canonical) {
                    *canonical &= match (source.cell(&record, at, column).map(|cell| &cell.raw), &cells[at]) {
                        (Some(Raw::Plain(written)), Value::Text(text)) => **written == **text,
                        (Some(Raw::Plain(_)), _) => false,
                        _ => true,
                    };
                }
            }
        }
    }

    /// Takes the key's index out of what was seen.
    fn keys(&self, number: usize, all_seen: &mut [Seen], sound: bool) -> Option<Arc<Keys>> {
        let table = self.table(number);
        let schema = &table.schema;
        let seen = all_seen.iter_mut().find(|seen| seen.columns == schema.key)?;
        Some(Arc::new(Keys {
            columns: schema.key.iter().map(|at| schema.columns[*at].clone()).collect(),
            lookups: schema.key.iter().map(|at| table.lookups[*at].clone()).collect(),
            rows: match &mut seen.values {
                Values::Rows(rows) => std::mem::take(rows),
                Values::Fingerprints(_) => HashMap::new(),
            },
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
                    .at(source.span(&source.head(self.sources, &range)), "every row needs its key")
                    .at(schema.span, "the key is declared here")
            });
        }
        missing.is_none()
    }

    /// The diagnostic of a cell.
    fn cell_fault(
        &self,
        source: &Source,
        record: &Record<'_>,
        column: &Column,
        wrong: Wrong,
        range: Option<&Range<usize>>,
    ) -> Diagnostic {
        let line = source.head(self.sources, range.unwrap_or(&record.range));
        let place = source.span(&line);
        let quotes = range.and_then(|range| quotes(source, self.sources, range));
        let mut diagnostic = match wrong {
            Wrong::Value(fault) => {
                let label = match range {
                    None => format!("this row has no `{}`", column.name),
                    Some(_) => format!("column `{}` is declared `{}`", column.name, column.ty),
                };
                value_fault(column, fault, place, label)
            }
            Wrong::Key(key) => self.key_fault(column, &key, place),
        };
        diagnostic.hints.extend(quotes);
        diagnostic
    }

    /// Whether all rows of the table that a column refers to have their key. Where one is wrong itself, a
    /// reference to it is not wrong as well.
    fn knows_keys(&self, column: &Column) -> bool {
        let target = column.ty.refers_to().and_then(|target| self.tables.get(target));
        target.and_then(|target| target.keys.as_ref()).is_some_and(|keys| keys.sound)
    }

    /// The diagnostic of a cell that names no row.
    fn key_fault(&self, column: &Column, key: &str, place: Span) -> Diagnostic {
        /// Looking for near keys takes time for each key.
        const FEW: usize = 10_000;
        let target = column.ty.refers_to().unwrap_or_default();
        let message = format!("the table `{target}` has no row {}", shown(key));
        let diagnostic = Diagnostic::error(&code::TABLE_REF, message)
            .at(place, format!("column `{}` refers to the table `{target}`", column.name));
        let Some((schema, keys)) = self.tables.get(target).and_then(|t| Some((&t.schema, t.keys.as_ref()?)))
        else {
            return diagnostic;
        };
        let names =
            keys.columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ");
        let diagnostic = diagnostic.at(schema.span, format!("its key is {names}"));
        let is_text = keys.columns.iter().all(|column| column.ty.refers_to().is_none());
        if keys.rows.len() > FEW || !is_text {
            return diagnostic;
        }
        diagnostic.hint_nearest(key, keys.rows.keys().map(|key| &**key))
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
        let head = |record: &Record<'_>| source.head(self.sources, &record.range);
        source.record(&table.schema.name, self.sources, row, head).map(|head| source.span(&head))
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
        if cycles.is_empty() {
            // What a row refers to comes before it.
            let mut depths = vec![0_usize; count];
            for node in components.iter().flatten() {
                depths[*node] = nodes(*node).into_iter().map(|target| depths[target] + 1).max().unwrap_or(0);
            }
            if let Some(node) = depths.iter().position(|depth| *depth > DEEPEST) {
                cycles.push(self.too_deep(place(node)));
            }
        }
        let order = components.into_iter().flatten().map(place).collect();
        for (table, diagnostic) in cycles {
            self.findings.push(&table, "circles of rows", || diagnostic);
        }
        Some(order)
    }

    fn too_deep(&self, (number, row): (usize, usize)) -> (String, Diagnostic) {
        let table = self.table(number);
        let message = format!("rows refer to rows that refer to rows, more than {DEEPEST} times");
        let diagnostic = Diagnostic::error(&code::TABLE_DEPTH, message);
        let diagnostic = match table.row_span(self.sources, row) {
            Some(span) => diagnostic.at(span, "the chain that begins here is too long"),
            None => diagnostic.at(table.schema.span, "a chain in this table is too long"),
        };
        (table.schema.name.clone(), diagnostic)
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
        table.lookups[at] = Some(Arc::clone(&keys));
        let table = &self.tables.map[number];
        for (row, key) in faults {
            let mut findings = std::mem::take(&mut self.findings);
            if keys.sound {
                findings.push(&name, &cells_of(&column), || {
                    let place = table.cell_span(self.sources, row, at).or_else(|| self.row_head(table, row));
                    self.key_fault(&column, &key, place.unwrap_or(table.schema.span))
                });
            } else {
                findings.unsound.insert(name.clone());
            }
            self.findings = findings;
        }
    }

    /// Decides whether a table and all that it refers to are without mistakes so far.
    fn settle(&mut self, number: usize) {
        let name = &self.table(number).schema.name;
        let own = !self.findings.unsound.contains(name);
        let tied = |(at, column): (usize, &Column)| {
            column.ty.refers_to().is_none() || self.table(number).lookups[at].is_some()
        };
        let own = own && self.table(number).schema.columns.iter().enumerate().all(tied);
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
            let value = match (self.derive)(&self.tables, &table.schema, at, cells) {
                Ok(value) => Ok(value),
                Err(Some(diagnostic)) => Err(Box::new(diagnostic)),
                Err(None) => {
                    self.findings.unsound.insert(table.schema.name.clone());
                    continue;
                }
            };
            let value = value.and_then(|value| {
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
                    if let Some(folder) = column.ty.certificates() {
                        let place = self.row_head(table, row).unwrap_or(table.schema.span);
                        let folder = self.certificates.entry(folder.into()).or_default();
                        for path in paths(&value) {
                            folder.entry(path).or_default().push(place);
                        }
                    }
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
        let mut all_seen = self.seen(number, circle, true, true);
        let mut findings = std::mem::take(&mut self.findings);
        let table = self.table(number);
        let schema = &table.schema;
        let mut whole = table.sound;
        if table.sound {
            for row in 0..table.len {
                let cells = table.held(row).unwrap_or_default();
                for seen in &mut all_seen {
                    if let Some(first) = seen.insert(row, cells) {
                        whole &= seen.columns != schema.key;
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

impl Pass<'_> {
    /// Decides what to look for in cells, so that most rows need no closer look; nothing, if every row has to be read.
    fn look(&mut self) {
        let columns = self.table.schema.columns.iter().enumerate();
        let looks = columns.map(|(at, column)| {
            let is_seen = self.seen.iter().any(|seen| seen.columns.contains(&at));
            let keys = self.table.lookups[at].as_deref();
            // Files are noted, and a row is told apart by the number of the row that it refers to.
            if column.ty.certificates().is_some() || (is_seen && keys.is_some()) {
                return None;
            }
            Some(Look {
                column,
                cell: self.source.order.get(at).copied().flatten()?,
                is_plain: column.plain(),
                same: is_seen,
                keys,
                may_be_empty: !is_seen && keys.is_none() && (column.optional || column.default.is_some()),
                is_text: column.ty.is_text() && keys.is_none(),
            })
        });
        self.looks = looks.collect();
    }

    /// Takes a row, if all of its cells are beyond doubt.
    fn takes(&mut self, scan: &Scan<'_>) -> bool {
        let Self { source, seen, canonical, looks, identity, .. } = self;
        let Some(looks) = looks else { return false };
        let cells = scan.cells();
        if source.width != Some(cells.len()) {
            return false;
        }
        for (look, canonical) in looks.iter().zip(canonical) {
            let text = cells.get(look.cell);
            if text.is_empty() && look.may_be_empty {
                continue;
            }
            let is_canonical = (look.is_plain)(text) || look.column.is_canonical(text);
            if is_canonical && look.keys.is_none_or(|keys| keys.find(text).is_some()) {
                *canonical &= look.is_text;
                continue;
            }
            if text.is_empty() || look.same || look.keys.is_some() {
                return false;
            }
            match look.column.parse(text) {
                Ok(Value::Text(value)) => *canonical &= *value == *text,
                Ok(_) => *canonical = false,
                Err(_) => return false,
            }
        }
        for seen in seen {
            let Values::Fingerprints(fingerprints) = &mut seen.values else { return false };
            let text = |at: usize| source.order[at].map_or("", |cell| cells.get(cell));
            fingerprints.push(if let [at] = seen.columns[..] {
                unique::fingerprint(text(at))
            } else {
                identity.clear();
                for (number, at) in seen.columns.iter().enumerate() {
                    if number > 0 {
                        identity.push('\0');
                    }
                    identity.push_str(text(*at));
                }
                unique::fingerprint(identity)
            });
        }
        true
    }
}

/// The keys of a record that names its cells have to be columns; each other one is told once. Returns the columns
/// that are there under a misspelt name.
fn check_names<'c>(
    schema: &'c Schema,
    source: &Source,
    record: &Record<'_>,
    unknown: &mut BTreeSet<String>,
    findings: &mut Findings,
) -> Vec<&'c str> {
    let mut misspelt = Vec::new();
    for (at, name) in record.names.iter().enumerate() {
        let near = schema.columns.get(at).filter(|column| column.name == name.text);
        let column = near.or_else(|| schema.columns.iter().find(|column| column.name == name.text));
        if column.is_some_and(|column| column.expr.is_none()) {
            continue;
        }
        let span = source.span(&name.range);
        let diagnostic = if let Some(column) = column {
            let message =
                format!("the column `{}` is derived, so it cannot be in the source too", column.name);
            Diagnostic::error(&code::TABLE_COLUMN, message)
                .at(span, "this key")
                .at(column.span.unwrap_or(schema.span), "its `expr` is declared here")
        } else {
            let is_there = |column: &str| record.names.iter().any(|name| name.text == column);
            let (diagnostic, meant) =
                undeclared(&schema.name, &name.text, span, schema.span, &schema.columns, is_there);
            misspelt.extend(meant);
            diagnostic
        };
        if unknown.insert(name.text.to_string()) {
            findings.push(&schema.name, "columns", || diagnostic);
        }
    }
    misspelt
}

/// The diagnostic of a value that does not fit its column.
fn value_fault(column: &Column, fault: Fault, place: Span, label: String) -> Diagnostic {
    let is_limit = fault.code == &code::TABLE_CONSTRAINT;
    let mut diagnostic = Diagnostic::error(fault.code, fault.message).at(place, label);
    if let Some(span) = fault.required {
        diagnostic = diagnostic.at(span, "the constraint is required here");
    } else if let Some(span) = column.span.filter(|span| is_limit && *span != place) {
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

/// What to know of a cell that begins with a quote where quotes are as other characters are.
fn quotes(source: &Source, sources: &Sources, range: &Range<usize>) -> Option<String> {
    let span = source.span(range);
    let first = sources.file(span.file).part(span.start..span.end.min(span.start + 1));
    let quoted = !source.format.quotes && matches!(&*first, b"\"" | b"'");
    quoted.then(|| {
        let ending = source.format.ending;
        format!("quotes are part of a cell in .{ending}; leave them out, or write the table as .csv")
    })
}

/// Whether a row begins as a comment does in other formats.
fn is_comment(sources: &Sources, source: &Source, range: &std::ops::Range<usize>) -> bool {
    let span = source.span(range);
    *sources.file(span.file).part(span.start..span.end.min(span.start + 1)) == *b"#"
}

/// The paths of the certificates in a value.
fn paths(value: &Value) -> impl Iterator<Item = String> + '_ {
    let paths = match value {
        Value::List(entries) => entries.as_slice(),
        value => std::slice::from_ref(value),
    };
    paths.iter().filter(|path| !path.is_absent()).map(|path| path.text().into_owned())
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
