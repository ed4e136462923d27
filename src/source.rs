//! Every file that is read: the [`World`] that files come from, and the [`Sources`] that hold them.
//!
//! A [`Span`] is a file and a range of bytes in it; a [`Position`] is what people count: lines and columns
//! from 1, columns in characters. Nothing else in the crate opens a file of a project for reading.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};

use crate::diagnostic::{Diagnostic, code};

pub mod git;

/// Where the files of a project come from: a folder on disk, a git revision, memory.
///
/// Paths are relative to the project's root, with `/` between their parts.
pub trait World {
    /// Reads a whole file.
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>>;

    /// Lists the regular files below a folder, at any depth, sorted by path; a folder that does not exist has none.
    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>>;
}

/// A project in a folder of this machine.
#[derive(Debug, Clone)]
pub struct Disk {
    root: Utf8PathBuf,
}

impl Disk {
    /// A world whose paths are relative to `root`.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Disk {
    fn relative(&self, path: Utf8PathBuf) -> Utf8PathBuf {
        path.strip_prefix(&self.root).map(Utf8Path::to_owned).unwrap_or(path)
    }

    fn wrong(&self, path: &Path, why: &str) -> Unlisted {
        let path = self.relative(path.to_string_lossy().into_owned().into());
        Unlisted { why: why.to_owned(), path }
    }

    fn unlisted(&self, error: walkdir::Error) -> io::Error {
        let Some(path) = error.path().map(Path::to_owned) else { return error.into() };
        if error.loop_ancestor().is_some() {
            let why = "is a symbolic link to a folder that it lies in; remove it";
            return io::Error::other(self.wrong(&path, why));
        }
        let error = io::Error::from(error);
        if error.kind() == io::ErrorKind::NotFound && path.is_symlink() {
            return io::Error::other(self.wrong(&path, "is a symbolic link that leads nowhere; remove it"));
        }
        let error = error.into_inner().and_then(|error| error.downcast::<walkdir::Error>().ok());
        let why = error
            .and_then(|error| error.into_io_error())
            .map_or_else(|| "cannot be read".to_owned(), |error| format!("cannot be read: {error}"));
        io::Error::other(self.wrong(&path, &why))
    }
}

/// A file or folder that keeps a folder from being listed.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` {why}")]
pub struct Unlisted {
    /// Its path, relative to the project's root.
    pub path: Utf8PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl World for Disk {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        let path = self.root.join(path);
        let kind = std::fs::metadata(&path)?.file_type();
        // A device or a pipe may have no end, and a pipe may wait for ever. A folder gives its own error.
        if !kind.is_file() && !kind.is_dir() {
            return Err(io::Error::other("it is not a regular file"));
        }
        std::fs::read(path)
    }

    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        let top = self.root.join(folder);
        if !top.is_dir() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(&top).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| self.unlisted(error))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let path = Utf8PathBuf::from_path_buf(entry.into_path()).map_err(|path| {
                io::Error::other(self.wrong(&path, "has a name that is not UTF-8; rename it"))
            })?;
            files.push(self.relative(path));
        }
        files.sort();
        Ok(files)
    }
}

/// The folders of this machine that lie in memory (tmpfs): a file system of this kind lists files by the order of
/// their creation. Read from /proc/mounts (`proc_mounts(5)`).
#[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
pub fn memory_folders() -> Vec<Utf8PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut folders: Vec<Utf8PathBuf> = mounts.lines().filter_map(memory_folder).collect();
    // The usual one first, so that others are touched only where it does not serve.
    folders.sort_by_key(|folder| folder != "/dev/shm");
    folders.dedup();
    folders
}

fn memory_folder(mount: &str) -> Option<Utf8PathBuf> {
    let mut fields = mount.split(' ').skip(1);
    let (place, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
    let writable = options.split(',').any(|option| option == "rw");
    // Only blanks, line breaks and backslashes are escaped, as octal digits.
    let plain = !place.contains('\\');
    (kind == "tmpfs" && writable && plain).then(|| place.into())
}

/// The number of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte; never before `start`.
    pub end: usize,
}

impl Span {
    /// The span of `range` in `file`.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end.max(range.start) }
    }

    /// The bytes it covers.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A file that has been read.
#[derive(Debug)]
pub struct SourceFile {
    path: Utf8PathBuf,
    bytes: Arc<[u8]>,
    lines: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// Its path, relative to the project's root.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Its content as it was read.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// Its content as text, or the offset of the first byte that is not UTF-8.
    pub fn text(&self) -> Result<&str, usize> {
        std::str::from_utf8(&self.bytes).map_err(|error| error.valid_up_to())
    }

