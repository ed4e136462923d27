//! What a golden file is where two branches are merged: what their merged sources give.
//!
//! A merge driver of git is asked for one file after the other, while the work tree is as it was before the merge.
//! So the sources are merged once more, as git merges them, but into a tree that is in no work tree; that is
//! compiled. Where it cannot be known which commits are merged, where the sources conflict or do not compile, there is
//! no answer, and git reports the golden file as a conflict.
//!
//! Git asks only for files that both sides have changed. For the manifest, all other files of its golden tree are
//! therefore compared too: a merge is right as a whole, or it conflicts.

use camino::{Utf8Path, Utf8PathBuf};

use crate::compile::{self, Compilation, Environment, Selection};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::manifest::{Entry, Fingerprint, MANIFEST, Manifest, SUMS};
use crate::plan::Planned;
use crate::project;
use crate::source::git::{Merged, Repository, Revision};
use crate::source::{Sources, World as _};

/// The name of the merge driver in `.gitattributes` and in git's configuration.
pub const DRIVER: &str = "confwright";

/// What the merge that is made here puts into the files that git will ask for; no artifact is that.
const ASKED_FOR: &str = "confwright-is-asked-for-this-file";

/// A file that both sides have changed, as git hands it to a merge driver.
#[derive(Debug)]
pub struct Contested {
    /// Its path, relative to the top of the repository.
    pub path: Utf8PathBuf,
    /// Its content in the common ancestor; empty where it was not there.
    pub base: Vec<u8>,
    /// Its content on the side that is merged into.
    pub ours: Vec<u8>,
    /// Its content on the other side.
    pub theirs: Vec<u8>,
    /// What git calls the common ancestor.
    pub base_name: String,
    /// What git calls the other side.
    pub theirs_name: String,
}

/// The commits that are merged.
#[derive(Debug)]
struct Sides {
    ours: String,
    theirs: String,
    /// Set where git has not to look for it.
    base: Option<String>,
}

