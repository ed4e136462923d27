//! `confwright list`: what a project is made of.

use std::io;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::session::Session;
use super::{Exit, Output, Part};
use crate::compile::Compilation;
use crate::native::shell;
use crate::report;
use crate::source::Disk;

/// List the targets, tables and artifacts of the project
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright list\n  confwright list --stage config --format json")]
pub(super) struct List {
    #[command(flatten)]
    part: Part,
}

/// The result of `confwright list`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "The result of confwright list")]
pub(crate) struct Document {
    /// The project's name.
    project: String,
    /// Its environments; one without a name where it has none.
    environments: Vec<EnvironmentDocument>,
}

/// What an environment is made of.
#[derive(Debug, Serialize, JsonSchema)]
struct EnvironmentDocument {
    /// Its name; empty where the project names no environments.
    name: String,
    /// The instances of targets.
    targets: Vec<TargetDocument>,
    /// The tables.
    tables: Vec<TableDocument>,
    /// The artifacts, sorted by path.
    artifacts: Vec<ArtifactDocument>,
}

/// An instance of a target.
#[derive(Debug, Serialize, JsonSchema)]
struct TargetDocument {
    /// Its name.
    name: String,
    /// The folder of its target.
    r#use: String,
    /// What it is for.
    stage: String,
    /// One sentence on what it makes; empty where the target says none.
    about: String,
    /// How many artifacts it makes.
    artifacts: usize,
    /// Its native checks, which `check --native` runs.
    checks: Vec<CheckDocument>,
}

/// A native check.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckDocument {
    /// Its name.
    name: String,
    /// The program and its arguments.
    command: Vec<String>,
    /// The Debian package that brings the program; null where the target does not say.
    package: Option<String>,
}

/// A table.
#[derive(Debug, Serialize, JsonSchema)]
struct TableDocument {
    /// Its name.
    name: String,
    /// The file of its rows.
    source: String,
    /// How many rows it has.
    rows: usize,
    /// Its columns, in their order.
    columns: Vec<ColumnDocument>,
}

/// A column.
#[derive(Debug, Serialize, JsonSchema)]
struct ColumnDocument {
    /// Its name.
    name: String,
    /// Its type.
    r#type: String,
}

/// An artifact.
#[derive(Debug, Serialize, JsonSchema)]
struct ArtifactDocument {
    /// Its path, relative to the project's root.
    path: String,
    /// The instance that makes it; empty for the project's own.
    target: String,
    /// The template that it is made from, relative to the project's root.
    template: String,
    /// Its format.
    format: String,
    /// Its permissions in octal digits.
    mode: String,
    /// What it decides; empty where the target does not say.
    about: String,
    /// The command that makes a host use it, empty where nothing has to be done; null where the target does not say.
    apply: Option<String>,
}

impl List {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(root) = session.root() else { return session.fail("nothing was listed") };
        let disk = Disk::new(root);
        let Some(compilation) = session.prepare(&disk, &self.part.selection()) else {
            return session.fail("nothing was listed");
        };
        session.worked();
        let document = describe(&compilation);
        if session.output == Output::Json {
            report::document_as_json(&mut session.out, &document)?;
            return Ok(Exit::Clean);
        }
        for environment in &document.environments {
            print(&mut session.out, environment)?;
        }
        Ok(Exit::Clean)
    }
}

fn describe(compilation: &Compilation) -> Document {
    let environments = compilation.environments.iter().map(|environment| {
        let declared =
            compilation.project.environments.iter().find(|declared| declared.name == environment.name);
        let made = environment.targets();
        let instances = declared.into_iter().flat_map(|declared| declared.targets.values());
        let targets = instances.filter(|instance| made.contains(&instance.name)).map(|instance| {
            let target = compilation.targets.get(&instance.target.value);
            TargetDocument {
                name: instance.name.clone(),
                r#use: instance.target.value.clone(),
                stage: target.map_or("", |target| target.stage.name()).to_owned(),
                about: target.and_then(|target| target.about.clone()).unwrap_or_default(),
                artifacts: environment
                    .artifacts
                    .iter()
                    .filter(|planned| *planned.target == *instance.name)
                    .count(),
                checks: target
                    .iter()
                    .flat_map(|target| &target.checks)
                    .map(|check| CheckDocument {
                        name: check.name.value.clone(),
                        command: check.command.clone(),
                        package: check.package.clone(),
                    })
                    .collect(),
            }
        });
        let tables = environment.tables.iter().map(|table| {
            let schema = table.schema();
            let source = declared.and_then(|declared| declared.tables.get(&schema.name));
            TableDocument {
                name: schema.name.clone(),
                source: source.map(|table| table.source.value.to_string()).unwrap_or_default(),
                rows: table.len(),
                columns: schema
                    .columns
                    .iter()
                    .map(|column| ColumnDocument { name: column.name.clone(), r#type: column.ty.to_string() })
                    .collect(),
            }
        });
        let artifacts = environment.artifacts.iter().map(|planned| {
            let declared = environment.declaration(planned);
            ArtifactDocument {
                path: environment.folder.join(&planned.path).to_string(),
                target: planned.target.to_string(),
                template: planned.source.to_string(),
                format: planned.format.name.to_owned(),
                mode: format!("{:04o}", planned.mode),
                about: declared.and_then(|declared| declared.about.clone()).unwrap_or_default(),
                apply: declared.and_then(|declared| declared.apply.clone()),
            }
        });
        EnvironmentDocument {
            name: environment.name.clone(),
            targets: targets.collect(),
            tables: tables.collect(),
            artifacts: artifacts.collect(),
        }
    });
    Document { project: compilation.project.name.clone(), environments: environments.collect() }
}

fn print(out: &mut dyn io::Write, environment: &EnvironmentDocument) -> io::Result<()> {
    if !environment.name.is_empty() {
        writeln!(out, "environment {}", environment.name)?;
    }
    writeln!(out, "targets")?;
    for target in &environment.targets {
        let kind =
            if target.name == target.r#use { String::new() } else { format!(" (uses {})", target.r#use) };
        let count = super::render::artifacts_of(target.artifacts);
        writeln!(out, "  {}{kind}: {}, {count}", target.name, target.stage)?;
        if !target.about.is_empty() {
            writeln!(out, "    {}", target.about)?;
        }
        for check in &target.checks {
            writeln!(out, "    check `{}`: {}", check.name, shell(&check.command))?;
        }
    }
    writeln!(out, "tables")?;
    for table in &environment.tables {
        let rows = if table.rows == 1 { "1 row".to_owned() } else { format!("{} rows", table.rows) };
        writeln!(out, "  {}: {}, {rows}", table.name, table.source)?;
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.r#type)).collect();
        writeln!(out, "    {}", columns.join(", "))?;
    }
    writeln!(out, "artifacts")?;
    for artifact in &environment.artifacts {
        writeln!(out, "  {} {} <- {}", artifact.mode, artifact.path, artifact.template)?;
    }
    Ok(())
}
