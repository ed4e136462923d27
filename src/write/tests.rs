#![expect(clippy::disallowed_methods, reason = "the tests do to the tree what people do")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::manifest::{MANIFEST, Manifest, SUMS};

/// What happens at the steps of this thread that change the disk.
#[derive(Debug, Clone, Copy)]
enum Fuse {
    Off,
    /// Counts the steps.
    Count(u64),
    /// After so many steps one fails, as on a full disk.
    Fail(u64),
    /// After so many steps all fail: the process is dead, and cleans nothing up.
    Kill(u64),
}

thread_local! {
    static FUSE: Cell<Fuse> = const { Cell::new(Fuse::Off) };
}

pub(super) fn fuse() -> io::Result<()> {
    let (next, fails) = match FUSE.get() {
        Fuse::Off => (Fuse::Off, false),
        Fuse::Count(steps) => (Fuse::Count(steps + 1), false),
        Fuse::Fail(0) => (Fuse::Off, true),
        Fuse::Fail(left) => (Fuse::Fail(left - 1), false),
        Fuse::Kill(0) => (Fuse::Kill(0), true),
        Fuse::Kill(left) => (Fuse::Kill(left - 1), false),
    };
    FUSE.set(next);
    if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

fn with_fuse<T>(fuse: Fuse, run: impl FnOnce() -> T) -> T {
    FUSE.set(fuse);
    let result = run();
    FUSE.set(Fuse::Off);
    result
}

/// Path, mode and content of the artifacts of a target.
type Made = Vec<(String, u32, String)>;

fn made(files: &[(&str, &str)]) -> Made {
    files.iter().map(|(path, text)| ((*path).to_owned(), 0o644, (*text).to_owned())).collect()
}

/// Mode, content, inode and time of the last change.
type State = (u32, Vec<u8>, u64, (i64, i64));

struct Project {
    root: tempfile::TempDir,
    folder: &'static str,
}

impl Project {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), folder: "golden" }
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.root.path()).unwrap()
    }

    fn at(&self, path: &str) -> Utf8PathBuf {
        self.root().join(self.folder).join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn batch(&self) -> Batch {
        Batch::new(self.root(), Arc::default())
    }

    fn render_part(
        &self,
        artifacts: &Made,
        target: &str,
        scope: Scope,
        force: bool,
    ) -> Result<Changes, Diagnostics> {
        let mut batch = self.batch();
        batch.open(Utf8Path::new(self.folder), scope)?;
        stage(&batch.trees()[0], artifacts, target)?;
        let mut changes = batch.commit(force)?;
        Ok(changes.remove(0))
    }

    fn render(&self, artifacts: &Made) -> Result<Changes, Diagnostics> {
        self.render_part(artifacts, "t", Scope::Whole, false)
    }

    fn check(&self, artifacts: &Made) -> Changes {
        let tree = Tree::open(self.root(), Utf8Path::new(self.folder)).unwrap();
        let outcomes = artifacts
            .iter()
            .map(|(path, mode, text)| {
                tree.compare(&planned(path, *mode, "t"), |out| write_slowly(out, text)).unwrap()
            })
            .collect();
        tree.changes(outcomes, &Scope::Whole)
    }

    /// Everything there is.
    fn snapshot(&self) -> BTreeMap<String, State> {
        let mut all = BTreeMap::new();
        for entry in walkdir::WalkDir::new(self.root()).min_depth(1) {
            let entry = entry.unwrap();
            let metadata = fs::symlink_metadata(entry.path()).unwrap();
            let content = if metadata.is_symlink() {
                fs::read_link(entry.path()).unwrap().to_str().unwrap().as_bytes().to_owned()
            } else if metadata.is_file() {
                fs::read(entry.path()).unwrap()
            } else {
                Vec::new()
            };
            // The times of a folder tell of files that came and went.
            let (inode, time) = if metadata.is_dir() {
                (0, (0, 0))
            } else {
                (metadata.ino(), (metadata.mtime(), metadata.mtime_nsec()))
            };
            let path = entry.path().strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned();
            all.insert(path, (metadata.mode(), content, inode, time));
        }
        all
    }

    /// As a stranger sees it: no inodes and no times.
    fn content(&self) -> BTreeMap<String, (u32, String)> {
        let readable = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.snapshot().into_iter().map(|(path, (mode, bytes, ..))| (path, (mode, readable(bytes)))).collect()
    }
}

