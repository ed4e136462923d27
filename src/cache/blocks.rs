//! What a render knows of long artifacts, so that the next one need not make all of their bytes again.
//!
//! Of each long artifact it keeps the stamp and the hash of the golden file, and for each loop over a long table where
//! the bytes of its blocks of rows begin, with the state of the hash there; of each such table, what is written in its
//! blocks. Where the same rows make the same block again, and nothing else has changed that is read, the bytes are those
//! of the golden file.
//!
//! A golden file that does not have its stamp is not trusted: it is compared and hashed, as if nothing was known of it.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Cache, FOLDER, Opened, Reader, Seen, Stamp, Writer, may_keep};
use crate::compile::{Compilation, Environment};
use crate::golden::{Changes, Mark, Past};
use crate::manifest::{Fingerprint, Sha256, State};
use crate::source::Sources;
use crate::table::{Block, Table};

/// The file in the cache's folder.
const FILE: &str = "blocks";

/// From how many bytes on an artifact is known.
const LONG: u64 = if cfg!(test) { 100 } else { 4 * 1024 * 1024 };

/// What the last render knew, beside what this one reads.
pub(crate) struct Blocks<'a> {
    cache: &'a Cache,
    compilation: &'a Compilation,
    sources: &'a Sources,
    old: OnceCell<Option<Old>>,
    damaged: Cell<bool>,
}

/// What the last render knew, for a project as it is now.
struct Old {
    artifacts: BTreeMap<Utf8PathBuf, Artifact>,
    /// By environment and name; none where something else than rows has changed.
    tables: BTreeMap<String, BTreeMap<String, Matched>>,
}

/// What was kept of an artifact.
struct Artifact {
    stamp: Stamp,
    sha256: Sha256,
    /// For each loop by its number, the state where each block begins, and where the last one ends.
    loops: BTreeMap<usize, Vec<State>>,
}

/// A table with what it was.
struct Matched {
    /// For each of its blocks, the old one with the same rows.
    old: Vec<Option<usize>>,
    /// For each old block, the number of its first row.
    rows: Vec<usize>,
    /// How many rows there were.
    len: usize,
    same: bool,
}

impl<'a> Blocks<'a> {
    /// Asks nothing yet.
    pub(crate) fn new(cache: &'a Cache, compilation: &'a Compilation, sources: &'a Sources) -> Self {
        Self { cache, compilation, sources, old: OnceCell::new(), damaged: Cell::new(false) }
    }

    /// The path of what is kept, relative to the root.
    pub(crate) fn path() -> Utf8PathBuf {
        Utf8Path::new(FOLDER).join(FILE)
    }

