//! What the last clean run saw, so that the next one can tell from a stat of each file that nothing is new.
//!
//! Where a run of the whole project ends well, with golden what the sources give, it keeps what it warned of and the stamps
//! (stat(2)) of all that its answer depends on: the files that were read, all that lies in the folder of the templates, all
//! that lies in the golden folder, and the program itself. Where the next run finds the same stamps, the answer is the
//! same, and nothing has to be read but what the warnings quote. A program that was built anew has another name for its
//! build, and is another file.
//!
//! The stamps are taken when the run is over. They are those of what was read or written all the same:
//!
//! - A file that was changed since the run began cannot have an older change time; one that is not clearly older is not
//!   trusted, and nothing is kept.
//! - But what a render itself has put there, and each folder in which it has changed something, it has given the time at
//!   which it began, to the nanosecond ([`Batch::time`](crate::write::Batch::time)). Whatever is written to such a file,
//!   or put into such a folder, gives it another time, even within a tick of the clock; so one that has this time is as
//!   the render left it. Its folders are listed after that; if there are more or fewer files than the render knows of,
//!   something was changed meanwhile, and nothing is kept.
//!
//! What is kept beside of the blocks of rows that long artifacts are made of is described in `cache/blocks.rs`.
//!
//! A cache may be deleted at any time. One that is damaged, or another program's, is as good as none.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::civil::Date;
use walkdir::WalkDir;

use crate::clock;
use crate::diagnostic::{Diagnostic, Diagnostics, Label, Place as Labelled, Severity};
use crate::golden::prefixes;
use crate::manifest::{Fingerprint, STAGING};
use crate::project::Project;
use crate::source::{Disk, Sources, Span, World as _};
use crate::write;

pub(crate) mod blocks;

/// The folder of a project in which everything can be deleted at any time.
pub const FOLDER: &str = ".confwright";
/// The cache in that folder.
const FILE: &str = "clean";
/// How a cache begins, whichever program wrote it, and how one of this build does.
const NAME: &[u8] = b"confwright ";
const HEAD: &[u8] =
    concat!("confwright ", env!("CARGO_PKG_VERSION"), " ", env!("CONFWRIGHT_BUILD"), "\n").as_bytes();
/// The digits of a SHA-256, and a line break.
const DIGEST: usize = 65;
/// The running program, also where its file was replaced since. Where another program runs it (valgrind(1), ld.so(8)),
/// this is that one; so the build is named in the head too.
const PROGRAM: &str = "/proc/self/exe";

/// From so many places on it is quicker to ask for them with all processors.
const MANY: usize = 4096;

const SECOND: i64 = 1_000_000_000;
/// How much older than a run a file has to be: more than a tick of the kernel's clock (10 ms) or of a file system's; and
/// where a file system counts seconds, more than the two of FAT.
const TICKS: i64 = SECOND / 20;
const SECONDS: i64 = 3 * SECOND;

/// What is asked of a cache.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// Whether a render has nothing to do.
    Render,
    /// Whether a check finds nothing wrong on this day.
    Check(Date),
}

/// What a run found that ended well.
#[derive(Debug, Clone)]
pub struct Clean {
    /// What a render warns of, where it has nothing to do.
    pub rendered: Option<Diagnostics>,
    /// What a check warns of, where it finds nothing wrong.
    pub checked: Option<Diagnostics>,
    /// The last day on which a check says the same, where exceptions have an end.
    pub until: Option<Date>,
    /// The golden trees, relative to the root, in the order of the environments.
    pub trees: Vec<Utf8PathBuf>,
    /// The number of artifacts in all of them.
    pub artifacts: usize,
    /// The number of files in all of them.
    pub files: usize,
    /// The time that everything has which the run wrote, if it may have written.
    pub written: Option<i64>,
}

/// What a cache knows.
#[derive(Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Everything is as the last clean run saw it.
    Clean {
        /// The golden trees, relative to the root, in the order of the environments.
        trees: Vec<Utf8PathBuf>,
        /// The number of artifacts in all of them.
        artifacts: usize,
        /// What it warned of.
        warnings: Vec<Diagnostic>,
    },
    /// There is none, it does not answer what is asked, or something is not as it was.
    Nothing,
    /// It is not what a run wrote.
    Damaged,
}

/// The cache of a project, and when the run that asks it began.
#[derive(Debug)]
pub struct Cache {
    root: Utf8PathBuf,
    began: i64,
}