fn planned(path: &str, mode: u32, target: &str) -> PlannedArtifact {
    PlannedArtifact {
        path: Utf8Path::new(path).into(),
        mode,
        target: target.into(),
        template: "x.tera".into(),
    }
}

/// As a template engine writes: in small pieces.
fn write_slowly(out: &mut dyn Write, text: &str) -> Result<(), Diagnostics> {
    for piece in text.as_bytes().chunks(7) {
        out.write_all(piece).map_err(|error| unwritable(Utf8Path::new("engine"), &error))?;
    }
    Ok(())
}

fn stage(staging: &Staging, artifacts: &Made, target: &str) -> Result<(), Diagnostics> {
    artifacts.iter().try_for_each(|(path, mode, text)| {
        staging.stage(&planned(path, *mode, target), |out| write_slowly(out, text))
    })
}

/// What a render into an empty folder gives.
fn clean(artifacts: &Made) -> BTreeMap<String, (u32, String)> {
    let project = Project::new();
    project.render(artifacts).unwrap();
    project.content()
}

fn codes(diagnostics: Diagnostics) -> Vec<String> {
    diagnostics.into_iter().map(|diagnostic| format!("{} {}", diagnostic.code, diagnostic.message)).collect()
}

fn kinds(changes: &Changes) -> Vec<(&str, ChangeKind)> {
    changes.list.iter().map(|change| (change.path.as_str(), change.change)).collect()
}

#[test]
fn a_tree_is_written_once_and_then_left_alone() {
    let project = Project::new();
    let artifacts = vec![
        ("b/c/x".to_owned(), 0o755, "one\n".repeat(40_000)),
        ("a".to_owned(), 0o600, String::new()),
        ("b-c".to_owned(), 0o644, "three".to_owned()),
    ];
    let first = project.render(&artifacts).unwrap();
    assert_eq!(
        kinds(&first),
        [
            ("golden/a", ChangeKind::Created),
            ("golden/b-c", ChangeKind::Created),
            ("golden/b/c/x", ChangeKind::Created)
        ]
    );
    assert_eq!(first.list[2].bytes, Some(160_000));
    let written = project.snapshot();
    let names: Vec<_> =
        written.iter().map(|(path, (mode, ..))| format!("{path} {:o}", mode & 0o7777)).collect();
    assert_eq!(
        names,
        [
            "golden 755",
            "golden/SHA256SUMS 644",
            "golden/a 600",
            "golden/b 755",
            "golden/b-c 644",
            "golden/b/c 755",
            "golden/b/c/x 755",
            "golden/manifest.json 644"
        ]
    );
    assert_eq!(written["golden/b/c/x"].1, artifacts[0].2.as_bytes());

    let second = with_fuse(Fuse::Count(0), || {
        let second = project.render(&artifacts).unwrap();
        assert!(matches!(FUSE.get(), Fuse::Count(0)), "something was written");
        second
    });
    assert!(second.is_clean() && second.warnings.is_empty());
    assert_eq!(project.snapshot(), written);
    assert!(project.check(&artifacts).is_clean());
}

#[test]
fn a_render_into_a_tree_equals_one_into_an_empty_folder() {
    let long = "0123456789abcdef\n".repeat(20_000);
    for (before, after) in [("one", "two"), ("longer", "long"), ("long", "longer"), ("", "x"), ("x", "")] {
        let project = Project::new();
        for text in [before, after] {
            let artifacts = made(&[("f", &format!("{long}{text}")), ("g", text), ("same", "same")]);
            let changes = project.render(&artifacts).unwrap();
            assert_eq!(project.content(), clean(&artifacts));
            if text == after {
                assert_eq!(
                    kinds(&changes),
                    [
                        ("golden/f", ChangeKind::Changed),
                        ("golden/g", ChangeKind::Changed),
                        ("golden/same", ChangeKind::Unchanged)
                    ]
                );
            }
        }
    }
}

