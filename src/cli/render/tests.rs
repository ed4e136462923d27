#![expect(clippy::disallowed_methods, reason = "the tests do to a project what people do")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Parser as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::super::{Any, Cli, Command};
use super::*;
use crate::golden::reused;

const PROJECT: &str = r#"
[values]
site = "one"
[tables.mx]
source = "mx.csv"
key = "name"
[tables.mx.columns]
name = "name"
note = { type = "string", optional = true }
host = { type = "ref", table = "hosts" }
[tables.plain]
source = "plain.csv"
[tables.plain.columns]
word = "string"
[tables.hosts]
source = "hosts.csv"
key = "name"
[tables.hosts.columns]
name = "name"
address = "ipv4"
[[artifact]]
template = "a.tera"
path = "a"
[[artifact]]
template = "b.tera"
path = "deep/b"
"#;

/// What is done with a row, some with what a block of rows must not be kept for.
const BODIES: [&str; 16] = [
    "{{ row.name }} of {{ values.site }};\n",
    "{{ row.name }} {{ row.note | default(value='-') | upper }}\n",
    "{% if row.note %}{{ row.note }}{% else %}none{% endif %} {{ row.host.address }}\n",
    "{{ loop.index }}: {{ row.name }}\n",
    "{{ row.name }}{% if loop.last %}.{% else %},{% endif %}\n",
    "{% if loop.first %}first {% endif %}{{ row.name }}\n",
    "{{ row.name }} of {{ loop.length }}\n",
    "{{ row.name }} of {{ mx | length }}\n",
    "{{ row.name }}{% for other in plain %}{{ other.word }}{% endfor %}\n",
    "{{ row.name }} {{ plain | length }}\n",
    "{% set long = row.name ~ '!' %}{{ long }}\n",
    "{{ seen }}{% set_global seen = row.name %}\n",
    "{% if row.note is defined and row.note == 'stop' %}{% break %}{% endif %}{{ row.name }}\n",
    "{% if row.note is defined and row.note == 'stop' %}{% continue %}{% endif %}{{ row.name }}\n",
    "{{ before }}{{ row.name | capitalize }}\n",
    "{% for letter in row.name | split(pat='a') %}{{ loop.index }}{{ letter }}{% endfor %}\n",
];

/// The rows of the tables, and what else decides what is made.
#[derive(Debug, Clone)]
struct Inputs {
    mx: Vec<(u32, u8)>,
    plain: Vec<u8>,
    site: bool,
    bodies: [usize; 3],
    /// How lines end.
    ends: &'static str,
}

impl Inputs {
    fn write(&self, root: &Utf8Path) {
        let put = |path: &str, text: String| std::fs::write(root.join(path), text).unwrap();
        let ends = self.ends;
        let mut mx = format!("name,note,host{ends}");
        for (number, note) in &self.mx {
            let text = ["", "stop", "\"a, \"\"b\"\"\"", "a longer note"][usize::from(*note) % 4];
            write!(mx, "mx{number},{text},h{}{ends}", note % 3).unwrap();
        }
        put("mx.csv", mx);
        let words = self.plain.iter().map(|word| format!("w{word}{ends}"));
        put("plain.csv", std::iter::once(format!("word{ends}")).chain(words).collect());
        put("confwright.toml", PROJECT.replace("one", if self.site { "one" } else { "other" }));
        let body = |number: usize| BODIES[self.bodies[number]];
        put(
            "templates/a.tera",
            format!(
                "{{% set before = mx | length ~ ':' %}}{{% set seen = '' %}}{{% for row in mx %}}{}{{% endfor %}}--\n\
                 {{% for row in mx %}}{}{{% else %}}nothing\n{{% endfor %}}{{{{ seen }}}}\n",
                body(0),
                body(1)
            ),
        );
        put(
            "templates/b.tera",
            format!(
                "{{% if plain | length > 3 %}}{{% for row in mx %}}{{{{ row.name }}}} {{% endfor %}}{{% endif %}}\
                 {{% set before = '' %}}{{% set seen = '' %}}{{% for row in mx %}}{}{{% endfor %}}\
                 {{% for row in plain %}}{{{{ row.word }}}}\n{{% endfor %}}",
                body(2)
            ),
        );
    }
}

