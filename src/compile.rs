//! A project that is read, checked and planned: everything up to the rendering of artifacts.
//!
//! [`prepare`] takes a [`World`] and gives a [`Compilation`]: for each environment the checked tables, an engine for
//! each instance of a target, and the plan. Nothing has been rendered then; [`Environment::render`] renders one
//! artifact of the plan into any sink, so that render, check and diff differ in the sink only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use tera::Context;

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::plan::{self, Planned};
use crate::project::{self, Instance, Project, Values};
use crate::rules;
use crate::source::{Sources, Span, World};
use crate::table::spec::ColumnSpec;
use crate::table::{Schema, Table, TableSpec, Tables, Value};
use crate::target::{self, Artifact, Stage, Target};
use crate::template::check::{self, CellColumn, Entrance, View};
use crate::template::data;
use crate::template::engine::{Failure, Refused};
use crate::template::library::{Template, Unparsed};
use crate::template::lists::Lists;
use crate::template::ready::{Failed, Ready, Setting};
use crate::template::segment::{Blocks, Facts};
use crate::template::syntax::Delimiters;
use crate::template::types::ViewId;
use crate::template::{Library, Origin, Tracer};

pub(crate) mod derive;
mod trace;
mod unused;
pub(crate) mod view;

pub(crate) use trace::MOST_CELLS;

pub use crate::template::ready::Renderer;

/// Which part of a project is compiled, and by what.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What renders.
    pub renderer: Renderer,
    /// Instances of targets by name; all if empty.
    pub targets: Vec<String>,
    /// Stages; all if empty.
    pub stages: Vec<Stage>,
    /// Environments by name; all if empty.
    pub environments: Vec<String>,
    /// Whether a name that the project does not have selects nothing, and is no mistake.
    pub lenient: bool,
}

impl Selection {
    /// Whether every artifact of an environment is meant.
    pub fn is_whole(&self) -> bool {
        self.targets.is_empty() && self.stages.is_empty()
    }
}

/// A project that is ready to render.
#[derive(Debug)]
pub struct Compilation {
    /// The project as confwright.toml describes it.
    pub project: Project,
    /// Its targets, by folder.
    pub targets: IndexMap<String, Target>,
    /// The selected environments.
    pub environments: Vec<Environment>,
    /// The exceptions of `[[allow]]` that apply to something, by their number.
    pub allowed: BTreeSet<usize>,
    /// The columns that the templates of any environment use.
    used: BTreeSet<CellColumn>,
}

/// An environment that is ready to render.
#[derive(Debug)]
pub struct Environment {
    /// Its name, or "".
    pub name: String,
    /// Its golden tree, relative to the root.
    pub folder: Utf8PathBuf,
    /// Its tables.
    pub tables: Tables,
    /// What it makes, sorted by path.
    pub artifacts: Vec<Planned>,
    /// The expressions with `| raw`.
    pub raw: BTreeSet<Span>,
    producers: Vec<Producer>,
    lists: Lists,
}

impl Environment {
    /// One that is gone, and makes nothing; its golden tree is still there.
    pub fn retired(folder: Utf8PathBuf) -> Self {
        Self {
            name: String::new(),
            folder,
            tables: Tables::default(),
            artifacts: Vec::new(),
            raw: BTreeSet::new(),
            producers: Vec::new(),
            lists: Lists::default(),
        }
    }
}

/// The templates of one instance of a target, or of the project itself.
#[derive(Debug)]
pub(crate) struct Producer {
    /// The instance's name; empty for the project's own artifacts.
    pub(crate) name: String,
    /// Below which its artifacts lie.
    pub(crate) root: Utf8PathBuf,
    /// Where its own templates lie, relative to the project's root.
    pub(crate) folder: Utf8PathBuf,
    /// Where its artifacts are declared.
    pub(crate) artifacts: Vec<Artifact>,
    /// For each of its tables by its own name, the project's.
    pub(crate) tables: BTreeMap<String, String>,
    pub(crate) globals: check::Globals,
    pub(crate) templates: Ready,
    /// What every template sees but for the tables.
    pub(crate) context: Context,
    /// The same with the tables that templates walk, as the engine wants it.
    with_tables: OnceLock<Context>,
    /// The same templates, to be traced, once that is wanted; nothing where they cannot be.
    tracer: OnceLock<Option<Tracer>>,
}

