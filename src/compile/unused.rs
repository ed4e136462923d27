//! What a project declares and nothing uses: columns, values, names of tables, and rows that reach no artifact.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use indexmap::{IndexMap, IndexSet};

use super::{Compilation, Environment, RenderFailure};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::document::Located;
use crate::origin::{Cause, Piece};
use crate::project::{Instance, Project};
use crate::source::{FileId, Sources, Span};
use crate::table::{Table, Value};
use crate::target::Target;
use crate::template::check::{CellColumn, Checked};

impl Compilation {
    /// Warnings of declared columns that nothing uses, whatever the environment; of a part of a project, nothing is
    /// known.
    pub fn unused_columns(&self) -> Vec<Diagnostic> {
        if self.environments.len() < self.project.environments.len() {
            return Vec::new();
        }
        let texts = expressions(&self.project, &self.targets);
        let named = words(texts.iter());
        let mut told = BTreeSet::new();
        let mut warnings = Vec::new();
        for table in self.environments.iter().flat_map(|environment| environment.tables.iter()) {
            let schema = table.schema();
            for (number, column) in schema.columns.iter().enumerate() {
                let cell = CellColumn { table: schema.name.clone(), column: column.name.clone() };
                let used = schema.key.contains(&number)
                    || self.used.contains(&cell)
                    || named.contains(column.name.as_str());
                let Some(span) = column.span.filter(|span| !used && told.insert(*span)) else { continue };
                let message = format!("nothing uses the column `{}` of table `{}`", column.name, schema.name);
                warnings.push(
                    Diagnostic::warning(&code::TABLE_UNUSED, message)
                        .at(span, "no template, rule, path or derived column names it"),
                );
            }
        }
        warnings
    }

    /// Warnings of values, and of an instance's own names for tables, that nothing uses; of a part of a project,
    /// nothing is known.
    pub(super) fn unused_names(&self) -> Vec<Diagnostic> {
        let texts = expressions(&self.project, &self.targets);
        let named = words(texts.iter().filter(|text| text.contains("values")));
        let mut warnings = Diagnostics::default();
        for environment in &self.environments {
            let declared = self.project.environments.iter().find(|known| known.name == environment.name);
            let Some(declared) = declared else { continue };
            let mut all = BTreeSet::new();
            for producer in &environment.producers {
                let instance = declared.targets.get(&producer.name);
                let target = instance.and_then(|instance| self.targets.get(&instance.target.value));
                let required = target.and_then(|target| target.values.as_ref()).into_iter().flatten();
                let checked = &producer.templates.checked;
                let mut used: BTreeSet<&str> = required.map(|(name, _)| name.as_str()).collect();
                used.extend(checked.values.iter().map(String::as_str));
                if let (Some(instance), Some(target)) = (instance, target) {
                    let is_own = |name: &str, value: &Located<toml::Value>| {
                        declared.values.get(name).is_none_or(|of_all| of_all.span != value.span)
                    };
                    let own = instance.values.iter().filter(|(name, value)| is_own(name, value));
                    for (name, value) in own.filter(|(name, _)| !used.contains(name.as_str())) {
                        if !named.contains(name.as_str()) {
                            let message =
                                format!("nothing in target `{}` uses the value `{name}`", target.name);
                            warnings.push(
                                Diagnostic::warning(&code::PROJECT_UNUSED, message)
                                    .at(value.span, "set for this instance")
                                    .hint_nearest(name, used.iter().copied()),
                            );
                        }
                    }
                    warnings.extend(unused_tables(instance, target, checked));
                }
                all.extend(used);
            }
            for (name, value) in &declared.values {
                if !all.contains(name.as_str()) && !named.contains(name.as_str()) {
                    let message = format!("nothing uses the value `{name}`");
                    warnings.push(
                        Diagnostic::warning(&code::PROJECT_UNUSED, message)
                            .at(value.span, "no template, rule, path or derived column names it")
                            .hint_nearest(name, all.iter().copied()),
                    );
                }
            }
        }
        // What environments have in common is said once.
        warnings.into_iter().collect::<IndexSet<_>>().into_iter().collect()
    }
}

/// Rows are looked for in tables of no more rows than this, and by no more artifacts: tracing takes time and memory.
const MOST: usize = 10_000;

/// So many rows are shown of one table.
const SHOWN: usize = 5;

