//! New projects: the target folders that the binary carries, and the project that is made of them.
//!
//! The `starter/` of a target is what a project needs to use it: `starter.toml` is a part of a confwright.toml, and
//! all other files go where they lie. The rest of the folder is copied into the project's templates.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use include_dir::{Dir, DirEntry, include_dir};
use toml_edit::{DocumentMut, Item, Key, Table};

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::project;
use crate::source::World;
use crate::target::{FOLDER, SHARED, STARTER};

/// The repository's own templates.
static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The target of a project that asks for none.
pub const DEFAULT: &str = "hosts";

/// The part of a confwright.toml in that folder.
const FRAGMENT: &str = "starter.toml";

/// The targets that a new project can begin with, sorted.
pub fn targets() -> Vec<&'static str> {
    let mut names: Vec<&str> = TEMPLATES
        .dirs()
        .filter(|folder| folder.get_file(folder.path().join(STARTER).join(FRAGMENT)).is_some())
        .filter_map(|folder| folder.path().to_str())
        .collect();
    names.sort_unstable();
    names
}

/// The templates that the binary carries, as a project would have them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried;

impl World for Carried {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        let file = path.strip_prefix(FOLDER).ok().and_then(|path| TEMPLATES.get_file(path));
        file.map(|file| file.contents().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
        let all = files(&TEMPLATES).into_iter().map(|(path, _)| Utf8Path::new(FOLDER).join(path));
        Ok(all.filter(|path| path.starts_with(folder)).collect())
    }
}

/// The name of a project in a folder: the folder's, with `-` for what a name cannot have.
pub fn name_of(folder: &Utf8Path) -> String {
    let absolute = camino::absolute_utf8(folder).unwrap_or_else(|_| folder.to_owned());
    let name: String = absolute
        .file_name()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "project".to_owned() } else { name.to_owned() }
}

/// The files of a new project, by paths relative to its root; confwright.toml, which makes it a project, is the last.
pub fn compose(name: &str, targets: &[String]) -> Result<Vec<(Utf8PathBuf, Vec<u8>)>, Diagnostics> {
    let mut composer = Composer::new(name);
    let known = self::targets();
    for target in targets {
        match TEMPLATES.get_dir(target) {
            Some(folder) if known.contains(&target.as_str()) => composer.target(target, folder),
            _ => composer.diagnostics.push(
                Diagnostic::error(
                    &code::PROJECT_UNKNOWN_NAME,
                    format!("there is no target `{target}` to begin with"),
                )
                .hint_nearest(target, known.iter().copied())
                .hint(format!("the targets are {}", known.join(", "))),
            ),
        }
    }
    if let Some(shared) = TEMPLATES.get_dir(SHARED) {
        composer.copy(SHARED, shared);
    }
    composer.finish(name)
}

/// A file with what brings it.
type Owned = (String, Vec<u8>);

struct Composer {
    document: DocumentMut,
    /// Which target brings a key of a section, as `values.domain`.
    owners: BTreeMap<String, String>,
    files: BTreeMap<Utf8PathBuf, Owned>,
    diagnostics: Diagnostics,
}

