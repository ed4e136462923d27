//! target.toml: the artifacts and checks that belong together, and what they ask of a project.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::document::{self, At, Located, Map, shapes};
use crate::format::{self, Format};
use crate::project::{self, Instance, Project, Reader, Values};
use crate::source::{FileId, Sources, Span, Unlisted, World};
use crate::table::spec::ColumnSpec;
use crate::table::{self, Column};

/// The name of the file that makes a folder a target.
pub const FILE: &str = "target.toml";

/// The folder of the templates where the project names no other.
pub(crate) const FOLDER: &str = "templates";

/// The folder of a target that a new project begins with, and no other uses.
pub(crate) const STARTER: &str = "starter";

/// The folder below the templates that all targets share.
pub const SHARED: &str = "_shared";

/// The name of a known format, which says how values enter an artifact.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct FormatName(String);

impl JsonSchema for FormatName {
    fn schema_name() -> Cow<'static, str> {
        "format".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = format::FORMATS.iter().map(|format| format.name).collect();
        schemars::json_schema!({ "type": "string", "enum": names, "title": "format" })
    }
}

/// What a target is for; the order is that in which a machine goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "stage")]
pub enum Stage {
    /// The configuration of services.
    Config,
    /// A machine's image and its preparation.
    Image,
    /// Bringing a machine into service.
    Deploy,
    /// The checks of the running system.
    Verify,
    /// Who may do what.
    Access,
}

/// What a template's tags look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "kind of delimiter")]
pub enum Delimiters {
    /// `{{ }}`, `{% %}` and `{# #}`.
    #[default]
    Curly,
    /// `[[ ]]`, `[% %]` and `[# #]`.
    Square,
}

impl FailsOn {
    /// Its name in target.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stderr => "stderr",
        }
    }
}

impl Stage {
    /// Its name in target.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Image => "image",
            Self::Deploy => "deploy",
            Self::Verify => "verify",
            Self::Access => "access",
        }
    }
}

/// By what a native validator says that it found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "sign of failure")]
pub enum FailsOn {
    /// An exit status other than 0.
    #[default]
    Status,
    /// Anything on its standard error.
    Stderr,
}

/// target.toml: artifacts and checks that belong together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "target.toml")]
pub(crate) struct TargetFile {
    /// What the target is for.
    #[schemars(required)]
    stage: Option<Stage>,
    /// One sentence on what the target makes.
    about: Option<String>,
    /// What makes a host use new files: a command, for all artifacts that name no other.
    apply: Option<String>,
    /// `square` where the outputs are themselves full of braces.
    delimiters: Option<Delimiters>,
    /// What the target's templates use of a project.
    requires: Option<RequiresSection>,
    /// The files it makes.
    #[serde(default)]
    artifact: Vec<At<ArtifactSection>>,
    /// Native validators of the rendered tree, which `confwright check --native` runs.
    #[serde(default)]
    check: Vec<At<CheckSection>>,
}

impl document::Document for TargetFile {
    const SHAPE: document::Shape = &shapes::TARGET;
}

/// What a target's templates use of a project.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RequiresSection {
    /// The tables, by the target's names for them, with the columns that are used; when given, there are no others. Their
    /// constraints hold beside those that the project declares.
    tables: Option<Map<Map<ColumnSpec>>>,
    /// The values that are used; when given, there are no others.
    values: Option<Map<ColumnSpec>>,
}

/// One output file, or one for each row of a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ArtifactSection {
    /// The template's name.
    #[schemars(required)]
    template: Option<At<String>>,
    /// Where the artifact lies; may hold expressions in `{{ }}`.
    #[schemars(required)]
    path: Option<At<String>>,
    /// The language it is in.
    format: Option<At<FormatName>>,
    /// Its permissions in octal digits, `0644` where they are not given.
    mode: Option<At<String>>,
    /// A table: one artifact for each of its rows, which are bound to `row`.
    each: Option<At<String>>,
    /// What it decides, in a few words; a review of a change shows them.
    about: Option<String>,
    /// What makes a host use it once it has changed: a command; empty where nothing has to be done.
    apply: Option<String>,
}

