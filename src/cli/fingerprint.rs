//! `confwright fingerprint`: what `check --deterministic` asks of its child processes.

use std::io::{self, Write as _};

use camino::Utf8PathBuf;
use clap::Args;

use super::session::Session;
use super::{Exit, Part};
use crate::compile::RenderFailure;
use crate::determinism::{Canary, Compiled};
use crate::source::Disk;

/// Print the hash of every artifact, one JSON document a line
#[derive(Debug, Args)]
pub(super) struct Fingerprint {
    #[command(flatten)]
    part: Part,
    /// Look for this text in every artifact
    #[arg(long, value_name = "TEXT")]
    canary: Option<String>,
    /// Print the bytes of this artifact instead
    #[arg(long, value_name = "PATH")]
    artifact: Option<Utf8PathBuf>,
}

const NOTHING: &str = "there are no hashes";

impl Fingerprint {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let Some(root) = session.root() else { return session.fail(NOTHING) };
        let disk = Disk::new(root);
        let Some(compilation) = session.prepare(&disk, &self.part.selection()) else {
            return session.fail(NOTHING);
        };
        let canary = self.canary.map(Canary::of);
        let printed = match &self.artifact {
            Some(path) => {
                let all = compilation.environments.iter().flat_map(|environment| {
                    environment.artifacts.iter().map(move |planned| (environment, planned))
                });
                let mut wanted =
                    all.filter(|(environment, planned)| environment.folder.join(&planned.path) == *path);
                wanted.try_for_each(|(environment, planned)| {
                    environment.render(planned, &session.sources, &mut session.out)
                })
            }
            None => Compiled::new(&compilation, &session.sources, canary.as_ref()).and_then(|compiled| {
                let mut lines = compiled.prints().map(serde_json::to_string);
                lines.try_for_each(|line| writeln!(session.out, "{}", line?)).map_err(RenderFailure::Sink)
            }),
        };
        match printed {
            Ok(()) => Ok(Exit::Clean),
            Err(RenderFailure::Sink(error)) => Err(error),
            Err(RenderFailure::Diagnostic(diagnostic)) => {
                session.diagnostics.push(*diagnostic);
                session.fail(NOTHING)
            }
        }
    }
}