impl Contested {
    /// What the file has to be after the merge. `heads` are the commits that git says it is merging.
    pub fn merged(
        &self,
        repository: &Repository,
        heads: &[String],
        sources: &mut Sources,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<u8>> {
        let Some(sides) = self.sides(repository, heads) else {
            let message = format!("git does not say which commits `{}` is merged from", self.path);
            diagnostics.push(by_hand(message));
            return None;
        };
        let merged = repository.merge([&sides.ours, &sides.theirs], sides.base.as_deref(), DRIVER, ASKED_FOR);
        let merged = diagnostics.take(merged)?;
        let world = self.project(repository, &merged, sources, diagnostics)?;
        let mut found = Diagnostics::default();
        let compilation = compile::prepare(&world, sources, &Selection::default(), &|_| {}, &mut found);
        let templates =
            compilation.as_ref().map(|compilation| world.root().join(&compilation.project.templates));
        let is_source = |path: &&Utf8PathBuf| {
            templates.as_ref().is_some_and(|templates| path.starts_with(templates)) || world.has_read(path)
        };
        let conflicts: Vec<&Utf8PathBuf> = merged.conflicts.iter().filter(is_source).collect();
        if let [first, others @ ..] = conflicts.as_slice() {
            let others =
                if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            diagnostics.push(by_hand(format!("the sources conflict: `{first}`{others}")));
            return None;
        }
        diagnostics.append(found);
        let Some(compilation) = compilation else {
            diagnostics.push(by_hand("the merged sources cannot be compiled".to_owned()));
            return None;
        };
        if let Some((place, side)) = self.edited(repository, &sides, &compilation, &world) {
            let message =
                format!("`{place}` was edited by hand in {side}, and the merged sources do not give that");
            let diagnostic = Diagnostic::error(&code::MERGE_EDITED, message);
            diagnostics.push(diagnostic.hint(
                "move the edit into a template or table, then run `confwright render` and `git add` the golden tree",
            ));
            return None;
        }
        self.content(&compilation, &world, sources, diagnostics)
    }

    /// A file that git asks for and that a side has edited by hand: it is not what the manifest of that side says. For
    /// the manifest and the sums, which go with them, all files that git asks for are looked at.
    fn edited(
        &self,
        repository: &Repository,
        sides: &Sides,
        compilation: &Compilation,
        merged: &Revision,
    ) -> Option<(Utf8PathBuf, String)> {
        let inside = self.path.strip_prefix(merged.root()).unwrap_or(&self.path);
        let environment =
            compilation.environments.iter().find(|environment| inside.starts_with(&environment.folder))?;
        let is_whole = [MANIFEST, SUMS].iter().any(|name| environment.folder.join(name) == inside);
        let places: Vec<Utf8PathBuf> = environment
            .artifacts
            .iter()
            .map(|planned| environment.folder.join(&planned.path))
            .filter(|place| {
                place == inside
                    || is_whole && merged.read(place).is_ok_and(|bytes| bytes == ASKED_FOR.as_bytes())
            })
            .collect();
        let theirs = format!("the other side ({})", self.theirs_name);
        for (commit, side) in [(&sides.ours, "the side that is merged into"), (&sides.theirs, &theirs)] {
            let world = repository.world(commit, merged.root());
            let listed = world.read(&environment.folder.join(MANIFEST)).ok();
            let Some(listed) = listed.and_then(|json| Manifest::parse(&json).ok()) else { continue };
            let is_edited = |place: &&Utf8PathBuf| {
                let entry =
                    place.strip_prefix(&environment.folder).ok().and_then(|path| listed.get(path.as_str()));
                entry.zip(world.read(place).ok()).is_some_and(|(entry, bytes)| {
                    let mut print = Fingerprint::default();
                    print.update(&bytes);
                    print.sha256() != entry.sha256
                })
            };
            if let Some(place) = places.iter().find(is_edited) {
                return Some((place.clone(), side.to_owned()));
            }
        }
        None
    }

    /// The commits whose files these are.
    fn sides(&self, repository: &Repository, heads: &[String]) -> Option<Sides> {
        let ours = repository.commit("HEAD").ok()?;
        let merge = match heads {
            [theirs] => Some(Sides { ours: ours.clone(), theirs: theirs.clone(), base: None }),
            _ => None,
        };
        // Only here may there be something staged that no commit has.
        let pick = || {
            picked(repository, &self.base_name, &self.theirs_name).filter(|_| repository.is_nothing_staged())
        };
        let pick = || pick().map(|(base, theirs)| Sides { ours, theirs, base: Some(base) });
        merge
            .filter(|sides| self.is_of(repository, sides))
            .or_else(|| pick().filter(|sides| self.is_of(repository, sides)))
    }

    /// Whether the commits have these contents; where git has seen a rename, one of them has the file elsewhere.
    fn is_of(&self, repository: &Repository, sides: &Sides) -> bool {
        let base = sides.base.iter().map(|base| (base, &self.base));
        let all = base.chain([(&sides.ours, &self.ours), (&sides.theirs, &self.theirs)]);
        let there: Vec<bool> = all
            .filter_map(|(commit, content)| {
                let bytes = repository.world(commit, Utf8Path::new("")).read(&self.path).ok()?;
                Some(bytes == *content)
            })
            .collect();
        !there.is_empty() && there.into_iter().all(|same| same)
    }

    /// The merged state of the project whose golden file this is.
    fn project(
        &self,
        repository: &Repository,
        merged: &Merged,
        sources: &mut Sources,
        diagnostics: &mut Diagnostics,
    ) -> Option<Revision> {
        for root in self.path.ancestors().skip(1) {
            let world = repository.world(&merged.tree, root);
            if world.read(Utf8Path::new(project::FILE)).is_err() {
                continue;
            }
            if merged.conflicts.contains(&root.join(project::FILE)) {
                diagnostics.push(by_hand(format!("the sources conflict: `{}`", root.join(project::FILE))));
                return None;
            }
            let mut found = Diagnostics::default();
            let mut own = Sources::default();
            match project::load(&world, &mut own, &mut found) {
                Some(project) if self.path.starts_with(root.join(&project.golden)) => return Some(world),
                Some(_) => {}
                None => {
                    *sources = own;
                    diagnostics.append(found);
                    diagnostics.push(by_hand(format!("the merged `{}` is not in order", project::FILE)));
                    return None;
                }
            }
        }
        diagnostics.push(by_hand(format!("`{}` is in no golden tree", self.path)));
        None
    }

    /// What the compiled sources give for the file.
    fn content(
        &self,
        compilation: &Compilation,
        world: &Revision,
        sources: &Sources,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<u8>> {
        let inside = self.path.strip_prefix(world.root()).unwrap_or(&self.path);
        let environments = &compilation.environments;
        let found = environments
            .iter()
            .find_map(|environment| Some((environment, inside.strip_prefix(&environment.folder).ok()?)));
        let Some((environment, path)) = found else {
            diagnostics.push(by_hand(format!(
                "`{inside}` is of an environment that the merged sources do not have"
            )));
            return None;
        };
        if path != MANIFEST && path != SUMS {
            let Some(planned) = environment.artifacts.iter().find(|planned| *planned.path == *path) else {
                diagnostics.push(by_hand(format!("the merged sources make no `{inside}` any more")));
                return None;
            };
            let mut bytes = Vec::new();
            let rendered = environment.render(planned, sources, &mut bytes).map_err(Diagnostic::from);
            return diagnostics.take(rendered).map(|()| bytes);
        }
        let mut manifest = Manifest::default();
        for planned in &environment.artifacts {
            manifest.insert(diagnostics.take(entry(environment, planned, sources))?);
        }
        let stale = self.stale(&manifest, environment, world);
        if let [first, others @ ..] = stale.as_slice() {
            let others =
                if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            let message =
                format!("the merged sources do not give `{first}`{others}, which git takes over as it is");
            diagnostics.push(by_hand(message));
            return None;
        }
        Some(if path == MANIFEST { manifest.to_json() } else { manifest.to_sums() })
    }

    /// The golden files that git does not ask for, and that are not what the merged sources give.
    fn stale(&self, fresh: &Manifest, environment: &Environment, world: &Revision) -> Vec<Utf8PathBuf> {
        let differs = |entry: &&Entry| {
            let place = environment.folder.join(&entry.path);
            world.read(&place).map_or(true, |bytes| {
                let mut print = Fingerprint::default();
                print.update(&bytes);
                bytes != ASKED_FOR.as_bytes() && print.sha256() != entry.sha256
            })
        };
        let listed = [&self.ours, &self.theirs].map(|bytes| Manifest::parse(bytes).unwrap_or_default());
        let gone = listed.iter().flat_map(Manifest::iter).filter(|entry| {
            fresh.get(entry.path.as_str()).is_none()
                && world.read(&environment.folder.join(&entry.path)).is_ok()
        });
        let mut stale: Vec<Utf8PathBuf> = fresh
            .iter()
            .filter(differs)
            .chain(gone)
            .map(|entry| environment.folder.join(&entry.path))
            .collect();
        stale.sort();
        stale.dedup();
        stale
    }

    /// For a manifest that is left as a conflict: what describes the files as git leaves them. The next render knows
    /// them by it, and takes none for one that was edited by hand.
    pub fn left_manifest(&self) -> Option<Vec<u8>> {
        if self.path.file_name() != Some(MANIFEST) {
            return None;
        }
        let parse =
            |bytes: &[u8]| if bytes.is_empty() { Ok(Manifest::default()) } else { Manifest::parse(bytes) };
        let (base, ours, theirs) =
            (parse(&self.base).ok()?, parse(&self.ours).ok()?, parse(&self.theirs).ok()?);
        let mut left = Manifest::default();
        for path in ours.iter().chain(theirs.iter()).map(|entry| entry.path.as_str()) {
            let (was, our, their) = (base.get(path), ours.get(path), theirs.get(path));
            // Of a file that one side has deleted and the other has changed, git leaves the changed one.
            let kept = if our == was {
                their
            } else if their == was {
                our
            } else {
                our.or(their)
            };
            if let Some(kept) = kept {
                left.insert(kept.clone());
            }
        }
        Some(left.to_json())
    }
}

fn entry(environment: &Environment, planned: &Planned, sources: &Sources) -> Result<Entry, Diagnostic> {
    let mut print = Fingerprint::default();
    environment.render(planned, sources, &mut print)?;
    Ok(planned.artifact().entry(print))
}

/// The commits that a cherry-pick, a rebase or a revert merges: git calls them `1a2b3c4 (subject)` and
/// `parent of 1a2b3c4 (subject)`, the former being the base where it is reverted.
fn picked(repository: &Repository, base_name: &str, theirs_name: &str) -> Option<(String, String)> {
    let commit = |name: &str| {
        let (id, _) = name.split_once(" (")?;
        let is_id = id.len() >= 4 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { repository.commit(id).ok() } else { None }
    };
    let parent = |name: &str| repository.only_parent(&commit(name.strip_prefix("parent of ")?)?);
    match (commit(base_name), commit(theirs_name)) {
        (None, Some(theirs)) => Some((parent(base_name)?, theirs)),
        (Some(base), None) => Some((base, parent(theirs_name)?)),
        _ => None,
    }
}

fn by_hand(message: String) -> Diagnostic {
    Diagnostic::error(&code::MERGE_CONFLICT, message)
        .hint("once the sources are merged, run `confwright render` and `git add` the golden tree")
}