#[test]
fn sha256sum_accepts_the_tree_with_odd_names() {
    let project = Project::new();
    project
        .render(&made(&[("a b", "1"), ("back\\slash", "2"), ("new line", "3"), ("*star", "4"), ("-", "5")]))
        .unwrap();
    let output = Command::new("sha256sum")
        .args(["--strict", "-c", SUMS])
        .current_dir(project.at(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("OK").count(), 5);
}

#[test]
fn what_is_no_longer_made_goes_with_its_folders() {
    let project = Project::new();
    project.render(&made(&[("a/b/c", "1"), ("a/d", "2"), ("e/f", "3")])).unwrap();
    project.put("e/mine", "by hand");
    let changes = project.render(&made(&[("a/d", "2")])).unwrap();
    assert_eq!(
        kinds(&changes),
        [
            ("golden/a/b/c", ChangeKind::Deleted),
            ("golden/a/d", ChangeKind::Unchanged),
            ("golden/e/f", ChangeKind::Deleted)
        ]
    );
    assert_eq!(changes.list[0].sha256, None);
    assert_eq!(codes(changes.warnings), ["golden::unknown 1 file in `golden` is no artifact"]);
    let left: Vec<_> = project.content().into_keys().collect();
    assert_eq!(
        left,
        [
            "golden",
            "golden/SHA256SUMS",
            "golden/a",
            "golden/a/d",
            "golden/e",
            "golden/e/mine",
            "golden/manifest.json"
        ]
    );
}

#[test]
fn files_become_folders_and_the_reverse() {
    let project = Project::new();
    let trees = [
        made(&[("a", "1"), ("b/c/d", "2")]),
        made(&[("a/x/y", "1"), ("b", "2")]),
        made(&[("a/x", "3"), ("b/c", "2")]),
        made(&[("a", "1"), ("b/c/d", "2")]),
    ];
    for tree in &trees {
        project.render(tree).unwrap();
        assert_eq!(project.content(), clean(tree));
    }
}

#[test]
fn an_edited_file_is_neither_overwritten_nor_deleted() {
    let project = Project::new();
    project.render(&made(&[("changed", "1"), ("gone", "2"), ("same", "3"), ("late", "4")])).unwrap();
    let fresh = made(&[("changed", "new"), ("same", "3"), ("late", "5"), ("foreign", "x")]);
    for (path, text) in [("changed", "hand"), ("gone", "hand"), ("late", "5"), ("foreign", "y")] {
        project.put(path, text);
    }
    let before = project.snapshot();
    let refused = project.render(&fresh).unwrap_err();
    assert_eq!(
        codes(refused),
        [
            "golden::edited `golden/gone` was edited by hand",
            "golden::edited `golden/changed` was edited by hand",
            "golden::edited `golden/foreign` was edited by hand"
        ]
    );
    assert_eq!(project.snapshot(), before);
    let checked = project.check(&fresh);
    let edited: Vec<_> = checked.list.iter().map(|change| (change.path.as_str(), change.edited)).collect();
    assert_eq!(
        edited,
        [
            ("golden/changed", true),
            ("golden/foreign", true),
            ("golden/gone", true),
            ("golden/late", false),
            ("golden/same", false)
        ]
    );
    project.render_part(&fresh, "t", Scope::Whole, true).unwrap();
    assert_eq!(project.content(), clean(&fresh));
}

#[test]
fn without_a_good_manifest_what_differs_counts_as_edited() {
    let artifacts = made(&[("a", "1"), ("b", "2")]);
    let fresh = made(&[("a", "1"), ("b", "new")]);
    for conflict in [true, false] {
        let project = Project::new();
        project.render(&artifacts).unwrap();
        let manifest = fs::read_to_string(project.at(MANIFEST)).unwrap();
        if conflict {
            project.put(MANIFEST, &format!("<<<<<<< HEAD\n{manifest}=======\n{manifest}>>>>>>> other\n"));
        } else {
            fs::remove_file(project.at(MANIFEST)).unwrap();
        }
        let before = project.snapshot();
        let refused = codes(project.render(&fresh).unwrap_err());
        assert_eq!(refused[0], "golden::edited `golden/b` was edited by hand");
        assert_eq!(refused.len(), if conflict { 2 } else { 1 }, "{refused:?}");
        assert_eq!(project.snapshot(), before);
        if conflict {
            let part = project.render_part(&artifacts, "t", Scope::Targets(["t".to_owned()].into()), false);
            assert!(codes(part.unwrap_err())[0].starts_with("golden::manifest"));
            assert_eq!(project.snapshot(), before);
        }
        assert_eq!(project.check(&artifacts).stale, ["golden/manifest.json"]);
        // Files that are right need no manifest.
        assert!(
            project
                .render(&artifacts)
                .unwrap()
                .list
                .iter()
                .all(|change| change.change == ChangeKind::Unchanged)
        );
        assert_eq!(fs::read_to_string(project.at(MANIFEST)).unwrap(), manifest);
    }
}

#[test]
fn a_part_leaves_the_rest_alone() {
    let project = Project::new();
    let [one, two] = [made(&[("a", "1"), ("b", "2")]), made(&[("c/d", "3")])];
    let scope = |target: &str| Scope::Targets([target.to_owned()].into());
    project.render_part(&one, "one", scope("one"), false).unwrap();
    project.render_part(&two, "two", scope("two"), false).unwrap();
    project.put("c/d", "edited, and not our concern");
    let changes = project.render_part(&made(&[("a", "new")]), "one", scope("one"), false).unwrap();
    assert_eq!(kinds(&changes), [("golden/a", ChangeKind::Changed), ("golden/b", ChangeKind::Deleted)]);
    let manifest = Manifest::parse(&fs::read(project.at(MANIFEST)).unwrap()).unwrap();
    let listed: Vec<_> = manifest.iter().map(|entry| (entry.path.as_str(), &*entry.target)).collect();
    assert_eq!(listed, [("a", "one"), ("c/d", "two")]);
    assert_eq!(fs::read_to_string(project.at("c/d")).unwrap(), "edited, and not our concern");
    // Another target's file cannot become a folder behind its back.
    let before = project.snapshot();
    let refused = project.render_part(&made(&[("a/x", "1")]), "two", scope("two"), true).unwrap_err();
    assert_eq!(codes(refused), ["golden::write `golden/a` stands where the golden tree needs a folder"]);
    assert_eq!(project.snapshot(), before);
}

#[test]
fn modes_are_restored_without_rewriting() {
    let project = Project::new();
    let artifacts =
        vec![("run".to_owned(), 0o755, "x".to_owned()), ("text".to_owned(), 0o644, "y".to_owned())];
    project.render(&artifacts).unwrap();
    let before = project.snapshot();
    for (path, mode) in [("run", 0o644), ("text", 0o664)] {
        fs::set_permissions(project.at(path), Permissions::from_mode(mode)).unwrap();
    }
    let checked = project.check(&artifacts);
    assert_eq!(checked.list.iter().map(|change| change.mode_differs).collect::<Vec<_>>(), [true, false]);
    assert!(!checked.is_clean());
    project.render(&artifacts).unwrap();
    assert_eq!(project.snapshot(), before);
}

#[test]
fn no_link_is_followed() {
    let artifacts = made(&[("a/b", "1"), ("c", "2")]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("b"), "theirs").unwrap();
    let cases = [
        ("a", true),
        ("c", false),
        ("a/b", false),
        (MANIFEST, false),
        (SUMS, false),
        (PENDING, false),
        (STAGING, true),
    ];
    for (place, folder) in cases {
        for (before, fresh) in
            [(&artifacts, made(&[("a/b", "new"), ("c", "new")])), (&artifacts, Made::new())]
        {
            let project = Project::new();
            project.render(before).unwrap();
            let target = if folder { outside.path().to_owned() } else { outside.path().join("b") };
            if project.at(place).is_dir() {
                fs::remove_dir_all(project.at(place)).unwrap();
            } else {
                let _ = fs::remove_file(project.at(place));
            }
            symlink(&target, project.at(place)).unwrap();
            let before = project.snapshot();
            for force in [false, true] {
                let refused = codes(project.render_part(&fresh, "t", Scope::Whole, force).unwrap_err());
                let wanted = format!("golden::link `golden/{place}` is a symbolic link");
                assert!(refused.iter().any(|line| line.starts_with(&wanted)), "{place}: {refused:?}");
                assert_eq!(project.snapshot(), before);
            }
        }
    }
    for folder in ["golden", "golden/prod"] {
        let project = Project { folder: "golden/prod", ..Project::new() };
        fs::create_dir_all(project.at("").parent().unwrap()).unwrap();
        fs::remove_dir(project.root().join("golden")).unwrap();
        if folder == "golden/prod" {
            fs::create_dir(project.root().join("golden")).unwrap();
        }
        symlink(outside.path(), project.root().join(folder)).unwrap();
        let refused = codes(project.render(&artifacts).unwrap_err());
        assert!(refused[0].starts_with(&format!("golden::link `{folder}` is")), "{refused:?}");
        assert!(Tree::open(project.root(), Utf8Path::new(project.folder)).is_err());
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.path().join("b")).unwrap(), "theirs");
}

