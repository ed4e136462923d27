//! Files as they stand in a git revision, and what git knows of revisions: asked of the `git` program.
//!
//! Nothing is checked out and no file of a work tree is touched. Contents are the bytes that git stores: no line end
//! is converted and no filter is run. A symbolic link is followed as in a work tree: as far as it stays inside the
//! project.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{Disk, LEADS_OUT, LINK_OUT, Unlisted, World};
use crate::diagnostic::{Diagnostic, code};

/// A git repository, as `git` finds it from a folder and from its environment variables.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Where git is run.
    folder: Utf8PathBuf,
    /// The work tree, with no link in its path; none in a bare repository.
    top: Option<Utf8PathBuf>,
}

/// What git makes of a merge, before anything is committed.
#[derive(Debug)]
pub struct Merged {
    /// The merged tree; where files conflict, with what a work tree would show of them.
    pub tree: String,
    /// The files that conflict, relative to the top of the repository.
    pub conflicts: Vec<Utf8PathBuf>,
}

impl Repository {
    /// The repository that a folder of this machine belongs to.
    pub fn find(folder: &Utf8Path) -> Result<Self, Diagnostic> {
        // Variables such as GIT_DIR may be relative to the folder of this process, as hooks have them.
        let named = std::env::var_os("GIT_DIR").is_some();
        let folder = if named { Utf8Path::new(".") } else { folder };
        let mut repository = Self { folder: folder.to_owned(), top: None };
        repository.ask(["rev-parse", "--git-dir"]).map_err(|error| match error {
            // What else it says is how far it has looked.
            Failure::Said(said) if said.starts_with("fatal: not a git repository") => {
                Diagnostic::error(&code::SOURCE_GIT, "the project is in no git repository")
            }
            error => error.diagnostic("the project's git repository cannot be read".to_owned()),
        })?;
        // Fails where there is no work tree.
        let top = repository.ask(["rev-parse", "--show-toplevel"]).ok();
        repository.top = top.map(Utf8PathBuf::from).map(|top| top.canonicalize_utf8().unwrap_or(top));
        Ok(repository)
    }

    /// The path of a folder of this machine inside the repository.
    pub fn inside(&self, folder: &Utf8Path) -> Result<Utf8PathBuf, Diagnostic> {
        let Some(top) = &self.top else { return Ok(Utf8PathBuf::new()) };
        folder.strip_prefix(top).map(Utf8Path::to_owned).map_err(|_| {
            let message = format!("`{folder}` is outside of the work tree `{top}`");
            Diagnostic::error(&code::SOURCE_GIT, message)
                .hint("git takes its work tree from GIT_DIR and GIT_WORK_TREE where they are set")
        })
    }

    /// The place on this machine of a path inside the repository.
    pub fn place(&self, inside: &Utf8Path) -> Utf8PathBuf {
        self.top.as_ref().unwrap_or(&self.folder).join(inside)
    }

    /// The commit that a revision names.
    pub fn commit(&self, revision: &str) -> Result<String, Diagnostic> {
        let unknown = |what: &str| {
            Diagnostic::error(&code::SOURCE_REVISION, format!("`{revision}` {what}")).hint(
                "`git log --oneline --all` names commits, `git branch --all` and `git tag` branches and tags",
            )
        };
        let parse =
            |revision: &str| self.ask(["rev-parse", "--verify", "--quiet", "--end-of-options", revision]);
        // Two steps: behind `:/text` all is a part of the text.
        let object = parse(revision)
            .map_err(|error| error.quietly(|| unknown("is no revision of this repository")))?;
        parse(&format!("{object}^{{commit}}")).map_err(|error| error.quietly(|| unknown("names no commit")))
    }

    /// The parent of a commit that has exactly one.
    pub fn only_parent(&self, commit: &str) -> Option<String> {
        let parents = self.ask(["rev-parse", &format!("{commit}^@")]);
        parents.ok().filter(|parents| !parents.is_empty() && !parents.contains('\n'))
    }

    /// The versions of a file, by its path inside the repository, that were committed last and are not this one:
    /// that of `HEAD`; where it is this one, those that the commit which brought it had before it. Nothing where a shallow
    /// clone has no commit before that one.
    fn before(&self, path: &Utf8Path, now: &[u8]) -> Option<Vec<Vec<u8>>> {
        let read = |commit: &str| self.world(commit, Utf8Path::new("")).read(path).ok();
        match read("HEAD") {
            None => Some(Vec::new()),
            Some(committed) if committed != now => Some(vec![committed]),
            Some(_) => {
                let pathspec = format!(":(top,literal){path}");
                let brought =
                    self.ask(["log", "-1", "--format=%P", "HEAD", "--", &pathspec]).unwrap_or_default();
                let is_shallow = || {
                    self.ask(["rev-parse", "--is-shallow-repository"]).is_ok_and(|answer| answer == "true")
                };
                if brought.is_empty() && is_shallow() {
                    return None;
                }
                Some(brought.split_whitespace().filter_map(read).filter(|before| before != now).collect())
            }
        }
    }