/// What somebody does between two renders.
#[derive(Debug, Clone)]
enum Edit {
    Change(Index, u8),
    Insert(Index, u32),
    Remove(Index),
    Append(u32),
    Swap(Index, Index),
    Word(Index, u8),
    Site,
    Body(usize, usize),
    Ends,
    /// A golden file is written to by hand.
    Golden(&'static str, &'static str),
    Forget,
    /// A byte of what is kept becomes another one.
    Damage(Index),
    /// What was written becomes old enough to be trusted.
    Settle,
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let row = || 1000..9000_u32;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, note)| Edit::Change(at, note)),
        2 => (at(), row()).prop_map(|(at, row)| Edit::Insert(at, row)),
        2 => at().prop_map(Edit::Remove),
        2 => row().prop_map(Edit::Append),
        1 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        2 => (at(), any::<u8>()).prop_map(|(at, word)| Edit::Word(at, word)),
        1 => Just(Edit::Site),
        1 => (0..3_usize, 0..BODIES.len()).prop_map(|(at, body)| Edit::Body(at, body)),
        1 => Just(Edit::Ends),
        1 => (prop::sample::select(vec!["a", "deep/b"]), prop::sample::select(vec!["", "mine"]))
            .prop_map(|(path, text)| Edit::Golden(path, text)),
        1 => Just(Edit::Forget),
        1 => at().prop_map(Edit::Damage),
        2 => Just(Edit::Settle),
    ]
}

struct Project(TempDir);

impl Project {
    fn new(inputs: &Inputs) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(project.root().join("templates")).unwrap();
        let hosts = "name,address\nh0,192.0.2.1\nh1,192.0.2.2\nh2,192.0.2.3\n";
        std::fs::write(project.root().join("hosts.csv"), hosts).unwrap();
        inputs.write(project.root());
        project
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.0.path()).unwrap()
    }

    /// Renders, and returns how it ended and the codes of what was told.
    fn render(&self, arguments: &[&str]) -> (Exit, Vec<String>) {
        let line = ["confwright", "-C", self.root().as_str(), "--quiet", "render"];
        let cli = Cli::<Any>::try_parse_from(line.iter().chain(arguments)).unwrap();
        let Any::Known(Command::Render(render)) = cli.command else { panic!("it is a render") };
        let mut session = Session::new(&cli.global);
        (session.out, session.err) = (Box::new(io::sink()), Box::new(io::sink()));
        let exit = render.run(&mut session).unwrap();
        let told = session.diagnostics.sorted(&session.sources);
        (exit, told.into_iter().map(|diagnostic| diagnostic.code.into_owned()).collect())
    }

    /// All golden files; also what is left of a render, if something is.
    fn golden(&self) -> BTreeMap<String, String> {
        let walk = walkdir::WalkDir::new(self.root().join("golden")).into_iter().map(Result::unwrap);
        walk.filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let path = entry.path().strip_prefix(self.0.path()).unwrap().to_string_lossy().into_owned();
                (path, std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect()
    }

    fn apply(&self, edit: &Edit, inputs: &mut Inputs) {
        let (rows, words) = (inputs.mx.len(), inputs.plain.len());
        match edit {
            Edit::Change(at, note) if rows > 0 => inputs.mx[at.index(rows)].1 = *note,
            Edit::Insert(at, row) => inputs.mx.insert(at.index(rows + 1), (*row, 0)),
            Edit::Remove(at) if rows > 0 => drop(inputs.mx.remove(at.index(rows))),
            Edit::Append(row) => inputs.mx.push((*row, 1)),
            Edit::Swap(one, other) if rows > 0 => inputs.mx.swap(one.index(rows), other.index(rows)),
            Edit::Word(at, word) if words > 0 => inputs.plain[at.index(words)] = *word,
            Edit::Site => inputs.site = !inputs.site,
            Edit::Body(at, body) => inputs.bodies[*at] = *body,
            Edit::Ends => inputs.ends = if inputs.ends == "\n" { "\r\n" } else { "\n" },
            Edit::Golden(path, text) => {
                let place = self.root().join("golden").join(path);
                if let Ok(before) = std::fs::read_to_string(&place) {
                    std::fs::write(place, before + text).unwrap();
                }
            }
            Edit::Forget => drop(std::fs::remove_dir_all(self.root().join(".confwright"))),
            Edit::Damage(at) => {
                let place = self.root().join(Blocks::path());
                if let Ok(mut bytes) = std::fs::read(&place) {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1;
                    std::fs::write(place, bytes).unwrap();
                }
            }
            Edit::Settle => std::thread::sleep(Duration::from_millis(60)),
            Edit::Change(..) | Edit::Remove(_) | Edit::Swap(..) | Edit::Word(..) => {}
        }
        let mut seen = std::collections::BTreeSet::new();
        inputs.mx.retain(|(number, _)| seen.insert(*number));
        inputs.write(self.root());
    }
}

fn inputs(bodies: [usize; 3]) -> Inputs {
    Inputs {
        mx: (0..60).map(|number| (number, (number * 7 % 5) as u8)).collect(),
        plain: (0..40).collect(),
        site: true,
        bodies,
        ends: "\n",
    }
}