#[test]
fn a_link_that_appears_while_rendering_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let project = Project::new();
    project.render(&made(&[("a/b", "1"), ("z", "1")])).unwrap();
    let mut batch = project.batch();
    let staging = batch.open(Utf8Path::new("golden"), Scope::Whole).unwrap();
    stage(staging, &made(&[("a/b", "2"), ("z", "2")]), "t").unwrap();
    fs::remove_dir_all(project.at("a")).unwrap();
    symlink(outside.path(), project.at("a")).unwrap();
    let refused = codes(batch.commit(true).unwrap_err());
    assert!(refused[0].starts_with("golden::link `golden/a`"), "{refused:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(project.at("z")).unwrap(), "1");
    assert!(!project.at(STAGING).exists() && !project.at(PENDING).exists());
}

#[test]
fn an_edit_while_rendering_is_not_overwritten() {
    let project = Project::new();
    project.render(&made(&[("a", "1"), ("b", "1")])).unwrap();
    let mut batch = project.batch();
    let staging = batch.open(Utf8Path::new("golden"), Scope::Whole).unwrap();
    stage(staging, &made(&[("a", "2"), ("b", "2")]), "t").unwrap();
    project.put("b", "edited");
    let before = project.snapshot();
    let refused = codes(batch.commit(false).unwrap_err());
    assert_eq!(refused, ["golden::edited `golden/b` was changed while it was rendered"]);
    let mut after = project.snapshot();
    for gone in [".staging", ".staging/.gitignore", ".staging/0", ".staging/1"] {
        after.extend(
            before
                .get_key_value(&format!("golden/{gone}"))
                .map(|(path, state)| (path.clone(), state.clone())),
        );
    }
    assert_eq!(after, before);
}