impl Compilation {
    /// Warnings of rows that reach no artifact of any environment; of a part of a project, nothing is known.
    ///
    /// A row reaches an artifact where a table is used whole, where something is made for the row, is printed of it or
    /// within a loop that is at it, and where another row refers to it. Of what cannot be known nothing is said.
    pub fn unused_rows(
        &self,
        sources: &Sources,
        allowed: &mut BTreeSet<usize>,
    ) -> Result<Vec<Diagnostic>, Diagnostic> {
        if self.environments.len() < self.project.environments.len() {
            return Ok(Vec::new());
        }
        let texts = expressions(&self.project, &self.targets);
        let named = words(texts.iter());
        // Environments may share a file: what one of them uses is used.
        let mut used_files: HashSet<FileId> = HashSet::new();
        let mut used: HashSet<Span> = HashSet::new();
        let mut candidates = Vec::new();
        for environment in &self.environments {
            let looked_at: Vec<&Table> =
                environment.tables.iter().filter(|table| !table.is_empty()).collect();
            let (whole, looked_at): (Vec<_>, Vec<_>) = looked_at.into_iter().partition(|table| {
                table.len() > MOST || environment.uses_whole(&table.schema().name, &named)
            });
            used_files.extend(whole.into_iter().filter_map(Table::file));
            if looked_at.is_empty() {
                continue;
            }
            let reached = environment.reached_rows(&looked_at, sources).map_err(Diagnostic::from)?;
            for table in looked_at {
                let Some(file) = table.file() else { continue };
                let Some(rows) = reached.get(table.schema().name.as_str()) else {
                    used_files.insert(file);
                    continue;
                };
                used.extend(rows.iter().filter_map(|row| table.row_span(sources, *row)));
                candidates.push((environment, table, file, rows.clone()));
            }
        }
        let mut warnings = IndexSet::new();
        for (environment, table, file, rows) in candidates {
            if used_files.contains(&file) {
                continue;
            }
            let exceptions = self.exceptions(table, sources);
            let mut unused = Vec::new();
            for row in table.rows(sources).filter(|row| !rows.contains(&row.number)) {
                let Some(span) = table.row_span(sources, row.number) else { continue };
                if used.contains(&span) {
                    continue;
                }
                let exception = exceptions.iter().find(|(_, of)| of.is_none_or(|of| of == row.number));
                match exception {
                    Some((number, _)) => {
                        allowed.insert(*number);
                    }
                    None => unused.push((span, environment.tables.label(table, row.number, &row.cells))),
                }
            }
            warnings.extend(of_rows(table, &unused));
        }
        Ok(warnings.into_iter().collect())
    }

    /// The exceptions that may be for rows of a table, each with its row if it is for one.
    fn exceptions(&self, table: &Table, sources: &Sources) -> Vec<(usize, Option<usize>)> {
        let ours = self.project.allows.iter().enumerate();
        let ours = ours.filter(|(_, allow)| allow.rule.value == code::TABLE_UNUSED_ROW.id);
        ours.filter_map(|(number, allow)| match &allow.row {
            None => Some((number, None)),
            Some(row) if row.value.table == table.schema().name => {
                Some((number, Some(table.find(sources, &row.value.key)?)))
            }
            Some(_) => None,
        })
        .collect()
    }
}

/// The warning of rows of a table that reach nothing, if there are any.
fn of_rows(table: &Table, unused: &[(Span, String)]) -> Option<Diagnostic> {
    let name = &table.schema().name;
    let (_, first) = unused.first()?;
    let message = match unused.len() {
        1 => format!("the row `{first}` of table `{name}` reaches no artifact"),
        count => format!("{count} rows of table `{name}` reach no artifact"),
    };
    let mut warning = Diagnostic::warning(&code::TABLE_UNUSED_ROW, message);
    for (span, label) in unused.iter().take(SHOWN) {
        warning = warning.at(*span, format!("nothing is made of `{label}`, and no row refers to it"));
    }
    let more = unused.len().saturating_sub(SHOWN);
    if more > 0 {
        warning = warning.hint(format!("and of {more} more"));
    }
    Some(warning)
}

impl Environment {
    /// Whether every row of a table matters to what is made here, or to what else names it.
    fn uses_whole(&self, table: &str, named: &BTreeSet<&str>) -> bool {
        self.producers.iter().any(|producer| {
            let views = &producer.globals.views;
            let mut names = producer.tables.iter().filter(|(_, theirs)| *theirs == table);
            let each = |name: &str| {
                let mut all = producer.artifacts.iter().filter_map(|artifact| artifact.each.as_ref());
                all.any(|each| each.value == name)
            };
            producer.templates.checked.whole.iter().any(|view| views[view.0].table == table)
                || names.any(|(name, _)| each(name) || named.contains(name.as_str()))
        }) || named.contains(table)
    }