/// A native validator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CheckSection {
    /// What it is called in reports.
    #[schemars(required)]
    name: Option<At<String>>,
    /// The program and its arguments. `{root}` is a folder with what the instance makes, and `{target}` one with the files
    /// of the target's folder that are no templates; both are copies that go away.
    #[schemars(required)]
    command: Option<At<Vec<String>>>,
    /// The Debian package that brings the program.
    package: Option<String>,
    /// What shows that it found something; `status` where it is not given.
    fails_on: Option<FailsOn>,
    /// How many seconds it may take; 60 where it is not given.
    timeout: Option<At<u32>>,
}

/// A folder of templates with what is made of them.
#[derive(Debug, Clone)]
pub struct Target {
    /// The folder's name.
    pub name: String,
    /// Its target.toml.
    pub file: FileId,
    /// What it is for.
    pub stage: Stage,
    /// One sentence on what it makes.
    pub about: Option<String>,
    /// What makes a host use new files.
    pub apply: Option<String>,
    /// What its templates' tags look like.
    pub delimiters: Delimiters,
    /// The columns that its templates use, by its own names for the tables; without, they may use all there are.
    pub tables: Option<IndexMap<String, RequiredTable>>,
    /// The values that its templates use; without, they may use all there are.
    pub values: Option<IndexMap<String, Located<ColumnSpec>>>,
    /// The files it makes.
    pub artifacts: Vec<Artifact>,
    /// Its native validators.
    pub checks: Vec<Check>,
    /// Its own templates, by name: paths relative to its folder; sorted.
    pub templates: Vec<Utf8PathBuf>,
    /// What its checks may use beside: the other files of its folder, but for its target.toml and what new projects begin
    /// with; sorted.
    pub files: Vec<Utf8PathBuf>,
}

/// What a target uses of a table.
#[derive(Debug, Clone)]
pub struct RequiredTable {
    /// The columns.
    pub columns: IndexMap<String, Located<ColumnSpec>>,
    /// The section's header.
    pub span: Span,
}

/// One output file, or one for each row.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The template's name.
    pub template: Located<String>,
    /// The path, with expressions in it.
    pub path: Located<String>,
    /// Its language.
    pub format: &'static Format,
    /// Its permissions, at most `0o777`.
    pub mode: u32,
    /// The table whose rows it is made for.
    pub each: Option<Located<String>>,
    /// What it decides.
    pub about: Option<String>,
    /// What makes a host use it; empty where nothing has to be done.
    pub apply: Option<String>,
    /// The section's header.
    pub span: Span,
}

/// A native validator.
#[derive(Debug, Clone)]
pub struct Check {
    /// What it is called.
    pub name: Located<String>,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// The Debian package that brings the program.
    pub package: Option<String>,
    /// What shows that it found something.
    pub fails_on: FailsOn,
    /// How long it may take.
    pub timeout: Duration,
    /// The section's header.
    pub span: Span,
}

/// Reads the target of each folder that the project's instances name, sorted by name.
///
/// Every instance is checked against its target; what has errors is left out.
pub fn load(
    world: &dyn World,
    sources: &mut Sources,
    project: &Project,
    diagnostics: &mut Diagnostics,
) -> IndexMap<String, Target> {
    let files = match world.list(&project.templates) {
        Ok(files) => files,
        Err(error) => {
            let unlisted = error.get_ref().and_then(|error| error.downcast_ref::<Unlisted>());
            let place = unlisted.map_or(&project.templates, |unlisted| &unlisted.path);
            let message = match unlisted {
                Some(unlisted) => unlisted.to_string(),
                None => format!("the folder `{}` cannot be listed: {error}", project.templates),
            };
            diagnostics.push(Diagnostic::error(&code::SOURCE_READ, message).at_file(place, ""));
            return IndexMap::new();
        }
    };
    let folders: BTreeSet<&str> = files
        .iter()
        .filter_map(|path| path.strip_prefix(&project.templates).ok()?.as_str().strip_suffix("/target.toml"))
        .collect();
    // All environments have the same instances.
    let Some(environment) = project.environments.first() else { return IndexMap::new() };
    let mut targets = IndexMap::new();
    let named: BTreeSet<&str> =
        environment.targets.values().map(|instance| instance.target.value.as_str()).collect();
    for name in named {
        if folders.contains(name)
            && let Some(target) = open(world, sources, (&project.templates, &files), name, diagnostics)
        {
            let required = target.tables.iter().flatten().flat_map(|(_, table)| table.columns.values());
            Reader { file: target.file, diagnostics }.local_outside(&project.golden, required);
            targets.insert(name.to_owned(), target);
        }
    }
    for instance in environment.targets.values() {
        let name = instance.target.value.as_str();
        if !folders.contains(name) {
            let wanted = project.templates.join(name).join(FILE);
            diagnostics.push(
                Diagnostic::error(&code::TARGET_MISSING, format!("there is no target `{name}`"))
                    .at(instance.target.span, format!("`{wanted}` does not exist"))
                    .hint_nearest(name, folders.iter().copied()),
            );
        }
        if let Some(target) = targets.get(name) {
            instance_names(instance, target, &environment.values, diagnostics);
        }
    }
    if environment.targets.values().all(|instance| targets.contains_key(&instance.target.value)) {
        environment_values(project, &targets, diagnostics);
    }
    targets
}

