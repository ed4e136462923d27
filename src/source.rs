//! Every file that is read: the [`World`] that files come from, and the [`Sources`] that hold them.
//!
//! A file of rows may be too long to be held: it is a [`Stream`], read part by part, and known by its fingerprint.
//!
//! A [`Span`] is a file and a range of bytes in it; a [`Position`] is what people count: lines and columns
//! from 1, columns in characters. Nothing else in the crate opens a file of a project for reading.

use std::borrow::Cow;
use std::fmt;
use std::fs::Metadata;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::diagnostic::{Diagnostic, code};

pub mod git;
pub mod host;

/// Where the files of a project come from: a folder on disk, a git revision, memory.
///
/// Paths are relative to the project's root, with `/` between their parts.
pub trait World {
    /// Reads a whole file.
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>>;

    /// Lists the files below a folder, at any depth, sorted by path; a folder that does not exist has none. What is
    /// no regular file is listed too, to be refused by who reads it.
    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>>;

    /// The path at which a file really lies, where links lead to it.
    fn real(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        Ok(path.to_owned())
    }

    /// Opens a file that is too long to be held; nothing for one that is read whole.
    fn stream(&self, path: &Utf8Path) -> io::Result<Option<Arc<dyn Stream>>> {
        let _ = path;
        Ok(None)
    }
}

/// A file that is read part by part.
pub trait Stream: fmt::Debug + Send + Sync {
    /// Fills the buffer from an offset on, and returns how many bytes there were: fewer only where the file ends.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Stream for std::fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match std::os::unix::fs::FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// From which length on a file of rows is not held.
const LONG: u64 = if cfg!(test) { 60 } else { 1 << 20 };

/// Why a device or a pipe is not read.
const NOT_REGULAR: &str = "it is not a regular file";

/// Why nothing is read through a link.
const LEADS_OUT: &str = "a symbolic link leads out of the project; put the file itself into it";

/// What is wrong with a link that is listed.
const LINK_OUT: &str = "is a symbolic link that leads out of the project; put what it leads to into it";

/// How much of a streamed file is looked at together; little in tests, so that parts end everywhere.
const PART: usize = if cfg!(test) { 61 } else { 1 << 16 };

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

    /// The path at which a file really lies, with what stands there; nothing is read through a link that leads out of the
    /// project.
    fn find(&self, path: &Utf8Path) -> io::Result<(Utf8PathBuf, Metadata)> {
        let mut place = self.root.clone();
        let mut about = None;
        // Where there is no link on the way, the way from the root of the machine need not be looked at.
        for part in path.components() {
            let Utf8Component::Normal(name) = part else { return self.find_behind_links(path) };
            place.push(name);
            let found = std::fs::symlink_metadata(&place)?;
            if found.is_symlink() {
                return self.find_behind_links(path);
            }
            about = Some(found);
        }
        match about {
            Some(about) => Ok((path.components().collect(), about)),
            None => self.find_behind_links(path),
        }
    }

    fn find_behind_links(&self, path: &Utf8Path) -> io::Result<(Utf8PathBuf, Metadata)> {
        let place = self.root.join(path).canonicalize_utf8()?;
        let about = std::fs::metadata(&place)?;
        let inside = place.strip_prefix(self.root.canonicalize_utf8()?);
        let is_usual = about.is_file() || about.is_dir();
        let inside = inside.map_err(|_| io::Error::other(if is_usual { LEADS_OUT } else { NOT_REGULAR }))?;
        Ok((inside.to_owned(), about))
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
        let (real, about) = self.find(path)?;
        // A device or a pipe may have no end, and a pipe may wait for ever. A folder gives its own error.
        if !about.is_file() && !about.is_dir() {
            return Err(io::Error::other(NOT_REGULAR));
        }
        std::fs::read(self.root.join(real))
    }

