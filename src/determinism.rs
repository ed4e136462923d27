//! Whether a project compiles to the same bytes every time, and what changes them if not.
//!
//! A [`Compiled`] is a compile with the hash of each artifact. [`Compiled::repeat`] compares it with compiles from
//! nothing in this process; [`Compiled::compare`] takes the files that another process wrote while one thing
//! about it was different, and [`Compiled::leaks`] tells what a [`Canary`] in its environment showed. Processes are
//! the command line's to start, and [`Compiled::written`] reads what they leave.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::compile::{self, Compilation, Environment, RenderFailure, Selection};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::golden::look;
use crate::manifest::{Fingerprint, RESERVED, Sha256};
use crate::plan::Planned;
use crate::source::{Disk, Sources, World};

/// How often a project is compiled in one process. A map of two keys has the same order in two compiles half of
/// the time, in this many never.
pub const COMPILES: usize = 16;

/// Of the artifacts that one perturbation changes, this many are described.
const SHOWN: usize = 20;

/// So often both sides are rendered again to find the line that differs.
const ATTEMPTS: usize = 8;

const REPORT: &str = "no project can cause this: please report it, with the template";

/// What a compile made of one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// Its path, relative to the project's root.
    pub path: Utf8PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// The needle of the canary that was found in it; [`usize::MAX`] if only a part of one.
    pub needle: Option<usize>,
}

/// A text that nothing but the environment holds: what has it in an artifact reads the environment.
#[derive(Debug, Clone)]
pub struct Canary(String);

impl Canary {
    /// One that no input has, because nobody can guess it.
    pub fn random() -> Self {
        // The keys of a hash map are the random numbers that the standard library has.
        let [one, other] = [0, 1].map(|number: u8| RandomState::new().hash_one(number));
        Self(format!("canary{one:016x}{other:016x}n"))
    }

    /// The value for a variable.
    pub fn needle(&self, number: usize) -> String {
        format!("{}{number:04}", self.0)
    }

    /// The number of the first needle in some bytes, in capitals or not.
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let bytes = bytes.to_ascii_lowercase();
        let digits = memchr::memmem::find(&bytes, self.0.as_bytes())? + self.0.len();
        let number = bytes.get(digits..digits + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        Some(number.and_then(|number| number.parse().ok()).unwrap_or(usize::MAX))
    }
}

/// A compile with the hash of each artifact.
#[derive(Debug)]
pub struct Compiled<'a> {
    compilation: &'a Compilation,
    sources: &'a Sources,
    prints: BTreeMap<Utf8PathBuf, (Print, Artifact<'a>)>,
}

type Artifact<'a> = (&'a Environment, &'a Planned);

impl<'a> Compiled<'a> {
    /// Renders every artifact.
    pub fn new(compilation: &'a Compilation, sources: &'a Sources) -> Result<Self, RenderFailure> {
        let mut compiled = Self { compilation, sources, prints: BTreeMap::new() };
        for environment in &compilation.environments {
            for planned in &environment.artifacts {
                let path = environment.folder.join(&planned.path);
                let mut hash = Fingerprint::default();
                environment.render(planned, sources, &mut hash)?;
                let print =
                    Print { path: path.clone(), mode: planned.mode, sha256: hash.sha256(), needle: None };
                compiled.prints.insert(path, (print, (environment, planned)));
            }
        }
        Ok(compiled)
    }

    /// What it made, sorted by path.
    pub fn prints(&self) -> impl Iterator<Item = &Print> {
        self.prints.values().map(|(print, _)| print)
    }

    /// The artifacts in the golden trees that another process has written below a folder, as they lie there, and the
    /// needles of a canary that are in them.
    pub fn written(&self, folder: &Utf8Path, canary: Option<&Canary>) -> io::Result<Vec<Print>> {
        let disk = Disk::new(folder);
        let own: BTreeSet<Utf8PathBuf> = (self.compilation.environments.iter())
            .flat_map(|environment| RESERVED.map(|name| environment.folder.join(name)))
            .collect();
        let mut prints = Vec::new();
        for path in disk.list(&self.compilation.project.golden)? {
            if own.contains(&path) {
                continue;
            }
            let metadata = look(&folder.join(&path))?.ok_or(io::ErrorKind::NotFound)?;
            let bytes = disk.read(&path)?;
            let mut hash = Fingerprint::default();
            hash.update(&bytes);
            let needle = canary
                .and_then(|canary| canary.find(path.as_str().as_bytes()).or_else(|| canary.find(&bytes)));
            let mode = metadata.mode() & 0o7777;
            prints.push(Print { path, mode, sha256: hash.sha256(), needle });
        }
        Ok(prints)
    }