/// Reads the target in a folder below the templates, given with the files that lie there.
pub(crate) fn open(
    world: &dyn World,
    sources: &mut Sources,
    (above, files): (&Utf8Path, &[Utf8PathBuf]),
    name: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Target> {
    let folder = above.join(name);
    let file = diagnostics.take(project::open(world, sources, &folder.join(FILE)))?;
    let mut target = read(sources, file, name, templates(files, &folder), diagnostics)?;
    let own = files.iter().filter_map(|path| path.strip_prefix(&folder).ok());
    let own =
        own.filter(|path| path.extension() != Some("tera") && *path != FILE && !path.starts_with(STARTER));
    target.files = own.map(Utf8Path::to_owned).collect();
    Some(target)
}

/// An instance may map and set what its target requires; where a target requires all there is, anything.
fn instance_names(instance: &Instance, target: &Target, values: &Values, diagnostics: &mut Diagnostics) {
    let name = &target.name;
    if let Some(required) = &target.tables {
        for (table, mapped) in instance.tables.iter().filter(|(table, _)| !required.contains_key(*table)) {
            let message = format!("target `{name}` requires no table `{table}`");
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message)
                    .at(mapped.name_span, "the target's name for a table")
                    .hint_nearest(table, required.keys().map(String::as_str)),
            );
        }
    }
    if let Some(required) = &target.values {
        let own = instance.values.iter().filter(|(value, _)| !values.contains_key(*value));
        for (value, place) in own.filter(|(value, _)| !required.contains_key(*value)) {
            let message = format!("target `{name}` requires no value `{value}`");
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message)
                    .at(place.span, "set for this instance")
                    .hint_nearest(value, required.keys().map(String::as_str)),
            );
        }
    }
}

/// A value that only some of the environments have, and that no target requires, is most likely a mistyped
/// override.
fn environment_values(project: &Project, targets: &IndexMap<String, Target>, diagnostics: &mut Diagnostics) {
    let required: BTreeSet<&str> = targets
        .values()
        .flat_map(|target| target.values.iter().flatten())
        .map(|(name, _)| name.as_str())
        .collect();
    for environment in &project.environments {
        for (name, place) in environment.values.iter().filter(|(name, _)| !required.contains(name.as_str())) {
            let without = project.environments.iter().find(|other| !other.values.contains_key(name));
            let Some(without) = without else { continue };
            let message = format!(
                "value `{name}` is in environment `{}`, but not in environment `{}`, and no target requires it",
                environment.name, without.name
            );
            let known = without.values.keys().map(String::as_str).chain(required.iter().copied());
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_UNKNOWN_NAME, message)
                    .at(place.span, "overrides no value")
                    .hint_nearest(name, known),
            );
        }
    }
}

/// The templates in a folder, by their paths relative to it; sorted.
pub fn templates(files: &[Utf8PathBuf], folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    files
        .iter()
        .filter(|path| path.extension() == Some("tera"))
        .filter_map(|path| path.strip_prefix(folder).ok())
        .map(Utf8Path::to_owned)
        .collect()
}