    fn real(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        Ok(self.find(path)?.0)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
    fn stream(&self, path: &Utf8Path) -> io::Result<Option<Arc<dyn Stream>>> {
        let (real, about) = self.find(path)?;
        if !about.is_file() || about.len() <= LONG {
            return Ok(None);
        }
        Ok(Some(Arc::new(std::fs::File::open(self.root.join(real))?)))
    }

    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        let top = self.root.join(folder);
        if !top.is_dir() {
            return Ok(Vec::new());
        }
        let leads_out =
            |link: &Path| io::Result::Ok(!link.canonicalize()?.starts_with(self.root.canonicalize()?));
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(&top).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| self.unlisted(error))?;
            if entry.path_is_symlink() && leads_out(entry.path())? {
                return Err(io::Error::other(self.wrong(entry.path(), LINK_OUT)));
            }
            if entry.file_type().is_dir() {
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
    content: Content,
    /// How many lines lie above: of a part of a file.
    above: usize,
    /// Where lines begin; of a streamed file, how many line breaks lie before each of its parts.
    lines: OnceLock<Vec<usize>>,
}

#[derive(Debug)]
enum Content {
    Held(Arc<[u8]>),
    Streamed(Streamed),
}

/// A file that is not held.
#[derive(Debug)]
struct Streamed {
    stream: Arc<dyn Stream>,
    survey: Survey,
    /// All of it, where something asks for that.
    whole: OnceLock<Arc<[u8]>>,
    /// Whether reading it again has failed.
    torn: AtomicBool,
}

/// What is known of a streamed file once it has been read to its end.
#[derive(Debug, PartialEq, Eq)]
struct Survey {
    len: usize,
    fingerprint: u64,
    /// The offset of the first byte that is not UTF-8.
    odd: Option<usize>,
    /// The offset of the first mark of a conflict.
    conflict: Option<usize>,
}

impl Survey {
    fn of(stream: &dyn Stream) -> io::Result<Self> {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        let mut buffer = vec![0; PART];
        let (mut len, mut odd, mut marker, mut at_line) = (0, None, None, true);
        loop {
            let count = stream.read_at(&mut buffer, len as u64)?;
            let last = count < PART;
            // Whole lines, for the bytes of a character and of a mark lie in one line.
            let line = memchr::memrchr(b'\n', &buffer[..count]).filter(|_| !last);
            let part = &buffer[..line.map_or(count, |line| line + 1)];
            let taken = match std::str::from_utf8(part) {
                Ok(text) => {
                    marker = marker.or_else(|| conflict(text, at_line).map(|at| len + at));
                    part.len()
                }
                // A long line goes on within a character.
                Err(error) if error.error_len().is_none() && !last => error.valid_up_to(),
                Err(error) => {
                    odd.get_or_insert(len + error.valid_up_to());
                    part.len()
                }
            };
            hasher.write(&part[..taken]);
            len += taken;
            at_line = line.is_some();
            if last {
                return Ok(Self { len, fingerprint: hasher.finish(), odd, conflict: marker });
            }
        }
    }
}

impl Streamed {
    /// Some of the bytes; fewer, if they are gone.
    fn part(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        let count = self.read(&mut bytes, range.start);
        bytes.truncate(count);
        bytes
    }

    fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        self.stream.read_at(buffer, offset as u64).unwrap_or_else(|_| {
            self.torn.store(true, Ordering::Relaxed);
            0
        })
    }

    /// How many line breaks lie before each part.
    fn breaks(&self) -> Vec<usize> {
        let mut before = vec![0];
        let mut count = 0;
        for start in (0..self.survey.len).step_by(PART) {
            count +=
                memchr::memchr_iter(b'\n', &self.part(start..(start + PART).min(self.survey.len))).count();
            before.push(count);
        }
        before
    }
}

impl SourceFile {
    fn new(path: Utf8PathBuf, content: Content) -> Self {
        Self { path, content, above: 0, lines: OnceLock::new() }
    }

