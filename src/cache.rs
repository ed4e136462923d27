//! What the last clean run saw, so that the next one can tell from a stat of each file that nothing is new.
//!
//! Where a run of the whole project finds nothing to say and nothing to write, it keeps the stamps (stat(2)) of all that its
//! answer depends on: the files that were read, all that lies in the folder of the templates, all that lies in the
//! golden folder, and the program itself. Where the next run finds the same stamps, the answer is the same, and nothing
//! has to be read. A program that was built anew has another name for its build, and is another file.
//!
//! The stamps are taken when the run is over. They are those of what was read all the same, because a file that was
//! changed since the run began cannot have an older change time; one that is not clearly older is not trusted, and
//! nothing is kept. So a run that writes golden keeps nothing; the next one does.
//!
//! A cache may be deleted at any time. One that is damaged, or another program's, is as good as none.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::civil::Date;
use walkdir::WalkDir;

use crate::clock;
use crate::golden::prefixes;
use crate::manifest::{Fingerprint, STAGING};
use crate::project::Project;
use crate::source::{Disk, Sources, World as _};
use crate::write;

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

/// What a run found that had nothing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// Whether a render has nothing to do.
    pub rendered: bool,
    /// Whether a check has nothing to say.
    pub checked: bool,
    /// The last day on which a check says the same, where exceptions have an end.
    pub until: Option<Date>,
    /// The golden trees, relative to the root, in the order of the environments.
    pub trees: Vec<Utf8PathBuf>,
    /// The number of artifacts in all of them.
    pub artifacts: usize,
}

impl Clean {
    /// Whether a check has nothing to say on this day.
    pub fn answers_check(&self, today: Date) -> bool {
        self.checked && self.until.is_none_or(|until| today <= until)
    }
}

/// What a cache knows.
#[derive(Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Everything is as the last clean run saw it.
    Clean(Clean),
    /// There is none, or something is not as it was.
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

    /// Compares everything with what the last clean run saw.
    pub fn recall(&self) -> Recalled {
        let Ok(bytes) = Disk::new(self.root.clone()).read(&Self::path()) else { return Recalled::Nothing };
        let Some(sealed) = bytes.strip_prefix(HEAD) else {
            let line = bytes.iter().take(2 * HEAD.len()).any(|byte| *byte == b'\n');
            return if bytes.starts_with(NAME) && line { Recalled::Nothing } else { Recalled::Damaged };
        };
        match sealed.split_at_checked(DIGEST) {
            Some((digest, content)) if digest == seal(content).as_bytes() => {
                self.compare(content).unwrap_or(Recalled::Damaged)
            }
            _ => Recalled::Damaged,
        }
    }

    /// Nothing where the content ends too early.
    fn compare(&self, content: &[u8]) -> Option<Recalled> {
        let mut content = Reader(content);
        let program = content.stamp()?;
        if Stamp::of(Path::new(PROGRAM), true).ok() != Some(program) {
            return Some(Recalled::Nothing);
        }
        let clean = content.clean()?;
        let count = content.number()?;
        let kept: Vec<Kept<'_>> = (0..count).map(|_| content.kept()).collect::<Option<_>>()?;
        Some(if self.still(&kept) { Recalled::Clean(clean) } else { Recalled::Nothing })
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
        // Whoever names the cache's own folder has no cache.
        if project.golden.starts_with(FOLDER) || project.templates.starts_with(FOLDER) {
            return;
        }
        let inputs = sources.iter().map(|(_, file)| file.path());
        let Some(places) = self.places(&project.golden, &project.templates, inputs) else { return };
        let Ok(program) = Stamp::of(Path::new(PROGRAM), true) else { return };
        let content = content(program, clean, &places);
        let bytes = [HEAD, seal(&content).as_bytes(), &content].concat();
        // The file's own time tells whether the file system's clock is this machine's.
        let in_time = |metadata: &Metadata| {
            let stamp = Stamp::from(metadata);
            (clock::now() - stamp.changed).abs() < stamp.margin()
        };
        let _ = write::keep(&self.root.join(FOLDER), FILE, &bytes, in_time);
    }

    /// The stamps of all that a run depends on; nothing if one of them may be younger than the run.
    fn places<'p>(
        &self,
        golden: &Utf8Path,
        templates: &'p Utf8Path,
        inputs: impl Iterator<Item = &'p Utf8Path>,
    ) -> Option<BTreeMap<Place, Stamp>> {
        let mut seen = Seen { cache: self, places: BTreeMap::new() };
        for path in inputs.chain([templates]) {
            seen.input(path)?;
        }
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
                seen.add(Utf8Path::from_path(entry.path())?.strip_prefix(&self.root).ok()?, follow)?;
            }
        }
        Some(seen.places)
    }
}

/// What a stamp was taken of: a path relative to the root, and of what a symbolic link leads to or of the link itself.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    path: Utf8PathBuf,
    follow: bool,
}