    /// Whether what was kept had been damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.get()
    }

    /// Calls `run` with what is known of the golden file of an artifact, which has so many bytes.
    pub(crate) fn with_past<T>(
        &self,
        environment: &Environment,
        path: &Utf8Path,
        bytes: u64,
        run: impl FnOnce(Option<&Past<'_>>) -> T,
    ) -> T {
        let old = if bytes < LONG { None } else { self.old.get_or_init(|| self.read()).as_ref() };
        let known = old.and_then(|old| Some((old, old.artifacts.get(&environment.folder.join(path))?)));
        let Some((old, artifact)) = known else { return run(None) };
        let tables = old.tables.get(&environment.name);
        run(Some(&Past {
            stamp: artifact.stamp,
            sha256: artifact.sha256,
            find: &|apart, table, block| {
                let tables = tables?;
                let name = &table.schema().name;
                let matched = tables.get(name)?;
                if (apart.counted && matched.len != table.len())
                    || (apart.others && !others_are_same(environment, table, tables))
                {
                    return None;
                }
                let from = (*matched.old.get(block)?)?;
                if apart.numbered && matched.rows[from] != table.blocks().get(block)?.row {
                    return None;
                }
                let states = artifact.loops.get(&apart.number)?;
                let complete = states.len() == matched.rows.len() + 1;
                complete.then(|| (states[from].bytes(), &states[from + 1]))
            },
        }))
    }

    fn read(&self) -> Option<Old> {
        match self.cache.open(FILE) {
            Opened::Content(content) => {
                let old = self.match_with(&content);
                self.damaged.set(old.is_none());
                old
            }
            Opened::Nothing => None,
            Opened::Damaged => {
                self.damaged.set(true);
                None
            }
        }
    }

    /// Nothing where the content ends too early.
    fn match_with(&self, content: &[u8]) -> Option<Old> {
        let mut content = Reader(content);
        let is_same = content.text()? == self.key().to_string();
        let tables = content.list(|content| {
            let (environment, name) = (content.text()?.to_owned(), content.text()?.to_owned());
            let (head, len) = (content.part()?.0, content.index()?);
            let blocks = content.list(|content| Some((content.index()?, content.number()?)))?;
            Some(((environment, name), (head, len, blocks)))
        })?;
        let artifacts = content.list(|content| {
            let path = Utf8PathBuf::from(content.text()?);
            let (stamp, sha256) = (content.stamp()?, Sha256::from(content.bytes()?));
            let mut loops: BTreeMap<usize, Vec<State>> = BTreeMap::new();
            content.list(|content| {
                let (number, bytes) = (content.index()?, content.number()?);
                let state = State::read(content.part()?.0, bytes)?;
                loops.entry(number).or_default().push(state);
                Some(())
            })?;
            Some((path, Artifact { stamp, sha256, loops }))
        })?;
        let mut old = Old { artifacts: artifacts.into_iter().collect(), tables: BTreeMap::new() };
        for ((environment, name), (head, len, blocks)) in tables.into_iter().filter(|_| is_same) {
            let now = self.compilation.environments.iter().find(|now| now.name == environment);
            if let Some(table) =
                now.and_then(|now| now.tables.get(&name)).filter(|now| *head == *now.head(self.sources))
            {
                old.tables.entry(environment).or_default().insert(name, Matched::of(table, len, &blocks));
            }
        }
        Some(old)
    }

    /// A hash of all that is read but for the rows of tables that have blocks.
    fn key(&self) -> Sha256 {
        let tables =
            || self.compilation.environments.iter().flat_map(|environment| environment.tables.iter());
        let read = |whole: bool| -> BTreeSet<_> {
            tables().filter(|table| table.blocks().is_empty() == whole).filter_map(Table::file).collect()
        };
        let (whole, in_blocks) = (read(true), read(false));
        let mut key = Writer::default();
        for (id, file) in self.sources.iter() {
            key.text(file.path().as_str());
            match file.survey() {
                None => key.part(file.bytes()),
                Some(_) if in_blocks.contains(&id) && !whole.contains(&id) => {}
                Some((length, fingerprint)) => {
                    key.number(length as u64);
                    key.number(fingerprint);
                }
            }
        }
        let mut print = Fingerprint::default();
        print.update(&key.0);
        print.sha256()
    }

    /// Keeps what this render knows, for the next one. `all` are the changes to the trees of the environments, in their
    /// order; `written` is the time that all has which it wrote. What cannot be written is not kept.
    pub(crate) fn keep(&self, all: &[Changes], written: i64) {
        let mut seen = Seen::new(self.cache);
        seen.written = Some(written);
        let mut artifacts = Vec::new();
        for (environment, changes) in self.compilation.environments.iter().zip(all) {
            for outcome in changes.outcomes.iter().filter(|outcome| outcome.entry.bytes >= LONG) {
                let path = environment.folder.join(&outcome.entry.path);
                let stamp = Stamp::of(self.cache.root.join(&path).as_std_path(), false);
                if let Some(stamp) = stamp.ok().and_then(|stamp| seen.settled(stamp)) {
                    artifacts.push((path, stamp, outcome));
                }
            }
        }
        if artifacts.is_empty() || !may_keep(&self.compilation.project) {
            return;
        }
        let environments = self.compilation.environments.iter();
        let tables = environments.flat_map(|environment| {
            let tables = environment.tables.iter().filter(|table| !table.blocks().is_empty());
            tables.map(|table| (environment.name.as_str(), table))
        });
        let mut content = Writer::default();
        content.text(&self.key().to_string());
        content.list(tables.collect::<Vec<_>>(), |content, (environment, table)| {
            content.text(environment);
            content.text(&table.schema().name);
            content.part(&table.head(self.sources));
            content.number(table.len() as u64);
            content.list(table.blocks(), |content, Block { row, hash, .. }| {
                content.number(*row as u64);
                content.number(*hash);
            });
        });
        content.list(artifacts, |content, (path, stamp, outcome)| {
            content.text(path.as_str());
            content.stamp(stamp);
            content.0.extend(outcome.entry.sha256.as_bytes());
            content.list(&outcome.marks, |content, Mark { number, state }| {
                content.number(*number as u64);
                content.number(state.bytes());
                content.part(state.written());
            });
        });
        self.cache.write(FILE, &content.0);
    }
}

/// Whether all other long tables of an environment are what they were.
fn others_are_same(environment: &Environment, table: &Table, tables: &BTreeMap<String, Matched>) -> bool {
    let others = environment.tables.iter().filter(|other| !other.blocks().is_empty());
    let name = |table: &Table| table.schema().name.clone();
    others
        .filter(|other| name(other) != name(table))
        .all(|other| tables.get(&name(other)).is_some_and(|matched| matched.same))
}

impl Matched {
    fn of(table: &Table, len: usize, old: &[(usize, u64)]) -> Self {
        let numbers: HashMap<u64, usize> = (old.iter().zip(0..)).map(|((_, hash), at)| (*hash, at)).collect();
        let found = table.blocks().iter().enumerate().map(|(at, block)| {
            // Of blocks with the same rows, the one in the same place may have the same numbers of rows too.
            let here = old.get(at).filter(|(_, hash)| *hash == block.hash).map(|_| at);
            here.or_else(|| numbers.get(&block.hash).copied())
        });
        let found: Vec<Option<usize>> = found.collect();
        let in_place = found.iter().enumerate().all(|(at, old)| *old == Some(at));
        let same = in_place && found.len() == old.len();
        Self { old: found, rows: old.iter().map(|(row, _)| *row).collect(), len, same }
    }
}