    /// Whether it is not held.
    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self.content, Content::Streamed(_))
    }

    /// How long a file that is not held is, and a number for what is in it.
    pub(crate) fn survey(&self) -> Option<(usize, u64)> {
        match &self.content {
            Content::Held(_) => None,
            Content::Streamed(streamed) => Some((streamed.survey.len, streamed.survey.fingerprint)),
        }
    }

    /// Its path, relative to the project's root.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Held(bytes) => bytes.len(),
            Content::Streamed(streamed) => streamed.survey.len,
        }
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its content as it was read; a streamed file is held from then on.
    pub fn bytes(&self) -> &Arc<[u8]> {
        match &self.content {
            Content::Held(bytes) => bytes,
            Content::Streamed(streamed) => {
                streamed.whole.get_or_init(|| streamed.part(0..streamed.survey.len).into())
            }
        }
    }

    /// Some of its bytes.
    pub fn part(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        let range = range.start.min(self.len())..range.end.min(self.len());
        match &self.content {
            Content::Held(bytes) => Cow::Borrowed(&bytes[range]),
            Content::Streamed(streamed) => Cow::Owned(streamed.part(range)),
        }
    }

    /// Fills a buffer with what lies from an offset on, and returns how many bytes there are: fewer only at the end.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        match &self.content {
            Content::Held(bytes) => {
                let rest = bytes.get(offset..).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                count
            }
            Content::Streamed(streamed) => streamed.read(buffer, offset),
        }
    }

    /// Notes that it cannot be read as it was read first: it has changed.
    pub(crate) fn tear(&self) {
        if let Content::Streamed(streamed) = &self.content {
            streamed.torn.store(true, Ordering::Relaxed);
        }
    }

    /// Its content as text, or the offset of the first byte that is not UTF-8.
    pub fn text(&self) -> Result<&str, usize> {
        std::str::from_utf8(self.bytes()).map_err(|error| error.valid_up_to())
    }

    /// Whether it is a text that people mean; `id` is its own number, for the place of what is none: a byte that is part
    /// of no character, a merge that was left unresolved.
    pub fn utf8(&self, id: FileId) -> Result<(), Diagnostic> {
        let (odd, marker) = match &self.content {
            Content::Held(_) => (self.text().err(), conflict(self.text().unwrap_or_default(), true)),
            Content::Streamed(streamed) => (streamed.survey.odd, streamed.survey.conflict),
        };
        if let Some(at) = odd {
            return Err(Diagnostic::error(&code::SOURCE_UTF8, format!("`{}` is not UTF-8", self.path))
                .at(Span::new(id, at..at + 1), "this byte is part of no character")
                .hint(format!("convert it, for example with `iconv -f {} -t utf-8`", self.encoding())));
        }
        let Some(marker) = marker else { return Ok(()) };
        let line = self.line(self.position(marker).line).unwrap_or(marker..marker);
        Err(Diagnostic::error(&code::SOURCE_CONFLICT, format!("`{}` has a merge conflict in it", self.path))
            .at(Span::new(id, line), "the version control system wrote this line")
            .hint("decide for one of the versions, and remove the lines that mark them"))
    }

    /// What a file that is not UTF-8 may be in: a byte order mark tells.
    fn encoding(&self) -> &'static str {
        let start = self.part(0..2);
        if *start == [0xff, 0xfe] || *start == [0xfe, 0xff] { "utf-16" } else { "latin1" }
    }

    fn marks(&self) -> &[usize] {
        self.lines.get_or_init(|| match &self.content {
            Content::Held(bytes) => {
                let breaks = memchr::memchr_iter(b'\n', bytes);
                std::iter::once(0).chain(breaks.map(|at| at + 1)).collect()
            }
            Content::Streamed(streamed) => streamed.breaks(),
        })
    }

    /// The number of the line (from 0) that a byte is on, and where it begins.
    fn line_of(&self, offset: usize) -> (usize, usize) {
        let marks = self.marks();
        if let Content::Held(_) = &self.content {
            let line = marks.partition_point(|start| *start <= offset).max(1) - 1;
            return (line, marks[line]);
        }
        let mut part = offset / PART;
        let bytes = self.part(part * PART..offset);
        let line = marks.get(part).copied().unwrap_or_default() + memchr::memchr_iter(b'\n', &bytes).count();
        let mut found = memchr::memrchr(b'\n', &bytes);
        while found.is_none() && part > 0 {
            part -= 1;
            found = memchr::memrchr(b'\n', &self.part(part * PART..(part + 1) * PART));
        }
        (line, found.map_or(0, |at| part * PART + at + 1))
    }

    /// Where a line (from 0) begins.
    fn line_start(&self, line: usize) -> Option<usize> {
        let marks = self.marks();
        match &self.content {
            Content::Held(_) => marks.get(line).copied(),
            Content::Streamed(_) if line == 0 => Some(0),
            Content::Streamed(_) => {
                // The first part behind which there are as many line breaks holds the last of them.
                let part = marks.partition_point(|before| *before < line).checked_sub(1)?;
                let bytes = self.part(part * PART..(part + 1) * PART);
                let at = memchr::memchr_iter(b'\n', &bytes).nth(line - marks.get(part)? - 1)?;
                Some(part * PART + at + 1)
            }
        }
    }

    /// The position of a byte; an offset behind the end is at the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.len());
        let (line, mut start) = self.line_of(offset);
        if start == 0 && self.part(0..offset.min(3)).starts_with(b"\xef\xbb\xbf") {
            // No editor counts a byte order mark.
            start = 3;
        }
        let column = String::from_utf8_lossy(&self.part(start..offset)).chars().count() + 1;
        Position { line: self.above + line + 1, column }
    }

    /// The bytes of a line (from 1) without its line break, or nothing if there is no such line.
    pub fn line(&self, line: usize) -> Option<Range<usize>> {
        let line = line.checked_sub(self.above)?;
        let start = self.line_start(line.checked_sub(1)?)?;
        let mut end = self.line_start(line).map_or(self.len(), |next| next - 1);
        if end > start && self.part(end - 1..end).starts_with(b"\r") {
            end -= 1;
        }
        Some(start..end)
    }
}

