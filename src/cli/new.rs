//! `confwright new`: a project that is ready to render.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::session::Session;
use super::{Exit, Output};
use crate::diagnostic::{Diagnostic, code};
use crate::report;
use crate::starter::{self, DEFAULT};
use crate::write;

/// Make a new project, ready to render
///
/// The folder must be empty, or not be there yet. The project begins with small tables of examples, the templates of
/// its targets, a Makefile and hooks for pre-commit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright new mail --target postfix\n  \
                        confwright new edge --target nginx --target postfix\n  \
                        confwright new try && confwright -C try render")]
pub(super) struct New {
    /// The folder of the project
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
    #[arg(long = "target", value_name = "NAME", help = targets())]
    targets: Vec<String>,
}

/// The result of `confwright new`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "The result of confwright new")]
pub(crate) struct Document {
    /// The project's folder, as the command line names it.
    directory: String,
    /// The project's name.
    project: String,
    /// The targets that it begins with.
    targets: Vec<String>,
    /// The files that were made, relative to the folder.
    files: Vec<String>,
}

fn targets() -> String {
    format!(
        "Begin with this target; may be given several times [default: {DEFAULT}] [targets: {}]",
        starter::targets().join(", ")
    )
}

const NOTHING: &str = "nothing was written";

impl New {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let folder = match session.directory.as_str() {
            "." => self.folder,
            _ => session.directory.join(self.folder),
        };
        let name = starter::name_of(&folder);
        let mut targets: Vec<String> = Vec::new();
        for target in self.targets {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            targets.push(DEFAULT.to_owned());
        }
        let files = match starter::compose(&name, &targets) {
            Ok(files) => files,
            Err(found) => {
                session.diagnostics.append(found);
                return session.fail(NOTHING);
            }
        };
        if let Err(error) = write::fill(&folder, &files) {
            session.diagnostics.push(unfilled(&folder, &error));
            return session.fail(NOTHING);
        }
        session.committed = true;
        if session.output == Output::Json {
            let document = Document {
                directory: folder.to_string(),
                project: name,
                targets,
                files: files.into_iter().map(|(path, _)| path.to_string()).collect(),
            };
            report::document_as_json(&mut session.out, &document)?;
            return Ok(Exit::Clean);
        }
        let kind = if targets.len() == 1 { "target" } else { "targets" };
        session.say(&format!(
            "made the project `{name}` in {folder}: {} files, {kind} {}",
            files.len(),
            targets.join(", ")
        ))?;
        let data = files.iter().find(|(path, _)| path.starts_with("data"));
        let data = data.map_or("confwright.toml", |(path, _)| path.as_str());
        let enter = if folder == "." { String::new() } else { format!("\n  cd {}", quoted(&folder)) };
        session.say(&format!(
            "next:{enter}\n  confwright render    compiles it into golden/\n  \
             confwright diff      shows what a change of {data} does"
        ))?;
        Ok(Exit::Clean)
    }
}

/// Why a folder could not be filled.
fn unfilled(folder: &Utf8Path, error: &io::Error) -> Diagnostic {
    if error.kind() == io::ErrorKind::DirectoryNotEmpty {
        return Diagnostic::error(&code::NEW_EXISTS, format!("the folder `{folder}` is not empty"))
            .hint("choose a folder that is empty, or that is not there yet");
    }
    if folder.is_file() {
        return Diagnostic::error(&code::NEW_EXISTS, format!("`{folder}` is a file"))
            .hint("choose a folder that is empty, or that is not there yet");
    }
    Diagnostic::error(&code::NEW_WRITE, format!("the folder `{folder}` cannot be filled: {error}"))
}

/// A path as a shell takes it.
fn quoted(path: &Utf8Path) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.as_str().chars().all(plain) && !path.as_str().starts_with('-') {
        return path.to_string();
    }
    // A path that begins with a dash would be taken for an option.
    let here = if path.as_str().starts_with('-') { "./" } else { "" };
    format!("'{here}{}'", path.as_str().replace('\'', r"'\''"))
}