impl Composer {
    fn new(name: &str) -> Self {
        let mut document = DocumentMut::new();
        let mut section = Table::new();
        section.insert("name", toml_edit::value(name));
        section.decor_mut().set_prefix("# What is compiled, and from what: `make render` writes golden/.\n");
        document.insert("project", Item::Table(section));
        Self {
            document,
            owners: BTreeMap::new(),
            files: BTreeMap::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    fn target(&mut self, target: &str, folder: &Dir<'_>) {
        self.copy(target, folder);
        let Some(starter) = folder.get_dir(folder.path().join(STARTER)) else { return };
        for (path, bytes) in files(starter) {
            let relative = path.strip_prefix(starter_path(target)).map_or(path.clone(), Utf8Path::to_owned);
            if relative != FRAGMENT {
                self.file(relative, target, bytes);
                continue;
            }
            // The first header stands below what is there already.
            let text = format!("\n{}", String::from_utf8_lossy(bytes));
            match text.parse::<DocumentMut>() {
                Ok(fragment) => self.merge(target, fragment.as_table()),
                Err(error) => self.diagnostics.push(
                    Diagnostic::error(&code::PROJECT_SYNTAX, error.message())
                        .at_file(Utf8Path::new(FOLDER).join(path), ""),
                ),
            }
        }
    }

    /// Copies a folder of templates, without its starter.
    fn copy(&mut self, name: &str, folder: &Dir<'_>) {
        for (path, bytes) in files(folder) {
            if !path.starts_with(starter_path(name)) {
                self.file(Utf8Path::new(FOLDER).join(path), name, bytes);
            }
        }
    }

    fn file(&mut self, path: Utf8PathBuf, owner: &str, bytes: &[u8]) {
        match self.files.get(&path) {
            Some((other, there)) if there != bytes => {
                let message = format!("the targets `{other}` and `{owner}` both bring `{path}`");
                self.diagnostics.push(clash(message));
            }
            _ => {
                self.files.insert(path, (owner.to_owned(), bytes.to_vec()));
            }
        }
    }

    /// Adds the sections of a starter. What two starters say alike stands there once.
    fn merge(&mut self, target: &str, fragment: &Table) {
        for (name, item) in fragment {
            let there = self.document.entry(name);
            match (there.or_insert(Item::None), item) {
                (Item::Table(into), Item::Table(from)) => {
                    let mut merged = Merged { into, section: name, target, heading: heading(from) };
                    merged.entries(from, &mut self.owners, &mut self.diagnostics);
                }
                (Item::ArrayOfTables(into), Item::ArrayOfTables(from)) => into.extend(from.iter().cloned()),
                (into @ Item::None, item) => {
                    for (key, _) in item.as_table().into_iter().flatten() {
                        self.owners.insert(format!("{name}.{key}"), target.to_owned());
                    }
                    *into = item.clone();
                }
                _ => {
                    let message = format!("the starter of `{target}` has another kind of `{name}`");
                    self.diagnostics.push(clash(message));
                }
            }
        }
    }

    fn finish(mut self, name: &str) -> Result<Vec<(Utf8PathBuf, Vec<u8>)>, Diagnostics> {
        for (path, text) in [
            (".gitattributes", format!("{GITATTRIBUTES}golden/** {ATTRIBUTES}\n")),
            (".gitignore", GITIGNORE.to_owned()),
            (".pre-commit-config.yaml", HOOKS.to_owned()),
            ("Makefile", MAKEFILE.to_owned()),
            ("README.md", README.replace("NAME", name)),
        ] {
            self.file(path.into(), "confwright", text.as_bytes());
        }
        if self.diagnostics.has_errors() {
            return Err(self.diagnostics);
        }
        let mut position = 0;
        arrange(self.document.as_table_mut(), &mut position);
        let mut list: Vec<_> = self.files.into_iter().map(|(path, (_, bytes))| (path, bytes)).collect();
        list.push((project::FILE.into(), self.document.to_string().into_bytes()));
        Ok(list)
    }
}

/// A section that another starter is added to.
struct Merged<'a> {
    into: &'a mut Table,
    section: &'a str,
    target: &'a str,
    /// The comment of the other's header, until it stands before the first entry that is added.
    heading: Option<String>,
}

impl Merged<'_> {
    fn entries(
        &mut self,
        from: &Table,
        owners: &mut BTreeMap<String, String>,
        diagnostics: &mut Diagnostics,
    ) {
        for (key, item) in from {
            let Some(key) = from.key(key) else { continue };
            self.entry(key, item, owners, diagnostics);
        }
    }

    fn entry(
        &mut self,
        key: &Key,
        item: &Item,
        owners: &mut BTreeMap<String, String>,
        diagnostics: &mut Diagnostics,
    ) {
        let path = format!("{}.{}", self.section, key.get());
        let Some(there) = self.into.get_mut(key.get()) else {
            let mut key = key.clone();
            if let Some(heading) = self.heading.take().filter(|_| item.is_value()) {
                key.leaf_decor_mut().set_prefix(heading);
            }
            owners.insert(path, self.target.to_owned());
            self.into.insert_formatted(&key, item.clone());
            return;
        };
        // A table's source and key are the same for all; of its columns, each target wants others.
        if let (Item::Table(into), Item::Table(from)) = (&mut *there, item)
            && data(&values(into)) == data(&values(from))
        {
            for (key, item) in from.iter().filter(|(_, item)| item.is_table()) {
                let there = into.entry(key).or_insert_with(|| Item::Table(Table::new()));
                let (Item::Table(into), Item::Table(from)) = (there, item) else { continue };
                let section = format!("{path}.{key}");
                let mut merged =
                    Merged { into, section: &section, target: self.target, heading: heading(from) };
                merged.entries(from, owners, diagnostics);
            }
        } else if data(there) != data(item) {
            // What a starter brought whole, is owned as that.
            let owner = prefixes(&path).find_map(|path| owners.get(path));
            let other = owner.map_or("confwright", String::as_str);
            let message =
                format!("the targets `{other}` and `{}` do not mean the same by `{path}`", self.target);
            diagnostics.push(clash(message));
        }
    }
}

