//! Running the binary on a project in a temporary folder, and looking at what it left.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use confwright::cache;
use tempfile::TempDir;

/// The folder of the tests' own files.
pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The program, with an environment that is the same on every machine.
pub(crate) fn confwright(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confwright"));
    command.current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}")),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// All that it prints: results, and what is wrong.
    pub(crate) fn told(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Fails the test unless the program ended so.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs the program and waits for its end; the arguments are divided by spaces.
pub(crate) fn run(folder: &Path, arguments: &str) -> Run {
    confwright(folder).args(arguments.split_whitespace()).output().unwrap().into()
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Folder,
    Link(PathBuf),
    File { executable: bool, bytes: Vec<u8> },
}

/// Everything below a folder, by its path.
pub(crate) type Snapshot = BTreeMap<String, Entry>;

/// Everything below a folder but the cache, which is no part of a project; nothing if there is none.
pub(crate) fn snapshot(folder: &Path) -> Snapshot {
    if !folder.exists() {
        return Snapshot::new();
    }
    let walk = walkdir::WalkDir::new(folder).min_depth(1).into_iter();
    let entries = walk.filter_entry(|entry| entry.file_name() != cache::FOLDER).map(Result::unwrap);
    entries
        .map(|entry| {
            let kind = entry.file_type();
            let found = if kind.is_dir() {
                Entry::Folder
            } else if kind.is_symlink() {
                Entry::Link(std::fs::read_link(entry.path()).unwrap())
            } else {
                let executable = entry.metadata().unwrap().permissions().mode() & 0o100 != 0;
                Entry::File { executable, bytes: std::fs::read(entry.path()).unwrap() }
            };
            let path = entry.path().strip_prefix(folder).unwrap();
            (path.to_string_lossy().into_owned(), found)
        })
        .collect()
}

/// The paths that differ between two snapshots, with what happened to them.
pub(crate) fn differences(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| match (before.get(path), after.get(path)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(_), Some(_)) => Some(format!("{path} differs")),
            (None, _) => Some(format!("{path} is new")),
            (_, None) => Some(format!("{path} is gone")),
        })
        .collect()
}

/// Lays everything below a folder over another one.
pub(crate) fn lay_over(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for (path, entry) in snapshot(from) {
        let to = to.join(&path);
        match entry {
            Entry::Folder => std::fs::create_dir_all(to).unwrap(),
            Entry::Link(target) => {
                let _ = std::fs::remove_file(&to);
                std::os::unix::fs::symlink(target, to).unwrap();
            }
            Entry::File { .. } => {
                let _ = std::fs::remove_file(&to);
                std::fs::copy(from.join(path), to).unwrap();
            }
        }
    }
}

/// A project in a temporary folder, made of pairs of path and content.
pub(crate) fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        write(folder.path(), path, content);
    }
    folder
}

/// Writes a file, making its folders.
pub(crate) fn write(folder: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