    /// Whether what is staged is what was committed last.
    pub fn is_nothing_staged(&self) -> bool {
        self.ask(["diff-index", "--cached", "--quiet", "HEAD"]).is_ok()
    }

    /// The files of a commit or a tree, below a folder of it.
    pub fn world(&self, tree: &str, root: &Utf8Path) -> Revision {
        Revision {
            repository: self.clone(),
            tree: tree.to_owned(),
            root: root.to_owned(),
            batch: Mutex::new(None),
            links: OnceLock::new(),
            read: Mutex::new(BTreeSet::new()),
        }
    }

    /// Merges two commits as `git merge` does; with a `base`, as `git cherry-pick` does. The files that go through a
    /// merge driver of this name become `marker`.
    pub fn merge(
        &self,
        [ours, theirs]: [&str; 2],
        base: Option<&str>,
        driver: &str,
        marker: &str,
    ) -> Result<Merged, Diagnostic> {
        let driver = format!("merge.{driver}.driver=printf %%s {marker} >%A");
        let mut arguments =
            vec!["-c", &driver, "merge-tree", "--write-tree", "--no-messages", "--name-only", "-z"];
        let base = base.map(|base| format!("--merge-base={base}"));
        arguments.extend(base.as_deref());
        arguments.extend([ours, theirs]);
        let failed = |error: Failure| error.diagnostic("git cannot merge the sources".to_owned());
        let output = self.run(arguments).map_err(failed)?;
        // 1: there are conflicts.
        if !matches!(output.status.code(), Some(0 | 1)) || output.stdout.is_empty() {
            return Err(failed(Failure::said(&output)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut parts = text.split('\0').filter(|part| !part.is_empty());
        let tree = parts.next().unwrap_or_default().to_owned();
        Ok(Merged { tree, conflicts: parts.map(Utf8PathBuf::from).collect() })
    }

    /// The value of an attribute of a file of this machine, or `unspecified`.
    pub fn attribute(&self, attribute: &str, file: &Utf8Path) -> Option<String> {
        let answer = self.ask(["check-attr", "-z", attribute, "--", file.as_str()]).ok()?;
        answer.split('\0').nth(2).map(str::to_owned)
    }

    /// Sets a key of the repository's own configuration.
    pub fn configure(&self, key: &str, value: &str) -> Result<(), Diagnostic> {
        let set = self.ask(["config", "--local", key, value]);
        set.map(|_| ())
            .map_err(|error| error.diagnostic(format!("`{key}` cannot be set for this repository")))
    }

    /// Runs git and gives what it prints, without the line break at its end.
    fn ask<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String, Failure> {
        let output = self.run(arguments)?;
        if !output.status.success() {
            return Err(Failure::said(&output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Output, Failure> {
        self.command(arguments).stdin(Stdio::null()).output().map_err(Failure::NotRun)
    }

    fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new("git");
        // What git says is shown, and read here and there: in one language everywhere.
        command.args(["-C", self.folder.as_str()]).args(arguments).env("LC_ALL", "C");
        command
    }
}

/// What hosts have of a project's artifacts: the versions that are committed, or without git those in golden.
#[derive(Debug)]
pub struct Served {
    disk: Disk,
    /// The repository, and the project's folder in it.
    committed: Option<(Repository, Utf8PathBuf)>,
}

impl Served {
    /// What is served of the project in a folder.
    pub fn of(root: &Utf8Path) -> Self {
        let committed = root.canonicalize_utf8().ok().and_then(|root| {
            let repository = Repository::find(&root).ok()?;
            let inside = repository.inside(&root).ok()?;
            Some((repository, inside))
        });
        Self { disk: Disk::new(root), committed }
    }

    /// The versions of an artifact, by its path in the project, that this one follows; nothing where the history that
    /// would tell is not here.
    pub fn before(&self, path: &Utf8Path, now: &[u8]) -> Option<Vec<Vec<u8>>> {
        match &self.committed {
            Some((repository, inside)) => repository.before(&inside.join(path), now),
            None => Some(self.disk.read(path).into_iter().collect()),
        }
    }
}

/// The commits that git says it is merging, to the programs that it runs for it.
pub fn heads() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter_map(|name| name.strip_prefix("GITHEAD_").map(str::to_owned)).collect()
}

/// Why git gave no answer.
enum Failure {
    NotRun(io::Error),
    /// What it said on its standard error.
    Said(String),
}

impl Failure {
    fn said(output: &Output) -> Self {
        Self::Said(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The diagnostic for a question that git always has an answer to, unless something is wrong.
    fn diagnostic(self, message: String) -> Diagnostic {
        match self {
            Self::NotRun(error) => {
                let message = format!("the program `git` cannot be run: {error}");
                Diagnostic::error(&code::SOURCE_GIT, message)
            }
            Self::Said(said) if said.is_empty() => Diagnostic::error(&code::SOURCE_GIT, message),
            Self::Said(said) => {
                Diagnostic::error(&code::SOURCE_GIT, message).hint(format!("git says: {said}"))
            }
        }
    }

    /// The diagnostic for a question that git answers no to.
    fn quietly(self, no: impl FnOnce() -> Diagnostic) -> Diagnostic {
        match self {
            Self::NotRun(_) => self.diagnostic(String::new()),
            Self::Said(_) => no(),
        }
    }
}

/// A project as it stands in a git revision.
#[derive(Debug)]
pub struct Revision {
    repository: Repository,
    tree: String,
    root: Utf8PathBuf,
    /// A git that answers one question after the other, once there was a question.
    batch: Mutex<Option<Batch>>,
    /// The symbolic links of the whole tree with what they lead to, once there was a question.
    links: OnceLock<BTreeMap<Utf8PathBuf, Utf8PathBuf>>,
    /// The objects that were read.
    read: Mutex<BTreeSet<String>>,
}

/// A `git cat-file --batch`.
#[derive(Debug)]
struct Batch {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands at a path of a revision.
struct Object {
    id: String,
    is_tree: bool,
    bytes: Vec<u8>,
}

impl Revision {
    /// Whether the file at a path, relative to the top of the repository, is one of those that were read.
    pub fn has_read(&self, path: &Utf8Path) -> bool {
        let object = self.object(path).ok().flatten();
        object.is_some_and(|object| {
            self.read.lock().unwrap_or_else(PoisonError::into_inner).contains(&object.id)
        })
    }

    /// Its root's path, relative to the top of the repository.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The links of the tree.
    fn links(&self) -> io::Result<&BTreeMap<Utf8PathBuf, Utf8PathBuf>> {
        if let Some(links) = self.links.get() {
            return Ok(links);
        }
        let mut links = BTreeMap::new();
        for entry in self.repository.list(&self.tree)?.split(|byte| *byte == 0) {
            let Some((facts, path)) =
                std::str::from_utf8(entry).ok().and_then(|entry| entry.split_once('\t'))
            else {
                continue;
            };
            let mut facts = facts.split(' ');
            if facts.next() == Some("120000")
                && let Some(object) = facts.nth(1).map_or(Ok(None), |id| self.ask(id))?
            {
                links.insert(path.into(), String::from_utf8_lossy(&object.bytes).into_owned().into());
            }
        }
        Ok(self.links.get_or_init(|| links))
    }

    /// A path relative to the top of the repository, with links followed to where they lead. One that leads out of the
    /// project is refused.
    fn resolve(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        /// As many links as Linux follows in one path (`path_resolution(7)`).
        const MOST: usize = 40;
        let links = self.links()?;
        let mut followed = 0;
        let mut rest: VecDeque<Utf8PathBuf> = path.components().map(|part| part.as_str().into()).collect();
        let mut done = Utf8PathBuf::new();
        while let Some(part) = rest.pop_front() {
            match part.components().next() {
                Some(Utf8Component::Normal(name)) => done.push(name),
                Some(Utf8Component::CurDir) => {}
                Some(Utf8Component::ParentDir) if done.pop() => {}
                _ => return Err(io::Error::other(LEADS_OUT)),
            }
            if let Some(to) = links.get(&done) {
                followed += 1;
                if followed > MOST {
                    return Err(io::Error::other("its links lead in a circle"));
                }
                done.pop();
                for part in to.components().rev() {
                    rest.push_front(part.as_str().into());
                }
            }
        }
        if done.starts_with(&self.root) { Ok(done) } else { Err(io::Error::other(LEADS_OUT)) }
    }

    /// What stands at a path relative to the top of the repository, through links; nothing if it does not exist.
    fn object(&self, path: &Utf8Path) -> io::Result<Option<Object>> {
        let path = self.resolve(path)?;
        if path.as_str().contains('\n') {
            return Err(io::Error::other("git cannot be asked for a path with a line break in it"));
        }
        self.ask(&format!("{}:{path}", self.tree))
    }

    /// The object of a name.
    fn ask(&self, name: &str) -> io::Result<Option<Object>> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.is_none() {
            *batch = Some(self.repository.batch()?);
        }
        let answered = batch.as_mut().map_or(Ok(None), |batch| batch.ask(name));
        if answered.is_err() {
            // What comes behind a broken answer belongs to no question.
            *batch = None;
        }
        answered
    }

    /// A path relative to the top of the repository as the project names it.
    fn relative(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    fn unfollowed(&self, path: &Utf8Path, error: io::Error) -> io::Error {
        if error.to_string() == LEADS_OUT { self.unlisted(path, LINK_OUT) } else { error }
    }

    fn unlisted(&self, path: &Utf8Path, why: &str) -> io::Error {
        io::Error::other(Unlisted { path: self.relative(path), why: why.to_owned() })
    }

    /// Collects the files of a tree that is shown at a path; `above` are the trees on the way to it.
    fn walk(
        &self,
        tree: &str,
        shown: &Utf8Path,
        above: &mut Vec<String>,
        files: &mut Vec<Utf8PathBuf>,
    ) -> io::Result<()> {
        if above.iter().any(|above| above == tree) {
            return Err(self.unlisted(shown, "is a symbolic link to a folder that it lies in; remove it"));
        }
        above.push(tree.to_owned());
        let listed = self.repository.list(tree)?;
        for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let entry = std::str::from_utf8(entry).map_err(|_| {
                let entry = String::from_utf8_lossy(entry);
                let name = entry.split_once('\t').map_or(&*entry, |(_, name)| name);
                self.unlisted(&shown.join(name), "has a name that is not UTF-8; rename it")
            })?;
            let Some((facts, name)) = entry.split_once('\t') else { continue };
            let path = shown.join(name);
            let mut facts = facts.split(' ');
            match (facts.next(), facts.next()) {
                (Some("120000"), _) => {
                    match self.object(&path).map_err(|error| self.unfollowed(&path, error))? {
                        Some(object) if object.is_tree => self.walk(&object.id, &path, above, files)?,
                        Some(_) => files.push(path),
                        None => {
                            let why = "is a symbolic link that leads nowhere; remove it";
                            return Err(self.unlisted(&path, why));
                        }
                    }
                }
                (_, Some("blob")) => files.push(path),
                // A submodule's files are in another repository.
                _ => {}
            }
        }
        above.pop();
        Ok(())
    }
}

impl World for Revision {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        match self.object(&self.root.join(path))? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(object) if object.is_tree => Err(io::ErrorKind::IsADirectory.into()),
            Some(object) => {
                self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(object.id);
                Ok(object.bytes)
            }
        }
    }

    fn real(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        self.resolve(&self.root.join(path)).map(|path| self.relative(&path))
    }

    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        let top = self.root.join(folder);
        let mut files = Vec::new();
        if let Some(object) = self.object(&top)?.filter(|object| object.is_tree) {
            self.walk(&object.id, &top, &mut Vec::new(), &mut files)?;
        }
        let mut files: Vec<Utf8PathBuf> = files.iter().map(|path| self.relative(path)).collect();
        files.sort();
        Ok(files)
    }
}

impl Repository {
    /// All entries of a tree at any depth, as `git ls-tree` ends them.
    fn list(&self, tree: &str) -> io::Result<Vec<u8>> {
        let output = self.command(["ls-tree", "-r", "-z", "--full-tree", tree]).output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    fn batch(&self) -> io::Result<Batch> {
        let mut child = self
            .command(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let (questions, answers) = ends.ok_or_else(|| io::Error::other("git has no standard streams"))?;
        Ok(Batch { child, questions, answers: BufReader::new(answers) })
    }
}

impl Batch {
    /// Asks for an object; an error ends the conversation.
    fn ask(&mut self, name: &str) -> io::Result<Option<Object>> {
        writeln!(self.questions, "{name}")?;
        self.questions.flush()?;
        let mut head = String::new();
        self.answers.read_line(&mut head)?;
        let head = head.trim_end_matches('\n');
        if head.ends_with(" missing") {
            return Ok(None);
        }
        let unexpected = || io::Error::other(format!("git gave the answer `{head}`"));
        let (facts, size) = head.rsplit_once(' ').ok_or_else(unexpected)?;
        let size: usize = size.parse().map_err(|_| unexpected())?;
        // A line break follows the content.
        let mut bytes = vec![0; size + 1];
        self.answers.read_exact(&mut bytes)?;
        bytes.pop();
        let Some((id, kind @ ("blob" | "tree"))) = facts.split_once(' ') else { return Err(unexpected()) };
        Ok(Some(Object { id: id.to_owned(), is_tree: kind == "tree", bytes }))
    }
}
