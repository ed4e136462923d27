//! The plan: which artifact comes from which template and row, sorted by path, no two on one path, all inside the
//! golden tree.

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::compile::Producer;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::format::{self, Format};
use crate::golden::{PlannedArtifact, prefixes};
use crate::manifest;
use crate::source::{Sources, Span};
use crate::table::{Table, Tables};
use crate::target::Artifact;
use crate::template::check::{self, Entrance};
use crate::template::engine::Failure;
use crate::template::library::{Template, Unparsed};
use crate::template::ready::{Failed, Ready, Renderer, Setting};
use crate::template::segment::Facts;
use crate::template::syntax::{Delimiters, NodeKind};
use crate::template::types::ViewId;
use crate::template::{Library, Origin};

mod skipped;

/// One artifact of the plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its path, relative to its golden tree.
    pub path: Arc<Utf8Path>,
    /// Its permission bits.
    pub mode: u32,
    /// Its language.
    pub format: &'static Format,
    /// The instance of a target that makes it; empty for the project's own.
    pub target: Arc<str>,
    /// The template's name.
    pub template: Arc<str>,
    /// The template's path, relative to the project's root.
    pub(crate) source: Arc<str>,
    /// The row that it is made for.
    pub row: Option<PlannedRow>,
    /// The table of its row, as the target calls it.
    pub(crate) each: Option<Arc<str>>,
    /// Where it is declared.
    pub span: Span,
    pub(crate) producer: usize,
}

impl Planned {
    /// What the golden tree knows of it.
    pub fn artifact(&self) -> PlannedArtifact {
        PlannedArtifact {
            path: Arc::clone(&self.path),
            mode: self.mode,
            target: Arc::clone(&self.target),
            template: Arc::clone(&self.source),
        }
    }
}

/// The row of an `each` artifact.
#[derive(Debug, Clone)]
pub struct PlannedRow {
    /// The table, as the project calls it.
    pub table: Arc<str>,
    /// The row's number, from 0.
    pub number: usize,
}

/// Plans the artifacts of all producers.
pub(crate) fn plan(
    producers: &[Producer],
    facts: &Facts<'_>,
    renderer: Renderer,
    diagnostics: &mut Diagnostics,
) -> Vec<Planned> {
    let Facts { tables, sources, .. } = *facts;
    let mut planned = Vec::new();
    for (number, producer) in producers.iter().enumerate() {
        let Some(paths) = Paths::prepare(producer, facts, renderer, diagnostics) else { continue };
        let target: Arc<str> = producer.name.as_str().into();
        for (at, artifact) in producer.artifacts.iter().enumerate() {
            let template: Arc<str> = artifact.template.value.as_str().into();
            let source: Arc<str> = producer.folder.join(&*template).as_str().into();
            let each: Option<Arc<str>> = artifact.each.as_ref().map(|each| each.value.as_str().into());
            let mut add = |row: Option<PlannedRow>| {
                let path = match paths.render(at, artifact, row.as_ref(), facts) {
                    Ok(path) => path,
                    Err(diagnostic) => {
                        return diagnostics.push(point_at_row(diagnostic, row.as_ref(), tables, sources));
                    }
                };
                let path = producer.root.join(path);
                if let Err(why) = manifest::check_path(&path) {
                    let diagnostic = Diagnostic::error(
                        &code::PLAN_PATH,
                        format!("`{path}` cannot be an artifact's path: {why}"),
                    )
                    .at(artifact.path.span, "the path");
                    let diagnostic = match path.strip_prefix("/") {
                        Ok(inside) => {
                            diagnostic.hint(format!("it lies in the golden tree: write `{inside}`"))
                        }
                        Err(_) => diagnostic,
                    };
                    return diagnostics.push(point_at_row(diagnostic, row.as_ref(), tables, sources));
                }
                if let Some((why, hint)) = skipped::skipped(&path) {
                    let message = format!("nobody would read `{path}`: {why}");
                    let diagnostic = Diagnostic::error(&code::PLAN_SKIPPED, message)
                        .at(artifact.path.span, "the path")
                        .hint(hint);
                    diagnostics.push(point_at_row(diagnostic, row.as_ref(), tables, sources));
                }
                planned.push(Planned {
                    path: path.into(),
                    mode: artifact.mode,
                    format: artifact.format,
                    target: Arc::clone(&target),
                    template: Arc::clone(&template),
                    source: Arc::clone(&source),
                    row,
                    each: each.clone(),
                    span: artifact.path.span,
                    producer: number,
                });
            };
            let Some(each) = &artifact.each else {
                add(None);
                continue;
            };
            let Some(table) = producer.tables.get(&each.value) else { continue };
            let table: Arc<str> = table.as_str().into();
            for number in 0..tables.get(&table).map_or(0, Table::len) {
                add(Some(PlannedRow { table: Arc::clone(&table), number }));
            }
        }
    }
    planned.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    report_collisions(&planned, facts.tables, facts.sources, diagnostics);
    planned
}