    /// Its content as a text that people mean; `id` is its own number, for the place of what is none: a byte that is
    /// part of no character, a merge that was left unresolved.
    pub fn utf8(&self, id: FileId) -> Result<&str, Diagnostic> {
        let text = self.text().map_err(|at| {
            Diagnostic::error(&code::SOURCE_UTF8, format!("`{}` is not UTF-8", self.path))
                .at(Span::new(id, at..at + 1), "this byte is part of no character")
                .hint("convert it, for example with `iconv -f latin1 -t utf-8`")
        })?;
        match conflict(text) {
            None => Ok(text),
            Some(marker) => Err(Diagnostic::error(
                &code::SOURCE_CONFLICT,
                format!("`{}` has a merge conflict in it", self.path),
            )
            .at(Span::new(id, marker), "the version control system wrote this line")
            .hint("decide for one of the versions, and remove the lines that mark them")),
        }
    }

    fn line_starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let mut starts = vec![0];
            starts.extend(self.bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
            starts
        })
    }

    /// The position of a byte; an offset behind the end is at the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.bytes.len());
        let line = self.line_starts().partition_point(|start| *start <= offset).max(1);
        let mut start = self.line_starts()[line - 1];
        if start == 0 && self.bytes[..offset].starts_with(b"\xef\xbb\xbf") {
            // No editor counts a byte order mark.
            start = 3;
        }
        let column = String::from_utf8_lossy(&self.bytes[start..offset]).chars().count() + 1;
        Position { line, column }
    }

    /// The bytes of a line (from 1) without its line break, or nothing if there is no such line.
    pub fn line(&self, line: usize) -> Option<Range<usize>> {
        let starts = self.line_starts();
        let start = *starts.get(line.checked_sub(1)?)?;
        let mut end = starts.get(line).map_or(self.bytes.len(), |next| next - 1);
        if end > start && self.bytes[end - 1] == b'\r' {
            end -= 1;
        }
        Some(start..end)
    }
}

/// The first line by which a version control system marks the sides of a conflict. `=======` alone may be an underline.
fn conflict(text: &str) -> Option<Range<usize>> {
    let begin = |marker: &str| {
        let line = format!("\n{marker}");
        if text.starts_with(marker) { Some(0) } else { text.find(&line).map(|at| at + 1) }
    };
    let start = ["<<<<<<< ", ">>>>>>> "].into_iter().filter_map(begin).min()?;
    let line = text[start..].lines().next().unwrap_or_default();
    Some(start..start + line.len())
}

/// All files that were read, by number, in the order in which they were first asked for.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Reads a file from the world, once: a second call for the same path returns the same number.
    pub fn load(&mut self, world: &dyn World, path: &Utf8Path) -> io::Result<FileId> {
        match self.find(path) {
            Some(id) => Ok(id),
            None => Ok(self.add(path, world.read(path)?)),
        }
    }

    /// Takes a file that is in memory already.
    pub fn add(&mut self, path: impl Into<Utf8PathBuf>, bytes: impl Into<Arc<[u8]>>) -> FileId {
        // A project with 2^32 files does not exist; the number saturates rather than wraps.
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { path: path.into(), bytes: bytes.into(), lines: OnceLock::new() });
        id
    }

    /// The number of a path that has been read.
    pub fn find(&self, path: &Utf8Path) -> Option<FileId> {
        let at = self.files.iter().position(|file| file.path == path)?;
        u32::try_from(at).ok().map(FileId)
    }

    /// The file of a number; numbers come from this same `Sources`.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// The path and position where a span begins.
    pub fn locate(&self, span: Span) -> (&Utf8Path, Position) {
        let file = self.file(span.file);
        (file.path(), file.position(span.start))
    }

    /// What changed in the world since it was read, so that two states of it do not mix in one result.
    pub fn changed(&self, world: &dyn World) -> Vec<Diagnostic> {
        let differs = |file: &&SourceFile| !world.read(&file.path).is_ok_and(|bytes| *bytes == *file.bytes);
        let report = |file: &SourceFile| {
            let message = format!("`{}` changed while it was being compiled", file.path);
            Diagnostic::error(&code::SOURCE_CHANGED, message)
                .at_file(file.path.clone(), "")
                .hint("run the command again")
        };
        self.files.iter().filter(differs).map(report).collect()
    }

    /// All files with their numbers, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0u32..).map(FileId).zip(&self.files)
    }
}