#[test]
fn paths_out_of_the_tree_are_refused() {
    let project = Project::new();
    for path in ["../x", "/x", "a/../../x", MANIFEST, SUMS, PENDING, ".staging/x", "", "a//b"] {
        let refused = codes(project.render(&made(&[("fine", "1"), (path, "1")])).unwrap_err());
        assert!(refused[0].starts_with("plan::path"), "{path}: {refused:?}");
        assert!(project.content().is_empty(), "{path}");
    }
}

#[test]
fn the_second_render_is_refused_at_once() {
    let project = Project { folder: "golden/prod", ..Project::new() };
    let artifacts = made(&[("a", "1")]);
    let mut first = project.batch();
    stage(first.open(Utf8Path::new(project.folder), Scope::Whole).unwrap(), &artifacts, "t").unwrap();
    let refused = codes(project.render(&artifacts).unwrap_err());
    assert_eq!(refused, ["golden::locked another render is writing `golden/prod`"]);
    first.commit(false).unwrap();
    assert!(project.render(&artifacts).unwrap().is_clean());
}

#[test]
fn a_stopped_render_leaves_nothing_behind() {
    let project = Project { folder: "golden/prod", ..Project::new() };
    for late in [false, true] {
        let stop = Arc::new(AtomicBool::new(false));
        let mut batch = Batch::new(project.root(), Arc::clone(&stop));
        let staging = batch.open(Utf8Path::new(project.folder), Scope::Whole).unwrap();
        stage(staging, &made(&[("a", "1")]), "t").unwrap();
        stop.store(true, Ordering::Relaxed);
        let refused = if late {
            batch.commit(false).unwrap_err()
        } else {
            stage(staging, &made(&[("b", "1")]), "t").unwrap_err()
        };
        assert!(codes(refused)[0].starts_with("golden::interrupted"));
    }
    assert!(project.content().is_empty());
}