/// Reads and checks a project and plans its artifacts.
///
/// Nothing is returned where anything is wrong; all that is wrong is in `diagnostics`. Templates are checked even
/// where data has errors. `extend` may give every engine that templates are rendered with more functions, so that a
/// test can seed a fault.
pub fn prepare(
    world: &dyn World,
    sources: &mut Sources,
    selection: &Selection,
    extend: &dyn Fn(&mut tera::Tera),
    diagnostics: &mut Diagnostics,
) -> Option<Compilation> {
    let project = project::load(world, sources, diagnostics)?;
    let targets = target::load(world, sources, &project, diagnostics);
    if !selection.lenient {
        check_selection(&[(&project, &targets)], selection, diagnostics);
    }
    let templates = Templates::read(world, sources, &project, &targets, diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let mut compilation = Compilation {
        project,
        targets,
        environments: Vec::new(),
        allowed: BTreeSet::new(),
        used: BTreeSet::new(),
    };
    let (mut found, mut count) = (ByEnvironment::default(), 0);
    let mut used = BTreeSet::new();
    for number in 0..compilation.project.environments.len() {
        let name = &compilation.project.environments[number].name;
        if !selection.environments.is_empty() && !selection.environments.contains(name) {
            continue;
        }
        let stage = Preparation {
            world,
            selection,
            extend,
            templates: &templates,
            compilation: &compilation,
            number,
        };
        let mut allowed = BTreeSet::new();
        let mut diagnostics = Diagnostics::default();
        let environment = stage.environment(sources, &mut allowed, &mut used, &mut diagnostics);
        found.add(&stage.declared().name, diagnostics);
        count += 1;
        compilation.allowed.extend(allowed);
        compilation.environments.extend(environment);
    }
    diagnostics.append(found.merge(&compilation.project, count));
    compilation.used = used;
    let golden = &compilation.project.golden;
    diagnostics.extend(sources.linked_into(world, golden).map(|path| {
        let message = format!("a symbolic link leads from `{path}`, an input, into the golden folder");
        Diagnostic::error(&code::SOURCE_READ, message)
            .at_file(path, "")
            .hint(format!("keep inputs where no render writes, outside of `{golden}`"))
    }));
    if diagnostics.has_errors() {
        return None;
    }
    if selection.is_whole() {
        diagnostics.extend(compilation.unused_names());
    }
    Some(compilation)
}

/// What is wrong in each environment, with the names of those where it is.
#[derive(Debug, Default)]
pub(crate) struct ByEnvironment(IndexMap<Diagnostic, Vec<String>>);

impl ByEnvironment {
    /// Takes what is wrong in one environment.
    pub(crate) fn add(&mut self, environment: &str, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in diagnostics {
            let environments = self.0.entry(diagnostic).or_default();
            if environments.last().is_none_or(|last| last != environment) {
                environments.push(environment.to_owned());
            }
        }
    }

    /// Everything once; what is not wrong in all of the `count` environments says in which it is.
    pub(crate) fn merge(self, project: &Project, count: usize) -> Diagnostics {
        let mut merged = Diagnostics::default();
        for (mut diagnostic, names) in self.0 {
            if names.len() < count {
                for environment in project.environments.iter().filter(|known| names.contains(&known.name)) {
                    let text = format!("in the environment `{}`", environment.name);
                    diagnostic = diagnostic.at(environment.span, text);
                }
            }
            merged.push(diagnostic);
        }
        merged
    }
}

/// Reports the names of a selection that none of these states of a project has.
pub fn check_selection(
    states: &[(&Project, &IndexMap<String, Target>)],
    selection: &Selection,
    diagnostics: &mut Diagnostics,
) {
    let environments = || states.iter().flat_map(|(project, _)| &project.environments);
    // All environments of a state have the same targets.
    let firsts = || states.iter().filter_map(|(project, _)| project.environments.first());
    let mut unknown = |what: &str, name: &str, mut known: Vec<&str>| {
        let mut told = BTreeSet::new();
        known.retain(|name| told.insert(*name));
        let known_list = if known.is_empty() {
            "the project has none".into()
        } else {
            format!("known: {}", known.join(", "))
        };
        diagnostics.push(
            Diagnostic::error(&code::USAGE, format!("there is no {what} `{name}`; {known_list}"))
                .hint_nearest(name, known.iter().copied()),
        );
    };
    for name in &selection.targets {
        if !firsts().any(|environment| environment.targets.contains_key(name)) {
            let known = firsts().flat_map(|environment| environment.targets.keys().map(String::as_str));
            unknown("target", name, known.collect());
        }
    }
    for name in &selection.environments {
        if !environments().any(|environment| environment.name == *name) {
            let known = environments().map(|known| known.name.as_str()).filter(|name| !name.is_empty());
            unknown("environment", name, known.collect());
        }
    }
    for stage in &selection.stages {
        if !states.iter().flat_map(|(_, targets)| targets.values()).any(|target| target.stage == *stage) {
            let message = format!("no target of this project is of the stage `{}`", stage.name());
            diagnostics.push(Diagnostic::error(&code::USAGE, message));
        }
    }
}

/// The sources of all templates, read once for all environments.
struct Templates {
    /// For each target by folder, and "" for the project's own: names and files.
    files: BTreeMap<String, Vec<(String, crate::source::FileId)>>,
}

impl Templates {
    fn read(
        world: &dyn World,
        sources: &mut Sources,
        project: &Project,
        targets: &IndexMap<String, Target>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut files = BTreeMap::new();
        let all = world.list(&project.templates).unwrap_or_default();
        let shared_folder = project.templates.join(target::SHARED);
        let shared = target::templates(&all, &shared_folder);
        let mut read = |folder: &Utf8Path, names: &[Utf8PathBuf]| {
            let mut own = Vec::new();
            let places = names.iter().map(|name| (name, folder));
            let own_names: BTreeSet<&Utf8PathBuf> = names.iter().collect();
            let below =
                shared.iter().filter(|name| !own_names.contains(name)).map(|name| (name, &*shared_folder));
            for (name, folder) in places.chain(below) {
                let path = folder.join(name);
                let Some(file) = diagnostics.take(project::open(world, sources, &path)) else { continue };
                if diagnostics.take(sources.file(file).utf8(file)).is_none() {
                    continue;
                }
                own.push((name.to_string(), file));
            }
            own
        };
        for target in targets.values() {
            let folder = project.templates.join(&target.name);
            files.insert(target.name.clone(), read(&folder, &target.templates));
        }
        if !project.artifacts.is_empty() {
            // Folders of targets and what they share are no templates of the project itself.
            let is_own = |path: &Utf8PathBuf| match path.components().next() {
                Some(first) if path.components().count() > 1 => {
                    let folder = project.templates.join(first.as_str());
                    folder != shared_folder && !all.contains(&folder.join(target::FILE))
                }
                _ => true,
            };
            let own: Vec<Utf8PathBuf> =
                target::templates(&all, &project.templates).into_iter().filter(is_own).collect();
            files.insert(String::new(), read(&project.templates, &own));
        }
        Self { files }
    }
}

/// What the preparation of one environment needs.
struct Preparation<'a> {
    world: &'a dyn World,
    selection: &'a Selection,
    extend: &'a dyn Fn(&mut tera::Tera),
    templates: &'a Templates,
    compilation: &'a Compilation,
    number: usize,
}

