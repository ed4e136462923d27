//! What changed between two states of the sources: a git revision, and another one or the work tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;

use camino::{Utf8Path, Utf8PathBuf};

use super::super::session::Session;
use super::{Comparison, Diff, FileDifference, Output, reached, rendered};
use crate::cause::{self, Against, LARGEST};
use crate::compile::{self, ByEnvironment, Compilation, Environment, Selection};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::explain::Resolver;
use crate::golden::ChangeKind;
use crate::manifest::{Fingerprint, Sha256};
use crate::plan::Planned;
use crate::project;
use crate::report::ArtifactChange;
use crate::source::git::Repository;
use crate::source::{Disk, Sources, World};

/// The sources at one time, compiled; a revision from before the project gives nothing.
#[derive(Default)]
struct State {
    sources: Sources,
    compilation: Option<Compilation>,
}

/// An artifact of a state.
struct Made<'a> {
    compilation: &'a Compilation,
    environment: &'a Environment,
    planned: &'a Planned,
    sources: &'a Sources,
}

impl<'a> Made<'a> {
    fn resolver(&self) -> Resolver<'a> {
        Resolver::new(self.compilation, self.environment, self.planned, self.sources)
    }

    fn bytes(&self) -> Result<Vec<u8>, Diagnostic> {
        rendered(self.environment, self.planned, self.sources)
    }

    /// The hash and the number of the bytes, and not the bytes.
    fn fingerprint(&self) -> Result<(Sha256, u64), Diagnostic> {
        let mut print = Fingerprint::default();
        self.environment.render(self.planned, self.sources, &mut print)?;
        let bytes = print.bytes();
        Ok((print.sha256(), bytes))
    }
}

impl State {
    fn diagnostics(&self, refused: ByEnvironment) -> Diagnostics {
        self.compilation.as_ref().map_or_else(Diagnostics::default, |compilation| {
            refused.merge(&compilation.project, compilation.environments.len())
        })
    }

    /// All artifacts by their paths relative to the project's root.
    fn artifacts(&self) -> BTreeMap<Utf8PathBuf, Made<'_>> {
        let mut all = BTreeMap::new();
        if let Some(compilation) = &self.compilation {
            for environment in &compilation.environments {
                for planned in &environment.artifacts {
                    let made = Made { compilation, environment, planned, sources: &self.sources };
                    all.insert(environment.folder.join(&planned.path), made);
                }
            }
        }
        all
    }

    fn for_causes(&self) -> cause::State<'_> {
        cause::State { compilation: self.compilation.as_ref(), sources: &self.sources }
    }
}

/// An artifact that cannot be rendered; the diagnostic is kept elsewhere.
struct Refused;

/// What is asked of an artifact, where there is one. Why it cannot be rendered is then in `refused`.
fn made<'a, T>(
    made: Option<&Made<'a>>,
    ask: impl Fn(&Made<'a>) -> Result<T, Diagnostic>,
    refused: &mut ByEnvironment,
) -> Result<Option<T>, Refused> {
    let Some(made) = made else { return Ok(None) };
    match ask(made) {
        Ok(answer) => Ok(Some(answer)),
        Err(diagnostic) => {
            refused.add(&made.environment.name, [diagnostic]);
            Err(Refused)
        }
    }
}

/// What the command line names, on this machine and in git.
struct Place {
    /// The project's root.
    root: Utf8PathBuf,
    repository: Repository,
    /// The root's path inside the repository.
    inside: Utf8PathBuf,
    from: String,
    /// None for the work tree.
    to: Option<String>,
}