    /// Renders one artifact again; nothing if that fails or there is none.
    pub fn bytes(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        let (_, (environment, planned)) = self.prints.get(path)?;
        let mut bytes = Vec::new();
        environment.render(planned, self.sources, &mut bytes).ok().map(|()| bytes)
    }

    /// Compiles the same project so many times from nothing: sources, tables, engines and contexts are all new.
    ///
    /// `extend` is that of [`compile::prepare`]. Once `stop` is set there are no further compiles.
    pub fn repeat(
        &self,
        world: &dyn World,
        selection: &Selection,
        extend: &dyn Fn(&mut tera::Tera),
        compiles: usize,
        stop: &AtomicBool,
    ) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut told = BTreeSet::new();
        for number in 1..=compiles {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let what = format!("compile {number} of {compiles} in one process");
            let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
            let again = compile::prepare(world, &mut sources, selection, extend, &mut diagnostics);
            let again = again.as_ref().map(|compilation| Compiled::new(compilation, &sources));
            let why = match again {
                Some(Ok(again)) => {
                    let prints = again.prints().cloned();
                    found.extend(self.compare(&what, prints, &|path| again.bytes(path), &mut told));
                    continue;
                }
                Some(Err(RenderFailure::Diagnostic(diagnostic))) => diagnostic.message,
                Some(Err(RenderFailure::Sink(error))) => error.to_string(),
                None => diagnostics.into_iter().next().map_or_else(String::new, |first| first.message),
            };
            // Its places are those of other sources.
            found.push(failed(&what, &why));
            break;
        }
        found
    }

    /// Compares with what was made while one thing was different, the perturbation.
    ///
    /// `bytes` gives those of an artifact that was made in that way, or makes it once more. Artifacts in `told` are left out, and
    /// those that are told now are put there.
    pub fn compare(
        &self,
        perturbation: &str,
        prints: impl IntoIterator<Item = Print>,
        bytes: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
        told: &mut BTreeSet<Utf8PathBuf>,
    ) -> Vec<Diagnostic> {
        let prints: BTreeMap<Utf8PathBuf, Print> =
            prints.into_iter().map(|print| (print.path.clone(), print)).collect();
        let paths: BTreeSet<&Utf8PathBuf> = self.prints.keys().chain(prints.keys()).collect();
        let mut found = Vec::new();
        let mut more = 0;
        for path in paths {
            let mine = self.prints.get(path);
            let other = prints.get(path);
            let message = match (mine, other) {
                (Some((mine, _)), Some(other)) if mine.mode == other.mode && mine.sha256 == other.sha256 => {
                    continue;
                }
                _ if told.contains(path) => continue,
                _ if found.len() == SHOWN => {
                    more += 1;
                    continue;
                }
                (Some((mine, _)), Some(other)) if mine.sha256 == other.sha256 => format!(
                    "the mode of `{path}` changes with {perturbation}: it was {:04o} and became {:04o}",
                    mine.mode, other.mode
                ),
                (Some(_), Some(_)) => match self.first_line(path, bytes) {
                    Some(line) => format!("`{path}` changes with {perturbation}: {line}"),
                    None => format!(
                        "`{path}` changes with {perturbation}; when it was rendered {ATTEMPTS} times more, it \
                         did not"
                    ),
                },
                (_, None) => format!("`{path}` is not made with {perturbation}"),
                (None, _) => format!("`{path}` is made only with {perturbation}"),
            };
            told.insert(path.clone());
            let diagnostic = Diagnostic::error(&code::DETERMINISM, message).hint(REPORT);
            found.push(match mine {
                Some((_, (_, planned))) => diagnostic.at(planned.span, "this artifact"),
                None => diagnostic,
            });
        }
        if more > 0 {
            let message = format!("{more} more artifacts change with {perturbation}");
            found.push(Diagnostic::error(&code::DETERMINISM, message));
        }
        found
    }

    /// The first line that differs, with both its texts, if rendering again shows one.
    fn first_line(&self, path: &Utf8Path, bytes: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>) -> Option<String> {
        (0..ATTEMPTS).find_map(|_| first_difference(&self.bytes(path)?, &bytes(path)?))
    }

    /// Tells which artifacts hold a needle; the names of the variables are in the order of the needles.
    pub fn leaks(&self, prints: &[Print], variables: &[String]) -> Vec<Diagnostic> {
        let leaking = prints.iter().filter_map(|print| Some((print, print.needle?)));
        let tell = |(print, needle): (&Print, usize)| {
            let variable = match variables.get(needle) {
                Some(name) => format!("the environment variable `{name}`"),
                None => "a part of an environment variable".to_owned(),
            };
            let message = format!("`{}` holds the value of {variable}", print.path);
            let diagnostic = Diagnostic::error(&code::CANARY, message).hint(REPORT);
            match self.prints.get(&print.path) {
                Some((_, (_, planned))) => diagnostic.at(planned.span, "this artifact"),
                None => diagnostic,
            }
        };
        leaking.map(tell).collect()
    }

    /// Everything that a compile reads or lists, sorted by path: the files that this one has read, and all that
    /// lie among the templates.
    pub fn inputs(&self, world: &dyn World) -> io::Result<Vec<(Utf8PathBuf, Arc<[u8]>)>> {
        let read = self.sources.iter().map(|(_, file)| (file.path().to_owned(), Arc::clone(file.bytes())));
        let mut inputs: BTreeMap<Utf8PathBuf, Arc<[u8]>> = read.collect();
        for path in world.list(&self.compilation.project.templates)? {
            if let Entry::Vacant(unread) = inputs.entry(path) {
                let bytes = world.read(unread.key())?;
                unread.insert(bytes.into());
            }
        }
        let inside = |path: &Utf8Path| path.components().all(|part| matches!(part, Utf8Component::Normal(_)));
        match inputs.keys().find(|path| !inside(path)) {
            Some(path) => Err(io::Error::other(format!("`{path}` lies outside the project"))),
            None => Ok(inputs.into_iter().collect()),
        }
    }
}

