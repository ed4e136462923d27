//! The cases of `tests/cases`: a folder each, with files of a project and what is expected of the program.
//!
//! A case is laid over `tests/cases/_base`, a small project whose golden tree is rendered; with a file `alone` it
//! stands for itself. Beside the files of the project it may hold:
//!
//! - `cmd`: the arguments of the program, a line for each run, `render` without it; a line that begins with `$` is
//!   given to the shell instead, to change the project between two runs;
//! - `stdout`, `stderr`, `status`: what the runs print and how they end, exactly;
//! - `golden.expected/`: the golden tree afterwards; without it, golden must be as the shell left it. Nothing else may be
//!   written in any case.
//!
//! `UPDATE_CASES=1 cargo test --test cli cases` writes what is expected anew, for a person to read before it is
//! committed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use confwright::diagnostic::CODES;

use crate::support::{Snapshot, confwright, differences, lay_over, snapshot, tests};

/// What is expected of a case, beside its project.
const EXPECTED: [&str; 3] = ["stdout", "stderr", "status"];
const GOLDEN: &str = "golden.expected";

/// Codes that no case shows, and where they are tested or why they cannot be.
const ELSEWHERE: &[(&str, &str)] = &[
    ("source::changed", "trouble.rs: a table that is written once it was read"),
    ("golden::locked", "trouble.rs: the test holds the lock"),
    ("golden::interrupted", "interrupts.rs: a signal while artifacts are staged"),
    ("check::nondeterministic", "src/determinism/tests.rs: with seeded faults"),
    ("check::canary", "src/determinism/tests.rs: with seeded faults"),
    ("native::network", "native.rs: where a machine gives no namespaces"),
    ("native::run", "native.rs: where there is no room for a copy"),
    ("native::trust", "native.rs: where the record has no place, or is damaged"),
    ("zone::unchecked", "zones.rs: in a shallow clone"),
    ("merge::edited", "merge.rs: in a real merge of git"),
    ("new::clash", "starter.rs: the targets that the program carries agree"),
];

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(tests().join("cases")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "_base");
    names.sort();
    names
}