/// How often blocks were taken from the golden files while `edit` was rendered.
fn blocks_reused(bodies: [usize; 3], edit: impl FnOnce(&mut Inputs)) -> usize {
    let mut inputs = inputs(bodies);
    let project = Project::new(&inputs);
    assert_eq!(project.render(&[]).0, Exit::Clean);
    edit(&mut inputs);
    inputs.write(project.root());
    let before = reused();
    assert_eq!(project.render(&[]).0, Exit::Clean);
    let count = reused() - before;
    let clean = Project::new(&inputs);
    assert_eq!(clean.render(&["--no-cache"]).0, Exit::Clean);
    assert_eq!(project.golden(), clean.golden());
    count
}

#[test]
fn rows_that_have_not_changed_are_not_rendered_again() {
    let change = |inputs: &mut Inputs| inputs.mx[30].1 = 9;
    let insert = |inputs: &mut Inputs| inputs.mx.insert(5, (9999, 0));
    let word = |inputs: &mut Inputs| inputs.plain[3] = 99;
    let all = blocks_reused([0, 0, 0], change);
    assert!(all > 30, "{all}");
    // Also of bodies with filters, conditions, numbers, and rows of other tables.
    for body in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15] {
        assert_eq!(blocks_reused([body; 3], change), all, "{body}");
    }
    // Behind an insertion, where the number of a row does not matter.
    let behind = blocks_reused([0, 1, 2], insert);
    assert!(behind >= all - 8, "{behind} of {all}");
    for bodies in [[3, 3, 0], [6, 7, 4], [5, 4, 7]] {
        let numbered = blocks_reused(bodies, insert);
        assert!(numbered < all * 3 / 4, "{bodies:?}: {numbered} of {all}");
    }
    // Where other rows matter, and where what was set before does.
    let other = blocks_reused([0, 2, 1], word);
    assert!(other > all - 8, "{other} of {all}");
    for bodies in [[8, 9, 8], [9, 8, 9]] {
        let seen = blocks_reused(bodies, word);
        assert!(seen < all / 2, "{bodies:?}: {seen} of {all}");
    }
    let carried = blocks_reused([11, 12, 11], change);
    assert!(carried < all / 2, "{carried} of {all}");
    assert!(blocks_reused([14, 14, 14], change) < all);
    // Where something else has changed.
    assert_eq!(blocks_reused([0, 0, 0], |inputs| inputs.site = false), 0);
    assert_eq!(blocks_reused([0, 0, 0], |inputs| inputs.bodies[0] = 1), 0);
}

#[test]
fn what_is_damaged_is_told_of_and_written_anew() {
    let mut inputs = inputs([0; 3]);
    let project = Project::new(&inputs);
    assert_eq!(project.render(&[]).0, Exit::Clean);
    let kept = project.root().join(Blocks::path());
    let mut bytes = std::fs::read(&kept).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&kept, &bytes).unwrap();
    for told in [vec![code::CACHE_DAMAGED.id.to_owned()], vec![]] {
        inputs.mx.remove(30);
        inputs.write(project.root());
        assert_eq!(project.render(&[]), (Exit::Clean, told));
    }
    let clean = Project::new(&inputs);
    assert_eq!(clean.render(&["--no-cache"]).0, Exit::Clean);
    assert_eq!(project.golden(), clean.golden());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(24),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// After any edits, a render that knows the last one makes what a clean one makes.
    #[test]
    fn incremental_is_clean(
        bodies in [0..BODIES.len(), 0..BODIES.len(), 0..BODIES.len()],
        steps in vec(vec(edit(), 1..4), 1..8),
    ) {
        let mut inputs = inputs(bodies);
        let project = Project::new(&inputs);
        prop_assert_eq!(project.render(&[]).0, Exit::Clean);
        let mut damaged = false;
        for edits in steps {
            for edit in &edits {
                project.apply(edit, &mut inputs);
            }
            let clean = Project::new(&inputs);
            prop_assert_eq!(clean.render(&["--no-cache"]).0, Exit::Clean);
            let before = project.golden();
            let (exit, told) = project.render(&[]);
            if edits.iter().any(|edit| matches!(edit, Edit::Golden(_, "mine"))) && exit == Exit::Error {
                prop_assert!(told.iter().any(|code| code == code::GOLDEN_EDITED.id), "{:?}", told);
                prop_assert_eq!(project.golden(), before);
                prop_assert_eq!(project.render(&["--force"]).0, Exit::Clean);
            } else {
                prop_assert_eq!(exit, Exit::Clean, "{:?}", told);
            }
            prop_assert_eq!(project.golden(), clean.golden());
            // It stays so until something has to be compiled.
            damaged |= edits.iter().any(|edit| matches!(edit, Edit::Damage(_)));
            prop_assert!(damaged || told.iter().all(|code| code != code::CACHE_DAMAGED.id), "{:?}", told);
        }
    }
}
