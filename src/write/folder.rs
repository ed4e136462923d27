//! A folder that is made with all its files, or not at all.

use std::fs;
use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Undo, step, undo};

/// Fills a folder that is missing or empty with files, given by their paths relative to it, in their order.
///
/// Every step is taken back when one fails. Modes are what the umask makes of them, as for any file that a user
/// makes. A folder with anything in it is refused as [`io::ErrorKind::DirectoryNotEmpty`].
pub fn fill(folder: &Utf8Path, files: &[(Utf8PathBuf, Vec<u8>)]) -> io::Result<()> {
    let mut made = Vec::new();
    let filled = make(folder, files, &mut made);
    if filled.is_err() {
        // The first error is the one to tell.
        let _ = undo(&mut made);
    }
    filled
}

fn make(folder: &Utf8Path, files: &[(Utf8PathBuf, Vec<u8>)], made: &mut Vec<Undo>) -> io::Result<()> {
    make_folder(folder, made)?;
    if !is_empty(folder)? {
        return Err(io::ErrorKind::DirectoryNotEmpty.into());
    }
    for (path, bytes) in files {
        let place = folder.join(path);
        make_folder(place.parent().unwrap_or(folder), made)?;
        step()?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&place)?;
        made.push(Undo::RemoveFile(place));
        step()?;
        file.write_all(bytes)?;
    }
    Ok(())
}

/// Makes a folder, and those above it, where they are missing.
fn make_folder(folder: &Utf8Path, made: &mut Vec<Undo>) -> io::Result<()> {
    if folder.as_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if folder.exists() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent, made)?;
    }
    step()?;
    fs::create_dir(folder)?;
    made.push(Undo::RemoveFolder(folder.to_owned()));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the folder is looked at because it is written to")]
fn is_empty(folder: &Utf8Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}
