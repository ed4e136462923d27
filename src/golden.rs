//! The golden tree: what is committed, and how it differs from what the sources give. Nothing here writes.
//!
//! An artifact is compared while it is rendered, chunk by chunk, with the golden file of its path; neither is
//! ever whole in memory. A file whose hash is in the manifest, in the list of a killed render, or that of the
//! fresh bytes is ours; any other was edited by hand. Symbolic links are never followed, so nothing outside of
//! the tree is ever read as a part of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::cache::Stamp;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, code};
use crate::manifest::{
    Entry, Fingerprint, MANIFEST, Manifest, PENDING, Pending, RESERVED, STAGING, SUMS, Sha256, State,
    check_path,
};
use crate::source::has_conflict;
use crate::table::Table;
use crate::template::segment::{Apart, Blocks};

mod hashing;

use hashing::Hashing;

/// A tree with fewer artifacts than this may lose any number of them without being asked.
const GUARDED: usize = 10;

/// Of the files that are no artifact, this many are named.
const NAMED: usize = 20;

/// What keeps git from merging golden files by lines.
const INSTALL: &str = "`confwright merge-driver --install`, once in this clone, has git merge golden files by compiling the merged sources";

/// An artifact that is to be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedArtifact {
    /// Its path, relative to the tree.
    pub path: Arc<Utf8Path>,
    /// Its permission bits.
    pub mode: u32,
    /// The target that makes it; empty for an artifact of the project itself.
    pub target: Arc<str>,
    /// The template it is made from.
    pub template: Arc<str>,
}

impl PlannedArtifact {
    /// What the manifest says of it, once it is rendered.
    pub fn entry(&self, rendered: Fingerprint) -> Entry {
        Entry {
            path: self.path.clone(),
            mode: self.mode,
            bytes: rendered.bytes(),
            sha256: rendered.sha256(),
            target: self.target.clone(),
            template: self.template.clone(),
        }
    }
}

/// Which part of a tree is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it: a file that the manifest lists and that is no longer made is deleted.
    Whole,
    /// These targets: what the others made stays, in the tree and in the manifest.
    Targets(BTreeSet<String>),
    /// Nothing any more: the tree is of an environment that is gone. What the manifest lists is deleted, and the
    /// manifest and the sums with it, but for what lies in these folders, which have trees of their own.
    Retired(Vec<Utf8PathBuf>),
}

/// What becomes of an artifact.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The golden file has the fresh bytes.
    Unchanged,
    /// There is no golden file.
    Created,
    /// The golden file has other bytes.
    Changed,
    /// The artifact is no longer made.
    Deleted,
}

impl ChangeKind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// One artifact, golden against fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path, relative to the project's root.
    pub path: Utf8PathBuf,
    /// What becomes of it.
    pub change: ChangeKind,
    /// The hash of the fresh bytes; none if it is deleted.
    pub sha256: Option<Sha256>,
    /// The number of fresh bytes; none if it is deleted.
    pub bytes: Option<u64>,
    /// Whether what stands in its place was put there by hand.
    pub edited: bool,
    /// Whether there is no golden file, although the manifest lists it.
    pub missing: bool,
    /// Whether the golden file's execute bit is not the artifact's.
    pub mode_differs: bool,
    /// The mode that a render gives a golden file with the right bytes, if it has another.
    pub sets_mode: Option<u32>,
}

/// How a golden tree differs from what the sources give.
#[derive(Debug)]
pub struct Changes {
    /// All artifacts of the scope and the deleted ones, in the order of their paths' bytes.
    pub list: Vec<Change>,
    /// `manifest.json` and `SHA256SUMS` where they are not what they should be, and the list that a killed
    /// render left; relative to the project's root.
    pub stale: Vec<Utf8PathBuf>,
    /// What keeps a render from writing: links, folders in the place of files. Force does not help.
    pub obstacles: Diagnostics,
    /// The files that were edited by hand and would be overwritten or deleted.
    pub edited: Diagnostics,
    /// Set where more than half of the tree would be deleted.
    pub deletes: Option<Diagnostic>,
    /// A broken manifest, and files that are no artifact.
    pub warnings: Diagnostics,
    folder: Utf8PathBuf,
    pub(crate) outcomes: Vec<Outcome>,
    /// Paths that are known but no longer made, with the file to delete where there is one.
    pub(crate) gone: BTreeMap<String, Option<Old>>,
    /// What the manifest will be, and its text and that of the sums where the files differ; none where they go.
    pub(crate) manifest: Manifest,
    pub(crate) texts: Vec<(&'static str, Option<Vec<u8>>)>,
    /// How many files of the tree are no artifacts and no file of its own.
    strays: usize,
    /// What the list of a killed render says of files that this scope leaves out.
    pub(crate) left_pending: Pending,
}

impl Changes {
    /// The files of its own, manifest and sums, that a render writes anew; relative to the project's root.
    pub fn written(&self) -> impl Iterator<Item = Utf8PathBuf> {
        self.texts.iter().filter(|(_, text)| text.is_some()).map(|(name, _)| self.folder.join(name))
    }