/// Whether a text has the marks of a merge in it that was left unresolved.
pub(crate) fn has_conflict(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| conflict(text, true).is_some())
}

/// Where a version control system first marks a side of a conflict in a text, which begins a line or not. `=======` alone
/// may be an underline.
fn conflict(text: &str, at_line: bool) -> Option<usize> {
    let begin = |marker: &str| {
        let line = format!("\n{marker}");
        if at_line && text.starts_with(marker) {
            Some(0)
        } else {
            memchr::memmem::find(text.as_bytes(), line.as_bytes()).map(|at| at + 1)
        }
    };
    ["<<<<<<< ", ">>>>>>> "].into_iter().filter_map(begin).min()
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
        self.files.push(SourceFile::new(path.into(), Content::Held(bytes.into())));
        id
    }

    /// Takes lines of a file, the first of which has a number (from 1).
    pub(crate) fn add_lines(
        &mut self,
        path: impl Into<Utf8PathBuf>,
        first: usize,
        bytes: impl Into<Arc<[u8]>>,
    ) -> FileId {
        let id = self.add(path, bytes);
        self.files[id.0 as usize].above = first.saturating_sub(1);
        id
    }

    /// Takes a file of rows, once, which is not held if it is long.
    pub fn load_rows(&mut self, world: &dyn World, path: &Utf8Path) -> io::Result<FileId> {
        if let Some(at) = self.files.iter().position(|file| file.path == path && file.is_streamed()) {
            return Ok(FileId(u32::try_from(at).unwrap_or(u32::MAX)));
        }
        let Some(stream) = world.stream(path)? else { return self.load(world, path) };
        let survey = Survey::of(&*stream)?;
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let streamed = Streamed { stream, survey, whole: OnceLock::new(), torn: AtomicBool::new(false) };
        self.files.push(SourceFile::new(path.to_owned(), Content::Streamed(streamed)));
        Ok(id)
    }

    /// The number of a path that has been read and is held.
    pub fn find(&self, path: &Utf8Path) -> Option<FileId> {
        let at = self.files.iter().position(|file| file.path == path && !file.is_streamed())?;
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
        let differs = |file: &&SourceFile| match &file.content {
            Content::Held(held) => !world.read(&file.path).is_ok_and(|bytes| *bytes == **held),
            Content::Streamed(streamed) => {
                let now = || Survey::of(&*world.stream(&file.path).ok()??).ok();
                streamed.torn.load(Ordering::Relaxed) || now().as_ref() != Some(&streamed.survey)
            }
        };
        let report = |file: &SourceFile| {
            let message = format!("`{}` changed while it was being compiled", file.path);
            Diagnostic::error(&code::SOURCE_CHANGED, message)
                .at_file(file.path.clone(), "")
                .hint("run the command again")
        };
        self.files.iter().filter(differs).map(report).collect()
    }

    /// The files that really lie in a folder, to which only links lead.
    pub fn linked_into(&self, world: &dyn World, folder: &Utf8Path) -> impl Iterator<Item = &Utf8Path> {
        let paths = self.files.iter().map(|file| &*file.path);
        paths.filter(move |path| {
            !path.starts_with(folder) && world.real(path).is_ok_and(|real| real.starts_with(folder))
        })
    }

    /// All files with their numbers, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0u32..).map(FileId).zip(&self.files)
    }
}