/// The path of a key, and those of the sections that it is in.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(above, _)| above))
}

fn clash(message: String) -> Diagnostic {
    Diagnostic::error(&code::NEW_CLASH, message)
        .hint("make a project for each, or begin with one and add the other by hand")
}

/// The comment before a section's header.
fn heading(table: &Table) -> Option<String> {
    let prefix = table.decor().prefix()?.as_str()?.trim_start();
    (!prefix.is_empty()).then(|| format!("\n{prefix}"))
}

/// A section without the sections in it.
fn values(table: &Table) -> Item {
    Item::Table(table.iter().filter(|(_, item)| !item.is_table()).collect())
}

/// What an item says, without its comments and spaces.
fn data(item: &Item) -> Option<toml::Value> {
    let mut document = DocumentMut::new();
    document.insert("item", item.clone());
    toml::from_str::<toml::Table>(&document.to_string()).ok()?.remove("item")
}

/// Has the sections stand in their order in the table: each knows only its place in the text that it came from.
fn arrange(table: &mut Table, position: &mut isize) {
    table.set_position(Some(*position));
    *position += 1;
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(table) => arrange(table, position),
            Item::ArrayOfTables(tables) => {
                for table in tables.iter_mut() {
                    arrange(table, position);
                }
            }
            Item::Value(_) | Item::None => {}
        }
    }
}

fn starter_path(target: &str) -> Utf8PathBuf {
    Utf8Path::new(target).join(STARTER)
}

/// All files below a folder, sorted, by their paths relative to the templates.
fn files<'a>(folder: &'a Dir<'_>) -> Vec<(Utf8PathBuf, &'a [u8])> {
    let mut list = Vec::new();
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => list.extend(files(folder)),
            DirEntry::File(file) => {
                // The repository has no file whose name is not UTF-8.
                if let Some(path) = Utf8Path::from_path(file.path()) {
                    list.push((path.to_owned(), file.contents()));
                }
            }
        }
    }
    list.sort();
    list
}

const GITATTRIBUTES: &str = "\
# golden/ is compiled: committed byte for byte, folded in reviews, and merged by compiling the merged sources, once
# `confwright merge-driver --install` was run in the clone.
";

/// What git and code hosts have to know of a golden tree.
pub const ATTRIBUTES: &str = "-text linguist-generated gitlab-generated merge=confwright";

const GITIGNORE: &str = "/.confwright/\n";

const MAKEFILE: &str = "\
# Compiles confwright.toml, data/ and templates/ into golden/.
CONFWRIGHT ?= confwright

.PHONY: render diff check
render:
\t$(CONFWRIGHT) render

# What a render would change.
diff:
\t$(CONFWRIGHT) diff

# The gate before a commit and in CI.
check:
\t$(CONFWRIGHT) check
";

const HOOKS: &str = "\
# `pre-commit install` has git ask these before every commit and every merge.
default_install_hook_types: [pre-commit, pre-merge-commit]
repos:
  - repo: local
    hooks:
      # Where golden differs, the difference tells it all, and the check would tell it again.
      - id: confwright
        name: data, templates, formats and rules are right, and golden is what they give
        entry: sh -c 'confwright diff && confwright check'
        language: system
        pass_filenames: false
        always_run: true
";

const README: &str = "\
# NAME

The files in `golden/` are compiled by confwright from `confwright.toml`, the tables in `data/` and the templates in
`templates/`. Change those, never `golden/`, and commit both.