/// Says that a project which compiles does not under a perturbation.
pub fn failed(perturbation: &str, why: &str) -> Diagnostic {
    Diagnostic::error(&code::DETERMINISM, format!("the project does not compile with {perturbation}: {why}"))
        .hint(format!("where the machine is not at fault, {REPORT}"))
}

/// The first line in which two texts differ, with both sides of it; nothing if they are the same.
fn first_difference(old: &[u8], new: &[u8]) -> Option<String> {
    let mut olds = old.split_inclusive(|byte| *byte == b'\n');
    let mut news = new.split_inclusive(|byte| *byte == b'\n');
    let mut line = 0;
    loop {
        line += 1;
        let (old, new) = match (olds.next(), news.next()) {
            (None, None) => return None,
            (old, new) if old == new => continue,
            (old, new) => (old, new),
        };
        let either = |line: Option<&[u8]>| String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
        let (left, right) = (either(old), either(new));
        let common = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
        let show = |line: Option<&[u8]>, text: &str| {
            if line.is_some() { excerpt(text, common) } else { "missing".to_owned() }
        };
        return Some(format!("line {line} was {} and became {}", show(old, &left), show(new, &right)));
    }
}

/// A line as a message shows it: of a long one the part around a character, and no control characters.
fn excerpt(line: &str, around: usize) -> String {
    /// Characters before and behind the first that differs.
    const REACH: usize = 60;
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, ""),
        None => (line, " (no line break)"),
    };
    let start = around.saturating_sub(REACH);
    let mut shown: String =
        text.chars().skip(start).take(2 * REACH).collect::<String>().escape_debug().collect();
    // Quotes are no danger to a terminal.
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    let before = if start > 0 { "…" } else { "" };
    let behind = if text.chars().nth(start + 2 * REACH).is_some() { "…" } else { "" };
    format!("`{before}{shown}{behind}`{end}")
}

#[cfg(test)]
mod tests;
