//! confwright.toml: the tables, values, targets and rules of a project, resolved for each of its environments.

use std::collections::BTreeSet;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnostic::{CODES, Diagnostic, Diagnostics, code};
use crate::document::{self, Any, At, Date, Located, Map, shapes};
use crate::lint::postfix;
use crate::source::{FileId, Sources, Span, World};
use crate::table;
use crate::table::spec::{ColumnSpec, OneOrMany};
use crate::target::{self, Artifact, ArtifactSection};

/// The name of the file that makes a folder a project.
pub const FILE: &str = "confwright.toml";

/// confwright.toml: a project of tables, values, targets and rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "confwright.toml")]
pub(crate) struct ProjectFile {
    /// The project itself.
    project: Option<ProjectSection>,
    /// Named constants, which templates see as `values`.
    #[serde(default)]
    values: Map<Any>,
    /// Typed data from files.
    #[serde(default)]
    tables: Map<TableSection>,
    /// Instances of the folders under templates/.
    #[serde(default)]
    targets: Map<InstanceSection>,
    /// Artifacts that belong to no target.
    #[serde(default)]
    artifact: Vec<At<ArtifactSection>>,
    /// What must hold beyond the types.
    #[serde(default)]
    rule: Vec<At<RuleSection>>,
    /// Exceptions, each with its end.
    #[serde(default)]
    allow: Vec<At<AllowSection>>,
    /// The same project with other tables or values; with any, the named ones are all there are.
    #[serde(default)]
    environments: Map<EnvironmentSection>,
}

impl document::Document for ProjectFile {
    const SHAPE: document::Shape = &shapes::PROJECT;
}

/// The project itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ProjectSection {
    /// Its name, which templates see as `project.name`.
    name: Option<At<String>>,
    /// The folder of the committed artifacts, `golden` where it is not given. A folder that was named before stays as it
    /// is: delete it, or move it to the new name.
    golden: Option<At<String>>,
    /// The folder of the templates, `templates` where it is not given.
    templates: Option<At<String>>,
}

/// A table's source, its key and its columns.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct TableSection {
    /// The file of the rows: .csv .tsv .txt .json .yaml .yml .toml, relative to the project.
    source: Option<At<String>>,
    /// The column, or the columns, that name a row.
    key: Option<At<OneOrMany>>,
    /// Whether the first line of a .txt file names the columns.
    header: Option<bool>,
    /// The columns with their types; without, the types are those that the targets require.
    columns: Option<Map<ColumnSpec>>,
}

/// An instance of a target.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct InstanceSection {
    /// The target's folder under templates/; the instance's name where it is not given.
    r#use: Option<At<String>>,
    /// A folder below which all its artifacts lie.
    root: Option<At<String>>,
    /// Which table of the project is meant by the target's name for a table.
    #[serde(default)]
    tables: Map<String>,
    /// Values that are its own.
    #[serde(default)]
    values: Map<Any>,
}

/// A Tera expression that must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RuleSection {
    /// What exceptions call it, behind `rule::`.
    name: Option<At<String>>,
    /// A table: the rule holds for each of its rows; without, it holds once.
    each: Option<At<String>>,
    /// The expression.
    #[schemars(required)]
    assert: Option<At<String>>,
    /// What to say when it does not hold; may hold expressions in `{{ }}`.
    message: Option<At<String>>,
}

/// An exception to a rule or a lint.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AllowSection {
    /// The identifier of what is allowed, such as `postfix::weak-protocol`; of a rule, `rule::` and its name, or
    /// `rule::failed` where it has none.
    #[schemars(required)]
    rule: Option<At<String>>,
    /// The row that it is allowed for, as `table/key`; the parts of a key of several columns are divided by `/` too,
    /// as in `table/a/b`.
    row: Option<At<String>>,
    /// Why.
    #[schemars(required)]
    reason: Option<At<String>>,
    /// The last day of the exception.
    #[schemars(required)]
    until: Option<At<Date>>,
}

/// What an environment has other than the rest of the project.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct EnvironmentSection {
    /// Values that replace those of the project, key by key.
    #[serde(default)]
    values: Map<Any>,
    /// Tables that replace those of the project, field by field, and columns by name.
    #[serde(default)]
    tables: Map<TableSection>,
}

/// A project as confwright.toml describes it; its names are checked.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name, or "" where it has none.
    pub name: String,
    /// Its confwright.toml.
    pub file: FileId,
    /// The folder of the committed artifacts, relative to the root.
    pub golden: Utf8PathBuf,
    /// The folder of the templates, relative to the root.
    pub templates: Utf8PathBuf,
    /// The environments; a project that names none has one, called "".
    ///
    /// Sorted by name, as their golden trees are; all have tables and targets of the same names.
    pub environments: Vec<Environment>,
    /// What must hold beyond the types.
    pub rules: Vec<Rule>,
    /// Exceptions to rules and lints.
    pub allows: Vec<Allow>,
    /// Artifacts that belong to no target.
    pub artifacts: Vec<Artifact>,
}

/// The project with the tables and values of one environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name, or "" where the project names no environments.
    pub name: String,
    /// Where it is named first.
    pub span: Span,
    /// The named constants.
    pub values: Values,
    /// The tables.
    pub tables: IndexMap<String, TableDecl>,
    /// The instances of targets.
    pub targets: IndexMap<String, Instance>,
}

/// Named constants, in the order of their declaration.
pub type Values = IndexMap<String, Located<toml::Value>>;

/// What confwright.toml says of a table.
#[derive(Debug, Clone)]
pub struct TableDecl {
    /// The file of its rows, relative to the root and inside it.
    pub source: Located<Utf8PathBuf>,
    /// The columns that name a row; empty where there is no key.
    pub key: Vec<Located<String>>,
    /// Whether a plain text file begins with a line of column names.
    pub header: Option<bool>,
    /// The declared columns, if any are.
    pub columns: Option<IndexMap<String, Located<ColumnSpec>>>,
    /// The section's header.
    pub span: Span,
}

/// An instance of a target.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The target's folder below the templates.
    pub target: Located<String>,
    /// The folder below which its artifacts lie; may be empty.
    pub root: Utf8PathBuf,
    /// For the target's name of a table, the project's, where they differ.
    pub tables: IndexMap<String, TableName>,
    /// The environment's values with the instance's own.
    pub values: Values,
    /// The section's header.
    pub span: Span,
}