    /// How many files there are once the changes are made, those that are no artifacts too.
    pub(crate) fn files(&self) -> usize {
        self.manifest.iter().len() + [MANIFEST, SUMS].len() + self.strays
    }

    /// Whether a render has nothing to do: `check` has nothing to say, and every mode is right.
    pub fn is_untouched(&self) -> bool {
        self.is_clean() && self.list.iter().all(|change| change.sets_mode.is_none())
    }

    /// Whether `check` has nothing to say: same bytes, same execute bits, manifest and sums in order.
    pub fn is_clean(&self) -> bool {
        self.stale.is_empty()
            && self.list.iter().all(|change| change.change == ChangeKind::Unchanged && !change.mode_differs)
    }
}

/// What tells whether a file is still the one that was compared, without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A golden file as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Old {
    pub(crate) sha256: Sha256,
    pub(crate) identity: Identity,
    /// Its permission bits.
    pub(crate) mode: u32,
}

/// A rendered artifact and the golden file of its path.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the manifest will say of it.
    pub entry: Entry,
    pub(crate) old: Option<Old>,
    /// The number of the file in which the fresh bytes are staged.
    pub(crate) staged: Option<usize>,
    /// Where the blocks of its loops begin and end, in order, if that was noted.
    pub(crate) marks: Vec<Mark>,
}

/// Where a block of a loop begins in an artifact, or the last one ends.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// The number of the loop.
    pub(crate) number: usize,
    /// The hash of all before it.
    pub(crate) state: State,
}

/// What is known of a golden file since it was written.
pub(crate) struct Past<'p> {
    /// What it has to look like to be that file.
    pub(crate) stamp: Stamp,
    pub(crate) sha256: Sha256,
    /// Which of its bytes the rows of a block have made: where they begin, and the hash of all up to their end.
    pub(crate) find: &'p Find<'p>,
}

/// What the rows of a block of a loop have made.
pub(crate) type Find<'p> = dyn Fn(Apart, &Table, usize) -> Option<(u64, &'p State)> + 'p;

impl Outcome {
    /// What becomes of the golden file.
    pub fn change(&self) -> ChangeKind {
        match &self.old {
            None => ChangeKind::Created,
            Some(old) if old.sha256 == self.entry.sha256 => ChangeKind::Unchanged,
            Some(_) => ChangeKind::Changed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// A golden tree as it stands.
#[derive(Debug)]
pub struct Tree {
    root: Utf8PathBuf,
    folder: Utf8PathBuf,
    /// Everything below the folder but the staging folder's content, by path relative to it.
    kinds: BTreeMap<String, Kind>,
    /// Names that are not UTF-8, as far as they can be printed.
    unprintable: Vec<String>,
    manifest: Manifest,
    manifest_text: Option<Vec<u8>>,
    broken: Option<String>,
    /// Trees below this one that no environment has any more.
    retired: Vec<Utf8PathBuf>,
    sums_text: Option<Vec<u8>>,
    pending: Pending,
}

impl Tree {
    /// Reads the state of the tree in `folder`, which is relative to the project's `root`; a folder that does not
    /// exist is an empty tree.
    pub fn open(root: &Utf8Path, folder: &Utf8Path) -> Result<Self, Diagnostic> {
        let mut tree = Self {
            root: root.to_owned(),
            folder: folder.to_owned(),
            kinds: BTreeMap::new(),
            unprintable: Vec::new(),
            manifest: Manifest::default(),
            manifest_text: None,
            broken: None,
            retired: Vec::new(),
            sums_text: None,
            pending: Pending::default(),
        };
        for part in prefixes(folder) {
            match kind_of(&root.join(part)).map_err(|error| unreadable(Utf8Path::new(part), &error))? {
                None => return Ok(tree),
                Some(Kind::Folder) => {}
                Some(Kind::Link) => return Err(link(part)),
                Some(Kind::File | Kind::Other) => return Err(no_folder(part)),
            }
        }
        tree.walk()?;
        tree.manifest_text = tree.read(Utf8Path::new(MANIFEST))?;
        tree.sums_text = tree.read(Utf8Path::new(SUMS))?;
        if let Some(text) = &tree.manifest_text {
            match Manifest::parse(text) {
                Ok(manifest) => tree.manifest = manifest,
                Err(_) if has_conflict(text) => {
                    tree.broken = Some("there is a merge conflict in it".to_owned());
                }
                Err(why) => tree.broken = Some(why),
            }
        }
        tree.retired = retired(root, folder, &[folder.to_owned()])?;
        if let Some(text) = tree.read(Utf8Path::new(PENDING))? {
            tree.pending = Pending::parse(&text);
        }
        Ok(tree)
    }

    fn walk(&mut self) -> Result<(), Diagnostic> {
        let top = self.place("");
        let staging = top.join(STAGING);
        // The links of the folder's own path were refused above; the walk follows none below it.
        let walk = walkdir::WalkDir::new(&top).min_depth(1).into_iter();
        let mut inside = walk.filter_entry(|entry| entry.path().parent() != Some(staging.as_std_path()));
        for entry in &mut inside {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(top.as_std_path()).to_string_lossy().into_owned();
                let path = Utf8PathBuf::from(path);
                unreadable(path.strip_prefix(&self.root).unwrap_or(&path), &error.into())
            })?;
            let kind = kind(entry.file_type());
            let relative = entry.path().strip_prefix(&top).unwrap_or(entry.path());
            match relative.to_str() {
                Some(path) => {
                    self.kinds.insert(path.to_owned(), kind);
                }
                None => self.unprintable.push(relative.to_string_lossy().into_owned()),
            }
        }
        self.unprintable.sort();
        Ok(())
    }

    /// The tree's folder, relative to the project's root.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// The manifest; empty if it is missing or broken.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The whole content of a golden file, relative to the tree; nothing if no regular file stands there.
    pub fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, Diagnostic> {
        self.read_up_to(path, u64::MAX)
    }

    /// As [`Tree::read`], but no more than so many bytes.
    pub(crate) fn read_up_to(&self, path: &Utf8Path, most: u64) -> Result<Option<Vec<u8>>, Diagnostic> {
        let Some((file, _)) = self.open_golden(path.as_str())? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(self.shown(path.as_str()), &error))?;
        Ok(Some(bytes))
    }

