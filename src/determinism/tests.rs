use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;

use tera::{Kwargs, State, Value as Data};

use super::*;
use crate::compile::Renderer;
use crate::project::tests::{Memory, lines};
use crate::write::{self, PrivateFolder};

const PROJECT: &str = "
[project]
name = 'p'
[tables.t]
source = 't.csv'
key = 'a'
[[artifact]]
template = 'one.tera'
path = 'one'
[[artifact]]
template = 'two.tera'
path = 'two'
";

fn world(one: &str) -> Memory {
    Memory::with(&[
        ("confwright.toml", PROJECT),
        ("t.csv", "a\nx\ny\n"),
        ("templates/one.tera", one),
        ("templates/two.tera", "steady\n"),
        ("templates/unread/README", "not a template\n"),
    ])
}

/// The faults are seeded into Tera.
fn with_engine() -> Selection {
    Selection { renderer: Renderer::Tera, ..Selection::default() }
}

/// Compiles the world without a fault and hands it over.
fn with_compiled<T>(
    world: &Memory,
    extend: &dyn Fn(&mut tera::Tera),
    run: impl FnOnce(&Compiled<'_>, &Sources) -> T,
) -> T {
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let compilation = compile::prepare(world, &mut sources, &with_engine(), extend, &mut diagnostics);
    assert_eq!(lines(&diagnostics, &sources), Vec::<String>::new());
    let compilation = compilation.unwrap();
    let compiled = Compiled::new(&compilation, &sources).unwrap();
    run(&compiled, &sources)
}

fn repeat(world: &Memory, extend: &dyn Fn(&mut tera::Tera), compiles: usize) -> Vec<String> {
    with_compiled(world, extend, |compiled, sources| {
        let mut found = Diagnostics::default();
        found.extend(compiled.repeat(world, &with_engine(), extend, compiles, &AtomicBool::new(false)));
        lines(&found, sources)
    })
}

/// Gives the engine a filter `upper` whose result depends on the order of a hash map with two keys, which it
/// keeps as long as the engine lives.
fn seed_hash_map(tera: &mut tera::Tera) {
    let map: HashMap<&str, u8> = [("left", 0), ("right", 1)].into();
    tera.register_filter("upper", move |_: &Data, _: Kwargs, _: &State<'_>| {
        map.keys().copied().collect::<Vec<_>>().join(" ")
    });
}

const SEEDED: &str = "first\n{% for row in t %}{{ row.a | upper }}\n{% endfor %}";

#[test]
fn a_sound_engine_passes() {
    assert_eq!(repeat(&world(SEEDED), &|_| {}, COMPILES), Vec::<String>::new());
}

#[test]
fn a_hash_map_of_two_keys_is_always_caught() {
    for _ in 0..20 {
        let found = repeat(&world(SEEDED), &seed_hash_map, COMPILES);
        assert_eq!(found.len(), 1, "{found:?}");
        let (before, after) = if found[0].contains("was `left") {
            ("left right", "right left")
        } else {
            ("right left", "left right")
        };
        let head = "check::nondeterministic: `golden/one` changes with compile ";
        let tail = format!(
            " of 16 in one process: line 2 was `{before}` and became `{after}` | 9:8 this artifact | hint: {REPORT}"
        );
        assert!(found[0].starts_with(head) && found[0].ends_with(&tail), "{found:?}");
    }
}

#[test]
fn two_compiles_catch_it_only_sometimes() {
    let caught = (0..60).filter(|_| !repeat(&world(SEEDED), &seed_hash_map, 1).is_empty()).count();
    assert!((1..60).contains(&caught), "{caught}");
}

#[test]
fn a_counter_is_caught_at_once_and_told_once() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let seed = |tera: &mut tera::Tera| {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        tera.register_filter("upper", move |_: &Data, _: Kwargs, _: &State<'_>| number.to_string());
    };
    // An engine is made for the project's own artifacts only, so that each compile counts once.
    assert_eq!(
        repeat(&world("{{ project.name | upper }}\n"), &seed, COMPILES),
        [format!(
            "check::nondeterministic: `golden/one` changes with compile 1 of 16 in one process: line 1 was `0` and \
             became `1` | 9:8 this artifact | hint: {REPORT}"
        )]
    );
}

#[test]
fn a_compile_that_fails_later_is_told() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let seed = |tera: &mut tera::Tera| {
        let first = COUNT.fetch_add(1, Ordering::Relaxed) == 0;
        tera.register_filter("upper", move |_: &Data, _: Kwargs, _: &State<'_>| {
            if first { Ok("fine") } else { Err(tera::Error::message("out of luck")) }
        });
    };
    let found = repeat(&world("{{ project.name | upper }}\n"), &seed, COMPILES);
    let head = "check::nondeterministic: the project does not compile with compile 1 of 16 in one process: ";
    assert!(found.len() == 1 && found[0].starts_with(head) && found[0].contains("out of luck"), "{found:?}");
}

