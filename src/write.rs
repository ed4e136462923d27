//! The only module that writes: it stages what differs, then puts all of it in place, or none.
//!
//! A [`Batch`] holds the golden trees that change together. While artifacts are rendered, files that differ are
//! staged in a folder inside their tree, so that they can be renamed into place. Before the first rename
//! a list of old and new hashes is written beside the manifest; a render that finds it knows what a killed one
//! may have left. Every step that was taken is undone if a later one fails.
//!
//! What is promised holds for a process that is killed at any moment. For a machine that loses its power only
//! the list is synchronised to the disk, and only where something that stands is replaced or deleted: golden files
//! are committed to git, and a render makes them again, so thousands of synchronisations would buy nothing.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;

use crate::clock;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, code};
use crate::golden::{
    ChangeKind, Changes, Identity, Kind, Outcome, Past, PlannedArtifact, Scope, Tree, kind_of, link, look,
    no_folder, open_regular, prefixes, unwritable,
};
use crate::manifest::{PENDING, STAGING};
use crate::template::segment::Blocks;

mod copy;
pub use copy::{InputCopy, PrivateFolder};
mod folder;
mod keep;

pub use folder::fill;
pub use keep::{keep, keep_private};

/// How often a lock that is held is tried again, and the time between: a child that a render's process has just
/// forked holds its lock for a moment after it is released.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// The mode of every folder that is made, whatever the umask.
const FOLDER_MODE: u32 = 0o755;
/// The mode of the manifest and the sums, whatever the umask.
const FILE_MODE: u32 = 0o644;

/// Golden trees that change together or not at all. Dropping it uncommitted leaves them as they were.
#[derive(Debug)]
pub struct Batch {
    root: Utf8PathBuf,
    stop: Arc<AtomicBool>,
    time: i64,
    trees: Vec<Staging>,
}

impl Batch {
    /// A batch for the project at `root`. Once `stop` is set, as by a signal handler, staging and committing are
    /// refused, and a commit that has begun is taken back.
    pub fn new(root: impl Into<Utf8PathBuf>, stop: Arc<AtomicBool>) -> Self {
        Self { root: root.into(), stop, time: clock::now(), trees: Vec::new() }
    }

    /// When this batch began, in nanoseconds since 1970. Every file that it writes, and every folder in which it has
    /// changed something, is given this time: whatever is changed there later shows, even within the same tick of the
    /// file system's clock.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Locks the golden tree in `folder`, relative to the root, and clears away what a killed render left of its
    /// staging. A tree that another render holds is refused at once.
    pub fn open(&mut self, folder: &Utf8Path, scope: Scope) -> Result<&Staging, Diagnostic> {
        let staging = Staging::begin(&self.root, folder, scope, (Arc::clone(&self.stop), self.time))?;
        self.trees.push(staging);
        Ok(&self.trees[self.trees.len() - 1])
    }

    /// The trees in the order in which they were opened.
    pub fn trees(&self) -> &[Staging] {
        &self.trees
    }

    /// Puts everything that was staged into place. With `force`, files that were edited by hand are overwritten
    /// or deleted, and any number of files may be.
    ///
    /// Returns the changes of each tree, in the order of opening; on an error no tree has changed.
    pub fn commit(mut self, force: bool) -> Result<Vec<Changes>, Diagnostics> {
        let mut refused = Diagnostics::default();
        let mut all = Vec::with_capacity(self.trees.len());
        for staging in &mut self.trees {
            let changes = staging.settle();
            refused.append(changes.obstacles.clone());
            if !force {
                refused.append(changes.edited.clone());
                refused.extend(changes.deletes.clone());
            }
            all.push(changes);
        }
        if self.stop.load(Ordering::Relaxed) {
            refused.push(interrupted());
        }
        if refused.has_errors() {
            refused.extend(all.into_iter().flat_map(|changes| changes.warnings));
            return Err(refused);
        }
        for (staging, changes) in self.trees.iter_mut().zip(&all) {
            if let Err(error) = staging.apply(changes) {
                let mut refused = Diagnostics::from(error);
                refused.extend(self.roll_back());
                return Err(refused);
            }
        }
        for (staging, changes) in self.trees.iter_mut().zip(&mut all) {
            changes.warnings.extend(staging.finish(changes.left_pending.is_empty()));
        }
        Ok(all)
    }