- `make render` compiles and writes `golden/`.
- `make diff` shows what that would change.
- `make check` is the gate for commits and CI; `pre-commit install` has git run it.
- `confwright merge-driver --install`, once in each clone, has git merge `golden/` by compiling the merged sources.
- `confwright list` shows the targets, tables and artifacts.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(files: &[(Utf8PathBuf, Vec<u8>)], path: &str) -> String {
        let (_, bytes) = files.iter().find(|(there, _)| there == path).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    fn composer(fragments: &[(&str, &str)]) -> Composer {
        let mut composer = Composer::new("x");
        for (target, fragment) in fragments {
            let text = format!("\n{fragment}");
            composer.merge(target, text.parse::<DocumentMut>().unwrap().as_table());
        }
        composer
    }

    #[test]
    fn every_target_of_the_repository_can_be_begun_with() {
        let folders = TEMPLATES.dirs().filter_map(|folder| folder.path().to_str());
        let mut folders: Vec<&str> = folders.filter(|name| !name.starts_with('_')).collect();
        folders.sort_unstable();
        assert_eq!(targets(), folders);
        assert!(targets().contains(&DEFAULT));
    }

    #[test]
    fn a_starter_is_not_copied_into_the_templates() {
        let files = compose("x", &["hosts".into()]).unwrap();
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert!(paths.contains(&"templates/hosts/target.toml") && paths.contains(&"data/hosts.txt"));
        assert!(!paths.iter().any(|path| path.contains("starter")), "{paths:?}");
        assert_eq!(paths.last(), Some(&"confwright.toml"));
    }

    #[test]
    fn starters_are_merged_with_their_comments() {
        let one = "# one's\n[values]\na = 1 # the a\n\n# t\n[tables.t]\nsource = \"t.csv\"\n[tables.t.columns]\nx = \"int\"\n\n[targets.one]\n\n[[rule]]\nassert = \"1 == 1\"\n";
        let two = "# two's\n[values]\na = 1\nb = 2\n\n[tables.u]\nsource = \"u.csv\"\n\n# two\n[targets.two]\n\n[[rule]]\nassert = \"2 == 2\"\n";
        let files = composer(&[("one", one), ("two", two)]).finish("x").unwrap();
        let expected = "\
# What is compiled, and from what: `make render` writes golden/.
[project]
name = \"x\"

# one's
[values]
a = 1 # the a

# two's
b = 2

# t
[tables.t]
source = \"t.csv\"
[tables.t.columns]
x = \"int\"

[tables.u]
source = \"u.csv\"

[targets.one]

# two
[targets.two]

[[rule]]
assert = \"1 == 1\"

[[rule]]
assert = \"2 == 2\"
";
        assert_eq!(text(&files, "confwright.toml"), expected);
    }

    #[test]
    fn clashes_are_all_reported() {
        let one = "[values]\na = 1\nb = 1\n[tables.t]\nsource = \"t.csv\"\n";
        let two = "[values]\na = 2\nb = 1\n[tables.t]\nsource = \"t.csv\"\nkey = \"x\"\n";
        let mut composer = composer(&[("one", one), ("two", two)]);
        composer.file("data/t.csv".into(), "one", b"x\n");
        composer.file("data/t.csv".into(), "two", b"y\n");
        composer.file("data/u.csv".into(), "one", b"x\n");
        composer.file("data/u.csv".into(), "two", b"x\n");
        let found: Vec<String> =
            composer.finish("x").unwrap_err().into_iter().map(|diagnostic| diagnostic.message).collect();
        assert_eq!(
            found,
            [
                "the targets `one` and `two` do not mean the same by `values.a`",
                "the targets `one` and `two` do not mean the same by `tables.t`",
                "the targets `one` and `two` both bring `data/t.csv`",
            ]
        );
    }

    #[test]
    fn unknown_targets_are_all_reported() {
        let found: Vec<_> = compose("x", &["postfx".into(), "hosts".into(), "zzz".into()])
            .unwrap_err()
            .into_iter()
            .map(|diagnostic| (diagnostic.message, diagnostic.hints))
            .collect();
        let all =
            "the targets are dovecot, haproxy, hosts, nftables, nginx, opendkim, postfix, systemd, zones";
        assert_eq!(found[0].0, "there is no target `postfx` to begin with");
        assert_eq!(found[0].1, ["did you mean `postfix`?", all]);
        assert_eq!(found[1].1, [all]);
    }

    #[test]
    fn the_name_of_a_project_is_one_that_it_can_have() {
        for (folder, name) in [
            ("a/mail", "mail"),
            ("/tmp/ü x", "--x"),
            (".hidden", "hidden"),
            ("/", "project"),
            ("a/..", "project"),
        ] {
            let expected = name.trim_start_matches('-');
            assert_eq!(name_of(Utf8Path::new(folder)), expected, "{folder}");
        }
    }
}