/// The project's table that a target calls something else.
#[derive(Debug, Clone)]
pub struct TableName {
    /// Where the target's name for it is written.
    pub name_span: Span,
    /// The project's name for it.
    pub table: Located<String>,
}

impl Instance {
    /// The project's name for a table of the target.
    pub fn table<'a>(&'a self, name: &'a str) -> &'a str {
        self.tables.get(name).map_or(name, |table| &table.table.value)
    }
}

/// A Tera expression that must hold.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `rule::failed`, or `rule::` and its name.
    pub id: String,
    /// The table whose rows it must hold for; without, it must hold once.
    pub each: Option<Located<String>>,
    /// The expression.
    pub assert: Located<String>,
    /// What to say when it does not hold.
    pub message: Option<Located<String>>,
    /// The section's header.
    pub span: Span,
}

/// An exception to a rule or a lint.
#[derive(Debug, Clone)]
pub struct Allow {
    /// The identifier of what is allowed.
    pub rule: Located<String>,
    /// The row that it is allowed for.
    pub row: Option<Located<RowName>>,
    /// Why.
    pub reason: String,
    /// The last day of the exception.
    pub until: Located<jiff::civil::Date>,
    /// The section's header.
    pub span: Span,
}

/// A row, named as `table/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    /// The table.
    pub table: String,
    /// The key as it is written; of several columns, divided as reports divide them.
    pub key: String,
}

/// The project's root: the folder, or the nearest above it, that holds confwright.toml.
pub fn find(folder: &Utf8Path) -> Result<Utf8PathBuf, Diagnostic> {
    let missing = |message: String| Diagnostic::error(&code::PROJECT_MISSING, message);
    let start = folder
        .canonicalize_utf8()
        .map_err(|error| missing(format!("the folder `{folder}` cannot be entered: {error}")))?;
    start.ancestors().find(|folder| folder.join(FILE).exists()).map(Utf8Path::to_owned).ok_or_else(|| {
        missing(format!("there is no {FILE} in `{folder}` or above it"))
            .hint("`confwright new DIR` makes a new project")
    })
}

