//! What the program does where it need not do anything: nothing else than when it does all of it.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use confwright::cache::Cache;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tempfile::TempDir;

use crate::support::{confwright, differences, lay_over, run, snapshot, tests, write};

/// More than a template of the base has, so that it shows whether that was read.
const MUCH: usize = 200_000;

/// The base of the cases, with a template that is long.
fn base() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&tests().join("cases/_base"), folder.path());
    pad(folder.path());
    folder
}

fn pad(folder: &Path) {
    let path = folder.join("templates/mta/main.cf.tera");
    let template = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{{# {} #}}{template}", "x".repeat(MUCH))).unwrap();
}

/// Lets what was written become old enough to be trusted.
fn settle() {
    std::thread::sleep(Duration::from_millis(70));
}

/// Whether a run of the program reads the long template.
fn compiles(folder: &Path, arguments: &str) -> bool {
    let mut command = Command::new("sh");
    // A process has the counters of the children that it waited for (proc_pid_io(5)).
    let script = "\"$@\" >/dev/null 2>&1; while read -r line; do echo \"$line\"; done </proc/$$/io";
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_confwright")]).args(arguments.split_whitespace());
    let output = command.current_dir(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    count.parse::<usize>().unwrap() > MUCH
}

fn cache(folder: &Path) -> std::path::PathBuf {
    folder.join(Cache::path())
}

#[test]
fn nothing_is_read_where_nothing_has_changed() {
    let folder = base();
    let folder = folder.path();
    settle();
    assert!(compiles(folder, "render"));
    assert!(!compiles(folder, "render"));
    // The render said nothing of what a check looks at; a check says all.
    assert!(compiles(folder, "check"));
    for command in ["render", "check"] {
        assert!(!compiles(folder, command), "{command}");
        for format in ["human", "json", "github", "sarif"] {
            if command == "render" && !["human", "json"].contains(&format) {
                continue;
            }
            let line = format!("{command} --format {format}");
            assert!(!compiles(folder, &line), "{line}");
            let (one, other) = (run(folder, &line), run(folder, &format!("{line} --no-cache")));
            assert_eq!((one.status, one.stdout, one.stderr), (other.status, other.stdout, other.stderr));
        }
        for part in ["--no-cache", "--target mta", "--stage config", "--engine tera"] {
            assert!(compiles(folder, &format!("{command} {part}")), "{command} {part}");
        }
    }
    for line in ["render --force", "check --as-of 2026-01-01", "check --deterministic", "diff"] {
        assert!(compiles(folder, line), "{line}");
    }
    assert_eq!(std::fs::read_to_string(folder.join(".confwright/.gitignore")).unwrap(), "*\n");
    std::fs::remove_dir_all(folder.join(".confwright")).unwrap();
    assert!(compiles(folder, "check"));
    assert!(!compiles(folder, "check"));
}

#[test]
fn a_render_that_writes_is_remembered_at_once() {
    let folder = base();
    let folder = folder.path();
    let project = std::fs::read_to_string(folder.join("confwright.toml")).unwrap();
    std::fs::remove_dir_all(folder.join("golden")).unwrap();
    settle();
    for change in ["", "# one more\n", "[environments.prod]\n[environments.lab]\n"] {
        write(folder, "confwright.toml", project.clone() + change);
        if change.starts_with('[') {
            std::fs::remove_dir_all(folder.join("golden")).unwrap();
        }
        settle();
        run(folder, "render").expect(0);
        assert!(!compiles(folder, "render"), "{change}");
    }
    // What is done to its files behind it is seen.
    let file = folder.join("golden/lab/main.cf");
    let text = std::fs::read_to_string(&file).unwrap();
    let stray = folder.join("golden/lab/peers/stray");
    let edits: [&dyn Fn(); 4] = [
        &|| std::fs::write(&file, text.replace('1', "2")).unwrap(),
        &|| std::fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap(),
        &|| std::fs::remove_file(&file).unwrap(),
        &|| std::fs::write(&stray, "new").unwrap(),
    ];
    for (number, edit) in edits.iter().enumerate() {
        std::fs::remove_dir_all(folder.join("golden")).unwrap();
        run(folder, "render").expect(0);
        assert!(!compiles(folder, "render"), "{number}");
        edit();
        assert!(compiles(folder, "render"), "{number}");
    }
}

#[test]
fn warnings_are_told_again() {
    let folder = base();
    let folder = folder.path();
    let project = std::fs::read_to_string(folder.join("confwright.toml")).unwrap();
    write(folder, "confwright.toml", project.replace("[values]\n", "[values]\nspare = 1\n"));
    write(folder, "golden/stray", "mine\n");
    let path = "templates/mta/peer.conf.tera";
    let template = std::fs::read_to_string(folder.join(path)).unwrap();
    write(folder, path, template + "{{ values.domain | raw }}\n");
    settle();
    let render = run(folder, "render").expect(0).stderr;
    assert!(!compiles(folder, "render"));
    let check = run(folder, "check").expect(0).stderr;
    for (said, codes) in [
        (&render, ["project::unused", "golden::unknown"].as_slice()),
        (&check, &["project::unused", "golden::unknown", "template::raw"]),
    ] {
        assert_eq!(said.matches("warning[").count(), codes.len(), "{said}");
        assert!(codes.iter().all(|code| said.contains(code)), "{said}");
    }
    for format in ["human", "json", "github", "sarif"] {
        for command in ["render", "check"].into_iter().skip(usize::from(!["human", "json"].contains(&format)))
        {
            let line = format!("{command} --format {format}");
            let (one, other) = (run(folder, &line), run(folder, &format!("{line} --no-cache")));
            assert_eq!((one.status, one.stdout, one.stderr), (other.status, other.stdout, other.stderr));
            assert!(!compiles(folder, &line), "{line}");
        }
    }
    std::fs::remove_file(folder.join("golden/stray")).unwrap();
    assert_eq!(run(folder, "check").expect(0).stderr.matches("warning[").count(), 2);
}

#[test]
fn another_program_reads_everything_again() {
    let folder = base();
    settle();
    run(folder.path(), "check").expect(0);
    assert!(!compiles(folder.path(), "check"));
    let other = tempfile::tempdir().unwrap();
    let program = other.path().join("confwright");
    std::fs::copy(env!("CARGO_BIN_EXE_confwright"), &program).unwrap();
    let kept = std::fs::read(cache(folder.path())).unwrap();
    let output = Command::new(&program).arg("check").current_dir(folder.path()).output().unwrap();
    assert!(output.status.success());
    assert_ne!(kept, std::fs::read(cache(folder.path())).unwrap());
    assert!(compiles(folder.path(), "check"));
}

#[test]
fn a_file_that_may_change_unseen_is_not_trusted() {
    let folder = base();
    let table = File::options().append(true).open(folder.path().join("data/mx.csv")).unwrap();
    table.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    settle();
    run(folder.path(), "check").expect(0);
    assert!(!cache(folder.path()).exists());
    table.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    settle();
    run(folder.path(), "check").expect(0);
    assert!(cache(folder.path()).exists());
}

#[test]
fn a_change_that_hides_its_time_is_seen() {
    let folder = base();
    let folder = folder.path();
    settle();
    run(folder, "check").expect(0);
    for path in ["data/mx.csv", "golden/main.cf"] {
        let place = folder.join(path);
        let before = std::fs::metadata(&place).unwrap().modified().unwrap();
        let text = std::fs::read_to_string(&place).unwrap();
        std::fs::write(&place, text.replace('1', "2")).unwrap();
        File::options().append(true).open(&place).unwrap().set_modified(before).unwrap();
        assert_ne!(run(folder, "check").status, 0, "{path}");
        std::fs::write(&place, text).unwrap();
        settle();
        run(folder, "check").expect(0);
        assert!(!compiles(folder, "check"), "{path}");
    }
}

#[test]
fn what_comes_and_goes_is_seen() {
    let folder = base();
    let folder = folder.path();
    let links = |folder: &Path, to: &str| {
        let _ = std::fs::remove_file(folder.join("data"));
        std::os::unix::fs::symlink(to, folder.join("data")).unwrap();
    };
    std::fs::rename(folder.join("data"), folder.join("one")).unwrap();
    std::fs::create_dir(folder.join("two")).unwrap();
    lay_over(&folder.join("one"), &folder.join("two"));
    links(folder, "one");
    let remembered = |change: &dyn Fn()| {
        settle();
        run(folder, "check").expect(0);
        assert!(!compiles(folder, "check"));
        change();
        !compiles(folder, "check")
    };
    for path in NEW.iter().filter(|path| !["data/other.csv", "golden/.staging/0"].contains(path)) {
        assert!(!remembered(&|| write(folder, path, "new")), "{path}");
        std::fs::remove_file(folder.join(path)).unwrap();
    }
    assert!(!remembered(&|| links(folder, "two")));
    assert!(!remembered(&|| std::fs::create_dir(folder.join("golden/peers/empty")).unwrap()));
    let mode = Permissions::from_mode(0o755);
    assert!(!remembered(&|| std::fs::set_permissions(folder.join("golden/main.cf"), mode.clone()).unwrap()));
    run(folder, "render").expect(0);
    // What nothing depends on.
    assert!(remembered(&|| write(folder, "data/other.csv", "new")));
    assert!(remembered(&|| write(folder, "README.md", "new")));
}

#[test]
fn the_first_end_of_an_exception_is_kept() {
    let folder = base();
    let folder = folder.path();
    let mut project = std::fs::read_to_string(folder.join("confwright.toml")).unwrap();
    project.push_str(
        "\n[[rule]]\nname = \"few\"\neach = \"mx\"\nassert = \"row.port == 1\"\nmessage = \"port\"\n",
    );
    for (name, until) in [("01", "2999-03-31"), ("02", "2998-12-24"), ("03", "2999-01-01")] {
        let row = format!("row = \"mx/mx{name}.example.org\"\nreason = \"moves\"\nuntil = {until}\n");
        project.extend(["[[allow]]\nrule = \"rule::few\"\n", &row]);
    }
    write(folder, "confwright.toml", project);
    settle();
    run(folder, "check").expect(0);
    assert!(!compiles(folder, "check"));
    let kept = String::from_utf8_lossy(&std::fs::read(cache(folder)).unwrap()).into_owned();
    assert!(kept.contains("2998-12-24") && !kept.contains("2999-"), "{kept}");
}

#[test]
fn all_environments_are_remembered() {
    let folder = base();
    let folder = folder.path();
    let project = std::fs::read_to_string(folder.join("confwright.toml")).unwrap();
    write(folder, "confwright.toml", project + "\n[environments.prod]\n[environments.lab]\n");
    run(folder, "render").expect(0);
    settle();
    let clean = run(folder, "check").expect(0);
    assert!(!compiles(folder, "check"));
    assert_eq!(clean.told(), run(folder, "check").told());
    for line in ["check --format json", "render --format json"] {
        assert!(!compiles(folder, line));
        assert_eq!(run(folder, line).stdout, run(folder, &format!("{line} --no-cache")).stdout);
    }
    // A tree of an environment that is gone.
    write(folder, "golden/old/manifest.json", "{\n  \"artifacts\": []\n}\n");
    write(folder, "golden/old/SHA256SUMS", "");
    assert_eq!(run(folder, "check").status, run(folder, "check --no-cache").status);
    run(folder, "check").expect(1);
}

#[test]
fn a_damaged_cache_is_told_and_written_anew() {
    let folder = base();
    let folder = folder.path();
    settle();
    let clean = run(folder, "check").expect(0).told();
    let kept = std::fs::read(cache(folder)).unwrap();
    // Where the program's build is named, a damaged cache is another build's.
    let build = 11..kept.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut told = 0;
    for at in (0..kept.len()).step_by(97).chain([0, 11, 40, kept.len() - 1]) {
        let mut flipped = kept.clone();
        flipped[at] ^= 4;
        for damaged in [&flipped, &kept[..at]] {
            std::fs::write(cache(folder), damaged).unwrap();
            let said = run(folder, "check").expect(0).told();
            if build.contains(&at) && damaged.len() == kept.len() {
                assert_eq!(said, clean);
            } else {
                assert!(said.contains("warning[cache::damaged]"), "{at}: {said}");
                told += 1;
            }
            assert_eq!(std::fs::read(cache(folder)).unwrap(), kept, "{at}");
            assert_eq!(run(folder, "check").expect(0).told(), clean);
        }
    }
    assert!(told > 10);
}

#[test]
fn what_cannot_be_kept_is_no_trouble() {
    let folder = base();
    let folder = folder.path();
    let elsewhere = tempfile::tempdir().unwrap();
    settle();
    std::fs::write(folder.join(".confwright"), "mine").unwrap();
    let said = run(folder, "check").expect(0).told();
    assert_eq!(said, run(folder, "check --no-cache").told());
    assert_eq!(std::fs::read_to_string(folder.join(".confwright")).unwrap(), "mine");

    std::fs::remove_file(folder.join(".confwright")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.join(".confwright")).unwrap();
    assert_eq!(said, run(folder, "check").expect(0).told());
    assert_eq!(snapshot(elsewhere.path()).len(), 0);
}

#[test]
fn what_a_killed_render_left_is_cleared_away() {
    let folder = base();
    let folder = folder.path();
    write(folder, "golden/.staging/0", "half of it");
    settle();
    run(folder, "check").expect(0);
    run(folder, "render").expect(0);
    assert!(!folder.join("golden/.staging").exists());
}

#[test]
fn many_at_once_keep_a_sound_cache() {
    let folder = base();
    let folder = folder.path();
    settle();
    for _ in 0..4 {
        let _ = std::fs::remove_dir_all(folder.join(".confwright"));
        let children: Vec<_> = (0..8)
            .map(|_| confwright(folder).arg("check").stderr(std::process::Stdio::piped()).spawn().unwrap())
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && !stderr.contains("warning"), "{stderr}");
        }
        assert!(!compiles(folder, "check"));
        let names = std::fs::read_dir(folder.join(".confwright")).unwrap().count();
        assert_eq!(names, 2, "nothing but the cache and .gitignore is left");
    }
}

const FILES: [&str; 11] = [
    "confwright.toml",
    "templates/mta/target.toml",
    "templates/mta/main.cf.tera",
    "templates/mta/peer.conf.tera",
    "data/mx.csv",
    "data/hosts.csv",
    "golden/main.cf",
    "golden/peers/mx01.example.org.conf",
    "golden/peers/mx03.example.org.conf",
    "golden/manifest.json",
    "golden/SHA256SUMS",
];

/// What somebody does to a project between two runs.
#[derive(Debug, Clone)]
enum Edit {
    /// A digit becomes another one, and the time of the file may be set back.
    Digit {
        file: Index,
        at: Index,
        hide: bool,
    },
    Append(Index, &'static str),
    Rewrite(Index),
    Age(Index),
    Mode(Index, u32),
    Delete(Index),
    /// The file is moved, and a link leads to it.
    Link(Index),
    New(&'static str),
    Remove(&'static str),
    /// The base is laid over all.
    Restore,
    Forget,
    Settle,
}

const NEW: [&str; 8] = [
    "templates/mta/new.tera",
    "templates/_shared/peer.conf.tera",
    "templates/other/target.toml",
    "data/other.csv",
    "golden/stray",
    "golden/peers/stray",
    "golden/deep/er/stray",
    "golden/.staging/0",
];

fn edit() -> impl Strategy<Value = Edit> {
    let file = any::<Index>;
    let text = select(vec!["\n", "# more\n", "192.0.2.77,mx77.example.org,,alpha,\n", "workers = 9\n", "{{"]);
    prop_oneof![
        4 => (file(), any::<Index>(), any::<bool>()).prop_map(|(file, at, hide)| Edit::Digit { file, at, hide }),
        3 => (file(), text).prop_map(|(file, text)| Edit::Append(file, text)),
        1 => file().prop_map(Edit::Rewrite),
        1 => file().prop_map(Edit::Age),
        2 => (file(), select(vec![0o600, 0o644, 0o755])).prop_map(|(file, mode)| Edit::Mode(file, mode)),
        1 => file().prop_map(Edit::Delete),
        1 => file().prop_map(Edit::Link),
        2 => select(NEW.to_vec()).prop_map(Edit::New),
        1 => select(NEW.to_vec()).prop_map(Edit::Remove),
        3 => Just(Edit::Restore),
        1 => Just(Edit::Forget),
        4 => Just(Edit::Settle),
    ]
}

fn apply(folder: &Path, edit: &Edit) {
    let place = |file: &Index| folder.join(file.get(&FILES));
    match edit {
        Edit::Digit { file, at, hide } => {
            let place = place(file);
            let Ok(mut bytes) = std::fs::read(&place) else { return };
            let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
            if digits.is_empty() {
                return;
            }
            let digit = &mut bytes[*at.get(&digits)];
            *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            let before = std::fs::metadata(&place).unwrap().modified().unwrap();
            std::fs::write(&place, bytes).unwrap();
            if *hide {
                File::options().append(true).open(&place).unwrap().set_modified(before).unwrap();
            }
        }
        Edit::Append(file, text) => {
            let Ok(mut bytes) = std::fs::read(place(file)) else { return };
            bytes.extend(text.as_bytes());
            std::fs::write(place(file), bytes).unwrap();
        }
        Edit::Rewrite(file) => {
            let Ok(bytes) = std::fs::read(place(file)) else { return };
            std::fs::remove_file(place(file)).unwrap();
            std::fs::write(place(file), bytes).unwrap();
        }
        Edit::Age(file) => {
            let Ok(file) = File::options().append(true).open(place(file)) else { return };
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        Edit::Mode(file, mode) => {
            let _ = std::fs::set_permissions(place(file), Permissions::from_mode(*mode));
        }
        Edit::Delete(file) => {
            let _ = std::fs::remove_file(place(file));
        }
        Edit::Link(file) => {
            let place = place(file);
            let name = format!("moved-{}", place.file_name().unwrap().to_string_lossy());
            if place.is_symlink() || std::fs::rename(&place, folder.join(&name)).is_err() {
                return;
            }
            let up = "../".repeat(place.strip_prefix(folder).unwrap().components().count() - 1);
            std::os::unix::fs::symlink(format!("{up}{name}"), place).unwrap();
        }
        Edit::New(path) => write(folder, path, "new\n"),
        Edit::Remove(path) => {
            let _ = std::fs::remove_file(folder.join(path));
        }
        Edit::Restore => {
            for path in NEW {
                let _ = std::fs::remove_file(folder.join(path));
            }
            let _ = std::fs::remove_dir_all(folder.join("golden"));
            lay_over(&tests().join("cases/_base"), folder);
        }
        Edit::Forget => {
            let _ = std::fs::remove_dir_all(folder.join(".confwright"));
        }
        Edit::Settle => settle(),
    }
}

fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mode = |path: &String| {
        folder
            .join("golden")
            .join(path)
            .symlink_metadata()
            .map_or(0, |metadata| metadata.permissions().mode())
    };
    snapshot(&folder.join("golden")).into_keys().map(|path| (path.clone(), mode(&path))).collect()
}

fn commands() -> impl Strategy<Value = &'static str> {
    select(vec!["render", "check", "render --format json", "check --format json", "check --format sarif"])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(12),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// After any edits, with what was kept and without is the same.
    #[test]
    fn a_run_that_remembers_does_what_one_that_does_not_does(
        steps in vec((vec(edit(), 0..3), commands()), 1..8),
    ) {
        let folder = base();
        let folder = folder.path();
        settle();
        run(folder, "check").expect(0);
        assert!(!compiles(folder, "check"));
        for (edits, command) in steps {
            for edit in &edits {
                apply(folder, edit);
            }
            let copy = tempfile::tempdir().unwrap();
            lay_over(folder, copy.path());
            let one = run(folder, command);
            let other = run(copy.path(), &format!("{command} --no-cache"));
            let shown = |text: &str, folder: &Path| text.replace(&*folder.to_string_lossy(), "PROJECT");
            prop_assert_eq!(one.status, other.status, "{:?}", edits);
            prop_assert_eq!(shown(&one.stdout, folder), shown(&other.stdout, copy.path()));
            prop_assert_eq!(shown(&one.stderr, folder), shown(&other.stderr, copy.path()));
            prop_assert_eq!(differences(&snapshot(folder), &snapshot(copy.path())), Vec::<String>::new());
            prop_assert_eq!(modes(folder), modes(copy.path()));
        }
    }
}