    /// Renders an artifact and compares it with its golden file, writing nothing.
    ///
    /// `render` writes the bytes into the sink that it is given, in large pieces; its errors are passed through.
    pub fn compare<E: From<Diagnostic>>(
        &self,
        artifact: &PlannedArtifact,
        render: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        let render = |sink: &mut dyn Write, _: &dyn Blocks| render(sink);
        self.compare_into(artifact, None, |_| Ok(io::sink()), render).map(|(outcome, _)| outcome)
    }

    /// As [`Tree::compare`]; at the first difference `spill` takes over the equal prefix, if there is a golden file, and
    /// returns a sink for the rest. `render` may tell of the blocks of its loops; what the file is known to have of them
    /// it need not render.
    pub(crate) fn compare_into<W: Write, E: From<Diagnostic>>(
        &self,
        artifact: &PlannedArtifact,
        past: Option<&Past<'_>>,
        spill: impl FnOnce(Option<io::Take<&mut File>>) -> io::Result<W>,
        render: impl FnOnce(&mut dyn Write, &dyn Blocks) -> Result<(), E>,
    ) -> Result<(Outcome, Option<W>), E> {
        let path = artifact.path.as_str();
        check_path(&artifact.path).map_err(|why| {
            Diagnostic::error(&code::PLAN_PATH, format!("`{path}` cannot be an artifact's path: {why}"))
        })?;
        let (file, metadata) = self.open_golden(path)?.unzip();
        let past = past.zip(metadata.as_ref()).filter(|(past, found)| past.stamp == Stamp::from(*found));
        let past = past.map(|(past, _)| past);
        let lockstep = RefCell::new(Lockstep::new(file, past.map(|past| past.sha256), spill));
        let rendered = render(&mut Shared(&lockstep), &Steps { lockstep: &lockstep, past });
        let mut lockstep = lockstep.into_inner();
        // The comparison keeps its own error, because a template engine wraps the one that it is given.
        let failed = |error: io::Error| E::from(unwritable(&self.shown(path), &error));
        if let Some(error) = lockstep.failed.take() {
            return Err(failed(error));
        }
        rendered?;
        let compared = lockstep.finish().map_err(failed)?;
        let old = metadata.zip(compared.old).map(|(metadata, sha256)| Old {
            sha256,
            identity: Identity::from(&metadata),
            mode: metadata.mode() & 0o7777,
        });
        let (entry, marks) = (artifact.entry(compared.fresh), compared.marks);
        Ok((Outcome { entry, old, staged: None, marks }, compared.spilled))
    }