struct Seen<'a> {
    cache: &'a Cache,
    places: BTreeMap<Place, Stamp>,
}

impl Seen<'_> {
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
        self.places.insert(Place { path: path.to_owned(), follow }, stamp);
        Some(())
    }

    fn settled(&self, stamp: Stamp) -> Option<Stamp> {
        (stamp.modified.max(stamp.changed) < self.cache.began.saturating_sub(stamp.margin())).then_some(stamp)
    }
}

/// A place of a cache and its stamp: the path, and whether a link is followed.
type Kept<'a> = (&'a str, bool, Stamp);

/// What tells that a file or a folder is as it was. Nobody can set the time of a change back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
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

/// What stands behind the seal: numbers of eight bytes, and texts behind their length.
fn content(program: Stamp, clean: &Clean, places: &BTreeMap<Place, Stamp>) -> Vec<u8> {
    let mut content = Vec::new();
    let number = |content: &mut Vec<u8>, number: u64| content.extend(number.to_le_bytes());
    let text = |content: &mut Vec<u8>, text: &str| {
        number(content, text.len() as u64);
        content.extend(text.as_bytes());
    };
    let stamp = |content: &mut Vec<u8>, stamp: Stamp| {
        for part in [stamp.device, stamp.inode, stamp.length, stamp.mode] {
            number(content, part);
        }
        for time in [stamp.modified, stamp.changed] {
            content.extend(time.to_le_bytes());
        }
    };
    stamp(&mut content, program);
    number(&mut content, clean.rendered.into());
    number(&mut content, clean.checked.into());
    text(&mut content, &clean.until.map(|day| day.to_string()).unwrap_or_default());
    number(&mut content, clean.artifacts as u64);
    number(&mut content, clean.trees.len() as u64);
    for tree in &clean.trees {
        text(&mut content, tree.as_str());
    }
    number(&mut content, places.len() as u64);
    for (place, at) in places {
        number(&mut content, place.follow.into());
        text(&mut content, place.path.as_str());
        stamp(&mut content, *at);
    }
    content
}

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

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
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
        let follow = self.number()? != 0;
        Some((self.text()?, follow, self.stamp()?))
    }

    fn clean(&mut self) -> Option<Clean> {
        Some(Clean {
            rendered: self.number()? != 0,
            checked: self.number()? != 0,
            until: match self.text()? {
                "" => None,
                day => Some(day.parse().ok()?),
            },
            artifacts: usize::try_from(self.number()?).ok()?,
            trees: (0..self.number()?).map(|_| self.text().map(Utf8PathBuf::from)).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(until: Option<Date>) -> Clean {
        Clean {
            rendered: true,
            checked: true,
            until,
            trees: vec!["golden/lab".into(), "golden/prod".into()],
            artifacts: 3,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let stamp = Stamp { device: 1, inode: 2, length: 3, mode: 4, modified: -5, changed: i64::MAX };
        for until in [None, Some(jiff::civil::date(2027, 3, 31))] {
            let bytes = content(stamp, &clean(until), &BTreeMap::new());
            let mut reader = Reader(&bytes);
            assert_eq!(reader.stamp(), Some(stamp));
            assert_eq!(reader.clean(), Some(clean(until)));
            assert_eq!(reader.number(), Some(0));
            assert!(reader.0.is_empty());
        }
    }

    #[test]
    fn a_check_is_answered_until_an_exception_ends() {
        let day = jiff::civil::date(2027, 3, 31);
        assert!(clean(None).answers_check(day));
        assert!(clean(Some(day)).answers_check(day));
        assert!(!clean(Some(day)).answers_check(day.tomorrow().unwrap()));
        assert!(!Clean { checked: false, ..clean(None) }.answers_check(day));
    }

    #[test]
    fn what_may_be_younger_than_the_run_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache { root: root.to_owned(), began: 10 * SECOND };
        let seen = Seen { cache: &cache, places: BTreeMap::new() };
        let stamp = |modified: i64, changed: i64| {
            seen.settled(Stamp { device: 0, inode: 0, length: 0, mode: 0, modified, changed })
        };
        let old = 10 * SECOND - TICKS - 1;
        assert!(stamp(old, old).is_some());
        assert_eq!(stamp(old, old + 1), None);
        assert_eq!(stamp(old + 1, old), None);
        assert_eq!(stamp(0, 11 * SECOND + 1), None);
        // A file system that counts whole seconds.
        assert_eq!(stamp(0, 7 * SECOND), None);
        assert!(stamp(0, 6 * SECOND).is_some());
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
            let mut sound = content(program, &clean(None), &BTreeMap::new());
            // Behind the number of places, so that they are reached.
            sound.truncate(sound.len() - 8);
            sound.extend(bytes);
            let cache = Cache::new("/nonexistent");
            let _ = cache.compare(&sound);
        }
    }
}