/// Reads one target.toml.
fn read(
    sources: &Sources,
    file: FileId,
    name: &str,
    templates: Vec<Utf8PathBuf>,
    diagnostics: &mut Diagnostics,
) -> Option<Target> {
    let section: TargetFile = document::read(sources, file, diagnostics)?;
    let (tables, values) =
        section.requires.map_or((None, None), |requires| (requires.tables, requires.values));
    let mut artifacts = artifacts(section.artifact, file, diagnostics);
    for artifact in &mut artifacts {
        artifact.apply = artifact.apply.take().or_else(|| section.apply.clone());
    }
    let checks = checks(section.check, file, diagnostics);
    let mut reader = Reader { file, diagnostics };
    let tables: Option<IndexMap<_, _>> = tables.map(|tables| {
        let required = tables.entries(file).map(|(name, section)| {
            reader.identifier("table", &name.value, name.span);
            (name.value, RequiredTable { columns: reader.columns(section.value), span: section.span })
        });
        required.collect()
    });
    let values: Option<IndexMap<_, _>> =
        values.map(|values| values.entries(file).map(|(name, column)| (name.value, column)).collect());
    let columns = tables.iter().flatten().flat_map(|(_, table)| &table.columns);
    for (name, column) in columns.chain(values.iter().flatten()) {
        Column::resolve(name, &column.value, Some(column.span), diagnostics);
    }
    if let Some(tables) = &tables {
        for each in artifacts.iter().filter_map(|artifact| artifact.each.as_ref()) {
            if !tables.contains_key(&each.value) {
                diagnostics.push(
                    Diagnostic::error(
                        &code::PROJECT_UNKNOWN_NAME,
                        format!("table `{}` is not among those that the target requires", each.value),
                    )
                    .at(each.span, "add it to `requires.tables`")
                    .hint_nearest(&each.value, tables.keys().map(String::as_str)),
                );
            }
        }
    }
    Some(Target {
        name: name.to_owned(),
        file,
        stage: section.stage?,
        about: section.about,
        apply: section.apply,
        delimiters: section.delimiters.unwrap_or_default(),
        tables,
        values,
        artifacts,
        checks,
        templates,
        files: Vec::new(),
    })
}

/// The artifacts of a target, or of a project.
pub(crate) fn artifacts(
    sections: Vec<At<ArtifactSection>>,
    file: FileId,
    diagnostics: &mut Diagnostics,
) -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    for section in sections {
        let Located { value: section, span } = section.locate(file);
        let mode = section.mode.map_or(Ok(0o644), |mode| mode_bits(&mode.locate(file)));
        let mode = diagnostics.take(mode);
        let (Some(template), Some(path), Some(mode)) = (section.template, section.path, mode) else {
            continue;
        };
        artifacts.push(Artifact {
            template: template.locate(file),
            path: path.locate(file),
            format: section.format.and_then(|name| format::find(&name.value().0)).unwrap_or(format::TEXT),
            mode,
            each: section.each.map(|each| each.locate(file)),
            about: section.about,
            apply: section.apply,
            span,
        });
    }
    artifacts
}

/// Three octal digits, with or without a `0` before them; the owner can read the file.
fn mode_bits(mode: &Located<String>) -> Result<u32, Diagnostic> {
    let digits = mode.value.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(&mode.value);
    let octal = digits.len() == 3 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let bits = u32::from_str_radix(digits, 8).ok().filter(|_| octal);
    let error = |message: String, label: &str| {
        Err(Diagnostic::error(&code::PROJECT_VALUE, message).at(mode.span, label))
    };
    match bits {
        Some(bits) if bits & 0o400 != 0 => Ok(bits),
        Some(_) => {
            error(format!("mode `{}` does not let the owner read the file", mode.value), "at least 0400")
        }
        None if matches!(u32::from_str_radix(&mode.value, 8), Ok(0o1000..=0o7777)) => error(
            format!("mode `{}` has more than permissions", mode.value),
            "at most 0777: no set-user-ID, set-group-ID or sticky bit",
        ),
        None => error(format!("`{}` is not a mode", mode.value), "octal digits, such as \"0644\""),
    }
}

