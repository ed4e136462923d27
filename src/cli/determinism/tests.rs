#![expect(clippy::disallowed_methods, reason = "the tests make a program and a project")]

use std::process::Command;

use super::*;
use crate::compile::{self, Selection};
use crate::diagnostic::Diagnostics;
use crate::source::{self, Disk, Sources};

/// A project, and a program in the place of this one that answers for it, but for a fault.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// `fault` is a condition of the shell under which the program writes other bytes; it may use `$root`, the folder of
    /// the project, and set `$b`, what it writes as the second artifact, and `$mode`, which without a value is left to
    /// the umask.
    fn new(fault: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Self { folder };
        let root = stage.root();
        std::fs::create_dir_all(root.join("templates")).unwrap();
        let toml = "[project]\nname = 'p'\n[[artifact]]\ntemplate = 'a.tera'\npath = 'a'\n[[artifact]]\ntemplate = 'b.tera'\npath = 'b'\n";
        std::fs::write(root.join("confwright.toml"), toml).unwrap();
        std::fs::write(root.join("templates/a.tera"), "good\n").unwrap();
        std::fs::write(root.join("templates/b.tera"), "good\n").unwrap();
        let program = format!(
            r#"#!/bin/sh
[ "$1" = __determinism-child ] && [ "$3" = -C ] && [ "$5" = --quiet ] && [ "$6" = --target=t ] || exit 1
PATH=/usr/bin:/bin
into=$2
root=$4
shift 6
stage={folder}
a=good
b=good
mode=0644
if {fault}; then a=bad; fi
mkdir $into/golden
echo $a > $into/golden/a
echo $b > $into/golden/b
echo $a > $into/golden/manifest.json
[ -z $mode ] || chmod $mode $into/golden/*
"#,
            folder = stage.folder.path().display(),
        );
        std::fs::write(stage.at("program.sh"), program).unwrap();
        // Another process writes it: a child that another test forks now would keep it open for writing, and a file
        // that is being written cannot be executed.
        let installed = Command::new("install")
            .args(["-m", "755", "program.sh", "program"])
            .current_dir(stage.folder.path())
            .status();
        assert!(installed.unwrap().success());
        stage
    }

    fn at(&self, path: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(path)
    }

    fn root(&self) -> Utf8PathBuf {
        self.at("project")
    }

    fn with<T>(&self, run: impl FnOnce(&Compiled<'_>) -> T) -> T {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let disk = Disk::new(self.root());
        let compilation =
            compile::prepare(&disk, &mut sources, &Selection::default(), &|_| {}, &mut diagnostics).unwrap();
        run(&Compiled::new(&compilation, &sources).unwrap())
    }

    /// What is found, a line each.
    fn found(&self, memory: Vec<Utf8PathBuf>) -> Vec<String> {
        let root = self.root();
        let processes = Processes {
            executable: self.at("program").into(),
            root: &root,
            part: vec!["--target=t".into()],
            memory,
            stop: Arc::default(),
        };
        let found = self.with(|compiled| processes.compare(compiled, &Disk::new(root.clone())));
        found.into_iter().map(|diagnostic| format!("{}: {}", diagnostic.code, diagnostic.message)).collect()
    }
}

#[track_caller]
fn expect(fault: &str, perturbations: &[&str]) {
    let expected: Vec<String> = perturbations
        .iter()
        .map(|what| {
            format!(
                "check::nondeterministic: `golden/a` changes with {what}: line 1 was `good` and became `bad`"
            )
        })
        .collect();
    assert_eq!(Stage::new(fault).found(source::memory_folders()), expected, "{fault}");
}

#[test]
fn nothing_is_found_where_nothing_differs() {
    expect("false", &[]);
}

#[test]
fn what_differs_between_any_two_processes_is_told_once() {
    expect("true", &["another process, with an empty environment"]);
}

#[test]
fn each_perturbation_is_named() {
    expect(
        r#"[ "$TZ" = Pacific/Kiritimati ] || [ "$TZ" = America/Adak ]"#,
        &["the time zone (TZ=Pacific/Kiritimati)", "the time zone (TZ=America/Adak)"],
    );
    let canary = "other values of all environment variables";
    // With a needle in every variable nothing but that is tried, so it is told as what it is.
    expect(r#"[ -n "$LC_ALL" ]"#, &["the locale (LANG=tr_TR.UTF-8 LANGUAGE=tr LC_ALL=tr_TR.UTF-8)", canary]);
    expect(
        r#"[ -n "$LANG" ] && [ "$LANG" = "$LC_ALL" ]"#,
        &["the locale (LANG=tr_TR.UTF-8 LANGUAGE=tr LC_ALL=tr_TR.UTF-8)"],
    );
    expect(r#"[ -n "$HOME" ]"#, &["the home directory (HOME=/nonexistent/home)", canary]);
    expect(r#"[ "$USER" = somebody ]"#, &["the user (USER=somebody LOGNAME=somebody)"]);
    expect("[ $(umask) = 0077 ]", &["the umask (077)"]);
    expect("[ $(umask) = 0000 ]", &["the umask (000)"]);
    expect("[ $(pwd -P) = / ]", &["the working directory (/)"]);
    expect(r#"[ "$1" = --engine=tera ]"#, &["Tera in the place of the fast path"]);
}

#[test]
fn a_process_with_one_thread_is_named() {
    let more = std::thread::available_parallelism().unwrap().get() > 1;
    let found = Stage::new("[ $(nproc) = 1 ]").found(source::memory_folders());
    let threads = "check::nondeterministic: `golden/a` changes with the number of threads (1): line 1 was `good` and \
                   became `bad`";
    if more {
        assert_eq!(found, [threads]);
    }
    let warning = "check::nondeterministic: the number of threads was not tried: this process may use one processor only";
    assert_eq!(found.iter().any(|line| line == warning), !more);
    // Those that this process starts from now on may use as many as before.
    assert_eq!(std::thread::available_parallelism().unwrap().get() > 1, more);
}

#[test]
fn a_mode_that_is_left_to_the_umask_is_told() {
    let fault = "case $(umask) in 0000 | 0077) mode= ;; esac; false";
    let found = Stage::new(fault).found(source::memory_folders());
    let told = |artifact: &str, umask: &str, mode: &str| {
        format!(
            "check::nondeterministic: the mode of `golden/{artifact}` changes with the umask ({umask}): it was 0644 and \
             became {mode}"
        )
    };
    assert_eq!(
        found,
        [
            told("a", "000", "0666"),
            told("b", "000", "0666"),
            told("a", "077", "0600"),
            told("b", "077", "0600")
        ]
    );
}

#[test]
fn what_a_process_leaves_out_or_adds_is_told() {
    let found = |fault: &str| Stage::new(fault).found(source::memory_folders());
    let head = "check::nondeterministic: `golden/";
    let user = "with the user (USER=somebody LOGNAME=somebody)";
    assert_eq!(
        found(r#"[ "$USER" = somebody ] && mkdir $into/golden && echo > $into/golden/c && exit"#),
        [
            format!("{head}a` is not made {user}"),
            format!("{head}b` is not made {user}"),
            format!("{head}c` is made only {user}")
        ]
    );
}

#[test]
fn the_copies_differ_in_times_and_order() {
    // All copies lie in another folder.
    expect("[ $root != $stage/project ]", &["the folder of the project"]);
    expect("[ $(date -r $root/templates/a.tera +%Y) = 2096 ]", &["the times of the inputs"]);
    if source::memory_folders().is_empty() {
        return;
    }
    // Either order may be the one that the file system gives for files that were created in theirs.
    let lists = |name: &str| {
        let condition =
            format!("[ $root != $stage/project ] && [ $(ls -U $root/templates | head -n 1) = {name} ]");
        Stage::new(&condition).found(source::memory_folders())
    };
    let told = ["a.tera", "b.tera"].map(|name| {
        let found = lists(name);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].contains("the order in which the inputs were created")
    });
    assert!(told == [false, true] || told == [true, false], "{told:?}");
}

#[test]
fn copies_are_removed_and_a_missing_tmpfs_is_told() {
    let stage = Stage::new("false");
    std::fs::create_dir(stage.at("memory")).unwrap();
    let nowhere = stage.at("nowhere");
    let found = stage.found(vec![nowhere, stage.at("memory")]);
    assert_eq!(std::fs::read_dir(stage.at("memory")).unwrap().count(), 0);
    // Whether a disk shows the order is its own affair.
    let warning = "check::nondeterministic: the order in which the inputs were created was not tried: no file \
                   system here shows it";
    assert!(found.is_empty() || found == [warning], "{found:?}");
}

#[test]
fn a_process_that_fails_is_told_with_its_reason() {
    let found = Stage::new(r#"[ "$USER" = somebody ] && echo 'error: out of luck' >&2 && exit 2"#)
        .found(source::memory_folders());
    assert_eq!(
        found,
        [
            "check::nondeterministic: the project does not compile with the user (USER=somebody LOGNAME=somebody): \
          error: out of luck"
        ]
    );
}

#[test]
fn a_needle_that_a_process_finds_is_told_with_its_variable() {
    let stage = Stage::new(r#"case "$HOME" in canary*) b=$HOME ;; esac; false"#);
    assert_eq!(
        stage.found(source::memory_folders()),
        ["check::canary: `golden/b` holds the value of the environment variable `HOME`"]
    );
}

#[test]
fn a_stopped_check_starts_nothing() {
    let stage = Stage::new("touch $stage/started");
    let root = stage.root();
    let processes = Processes {
        executable: stage.at("program").into(),
        root: &root,
        part: vec!["--target=t".into()],
        memory: Vec::new(),
        stop: Arc::new(AtomicBool::new(true)),
    };
    let found = stage.with(|compiled| processes.compare(compiled, &Disk::new(root.clone())));
    assert_eq!(found, []);
    assert!(!stage.at("started").exists());
}
