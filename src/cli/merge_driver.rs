//! `confwright merge-driver`: what git runs to merge a golden file.

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::session::Session;
use super::{Exit, Output};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::manifest::MANIFEST;
use crate::merge::{Contested, DRIVER};
use crate::project;
use crate::source::git::{self, Repository};
use crate::source::{Disk, World as _};
use crate::starter::ATTRIBUTES;
use crate::write;

/// Merge a golden file, for git: what the merged sources give
///
/// Two branches that change different rows change the same golden files, and their manifest. With this merge driver
/// git does not merge their lines: the sources are merged, compiled, and give the file. Where they conflict or do
/// not compile, the golden file is a conflict too: mend the sources, then `confwright render` and `git add` it.
///
/// `--install` has git use it in this repository; each clone needs that once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confwright merge-driver --install\n\n\
                        What it installs:\n  git config merge.confwright.driver 'confwright merge-driver %O %A %B %P %S %Y'\n  \
                        git config merge.confwright.recursive binary")]
pub(super) struct MergeDriver {
    /// Have git use it in the repository of this folder
    #[arg(long, conflicts_with = "base")]
    install: bool,
    /// The file in the common ancestor (%O)
    #[arg(value_name = "BASE", required_unless_present = "install", requires = "path")]
    base: Option<Utf8PathBuf>,
    /// The file of the side that is merged into, and the result (%A)
    #[arg(value_name = "OURS")]
    ours: Option<Utf8PathBuf>,
    /// The file of the other side (%B)
    #[arg(value_name = "THEIRS")]
    theirs: Option<Utf8PathBuf>,
    /// Its path in the repository (%P)
    #[arg(value_name = "PATH")]
    path: Option<Utf8PathBuf>,
    /// What git calls the common ancestor (%S)
    #[arg(value_name = "BASE_NAME", allow_hyphen_values = true)]
    base_name: Option<String>,
    /// What git calls the other side (%Y)
    #[arg(value_name = "THEIRS_NAME", allow_hyphen_values = true)]
    theirs_name: Option<String>,
}

/// What git runs; it writes the files and the names where the signs stand.
const COMMAND: &str = "confwright merge-driver %O %A %B %P %S %Y";

impl MergeDriver {
    pub(super) fn run(self, session: &mut Session) -> io::Result<Exit> {
        let repository = Repository::find(&session.directory.clone());
        let Some(repository) = session.diagnostics.take(repository) else {
            return session.fail("nothing was merged");
        };
        match (self.base, self.ours, self.theirs, self.path) {
            (Some(base), Some(ours), Some(theirs), Some(path)) => {
                let disk = Disk::new(session.directory.clone());
                let mut read = |file: &Utf8Path| {
                    let unreadable = |error| {
                        let message = format!("`{file}` cannot be read: {error}");
                        Diagnostic::error(&code::SOURCE_READ, message)
                    };
                    session.diagnostics.take(disk.read(file).map_err(unreadable))
                };
                let (Some(base), Some(our), Some(their)) = (read(&base), read(&ours), read(&theirs)) else {
                    return session.fail("nothing was merged");
                };
                let contested = Contested {
                    path,
                    base,
                    ours: our,
                    theirs: their,
                    base_name: self.base_name.unwrap_or_default(),
                    theirs_name: self.theirs_name.unwrap_or_default(),
                };
                merge(session, &repository, &contested, &ours)
            }
            _ => install(session, &repository),
        }
    }
}

fn merge(
    session: &mut Session,
    repository: &Repository,
    contested: &Contested,
    result: &Utf8Path,
) -> io::Result<Exit> {
    let merged = contested.merged(repository, &git::heads(), &mut session.sources, &mut session.diagnostics);
    let place = session.directory.join(result);
    if let Some(bytes) = merged.filter(|_| !session.diagnostics.has_errors()) {
        write::overwrite(&place, &bytes)?;
        return Ok(Exit::Clean);
    }
    let Some(manifest) = contested.left_manifest() else {
        // Every file of a tree fails for the same reason, unless it is one that was edited by hand; it is told for the
        // manifest, which is always among them.
        let is_own = session.diagnostics.has(&code::MERGE_EDITED);
        if session.output == Output::Human && !session.quiet && !is_own {
            writeln!(session.err, "`{}` is not merged", contested.path)?;
            return Ok(Exit::Error);
        }
        return session.fail("it is not merged");
    };
    write::overwrite(&place, &manifest)?;
    session.fail(&format!("`{}` is not merged", contested.path))
}

fn install(session: &mut Session, repository: &Repository) -> io::Result<Exit> {
    let keys = [
        ("name", "confwright renders golden files from the merged sources"),
        ("driver", COMMAND),
        // Of several common ancestors git makes one; it is committed nowhere.
        ("recursive", "binary"),
    ];
    for (key, value) in keys {
        if let Err(diagnostic) = repository.configure(&format!("merge.{DRIVER}.{key}"), value) {
            session.diagnostics.push(diagnostic);
            return session.fail("the merge driver is not installed");
        }
    }
    session
        .say("git merges golden files with confwright in this repository now; each clone needs this once")?;
    let Ok(root) = project::find(&session.directory) else { return Ok(Exit::Clean) };
    let mut unread = Diagnostics::default();
    let project = project::load(&Disk::new(root.clone()), &mut session.sources, &mut unread);
    let golden = project.map_or_else(|| "golden".into(), |project| project.golden);
    let manifest = root.join(&golden).join(MANIFEST);
    if repository.attribute("merge", &manifest).as_deref() != Some(DRIVER) {
        session.say(&format!("it does so once .gitattributes has this line:\n{golden}/** {ATTRIBUTES}"))?;
    }
    Ok(Exit::Clean)
}