impl Cache {
    /// The cache of the project at `root`; to be called before anything of the project is read.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into(), began: clock::now() }
    }

    /// The path of the cache, relative to the root.
    pub fn path() -> Utf8PathBuf {
        Utf8Path::new(FOLDER).join(FILE)
    }

    /// Compares everything with what the last clean run saw. The files that its warnings quote are read into `sources`.
    pub fn recall(&self, asked: Asked, sources: &mut Sources) -> Recalled {
        match self.open(FILE) {
            Opened::Content(content) => self.compare(&content, asked, sources).unwrap_or(Recalled::Damaged),
            Opened::Nothing => Recalled::Nothing,
            Opened::Damaged => Recalled::Damaged,
        }
    }

    /// What stands behind the seal of a file in the folder.
    fn open(&self, file: &str) -> Opened {
        let path = Utf8Path::new(FOLDER).join(file);
        let Ok(mut bytes) = Disk::new(self.root.clone()).read(&path) else { return Opened::Nothing };
        let Some(sealed) = bytes.strip_prefix(HEAD) else {
            let line = bytes.iter().take(2 * HEAD.len()).any(|byte| *byte == b'\n');
            return if bytes.starts_with(NAME) && line { Opened::Nothing } else { Opened::Damaged };
        };
        match sealed.split_at_checked(DIGEST) {
            Some((digest, content)) if digest == seal(content).as_bytes() => {
                bytes.drain(..HEAD.len() + DIGEST);
                Opened::Content(bytes)
            }
            _ => Opened::Damaged,
        }
    }

    /// Nothing where the content ends too early.
    fn compare(&self, content: &[u8], asked: Asked, sources: &mut Sources) -> Option<Recalled> {
        let mut content = Reader(content);
        let program = content.stamp()?;
        if Stamp::of(Path::new(PROGRAM), true).ok() != Some(program) {
            return Some(Recalled::Nothing);
        }
        let answers = [content.part()?, content.part()?];
        let until = match content.text()? {
            "" => None,
            day => Some(day.parse::<Date>().ok()?),
        };
        let artifacts = content.index()?;
        let trees = content.list(|content| content.text().map(Utf8PathBuf::from))?;
        let kept = content.list(Reader::kept)?;
        let [Some(rendered), Some(checked)] =
            answers.map(|mut answer| answer.flag().map(|is| is.then_some(answer)))
        else {
            return None;
        };
        let answer = match asked {
            Asked::Render => rendered,
            Asked::Check(today) => checked.filter(|_| until.is_none_or(|until| today <= until)),
        };
        let Some(mut answer) = answer.filter(|_| self.still(&kept)) else { return Some(Recalled::Nothing) };
        let disk = Disk::new(self.root.clone());
        let warnings = answer.list(|answer| answer.warning(&disk, sources));
        Some(warnings.map_or(Recalled::Nothing, |warnings| Recalled::Clean { trees, artifacts, warnings }))
    }

    /// Whether all places are as they were.
    fn still(&self, kept: &[Kept<'_>]) -> bool {
        let same = |kept: &[Kept<'_>]| {
            let mut path = format!("{}/", self.root);
            let above = path.len();
            kept.iter().all(|(name, follow, stamp)| {
                path.truncate(above);
                path.push_str(name);
                Stamp::of(Path::new(&path), *follow).is_ok_and(|there| there == *stamp)
            })
        };
        if kept.len() < MANY {
            return same(kept);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let parts = kept.chunks(kept.len().div_ceil(threads));
            let running: Vec<_> = parts.map(|part| scope.spawn(move || same(part))).collect();
            running.into_iter().all(|part| part.join().unwrap_or(false))
        })
    }

    /// Keeps what a run has found and what it saw, unless something is too new to be sure of it. What cannot be written is
    /// not kept.
    pub fn keep(&self, clean: &Clean, project: &Project, sources: &Sources) {
        if !may_keep(project) {
            return;
        }
        let inputs = sources.iter().map(|(_, file)| file.path());
        let Some(places) = self.places(clean, &project.golden, &project.templates, inputs) else { return };
        let Ok(program) = Stamp::of(Path::new(PROGRAM), true) else { return };
        let content = content(program, clean, sources, places);
        self.write(FILE, &content);
    }

    /// Puts a content behind its seal into a file in the folder.
    fn write(&self, file: &str, content: &[u8]) {
        let bytes = [HEAD, seal(content).as_bytes(), content].concat();
        // The file's own time tells whether the file system's clock is this machine's.
        let in_time = |metadata: &Metadata| {
            let stamp = Stamp::from(metadata);
            (clock::now() - stamp.changed).abs() < stamp.margin()
        };
        let _ = write::keep(&self.root.join(FOLDER), file, &bytes, in_time);
    }

    /// The stamps of all that a run depends on; nothing if one of them may be younger than the run.
    fn places<'p>(
        &self,
        clean: &Clean,
        golden: &Utf8Path,
        templates: &'p Utf8Path,
        inputs: impl Iterator<Item = &'p Utf8Path>,
    ) -> Option<Places> {
        let mut seen = Seen::new(self);
        for path in inputs.chain([templates]) {
            seen.input(path)?;
        }
        seen.written = clean.written;
        let mut files = 0;
        for folder in prefixes(golden) {
            seen.add(Utf8Path::new(folder), false)?;
        }
        for (folder, follow) in [(templates, true), (golden, false)] {
            for entry in WalkDir::new(self.root.join(folder)).min_depth(1).follow_links(follow) {
                let entry = entry.ok()?;
                // What a killed render left is cleared away by the next one.
                if !follow && entry.file_name() == STAGING {
                    return None;
                }
                let path = Utf8Path::from_path(entry.path())?.strip_prefix(&self.root).ok()?;
                files += usize::from(!follow && !entry.file_type().is_dir() && clean.has(path));
                seen.add(path, follow)?;
            }
        }
        (files == clean.files).then_some(seen.places)
    }
}