impl Diff {
    /// Compares what the sources of a revision give with what those of another one, or of the work tree, give.
    pub(super) fn with_revision(&self, session: &mut Session, from: &str) -> Option<Comparison> {
        let place = self.place(session, from)?;
        let selection = Selection { lenient: true, ..self.part.selection() };
        let disk = Disk::new(place.root.clone());
        let world = |commit: &str| place.repository.world(commit, &place.inside);
        let new = match place.to.as_deref().map(world) {
            Some(world) => state(session, &world, self.to.as_deref(), &selection)?,
            None => state(session, &disk, None, &selection)?,
        };
        // Their places are in the sources of this state.
        let warnings = mem::take(&mut session.diagnostics);
        let old = state(session, &world(&place.from), Some(from), &selection)?;
        // What is not quite right in the older one is past.
        session.diagnostics = Diagnostics::default();

        let states: Vec<&Compilation> = new.compilation.iter().chain(&old.compilation).collect();
        let known: Vec<_> = states.iter().map(|state| (&state.project, &state.targets)).collect();
        compile::check_selection(&known, &selection, &mut session.diagnostics);
        let (before, after) = (old.artifacts(), new.artifacts());
        let paths: BTreeSet<&str> = before.keys().chain(after.keys()).map(|path| path.as_str()).collect();
        let paths: Vec<&Utf8Path> = paths.into_iter().map(Utf8Path::new).collect();
        let wanted = self.wanted(session, &place.root, &paths, &states)?;

        if let Some(compilation) = &new.compilation {
            session.rendering(compilation);
        }
        let mut comparison = Comparison::default();
        let (mut in_old, mut in_new) = (ByEnvironment::default(), ByEnvironment::default());
        for path in paths.into_iter().filter(|path| wanted.has(path)) {
            let (was, is) = (before.get(path), after.get(path));
            let prints =
                (made(was, Made::fingerprint, &mut in_old), made(is, Made::fingerprint, &mut in_new));
            session.rendered();
            let (Ok(old_print), Ok(print)) = prints else { continue };
            let change = match (&old_print, &print) {
                (None, _) => ChangeKind::Created,
                (_, None) => ChangeKind::Deleted,
                (Some(old), Some(new)) if old == new => ChangeKind::Unchanged,
                _ => ChangeKind::Changed,
            };
            comparison.list.push(ArtifactChange {
                path: path.to_string(),
                change,
                sha256: print.as_ref().map(|(hash, _)| hash.to_string()),
                bytes: print.as_ref().map(|(_, bytes)| *bytes),
            });
            let modes = was.zip(is).map(|(was, is)| (was.planned.mode, is.planned.mode));
            let modes = modes.filter(|(old, new)| old != new);
            let Some(shown) = is.or(was).filter(|_| change != ChangeKind::Unchanged || modes.is_some())
            else {
                continue;
            };
            let declared = shown.environment.declaration(shown.planned);
            let mut file = FileDifference {
                path: path.to_owned(),
                environment: shown.environment.name.clone(),
                target: shown.planned.target.to_string(),
                kind: change,
                edited: false,
                missing: false,
                modes,
                large: [&old_print, &print].into_iter().flatten().any(|(_, bytes)| *bytes > LARGEST as u64),
                about: declared.and_then(|declared| declared.about.clone()),
                apply: declared.and_then(|declared| declared.apply.clone()),
                old: Vec::new(),
                new: Vec::new(),
            };
            // A document names what differs, and does not show it; its causes may.
            if session.output != Output::Json || !file.large {
                file.old = made(was, Made::bytes, &mut in_old).ok().flatten().unwrap_or_default();
                file.new = made(is, Made::bytes, &mut in_new).ok().flatten().unwrap_or_default();
            }
            comparison.notes.extend(is.iter().flat_map(|is| file.restarts(is.planned)));
            comparison.files.push(file);
        }
        comparison.reached = reached(&comparison.files, &states);
        let differing = comparison.files.iter().map(|file| {
            let (was, is) = (before.get(&file.path), after.get(&file.path));
            file.differing(was.map(Made::resolver), is.map(Made::resolver))
        });
        let differing: Vec<_> = differing.collect();
        let causes = cause::find(&differing, Against::Sources([old.for_causes(), new.for_causes()]));
        let causes = causes.map_err(Diagnostic::from);
        let absent = [(&new, self.to.as_deref()), (&old, Some(from))]
            .into_iter()
            .filter_map(|(state, revision)| revision.filter(|_| state.compilation.is_none()));
        comparison.notes.extend(absent.map(|revision| format!("the project is not in `{revision}`")));

        let (in_old, in_new) = (old.diagnostics(in_old), new.diagnostics(in_new));
        let (failed, sources, revision) = match (in_new.has_errors(), in_old.has_errors()) {
            (true, _) => (in_new, new.sources, self.to.as_deref()),
            (_, true) => (in_old, old.sources, Some(from)),
            _ => {
                (session.diagnostics, session.sources) = (warnings, new.sources);
                comparison.causes = session.diagnostics.take(causes).unwrap_or_default();
                if self.to.is_none() {
                    session.diagnostics.extend(session.sources.changed(&disk));
                }
                return (!session.diagnostics.has_errors()).then_some(comparison);
            }
        };
        (session.diagnostics, session.sources) = (failed, sources);
        session.diagnostics.extend(revision.map(broken));
        None
    }

    fn place(&self, session: &mut Session, from: &str) -> Option<Place> {
        // Between two revisions there may be no work tree, and no project in it.
        let folder = match (&self.to, session.directory.canonicalize_utf8()) {
            (Some(_), Ok(folder)) => folder,
            _ => session.root()?,
        };
        let repository = session.diagnostics.take(Repository::find(&folder))?;
        let inside = session.diagnostics.take(repository.inside(&folder));
        let from_commit = session.diagnostics.take(repository.commit(from));
        let to_commit = self.to.as_deref().map(|to| repository.commit(to)).transpose();
        let to_commit = session.diagnostics.take(to_commit);
        let mut place =
            Place { root: folder, repository, inside: inside?, from: from_commit?, to: to_commit? };
        let (Some(to), Some(to_commit)) = (&self.to, &place.to) else { return Some(place) };

        let is_root = |folder: &&Utf8Path| {
            [&place.from, to_commit].into_iter().any(|commit| {
                place.repository.world(commit, folder).read(Utf8Path::new(project::FILE)).is_ok()
            })
        };
        let Some(root) = place.inside.ancestors().find(is_root).map(Utf8Path::to_owned) else {
            let file = project::FILE;
            let message = match place.inside.as_str() {
                "" => format!("there is no {file} at the top of `{from}` or of `{to}`"),
                inside => format!("there is no {file} in `{inside}` or above it, in `{from}` or in `{to}`"),
            };
            session.diagnostics.push(Diagnostic::error(&code::PROJECT_MISSING, message));
            return None;
        };
        (place.root, place.inside) = (place.repository.place(&root), root);
        Some(place)
    }
}

/// Compiles a state of the project. Nothing where it has errors; they are the session's then, with their sources.
fn state(
    session: &mut Session,
    world: &dyn World,
    revision: Option<&str>,
    selection: &Selection,
) -> Option<State> {
    session.sources = Sources::default();
    let read = world.read(Utf8Path::new(project::FILE));
    if revision.is_some() && read.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Some(State::default());
    }
    let compilation = session.prepare(world, selection);
    if compilation.is_none() {
        session.diagnostics.extend(revision.map(broken));
        return None;
    }
    Some(State { sources: mem::take(&mut session.sources), compilation })
}

/// Says that all that is wrong is wrong in a revision, and not in the files that are there.
fn broken(revision: &str) -> Diagnostic {
    let message = format!("the project cannot be compiled as it is in `{revision}`");
    Diagnostic::error(&code::SOURCE_REVISION, message).hint(format!(
        "the other errors are in the files of that revision; `git show {revision}:./FILE` prints one"
    ))
}
