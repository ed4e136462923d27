//! The merge driver, in real merges of git: two branches that each rendered their own change.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{confwright, lay_over, run, snapshot, tests, write};

/// A repository with the small project of the cases in a folder of it.
struct Clone(TempDir);

const PROJECT: &str = "net/mail";
const ATTRIBUTES: &str = "golden/** -text linguist-generated gitlab-generated merge=confwright\n";

impl Clone {
    /// One commit on `main`, with the driver installed.
    fn new() -> Self {
        let clone = Self::without_driver();
        let said = clone.confwright(&["merge-driver", "--install"]);
        assert!(said.status.success() && !text(&said.stdout).contains(".gitattributes"), "{said:?}");
        clone
    }

    fn without_driver() -> Self {
        let clone = Self(tempfile::tempdir().unwrap());
        let project = clone.project();
        std::fs::create_dir_all(&project).unwrap();
        lay_over(&tests().join("cases/_base"), &project);
        write(&project, ".gitattributes", ATTRIBUTES);
        clone.git("init -q -b main ../..");
        clone.commit("base");
        clone
    }

    fn project(&self) -> std::path::PathBuf {
        self.0.path().join(PROJECT)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let binaries = Path::new(env!("CARGO_BIN_EXE_confwright")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command.current_dir(self.project()).env_clear().env("PATH", format!("{}:{path}", binaries.display()));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
            command.env(format!("{who}_NAME"), "n").env(format!("{who}_EMAIL"), "e");
        }
        command.env("GIT_EDITOR", "true");
        command
    }

    fn confwright(&self, arguments: &[&str]) -> Output {
        self.command("confwright").args(arguments).output().unwrap()
    }

    /// Runs git; the arguments are divided by spaces.
    fn try_git(&self, arguments: &str) -> Output {
        self.command("git").args(arguments.split_whitespace()).output().unwrap()
    }

    #[track_caller]
    fn git(&self, arguments: &str) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "git {arguments}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    #[track_caller]
    fn commit(&self, message: &str) {
        self.git("add -A");
        self.git(&format!("commit -qm {message}"));
    }

    /// Replaces text of a file of the project.
    #[track_caller]
    fn edit(&self, path: &str, from: &str, to: &str) {
        let place = self.project().join(path);
        let old = std::fs::read_to_string(&place).unwrap();
        assert!(old.contains(from), "{path}: {old}");
        std::fs::write(place, old.replace(from, to)).unwrap();
    }

    /// Edits, renders and commits on a branch of `main`.
    #[track_caller]
    fn branch(&self, name: &str, edits: &[(&str, &str, &str)]) {
        self.git("checkout -q main");
        self.git(&format!("checkout -qb {name}"));
        for (path, from, to) in edits {
            self.edit(path, from, to);
        }
        run(&self.project(), "render --force").expect(0);
        self.commit(name);
    }

    /// Golden is what a render in an empty folder gives, and nothing is left to commit.
    #[track_caller]
    fn is_right(&self) {
        assert_eq!(self.git("status --porcelain"), "");
        run(&self.project(), "check").expect(0);
        let fresh = tempfile::tempdir().unwrap();
        for part in ["confwright.toml", "data", "templates"] {
            let status =
                Command::new("cp").arg("-r").arg(self.project().join(part)).arg(fresh.path()).status();
            assert!(status.unwrap().success());
        }
        run(fresh.path(), "render").expect(0);
        assert_eq!(snapshot(&self.project().join("golden")), snapshot(&fresh.path().join("golden")));
    }

    /// The files in conflict.
    fn conflicts(&self) -> Vec<String> {
        self.git("diff --name-only --diff-filter=U --relative").lines().map(str::to_owned).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const MX01: (&str, &str, &str) = ("data/mx.csv", "192.0.2.1,", "192.0.2.101,");
const MX03: (&str, &str, &str) = ("data/mx.csv", "192.0.2.3,", "192.0.2.103,");

#[test]
fn two_branches_that_edit_other_rows_merge() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[MX03]);
    let merged = clone.git("merge -q --no-edit one");
    assert_eq!(clone.git("rev-list --parents -n 1 HEAD").split(' ').count(), 3, "{merged}");
    clone.is_right();
    let main = std::fs::read_to_string(clone.project().join("golden/main.cf")).unwrap();
    assert!(main.contains("192.0.2.101") && main.contains("192.0.2.103"), "{main}");
}

#[test]
fn without_the_driver_they_conflict() {
    let clone = Clone::without_driver();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[MX03]);
    assert!(!clone.try_git("merge -q --no-edit one").status.success());
    assert!(clone.conflicts().contains(&"golden/manifest.json".to_owned()));
}