#[test]
fn a_stopped_check_compiles_no_more() {
    let world = world("");
    let seed = |_: &mut tera::Tera| {};
    with_compiled(&world, &seed, |compiled, _| {
        let never = |_: &mut tera::Tera| panic!("compiled");
        let stop = AtomicBool::new(true);
        assert_eq!(compiled.repeat(&world, &Selection::default(), &never, COMPILES, &stop), []);
    });
}

#[test]
fn each_kind_of_difference_has_its_words() {
    with_compiled(&world("a\nb\n"), &|_| {}, |compiled, sources| {
        let told = |prints: Vec<Print>, bytes: &'static [u8]| {
            let render = |_: &Utf8Path| Some(bytes.to_vec());
            let mut found = Diagnostics::default();
            found.extend(compiled.compare("the moon", prints, &render, &mut BTreeSet::new()));
            let lines = lines(&found, sources);
            lines.iter().map(|line| line.split(" | ").next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let good: Vec<Print> = compiled.prints().cloned().collect();
        assert_eq!(told(good.clone(), b""), Vec::<String>::new());

        let hash = Fingerprint::default().sha256();
        let mut other = good.clone();
        other[0].sha256 = hash;
        let code = "check::nondeterministic: ";
        for (bytes, line) in [
            (&b"a\nc\n"[..], "line 2 was `b` and became `c`"),
            (b"a\n", "line 2 was `b` and became missing"),
            (b"a\nb", "line 2 was `b` and became `b` (no line break)"),
            (b"a\nb\n\x1b[31m\n", "line 3 was missing and became `\\u{1b}[31m`"),
        ] {
            assert_eq!(
                told(other.clone(), bytes),
                [format!("{code}`golden/one` changes with the moon: {line}")]
            );
        }
        let vague = "`golden/one` changes with the moon; when it was rendered 8 times more, it did not";
        assert_eq!(told(other, b"a\nb\n"), [format!("{code}{vague}")]);

        let mut other = good.clone();
        other[0].mode = 0o600;
        let mode = "the mode of `golden/one` changes with the moon: it was 0644 and became 0600";
        assert_eq!(told(other, b""), [format!("{code}{mode}")]);

        let mut other = good.clone();
        other[0].path = "golden/new".into();
        let mut expected =
            ["`golden/new` is made only with the moon", "`golden/one` is not made with the moon"]
                .map(|message| format!("{code}{message}"));
        expected.sort();
        assert_eq!(told(other, b""), expected);

        let many: Vec<Print> = (0..50)
            .map(|number| Print { path: format!("golden/{number}").into(), ..good[0].clone() })
            .collect();
        let told = told([good, many].concat(), b"");
        assert_eq!(told.len(), SHOWN + 1);
        assert_eq!(told[0], format!("{code}30 more artifacts change with the moon"));
    });
}

#[test]
fn a_long_line_is_shown_around_its_difference() {
    let (left, right) = ("x".repeat(500), "y".repeat(500));
    let shown =
        first_difference(format!("{left}1{right}\n").as_bytes(), format!("{left}2{right}\n").as_bytes());
    let around = |middle: &str| format!("`…{}{middle}{}…`", "x".repeat(60), "y".repeat(59));
    assert_eq!(shown.unwrap(), format!("line 1 was {} and became {}", around("1"), around("2")));
}

#[test]
fn a_needle_in_an_artifact_is_found_with_its_variable() {
    let canary = Canary::random();
    let variables: Vec<String> = ["HOME", "USER", "TZ"].map(str::to_owned).into();
    let user = canary.needle(1);
    let folder = PrivateFolder::below(Utf8Path::from_path(&std::env::temp_dir()).unwrap()).unwrap();
    write::fill(&folder.path().join("golden"), &[("one".into(), Vec::new())]).unwrap();
    let told = |text: &str| {
        write::overwrite(&folder.path().join("golden/one"), text.as_bytes()).unwrap();
        with_compiled(&world("a\n"), &|_| {}, |compiled, sources| {
            let prints = compiled.written(folder.path(), Some(&canary)).unwrap();
            assert_eq!(prints.len(), 1);
            let mut found = Diagnostics::default();
            found.extend(compiled.leaks(&prints, &variables));
            lines(&found, sources)
        })
    };
    for (text, variable) in [
        (format!("x {user} y\n"), "the environment variable `USER`"),
        (user.to_uppercase(), "the environment variable `USER`"),
        (user[..user.len() - 2].to_owned(), "a part of an environment variable"),
    ] {
        assert_eq!(
            told(&text),
            [format!(
                "check::canary: `golden/one` holds the value of {variable} | 9:8 this artifact | hint: {REPORT}"
            )]
        );
    }
    assert_eq!(told("USER\n"), Vec::<String>::new());
    assert_ne!(canary.needle(0), Canary::random().needle(0));
}

#[test]
fn inputs_are_what_is_read_or_listed() {
    let world = world("");
    with_compiled(&world, &|_| {}, |compiled, _| {
        let inputs = compiled.inputs(&world).unwrap();
        let all: Vec<_> =
            world.0.iter().map(|(path, bytes)| (path.clone(), bytes.as_slice().into())).collect();
        assert_eq!(inputs, all);
    });
}