    /// Puts the outcomes of all artifacts of the scope together: what changes, what goes, what is in the way.
    pub fn changes(&self, mut outcomes: Vec<Outcome>, scope: &Scope) -> Changes {
        outcomes.sort_by(|a, b| a.entry.path.as_str().cmp(b.entry.path.as_str()));
        let is_fresh =
            |path: &str| outcomes.binary_search_by(|outcome| outcome.entry.path.as_str().cmp(path)).is_ok();
        let known: BTreeSet<&str> =
            self.manifest.iter().map(|entry| entry.path.as_str()).chain(self.pending.paths()).collect();
        let in_scope = |path: &str| match scope {
            Scope::Whole => true,
            Scope::Retired(kept) => !self.lies_in(path, kept),
            Scope::Targets(targets) => {
                self.manifest.get(path).is_some_and(|entry| targets.contains(&*entry.target))
            }
        };
        let mut obstacles = Diagnostics::default();
        let mut edited = Diagnostics::default();
        let mut links = BTreeSet::new();
        let mut list = Vec::with_capacity(outcomes.len());

        let mut gone = BTreeMap::new();
        for path in known.iter().copied().filter(|path| !is_fresh(path) && in_scope(path)) {
            let link = self.link_on(path);
            links.extend(link);
            let old = obstacles.take(self.fingerprint(path)).flatten();
            let foreign = link.is_some() || old.as_ref().is_some_and(|old| !self.is_ours(path, old.sha256));
            if foreign && link.is_none() {
                edited.push(self.edited(path, "it is no longer made, and would be deleted"));
            }
            list.push(Change {
                path: self.shown(path),
                change: ChangeKind::Deleted,
                sha256: None,
                bytes: None,
                edited: foreign,
                missing: false,
                mode_differs: false,
                sets_mode: None,
            });
            gone.insert(path.to_owned(), old);
        }

        for outcome in &outcomes {
            let path = outcome.entry.path.as_str();
            let link = self.link_on(path);
            links.extend(link);
            let obstacle = if link.is_some() { None } else { self.obstacle(path, &gone) };
            let change = outcome.change();
            let foreign = change == ChangeKind::Changed
                && outcome.old.as_ref().is_some_and(|old| !self.is_ours(path, old.sha256));
            if foreign {
                edited.push(
                    self.edited(
                        path,
                        "its bytes are neither what was rendered last nor what is rendered now",
                    ),
                );
            }
            list.push(Change {
                path: self.shown(path),
                change,
                sha256: Some(outcome.entry.sha256),
                bytes: Some(outcome.entry.bytes),
                edited: foreign || link.is_some() || obstacle.is_some(),
                missing: change == ChangeKind::Created && self.manifest.get(path).is_some(),
                mode_differs: outcome
                    .old
                    .as_ref()
                    .is_some_and(|old| (old.mode ^ outcome.entry.mode) & 0o100 != 0),
                sets_mode: outcome
                    .old
                    .as_ref()
                    .filter(|old| change == ChangeKind::Unchanged && old.mode != outcome.entry.mode)
                    .map(|_| outcome.entry.mode),
            });
            obstacles.extend(obstacle);
        }
        list.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));

        for name in [MANIFEST, SUMS, PENDING] {
            match self.kinds.get(name) {
                Some(Kind::Link) => links.extend([name]),
                Some(kind) if *kind != Kind::File => obstacles.push(misplaced(&self.shown(name), *kind)),
                _ => {}
            }
        }
        obstacles.extend(links.iter().map(|path| link(self.shown(path))));

        let mut warnings = Diagnostics::default();
        if let Some(why) = &self.broken {
            let message = format!("the manifest of `{}` is broken: {why}", self.folder);
            if matches!(scope, Scope::Targets(_)) {
                obstacles.push(
                    Diagnostic::error(&code::GOLDEN_MANIFEST, message)
                        .at_file(self.shown(MANIFEST), "what this render leaves out would be lost from it")
                        .hint("render all targets, which writes it anew"),
                );
            } else {
                let warning = Diagnostic::warning(&code::GOLDEN_MANIFEST, message).at_file(
                    self.shown(MANIFEST),
                    "until it is written anew, every file that differs counts as edited",
                );
                let is_merged = self.manifest_text.as_deref().is_some_and(has_conflict);
                warnings.push(if is_merged { warning.hint(INSTALL) } else { warning });
            }
        }
        let unknown = self.unknown(|path| {
            known.contains(path)
                || is_fresh(path)
                || links.contains(path)
                || matches!(scope, Scope::Retired(kept) if self.lies_in(path, kept))
        });
        warnings.extend(self.warn_of(&unknown));

        let mut manifest = match scope {
            Scope::Whole | Scope::Retired(_) => Manifest::default(),
            Scope::Targets(_) => self.manifest.clone(),
        };
        for path in gone.keys() {
            manifest.remove(path);
        }
        let entries = outcomes.iter().map(|outcome| outcome.entry.clone());
        if manifest.iter().len() == 0 {
            manifest = entries.collect();
        } else {
            entries.for_each(|entry| drop(manifest.insert(entry)));
        }
        let text = |text: Vec<u8>| (!matches!(scope, Scope::Retired(_))).then_some(text);
        let mut texts = vec![(SUMS, text(manifest.to_sums())), (MANIFEST, text(manifest.to_json()))];
        texts.retain(|(name, text)| {
            let there = if *name == SUMS { &self.sums_text } else { &self.manifest_text };
            there != text
        });
        let mut left_pending = self.pending.clone();
        left_pending.retain(|path| !is_fresh(path) && !in_scope(path));
        let mut stale: Vec<_> = texts.iter().map(|(name, _)| self.shown(name)).collect();
        if self.kinds.contains_key(PENDING) {
            stale.push(self.shown(PENDING));
        }
        let deletes = self.guard(known.len(), &gone, &outcomes, scope);
        Changes {
            list,
            stale,
            obstacles,
            edited,
            deletes,
            warnings,
            folder: self.folder.clone(),
            outcomes,
            gone,
            manifest,
            texts,
            strays: unknown.len(),
            left_pending,
        }
    }

    /// The hashes that a file of this path may have and still be ours, but for the fresh one.
    fn is_ours(&self, path: &str, sha256: Sha256) -> bool {
        self.manifest.get(path).is_some_and(|entry| entry.sha256 == sha256)
            || self.pending.allows(path, sha256)
    }

    fn edited(&self, path: &str, text: &str) -> Diagnostic {
        let shown = self.shown(path);
        if self.read(Utf8Path::new(path)).ok().flatten().is_some_and(|bytes| has_conflict(&bytes)) {
            let message = format!("`{shown}` has a merge conflict in it");
            return Diagnostic::error(&code::GOLDEN_EDITED, message)
                .at_file(shown, "it is not what was rendered last, nor what is rendered now")
                .hint("once the sources are merged, `confwright render --force` writes it anew")
                .hint(INSTALL);
        }
        let diagnostic = Diagnostic::error(&code::GOLDEN_EDITED, format!("`{shown}` was edited by hand"))
            .at_file(shown, text)
            .hint("move the edit into a template or a table; `confwright render --force` throws it away");
        match (&self.broken, &self.manifest_text) {
            (Some(_), _) => {
                diagnostic.hint("the manifest is broken, so every file that differs counts as edited")
            }
            (None, None) => {
                diagnostic.hint("there is no manifest, so every file that differs counts as edited")
            }
            _ => diagnostic,
        }
    }

    fn lies_in(&self, path: &str, folders: &[Utf8PathBuf]) -> bool {
        let shown = self.shown(path);
        folders.iter().any(|folder| folder.starts_with(&self.folder) && shown.starts_with(folder))
    }

    /// The first symbolic link on the way to a path, itself included.
    fn link_on<'p>(&self, path: &'p str) -> Option<&'p str> {
        prefixes(path).find(|prefix| self.kinds.get(*prefix) == Some(&Kind::Link))
    }

    /// What stands in the way of a regular file at `path`, once the files in `gone` have been deleted.
    fn obstacle(&self, path: &str, gone: &BTreeMap<String, Option<Old>>) -> Option<Diagnostic> {
        let goes = |path: &str| matches!(gone.get(path), Some(Some(_)));
        for prefix in prefixes(path) {
            match self.kinds.get(prefix) {
                Some(Kind::File) if prefix != path && !goes(prefix) => {
                    return Some(no_folder(self.shown(prefix)));
                }
                Some(Kind::Other) => return Some(misplaced(&self.shown(prefix), Kind::Other)),
                _ => {}
            }
        }
        if self.kinds.get(path) != Some(&Kind::Folder) {
            return None;
        }
        let (stays, _) = self.below(path).find(|(inside, kind)| *kind != Kind::Folder && !goes(inside))?;
        Some(
            misplaced(&self.shown(path), Kind::Folder)
                .at_file(self.shown(stays), "this would be lost with the folder"),
        )
    }

    /// Everything below a folder.
    pub(crate) fn below<'s>(&'s self, folder: &str) -> impl Iterator<Item = (&'s str, Kind)> {
        let start = format!("{folder}/");
        self.kinds
            .range(start.clone()..)
            .take_while(move |(path, _)| path.starts_with(&start))
            .map(|(path, kind)| (path.as_str(), *kind))
    }

    /// The files that are no artifact, `known` aside.
    fn unknown(&self, known: impl Fn(&str) -> bool) -> Vec<&str> {
        let mut unknown: Vec<&str> = self
            .kinds
            .iter()
            .filter(|(_, kind)| **kind != Kind::Folder)
            .map(|(path, _)| path.as_str())
            .filter(|path| !known(path) && !RESERVED.contains(path))
            .filter(|path| !self.lies_in(path, &self.retired))
            .chain(self.unprintable.iter().map(String::as_str))
            .collect();
        unknown.sort_unstable();
        unknown
    }

    fn warn_of(&self, unknown: &[&str]) -> Option<Diagnostic> {
        let (count, noun, they) = match unknown.len() {
            0 => return None,
            1 => ("1 file".to_owned(), "is no artifact", "it is left alone; move it"),
            count => (format!("{count} files"), "are no artifacts", "they are left alone; move them"),
        };
        let message = format!("{count} in `{}` {noun}", self.folder);
        let mut warning = Diagnostic::warning(&code::GOLDEN_UNKNOWN, message);
        for path in unknown.iter().take(NAMED) {
            warning = warning.at_file(self.shown(path), "");
        }
        if unknown.len() > NAMED {
            warning = warning.hint(format!("{} more are not named here", unknown.len() - NAMED));
        }
        Some(warning.hint(format!("{they} out of the tree, which is written by render only")))
    }

    /// Says so where more than half of the tree would go; a file that moves with its bytes does not count.
    fn guard(
        &self,
        total: usize,
        gone: &BTreeMap<String, Option<Old>>,
        outcomes: &[Outcome],
        scope: &Scope,
    ) -> Option<Diagnostic> {
        let mut arrivals: BTreeMap<Sha256, usize> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.change() == ChangeKind::Created) {
            *arrivals.entry(outcome.entry.sha256).or_default() += 1;
        }
        let mut deletes = 0;
        for old in gone.values().flatten() {
            match arrivals.get_mut(&old.sha256) {
                Some(count) if *count > 0 => *count -= 1,
                _ => deletes += 1,
            }
        }
        (total >= GUARDED && deletes * 2 > total).then(|| {
            let message =
                format!("this would delete {deletes} of the {total} artifacts in `{}`", self.folder);
            let why = match scope {
                Scope::Retired(kept) if kept.iter().any(|folder| folder.starts_with(&self.folder)) => {
                    "the project has environments now, and each has a tree of its own".to_owned()
                }
                Scope::Retired(_) => {
                    let name = self.folder.file_name().unwrap_or_default();
                    format!("the environment `{name}` is no longer declared")
                }
                Scope::Whole | Scope::Targets(_) => String::new(),
            };
            Diagnostic::error(&code::GOLDEN_DELETES, message)
                .at_file(self.folder.clone(), why)
                .hint("if that is meant, add `--force`")
        })
    }

    /// The hash and the identity of the regular file at a path, if there is one.
    fn fingerprint(&self, path: &str) -> Result<Option<Old>, Diagnostic> {
        let Some((mut file, metadata)) = self.open_golden(path)? else { return Ok(None) };
        let mut fingerprint = Fingerprint::default();
        io::copy(&mut file, &mut fingerprint).map_err(|error| unreadable(self.shown(path), &error))?;
        Ok(Some(Old {
            sha256: fingerprint.sha256(),
            identity: Identity::from(&metadata),
            mode: metadata.mode() & 0o7777,
        }))
    }

    /// Opens the regular file at a path, if there is one and no link leads to it.
    fn open_golden(&self, path: &str) -> Result<Option<(File, Metadata)>, Diagnostic> {
        if self.kinds.get(path) != Some(&Kind::File) {
            return Ok(None);
        }
        open_regular(&self.place(path)).map(Some).map_err(|error| unreadable(self.shown(path), &error))
    }

    pub(crate) fn kind(&self, path: &str) -> Option<Kind> {
        self.kinds.get(path).copied()
    }

    /// What a killed render left of its list.
    pub(crate) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Where a path of the tree is on this machine.
    pub(crate) fn place(&self, path: &str) -> Utf8PathBuf {
        let top = self.root.join(&self.folder);
        if path.is_empty() { top } else { top.join(path) }
    }

    /// A path of the tree as it is shown: relative to the project's root.
    pub(crate) fn shown(&self, path: &str) -> Utf8PathBuf {
        self.folder.join(path)
    }
}