#[test]
fn a_rebase_a_cherry_pick_and_a_revert_merge() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[MX03]);
    clone.edit("data/hosts.csv", "beta,2", "beta,3");
    run(&clone.project(), "render").expect(0);
    clone.commit("more");
    clone.git("branch three");
    clone.git("rebase -q one");
    clone.is_right();
    assert_eq!(clone.git("rev-list --count main..HEAD"), "3\n");
    for commit in ["HEAD~1", "HEAD~2"] {
        clone.git(&format!("checkout -q --detach {commit}"));
        clone.is_right();
    }

    clone.git("checkout -q one");
    clone.git("cherry-pick main..three");
    clone.is_right();

    // Takes back a commit that others stand on.
    clone.git("revert --no-edit HEAD~1");
    clone.is_right();
    let main = std::fs::read_to_string(clone.project().join("golden/main.cf")).unwrap();
    assert!(main.contains("192.0.2.3:") && main.contains("rack 3"), "{main}");
}

#[test]
fn what_is_staged_and_in_no_commit_conflicts() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[MX03]);
    clone.git("checkout -q main");
    clone.git("checkout -qb stale");
    clone.edit("data/hosts.csv", "beta,2", "beta,3");
    clone.commit("stale");
    clone.git("checkout -q one");
    clone.git("cherry-pick --no-commit stale");
    assert_eq!(clone.try_git("cherry-pick --no-commit two").status.code(), Some(1));
    assert!(clone.conflicts().contains(&"golden/main.cf".to_owned()));
    run(&clone.project(), "render").expect(0);
    clone.commit("all");
    clone.is_right();
}

#[test]
fn a_merge_that_another_one_is_made_in_is_not_mistaken_for_it() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[MX03]);
    clone.branch("other", &[("data/hosts.csv", "beta,2", "beta,3")]);
    let other = format!("GITHEAD_{}", clone.git("rev-parse HEAD").trim());
    clone.git("checkout -q one");
    let picked = clone.command("git").args(["cherry-pick", "two"]).env(other, "other").output().unwrap();
    assert!(picked.status.success(), "{picked:?}");
    clone.is_right();
}

#[test]
fn branches_with_two_common_ancestors_merge() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[MX03]);
    clone.git("branch two-before");
    clone.git("merge -q --no-edit one");
    clone.edit("data/hosts.csv", "beta,2", "beta,3");
    run(&clone.project(), "render").expect(0);
    clone.commit("more-of-two");
    clone.git("checkout -q one");
    clone.git("merge -q --no-edit two-before");
    clone.edit("data/mx.csv", "192.0.2.101,", "192.0.2.111,");
    run(&clone.project(), "render").expect(0);
    clone.commit("more-of-one");
    assert_eq!(clone.git("merge-base --all one two").lines().count(), 2);
    clone.git("merge -q --no-edit two");
    clone.is_right();
    let main = std::fs::read_to_string(clone.project().join("golden/main.cf")).unwrap();
    assert!(main.contains("192.0.2.111") && main.contains("rack 3"), "{main}");
}

#[test]
fn a_file_that_is_renamed_merges() {
    let clone = Clone::new();
    clone.edit("templates/mta/peer.conf.tera", "name", "# one\n# two\n# three\n# four\nname");
    run(&clone.project(), "render").expect(0);
    clone.commit("longer");
    clone.branch("one", &[("data/mx.csv", "mx01.", "mx11.")]);
    clone.branch("two", &[("templates/mta/peer.conf.tera", "# four", "# 4")]);
    clone.git("merge -q --no-edit one");
    clone.is_right();
    clone.git("checkout -q one");
    clone.git("merge -q --no-edit two~1");
    clone.git("checkout -q two~1");
    clone.git("merge -q --no-edit one");
    clone.is_right();
}

#[test]
fn where_sources_conflict_golden_does_too_and_a_render_ends_it() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.branch("two", &[("data/mx.csv", "192.0.2.1,", "192.0.2.201,")]);
    let merged = clone.try_git("merge -q --no-edit one");
    assert_eq!(merged.status.code(), Some(1), "{merged:?}");
    let said = text(&merged.stderr);
    assert!(
        said.contains("error[merge::conflict]: the sources conflict: `net/mail/data/mx.csv`\n"),
        "{said}"
    );
    assert!(clone.conflicts().contains(&"data/mx.csv".to_owned()));
    assert!(clone.conflicts().contains(&"golden/manifest.json".to_owned()));
    clone.git("checkout --theirs data/mx.csv");
    run(&clone.project(), "render").expect(0);
    clone.commit("merged");
    clone.is_right();
}

#[test]
fn an_edit_by_hand_is_not_lost() {
    for (ours, theirs) in [("rendered", "edited"), ("edited", "rendered")] {
        let clone = Clone::new();
        clone.branch("rendered", &[MX01]);
        clone.git("checkout -q main");
        clone.git("checkout -qb edited");
        clone.edit("golden/main.cf", "domain ", "# by hand\ndomain ");
        clone.commit("by-hand");
        clone.git(&format!("checkout -q {ours}"));
        let said = clone.try_git(&format!("merge {theirs}"));
        assert!(!said.status.success(), "{said:?}");
        assert!(text(&said.stderr).contains("`golden/main.cf` was edited by hand"), "{said:?}");
        assert_eq!(clone.conflicts(), ["golden/main.cf"]);
        // Only where the edit is still there, a render is not to lose it.
        run(&clone.project(), "render").expect(if ours == "edited" { 2 } else { 0 });
        run(&clone.project(), "render --force").expect(0);
        clone.commit("merged");
        clone.is_right();
    }
}

