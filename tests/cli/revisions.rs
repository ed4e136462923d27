//! `diff --from` in the kinds of repositories that there are. What it says of one is in the cases.

use std::path::Path;
use std::process::Command;

use crate::support::{Run, confwright, lay_over, run, snapshot, tests, write};

fn git(folder: &Path, arguments: &str) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=n", "-c", "user.email=e"]).args(arguments.split_whitespace());
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments}: {output:?}");
}

/// A repository with the small project in a folder `project`, which is two commits on: `v1` and `v2` at the top.
fn repository(project: &str) -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join(project);
    std::fs::create_dir_all(&root).unwrap();
    lay_over(&tests().join("cases/_base"), &root);
    git(top.path(), "init -q -b main");
    git(top.path(), "add -A");
    git(top.path(), "commit -qm one");
    git(top.path(), "tag v1");
    let table = std::fs::read_to_string(root.join("data/mx.csv")).unwrap();
    write(&root, "data/mx.csv", table.replace("mx02", "mx12"));
    git(top.path(), "commit -qam two");
    git(top.path(), "tag v2");
    top
}

#[track_caller]
fn shows_the_change(run: Run) {
    let run = run.expect(1);
    assert!(run.stdout.contains("\n-mx02.example.org 192.0.2.2:587 rack 1\n+mx12.example.org "), "{run:?}");
    assert!(run.stdout.ends_with("+address 192.0.2.2\n"), "{run:?}");
}

#[test]
fn a_project_in_a_folder_of_the_repository() {
    let top = repository("deep/er and : odd");
    let root = top.path().join("deep/er and : odd");
    let before = snapshot(top.path());
    shows_the_change(run(&root, "diff --from v1"));
    shows_the_change(run(&root.join("data"), "diff --from v1"));
    shows_the_change(run(&root.join("data"), "diff --from v1 --to v2"));
    run(&root, "diff --from v2").expect(0);
    let beside = run(top.path(), "diff --from v1 --to v2").expect(2);
    assert!(
        beside.stderr.contains("there is no confwright.toml at the top of `v1` or of `v2`"),
        "{beside:?}"
    );
    let below = run(&root, "diff --from v1 --to v2 golden/main.cf").expect(1);
    assert_eq!(below.stdout.matches("+++").count(), 1);
    assert_eq!(snapshot(top.path()), before);
}

#[test]
fn a_work_tree_beside_the_repository() {
    let top = repository("net");
    let other = tempfile::tempdir().unwrap();
    git(top.path(), &format!("worktree add -q {} v2", other.path().display()));
    shows_the_change(run(&other.path().join("net"), "diff --from v1"));
}

#[test]
fn a_bare_repository() {
    let top = repository(".");
    git(top.path(), "clone -q --bare . bare.git");
    shows_the_change(run(&top.path().join("bare.git"), "diff --from v1 --to v2"));
    shows_the_change(run(top.path(), "-C bare.git diff --from v1 --to main"));
    let missing = run(&top.path().join("bare.git"), "diff --from v1 --to v3").expect(2);
    assert!(missing.stderr.contains("`v3` is no revision"), "{missing:?}");
}

#[test]
fn the_variables_of_git_mean_what_they_mean_to_git() {
    let top = repository("net");
    let from = |folder: &str, variables: &[(&str, &str)], arguments: &str| -> Run {
        let mut command = confwright(&top.path().join(folder));
        command.envs(variables.iter().copied()).args(arguments.split(' ')).output().unwrap().into()
    };
    // As a hook runs: relative to the folder that git has entered, which is not the project's.
    shows_the_change(from("", &[("GIT_DIR", ".git")], "-C net diff --from v1"));
    shows_the_change(from("net", &[("GIT_DIR", "../.git"), ("GIT_WORK_TREE", "..")], "diff --from v1"));
    let outside = repository("net");
    let elsewhere = outside.path().join(".git");
    let elsewhere = elsewhere.to_str().unwrap();
    let run = from(
        "net",
        &[("GIT_DIR", elsewhere), ("GIT_WORK_TREE", outside.path().to_str().unwrap())],
        "diff --from v1",
    );
    assert!(run.expect(2).stderr.contains("is outside of the work tree"));
}
