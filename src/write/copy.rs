//! Folders that are soon gone, and copies of a project's inputs, in which times and the order of creation can be
//! chosen.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use super::FOLDER_MODE;

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
            .canonicalize_utf8()?;
        Ok(Self { folder, path })
    }

    /// Its path, with no link in it.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Makes a folder in it that others may enter once they are here.
    pub fn make(&self, name: &str) -> io::Result<Utf8PathBuf> {
        let place = self.path.join(name);
        make_all(&place)?;
        Ok(place)
    }

    /// Makes a file in it, and the folders above it; the mode is what is said, whatever the umask.
    pub fn file(&self, path: &Utf8Path, mode: u32) -> io::Result<File> {
        let place = self.path.join(path);
        make_all(place.parent().unwrap_or(&self.path))?;
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&place)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(file)
    }

    /// Removes it, and tells if that fails.
    pub fn remove(self) -> io::Result<()> {
        self.folder.close()
    }
}

/// Makes a folder with those above it; those that are made here are of the usual mode, whatever the umask.
fn make_all(folder: &Utf8Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_all(parent)?;
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
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