    /// For each of these tables the rows that something is made of, or that other rows refer to; a table of which that
    /// cannot be known is left out.
    fn reached_rows<'t>(
        &'t self,
        looked_at: &[&'t Table],
        sources: &Sources,
    ) -> Result<BTreeMap<&'t str, BTreeSet<usize>>, RenderFailure> {
        let mut reached: BTreeMap<&str, BTreeSet<usize>> =
            looked_at.iter().map(|table| (table.schema().name.as_str(), BTreeSet::new())).collect();
        for table in self.tables.iter() {
            let columns = table.schema().columns.iter().enumerate();
            let refers = |of: &str| reached.contains_key(of);
            let refers: Vec<(usize, &str)> = columns
                .filter_map(|(number, column)| Some((number, column.ty.refers_to().filter(|of| refers(of))?)))
                .collect();
            if refers.is_empty() {
                continue;
            }
            if table.len() > MOST {
                reached.retain(|table, _| !refers.iter().any(|(_, of)| of == table));
                continue;
            }
            for row in table.rows(sources) {
                for (number, of) in &refers {
                    if let Some(rows) = reached.get_mut(of) {
                        note(&row.cells[*number], rows);
                    }
                }
            }
        }
        for (number, producer) in self.producers.iter().enumerate() {
            let walked = producer.templates.checked.tables.iter();
            let walked: BTreeSet<&str> =
                walked.map(|view| producer.globals.views[view.0].table.as_str()).collect();
            if !walked.iter().any(|table| reached.contains_key(table)) {
                continue;
            }
            let artifacts: Vec<_> =
                self.artifacts.iter().filter(|planned| planned.producer == number).collect();
            let is_long = |table: &&str| self.tables.get(table).is_some_and(|table| table.len() > MOST);
            let mut is_known = artifacts.len() <= MOST && !walked.iter().any(is_long);
            for planned in artifacts {
                if !is_known {
                    break;
                }
                let excerpt = self.trace(planned, sources, 1..usize::MAX)?;
                is_known = excerpt.pieces.iter().all(|piece| piece.cause != Cause::Unknown);
                for row in excerpt.pieces.iter().flat_map(Piece::rows) {
                    if let Some(rows) = reached.get_mut(&*row.table) {
                        rows.insert(row.number);
                    }
                }
            }
            if !is_known {
                reached.retain(|table, _| !walked.contains(table));
            }
        }
        Ok(reached)
    }
}

/// Notes the rows that a cell refers to.
fn note(cell: &Value, rows: &mut BTreeSet<usize>) {
    match cell {
        Value::Ref(number) => drop(rows.insert(*number)),
        Value::List(entries) => entries.iter().for_each(|entry| note(entry, rows)),
        _ => {}
    }
}

/// Warnings of an instance's names for tables that a target that may use all tables does not use.
fn unused_tables(instance: &Instance, target: &Target, checked: &Checked) -> Vec<Diagnostic> {
    if target.tables.is_some() {
        return Vec::new();
    }
    let paths = words(target.artifacts.iter().map(|artifact| &artifact.path.value));
    let walked = target.artifacts.iter().filter_map(|artifact| artifact.each.as_ref());
    let mut used: BTreeSet<&str> = walked.map(|each| each.value.as_str()).collect();
    used.extend(checked.named.iter().map(String::as_str));
    let unused = instance.tables.iter().filter(|(name, _)| !used.contains(name.as_str()));
    unused
        .filter(|(name, _)| !paths.contains(name.as_str()))
        .map(|(name, mapped)| {
            let message = format!("nothing in target `{}` uses a table `{name}`", target.name);
            Diagnostic::warning(&code::PROJECT_UNKNOWN_NAME, message)
                .at(mapped.name_span, "the target's name for a table")
                .hint_nearest(name, used.iter().copied())
        })
        .collect()
}

/// The names in texts, whatever they are names of.
fn words<'t>(texts: impl Iterator<Item = &'t String>) -> BTreeSet<&'t str> {
    texts.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).collect()
}

/// The expressions of the project outside of templates: of rules, paths and derived columns.
fn expressions(project: &Project, targets: &IndexMap<String, Target>) -> Vec<String> {
    let asserts = project.rules.iter().map(|rule| rule.assert.value.as_str());
    let messages =
        project.rules.iter().filter_map(|rule| rule.message.as_ref()).map(|text| text.value.as_str());
    let paths = targets.values().flat_map(|target| &target.artifacts).chain(&project.artifacts);
    let paths = paths.map(|artifact| artifact.path.value.as_str());
    // The rest of a path is text, in which the name of a table says nothing.
    let tags = paths.flat_map(|path| path.split('{').skip(1));
    let tags = tags.map(|tag| tag.split('}').next().unwrap_or_default());
    let mut texts: Vec<String> = asserts.chain(messages).chain(tags).map(str::to_owned).collect();
    for environment in &project.environments {
        let columns = environment.tables.values().flat_map(|table| table.columns.iter().flatten());
        texts.extend(columns.filter_map(|(_, spec)| spec.value.fields().expr));
    }
    texts
}
