//! `confwright schema`: the JSON Schemas.

use std::io;

use clap::{Args, ValueEnum};

use super::Exit;
use super::session::Session;
use crate::{report, schema};

/// Print a JSON Schema
///
/// Editors check and complete confwright.toml and target.toml with them.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confwright schema project > confwright.schema.json\n  confwright schema report"
)]
pub(super) struct SchemaCommand {
    /// What it describes
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// confwright.toml
    Project,
    /// target.toml
    Target,
    /// What `--format json` prints for render, diff and check, and for errors of any command
    Report,
    /// What `--format json` prints for list
    List,
    /// What `--format json` prints for lint
    Lint,
    /// What `--format json` prints for explain
    Explain,
    /// What `--format json` prints for new
    New,
    /// What `--format json` prints for trust
    Trust,
}

impl SchemaCommand {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let schema = match self.what {
            What::Project => schema::project(),
            What::Target => schema::target(),
            What::Report => schema::report(),
            What::List => schema::list(),
            What::Lint => schema::lint(),
            What::Explain => schema::explain(),
            What::New => schema::new(),
            What::Trust => schema::trust(),
        };
        report::document_as_json(&mut session.out, &schema)?;
        Ok(Exit::Clean)
    }
}
