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

/// A project with two rows, each with a certificate that has expired.
fn with_old_certificates() -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    let root = top.path();
    let put = |file: &str, text: &str| write(root, file, text);
    put(
        "confwright.toml",
        "[project]\nname = \"old\"\n[tables.mx]\nsource = \"mx.csv\"\nkey = \"fqdn\"\n[tables.mx.columns]\nip = \"ipv4\"\nfqdn = \"fqdn\"\ncert = { type = \"cert\", local = \"pki\" }\n[targets.mta]\n",
    );
    put("mx.csv", "ip,fqdn,cert\n192.0.2.1,a.example.org,/tls/a.pem\n192.0.2.2,b.example.org,/tls/b.pem\n");
    let services =
        ["qmgr unix n - n 300 1 qmgr", "cleanup unix n - n - 0 cleanup", "pickup unix n - n 60 1 pickup"];
    let bounces = ["bounce", "defer", "trace"].map(|name| format!("{name} unix - - n - 0 bounce"));
    let others = [
        "rewrite unix - - n - - trivial-rewrite",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "anvil unix - - n - 1 anvil",
        "flush unix n - n 1000? 0 flush",
        "showq unix n - n - - showq",
        "error unix - - n - - error",
        "smtp unix - - n - - smtp",
    ];
    let fixed: String = services.into_iter().chain(others).map(|line| format!("{line}\n")).collect();
    put(
        "templates/mta/master.cf.tera",
        &format!(
            "{fixed}{}\n{{% for row in mx -%}}\n{{{{ row.ip }}}}:25 inet n - n - - smtpd\n  -o myhostname={{{{ row.fqdn }}}}\n  -o smtpd_tls_chain_files={{{{ row.cert }}}}\n{{% endfor -%}}\n",
            bounces.join("\n")
        ),
    );
    put(
        "templates/mta/main.cf.tera",
        "myhostname = mail.example.org\nmydestination =\nmynetworks = 127.0.0.0/8\nsmtpd_tls_security_level = may\n",
    );
    put(
        "templates/mta/target.toml",
        "stage = \"config\"\nabout = \"a\"\n[[artifact]]\ntemplate = \"main.cf.tera\"\npath = \"postfix/main.cf\"\nformat = \"postfix-main\"\n[[artifact]]\ntemplate = \"master.cf.tera\"\npath = \"postfix/master.cf\"\nformat = \"postfix-master\"\n",
    );
    for name in ["a", "b"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![format!("{name}.example.org")]).unwrap();
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2026, 4, 1));
        put(&format!("pki/{name}.pem"), &params.self_signed(&key).unwrap().pem());
    }
    top
}

#[test]
fn an_expired_certificate_is_an_error_in_a_changed_row_only() {
    let top = with_old_certificates();
    let root = top.path();
    let errors = |arguments: &str| {
        let document = run(root, arguments).json();
        let found = document["diagnostics"].as_array().unwrap().iter();
        let expired: Vec<_> = found.filter(|one| one["id"] == "postfix::expired-certificate").collect();
        assert_eq!(expired.len(), 2);
        let errors = expired.into_iter().filter(|one| one["severity"] == "error");
        errors.map(|one| one["message"].as_str().unwrap().contains("/tls/b.pem")).collect::<Vec<_>>()
    };
    run(root, "render").expect(0);
    let check = "check --as-of 2026-06-01 --no-cache --format json";
    // Without a repository nothing is known of what was.
    assert_eq!(errors(check), [false; 0]);
    git(root, "init -q -b main");
    git(root, "add -A");
    git(root, "commit -qm one");
    assert_eq!(errors(check), [false; 0]);
    let table = std::fs::read_to_string(root.join("mx.csv")).unwrap();
    write(root, "mx.csv", table.replace("192.0.2.2", "192.0.2.22"));
    run(root, "render").expect(0);
    assert_eq!(errors(check), [true]);
    git(root, "add -A");
    git(root, "commit -qm two");
    assert_eq!(errors(check), [false; 0]);
}