/// Whether the path of an artifact is what stands there: it has no tag, nor a character that templates refuse.
fn is_literal(artifact: &Artifact) -> bool {
    artifact.path.value.is_ascii() && !artifact.path.value.contains('{')
}

/// Reports an expression between single braces, which would be a part of the path's name.
fn lone_braces(template: &Template) -> impl Iterator<Item = Diagnostic> {
    template.tree.nodes.iter().filter_map(|node| {
        let NodeKind::Text { trimmed } = &node.kind else { return None };
        let text = &template.tree.source()[trimmed.clone()];
        let start = text.find('{')?;
        let end = text[start..].find('}').map_or(text.len(), |at| start + at + 1);
        let inside = text[start..end].trim_matches(['{', '}', ' ']);
        let span = template.span(trimmed.start + start..trimmed.start + end);
        let message = format!("`{}` would be a part of the path as it is", &text[start..end]);
        Some(
            Diagnostic::error(&code::PLAN_PATH, message)
                .at(span, "no expression")
                .hint(format!("write `{{{{ {inside} }}}}`")),
        )
    })
}

/// The templates of the paths of one producer.
struct Paths<'p> {
    producer: &'p Producer,
    templates: Ready,
}

impl<'p> Paths<'p> {
    /// Reads and checks the paths that are no literals; each template is named by its artifact's number.
    fn prepare(
        producer: &'p Producer,
        facts: &Facts<'_>,
        renderer: Renderer,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let templates = producer.artifacts.iter().enumerate().filter(|(_, artifact)| !is_literal(artifact));
        let unparsed = templates.map(|(at, artifact)| Unparsed {
            name: at.to_string(),
            origin: Origin::Toml { value: artifact.path.span, prefix: 0 },
            text: artifact.path.value.clone(),
            delimiters: Delimiters::Curly,
        });
        let mut found = Diagnostics::default();
        let library = Library::build(unparsed.collect(), facts.sources, &mut found);
        let entrances = producer.artifacts.iter().enumerate().filter_map(|(at, artifact)| {
            let template = library.find(&at.to_string())?;
            Some(Entrance { template, row: view_of(producer, artifact), strict: true })
        });
        let entrances: Vec<Entrance> = entrances.collect();
        for template in &library.templates {
            found.extend(lone_braces(template));
        }
        let checked = check::check(&library, &producer.globals, &entrances, &mut found);
        let sound = !found.has_errors();
        diagnostics.append(found);
        let known = (&producer.globals, facts.tables, &producer.context);
        sound.then(|| Self {
            producer,
            templates: Ready::new(library, checked, Delimiters::Curly, &entrances, renderer, known),
        })
    }

