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
    /// `fault` is a condition of the shell under which the program gives other bytes; it may use `$root`, the
    /// folder that it was given, and `$needle`, which it may set to one that it claims to have found.
    fn new(fault: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Self { folder };
        let root = stage.root();
        std::fs::create_dir_all(root.join("templates")).unwrap();
        let toml = "[project]\nname = 'p'\n[[artifact]]\ntemplate = 'a.tera'\npath = 'a'\n[[artifact]]\ntemplate = 'b.tera'\npath = 'b'\n";
        std::fs::write(root.join("confwright.toml"), toml).unwrap();
        std::fs::write(root.join("templates/a.tera"), "good\n").unwrap();
        std::fs::write(root.join("templates/b.tera"), "good\n").unwrap();
        let prints = stage.with(|compiled| {
            compiled.prints().map(|print| serde_json::to_string(print).unwrap() + "\n").collect::<String>()
        });
        std::fs::write(stage.at("prints"), prints).unwrap();
        let program = format!(
            r#"#!/bin/sh
[ "$1" = fingerprint ] && [ "$2" = -C ] && [ "$4" = --target=t ] || exit 1
PATH=/usr/bin:/bin
root=$3
shift 4
file={folder}/prints
case "$*" in *--artifact*) artifact=yes ;; *) artifact= ;; esac
if {fault}; then
    [ $artifact ] && echo bad && exit
    sed "/golden.a/ s/sha256\":\"......../sha256\":\"00000000/" $file
else
    [ $artifact ] && echo good && exit
    cat $file
fi
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
        run(&Compiled::new(&compilation, &sources, None).unwrap())
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
        r#"[ -n "$TZ" ] && [ "$1" != --canary ]"#,
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
    expect(r#"[ "$RAYON_NUM_THREADS" = 64 ]"#, &["the number of threads (RAYON_NUM_THREADS=64)"]);
    expect("[ $(umask) = 0077 ]", &["the umask (077)"]);
    expect("[ $(umask) = 0000 ]", &["the umask (000)"]);
    expect("[ $(pwd -P) = / ]", &["the working directory (/)"]);
    expect(r#"[ "$1" = --engine=tera ]"#, &["Tera in the place of the fast path"]);
}

#[test]
fn the_copies_differ_in_times_and_order() {
    // All copies lie in another folder.
    expect("[ $root != ${file%/prints}/project ]", &["the folder of the project"]);
    expect("[ $(date -r $root/templates/a.tera +%Y) = 2096 ]", &["the times of the inputs"]);
    if source::memory_folders().is_empty() {
        return;
    }
    // Either order may be the one that the file system gives for files that were created in theirs.
    let lists = |name: &str| {
        let condition = format!(
            "[ $root != ${{file%/prints}}/project ] && [ $(ls -U $root/templates | head -n 1) = {name} ]"
        );
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
    // The program claims to have found what HOME holds.
    let stage = Stage::new(
        r#"[ "$1" = --canary ] && sed "/golden.b/ s/}/,\"needle\":$(echo ${HOME#$2} | sed s/^0*//)}/" $file && exit"#,
    );
    assert_eq!(
        stage.found(source::memory_folders()),
        ["check::canary: `golden/b` holds the value of the environment variable `HOME`"]
    );
}

#[test]
fn a_stopped_check_starts_nothing() {
    let stage = Stage::new("touch ${file%/prints}/started");
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
