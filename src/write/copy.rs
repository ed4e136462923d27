//! Folders that are soon gone, and copies of a project's inputs, in which times and the order of creation can be
//! chosen.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

/// An empty folder that nobody else may enter, and that goes away with this value.
#[derive(Debug)]
pub struct PrivateFolder {
    folder: TempDir,
    path: Utf8PathBuf,
}

impl PrivateFolder {
    /// A new one below another folder.
    pub fn below(parent: &Utf8Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("confwright-").tempdir_in(parent)?;
        let path = Utf8Path::from_path(folder.path())
            .ok_or_else(|| io::Error::other("its path is not UTF-8"))?
            .to_owned();
        Ok(Self { folder, path })
    }

    /// Its path.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Removes it, and tells if that fails.
    pub fn remove(self) -> io::Result<()> {
        self.folder.close()
    }
}

/// A copy of a project's inputs that goes away with this value.
#[derive(Debug)]
pub struct InputCopy {
    folder: PrivateFolder,
    root: Utf8PathBuf,
}

impl InputCopy {
    /// A place for a copy below another folder.
    pub fn below(parent: &Utf8Path) -> io::Result<Self> {
        let folder = PrivateFolder::below(parent)?;
        let root = folder.path().join("project");
        Ok(Self { folder, root })
    }

    /// The root of the copied project, which is the same for every copy that is made here.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Writes files in the order in which they are given, in the place of those of the last time.
    #[expect(clippy::disallowed_methods, reason = "this is the place that writes")]
    pub fn fill<'f>(
        &self,
        files: impl IntoIterator<Item = &'f (Utf8PathBuf, Arc<[u8]>)>,
        modified: SystemTime,
    ) -> io::Result<()> {
        if self.root.exists() {
            fs::remove_dir_all(&self.root)?;
        }
        fs::create_dir_all(&self.root)?;
        for (path, bytes) in files {
            let place = self.root.join(path);
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::create(&place)?;
            file.write_all(bytes)?;
            file.set_times(times(modified))?;
        }
        Ok(())
    }

    /// Changes the times of files, and nothing else.
    #[expect(clippy::disallowed_methods, reason = "a file is opened for its times, not to be read")]
    pub fn touch<'f>(
        &self,
        files: impl IntoIterator<Item = &'f (Utf8PathBuf, Arc<[u8]>)>,
        modified: SystemTime,
    ) -> io::Result<()> {
        for (path, _) in files {
            File::open(self.root.join(path))?.set_times(times(modified))?;
        }
        Ok(())
    }

    /// The names in every folder, in the order in which the file system gives them.
    pub fn listing(&self) -> io::Result<Vec<Utf8PathBuf>> {
        let walk = walkdir::WalkDir::new(&self.root).min_depth(1);
        let name = |entry: walkdir::Result<walkdir::DirEntry>| {
            Utf8PathBuf::from_path_buf(entry?.into_path())
                .map_err(|path| io::Error::other(format!("{} is not UTF-8", path.display())))
        };
        walk.into_iter().map(name).collect()
    }

    /// Removes the folder, and tells if that fails.
    pub fn remove(self) -> io::Result<()> {
        self.folder.remove()
    }
}

fn times(modified: SystemTime) -> FileTimes {
    FileTimes::new().set_modified(modified).set_accessed(modified)
}