/// Reads confwright.toml and resolves the environments.
///
/// Nothing is returned where a mistake was found; all of them are in `diagnostics`.
pub fn load(world: &dyn World, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Option<Project> {
    let mut found = Diagnostics::default();
    let project = read(world, sources, &mut found);
    let sound = !found.has_errors();
    diagnostics.append(found);
    project.filter(|_| sound)
}

fn read(world: &dyn World, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Option<Project> {
    let file = diagnostics.take(open(world, sources, Utf8Path::new(FILE)))?;
    let document: ProjectFile = document::read(sources, file, diagnostics)?;
    let mut reader = Reader { file, diagnostics };

    let section = document.project.unwrap_or_default();
    if let Some(name) = &section.name {
        reader.folder_name("a project", name.value(), name.span(file));
    }
    let golden = reader.folder(section.golden.as_ref(), "golden");
    let templates = reader.folder(section.templates.as_ref(), target::FOLDER);
    // A folder that is refused is empty by now.
    let named = !golden.as_str().is_empty() && !templates.as_str().is_empty();
    if named && (golden.starts_with(&templates) || templates.starts_with(&golden)) {
        let place = section.golden.or(section.templates).map_or(Span::new(file, 0..0), |at| at.span(file));
        reader.value(
            place,
            format!("`{golden}` and `{templates}` lie in each other"),
            "give each its own folder",
        );
    }

    let environments: Vec<_> = document.environments.entries(file).collect();
    for (name, _) in &environments {
        reader.folder_name("an environment", &name.value, name.span);
    }
    let tables: Vec<_> = document.tables.entries(file).collect();
    let values: Vec<_> = document.values.entries(file).collect();
    reader.everywhere(&tables, &environments);

    let mut names: BTreeSet<&str> = BTreeSet::new();
    let overrides = environments.iter().flat_map(|(_, section)| section.value.tables.0.keys());
    let overrides = overrides.map(|name| (name.value(), name.span(file)));
    for (name, span) in tables.iter().map(|(name, _)| (&name.value, name.span)).chain(overrides) {
        if names.insert(name) {
            reader.identifier("table", name, span);
        }
    }

    let instances: Vec<_> = document
        .targets
        .entries(file)
        .map(|(name, section)| reader.instance(&name, section, &names))
        .collect();
    let rules = reader.rules(document.rule, &names);
    let allows = reader.allows(document.allow, &rules, &names);
    let artifacts = target::artifacts(document.artifact, file, reader.diagnostics);
    for each in artifacts.iter().filter_map(|artifact| artifact.each.as_ref()) {
        reader.known_table(each, &names);
    }

    let base = (Located { value: String::new(), span: Span::new(file, 0..0) }, EnvironmentSection::default());
    let named = environments.iter().map(|(name, section)| (name, &section.value));
    let alone = environments.is_empty().then_some((&base.0, &base.1));
    let mut environments = named
        .chain(alone)
        .map(|(name, section)| reader.environment(name, section, &tables, &values, &instances))
        .collect::<Vec<_>>();
    environments.sort_by(|left, right| left.name.cmp(&right.name));
    for table in environments.iter().flat_map(|environment| environment.tables.values()) {
        reader.outside(&golden, &table.source);
        reader.local_outside(&golden, table.columns.iter().flatten().map(|(_, column)| column));
    }

    Some(Project {
        name: section.name.map_or_else(String::new, |name| name.locate(file).value),
        file,
        golden,
        templates,
        environments,
        rules,
        allows,
        artifacts,
    })
}

/// Reads a file, or says that it cannot be read.
pub(crate) fn open(world: &dyn World, sources: &mut Sources, path: &Utf8Path) -> Result<FileId, Diagnostic> {
    sources.load(world, path).map_err(|error| {
        Diagnostic::error(&code::SOURCE_READ, format!("`{path}` cannot be read: {error}")).at_file(path, "")
    })
}

/// A section of the file, by name.
type Section<T> = (Located<String>, Located<T>);

/// Turns the sections of a file into values, and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    /// The file.
    pub(crate) file: FileId,
    /// What is wrong with it.
    pub(crate) diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn value(&mut self, span: Span, message: impl Into<String>, label: &str) {
        self.diagnostics.push(Diagnostic::error(&code::PROJECT_VALUE, message).at(span, label));
    }

    /// Checks the name of a table or a column.
    pub(crate) fn identifier(&mut self, what: &str, name: &str, span: Span) {
        let error = |message: String| Diagnostic::error(&code::PROJECT_NAME, message);
        if !table::is_name(name) {
            self.diagnostics.push(
                error(format!("`{name}` cannot be the name of a {what}"))
                    .at(span, "a name is lower-case letters, digits and `_`, and begins with no digit"),
            );
        } else if table::RESERVED.contains(&name) {
            self.diagnostics.push(
                error(format!("`{name}` cannot be the name of a {what}: it is reserved"))
                    .at(span, "templates use this name for something else"),
            );
        }
    }

    fn folder_name(&mut self, what: &str, name: &str, span: Span) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(fits) {
            self.diagnostics.push(
                Diagnostic::error(&code::PROJECT_NAME, format!("`{name}` cannot be the name of {what}"))
                    .at(span, "letters, digits, `_`, `-` and `.`, and neither `.` nor `-` at the start"),
            );
        }
    }

    /// A path below the root; one that is refused is empty.
    fn path(&mut self, path: &At<String>) -> Utf8PathBuf {
        inside(path.value()).unwrap_or_else(|| {
            let message = format!("`{}` does not lie inside the project", path.value());
            let label = "a path relative to the root, without `..`";
            let mut diagnostic =
                Diagnostic::error(&code::PROJECT_VALUE, message).at(path.span(self.file), label);
            if path.value().starts_with('/') {
                diagnostic = diagnostic.hint(format!("write it relative to the folder of {FILE}"));
            }
            self.diagnostics.push(diagnostic);
            Utf8PathBuf::new()
        })
    }

    fn folder(&mut self, path: Option<&At<String>>, default: &str) -> Utf8PathBuf {
        let Some(path) = path else { return default.into() };
        let before = self.diagnostics.len();
        let folder = self.path(path);
        if folder.as_str().is_empty() && self.diagnostics.len() == before {
            self.value(path.span(self.file), "the root itself cannot be this folder", "name a folder in it");
        }
        // What git and other programs keep there can be code that they run.
        if folder.components().any(|part| part.as_str().starts_with('.')) {
            let message = format!("`{folder}` is a hidden folder, which belongs to other programs");
            self.value(path.span(self.file), message, "name a folder of its own, such as `golden`");
            return Utf8PathBuf::new();
        }
        folder
    }

    /// A table that only some of the environments have is most likely a mistyped override.
    fn everywhere(&mut self, base: &[Section<TableSection>], environments: &[Section<EnvironmentSection>]) {
        for (environment, section) in environments {
            for name in section.value.tables.0.keys() {
                let known = base.iter().any(|(known, _)| known.value == *name.value());
                let without = environments
                    .iter()
                    .find(|(_, other)| !other.value.tables.0.contains_key(name.value().as_str()));
                let Some((without, _)) = without.filter(|_| !known) else { continue };
                let message = format!(
                    "table `{}` is in environment `{}`, but neither in the project nor in environment `{}`",
                    name.value(),
                    environment.value,
                    without.value
                );
                self.diagnostics.push(
                    Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message)
                        .at(name.span(self.file), "overrides no table")
                        .hint_nearest(name.value(), base.iter().map(|(name, _)| name.value.as_str())),
                );
            }
        }
    }

    fn known_table(&mut self, name: &Located<String>, tables: &BTreeSet<&str>) -> bool {
        let known = tables.contains(name.value.as_str());
        if !known {
            self.diagnostics.push(
                Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, format!("there is no table `{}`", name.value))
                    .at(name.span, known_names("tables", tables))
                    .hint_nearest(&name.value, tables.iter().copied()),
            );
        }
        known
    }

    fn instance(
        &mut self,
        name: &Located<String>,
        section: Located<InstanceSection>,
        tables: &BTreeSet<&str>,
    ) -> (Instance, Map<Any>) {
        let Located { value: section, span } = section;
        self.folder_name("a target", &name.value, name.span);
        let target = section.r#use.map_or_else(|| name.clone(), |target| target.locate(self.file));
        if target.span != name.span {
            self.folder_name("a target", &target.value, target.span);
        }
        let root = section.root.map_or_else(Utf8PathBuf::new, |root| self.path(&root));
        let mut mapped = IndexMap::new();
        for (name, table) in section.tables.entries(self.file) {
            self.known_table(&table, tables);
            mapped.insert(name.value, TableName { name_span: name.span, table });
        }
        let name = name.value.clone();
        (Instance { name, target, root, tables: mapped, values: Values::new(), span }, section.values)
    }

    fn rules(&mut self, sections: Vec<At<RuleSection>>, tables: &BTreeSet<&str>) -> Vec<Rule> {
        let mut names: IndexMap<String, Span> = IndexMap::new();
        let mut rules = Vec::new();
        for section in sections {
            let Located { value: section, span } = section.locate(self.file);
            let mut id = code::RULE_FAILED.id.to_owned();
            if let Some(name) = section.name.map(|name| name.locate(self.file)) {
                id = format!("rule::{}", name.value);
                if !is_id(&id) || id == code::RULE_FAILED.id || id == code::RULE_EXPRESSION.id {
                    let message = format!("`{}` cannot be the name of a rule", name.value);
                    self.diagnostics.push(Diagnostic::error(&code::PROJECT_NAME, message).at(
                        name.span,
                        "lower-case letters, digits and `-`; `failed` and `expression` are taken",
                    ));
                }
                if let Some(first) = names.insert(name.value.clone(), name.span) {
                    self.diagnostics.push(
                        Diagnostic::error(
                            &code::PROJECT_NAME,
                            format!("two rules are called `{}`", name.value),
                        )
                        .at(name.span, "the second one")
                        .at(first, "the first one"),
                    );
                }
            }
            let each = section.each.map(|each| each.locate(self.file));
            if let Some(each) = &each {
                self.known_table(each, tables);
            }
            let Some(assert) = section.assert.map(|assert| assert.locate(self.file)) else { continue };
            let message = section.message.map(|message| message.locate(self.file));
            rules.push(Rule { id, each, assert, message, span });
        }
        rules
    }

    fn allows(
        &mut self,
        sections: Vec<At<AllowSection>>,
        rules: &[Rule],
        tables: &BTreeSet<&str>,
    ) -> Vec<Allow> {
        let known: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        let mut allows = Vec::new();
        for section in sections {
            let Located { value: section, span } = section.locate(self.file);
            let rule = section.rule.map(|rule| rule.locate(self.file));
            if let Some(rule) = &rule {
                self.allowed_rule(rule, &known);
            }
            let row = section.row.and_then(|row| self.row(&row.locate(self.file), tables));
            let (Some(rule), Some(reason), Some(until)) = (rule, section.reason, section.until) else {
                continue;
            };
            if reason.value().trim().is_empty() {
                self.value(reason.span(self.file), "an exception has no reason", "say why it is allowed");
            }
            let until = until.locate(self.file);
            let until = Located { value: until.value.0, span: until.span };
            allows.push(Allow { rule, row, reason: reason.locate(self.file).value, until, span });
        }
        allows
    }

    fn allowed_rule(&mut self, rule: &Located<String>, known: &BTreeSet<&str>) {
        if !is_id(&rule.value) {
            let message = format!("`{}` is not the identifier of a rule or a lint", rule.value);
            let full = format!("rule::{}", rule.value);
            self.diagnostics.push(
                Diagnostic::error(&code::PROJECT_VALUE, message)
                    .at(rule.span, "two parts, as in `postfix::weak-protocol`")
                    .hint_nearest(&full, known.iter().copied()),
            );
        } else if rule.value.starts_with("postfix::") {
            let lints: Vec<&str> = postfix::RULES.iter().map(|lint| lint.code.id).collect();
            if !lints.contains(&rule.value.as_str()) {
                let message = format!("there is no lint `{}`", rule.value);
                let diagnostic = Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message);
                let diagnostic = diagnostic.at(rule.span, "docs/lint.md lists them");
                self.diagnostics.push(diagnostic.hint_nearest(&rule.value, lints));
            }
        } else if rule.value.starts_with("rule::")
            && !known.contains(rule.value.as_str())
            && !CODES.iter().any(|code| code.id == rule.value)
        {
            self.diagnostics.push(
                Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, format!("there is no rule `{}`", rule.value))
                    .at(rule.span, known_names("rules", known))
                    .hint_nearest(&rule.value, known.iter().copied()),
            );
        }
    }

    fn row(&mut self, row: &Located<String>, tables: &BTreeSet<&str>) -> Option<Located<RowName>> {
        let span = row.span;
        match row.value.split_once('/') {
            Some((table, key)) if !table.is_empty() && !key.is_empty() => {
                let table = Located { value: table.to_owned(), span };
                self.known_table(&table, tables);
                Some(Located { value: RowName { table: table.value, key: key.to_owned() }, span })
            }
            _ => {
                self.value(span, format!("`{}` does not name a row", row.value), "expected `table/key`");
                None
            }
        }
    }

    fn environment(
        &mut self,
        name: &Located<String>,
        section: &EnvironmentSection,
        tables: &[Section<TableSection>],
        values: &[Section<Any>],
        instances: &[(Instance, Map<Any>)],
    ) -> Environment {
        let mut merged = Values::new();
        for (name, value) in values {
            merged.insert(name.value.clone(), Located { value: value.value.0.clone(), span: value.span });
        }
        override_values(&mut merged, &section.values, self.file);

        let mut sections: IndexMap<String, Located<TableSection>> =
            tables.iter().map(|(name, section)| (name.value.clone(), section.clone())).collect();
        for (name, over) in section.tables.clone().entries(self.file) {
            match sections.get_mut(&name.value) {
                Some(base) => base.value.override_with(over.value),
                None => {
                    sections.insert(name.value, over);
                }
            }
        }
        let tables = sections
            .into_iter()
            .filter_map(|(table, section)| Some((table.clone(), self.table(&table, section, name)?)))
            .collect();

        let targets = instances
            .iter()
            .map(|(instance, own)| {
                let mut instance = instance.clone();
                instance.values.clone_from(&merged);
                override_values(&mut instance.values, own, self.file);
                (instance.name.clone(), instance)
            })
            .collect();
        Environment { name: name.value.clone(), span: name.span, values: merged, tables, targets }
    }

    fn table(
        &mut self,
        name: &str,
        section: Located<TableSection>,
        environment: &Located<String>,
    ) -> Option<TableDecl> {
        let Located { value: section, span } = section;
        let columns = section.columns.map(|columns| self.columns(columns));
        let mut key = Vec::new();
        if let Some(names) = section.key.map(|key| key.locate(self.file)) {
            let several = match names.value {
                OneOrMany::One(name) => vec![name],
                OneOrMany::Many(several) => several,
            };
            if several.is_empty() {
                self.value(names.span, format!("the key of table `{name}` has no column"), "name a column");
            }
            for column in several {
                let column = Located { value: column, span: names.span };
                if key.contains(&column) {
                    let message = format!("column `{}` is in the key of table `{name}` twice", column.value);
                    self.value(column.span, message, "name each column once");
                }
                self.key_column(name, &column, columns.as_ref());
                key.push(column);
            }
        }
        let Some(source) = section.source else {
            let place = match environment.value.as_str() {
                "" => String::new(),
                environment => format!(" in environment `{environment}`"),
            };
            self.value(span, format!("table `{name}` has no `source`{place}"), "`source` must be given");
            return None;
        };
        let source = Located { value: self.folder(Some(&source), ""), span: source.span(self.file) };
        Some(TableDecl { source, key, header: section.header, columns, span })
    }

    fn key_column(
        &mut self,
        table: &str,
        column: &Located<String>,
        columns: Option<&IndexMap<String, Located<ColumnSpec>>>,
    ) {
        if let Some(columns) = columns.filter(|columns| !columns.contains_key(&column.value)) {
            self.diagnostics.push(
                Diagnostic::error(
                    &code::PROJECT_UNKNOWN_NAME,
                    format!("the key of table `{table}` names no column: `{}`", column.value),
                )
                .at(column.span, "not among the declared columns")
                .hint_nearest(&column.value, columns.keys().map(String::as_str)),
            );
        }
    }

    /// Refuses an input in the golden folder: a render would take it for something that it made.
    fn outside(&mut self, golden: &Utf8Path, input: &Located<Utf8PathBuf>) {
        let golden = Some(golden).filter(|golden| !golden.as_str().is_empty());
        if golden.is_some_and(|golden| input.value.starts_with(golden)) {
            let message = format!("`{}` lies in the golden folder, and is an input", input.value);
            self.value(input.span, message, "keep inputs where no render writes");
        }
    }

    /// Refuses a folder of certificates in the golden folder, and one that is not in the project.
    pub(crate) fn local_outside<'c>(
        &mut self,
        golden: &Utf8Path,
        columns: impl IntoIterator<Item = &'c Located<ColumnSpec>>,
    ) {
        for column in columns {
            let mut fields = column.value.fields();
            while let Some(of) = fields.of.take() {
                fields = of.fields();
            }
            let Some(local) = &fields.local else { continue };
            if let Some(value) = inside(local) {
                self.outside(golden, &Located { value, span: column.span });
            } else {
                let message = format!("`{local}` does not lie inside the project");
                self.value(column.span, message, "a path relative to the root, without `..`");
            }
        }
    }

    /// Columns with their names checked.
    pub(crate) fn columns(&mut self, columns: Map<ColumnSpec>) -> IndexMap<String, Located<ColumnSpec>> {
        let mut checked = IndexMap::new();
        for (name, column) in columns.entries(self.file) {
            self.identifier("column", &name.value, name.span);
            checked.insert(name.value, column);
        }
        checked
    }
}