/// The trees in the golden folder, or the one that the folder itself is, that no environment has any more: a tree
/// has a manifest and sums that belong together. `current` are the folders of all trees of the project.
pub fn retired(
    root: &Utf8Path,
    golden: &Utf8Path,
    current: &[Utf8PathBuf],
) -> Result<Vec<Utf8PathBuf>, Diagnostic> {
    let mut folders = vec![golden.to_owned()];
    let inside = walkdir::WalkDir::new(root.join(golden)).min_depth(1).max_depth(1).sort_by_file_name();
    for entry in inside.into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_dir()) {
        folders.extend(entry.file_name().to_str().map(|name| golden.join(name)));
    }
    let mut found = Vec::new();
    for folder in folders.into_iter().filter(|folder| !current.contains(folder)) {
        let read = |name: &str| -> Result<Option<Vec<u8>>, Diagnostic> {
            let path = folder.join(name);
            let failed = |error: &io::Error| unreadable(path.clone(), error);
            if kind_of(&root.join(&path)).map_err(|error| failed(&error))? != Some(Kind::File) {
                return Ok(None);
            }
            let (mut file, _) = open_regular(&root.join(&path)).map_err(|error| failed(&error))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
            Ok(Some(bytes))
        };
        let manifest = read(MANIFEST)?.and_then(|text| Manifest::parse(&text).ok());
        if manifest.is_some_and(|manifest| read(SUMS).ok().flatten() == Some(manifest.to_sums())) {
            found.push(folder);
        }
    }
    Ok(found)
}

