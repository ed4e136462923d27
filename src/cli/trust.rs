//! `confwright trust`: records that what native checks run may run.

use std::collections::BTreeMap;
use std::io;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::native::record;
use super::session::Session;
use super::{Exit, Output};
use crate::diagnostic::Diagnostics;
use crate::native::shell;
use crate::native::trust::{self, Known, names_project};
use crate::project;
use crate::report;
use crate::source::Disk;
use crate::target::{self, Check, Target};

/// Record that the commands of the project's native checks may run here
///
/// The commands of `[[check]]` are a part of the project: who can change it could have them run anything. So
/// `check --native` runs those that confwright brings itself, and others only once they were read and trusted. What
/// decides what runs is recorded as a hash, with the files of the target's folder where a command names `{target}`; where
/// anything of it changes, it is to be read again.
///
/// The record is this user's, for this folder: `confwright/trusted.json` in `XDG_STATE_HOME`, or in `~/.local/state`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright trust --list     read what would run\n  \
                        confwright trust            trust it\n  confwright trust --revoke   trust nothing any more")]
pub(super) struct Trust {
    /// Show what would run, and whether it is trusted
    #[arg(long, conflicts_with = "revoke")]
    list: bool,
    /// Forget what was trusted
    #[arg(long)]
    revoke: bool,
}

/// The result of `confwright trust`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "The result of confwright trust")]
pub(crate) struct Document<'a> {
    /// The native checks of the project's targets.
    checks: Vec<CheckDocument<'a>>,
}

/// A native check, and whose word it is that it may run.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckDocument<'a> {
    /// The folder of its target.
    target: &'a str,
    /// Its name.
    name: &'a str,
    /// The program and its arguments.
    command: &'a [String],
    /// The files that it can run, relative to the project's root.
    files: Vec<String>,
    /// The SHA-256 of all that decides what runs, in hexadecimal digits.
    sha256: String,
    /// Why it may run, or that it may not.
    trust: Why,
}

/// Why a check may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Why {
    /// Confwright brings it itself.
    Carried,
    /// The user has said so.
    Recorded,
    /// It may not: nobody has said so.
    Untrusted,
    /// It never may: it names a file of the project where it lies.
    Refused,
}

const NOTHING: &str = "nothing was recorded";

impl Trust {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(root) = session.root() else { return session.fail(NOTHING) };
        let disk = Disk::new(root.clone());
        let Some(mut record) = session.diagnostics.take(record(&root)) else { return session.fail(NOTHING) };
        let carried = trust::carried();
        let (mut found, mut diagnostics) = (Vec::new(), Diagnostics::default());
        let project = project::load(&disk, &mut session.sources, &mut diagnostics);
        let targets = project
            .as_ref()
            .map(|project| target::load(&disk, &mut session.sources, project, &mut diagnostics))
            .unwrap_or_default();
        if let Some(project) = &project {
            let checks =
                targets.values().flat_map(|target| target.checks.iter().map(move |check| (target, check)));
            for (target, check) in checks {
                let known = trust::known(&disk, &project.templates, target, check);
                found.extend(diagnostics.take(known).map(|known| (target, check, known)));
            }
        }
        session.diagnostics = diagnostics;
        // A record is forgotten also where the project is broken.
        if session.diagnostics.has_errors() && !self.revoke {
            return session.fail(NOTHING);
        }
        let may_be_recorded = |(_, check, known): &&(&Target, &Check, Known)| {
            !carried.contains(&known.sha256) && !names_project(check, &root)
        };
        if !self.list {
            let own = found.iter().filter(may_be_recorded).filter(|_| !self.revoke);
            let commands: BTreeMap<_, _> =
                own.map(|(_, check, known)| (known.sha256, check.command.clone())).collect();
            let set = record.set(commands);
            if session.diagnostics.take(set).is_none() {
                return session.fail(NOTHING);
            }
        }
        let folder = |target: &Target| project.as_ref().map(|project| project.templates.join(&target.name));
        let checks = found.iter().map(|(target, check, known)| CheckDocument {
            target: &target.name,
            name: &check.name.value,
            command: &check.command,
            files: known
                .files
                .iter()
                .map(|(path, _)| folder(target).unwrap_or_default().join(path).into_string())
                .collect(),
            sha256: known.sha256.to_string(),
            trust: match () {
                () if names_project(check, &root) => Why::Refused,
                () if carried.contains(&known.sha256) => Why::Carried,
                () if record.has(known.sha256) => Why::Recorded,
                () => Why::Untrusted,
            },
        });
        let document = Document { checks: checks.collect() };
        if session.output == Output::Json {
            report::document_as_json(&mut session.out, &document)?;
        } else {
            print(&mut session.out, &document)?;
        }
        Ok(Exit::Clean)
    }
}

fn print(out: &mut dyn io::Write, document: &Document<'_>) -> io::Result<()> {
    if document.checks.is_empty() {
        writeln!(out, "the project's targets have no native checks")?;
    }
    for check in &document.checks {
        let why = match check.trust {
            Why::Carried => "trusted: confwright brings it",
            Why::Recorded => "trusted: recorded",
            Why::Untrusted => "not trusted",
            Why::Refused => "refused: it names a file of the project by its path",
        };
        writeln!(out, "{}, `{}`: {why}", check.target, check.name)?;
        writeln!(out, "  {}", shell(check.command))?;
        for file in &check.files {
            writeln!(out, "  can run {file}")?;
        }
    }
    Ok(())
}