/// Whether a project has a cache: whoever names the cache's own folder has none.
fn may_keep(project: &Project) -> bool {
    !project.golden.starts_with(FOLDER) && !project.templates.starts_with(FOLDER)
}

/// What is in a file of a cache.
enum Opened {
    Content(Vec<u8>),
    /// There is none, or it is another build's.
    Nothing,
    Damaged,
}

/// Places with their stamps, as a cache has them: of paths relative to the root, and of what a symbolic link leads to or
/// of the link itself.
#[derive(Default)]
struct Places {
    count: u64,
    content: Writer,
}

impl Clean {
    /// Whether a path lies in one of the trees.
    fn has(&self, path: &Utf8Path) -> bool {
        let below = |tree: &Utf8PathBuf| {
            path.as_str().strip_prefix(tree.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        self.trees.iter().any(below)
    }
}

struct Seen<'a> {
    cache: &'a Cache,
    /// The time of what the run has written.
    written: Option<i64>,
    places: Places,
}

impl<'a> Seen<'a> {
    fn new(cache: &'a Cache) -> Self {
        Self { cache, written: None, places: Places::default() }
    }

    /// Adds a file that was read, with the links that lead to it.
    fn input(&mut self, path: &Utf8Path) -> Option<()> {
        self.add(path, true)?;
        for part in prefixes(path) {
            let place = self.cache.root.join(part);
            // A folder that was put here since the run began has other files in it.
            self.settled(Stamp::of(place.as_std_path(), false).ok()?)?;
            if place.is_symlink() {
                self.add(Utf8Path::new(part), false)?;
            }
        }
        Some(())
    }

    fn add(&mut self, path: &Utf8Path, follow: bool) -> Option<()> {
        let stamp = self.settled(Stamp::of(self.cache.root.join(path).as_std_path(), follow).ok()?)?;
        self.places.count += 1;
        self.places.content.number(follow.into());
        self.places.content.text(path.as_str());
        self.places.content.stamp(stamp);
        Some(())
    }

    fn settled(&self, stamp: Stamp) -> Option<Stamp> {
        let old = stamp.modified.max(stamp.changed) < self.cache.began.saturating_sub(stamp.margin());
        (old || self.written == Some(stamp.modified)).then_some(stamp)
    }
}

/// A place of a cache and its stamp: the path, and whether a link is followed.
type Kept<'a> = (&'a str, bool, Stamp);

/// What tells that a file or a folder is as it was. Nobody can set the time of a change back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    mode: u64,
    /// In nanoseconds since 1970, as the next.
    modified: i64,
    changed: i64,
}

impl Stamp {
    fn of(place: &Path, follow: bool) -> io::Result<Self> {
        let metadata = if follow { place.metadata() } else { place.symlink_metadata() };
        metadata.map(|metadata| Self::from(&metadata))
    }