/// The placeholders of a check's command: the folder of the rendered tree, and that of the target's own files.
pub(crate) const PLACEHOLDERS: [&str; 2] = ["{root}", "{target}"];

/// How many seconds a check may take that does not say.
const TIMEOUT: u32 = 60;

/// The names in braces. `{ print $1 }` and `${home}` are for the program.
fn placeholders(part: &str) -> impl Iterator<Item = &str> {
    let braces = part.match_indices('{').filter(|(at, _)| !part[..*at].ends_with('$'));
    let names = braces.filter_map(|(at, _)| Some(part[at + 1..].split_once('}')?.0));
    names.filter(|name| table::is_name(name))
}

fn checks(sections: Vec<At<CheckSection>>, file: FileId, diagnostics: &mut Diagnostics) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for section in sections {
        let Located { value: section, span } = section.locate(file);
        let (Some(name), Some(command)) = (section.name, section.command) else { continue };
        let (name, command) = (name.locate(file), command.locate(file));
        if command.value.first().is_none_or(String::is_empty) {
            diagnostics.push(
                Diagnostic::error(
                    &code::PROJECT_VALUE,
                    format!("the command of check `{}` is empty", name.value),
                )
                .at(command.span, "the program and its arguments"),
            );
        }
        let braced =
            command.value.iter().flat_map(|part| placeholders(part)).map(|name| format!("{{{name}}}"));
        for other in braced.filter(|name| !PLACEHOLDERS.contains(&name.as_str())) {
            let message = format!("unknown placeholder `{other}` in the command of check `{}`", name.value);
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_VALUE, message)
                    .at(command.span, "the placeholders are `{root}` and `{target}`")
                    .hint_nearest(&other, PLACEHOLDERS),
            );
        }
        let timeout = section.timeout.as_ref().map_or(TIMEOUT, |timeout| *timeout.value());
        if let (0, Some(timeout)) = (timeout, &section.timeout) {
            let message = format!("check `{}` has no time to run", name.value);
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_VALUE, message).at(timeout.span(file), "at least 1 second"),
            );
        }
        if let Some(first) = checks.iter().find(|check| check.name.value == name.value) {
            diagnostics.push(
                Diagnostic::error(&code::PROJECT_NAME, format!("two checks are called `{}`", name.value))
                    .at(name.span, "the second one")
                    .at(first.name.span, "the first one"),
            );
        }
        checks.push(Check {
            name,
            command: command.value,
            package: section.package,
            fails_on: section.fails_on.unwrap_or_default(),
            timeout: Duration::from_secs(timeout.into()),
            span,
        });
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::tests::{Memory, lines};

    /// Loads the targets of a project, with the diagnostics as lines.
    fn compile(files: &[(&str, &str)]) -> (IndexMap<String, Target>, Vec<String>) {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let world = Memory::with(files);
        let project = project::load(&world, &mut sources, &mut diagnostics);
        let targets = load(&world, &mut sources, &project.unwrap(), &mut diagnostics);
        (targets, lines(&diagnostics, &sources))
    }

    #[track_caller]
    fn bad(target: &str, expected: &[&str]) {
        let files = [(project::FILE, "[targets.t]\n"), ("templates/t/target.toml", target)];
        assert_eq!(compile(&files).1, expected);
    }

    const DESIGN: &str = r#"