#[test]
fn trees_of_a_batch_change_together() {
    let project = Project::new();
    let run = |lab: &Made| {
        let mut batch = project.batch();
        for folder in ["golden/prod", "golden/lab"] {
            batch.open(Utf8Path::new(folder), Scope::Whole)?;
        }
        stage(&batch.trees()[0], &made(&[("a", "1")]), "t")?;
        stage(&batch.trees()[1], lab, "t")?;
        batch.commit(false).map(|_| ())
    };
    // The second one fails late: no name may be that long.
    let refused = codes(run(&made(&[(&"x".repeat(300), "1")])).unwrap_err());
    assert!(refused[0].starts_with("golden::write"), "{refused:?}");
    assert!(project.content().is_empty());
    run(&made(&[("b", "1")])).unwrap();
    assert!(project.root().join("golden/prod/a").exists() && project.root().join("golden/lab/b").exists());
}

#[test]
fn a_folder_in_the_place_of_a_file_is_an_obstacle() {
    let project = Project::new();
    let artifacts = made(&[("a", "1"), ("b", "1")]);
    project.put("a/deep/mine", "x");
    let before = project.snapshot();
    let refused = codes(project.render_part(&artifacts, "t", Scope::Whole, true).unwrap_err());
    assert_eq!(refused[0], "golden::write `golden/a` is a folder where the golden tree needs a file");
    assert_eq!(project.snapshot(), before);
    assert!(project.check(&artifacts).list[0].edited);
    // An empty one is what a killed render or git leaves.
    fs::remove_file(project.at("a/deep/mine")).unwrap();
    project.render(&artifacts).unwrap();
    assert_eq!(project.content(), clean(&artifacts));
    for (place, wanted) in [("golden", "golden"), ("golden/prod", "golden/prod")] {
        let project = Project { folder: "golden/prod", ..Project::new() };
        fs::create_dir_all(project.root().join(place).parent().unwrap()).unwrap();
        fs::write(project.root().join(place), "a file").unwrap();
        let refused = codes(project.render(&artifacts).unwrap_err());
        assert_eq!(
            refused,
            [format!("golden::write `{wanted}` stands where the golden tree needs a folder")]
        );
    }
}

#[test]
fn deleting_more_than_half_wants_force() {
    let numbered = |range: std::ops::Range<u32>, prefix: &str| -> Made {
        range.map(|n| (format!("{prefix}{n}"), 0o644, format!("content {n}"))).collect()
    };
    let project = Project::new();
    project.render(&numbered(0..10, "f")).unwrap();
    let before = project.snapshot();
    let refused = codes(project.render(&numbered(0..4, "f")).unwrap_err());
    assert_eq!(refused, ["golden::deletes this would delete 6 of the 10 artifacts in `golden`"]);
    assert_eq!(project.snapshot(), before);
    // All files move; one with other bytes.
    let mut moved = numbered(0..10, "elsewhere/f");
    moved[0].2.push('!');
    project.render(&moved).unwrap();
    assert_eq!(project.content(), clean(&moved));
    // Half is not more than half.
    let half: Made = moved[..5].to_vec();
    project.render(&half).unwrap();
    // And a small tree may go.
    project.render(&Made::new()).unwrap();
    project.render(&numbered(0..10, "f")).unwrap();
    project.render_part(&Made::new(), "t", Scope::Whole, true).unwrap();
    assert_eq!(project.content(), clean(&Made::new()));
}

#[test]
fn unknown_files_are_named_up_to_a_limit() {
    let project = Project::new();
    for n in 0..25 {
        project.put(&format!("mine/{n:02}"), "x");
    }
    fs::write(project.at("mine").as_std_path().join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    let changes = project.render(&made(&[("a", "1")])).unwrap();
    let warning = changes.warnings.into_iter().next().unwrap();
    assert_eq!(
        (warning.message.as_str(), warning.labels.len()),
        ("26 files in `golden` are no artifacts", 20)
    );
    assert_eq!(warning.hints[0], "6 more are not named here");
    assert!(project.at("mine/00").exists());
}

#[test]
fn an_error_of_the_engine_is_passed_through_and_leaves_no_trace() {
    let project = Project::new();
    let mut batch = project.batch();
    let staging = batch.open(Utf8Path::new("golden"), Scope::Whole).unwrap();
    let failed: Result<(), Diagnostic> = staging.stage(&planned("a", 0o644, "t"), |out| {
        out.write_all(&vec![b'x'; 200_000]).unwrap();
        Err(Diagnostic::error(&code::TEMPLATE_RENDER, "no"))
    });
    assert_eq!(failed.unwrap_err().code, "template::render");
    drop(batch);
    assert!(project.content().is_empty());
}

#[test]
fn the_umask_has_no_part_in_modes() {
    // The umask belongs to the whole process: the render runs in children that a shell starts.
    let artifacts =
        || vec![("a/b".to_owned(), 0o644, "1".to_owned()), ("c".to_owned(), 0o755, "2".to_owned())];
    if let Ok(root) = std::env::var("CONFWRIGHT_TEST_UMASK") {
        let mut batch = Batch::new(root, Arc::default());
        stage(batch.open(Utf8Path::new("golden"), Scope::Whole).unwrap(), &artifacts(), "t").unwrap();
        batch.commit(false).unwrap();
        return;
    }
    for umask in ["0077", "0000"] {
        let project = Project::new();
        let name = "write::tests::the_umask_has_no_part_in_modes";
        let output = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" --exact {name}")])
            .arg(std::env::current_exe().unwrap())
            .env("CONFWRIGHT_TEST_UMASK", project.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(project.content(), clean(&artifacts()), "{umask}");
        assert!(project.content().len() > 4);
    }
}

