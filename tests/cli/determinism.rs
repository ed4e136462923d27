//! `check --deterministic` on real projects; how it fails is tested beside its code, with seeded faults.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{confwright, lay_over, project, run, snapshot, tests, write};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_repositorys_own_project_is_deterministic() {
    let golden = snapshot(&repository().join("golden"));
    let run = run(repository(), "check --deterministic").expect(0);
    let told = format!(
        "golden is what the sources give: {} artifacts, and every compile gave the same bytes\n",
        golden.keys().filter(|path| is_artifact(path)).count()
    );
    assert_eq!(run.stdout, told);
    assert!(snapshot(&repository().join("golden")) == golden);
}

/// Whether a file of a tree with environments is made from a template, going by its name alone.
fn is_artifact(path: &str) -> bool {
    let own = path.ends_with("/manifest.json") || path.ends_with("/SHA256SUMS");
    repository().join("golden").join(path).is_file() && !own
}

#[test]
fn a_part_of_a_project_is_compared_too() {
    let run = run(
        repository(),
        "check --deterministic --format json --environment lab --target nginx --stage config",
    )
    .expect(0);
    let json = run.json();
    assert_eq!(json["status"], "clean");
    let paths =
        json["artifacts"].as_array().unwrap().iter().map(|artifact| artifact["path"].as_str().unwrap());
    assert!(paths.clone().count() > 1 && paths.clone().all(|path| path.starts_with("golden/lab/nginx/")));
}

#[test]
fn what_is_rendered_into_a_folder_is_what_a_render_writes() {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&tests().join("cases/_base"), folder.path());
    run(folder.path(), "render").expect(0);
    // Where it goes there is nothing yet, so that all is made.
    let into = tempfile::tempdir().unwrap();
    let before = snapshot(folder.path());
    run(folder.path(), &format!("__determinism-child {}", into.path().display())).expect(0);
    assert!(snapshot(folder.path()) == before);
    assert!(snapshot(&into.path().join("golden")) == snapshot(&folder.path().join("golden")));
    // Nor is it an answer that the project's own golden tree is up to date.
    let again = tempfile::tempdir().unwrap();
    run(folder.path(), &format!("__determinism-child {}", again.path().display())).expect(0);
    assert!(again.path().join("golden").is_dir());
}

#[test]
fn a_wrong_project_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&tests().join("cases/_base"), folder.path());
    write(folder.path(), "data/mx.csv", "ip\n\"");
    let wrong = run(folder.path(), "check --deterministic").expect(2);
    assert_eq!(wrong.stderr, run(folder.path(), "check").expect(2).stderr);
}

#[test]
fn a_stale_golden_tree_and_the_rest_are_told_together() {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&tests().join("cases/_base"), folder.path());
    std::fs::remove_dir_all(folder.path().join("golden")).unwrap();
    let stale = run(folder.path(), "check --deterministic").expect(1);
    assert!(stale.stderr.contains("golden::stale"));
    assert!(!stale.stderr.contains("check::"), "{}", stale.stderr);
}

#[test]
fn a_machine_without_room_is_told() {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&tests().join("cases/_base"), folder.path());
    let mut check = confwright(folder.path());
    check.args(["check", "--deterministic"]).env("TMPDIR", "/nonexistent");
    let stderr = String::from_utf8(check.output().unwrap().stderr).unwrap();
    let told = "error[check::nondeterministic]: there is no room for what another process, with an empty environment \
                writes, so it was not tried: ";
    assert!(stderr.starts_with(told) && stderr.contains("TMPDIR"), "{stderr}");
}

#[test]
fn modes_are_the_same_whatever_the_umask() {
    let toml = "[project]\nname = 'p'\n[[artifact]]\ntemplate = 'a.tera'\npath = 'a'\nmode = '0755'\n\
                [[artifact]]\ntemplate = 'a.tera'\npath = 'below/b'\nmode = '0600'\n\
                [[artifact]]\ntemplate = 'a.tera'\npath = 'c'\n";
    let modes = |umask: &str| {
        let folder = project(&[("confwright.toml", toml), ("templates/a.tera", "x\n")]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" render")]);
        shell.arg(confwright(folder.path()).get_program()).current_dir(folder.path());
        assert!(shell.output().unwrap().status.success());
        walkdir::WalkDir::new(folder.path().join("golden"))
            .into_iter()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
                (path, entry.metadata().unwrap().permissions().mode() & 0o7777)
            })
            .collect::<BTreeMap<String, u32>>()
    };
    let usual = modes("022");
    assert_eq!((usual["golden/a"], usual["golden/below/b"], usual["golden/c"]), (0o755, 0o600, 0o644));
    assert_eq!(modes("000"), usual);
    assert_eq!(modes("077"), usual);
    assert_eq!(modes("0137"), usual);
}