impl TableSection {
    fn override_with(&mut self, over: Self) {
        self.source = over.source.or(self.source.take());
        self.key = over.key.or(self.key.take());
        self.header = over.header.or(self.header);
        if let Some(columns) = over.columns {
            self.columns.get_or_insert_default().0.extend(columns.0);
        }
    }
}

/// A path below the root, without its `.` parts; nothing for one that leaves it.
fn inside(path: &str) -> Option<Utf8PathBuf> {
    let parts = Utf8Path::new(path).components().filter(|part| *part != Utf8Component::CurDir);
    parts.map(|part| matches!(part, Utf8Component::Normal(_)).then_some(part)).collect()
}

fn override_values(values: &mut Values, over: &Map<Any>, file: FileId) {
    for (name, value) in over.clone().entries(file) {
        let over = Located { value: value.value.0, span: value.span };
        match values.get_mut(&name.value) {
            Some(base) => {
                merge(&mut base.value, over.value);
                base.span = over.span;
            }
            None => {
                values.insert(name.value, over);
            }
        }
    }
}

/// Tables key by key, anything else as a whole.
fn merge(base: &mut toml::Value, over: toml::Value) {
    match (base, over) {
        (toml::Value::Table(base), toml::Value::Table(over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(base) => merge(base, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, over) => *base = over,
    }
}

fn known_names(what: &str, names: &BTreeSet<&str>) -> String {
    match names.len() {
        0 => format!("the project has no {what}"),
        _ => format!("{what}: {}", names.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

/// Whether a text has the form of a diagnostic's identifier: `stage::what`.
fn is_id(id: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    id.split_once("::").is_some_and(|(stage, what)| part(stage) && part(what))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::io;

    use super::*;
    use crate::diagnostic::Place;

    /// A project in memory.
    #[derive(Default)]
    pub(crate) struct Memory(pub(crate) BTreeMap<Utf8PathBuf, Vec<u8>>);

    impl Memory {
        pub(crate) fn with(files: &[(&str, &str)]) -> Self {
            Self(files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect())
        }
    }

    impl World for Memory {
        fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
            self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
            Ok(self.0.keys().filter(|path| path.starts_with(folder)).cloned().collect())
        }
    }

    /// The diagnostics as lines: code, place, message, label, further places and hints.
    pub(crate) fn lines(diagnostics: &Diagnostics, sources: &Sources) -> Vec<String> {
        let place = |place: &Place| match place {
            Place::Span(span) => sources.locate(*span).1.to_string(),
            Place::File(path) => path.to_string(),
        };
        let line = |diagnostic: &Diagnostic| {
            let labels =
                diagnostic.labels.iter().map(|label| format!("{} {}", place(&label.place), label.text));
            let hints = diagnostic.hints.iter().map(|hint| format!("hint: {hint}"));
            let head = format!("{}: {}", diagnostic.code, diagnostic.message);
            std::iter::once(head).chain(labels).chain(hints).collect::<Vec<_>>().join(" | ")
        };
        diagnostics.sorted(sources).iter().map(line).collect()
    }

    fn compile(text: &str) -> (Option<Project>, Vec<String>) {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let project = load(&Memory::with(&[(FILE, text)]), &mut sources, &mut diagnostics);
        (project, lines(&diagnostics, &sources))
    }

    fn good(text: &str) -> Project {
        let (project, errors) = compile(text);
        assert_eq!(errors, Vec::<String>::new());
        project.unwrap()
    }

    #[track_caller]
    fn bad(text: &str, expected: &[&str]) {
        let (project, errors) = compile(text);
        assert_eq!(errors, expected);
        assert!(project.is_none());
    }

    const DESIGN: &str = r#"
[project]
name = "mail"
[values]
domain = "example.org"
tls = { min = "1.2", ciphers = "high" }
[tables.hosts]
source = "data/hosts.txt"
[tables.mx_eu]
source = "data/mx-eu.csv"
[tables.mx]
source = "data/mx.csv"
key = "fqdn"
[tables.mx.columns]
ip   = { type = "ipv4", unique = true }
fqdn = "fqdn"
port = { type = "port", default = 25 }
host = { type = "ref", table = "hosts" }
transport = { type = "name", expr = "'out-' ~ row.fqdn | slug", unique = true }
[targets.postfix]
[targets.mail-eu]
use = "postfix"
root = "mail-eu"
tables = { mx = "mx_eu" }
values = { domain = "example.eu" }
[[artifact]]
template = "motd.tera"
path = "motd"
mode = "0755"
[[rule]]
each = "mx"
assert = "row.fqdn is ending_with(pat=values.domain)"
message = "{{ row.fqdn }} is outside {{ values.domain }}"
[[rule]]
name = "spare"
assert = "mx | length > 1"
[[allow]]
rule = "postfix::weak-protocol"
row = "mx/mx07.example.org"
reason = "partner still on TLS 1.1"
until = 2027-03-31
[environments.prod]
[environments.lab.values]
domain = "example.test"
tls.min = "1.3"
[environments.lab.tables.mx]
source = "data/lab/mx.csv"
[environments.lab.tables.mx.columns]
port = "port"
"#;

    #[test]
    fn the_project_of_the_design() {
        let project = good(DESIGN);
        assert_eq!(project.name, "mail");
        assert_eq!((project.golden.as_str(), project.templates.as_str()), ("golden", "templates"));
        assert_eq!(project.artifacts[0].mode, 0o755);
        let ids: Vec<_> = project.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["rule::failed", "rule::spare"]);
        let allow = &project.allows[0];
        assert_eq!(allow.until.value, jiff::civil::date(2027, 3, 31));
        let row = RowName { table: "mx".into(), key: "mx07.example.org".into() };
        assert_eq!(allow.row.as_ref().map(|row| row.value.clone()), Some(row));

        let names: Vec<_> =
            project.environments.iter().map(|environment| environment.name.as_str()).collect();
        assert_eq!(names, ["lab", "prod"]);
        let [lab, prod] = &project.environments[..] else { panic!("two environments") };
        let tables: Vec<_> = prod.tables.keys().map(String::as_str).collect();
        assert_eq!(tables, ["hosts", "mx_eu", "mx"]);
        assert_eq!(prod.tables["mx"].source.value, "data/mx.csv");
        assert_eq!(lab.tables["mx"].source.value, "data/lab/mx.csv");
        assert_eq!(lab.tables["mx"].key[0].value, "fqdn");
        let default = |environment: &Environment| {
            let columns = environment.tables["mx"].columns.as_ref().unwrap();
            let names: Vec<_> = columns.keys().map(String::as_str).collect();
            assert_eq!(names, ["ip", "fqdn", "port", "host", "transport"]);
            columns["port"].value.fields().default
        };
        assert_eq!((default(prod), default(lab)), (Some(25.into()), None));

        let value = |values: &Values, name: &str| values[name].value.to_string();
        assert_eq!(value(&prod.values, "domain"), "\"example.org\"");
        assert_eq!(value(&lab.values, "domain"), "\"example.test\"");
        let tls = lab.values["tls"].value.as_table().unwrap();
        assert_eq!((tls["min"].as_str(), tls["ciphers"].as_str()), (Some("1.3"), Some("high")));
        let instance = &lab.targets["mail-eu"];
        assert_eq!((instance.target.value.as_str(), instance.root.as_str()), ("postfix", "mail-eu"));
        assert_eq!((instance.table("mx"), instance.table("hosts")), ("mx_eu", "hosts"));
        assert_eq!(value(&instance.values, "domain"), "\"example.eu\"");
        assert_eq!(lab.targets["postfix"].target.value, "postfix");
    }

    #[test]
    fn the_smallest_project() {
        let project = good("[tables.mx]\nsource = \"mx.csv\"\nkey = \"fqdn\"\n[targets.postfix]\n");
        assert_eq!(project.environments.len(), 1);
        assert_eq!(project.environments[0].name, "");
        assert!(project.environments[0].tables["mx"].columns.is_none());
        assert_eq!(good("").environments.len(), 1);
    }

    #[test]
    fn a_text_is_found_in_its_file_unless_it_has_escapes() {
        for (written, offset) in [
            ("\"a b\"", Some(1)),
            ("'a b'", Some(1)),
            ("\"\"\"a b\"\"\"", Some(3)),
            ("'''\na b'''", Some(4)),
            ("\"a\\u0020b\"", None),
        ] {
            let text = format!("[[rule]]\nassert = {written}\n");
            let mut sources = Sources::default();
            let project =
                load(&Memory::with(&[(FILE, &text)]), &mut sources, &mut Diagnostics::default()).unwrap();
            let assert = &project.rules[0].assert;
            assert_eq!(assert.value, "a b");
            assert_eq!(assert.verbatim(&sources), offset.map(|at: usize| at + "[[rule]]\nassert = ".len()));
        }
    }

    #[test]
    fn unknown_keys_are_errors_everywhere() {
        bad(
            "[projet]\n[tables.mx]\nsorce = \"a.csv\"\nsource = \"b.csv\"\n[tables.mx.columns]\nip = { type = \"ip\", uniqe = true }\n[targets.a]\nusing = \"b\"\n[[rule]]\nassert = \"true\"\nxyz = 1\n[environments.lab.table.x]\n",
            &[
                "project::unknown-key: unknown key `projet` | 1:2 known keys: project, values, tables, targets, artifact, rule, allow, environments | hint: did you mean `project`?",
                "project::unknown-key: unknown key `sorce` in `tables.mx` | 3:1 known keys: source, key, header, columns | hint: did you mean `source`?",
                "project::unknown-key: unknown key `uniqe` in `tables.mx.columns.ip` | 6:21 known keys: type, unique, optional, default, min, max, pattern, within, values, of, separator, table, local, expr | hint: did you mean `unique`?",
                "project::unknown-key: unknown key `using` in `targets.a` | 8:1 known keys: use, root, tables, values",
                "project::unknown-key: unknown key `xyz` in `rule[1]` | 11:1 known keys: name, each, assert, message",
                "project::unknown-key: unknown key `table` in `environments.lab` | 12:19 known keys: values, tables | hint: did you mean `tables`?",
            ],
        );
    }

    #[test]
    fn wrong_kinds_are_errors_everywhere() {
        bad(
            "project = { name = 7 }\nallow = [{ rule = \"a::b\", reason = \"c\", until = \"2027-03-31\" }, 5]\nvalues = []\n[tables.mx]\nsource = [\"b.csv\"]\nkey = 1.5\nheader = \"yes\"\n[tables.mx.columns]\nip = \"ipv5\"\nmac = 4\n[targets]\na = \"b\"\n[[rule]]\nassert = true\neach = \"mx\"\n[[artifact]]\ntemplate = 2027-01-01\npath = 2027-01-01T00:00:00\nmode = 0\nformat = \"postfix-mian\"",
            &[
                "project::value: `project.name`: expected a text, found a whole number | 1:20 not a text | hint: put it between quotes: \"7\"",
                "project::value: `allow[1].until`: expected a date, found a text | 2:49 not a date | hint: leave out the quotes: 2027-03-31",
                "project::value: `allow[2]`: expected a table, found a whole number | 2:65 not a table",
                "project::value: `values`: expected a table, found a list | 3:10 not a table",
                "project::value: table `mx` has no `source` | 4:1 `source` must be given",
                "project::value: `tables.mx.source`: expected a text, found a list | 5:10 not a text",
                "project::value: `tables.mx.key`: expected a text or a list, found a number | 6:7 not a text or a list",
                "project::value: `tables.mx.header`: expected true or false, found a text | 7:10 not true or false",
                "project::value: `ipv5` is not a column type | 9:6 `tables.mx.columns.ip` is one of: string, name, int, float, bool, enum, list, ref, ipv4, ipv6, ip, cidr, interface, mac, port, fqdn, hostname, email, url, path, size, duration, date, ssh-public-key, cert | hint: did you mean `ipv4`?",
                "project::value: `tables.mx.columns.mac`: expected a text or a table, found a whole number | 10:7 not a text or a table",
                "project::value: `targets.a`: expected a table, found a text | 12:5 not a table",
                "project::value: `rule[1].assert`: expected a text, found true or false | 14:10 not a text | hint: put it between quotes: \"true\"",
                "project::value: `artifact[1].template`: expected a text, found a date | 17:12 not a text | hint: put it between quotes: \"2027-01-01\"",
                "project::value: `artifact[1].path`: expected a text, found a date with a time | 18:8 not a text | hint: put it between quotes: \"2027-01-01T00:00:00\"",
                "project::value: `artifact[1].mode`: expected a text, found a whole number | 19:8 not a text | hint: put it between quotes: \"0\"",
                "project::value: `postfix-mian` is not a format | 20:10 `artifact[1].format` is one of: text, json, shell, systemd, ini, yaml, toml, xml, postfix-main, postfix-master, postfix-map, nginx, haproxy, nftables, zone, sudoers, sshd, authorized-keys, ssh-known-hosts, dovecot, prometheus | hint: did you mean `postfix-main`?",
            ],
        );
    }

    #[test]
    fn missing_keys_are_errors() {
        bad(
            "[tables.mx]\n[[rule]]\n[[artifact]]\n[[allow]]\n",
            &[
                "project::value: table `mx` has no `source` | 1:1 `source` must be given",
                "project::value: `rule[1]` has no `assert` | 2:1 `assert` must be given",
                "project::value: `artifact[1]` has no `path` | 3:1 `path` must be given",
                "project::value: `artifact[1]` has no `template` | 3:1 `template` must be given",
                "project::value: `allow[1]` has no `reason` | 4:1 `reason` must be given",
                "project::value: `allow[1]` has no `rule` | 4:1 `rule` must be given",
                "project::value: `allow[1]` has no `until` | 4:1 `until` must be given",
            ],
        );
    }

    #[test]
    fn mistakes_of_syntax() {
        bad(
            "[project]\nname = mail\nname = \"a\"\nname = \"b\"\n[targets\n",
            &[
                "project::syntax: string values must be quoted, expected literal string | 2:8 this is not TOML | hint: put text between quotes",
                "project::syntax: duplicate key | 3:1 this is not TOML | hint: `name` is there already, and may be once",
                "project::syntax: duplicate key | 4:1 this is not TOML | hint: `name` is there already, and may be once",
                "project::syntax: unclosed table, expected `]` | 5:9 this is not TOML",
            ],
        );
        bad(
            "[project]\nname = \"\n",
            &["project::syntax: invalid basic string, expected `\"` | 2:9 this is not TOML"],
        );
        bad(
            "[values]\nn = 9223372036854775808\n",
            &[
                "project::value: `values.n`: 9223372036854775808 is too large | 2:5 at most 9223372036854775807",
            ],
        );
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let world = Memory([(FILE.into(), b"[values]\na = \"\xff\"\n".to_vec())].into());
        assert!(load(&world, &mut sources, &mut diagnostics).is_none());
        let expected = [
            "source::utf8: `confwright.toml` is not UTF-8 | 2:6 this byte is part of no character | hint: convert it, for example with `iconv -f latin1 -t utf-8`",
        ];
        assert_eq!(lines(&diagnostics, &sources), expected);
        let mut diagnostics = Diagnostics::default();
        assert!(load(&Memory::default(), &mut Sources::default(), &mut diagnostics).is_none());
        let expected =
            ["source::read: `confwright.toml` cannot be read: entity not found | confwright.toml "];
        assert_eq!(lines(&diagnostics, &sources), expected);
    }

    #[test]
    fn names_are_checked() {
        let rules = "letters, digits, `_`, `-` and `.`, and neither `.` nor `-` at the start";
        let identifier = "a name is lower-case letters, digits and `_`, and begins with no digit";
        bad(
            "project.name = \"a/b\"\n[tables.Mx]\nsource = \"a\"\n[tables.row]\nsource = \"a\"\n[tables.mx]\nsource = \"a\"\n[tables.mx.columns]\n\"a b\" = \"ip\"\nloop = \"ip\"\n[targets.\"..\"]\n[targets.a]\nuse = \"b/c\"\n[environments.\"\"]\n[[rule]]\nname = \"A\"\nassert = \"true\"\n[[rule]]\nname = \"b\"\nassert = \"true\"\n[[rule]]\nname = \"b\"\nassert = \"true\"\n[[rule]]\nname = \"failed\"\nassert = \"true\"\n",
            &[
                &format!("project::name: `a/b` cannot be the name of a project | 1:16 {rules}"),
                &format!("project::name: `Mx` cannot be the name of a table | 2:9 {identifier}"),
                "project::name: `row` cannot be the name of a table: it is reserved | 4:9 templates use this name for something else",
                &format!("project::name: `a b` cannot be the name of a column | 9:1 {identifier}"),
                "project::name: `loop` cannot be the name of a column: it is reserved | 10:1 templates use this name for something else",
                &format!("project::name: `..` cannot be the name of a target | 11:10 {rules}"),
                &format!("project::name: `b/c` cannot be the name of a target | 13:7 {rules}"),
                &format!("project::name: `` cannot be the name of an environment | 14:15 {rules}"),
                "project::name: `A` cannot be the name of a rule | 16:8 lower-case letters, digits and `-`; `failed` and `expression` are taken",
                "project::name: two rules are called `b` | 22:8 the second one | 19:8 the first one",
                "project::name: `failed` cannot be the name of a rule | 25:8 lower-case letters, digits and `-`; `failed` and `expression` are taken",
            ],
        );
    }

    #[test]
    fn unknown_names_are_errors() {
        bad(
            "[tables.hosts]\nsource = \"a\"\nkey = [\"nam\", \"ip\", \"ip\"]\ncolumns = { name = \"name\", ip = \"ip\" }\n[targets.a]\ntables = { mx = \"host\" }\n[[rule]]\nname = \"spare\"\neach = \"hots\"\nassert = \"true\"\n[[artifact]]\ntemplate = \"a\"\npath = \"b\"\neach = \"z\"\n[[allow]]\nrule = \"rule::sparse\"\nrow = \"hsts/a\"\nreason = \"r\"\nuntil = 2027-01-01\n[[allow]]\nrule = \"spare\"\nrow = \"hosts\"\nreason = \" \"\nuntil = 2027-01-01\n",
            &[
                "project::unknown-name: the key of table `hosts` names no column: `nam` | 3:7 not among the declared columns | hint: did you mean `name`?",
                "project::value: column `ip` is in the key of table `hosts` twice | 3:7 name each column once",
                "project::unknown-name: there is no table `host` | 6:17 tables: hosts | hint: did you mean `hosts`?",
                "project::unknown-name: there is no table `hots` | 9:8 tables: hosts | hint: did you mean `hosts`?",
                "project::unknown-name: there is no table `z` | 14:8 tables: hosts",
                "project::unknown-name: there is no rule `rule::sparse` | 16:8 rules: rule::spare | hint: did you mean `rule::spare`?",
                "project::unknown-name: there is no table `hsts` | 17:7 tables: hosts | hint: did you mean `hosts`?",
                "project::value: `spare` is not the identifier of a rule or a lint | 21:8 two parts, as in `postfix::weak-protocol` | hint: did you mean `rule::spare`?",
                "project::value: `hosts` does not name a row | 22:7 expected `table/key`",
                "project::value: an exception has no reason | 23:10 say why it is allowed",
            ],
        );
    }

    #[test]
    fn an_environment_overrides_only_what_there_is() {
        bad(
            "[values]\ndomain = \"a\"\n[tables.mx]\nkey = \"a\"\n[environments.lab.values]\ndomian = \"b\"\n[environments.lab.tables.my]\nsource = \"c\"\n[environments.prod.tables.mx]\nsource = \"d\"\n",
            &[
                "project::value: table `mx` has no `source` in environment `lab` | 3:1 `source` must be given",
                "project::unknown-name: table `my` is in environment `lab`, but neither in the project nor in environment `prod` | 7:26 overrides no table | hint: did you mean `mx`?",
            ],
        );
        let project = good(
            "[environments.a.values]\nx = 1\n[environments.a.tables.t]\nsource = \"./a/t\"\n[environments.b.values]\nx = 2\n[environments.b.tables.t]\nsource = \"b/t\"\n",
        );
        let sources: Vec<_> =
            project.environments.iter().map(|env| env.tables["t"].source.value.as_str()).collect();
        assert_eq!(sources, ["a/t", "b/t"]);
    }

    #[test]
    fn no_path_leaves_the_project() {
        bad(
            "[project]\ngolden = \"templates/x\"\n[tables.a]\nsource = \"../a.csv\"\n[tables.b]\nsource = \"/b.csv\"\n[tables.c]\nsource = \".\"\n[targets.t]\nroot = \"a/../../b\"\n",
            &[
                "project::value: `templates/x` and `templates` lie in each other | 2:10 give each its own folder",
                "project::value: `../a.csv` does not lie inside the project | 4:10 a path relative to the root, without `..`",
                "project::value: `/b.csv` does not lie inside the project | 6:10 a path relative to the root, without `..` | hint: write it relative to the folder of confwright.toml",
                "project::value: the root itself cannot be this folder | 8:10 name a folder in it",
                "project::value: `a/../../b` does not lie inside the project | 10:8 a path relative to the root, without `..`",
            ],
        );
    }

    #[test]
    fn no_input_lies_in_golden() {
        bad(
            "[project]\ngolden = \"./data\"\n[tables.a]\nsource = \"./data/x/a.csv\"\n[tables.b]\nsource = \"database/b.csv\"\n[tables.b.columns]\na = { type = \"cert\", local = \"./data\" }\nb = { type = \"list\", of = { type = \"cert\", local = \"data/pki\" } }\nc = { type = \"cert\", local = \"x/../data\" }\n[environments.one]\n[environments.two]\n",
            &[
                "project::value: `data/x/a.csv` lies in the golden folder, and is an input | 4:10 keep inputs where no render writes",
                "project::value: `data` lies in the golden folder, and is an input | 8:5 keep inputs where no render writes",
                "project::value: `data/pki` lies in the golden folder, and is an input | 9:5 keep inputs where no render writes",
                "project::value: `x/../data` does not lie inside the project | 10:5 a path relative to the root, without `..`",
            ],
        );
    }

    #[test]
    fn the_root_is_found_from_below() {
        let root = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(root.path()).unwrap().canonicalize_utf8().unwrap();
        let below = path.join("a/b");
        std::fs::DirBuilder::new().recursive(true).create(&below).unwrap();
        let error = find(&below).unwrap_err();
        assert_eq!(error.message, format!("there is no confwright.toml in `{below}` or above it"));
        tempfile::NamedTempFile::new_in(&path).unwrap().persist_noclobber(path.join(FILE)).unwrap();
        assert_eq!(find(&below).unwrap(), path);
        assert_eq!(find(&path.join("zz")).unwrap_err().code, "project::missing");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([\\[\\]={}\"',. \n#a-c]|values|tables|environments|rule|allow|artifact|é|\u{feff}){0,60}") {
            let (project, errors) = compile(&text);
            proptest::prop_assert_eq!(project.is_none(), !errors.is_empty());
        }
    }
}