    /// Undoes everything, the last tree first: the first may have made the folder that all lie in.
    fn roll_back(&mut self) -> Vec<Diagnostic> {
        let mut failures = Vec::new();
        while let Some(mut staging) = self.trees.pop() {
            if let Err(error) = staging.roll_back() {
                failures.push(
                    unwritable(staging.tree.folder(), &error).hint("the next render will repair the tree"),
                );
            }
        }
        failures
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Only an uncommitted batch has something to undo, and nobody is left to tell of a failure.
        let _ = self.roll_back();
    }
}

/// A golden tree that is being rendered.
#[derive(Debug)]
pub struct Staging {
    tree: Tree,
    scope: Scope,
    stop: Arc<AtomicBool>,
    scratch: Scratch,
    staged: Mutex<Vec<Outcome>>,
    /// Folders that were looked at since the commit began, and are no links.
    solid: BTreeSet<String>,
    undo: Vec<Undo>,
    /// The tree's own folders, where they had to be made.
    made: Vec<Undo>,
    /// Holds an exclusive flock(2) on the tree's folder; last, so that all else is gone before it is released.
    _lock: File,
}

impl Staging {
    fn begin(
        root: &Utf8Path,
        folder: &Utf8Path,
        scope: Scope,
        (stop, time): (Arc<AtomicBool>, i64),
    ) -> Result<Self, Diagnostic> {
        let mut made = Vec::new();
        let lock = match lock(root, folder, &mut made) {
            Ok(lock) => lock,
            Err(error) => {
                let _ = undo(&mut made);
                return Err(error);
            }
        };
        let begun = Tree::open(root, folder).and_then(|tree| {
            let scratch = Scratch::new(tree.place(STAGING), time);
            match tree.kind(STAGING) {
                None => {}
                Some(Kind::Folder) => {
                    scratch.remove().map_err(|error| unwritable(&tree.shown(STAGING), &error))?;
                }
                Some(Kind::Link) => return Err(link(tree.shown(STAGING))),
                Some(_) => return Err(no_folder(tree.shown(STAGING))),
            }
            Ok((tree, scratch))
        });
        match begun {
            Ok((tree, scratch)) => Ok(Self {
                tree,
                scope,
                stop,
                scratch,
                staged: Mutex::default(),
                solid: BTreeSet::new(),
                undo: Vec::new(),
                made,
                _lock: lock,
            }),
            Err(error) => {
                let _ = undo(&mut made);
                Err(error)
            }
        }
    }

    /// The tree as it stood when it was locked.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Renders an artifact; if it differs from its golden file, the fresh bytes are staged. Any thread may do so.
    ///
    /// `render` writes the bytes into the sink that it is given; its errors are passed through. A diagnostic
    /// of the tree itself (`golden::write`: the disk is full) will not be the last: stop at the first.
    pub fn stage<E: From<Diagnostic>>(
        &self,
        artifact: &PlannedArtifact,
        render: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.stage_in_blocks(artifact, None, |sink, _| render(sink))
    }