/// The golden file and the fresh bytes, read and hashed side by side.
struct Lockstep<W, S> {
    golden: Option<File>,
    /// The golden file's hash, where nobody can have changed it since it was taken.
    known: Option<Sha256>,
    fresh: Hashing,
    /// The loops whose blocks begin or end where the hash was noted.
    loops: Vec<usize>,
    /// The golden file's hash so far, once it differs; until then it is the fresh one.
    old: Option<Fingerprint>,
    scratch: Vec<u8>,
    spill: Option<S>,
    spilled: Option<W>,
    failed: Option<io::Error>,
}

struct Compared<W> {
    fresh: Fingerprint,
    old: Option<Sha256>,
    spilled: Option<W>,
    marks: Vec<Mark>,
}

/// How much is copied at a time.
const PART: u64 = if cfg!(test) { 7 } else { 256 * 1024 };

impl<W: Write, S: FnOnce(Option<io::Take<&mut File>>) -> io::Result<W>> Lockstep<W, S> {
    fn new(golden: Option<File>, known: Option<Sha256>, spill: S) -> Self {
        Self {
            golden,
            known,
            fresh: Hashing::default(),
            loops: Vec::new(),
            old: None,
            scratch: Vec::new(),
            spill: Some(spill),
            spilled: None,
            failed: None,
        }
    }

