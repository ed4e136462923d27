//! Files that can be made again at any time.

use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use camino::Utf8Path;

use super::{FILE_MODE, step};
use crate::golden::{Kind, kind_of};

/// Puts a file into a folder that git is to ignore, in the place of the one that is there, unless `accept` refuses what
/// the file system says of it. The folder is made where it is missing; a link to one is refused.
pub fn keep(
    folder: &Utf8Path,
    name: &str,
    bytes: &[u8],
    accept: impl FnOnce(&Metadata) -> bool,
) -> io::Result<()> {
    step()?;
    match kind_of(folder)? {
        Some(Kind::Folder) => {}
        Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
        None => fs::create_dir(folder)?,
    }
    match OpenOptions::new().write(true).create_new(true).open(folder.join(".gitignore")) {
        Ok(mut ignore) => ignore.write_all(b"*\n")?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let mut file =
        tempfile::Builder::new().permissions(Permissions::from_mode(FILE_MODE)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    if accept(&file.as_file().metadata()?) {
        file.persist(folder.join(name))?;
    }
    Ok(())
}

/// Puts a file into a folder of this user's, in the place of the one that is there; nobody else may read it. The folder
/// is made where it is missing, with those above it.
pub fn keep_private(folder: &Utf8Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    step()?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A temporary file has the mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    Ok(())
}