    /// As [`Staging::stage`]; what `render` tells of the blocks of its loops is kept in the outcome, and what is known of
    /// the golden file may spare it to render them.
    pub(crate) fn stage_in_blocks<E: From<Diagnostic>>(
        &self,
        artifact: &PlannedArtifact,
        past: Option<&Past<'_>>,
        render: impl FnOnce(&mut dyn Write, &dyn Blocks) -> Result<(), E>,
    ) -> Result<(), E> {
        self.go_on()?;
        let spill = |prefix: Option<io::Take<&mut File>>| {
            let mut staged = self.scratch.file(artifact.mode)?;
            if let Some(mut prefix) = prefix {
                step()?;
                // From file to file, which the kernel does alone.
                io::copy(&mut prefix, &mut staged.file)?;
            }
            Ok(staged)
        };
        let (mut outcome, staged) = self.tree.compare_into(artifact, past, spill, render)?;
        // What seemed to differ half-way may be the same in the end.
        if let Some(staged) = staged.filter(|_| outcome.change() != ChangeKind::Unchanged) {
            let number = staged.close(false).map_err(|error| self.failed(artifact.path.as_str(), &error))?;
            outcome.staged = Some(number);
        }
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        Ok(())
    }

    fn go_on(&self) -> Result<(), Diagnostic> {
        if self.stop.load(Ordering::Relaxed) { Err(interrupted()) } else { Ok(()) }
    }

    fn failed(&self, path: impl AsRef<str>, error: &io::Error) -> Diagnostic {
        unwritable(&self.tree.shown(path.as_ref()), error)
    }