    fn advance(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.golden.is_none() {
            self.diverge(0)?;
        }
        if self.spill.is_some() {
            let read = self.read_golden(bytes.len())?;
            if self.scratch[..read] != *bytes {
                self.diverge(read)?;
            }
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.write_all(bytes)?;
        }
        self.fresh.update(bytes)
    }

    /// Reads up to `length` bytes of the golden file; fewer only at its end.
    fn read_golden(&mut self, length: usize) -> io::Result<usize> {
        if self.scratch.len() < length {
            self.scratch.resize(length, 0);
        }
        let mut read = 0;
        if let Some(golden) = &mut self.golden {
            while read < length {
                match golden.read(&mut self.scratch[read..length]) {
                    Ok(0) => break,
                    Ok(count) => read += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(read)
    }

    /// Hands the equal prefix to the spill; `read` bytes behind it have been read from the golden file.
    fn diverge(&mut self, read: usize) -> io::Result<()> {
        let Some(spill) = self.spill.take() else { return Ok(()) };
        match &mut self.golden {
            None => self.spilled = Some(spill(None)?),
            Some(golden) => {
                if self.known.is_none() {
                    let mut old = self.fresh.fingerprint()?;
                    old.update(&self.scratch[..read]);
                    self.old = Some(old);
                }
                golden.seek(SeekFrom::Start(0))?;
                self.spilled = Some(spill(Some(Read::by_ref(golden).take(self.fresh.bytes())))?);
                golden.seek(SeekFrom::Start(self.fresh.bytes() + read as u64))?;
            }
        }
        Ok(())
    }

    /// Notes that a block of a loop begins or ends here.
    fn note(&mut self, number: usize) -> io::Result<()> {
        self.loops.push(number);
        self.fresh.note()
    }

    /// Goes on as if the bytes of the golden file from `start` to those of a state were written.
    fn reuse(&mut self, start: u64, end: &State) -> io::Result<()> {
        let Some(golden) = &mut self.golden else { return Err(io::ErrorKind::NotFound.into()) };
        if self.spill.is_some() && start == self.fresh.bytes() {
            golden.seek(SeekFrom::Start(end.bytes()))?;
            return self.fresh.go_to(end);
        }
        self.diverge(0)?;
        let mut at = start;
        while at < end.bytes() {
            let length = usize::try_from(PART.min(end.bytes() - at)).unwrap_or(usize::MAX);
            let (golden, spilled) = (&self.golden, &mut self.spilled);
            self.fresh.fill(length, |part| {
                golden.iter().try_for_each(|golden| golden.read_exact_at(part, at))?;
                spilled.iter_mut().try_for_each(|spilled| spilled.write_all(part))
            })?;
            at += length as u64;
        }
        Ok(())
    }

    /// Keeps the first error.
    fn unless_failed<T>(&mut self, run: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.failed.is_none() {
            match run(self) {
                Ok(done) => return Ok(done),
                Err(error) => self.failed = Some(error),
            }
        }
        // The error itself is kept for the diagnostic. Not its kind: `Interrupted` would be tried again.
        Err(io::Error::other("the golden tree cannot be written"))
    }

    fn finish(mut self) -> io::Result<Compared<W>> {
        if self.spill.is_some() {
            let read = self.read_golden(1)?;
            if read > 0 || self.golden.is_none() {
                self.diverge(read)?;
            }
        }
        let fresh = self.fresh.fingerprint()?;
        let old = match (&mut self.golden, self.known, self.old) {
            (None, ..) => None,
            (Some(_), _, None) if self.spill.is_some() => Some(fresh.clone().sha256()),
            (Some(golden), None, Some(mut old)) => {
                io::copy(golden, &mut old)?;
                Some(old.sha256())
            }
            (Some(_), known, _) => known,
        };
        let marks = self.loops.into_iter().zip(self.fresh.states());
        let marks = marks.map(|(number, state)| Mark { number, state }).collect();
        Ok(Compared { fresh, old, spilled: self.spilled, marks })
    }
}

/// A comparison that is written to, and told of blocks beside.
struct Shared<'s, W, S>(&'s RefCell<Lockstep<W, S>>);

impl<W: Write, S: FnOnce(Option<io::Take<&mut File>>) -> io::Result<W>> Write for Shared<'_, W, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().unless_failed(|lockstep| lockstep.advance(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
thread_local! {
    /// How many blocks were taken from golden files.
    static REUSED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many blocks this thread has taken from golden files, for tests.
#[cfg(test)]
pub(crate) fn reused() -> usize {
    REUSED.get()
}

/// The blocks of an artifact that is compared.
struct Steps<'s, 'p, W, S> {
    lockstep: &'s RefCell<Lockstep<W, S>>,
    past: Option<&'s Past<'p>>,
}

impl<W: Write, S: FnOnce(Option<io::Take<&mut File>>) -> io::Result<W>> Blocks for Steps<'_, '_, W, S> {
    fn begins(&self, apart: Apart, table: &Table, block: usize) -> io::Result<bool> {
        self.lockstep.borrow_mut().unless_failed(|lockstep| {
            lockstep.note(apart.number)?;
            match self.past.and_then(|past| (past.find)(apart, table, block)) {
                Some((start, end)) => {
                    #[cfg(test)]
                    REUSED.set(REUSED.get() + 1);
                    lockstep.reuse(start, end).map(|()| true)
                }
                None => Ok(false),
            }
        })
    }
}

/// The folders on the way to a path, then the path.
pub(crate) fn prefixes(path: &(impl AsRef<str> + ?Sized)) -> impl Iterator<Item = &str> {
    let path = path.as_ref();
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.filter(|end| *end > 0).map(move |end| &path[..end])
}

fn kind(file_type: std::fs::FileType) -> Kind {
    if file_type.is_symlink() {
        Kind::Link
    } else if file_type.is_dir() {
        Kind::Folder
    } else if file_type.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}

/// What stands at a place of this machine, if anything; a link is a link.
pub(crate) fn kind_of(place: &Utf8Path) -> io::Result<Option<Kind>> {
    Ok(look(place)?.map(|metadata| kind(metadata.file_type())))
}

/// What is known of a place of this machine without following a link there.
pub(crate) fn look(place: &Utf8Path) -> io::Result<Option<Metadata>> {
    match std::fs::symlink_metadata(place) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Opens a regular file, and nothing that was put into its place: the file that is open is the one looked at.
#[expect(clippy::disallowed_methods, reason = "golden files are streamed, and never through a link")]
pub(crate) fn open_regular(place: &Utf8Path) -> io::Result<(File, Metadata)> {
    let before = std::fs::symlink_metadata(place)?;
    if !before.is_file() {
        return Err(io::Error::other("it is not a regular file any more"));
    }
    let file = File::open(place)?;
    let metadata = file.metadata()?;
    if Identity::from(&metadata) != Identity::from(&before) {
        return Err(io::Error::other("it changed while it was opened"));
    }
    Ok((file, metadata))
}

fn about_file(code: &'static Code, path: &Utf8Path, what: &str) -> Diagnostic {
    Diagnostic::error(code, format!("`{path}` {what}")).at_file(path, "")
}

fn unreadable(path: impl AsRef<Utf8Path>, error: &io::Error) -> Diagnostic {
    about_file(&code::SOURCE_READ, path.as_ref(), &format!("cannot be read: {error}"))
}

pub(crate) fn unwritable(path: &Utf8Path, error: &io::Error) -> Diagnostic {
    about_file(&code::GOLDEN_WRITE, path, &format!("cannot be written: {error}"))
}

pub(crate) fn link(path: impl AsRef<Utf8Path>) -> Diagnostic {
    about_file(
        &code::GOLDEN_LINK,
        path.as_ref(),
        "is a symbolic link, and the golden tree is written through none",
    )
    .hint("remove the link; what it points at is not touched")
}

pub(crate) fn no_folder(path: impl AsRef<Utf8Path>) -> Diagnostic {
    about_file(&code::GOLDEN_WRITE, path.as_ref(), "stands where the golden tree needs a folder")
        .hint("move it away; if another target makes it, render all targets")
}

fn misplaced(path: &Utf8Path, kind: Kind) -> Diagnostic {
    let what = match kind {
        Kind::Folder => "is a folder where the golden tree needs a file",
        _ => "is neither a regular file nor a folder",
    };
    about_file(&code::GOLDEN_WRITE, path, what).hint("move it away")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_end_with_the_path() {
        let of = |path: &str| prefixes(path).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of("a/b/c"), ["a", "a/b", "a/b/c"]);
        assert_eq!(of("a"), ["a"]);
        assert_eq!(of("/a"), ["/a"]);
    }

    fn hash(bytes: &[u8]) -> Sha256 {
        let mut fingerprint = Fingerprint::default();
        fingerprint.update(bytes);
        fingerprint.sha256()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_spilled_is_what_was_written(
            golden in prop::option::of("[ab]{0,20}"),
            kept in 0usize..20,
            fresh in prop::collection::vec("[ab]{0,5}", 0..6),
        ) {
            // Often the fresh bytes begin as the golden ones do, or are the same.
            let start: String = golden.iter().flat_map(|golden| golden.chars().take(kept)).collect();
            let file = golden.as_ref().map(|golden| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(golden.as_bytes()).unwrap();
                file.rewind().unwrap();
                file
            });
            let spill = |prefix: Option<io::Take<&mut File>>| {
                let mut spilled = Vec::new();
                prefix.map(|mut prefix| prefix.read_to_end(&mut spilled)).transpose().map(|_| spilled)
            };
            let mut lockstep = Lockstep::new(file, None, spill);
            let mut written = String::new();
            for piece in std::iter::once(&start).chain(&fresh) {
                lockstep.advance(piece.as_bytes()).unwrap();
                written.push_str(piece);
            }
            let compared = lockstep.finish().unwrap();
            prop_assert_eq!(compared.old, golden.as_ref().map(|golden| hash(golden.as_bytes())));
            let differs = golden.as_ref() != Some(&written);
            prop_assert_eq!(compared.spilled, differs.then(|| written.clone().into_bytes()));
            prop_assert_eq!(compared.fresh.bytes(), written.len() as u64);
            prop_assert_eq!(compared.fresh.sha256(), hash(written.as_bytes()));
        }
    }
}