#[test]
fn cases_do_what_is_expected_of_them() {
    let names = names();
    assert!(!names.is_empty());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = case(name) {
                        failures.lock().unwrap().push(format!("== {name}\n{failure}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(
        failures.is_empty(),
        "{}\n{} of {} cases failed",
        failures.join("\n"),
        failures.len(),
        names.len()
    );
}

/// Runs a case; what is wrong is told as a text.
fn case(name: &str) -> Result<(), String> {
    let update = std::env::var_os("UPDATE_CASES").is_some_and(|value| value == "1");
    let folder = tests().join("cases").join(name);
    let scratch = tempfile::tempdir().unwrap();
    // A name of its own, because messages may show the folder's.
    let project = scratch.path().join("project");
    // Where it may record what is trusted, and make its copies.
    let places =
        [("XDG_STATE_HOME", scratch.path().join("state")), ("TMPDIR", scratch.path().join("temporary"))];
    for folder in [&project, &places[1].1] {
        std::fs::create_dir(folder).unwrap();
    }
    if !folder.join("alone").exists() {
        lay_over(&tests().join("cases/_base"), &project);
    }
    lay_over(&folder, &project);
    for file in ["cmd", "alone"].iter().chain(&EXPECTED) {
        let _ = std::fs::remove_file(project.join(file));
    }
    let _ = std::fs::remove_dir_all(project.join(GOLDEN));

    let commands = std::fs::read_to_string(folder.join("cmd")).unwrap_or_else(|_| "render".to_owned());
    let mut ours = snapshot(&project);
    let runs = commands.lines().filter(|line| !line.starts_with('$')).count();
    let (mut stdout, mut stderr, mut status) = (String::new(), String::new(), String::new());
    for line in commands.lines() {
        if let Some(script) = line.strip_prefix('$') {
            let shown = differences(&ours, &snapshot(&project));
            assert!(shown.iter().all(|change| change.starts_with("golden")), "{name}: {shown:?}");
            let done = Command::new("sh").args(["-euc", script]).current_dir(&project).status().unwrap();
            assert!(done.success(), "{name}: {script}");
            ours = snapshot(&project);
            continue;
        }
        let mut command = confwright(&project);
        command.args(line.split_whitespace()).envs(places.iter().map(|(name, place)| (name, place)));
        let output = command.output().unwrap();
        let code = output.status.code().ok_or_else(|| format!("`{line}` was ended by a signal"))?;
        for (all, bytes) in [(&mut stdout, &output.stdout), (&mut stderr, &output.stderr)] {
            if runs > 1 {
                writeln!(all, "> {line}").unwrap();
            }
            all.push_str(&alike(std::str::from_utf8(bytes).map_err(|error| error.to_string())?));
        }
        writeln!(status, "{code}").unwrap();
    }

    let mut failures = String::new();
    for (file, found) in EXPECTED.iter().zip([&stdout, &stderr, &status]) {
        let path = folder.join(file);
        let expected = std::fs::read_to_string(&path).ok();
        if expected.as_ref() == Some(found) {
            continue;
        }
        if update {
            std::fs::write(path, found).unwrap();
            continue;
        }
        match expected {
            None => writeln!(failures, "there is no {file}; UPDATE_CASES=1 writes it:\n{found}").unwrap(),
            Some(expected) => {
                let diff = similar::TextDiff::from_lines(&expected, found);
                let diff = diff.unified_diff().header("expected", "found").to_string();
                writeln!(failures, "{file}:\n{diff}").unwrap();
            }
        }
    }
    let left = snapshot(&places[1].1);
    if !left.is_empty() {
        writeln!(failures, "left in the folder for temporary files: {:#?}", left.keys()).unwrap();
    }
    let after = snapshot(&project);
    let strays: Vec<String> =
        differences(&ours, &after).into_iter().filter(|change| !change.starts_with("golden")).collect();
    if !strays.is_empty() {
        writeln!(failures, "outside of golden: {strays:#?}").unwrap();
    }
    let expected = folder.join(GOLDEN);
    if update {
        update_golden(&expected, &project, below_golden(&ours) == below_golden(&after));
    }
    let wanted = if expected.exists() { snapshot(&expected) } else { below_golden(&ours) };
    let changes = differences(&wanted, &below_golden(&after));
    if !changes.is_empty() {
        writeln!(failures, "golden: {changes:#?}").unwrap();
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// What is printed, without what depends on the machine: where it gives no namespaces, native checks warn of it.
fn alike(printed: &str) -> String {
    match printed.split_once("warning[native::network]") {
        Some((before, behind)) => {
            let (_, behind) = behind.split_once("\n\n").unwrap_or_default();
            format!("{before}{behind}")
        }
        None => printed.to_owned(),
    }
}

fn below_golden(all: &Snapshot) -> Snapshot {
    let below = all.iter().filter_map(|(path, entry)| Some((path.strip_prefix("golden/")?, entry)));
    below.map(|(path, entry)| (path.to_owned(), entry.clone())).collect()
}

fn update_golden(expected: &Path, project: &Path, untouched: bool) {
    let _ = std::fs::remove_dir_all(expected);
    if !untouched {
        std::fs::create_dir(expected).unwrap();
        lay_over(&project.join("golden"), expected);
    }
}

#[test]
fn every_code_has_a_case() {
    let mut shown = BTreeSet::new();
    for name in names() {
        let stderr =
            std::fs::read_to_string(tests().join("cases").join(name).join("stderr")).unwrap_or_default();
        let ids = stderr.lines().filter_map(|line| {
            let (_, behind) = line.split_once("error[").or_else(|| line.split_once("warning["))?;
            behind.split_once(']')
        });
        shown.extend(ids.map(|(id, _)| id.to_owned()));
    }
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(id, _)| *id).collect();
    let without: Vec<&str> = CODES
        .iter()
        .map(|code| code.id)
        .filter(|id| !shown.contains(*id) && !elsewhere.contains(id))
        .collect();
    assert!(without.is_empty(), "no case shows {without:?}");
    let needless: Vec<_> = elsewhere
        .iter()
        .filter(|id| shown.contains(**id) || CODES.iter().all(|code| code.id != **id))
        .collect();
    assert!(needless.is_empty(), "these have a case, or are no codes any more: {needless:?}");
}