    fn settle(&mut self) -> Changes {
        let outcomes = std::mem::take(self.staged.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.tree.changes(outcomes, &self.scope)
    }

    /// Takes every step but the clearing up; what was done is in `undo` even if a step fails.
    fn apply(&mut self, changes: &Changes) -> Result<(), Diagnostic> {
        let mut pending = self.tree.pending().clone();
        let (mut moves, mut replaces) = (false, false);
        for (path, old) in &changes.gone {
            replaces |= old.is_some();
            pending.insert(path, old.iter().map(|old| old.sha256));
        }
        for outcome in changes.outcomes.iter().filter(|outcome| outcome.change() != ChangeKind::Unchanged) {
            moves = true;
            replaces |= outcome.old.is_some();
            let hashes = outcome.old.iter().map(|old| old.sha256).chain([outcome.entry.sha256]);
            pending.insert(outcome.entry.path.as_str(), hashes);
        }
        moves |= replaces;
        if moves {
            // The list of a killed render stands too.
            let sync = replaces || !self.tree.pending().is_empty();
            let text = pending.to_json();
            drop(pending);
            self.write_own(PENDING, &text, sync)?;
        }

        for (path, old) in &changes.gone {
            let Some(old) = old else { continue };
            self.go_on()?;
            self.folders(path, false)?;
            self.still(path, Some(old.identity))?;
            self.take_away(path).map_err(|error| self.failed(path, &error))?;
        }
        for folder in self.emptied(changes) {
            self.folders(&folder, false)?;
            self.remove_folder(&folder).map_err(|error| self.failed(&folder, &error))?;
        }
        for outcome in &changes.outcomes {
            self.go_on()?;
            let path = outcome.entry.path.as_str();
            let old = outcome.old.as_ref();
            match (outcome.staged, old) {
                (Some(staged), None) => {
                    self.folders(path, true)?;
                    if !self.put_new(staged, path).map_err(|error| self.failed(path, &error))? {
                        self.still(path, None)?;
                        let staged = self.scratch.place(staged);
                        self.put(&staged, path, false).map_err(|error| self.failed(path, &error))?;
                    }
                }
                (Some(staged), Some(old)) => {
                    self.folders(path, true)?;
                    self.still(path, Some(old.identity))?;
                    let staged = self.scratch.place(staged);
                    self.put(&staged, path, true).map_err(|error| self.failed(path, &error))?;
                }
                (None, Some(old)) if old.mode != outcome.entry.mode => {
                    self.folders(path, false)?;
                    self.still(path, Some(old.identity))?;
                    self.set_mode(path, outcome.entry.mode, old.mode)
                        .map_err(|error| self.failed(path, &error))?;
                }
                _ => {}
            }
        }

        for (name, text) in &changes.texts {
            match text {
                Some(text) => self.write_own(name, text, false)?,
                None => self.take_away(name).map_err(|error| self.failed(name, &error))?,
            }
        }
        let left = &changes.left_pending;
        if !left.is_empty() && (moves || left != self.tree.pending()) {
            self.write_own(PENDING, &left.to_json(), true)?;
        }
        Ok(())
    }

    /// Clears up behind a commit. The tree is right already, so what fails here is no more than a warning.
    fn finish(&mut self, all_settled: bool) -> Option<Diagnostic> {
        let mut changed: Vec<Utf8PathBuf> = Vec::new();
        for folder in self.made.iter().chain(&self.undo).filter_map(Undo::folder) {
            // Mostly that of the step before.
            if changed.last().is_none_or(|last| last.as_str() != folder) {
                changed.push(folder.into());
            }
        }
        changed.sort_unstable();
        changed.dedup();
        self.made.clear();
        self.undo.clear();
        let pending = self.tree.place(PENDING);
        let mut cleared = self.scratch.remove();
        if all_settled {
            cleared = cleared.and_then(|()| match look(&pending)? {
                Some(_) => remove_file(&pending),
                None => Ok(()),
            });
        }
        if matches!(self.scope, Scope::Retired(_)) {
            cleared = cleared.and_then(|()| match remove_folder(&self.tree.place("")) {
                Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
                _ => Ok(()),
            });
        }
        for folder in &changed {
            // A folder that is gone, or another's, is not marked; no more is lost than time in the next run.
            let _ = mark(folder, self.scratch.times);
        }
        let error = cleared.err()?;
        Some(Diagnostic { severity: Severity::Warning, ..self.failed(STAGING, &error) })
    }

    fn roll_back(&mut self) -> io::Result<()> {
        // The staging folder holds the old files: it may go only when all are back.
        undo(&mut self.undo)?;
        self.scratch.remove()?;
        undo(&mut self.made)
    }

    /// Folders that hold nothing any more, the innermost first.
    fn emptied(&self, changes: &Changes) -> Vec<String> {
        let above = |path: &str| {
            prefixes(path).map(str::to_owned).filter(|folder| folder != path).collect::<Vec<_>>()
        };
        let mut emptied: BTreeSet<String> = changes.gone.keys().flat_map(|path| above(path)).collect();
        for outcome in &changes.outcomes {
            let path = outcome.entry.path.as_str();
            if self.tree.kind(path) == Some(Kind::Folder) {
                emptied.extend(self.tree.below(path).map(|(folder, _)| folder.to_owned()));
                emptied.insert(path.to_owned());
            }
        }
        if emptied.is_empty() {
            return Vec::new();
        }
        let kept: BTreeSet<String> =
            changes.manifest.iter().flat_map(|entry| above(entry.path.as_str())).collect();
        emptied.retain(|path| self.tree.kind(path) == Some(Kind::Folder) && !kept.contains(path));
        emptied.into_iter().rev().collect()
    }

    /// Checks that the folders on the way to a path are folders, and makes those that are missing.
    fn folders(&mut self, path: &str, make: bool) -> Result<(), Diagnostic> {
        for folder in prefixes(path).filter(|folder| *folder != path) {
            if self.solid.contains(folder) {
                continue;
            }
            let place = self.tree.place(folder);
            match kind_of(&place).map_err(|error| self.failed(folder, &error))? {
                Some(Kind::Link) => return Err(link(self.tree.shown(folder))),
                Some(Kind::File | Kind::Other) => return Err(no_folder(self.tree.shown(folder))),
                None if make => self.make_folder(&place).map_err(|error| self.failed(folder, &error))?,
                Some(Kind::Folder) | None => {}
            }
            self.solid.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Checks that a place holds the file that was compared, or still nothing.
    fn still(&self, path: &str, identity: Option<Identity>) -> Result<(), Diagnostic> {
        let found = look(&self.tree.place(path)).map_err(|error| self.failed(path, &error))?;
        match found {
            Some(metadata) if metadata.is_symlink() => Err(link(self.tree.shown(path))),
            found if found.as_ref().map(Identity::from) == identity => Ok(()),
            _ => {
                let shown = self.tree.shown(path);
                Err(Diagnostic::error(
                    &code::GOLDEN_EDITED,
                    format!("`{shown}` was changed while it was rendered"),
                )
                .at_file(shown, "")
                .hint("run again"))
            }
        }
    }

    /// Writes one of the tree's own files.
    fn write_own(&mut self, name: &str, text: &[u8], sync: bool) -> Result<(), Diagnostic> {
        let written = || {
            let mut staged = self.scratch.file(FILE_MODE)?;
            staged.write_all(text)?;
            staged.close(sync)
        };
        let staged = self.scratch.place(written().map_err(|error| self.failed(name, &error))?);
        let there = kind_of(&self.tree.place(name)).map_err(|error| self.failed(name, &error))?;
        self.put(&staged, name, there == Some(Kind::File)).map_err(|error| self.failed(name, &error))
    }

    /// Renames a staged file to its place. What it replaces is linked into the staging folder first, so that at
    /// no moment there is no file.
    fn put(&mut self, staged: &Utf8Path, path: &str, replaces: bool) -> io::Result<()> {
        let place = self.tree.place(path);
        if replaces {
            let backup = self.scratch.name()?;
            step()?;
            // Some file systems have no links.
            fs::hard_link(&place, &backup).or_else(|_| rename(&place, &backup))?;
            self.undo.push(Undo::Restore { backup, place: place.clone() });
            rename(staged, &place)
        } else {
            rename(staged, &place)?;
            self.undo.push(Undo::RemoveFile(place));
            Ok(())
        }
    }

    /// Renames a staged file to a place where nothing stands; false where something does, or the file system cannot
    /// tell.
    fn put_new(&mut self, staged: usize, path: &str) -> io::Result<bool> {
        let place = self.tree.place(path);
        let (folder, staged) = (self.scratch.folder()?, staged.to_string());
        step()?;
        match renameat_with(&folder, staged, CWD, place.as_std_path(), RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.undo.push(Undo::RemoveFile(place));
                Ok(true)
            }
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn take_away(&mut self, path: &str) -> io::Result<()> {
        let place = self.tree.place(path);
        let backup = self.scratch.name()?;
        rename(&place, &backup)?;
        self.undo.push(Undo::Restore { backup, place });
        Ok(())
    }

    fn make_folder(&mut self, place: &Utf8Path) -> io::Result<()> {
        // Made elsewhere and moved, so that it never stands there with another mode.
        let staged = self.scratch.name()?;
        create_folder(&staged, FOLDER_MODE)?;
        rename(&staged, place)?;
        self.undo.push(Undo::RemoveFolder(place.to_owned()));
        Ok(())
    }

    /// Removes a folder unless something is left in it.
    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        let place = self.tree.place(path);
        let Some(metadata) = look(&place)? else { return Ok(()) };
        match remove_folder(&place) {
            Ok(()) => self.undo.push(Undo::MakeFolder { place, mode: metadata.mode() & 0o7777 }),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn set_mode(&mut self, path: &str, mode: u32, old: u32) -> io::Result<()> {
        let place = self.tree.place(path);
        chmod(&place, mode)?;
        self.undo.push(Undo::SetMode { place, mode: old });
        Ok(())
    }
}

/// How a step is taken back.
#[derive(Debug)]
enum Undo {
    Restore { backup: Utf8PathBuf, place: Utf8PathBuf },
    RemoveFile(Utf8PathBuf),
    RemoveFolder(Utf8PathBuf),
    MakeFolder { place: Utf8PathBuf, mode: u32 },
    SetMode { place: Utf8PathBuf, mode: u32 },
}

impl Undo {
    /// The folder in which the step has changed something.
    fn folder(&self) -> Option<&str> {
        let place = match self {
            Self::SetMode { .. } => return None,
            Self::Restore { place, .. } | Self::MakeFolder { place, .. } => place,
            Self::RemoveFile(place) | Self::RemoveFolder(place) => place,
        };
        place.as_str().rsplit_once('/').map(|(folder, _)| folder)
    }
}

/// Gives a folder the time of a batch.
#[expect(clippy::disallowed_methods, reason = "a folder is opened for its times, not to be read")]
fn mark(folder: &Utf8Path, times: FileTimes) -> io::Result<()> {
    File::open(folder)?.set_times(times)
}

/// Takes steps back, the last one first, and goes on behind a failure; returns the first.
fn undo(steps: &mut Vec<Undo>) -> io::Result<()> {
    let mut result = Ok(());
    while let Some(step) = steps.pop() {
        let undone = match step {
            Undo::Restore { backup, place } => rename(&backup, &place),
            Undo::RemoveFile(place) => remove_file(&place),
            Undo::RemoveFolder(place) => remove_folder(&place),
            Undo::MakeFolder { place, mode } => create_folder(&place, mode),
            Undo::SetMode { place, mode } => chmod(&place, mode),
        };
        result = result.and(undone);
    }
    result
}

/// Makes the tree's folder where it is missing, and locks it.
#[expect(clippy::disallowed_methods, reason = "a folder is opened to be locked, not to be read")]
fn lock(root: &Utf8Path, folder: &Utf8Path, made: &mut Vec<Undo>) -> Result<File, Diagnostic> {
    for part in prefixes(folder) {
        let place = root.join(part);
        let failed = |error: io::Error| unwritable(Utf8Path::new(part), &error);
        match kind_of(&place).map_err(failed)? {
            Some(Kind::Folder) => {}
            Some(Kind::Link) => return Err(link(part)),
            Some(Kind::File | Kind::Other) => return Err(no_folder(part)),
            None => match create_folder(&place, FOLDER_MODE) {
                Ok(()) => made.push(Undo::RemoveFolder(place)),
                // Another render was faster; the lock decides.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            },
        }
    }
    let place = root.join(folder);
    let failed = |error: io::Error| unwritable(folder, &error);
    let locked = |made: &mut Vec<Undo>| {
        // The folders are the other render's now.
        made.clear();
        Diagnostic::error(&code::GOLDEN_LOCKED, format!("another render is writing `{folder}`"))
            .at_file(folder, "")
            .hint("run again when it is done")
    };
    let lock = File::open(&place).map_err(failed)?;
    let mut tries = 0;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Err(locked(made)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    // A render that failed may have removed the folder that was opened here.
    let mine = lock.metadata().map_err(failed)?;
    match look(&place).map_err(failed)? {
        Some(there) if (there.dev(), there.ino()) == (mine.dev(), mine.ino()) => Ok(lock),
        _ => Err(locked(made)),
    }
}

/// The folder inside a golden tree in which files wait for their renames.
#[derive(Debug)]
struct Scratch {
    folder: Utf8PathBuf,
    /// The folder, once it is there: its files are named from it, for a long way takes time.
    there: Mutex<Option<Arc<OwnedFd>>>,
    next: AtomicUsize,
    times: FileTimes,
    /// A mode that files have when they are made with it: the umask takes nothing from it.
    whole: AtomicU32,
}

impl Scratch {
    fn new(folder: Utf8PathBuf, time: i64) -> Self {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(time.unsigned_abs());
        let times = FileTimes::new().set_modified(time);
        Self {
            folder,
            there: Mutex::new(None),
            next: AtomicUsize::new(0),
            times,
            whole: AtomicU32::new(u32::MAX),
        }
    }

    /// A name that is not in use; the folder is made with the first.
    fn name(&self) -> io::Result<Utf8PathBuf> {
        self.folder()?;
        Ok(self.place(self.number()))
    }

    /// The place of the file with a number.
    fn place(&self, number: usize) -> Utf8PathBuf {
        self.folder.join(number.to_string())
    }

    fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The folder, which is made when it is asked for first.
    fn folder(&self) -> io::Result<Arc<OwnedFd>> {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*there {
            return Ok(Arc::clone(folder));
        }
        create_folder(&self.folder, FOLDER_MODE)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Arc::new(openat(CWD, self.folder.as_std_path(), flags, Mode::empty())?);
        // So that git never sees what a killed render leaves.
        create(&folder, ".gitignore", FILE_MODE)?.write_all(b"*\n")?;
        *there = Some(Arc::clone(&folder));
        Ok(folder)
    }

    /// A file that will have a mode.
    fn file(&self, mode: u32) -> io::Result<Staged<'_>> {
        let (folder, number) = (self.folder()?, self.number());
        Ok(Staged { file: create(&folder, &number.to_string(), mode)?, number, mode, scratch: self })
    }

    /// Removes the folder with all that is in it; `.gitignore` goes last, for the sake of a kill in between.
    #[expect(clippy::disallowed_methods, reason = "leftovers are listed to be removed")]
    fn remove(&self) -> io::Result<()> {
        let ignore = self.folder.join(".gitignore");
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut ignored = false;
        for entry in entries {
            let entry = entry?;
            if entry.path() == ignore.as_std_path() {
                ignored = true;
                continue;
            }
            step()?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        if ignored {
            remove_file(&ignore)?;
        }
        remove_folder(&self.folder)?;
        *self.there.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

/// A file in the staging folder.
struct Staged<'s> {
    file: File,
    number: usize,
    mode: u32,
    scratch: &'s Scratch,
}

impl Staged<'_> {
    /// Sets the mode, which the umask has no part in, and the time, and returns the file's number.
    fn close(self, sync: bool) -> io::Result<usize> {
        let Self { file, number, mode, scratch } = self;
        step()?;
        // The umask of a process does not change, so what it lets pass once it lets pass again.
        if scratch.whole.load(Ordering::Relaxed) != mode {
            if file.metadata()?.mode() & 0o7777 == mode {
                scratch.whole.store(mode, Ordering::Relaxed);
            } else {
                file.set_permissions(Permissions::from_mode(mode))?;
            }
        }
        // Where a file system refuses it, the next run compiles once more.
        let _ = file.set_times(scratch.times);
        if sync {
            file.sync_all()?;
        }
        Ok(number)
    }
}

impl Write for Staged<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        step()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn create(folder: &OwnedFd, name: &str, mode: u32) -> io::Result<File> {
    step()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::from_raw_mode(mode))?.into())
}

fn create_folder(place: &Utf8Path, mode: u32) -> io::Result<()> {
    step()?;
    fs::create_dir(place)?;
    fs::set_permissions(place, Permissions::from_mode(mode))
}

#[expect(clippy::disallowed_methods, reason = "this is the place that writes")]
fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

#[expect(clippy::disallowed_methods, reason = "this is the place that writes")]
fn remove_file(place: &Utf8Path) -> io::Result<()> {
    step()?;
    fs::remove_file(place)
}

/// Replaces the content of a file that is there: one that another program has made for that, or a source.
#[expect(clippy::disallowed_methods, reason = "this is the place that writes")]
pub fn overwrite(place: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    step()?;
    fs::write(place, bytes)
}

fn remove_folder(place: &Utf8Path) -> io::Result<()> {
    step()?;
    fs::remove_dir(place)
}

fn chmod(place: &Utf8Path, mode: u32) -> io::Result<()> {
    step()?;
    open_regular(place)?.0.set_permissions(Permissions::from_mode(mode))
}

fn interrupted() -> Diagnostic {
    Diagnostic::error(&code::GOLDEN_INTERRUPTED, "the render was interrupted; the golden tree is as it was")
}

/// Called before everything that changes the disk; tests make it fail there.
#[cfg_attr(not(test), expect(clippy::unnecessary_wraps, reason = "it fails in tests"))]
fn step() -> io::Result<()> {
    #[cfg(test)]
    tests::fuse()?;
    Ok(())
}

#[cfg(test)]
mod tests;