    /// The path of an artifact, which is that of a number, for a row.
    fn render(
        &self,
        number: usize,
        artifact: &Artifact,
        row: Option<&PlannedRow>,
        facts: &Facts<'_>,
    ) -> Result<Utf8PathBuf, Diagnostic> {
        let Some(template) = self.templates.library.find(&number.to_string()) else {
            return Ok(artifact.path.value.as_str().into());
        };
        let Facts { tables, sources, lists } = *facts;
        let setting = Setting {
            blocks: None,
            facts: *facts,
            row: row.and_then(|row| tables.get(&row.table)?.passing(row.number)),
            context: &|| {
                let mut context = self.producer.context.clone();
                for (name, table) in &self.producer.tables {
                    context.insert_value(name.clone(), lists.get(table, tables, sources));
                }
                if let Some(row) = row {
                    context.insert_value("row", lists.row(&row.table, row.number, tables, sources));
                }
                context
            },
        };
        let mut bytes = Vec::new();
        let view = view_of(self.producer, artifact);
        match self.templates.render((template, view), format::PATH, setting, &mut bytes) {
            Ok(()) => {}
            Err(Failed { failure: Failure::Diagnostic { diagnostic, .. }, .. }) => return Err(*diagnostic),
            Err(Failed { failure: Failure::Sink(error), .. }) => {
                return Err(Diagnostic::error(&code::PLAN_PATH, error.to_string()).at(artifact.path.span, ""));
            }
        }
        String::from_utf8(bytes).map(Utf8PathBuf::from).map_err(|_| {
            Diagnostic::error(&code::PLAN_PATH, "the path is not UTF-8").at(artifact.path.span, "the path")
        })
    }
}

/// The view of the row that an artifact is bound to.
fn view_of(producer: &Producer, artifact: &Artifact) -> Option<ViewId> {
    artifact.each.as_ref().and_then(|each| producer.globals.tables.get(&each.value).copied())
}

pub(crate) fn point_at_row(
    diagnostic: Diagnostic,
    row: Option<&PlannedRow>,
    tables: &Tables,
    sources: &Sources,
) -> Diagnostic {
    let span = row.and_then(|row| tables.get(&row.table)?.row_span(sources, row.number));
    match span {
        Some(span) => diagnostic.at(span, "for this row"),
        None => diagnostic,
    }
}

fn report_collisions(planned: &[Planned], tables: &Tables, sources: &Sources, diagnostics: &mut Diagnostics) {
    // The plan is in the order of these bytes; of several on one path, the first.
    let by_path = |path: &str| {
        let at = planned.partition_point(|planned| planned.path.as_str() < path);
        planned.get(at).filter(|planned| planned.path.as_str() == path)
    };
    // What is wrong with one row mostly is with all of them.
    let mut told = BTreeSet::new();
    let mut report = |message: String, one: &Planned, other: &Planned| {
        if !told.insert((one.span, other.span)) {
            return;
        }
        let mut diagnostic = Diagnostic::error(&code::PLAN_COLLISION, message);
        for (planned, text) in [(other, "this artifact"), (one, "and this one")] {
            let row = planned.row.as_ref();
            diagnostic = match row.and_then(|row| tables.get(&row.table)?.row_span(sources, row.number)) {
                Some(span) => diagnostic.at(span, format!("{text}, for this row")),
                None => diagnostic.at(planned.span, text),
            };
        }
        if one.target != other.target && one.span == other.span {
            diagnostic = diagnostic.hint(format!(
                "give `{}` or `{}` a `root` of its own, below which its artifacts lie",
                other.target, one.target
            ));
        } else if one.row.is_some() && one.span == other.span {
            diagnostic = diagnostic.at(one.span, "the path does not tell the rows apart");
        } else if one.row.is_some() || other.row.is_some() {
            diagnostic =
                diagnostic.at(if one.row.is_some() { one.span } else { other.span }, "declared here");
        }
        diagnostics.push(diagnostic);
    };
    for pair in planned.windows(2) {
        if pair[0].path == pair[1].path {
            report(format!("two artifacts have the path `{}`", pair[0].path), &pair[1], &pair[0]);
        }
    }
    let mut before = None;
    for planned in planned {
        let path = planned.path.as_str();
        // Its folders are those of the one before, mostly, and what is wrong with those was told.
        let parent = path.rfind('/').map(|end| (&path[..end], planned.span));
        if parent == before {
            continue;
        }
        before = parent;
        for folder in prefixes(path).filter(|folder| *folder != path) {
            if let Some(other) = by_path(folder) {
                report(
                    format!("`{folder}` is an artifact and the folder of `{}`", planned.path),
                    planned,
                    other,
                );
            }
        }
    }
}