impl Preparation<'_> {
    fn declared(&self) -> &project::Environment {
        &self.compilation.project.environments[self.number]
    }

    fn environment(
        &self,
        sources: &mut Sources,
        allowed: &mut BTreeSet<usize>,
        used: &mut BTreeSet<CellColumn>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Environment> {
        let declared = self.declared();
        let project = &self.compilation.project;
        let mut data_diagnostics = Diagnostics::default();
        let tables = self.tables(sources, &mut data_diagnostics);
        let views = view::all(&tables);
        let mut uses: BTreeMap<CellColumn, Span> = BTreeMap::new();
        let mut raw = BTreeSet::new();
        let mut producers = Vec::new();
        let mut walked = BTreeSet::new();
        for (instance, target) in self.instances() {
            let producer = self.producer(
                instance,
                target,
                &tables,
                sources,
                &mut uses,
                &mut raw,
                &mut walked,
                diagnostics,
            );
            producers.extend(producer);
        }
        point_at_uses(&mut data_diagnostics, &uses);
        used.extend(uses.into_keys());
        diagnostics.append(data_diagnostics);
        if diagnostics.has_errors() {
            return None;
        }
        let lists = Lists::of(&tables);
        let facts = Facts { tables: &tables, sources, lists: &lists };
        rules::check(project, declared, &views, &facts, self.selection.renderer, allowed, diagnostics);
        let artifacts = plan::plan(&producers, &facts, self.selection.renderer, diagnostics);
        let folder = if declared.name.is_empty() {
            project.golden.clone()
        } else {
            project.golden.join(&declared.name)
        };
        Some(Environment { name: declared.name.clone(), folder, tables, artifacts, raw, producers, lists })
    }

    /// The selected instances with their targets; last, where it has artifacts, the project itself.
    fn instances(&self) -> Vec<(Option<&Instance>, Option<&Target>)> {
        let declared = self.declared();
        let mut list = Vec::new();
        for instance in declared.targets.values() {
            let Some(target) = self.compilation.targets.get(&instance.target.value) else { continue };
            let by_name =
                self.selection.targets.is_empty() || self.selection.targets.contains(&instance.name);
            let by_stage = self.selection.stages.is_empty() || self.selection.stages.contains(&target.stage);
            if by_name && by_stage {
                list.push((Some(instance), Some(target)));
            }
        }
        if self.selection.is_whole() && !self.compilation.project.artifacts.is_empty() {
            list.push((None, None));
        }
        list
    }

    fn tables(&self, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Tables {
        let declared = self.declared();
        let mut specs = Vec::with_capacity(declared.tables.len());
        for (name, table) in &declared.tables {
            let mut required = IndexMap::new();
            let mut constraints: Vec<(String, ColumnSpec, Span)> = Vec::new();
            for instance in declared.targets.values() {
                let Some(target) = self.compilation.targets.get(&instance.target.value) else { continue };
                for (theirs, requirement) in target.tables.iter().flatten() {
                    if instance.table(theirs) == name {
                        for (column, spec) in &requirement.columns {
                            let here = || (spec.value.with_tables(|table| instance.table(table)), spec.span);
                            let known = required.entry(column.clone()).or_insert_with(here);
                            let here = here();
                            if constraints.iter().all(|(_, _, span)| *span != here.1) {
                                constraints.push((column.clone(), here.0.clone(), here.1));
                            }
                            if view::is_narrower(&here.0, &known.0) {
                                *known = here;
                            }
                        }
                    }
                }
            }
            specs.push(TableSpec {
                name: name.clone(),
                source: table.source.value.clone(),
                source_span: table.source.span,
                elsewhere: (self.compilation.project.environments.iter())
                    .filter_map(|environment| Some(environment.tables.get(name)?.source.value.clone()))
                    .filter(|source| *source != table.source.value)
                    .collect(),
                key: table.key.iter().map(|key| key.value.clone()).collect(),
                columns: table.columns.as_ref().map(|columns| {
                    columns
                        .iter()
                        .map(|(name, spec)| (name.clone(), (spec.value.clone(), spec.span)))
                        .collect()
                }),
                required,
                constraints,
                header: table.header,
                hold: self.has_artifacts_of(name),
                span: table.span,
            });
        }
        let deriver = derive::Deriver::new(
            &self.compilation.project,
            declared,
            self.selection.renderer,
            sources,
            diagnostics,
        );
        let derive = |tables: &Tables, schema: &Schema, column: usize, row: &[Value]| {
            deriver.derive(tables, schema, column, row)
        };
        let tables = Tables::load(&specs, self.world, sources, &derive, diagnostics);
        diagnostics.append(deriver.into_findings());
        tables
    }

    /// Whether artifacts are made for each row of a table.
    fn has_artifacts_of(&self, table: &str) -> bool {
        self.instances().into_iter().any(|(instance, target)| {
            let artifacts = target.map_or(&self.compilation.project.artifacts, |target| &target.artifacts);
            let tables = artifacts.iter().filter_map(|artifact| artifact.each.as_ref());
            let named = |name| instance.map_or(name, |instance: &Instance| instance.table(name));
            tables.map(|each| named(each.value.as_str())).any(|each| each == table)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "what the templates of all instances have in common")]
    fn producer(
        &self,
        instance: Option<&Instance>,
        target: Option<&Target>,
        tables: &Tables,
        sources: &Sources,
        uses: &mut BTreeMap<CellColumn, Span>,
        raw: &mut BTreeSet<Span>,
        walked: &mut BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Producer> {
        let declared = self.declared();
        let project = &self.compilation.project;
        let values: &Values = instance.map_or(&declared.values, |instance| &instance.values);
        let seen = view::of_instance(instance, target, tables, values, diagnostics)?;
        let delimiters = match target.map(|target| target.delimiters) {
            Some(target::Delimiters::Square) => Delimiters::Square,
            _ => Delimiters::Curly,
        };
        let folder = target.map_or("", |target| target.name.as_str());
        let files = self.templates.files.get(folder).map(Vec::as_slice).unwrap_or_default();
        let unparsed = files.iter().map(|(name, file)| Unparsed {
            name: name.clone(),
            origin: Origin::File(*file),
            // Files that are not UTF-8 were reported when they were read.
            text: sources.file(*file).text().unwrap_or_default().to_owned(),
            delimiters,
        });
        let mut found = Diagnostics::default();
        let library = Library::build(unparsed.collect(), sources, &mut found);
        let artifacts = target.map_or(&project.artifacts, |target| &target.artifacts).clone();
        let mut entrances = Vec::new();
        for artifact in &artifacts {
            entrances.extend(entrance(artifact, &library, &seen.globals, found.has_errors(), &mut found));
        }
        let mut checked = check::check(&library, &seen.globals, &entrances, &mut found);
        for (cell, span) in std::mem::take(&mut checked.uses) {
            uses.entry(cell).or_insert(span);
        }
        raw.append(&mut checked.raw);
        let entered = entrances.iter().filter_map(|entrance| entrance.row);
        for view in checked.tables.iter().copied().chain(entered) {
            walked.insert(seen.globals.views[view.0].table.clone());
        }
        let sound = !found.has_errors();
        diagnostics.append(found);
        if !sound {
            return None;
        }
        let context = data::context(&project.name, &declared.name, seen.values);
        let known = (&seen.globals, tables, &context);
        let renderer = self.selection.renderer;
        let templates = Ready::new(library, checked, delimiters, &entrances, renderer, known);
        if renderer == Renderer::Tera
            && let Err(failed) = templates.make_engine(self.extend)
        {
            diagnostics.append(failed);
            return None;
        }
        Some(Producer {
            name: instance.map_or_else(String::new, |instance| instance.name.clone()),
            root: instance.map_or_else(Utf8PathBuf::new, |instance| instance.root.clone()),
            folder: project.templates.join(folder),
            artifacts,
            tables: seen.tables,
            globals: seen.globals,
            templates,
            context,
            with_tables: OnceLock::new(),
            tracer: OnceLock::new(),
        })
    }
}

/// Where an artifact enters the templates; reports a template or a table that does not exist.
fn entrance(
    artifact: &Artifact,
    library: &Library,
    globals: &check::Globals,
    broken: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Entrance> {
    let row = match &artifact.each {
        None => None,
        Some(each) => {
            if let Some(view) = globals.tables.get(&each.value) {
                Some(*view)
            } else {
                diagnostics.push(
                    Diagnostic::error(
                        &code::PROJECT_UNKNOWN_NAME,
                        format!("there is no table `{}`", each.value),
                    )
                    .at(each.span, "not a table")
                    .hint_nearest(&each.value, globals.tables.keys().map(String::as_str)),
                );
                return None;
            }
        }
    };
    let name = artifact.template.value.as_str();
    let Some(template) = library.find(name) else {
        // A template that could not be parsed is reported already.
        if !broken {
            // Its name may be given from the project's root, or from that of the file system.
            let is_end = |known: &&str| Utf8Path::new(name).ends_with(known);
            let meant = library.names().filter(is_end).max_by_key(|known| known.len());
            let ending = match Utf8Path::new(name).extension() {
                Some("tera") => "not found",
                _ => "a template's name ends in `.tera`",
            };
            diagnostics.push(
                Diagnostic::error(&code::TEMPLATE_MISSING, format!("there is no template `{name}`"))
                    .at(artifact.template.span, ending)
                    .hint_nearest(meant.unwrap_or(name), library.names()),
            );
        }
        return None;
    };
    Some(Entrance { template, row, strict: artifact.format.strict })
}

/// Adds to what is wrong with cells where templates use their columns.
fn point_at_uses(diagnostics: &mut Diagnostics, uses: &BTreeMap<CellColumn, Span>) {
    diagnostics.for_each_mut(|diagnostic| {
        let Some((table, column)) = diagnostic.column.take() else { return };
        if let Some(span) = uses.get(&CellColumn { table, column }) {
            diagnostic.labels.push(crate::diagnostic::Label {
                place: (*span).into(),
                text: "the value is used here".into(),
            });
        }
    });
}

/// Why an artifact could not be rendered.
#[derive(Debug)]
pub enum RenderFailure {
    /// The sink could not be written.
    Sink(io::Error),
    /// The template or a value is at fault.
    Diagnostic(Box<Diagnostic>),
}

impl From<Diagnostic> for RenderFailure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Diagnostic(Box::new(diagnostic))
    }
}

impl From<RenderFailure> for Diagnostic {
    fn from(failure: RenderFailure) -> Self {
        match failure {
            RenderFailure::Diagnostic(diagnostic) => *diagnostic,
            RenderFailure::Sink(error) => Self::error(&code::SOURCE_READ, error.to_string()),
        }
    }
}

impl Environment {
    /// The instances of targets that make artifacts here; the project itself is "".
    pub fn targets(&self) -> BTreeSet<String> {
        self.producers.iter().map(|producer| producer.name.clone()).collect()
    }

    /// What declares an artifact of the plan.
    pub fn declaration(&self, planned: &Planned) -> Option<&Artifact> {
        let declared = &self.producers.get(planned.producer)?.artifacts;
        declared.iter().find(|artifact| artifact.path.span == planned.span)
    }

    /// The templates that an artifact of the plan may be made from.
    pub(crate) fn templates(&self, planned: &Planned) -> &[Template] {
        &self.producers[planned.producer].templates.library.templates
    }

    /// How many templates have programs.
    #[cfg(test)]
    pub(crate) fn programs(&self) -> usize {
        self.producers.iter().map(|producer| producer.templates.programs()).sum()
    }

    /// Renders one artifact of the plan into a sink.
    pub fn render(
        &self,
        planned: &Planned,
        sources: &Sources,
        sink: &mut dyn io::Write,
    ) -> Result<(), RenderFailure> {
        self.render_in_blocks(planned, sources, sink, None)
    }

    /// As [`Self::render`]; who keeps blocks of rows is told of them, and may have their bytes already.
    pub(crate) fn render_in_blocks(
        &self,
        planned: &Planned,
        sources: &Sources,
        sink: &mut dyn io::Write,
        blocks: Option<&dyn Blocks>,
    ) -> Result<(), RenderFailure> {
        let producer = &self.producers[planned.producer];
        let library = &producer.templates.library;
        let Some(template) = library.find(&planned.template) else {
            // The plan was made from the same library.
            return Err(Diagnostic::error(&code::TEMPLATE_MISSING, "the template is gone").into());
        };
        let view = planned.each.as_ref().and_then(|each| producer.globals.tables.get(&**each).copied());
        let setting = Setting {
            facts: self.facts(sources),
            row: planned.row.as_ref().and_then(|row| self.tables.get(&row.table)?.passing(row.number)),
            context: &|| self.context(planned, sources),
            blocks,
        };
        let rendered = producer.templates.render((template, view), planned.format, setting, sink);
        rendered.map_err(|Failed { failure, rows }| match failure {
            Failure::Sink(error) => RenderFailure::Sink(error),
            Failure::Diagnostic { mut diagnostic, refused } => {
                let known = self.point_at_origin(&mut diagnostic, planned, sources);
                match refused {
                    _ if known => {}
                    Some(refused) => {
                        self.point_at_cells(&mut diagnostic, &refused, &rows, planned, sources);
                    }
                    None => {
                        *diagnostic =
                            plan::point_at_row(*diagnostic, planned.row.as_ref(), &self.tables, sources);
                    }
                }
                RenderFailure::Diagnostic(diagnostic)
            }
        })
    }

    fn facts<'a>(&'a self, sources: &'a Sources) -> Facts<'a> {
        Facts { tables: &self.tables, sources, lists: &self.lists }
    }

    /// What the engine sees of an artifact.
    fn context(&self, planned: &Planned, sources: &Sources) -> Context {
        let producer = &self.producers[planned.producer];
        let shared = producer.with_tables.get_or_init(|| {
            let mut context = producer.context.clone();
            let views = producer.templates.checked.tables.iter();
            let walked: BTreeSet<&str> =
                views.map(|view| producer.globals.views[view.0].table.as_str()).collect();
            for (name, table) in producer.tables.iter().filter(|(_, table)| walked.contains(table.as_str())) {
                context.insert_value(name.clone(), self.lists.get(table, &self.tables, sources));
            }
            context
        });
        let mut context = shared.clone();
        if let Some(row) = &planned.row {
            context.insert_value("row", self.lists.row(&row.table, row.number, &self.tables, sources));
        }
        context
    }

    /// Adds the cell that a refused value comes from: that of the row that was passing, of the row of the artifact,
    /// or of the first row with that value.
    fn point_at_cells(
        &self,
        diagnostic: &mut Diagnostic,
        refused: &Refused,
        rows: &[(String, usize)],
        planned: &Planned,
        sources: &Sources,
    ) {
        for cell in &refused.cells {
            let Some(table) = self.tables.get(&cell.table) else { continue };
            let Some((column, _)) = table.schema().column(&cell.column) else { continue };
            let passing = rows.iter().find(|(table, _)| *table == cell.table).map(|(_, number)| *number);
            let own = planned.row.as_ref().filter(|row| *row.table == *cell.table).map(|row| row.number);
            let row = passing.or(own).or_else(|| find_row(table, column, &refused.text, sources));
            if let Some(span) = row.and_then(|row| table.cell_span(sources, row, column)) {
                let text = format!("the value comes from column `{}`", cell.column);
                diagnostic.labels.push(crate::diagnostic::Label { place: span.into(), text });
                return;
            }
        }
    }
}

/// The first row whose cell is a text, or holds it, or lies in it.
fn find_row(table: &Table, column: usize, text: &str, sources: &Sources) -> Option<usize> {
    let mut near = None;
    for row in table.rows(sources) {
        let number = row.number;
        let cell = row.cells[column].text().into_owned();
        if cell == text {
            return Some(number);
        }
        if near.is_none() && !cell.is_empty() && (text.contains(&cell) || cell.contains(text)) {
            near = Some(number);
        }
    }
    near
}

/// The view of a table by its name in the project.
pub(crate) fn view_of(views: &[View], table: &str) -> Option<ViewId> {
    views.iter().position(|view| view.table == table).map(ViewId)
}