stage = "config"
about = "One Postfix, a listener and an outbound transport for each address"
delimiters = "square"
[requires.tables.mx]
ip = "ipv4"
fqdn = { type = "fqdn", optional = true }
[requires.tables.vms]
[requires.values]
domain = { type = "fqdn", default = "example.org" }
[[artifact]]
template = "master.cf.tera"
path = "postfix/master.cf"
format = "postfix-master"
mode = "0640"
[[artifact]]
template = "vm/lan.network.tera"
each = "vms"
path = "image/{{ row.name }}/10-lan.network"
[[check]]
name = "postfix check"
command = ["postfix", "-c", "{root}/postfix", "check"]
package = "postfix"
fails-on = "stderr"
"#;

    #[test]
    fn the_target_of_the_design() {
        let (targets, errors) = compile(&[
            (project::FILE, "[targets.a]\nuse = \"postfix\"\n[targets.postfix]\n"),
            ("templates/postfix/target.toml", DESIGN),
            ("templates/postfix/vm/lan.network.tera", ""),
            ("templates/postfix/master.cf.tera", ""),
            ("templates/postfix/README.md", ""),
            ("templates/_shared/tls.tera", ""),
            ("templates/unused/target.toml", "not even TOML"),
        ]);
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(targets.keys().collect::<Vec<_>>(), ["postfix"]);
        let target = &targets["postfix"];
        assert_eq!((target.stage, target.delimiters), (Stage::Config, Delimiters::Square));
        assert_eq!(target.templates, ["master.cf.tera", "vm/lan.network.tera"]);
        let tables = target.tables.as_ref().unwrap();
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["mx", "vms"]);
        assert_eq!(tables["mx"].columns.keys().collect::<Vec<_>>(), ["ip", "fqdn"]);
        assert!(tables["mx"].columns["fqdn"].value.fields().optional);
        let domain = target.values.as_ref().unwrap()["domain"].value.fields();
        assert_eq!(domain.default, Some("example.org".into()));
        let [master, lan] = &target.artifacts[..] else { panic!("two artifacts") };
        assert_eq!((master.format.name, master.mode), ("postfix-master", 0o640));
        assert_eq!((lan.format.name, lan.mode), ("text", 0o644));
        assert_eq!(lan.each.as_ref().map(|each| each.value.as_str()), Some("vms"));
        let check = &target.checks[0];
        assert_eq!((check.command.len(), check.fails_on), (4, FailsOn::Stderr));
        assert_eq!(check.package.as_deref(), Some("postfix"));
    }

    #[test]
    fn the_project_of_this_repository() {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let world = crate::source::Disk::new(env!("CARGO_MANIFEST_DIR"));
        let project = project::load(&world, &mut sources, &mut diagnostics);
        let targets = project.map(|project| load(&world, &mut sources, &project, &mut diagnostics));
        assert_eq!(lines(&diagnostics, &sources), Vec::<String>::new());
        assert!(targets.is_some_and(|targets| targets.contains_key("postfix")));
    }

    #[test]
    fn a_missing_target() {
        let (_, errors) = compile(&[
            (project::FILE, "[targets.mail]\nuse = \"postfxi\"\n[targets.nginx]\n"),
            ("templates/postfix/target.toml", "stage = \"config\"\n"),
            ("templates/nginx/a.tera", ""),
        ]);
        let expected = [
            "target::missing: there is no target `postfxi` | 2:7 `templates/postfxi/target.toml` does not exist | hint: did you mean `postfix`?",
            "target::missing: there is no target `nginx` | 3:10 `templates/nginx/target.toml` does not exist",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_table_that_the_target_does_not_know() {
        let (_, errors) = compile(&[
            (
                project::FILE,
                "[tables.a]\nsource = \"a.csv\"\n[targets.t]\ntables = { mxs = \"a\" }\n[targets.u]\ntables = { mxs = \"a\" }\n",
            ),
            ("templates/t/target.toml", "stage = \"image\"\n[requires.tables.mx]\n"),
            ("templates/u/target.toml", "stage = \"image\"\n"),
        ]);
        let expected = [
            "project::unknown-name: target `t` requires no table `mxs` | 4:12 the target's name for a table | hint: did you mean `mx`?",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn values_that_nobody_asked_for() {
        let (_, errors) = compile(&[
            (
                project::FILE,
                "[values]\ndomain = \"a\"\n[targets.t]\n[targets.u]\nuse = \"t\"\nvalues = { domain = \"x\", port = 1, prot = 2 }\n[environments.prod]\n[environments.lab.values]\ndomian = \"b\"\nport = 5\n",
            ),
            (
                "templates/t/target.toml",
                "stage = \"image\"\n[requires.values]\nport = { type = \"port\", default = 25 }\n",
            ),
        ]);
        let expected = [
            "project::unknown-name: target `t` requires no value `prot` | 6:43 set for this instance | hint: did you mean `port`?",
            "project::unknown-name: value `domian` is in environment `lab`, but not in environment `prod`, and no target requires it | 9:10 overrides no value | hint: did you mean `domain`?",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn all_mistakes_of_a_file_are_reported() {
        bad(
            "abuot = \"x\"\ndelimiters = \"sqare\"\n[requires]\ntable = 1\n[requires.tables.Mx]\nip = \"ip4\"\nROW = \"ip\"\n[requires.values]\na = 5\n[[artifact]]\npath = \"x\"\nmode = \"644\"\n[[artifact]]\ntemplate = \"t\"\npath = \"x\"\nmode = \"0888\"\neach = \"mx\"\n[[artifact]]\ntemplate = \"t\"\npath = \"x\"\nmode = \"0044\"\n[[check]]\nname = \"c\"\ncommand = []\nfails-on = \"stdout\"\n[[check]]\nname = \"c\"\ncommand = [\"a\", 1]\n",
            &[
                "project::unknown-key: unknown key `abuot` | 1:1 known keys: stage, about, apply, delimiters, requires, artifact, check | hint: did you mean `about`?",
                "project::value: the file has no `stage` | 1:1 `stage` must be given",
                "project::value: `sqare` is not a kind of delimiter | 2:14 `delimiters` is one of: curly, square | hint: did you mean `square`?",
                "project::unknown-key: unknown key `table` in `requires` | 4:1 known keys: tables, values | hint: did you mean `tables`?",
                "project::name: `Mx` cannot be the name of a table | 5:18 a name is lower-case letters, digits and `_`, and begins with no digit",
                "project::value: `ip4` is not a column type | 6:6 `requires.tables.Mx.ip` is one of: string, name, int, float, bool, enum, list, ref, ipv4, ipv6, ip, cidr, interface, mac, port, fqdn, hostname, email, url, path, size, duration, date, ssh-public-key, cert | hint: did you mean `ip`?",
                "project::name: `ROW` cannot be the name of a column | 7:1 a name is lower-case letters, digits and `_`, and begins with no digit",
                "project::value: `requires.values.a`: expected a text or a table, found a whole number | 9:5 not a text or a table",
                "project::value: `artifact[1]` has no `template` | 10:1 `template` must be given",
                "project::value: `0888` is not a mode | 16:8 octal digits, such as \"0644\"",
                "project::value: mode `0044` does not let the owner read the file | 21:8 at least 0400",
                "project::value: the command of check `c` is empty | 24:11 the program and its arguments",
                "project::value: `stdout` is not a sign of failure | 25:12 `check[1].fails-on` is one of: status, stderr",
                "project::name: two checks are called `c` | 27:8 the second one | 23:8 the first one",
                "project::value: `check[2].command[2]`: expected a text, found a whole number | 28:17 not a text | hint: put it between quotes: \"1\"",
            ],
        );
    }

    #[test]
    fn an_unknown_placeholder() {
        bad(
            "stage = \"config\"\n[[check]]\nname = \"c\"\ncommand = [\"x\", \"{root}/{roo}/y\", \"${home}\", \"{ print $1 }\", \"{}\", \"{\", \"{place}\"]\n",
            &[
                "project::value: unknown placeholder `{place}` in the command of check `c` | 4:11 the placeholders are `{root}` and `{target}`",
                "project::value: unknown placeholder `{roo}` in the command of check `c` | 4:11 the placeholders are `{root}` and `{target}` | hint: did you mean `{root}`?",
            ],
        );
    }

    #[test]
    fn an_artifact_for_each_row_of_a_table_that_is_not_required() {
        bad(
            "stage = \"confg\"\n[requires.tables.mx]\n[[artifact]]\ntemplate = \"t\"\npath = \"x\"\neach = \"mxs\"\n",
            &[
                "project::value: `confg` is not a stage | 1:9 `stage` is one of: config, image, deploy, verify, access | hint: did you mean `config`?",
                "project::unknown-name: table `mxs` is not among those that the target requires | 6:8 add it to `requires.tables` | hint: did you mean `mx`?",
            ],
        );
    }
}