/// The steps of a render of `after` over `before`.
fn steps(before: &Made, after: &Made) -> u64 {
    let project = Project::new();
    project.render(before).unwrap();
    with_fuse(Fuse::Count(0), || {
        project.render_part(after, "t", Scope::Whole, true).unwrap();
        match FUSE.get() {
            Fuse::Count(steps) => steps,
            _ => 0,
        }
    })
}

/// Fails at one step, then dies at it; the tree is as before, and the next render of `next` is clean.
fn break_at(step: u64, before: &Made, after: &Made, next: &Made) {
    let project = Project::new();
    project.render(before).unwrap();
    let whole = project.snapshot();
    // Deletions are guarded elsewhere; only the killed render is forced, and for that reason alone.
    match with_fuse(Fuse::Fail(step), || project.render_part(after, "t", Scope::Whole, true)) {
        Err(_) => assert_eq!(project.snapshot(), whole, "failed at step {step}"),
        // Only the clearing up behind a commit may fail without an error.
        Ok(changes) => {
            assert!(!changes.warnings.is_empty(), "step {step}");
            project.render_part(before, "t", Scope::Whole, true).unwrap();
        }
    }
    let _ = with_fuse(Fuse::Kill(step), || project.render_part(after, "t", Scope::Whole, true));
    let checked = project.check(next);
    assert!(checked.edited.is_empty() && checked.obstacles.is_empty(), "killed at step {step}: {checked:?}");
    // Killed again half-way, with other sources; and then the sources change once more.
    let _ = with_fuse(Fuse::Kill(step / 2 + 3), || project.render_part(next, "t", Scope::Whole, true));
    let last = next.iter().map(|(path, mode, text)| (path.clone(), *mode, format!("{text}!"))).collect();
    let changes = project.check(&last);
    assert!(
        changes.edited.is_empty() && changes.obstacles.is_empty(),
        "killed twice, at {step}: {changes:?}"
    );
    project.render_part(&last, "t", Scope::Whole, changes.deletes.is_some()).unwrap();
    assert_eq!(project.content(), clean(&last), "killed at step {step}");
}

#[test]
fn every_step_may_fail_or_be_the_last() {
    let before = vec![
        ("changed".to_owned(), 0o644, "1".to_owned()),
        ("deep/er/gone".to_owned(), 0o644, "2".to_owned()),
        ("file".to_owned(), 0o644, "3".to_owned()),
        ("folder/x/y".to_owned(), 0o644, "4".to_owned()),
        ("mode".to_owned(), 0o644, "5".to_owned()),
    ];
    let after = vec![
        ("changed".to_owned(), 0o600, "one".to_owned()),
        ("file/now/folder".to_owned(), 0o644, "3".to_owned()),
        ("folder".to_owned(), 0o755, "4!".to_owned()),
        ("mode".to_owned(), 0o755, "5".to_owned()),
        ("new/created".to_owned(), 0o644, "6".to_owned()),
    ];
    let third = made(&[("changed", "third"), ("new", "a file now"), ("folder/x", "z")]);
    let steps = steps(&before, &after);
    assert!(steps > 50, "{steps}");
    for step in 0..steps {
        for next in [&after, &before, &third] {
            break_at(step, &before, &after, next);
        }
    }
}