#[test]
fn where_the_merged_sources_do_not_compile_golden_conflicts() {
    let clone = Clone::new();
    clone.branch("one", &[("data/mx.csv", ",25,beta", ",25,alpha"), ("data/hosts.csv", "beta,2\n", "")]);
    clone.branch("two", &[("data/mx.csv", ",,alpha", ",,beta")]);
    let merged = clone.try_git("merge -q --no-edit one");
    let said = text(&merged.stderr);
    assert_eq!(merged.status.code(), Some(1), "{said}");
    assert!(said.contains("error[merge::conflict]: the merged sources cannot be compiled\n"), "{said}");
    assert!(said.contains("error[table::ref]") && said.contains("--> data/mx.csv:2:"), "{said}");
    assert!(clone.conflicts().iter().all(|path| path.starts_with("golden/")));
    clone.edit("data/mx.csv", ",beta,", ",alpha,");
    run(&clone.project(), "render").expect(0);
    clone.commit("merged");
    clone.is_right();
}

#[test]
fn what_git_takes_over_and_is_not_right_conflicts_in_the_manifest() {
    let clone = Clone::new();
    // A third artifact that each branch leaves as it is, and that both together change.
    clone.edit("templates/mta/target.toml", "[[artifact]]\ntemplate = \"main.cf.tera\"", "[[artifact]]\ntemplate = \"count.tera\"\npath = \"count\"\n\n[[artifact]]\ntemplate = \"main.cf.tera\"");
    write(
        &clone.project(),
        "templates/mta/count.tera",
        "{% if mx | length > 4 %}many{% else %}few{% endif %}\n",
    );
    run(&clone.project(), "render").expect(0);
    clone.commit("counted");
    clone.branch("one", &[("data/mx.csv", "192.0.2.1,", "192.0.2.4,mx04.example.org,,alpha,\n192.0.2.1,")]);
    clone.branch("two", &[("data/mx.csv", "third\n", "third\n192.0.2.5,mx05.example.org,,alpha,\n")]);
    let merged = clone.try_git("merge -q --no-edit one");
    let said = text(&merged.stderr);
    assert_eq!(merged.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the merged sources do not give `golden/count`, which git takes over as it is"),
        "{said}"
    );
    assert_eq!(clone.conflicts(), ["golden/SHA256SUMS", "golden/manifest.json"]);
    run(&clone.project(), "render").expect(0);
    clone.commit("merged");
    clone.is_right();
}

#[test]
fn an_artifact_that_one_side_deletes_and_the_other_changes_is_deleted_by_a_render() {
    let clone = Clone::new();
    clone.branch("one", &[("data/mx.csv", "192.0.2.3,mx03.example.org,25,beta,third\n", "")]);
    clone.branch("two", &[("templates/mta/peer.conf.tera", "name", "called")]);
    assert_eq!(clone.try_git("merge -q --no-edit one").status.code(), Some(1));
    assert!(clone.conflicts().contains(&"golden/peers/mx03.example.org.conf".to_owned()));
    run(&clone.project(), "render").expect(0);
    clone.commit("merged");
    clone.is_right();
}

#[test]
fn where_git_does_not_say_what_it_merges_golden_conflicts() {
    let clone = Clone::new();
    clone.branch("one", &[MX01]);
    clone.edit("data/mx.csv", "192.0.2.3,", "192.0.2.103,");
    run(&clone.project(), "render").expect(0);
    clone.git("stash -q");
    clone.git("checkout -q main");
    clone.edit("data/mx.csv", "192.0.2.1,", "192.0.2.111,");
    run(&clone.project(), "render").expect(0);
    clone.commit("other");
    let popped = clone.try_git("stash pop");
    let said = text(&popped.stderr);
    assert!(
        said.contains("git does not say which commits `net/mail/golden/manifest.json` is merged from"),
        "{said}"
    );
    assert!(clone.conflicts().contains(&"golden/manifest.json".to_owned()));
}

#[test]
fn a_driver_that_no_attribute_names_says_so() {
    let clone = Clone::without_driver();
    clone.git("rm -q .gitattributes");
    let said = clone.confwright(&["merge-driver", "--install"]);
    assert!(
        text(&said.stdout).ends_with(&format!("it does so once .gitattributes has this line:\n{ATTRIBUTES}")),
        "{said:?}"
    );
    let outside = tempfile::tempdir().unwrap();
    let run = confwright(outside.path()).args(["merge-driver", "--install"]).output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("error[source::git]"), "{run:?}");
}
