//! Whose commands are run: what decides what a check runs, and the record of what a user has read and trusts.
//!
//! The record lies in the user's state folder, and never in the project: a change of the project must not bring its own
//! trust.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::manifest::{Fingerprint, Sha256};
use crate::source::{Disk, Sources, World};
use crate::starter::{self, Carried};
use crate::target::{self, Check, FOLDER, PLACEHOLDERS, Target};
use crate::write;

/// The file of the record.
const FILE: &str = "trusted.json";

/// What a check runs: its command, and the files of its target's folder where the command names that.
#[derive(Debug)]
pub(crate) struct Known {
    /// A hash of all that decides what runs.
    pub(crate) sha256: Sha256,
    /// The files by their paths in the folder, as they were hashed.
    pub(crate) files: Vec<(Utf8PathBuf, Vec<u8>)>,
}

/// Reads what a check of a target in a folder runs.
pub(crate) fn known(
    world: &dyn World,
    templates: &Utf8Path,
    target: &Target,
    check: &Check,
) -> Result<Known, Diagnostic> {
    let mut files = Vec::new();
    if check.command.iter().any(|word| word.contains(PLACEHOLDERS[1])) {
        for path in &target.files {
            let whole = templates.join(&target.name).join(path);
            let bytes = world.read(&whole).map_err(|error| {
                let message = format!("`{whole}` cannot be read: {error}");
                Diagnostic::error(&code::SOURCE_READ, message)
                    .at_file(&whole, "a check of the target may run it")
            })?;
            files.push((path.clone(), bytes));
        }
    }
    let mut hash = Fingerprint::default();
    // Each with its length: nothing can be moved from one to the next.
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(check.fails_on.name().as_bytes());
    add(&check.timeout.as_secs().to_le_bytes());
    add(&(check.command.len() as u64).to_le_bytes());
    for word in &check.command {
        add(word.as_bytes());
    }
    for (path, bytes) in &files {
        add(path.as_str().as_bytes());
        add(bytes);
    }
    Ok(Known { sha256: hash.sha256(), files })
}

/// The hashes of what the targets run that the program carries.
pub(crate) fn carried() -> BTreeSet<Sha256> {
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let files = Carried.list(Utf8Path::new(FOLDER)).unwrap_or_default();
    let mut hashes = BTreeSet::new();
    for name in starter::targets() {
        let above = (Utf8Path::new(FOLDER), &*files);
        let Some(target) = target::open(&Carried, &mut sources, above, name, &mut diagnostics) else {
            continue;
        };
        let checks = target.checks.iter();
        hashes.extend(
            checks
                .filter_map(|check| known(&Carried, above.0, &target, check).ok())
                .map(|known| known.sha256),
        );
    }
    hashes
}

/// Whether a command names a file of the project where it lies, which nobody has hashed.
pub(crate) fn names_project(check: &Check, root: &Utf8Path) -> bool {
    let inside = format!("{root}/");
    check.command.iter().any(|word| {
        let real = Utf8Path::new(word).canonicalize_utf8();
        word.contains(&inside) || word.starts_with('/') && real.is_ok_and(|real| real.starts_with(root))
    })
}

/// What a user trusts: for each project by its root, the hashes of what may run with the commands as they were shown.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Record(BTreeMap<Utf8PathBuf, BTreeMap<String, Vec<String>>>);

/// The record of what this user trusts.
#[derive(Debug)]
pub(crate) struct Trusted {
    folder: Utf8PathBuf,
    root: Utf8PathBuf,
    record: Record,
}

impl Trusted {
    /// Reads the record that lies below a folder for states, for the project at a root; both are absolute.
    pub(crate) fn read(states: &Utf8Path, root: &Utf8Path) -> Result<Self, Diagnostic> {
        let folder = states.join("confwright");
        let place = folder.join(FILE);
        let real = folder.ancestors().find_map(|folder| folder.canonicalize_utf8().ok());
        if folder.starts_with(root) || real.is_some_and(|real| real.starts_with(root)) {
            let message = format!("`{place}` lies in the project, which may not bring what is trusted");
            return Err(Diagnostic::error(&code::NATIVE_TRUST, message)
                .hint("name a folder outside of the project in the variable XDG_STATE_HOME"));
        }
        let failed = |what: String| {
            Diagnostic::error(&code::NATIVE_TRUST, format!("`{place}` {what}"))
                .hint("it can be deleted: `confwright trust` then records anew what is trusted")
        };
        let record = match Disk::new(&folder).read(Utf8Path::new(FILE)) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| failed(format!("is damaged: {error}")))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(failed(format!("cannot be read: {error}"))),
        };
        Ok(Self { folder, root: root.to_owned(), record })
    }

    /// Whether something of the project may run.
    pub(crate) fn has(&self, sha256: Sha256) -> bool {
        self.record.0.get(&self.root).is_some_and(|known| known.contains_key(&sha256.to_string()))
    }

    /// Trusts these commands of the project, and no others.
    pub(crate) fn set(&mut self, commands: BTreeMap<Sha256, Vec<String>>) -> Result<(), Diagnostic> {
        self.record.0.remove(&self.root);
        if !commands.is_empty() {
            let commands = commands.into_iter().map(|(sha256, words)| (sha256.to_string(), words)).collect();
            self.record.0.insert(self.root.clone(), commands);
        }
        let written = serde_json::to_vec_pretty(&self.record)
            .map_err(io::Error::from)
            .and_then(|bytes| write::keep_private(&self.folder, FILE, &bytes));
        written.map_err(|error| {
            let message = format!("`{}` cannot be written: {error}", self.folder.join(FILE));
            Diagnostic::error(&code::NATIVE_TRUST, message)
        })
    }
}