#[test]
fn a_part_after_a_kill_keeps_the_rest_ours() {
    let all = |text: &str| made(&[("a", text), ("b", text), ("c", text)]);
    let scope = Scope::Targets(["other".to_owned()].into());
    for step in 0..steps(&all("1"), &all("2")) {
        let project = Project::new();
        project.render(&all("1")).unwrap();
        let _ = with_fuse(Fuse::Kill(step), || project.render(&all("2")));
        for _ in 0..2 {
            project.render_part(&made(&[("d", "4")]), "other", scope.clone(), false).unwrap();
        }
        // Sources changed meanwhile; nothing of the killed render counts as edited.
        project.render(&all("3")).unwrap();
        assert_eq!(project.content(), clean(&all("3")), "{step}");
    }
}

#[test]
fn a_forced_render_that_was_killed_needs_no_force_again() {
    let fresh = made(&[("a", "2"), ("b", "2")]);
    let edited = || {
        let project = Project::new();
        project.render(&made(&[("a", "1"), ("b", "1"), ("c", "1")])).unwrap();
        for path in ["a", "b", "c"] {
            project.put(path, "hand");
        }
        project
    };
    let forced = |project: &Project| project.render_part(&fresh, "t", Scope::Whole, true);
    let whole = edited();
    let steps = with_fuse(Fuse::Count(0), || {
        forced(&whole).unwrap();
        FUSE.get()
    });
    let Fuse::Count(steps) = steps else { panic!("the fuse counts") };
    let mut began = 0;
    for step in 0..steps {
        let project = edited();
        let _ = with_fuse(Fuse::Kill(step), || forced(&project));
        let begun = project.at(PENDING).exists();
        began += u64::from(begun);
        assert_eq!(project.check(&fresh).edited.len(), if begun { 0 } else { 3 }, "{step}");
    }
    assert!(began > 5 && began < steps, "{began} of {steps}");
}

fn trees() -> impl Strategy<Value = Made> {
    let part = prop::sample::select(vec!["a", "b", "c"]);
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let mode = prop::sample::select(vec![0o644, 0o755, 0o600]);
    let file = (path, mode, "[xy]{0,2}");
    prop::collection::vec(file, 0..8).prop_map(|files| {
        let mut tree: Made = Vec::new();
        for file in files {
            let nested = |a: &str, b: &str| {
                a == b || a.starts_with(&format!("{b}/")) || b.starts_with(&format!("{a}/"))
            };
            if !tree.iter().any(|(path, ..)| nested(path, &file.0)) {
                tree.push(file);
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_becomes_any_other_whatever_happens(before in trees(), after in trees(), next in trees(), at in 0.0..1.0f64) {
        let steps = steps(&before, &after);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let step = (steps as f64 * at) as u64;
        if step < steps {
            break_at(step, &before, &after, &next);
        }
    }
}

#[test]
fn a_folder_is_filled_or_left_alone() {
    let files: Vec<(Utf8PathBuf, Vec<u8>)> =
        ["a/b/one", "a/two", "three"].iter().map(|path| ((*path).into(), path.as_bytes().to_vec())).collect();
    let root = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(root.path()).unwrap();
    let place = root.join("some/where");
    let mut failures = 0;
    while with_fuse(Fuse::Fail(failures), || fill(&place, &files)).is_err() {
        assert_eq!(root.read_dir_utf8().unwrap().count(), 0, "step {failures} left something behind");
        failures += 1;
    }
    assert!(failures > 6, "only {failures} steps can fail");
    assert_eq!(std::fs::read(place.join("a/b/one")).unwrap(), b"a/b/one");
    assert_eq!(std::fs::read(place.join("three")).unwrap(), b"three");

    let again = fill(&place, &files).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::DirectoryNotEmpty);
    let on_a_file = fill(&place.join("three"), &files).unwrap_err();
    assert_eq!(on_a_file.kind(), io::ErrorKind::NotADirectory);
    assert_eq!(std::fs::read(place.join("three")).unwrap(), b"three");

    let empty = root.join("empty");
    std::fs::create_dir(&empty).unwrap();
    with_fuse(Fuse::Fail(3), || fill(&empty, &files)).unwrap_err();
    assert_eq!(empty.read_dir_utf8().unwrap().count(), 0);
    fill(&empty, &files).unwrap();
    assert_eq!(empty.read_dir_utf8().unwrap().count(), 2);
}