    /// How much older than a run it has to be.
    fn margin(&self) -> i64 {
        if self.changed % SECOND == 0 { SECONDS } else { TICKS }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let time = |seconds: i64, rest: i64| seconds.saturating_mul(SECOND).saturating_add(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            mode: metadata.mode().into(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn seal(content: &[u8]) -> String {
    let mut fingerprint = Fingerprint::default();
    fingerprint.update(content);
    format!("{}\n", fingerprint.sha256())
}

/// What stands behind the seal: numbers of eight bytes, and texts and parts behind their length.
fn content(program: Stamp, clean: &Clean, sources: &Sources, places: Places) -> Vec<u8> {
    let mut content = Writer::default();
    content.stamp(program);
    for warnings in [&clean.rendered, &clean.checked] {
        let mut answer = Writer::default();
        answer.number(warnings.is_some().into());
        let warnings = warnings.as_ref().map(|warnings| warnings.sorted(sources)).unwrap_or_default();
        answer.list(&warnings, |answer, warning| answer.warning(warning, sources));
        content.part(&answer.0);
    }
    content.text(&clean.until.map(|day| day.to_string()).unwrap_or_default());
    content.number(clean.artifacts as u64);
    content.list(&clean.trees, |content, tree| content.text(tree.as_str()));
    content.number(places.count);
    content.0.extend(places.content.0);
    content.0
}

/// A content that is being written, which a [`Reader`] reads.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn part(&mut self, part: &[u8]) {
        self.number(part.len() as u64);
        self.0.extend(part);
    }

    fn text(&mut self, text: &str) {
        self.part(text.as_bytes());
    }

    fn list<I: IntoIterator<IntoIter: ExactSizeIterator>>(
        &mut self,
        list: I,
        mut each: impl FnMut(&mut Self, I::Item),
    ) {
        let list = list.into_iter();
        self.number(list.len() as u64);
        list.for_each(|item| each(self, item));
    }

    fn stamp(&mut self, stamp: Stamp) {
        for part in [stamp.device, stamp.inode, stamp.length, stamp.mode] {
            self.number(part);
        }
        for time in [stamp.modified, stamp.changed] {
            self.0.extend(time.to_le_bytes());
        }
    }

    fn warning(&mut self, warning: &Diagnostic, sources: &Sources) {
        self.text(&warning.code);
        self.text(&warning.message);
        self.list(&warning.labels, |content, label| {
            match &label.place {
                Labelled::File(path) => {
                    content.number(WHOLE);
                    content.text(path.as_str());
                }
                Labelled::Span(span) => {
                    let file = sources.file(span.file);
                    content.number(if file.is_streamed() { STREAMED } else { HELD });
                    content.text(file.path().as_str());
                    content.number(span.start as u64);
                    content.number(span.end as u64);
                }
            }
            content.text(&label.text);
        });
        self.list(&warning.hints, |content, hint| content.text(hint));
    }
}

/// What a label points at: a file as a whole, or a part of one, which is held or streamed.
const WHOLE: u64 = 0;
const HELD: u64 = 1;
const STREAMED: u64 = 2;

/// The rest of a content.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn index(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    fn part(&mut self) -> Option<Self> {
        let length = self.index()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(part))
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.part()?.0).ok()
    }

    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| each(self)).collect()
    }

    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp {
            device: self.number()?,
            inode: self.number()?,
            length: self.number()?,
            mode: self.number()?,
            modified: self.bytes().map(i64::from_le_bytes)?,
            changed: self.bytes().map(i64::from_le_bytes)?,
        })
    }

    fn kept(&mut self) -> Option<Kept<'a>> {
        let follow = self.flag()?;
        Some((self.text()?, follow, self.stamp()?))
    }

    /// A warning with the places in the files that it quotes, which are read.
    fn warning(&mut self, disk: &Disk, sources: &mut Sources) -> Option<Diagnostic> {
        let code = self.text()?.to_owned().into();
        let message = self.text()?.to_owned();
        let labels = self.list(|content| {
            let kind = content.number()?;
            let path = Utf8Path::new(content.text()?);
            let file = match kind {
                WHOLE => None,
                HELD => Some(sources.load(disk, path).ok()?),
                _ => Some(sources.load_rows(disk, path).ok()?),
            };
            let place = match file {
                None => Labelled::File(path.to_owned()),
                Some(file) => {
                    let (start, end) = (content.number()?, content.number()?);
                    let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
                    Labelled::Span(Span::new(file, range))
                }
            };
            Some(Label { place, text: content.text()?.to_owned() })
        })?;
        let hints = self.list(|content| content.text().map(str::to_owned))?;
        Some(Diagnostic { code, severity: Severity::Warning, message, labels, hints, column: None })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::code;

    fn clean(until: Option<Date>) -> Clean {
        Clean {
            rendered: None,
            checked: Some(Diagnostics::default()),
            until,
            trees: vec!["golden/lab".into(), "golden/prod".into()],
            artifacts: 3,
            files: 7,
            written: None,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        write::overwrite(&root.join("held"), b"one\ntwo").unwrap();
        write::overwrite(&root.join("rows"), &vec![b'x'; 1_100_000]).unwrap();
        let disk = Disk::new(root);
        let mut sources = Sources::default();
        let held = sources.load(&disk, Utf8Path::new("held")).unwrap();
        let rows = sources.load_rows(&disk, Utf8Path::new("rows")).unwrap();
        let warning = Diagnostic::warning(&code::GOLDEN_UNKNOWN, "two files")
            .at(Span::new(held, 4..7), "here")
            .at(Span::new(rows, 1_000_000..1_000_001), "")
            .at_file("golden", "all of it")
            .hint("move them")
            .hint("or not");
        let warnings = Diagnostics::from(warning);
        let written = Clean { checked: Some(warnings.clone()), ..clean(None) };
        let program = Stamp::of(Path::new(PROGRAM), true).unwrap();
        let bytes = content(program, &written, &sources, Places::default());
        let cache = Cache::new(root);
        let today = Asked::Check(jiff::civil::date(2027, 3, 31));
        let mut again = Sources::default();
        let Some(Recalled::Clean { trees, artifacts, warnings: told }) =
            cache.compare(&bytes, today, &mut again)
        else {
            panic!("it was clean");
        };
        assert_eq!((trees, artifacts), (written.trees.clone(), 3));
        assert_eq!(told, warnings.sorted(&sources));
        assert_eq!(again.iter().count(), 2);
        let render = cache.compare(&bytes, Asked::Render, &mut again);
        assert_eq!(render, Some(Recalled::Nothing));
        for length in 0..bytes.len() {
            let cut = cache.compare(&bytes[..length], today, &mut Sources::default());
            assert!(!matches!(cut, Some(Recalled::Clean { .. })), "{length}");
        }
    }

    #[test]
    fn a_check_is_answered_until_an_exception_ends() {
        let day = jiff::civil::date(2027, 3, 31);
        let program = Stamp::of(Path::new(PROGRAM), true).unwrap();
        let cache = Cache::new("/nonexistent");
        let answers = |until, today| {
            let bytes = content(program, &clean(until), &Sources::default(), Places::default());
            let answer = cache.compare(&bytes, Asked::Check(today), &mut Sources::default());
            matches!(answer, Some(Recalled::Clean { .. }))
        };
        assert!(answers(None, day));
        assert!(answers(Some(day), day));
        assert!(!answers(Some(day), day.tomorrow().unwrap()));
    }

    #[test]
    fn what_may_be_younger_than_the_run_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache { root: root.to_owned(), began: 10 * SECOND };
        let mut seen = Seen::new(&cache);
        let stamp = |seen: &Seen<'_>, modified: i64, changed: i64| {
            seen.settled(Stamp { device: 0, inode: 0, length: 0, mode: 0, modified, changed })
        };
        let old = 10 * SECOND - TICKS - 1;
        assert!(stamp(&seen, old, old).is_some());
        assert_eq!(stamp(&seen, old, old + 1), None);
        assert_eq!(stamp(&seen, old + 1, old), None);
        assert_eq!(stamp(&seen, 0, 11 * SECOND + 1), None);
        // A file system that counts whole seconds.
        assert_eq!(stamp(&seen, 0, 7 * SECOND), None);
        assert!(stamp(&seen, 0, 6 * SECOND).is_some());
        // What the run wrote.
        seen.written = Some(10 * SECOND + 1);
        assert!(stamp(&seen, 10 * SECOND + 1, 11 * SECOND).is_some());
        assert_eq!(stamp(&seen, 10 * SECOND + 2, 11 * SECOND), None);
    }

    #[test]
    fn many_places_are_all_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache::new(root);
        let names: Vec<String> = (0..=MANY).map(|number| number.to_string()).collect();
        for name in &names {
            std::os::unix::fs::symlink("nowhere", root.join(name)).unwrap();
        }
        let stamp = |name: &str| Stamp::of(root.join(name).as_std_path(), false).unwrap();
        let mut kept: Vec<Kept<'_>> = names.iter().map(|name| (name.as_str(), false, stamp(name))).collect();
        assert!(cache.still(&kept));
        for at in [0, MANY / 2, MANY] {
            kept[at].2.length += 1;
            assert!(!cache.still(&kept), "{at}");
            kept[at].2.length -= 1;
        }
    }

    proptest! {
        #[test]
        fn any_content_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let program = Stamp::of(Path::new(PROGRAM), true).unwrap();
            let mut sound = content(program, &clean(None), &Sources::default(), Places::default());
            // Behind the number of places, so that they are reached.
            sound.truncate(sound.len() - 8);
            sound.extend(bytes);
            let cache = Cache::new("/nonexistent");
            let _ = cache.compare(&sound, Asked::Render, &mut Sources::default());
        }
    }
}
