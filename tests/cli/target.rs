//! A target that the sources have never heard of: what a person can do with files alone.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{Entry, differences, project, run, snapshot, write};

const PROJECT: &str = r#"
[project]
name = "probes"

[values]
domain = "example.org"
interval = 30
labels = { team = "net", tier = "edge" }

[tables.sites]
source = "data/sites.csv"
key = "name"
[tables.sites.columns]
name = "name"
network = { type = "cidr", unique = true }
contact = { type = "email", optional = true }

[tables.routers]
source = "data/routers.txt"
key = "fqdn"
[tables.routers.columns]
ip = { type = "ipv4", within = "192.0.2.0/24" }
fqdn = "fqdn"
site = { type = "ref", table = "sites" }
weight = { type = "int", default = 1, min = 1, max = 9 }
slug = { type = "name", expr = "row.fqdn | slug", unique = true }

[tables.spares]
source = "data/spares.json"
key = "fqdn"
[tables.spares.columns]
ip = "ipv4"
fqdn = "fqdn"
site = { type = "ref", table = "sites" }
weight = { type = "int", default = 1 }
slug = { type = "name", expr = "row.fqdn | slug" }

[targets.watch]
[targets.watch-spares]
use = "watch"
root = "spares"
tables = { routers = "spares" }
values = { interval = 300 }

[[artifact]]
template = "motd.tera"
path = "motd"

[[rule]]
name = "own-domain"
each = "routers"
assert = "row.fqdn is ending_with(pat=values.domain)"
message = "{{ row.fqdn }} is outside of {{ values.domain }}"

[[allow]]
rule = "rule::own-domain"
row = "routers/r3.example.net"
reason = "moves with the lease"
until = 2031-06-30

[environments.prod]
[environments.lab.values]
interval = 5
labels = { team = "lab" }
[environments.lab.tables.routers]
source = "data/lab.txt"
"#;

const TARGET: &str = r#"
stage = "verify"
about = "Probes of routers"
delimiters = "square"

[requires.tables.routers]
ip = "ipv4"
fqdn = "hostname"
site = { type = "ref", table = "sites" }
weight = "int"
slug = "name"
[requires.tables.sites]
name = "name"
network = "cidr"
contact = { type = "email", optional = true }
[requires.values]
interval = "int"

[[artifact]]
template = "rules.yml.tera"
path = "rules.yml"

[[artifact]]
template = "inventory.json.tera"
path = "inventory.json"
format = "json"

[[artifact]]
template = "probe.sh.tera"
each = "routers"
path = "bin/{{ row.slug }}.sh"
format = "shell"
mode = "0755"
"#;

const FILES: &[(&str, &str)] = &[
    ("confwright.toml", PROJECT),
    ("data/sites.csv", "name,network,contact\nwest,198.51.100.0/24,noc@example.org\neast,203.0.113.0/24,\n"),
    (
        "data/routers.txt",
        "# address   name            site  weight\n192.0.2.1 r1.example.org west 3\n192.0.2.2 r2.example.org east -\n\
         192.0.2.3 r3.example.net west 1 # leased\n",
    ),
    ("data/lab.txt", "192.0.2.101 lab.example.org east -\n"),
    ("data/spares.json", r#"[{ "ip": "192.0.2.9", "fqdn": "S1.example.org", "site": "east" }]"#),
    (
        "templates/motd.tera",
        "{{ project.name }}/{{ environment }}: {{ routers | length }} routers, team {{ values.labels.team }}\n",
    ),
    ("templates/_shared/head.tera", "# [[ project.name ]] [[ environment ]] every [[ values.interval ]]s\n"),
    ("templates/watch/target.toml", TARGET),
    (
        "templates/watch/components.tera",
        "[% component alert(router, severity: string) %]  - alert: Down\n    expr: up{instance=\"[[ router.fqdn ]]\"} == 0\n    \
         summary: \"{{ $labels.instance }} in [[ router.site.name ]]\"\n    severity: [[ severity ]][% endcomponent alert %]\n",
    ),
    (
        "templates/watch/rules.yml.tera",
        "[% include \"head.tera\" %]groups:\n[% for row in routers | sort(attribute=\"weight\") -%]\n\
         [[ <alert router={row} severity={\"page\" if row.weight > 2 else \"mail\"} /> ]]\n[%- if row.site.contact %]\n    \
         contact: [[ row.site.contact ]]\n[%- endif %]\n[% endfor -%]\n",
    ),
    (
        "templates/watch/inventory.json.tera",
        "{\n  \"interval\": [[ values.interval ]],\n  \"routers\": [ [% for row in routers %]\n    { \"name\": [[ row.fqdn ]], \
         \"url\": \"https://[[ row.fqdn ]]/\", \"net\": [[ row.site.network ]] }[% if not loop.last %],[% endif %][% endfor %]\n  ]\n}\n",
    ),
    (
        "templates/watch/probe.sh.tera",
        "#!/bin/sh\nset -eu\nname=[[ row.fqdn ]]\necho \"$name is [[ row.ip ]]\"\n",
    ),
];

fn invented() -> TempDir {
    project(FILES)
}

fn text(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join("golden").join(path)).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let all = snapshot(&folder.join("golden")).into_iter();
    all.filter(|(_, entry)| matches!(entry, Entry::File { .. })).map(|(path, _)| path).collect()
}

#[test]
fn an_invented_target_renders_for_each_instance_and_environment() {
    let folder = invented();
    let root = folder.path();
    run(root, "render").expect(0);
    assert_eq!(
        files(root),
        [
            "lab/SHA256SUMS",
            "lab/bin/lab-example-org.sh",
            "lab/inventory.json",
            "lab/manifest.json",
            "lab/motd",
            "lab/rules.yml",
            "lab/spares/bin/s1-example-org.sh",
            "lab/spares/inventory.json",
            "lab/spares/rules.yml",
            "prod/SHA256SUMS",
            "prod/bin/r1-example-org.sh",
            "prod/bin/r2-example-org.sh",
            "prod/bin/r3-example-net.sh",
            "prod/inventory.json",
            "prod/manifest.json",
            "prod/motd",
            "prod/rules.yml",
            "prod/spares/bin/s1-example-org.sh",
            "prod/spares/inventory.json",
            "prod/spares/rules.yml",
        ]
    );
    assert_eq!(text(root, "prod/motd"), "probes/prod: 3 routers, team net\n");
    assert_eq!(text(root, "lab/motd"), "probes/lab: 1 routers, team lab\n");
    assert_eq!(
        text(root, "prod/rules.yml"),
        "# probes prod every 30s\ngroups:\n  - alert: Down\n    expr: up{instance=\"r2.example.org\"} == 0\n    \
         summary: \"{{ $labels.instance }} in east\"\n    severity: mail\n  - alert: Down\n    \
         expr: up{instance=\"r3.example.net\"} == 0\n    summary: \"{{ $labels.instance }} in west\"\n    \
         severity: mail\n    contact: noc@example.org\n  - alert: Down\n    expr: up{instance=\"r1.example.org\"} == 0\n    \
         summary: \"{{ $labels.instance }} in west\"\n    severity: page\n    contact: noc@example.org\n"
    );
    assert!(text(root, "lab/rules.yml").starts_with("# probes lab every 5s\n"));
    assert!(text(root, "lab/spares/rules.yml").starts_with("# probes lab every 300s\n"));

    let inventory: Json = serde_json::from_str(&text(root, "prod/inventory.json")).unwrap();
    assert_eq!(inventory["interval"], 30);
    assert_eq!(inventory["routers"][1]["url"], "https://r2.example.org/");
    assert_eq!(inventory["routers"][1]["net"], "203.0.113.0/24");

    let script = root.join("golden/prod/bin/r1-example-org.sh");
    assert_eq!(script.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    let said = std::process::Command::new(script).output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "r1.example.org is 192.0.2.1\n");

    run(root, "check --as-of 2031-06-30").expect(0);
    let sums = std::process::Command::new("sha256sum")
        .args(["--quiet", "-c", "SHA256SUMS"])
        .current_dir(root.join("golden/prod"))
        .status();
    assert!(sums.unwrap().success());
}

#[test]
fn a_mode_is_restored_without_rewriting() {
    let folder = invented();
    let root = folder.path();
    run(root, "render").expect(0);
    let script = root.join("golden/prod/bin/r1-example-org.sh");
    let before = script.metadata().unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o600)).unwrap();
    let found = run(root, "check --as-of 2031-01-01").expect(1);
    assert!(found.stderr.contains("r1-example-org.sh` has the wrong execute bit"), "{}", found.stderr);
    run(root, "render").expect(0);
    let after = script.metadata().unwrap();
    assert_eq!(after.mode() & 0o7777, 0o755);
    assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
    run(root, "check --as-of 2031-01-01").expect(0);
}

#[test]
fn an_exception_holds_until_its_day() {
    let folder = invented();
    let root = folder.path();
    run(root, "render").expect(0);
    run(root, "check --as-of 2031-06-30").expect(0);
    let late = run(root, "check --as-of 2031-07-01").expect(1);
    assert!(
        late.stderr
            .contains("error[allow::expired]: the exception to `rule::own-domain` ended on 2031-06-30")
    );
    let json = run(root, "check --as-of 2031-07-01 --format json").expect(1).json();
    assert_eq!(json["status"], "findings");

    // Without the exception nothing is written; without the row it applies to nothing.
    let allow = PROJECT.split("[[allow]]").next().unwrap();
    let environments = PROJECT.find("[environments.prod]").map(|at| &PROJECT[at..]).unwrap();
    write(root, "confwright.toml", format!("{allow}{environments}"));
    let failed = run(root, "render").expect(2);
    assert!(
        failed.stderr.contains(
            "error[rule::own-domain]: r3.example.net is outside of example.org\n  --> data/routers.txt:4:1"
        ),
        "{}",
        failed.stderr
    );
    write(root, "confwright.toml", PROJECT);
    write(root, "data/routers.txt", "192.0.2.1 r1.example.org west 3\n");
    run(root, "render").expect(0);
    let unused = run(root, "check --as-of 2031-01-01").expect(0);
    assert!(unused.stderr.contains("warning[allow::unused]"), "{}", unused.stderr);
}

#[test]
fn a_render_of_a_part_neither_deletes_nor_drops_the_rest() {
    let folder = invented();
    let root = folder.path();
    run(root, "render").expect(0);
    let before = snapshot(&root.join("golden"));
    write(root, "data/routers.txt", "192.0.2.1 r1.example.org east 3\n192.0.2.4 r4.example.org west -\n");
    write(root, "data/spares.json", r#"[{ "ip": "192.0.2.10", "fqdn": "s2.example.org", "site": "east" }]"#);
    write(root, "templates/motd.tera", "changed\n");

    run(root, "render --target watch --environment prod").expect(0);
    let changed = differences(&before, &snapshot(&root.join("golden")));
    assert_eq!(
        changed,
        [
            "prod/SHA256SUMS differs",
            "prod/bin/r2-example-org.sh is gone",
            "prod/bin/r3-example-net.sh is gone",
            "prod/bin/r4-example-org.sh is new",
            "prod/inventory.json differs",
            "prod/manifest.json differs",
            "prod/rules.yml differs",
        ]
    );
    let manifest: Json = serde_json::from_str(&text(root, "prod/manifest.json")).unwrap();
    let paths: Vec<&str> = manifest["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"motd") && paths.contains(&"spares/bin/s1-example-org.sh"), "{paths:?}");

    run(root, "render --target watch-spares --environment prod").expect(0);
    assert!(root.join("golden/prod/spares/bin/s2-example-org.sh").exists());
    assert!(!root.join("golden/prod/spares/bin/s1-example-org.sh").exists());
    assert!(root.join("golden/lab/spares/bin/s1-example-org.sh").exists());
    assert_eq!(text(root, "prod/motd"), "probes/prod: 3 routers, team net\n");

    // The stage of both instances; what is left then is the project's own artifact.
    run(root, "render --stage verify").expect(0);
    let stat = run(root, "diff --stat").expect(1);
    assert_eq!(stat.stdout.lines().filter(|line| line.contains('|')).count(), 2, "{}", stat.stdout);
    run(root, "render").expect(0);
    run(root, "check --as-of 2031-01-01").expect(0);
    let whole = project(FILES);
    for path in ["data/routers.txt", "data/spares.json", "templates/motd.tera"] {
        std::fs::copy(root.join(path), whole.path().join(path)).unwrap();
    }
    run(whole.path(), "render").expect(0);
    assert_eq!(differences(&snapshot(whole.path()), &snapshot(root)), [""; 0], "parts make the whole");
}

#[test]
fn a_render_that_deletes_most_of_a_tree_wants_force() {
    let folder = invented();
    let root = folder.path();
    let rows = |range: std::ops::RangeInclusive<usize>| -> String {
        range.map(|n| format!("192.0.2.{n} r{n}.example.org west -\n")).collect()
    };
    write(root, "data/routers.txt", rows(1..=20));
    run(root, "render").expect(0);
    let before = snapshot(&root.join("golden"));
    write(root, "data/routers.txt", rows(1..=3));
    let refused = run(root, "render").expect(2);
    assert!(
        refused.stderr.contains("this would delete 17 of the 26 artifacts in `golden/prod`"),
        "{}",
        refused.stderr
    );
    assert_eq!(differences(&before, &snapshot(&root.join("golden"))), [""; 0]);

    // Half of a tree may go, and so may files that only move.
    write(root, "data/routers.txt", rows(1..=7));
    run(root, "render").expect(0);
    write(root, "data/routers.txt", rows(1..=20));
    run(root, "render").expect(0);
    write(root, "templates/watch/target.toml", TARGET.replace("path = \"bin/", "path = \"probes/"));
    run(root, "render").expect(0);
    assert!(root.join("golden/prod/probes/r20-example-org.sh").exists());
    assert!(!root.join("golden/prod/bin").exists());

    write(root, "data/routers.txt", rows(1..=3));
    run(root, "render").expect(2);
    run(root, "render --force").expect(0);
    run(root, "check --as-of 2031-01-01").expect(0);
}

#[test]
fn the_report_has_the_keys_that_are_promised() {
    let folder = invented();
    let root = folder.path();
    run(root, "render").expect(0);
    std::fs::remove_file(root.join("golden/lab/motd")).unwrap();
    write(root, "data/lab.txt", "192.0.2.102 lab2.example.org east -\n");
    write(root, "golden/notes", "mine\n");

    let diff = run(root, "diff --format json").expect(1).json();
    assert_eq!(diff["status"], "differs");
    let changes: BTreeMap<&str, &str> = diff["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| (artifact["path"].as_str().unwrap(), artifact["change"].as_str().unwrap()))
        .collect();
    assert_eq!(changes["golden/lab/motd"], "created");
    assert_eq!(changes["golden/lab/bin/lab-example-org.sh"], "deleted");
    assert_eq!(changes["golden/lab/bin/lab2-example-org.sh"], "created");
    assert_eq!(changes["golden/lab/rules.yml"], "changed");
    assert_eq!(changes["golden/prod/motd"], "unchanged");
    assert_eq!(changes.len(), 7 + 1 + 9);

    write(
        root,
        "data/sites.csv",
        "name,network,contact\nwest,198.51.100.0/24,nobody\neast,203.0.113.0/24,\n",
    );
    let documents = [
        diff,
        run(root, "check --format json").expect(2).json(),
        run(root, "render --format json").expect(2).json(),
    ];
    for document in &documents {
        keys(document, &["status", "artifacts", "causes", "reached", "checks", "diagnostics"]);
        for artifact in document["artifacts"].as_array().unwrap() {
            keys(artifact, &["path", "change", "sha256", "bytes"]);
            assert_eq!(artifact["sha256"].is_null(), artifact["change"] == "deleted");
            assert_eq!(artifact["bytes"].is_null(), artifact["change"] == "deleted");
        }
        for diagnostic in document["diagnostics"].as_array().unwrap() {
            keys(diagnostic, &["id", "severity", "message", "labels", "hints"]);
            for label in diagnostic["labels"].as_array().unwrap() {
                keys(label, &["path", "line", "column", "text"]);
            }
        }
    }
    let wrong = &documents[2];
    assert_eq!(wrong["status"], "error");
    let label = &wrong["diagnostics"][0]["labels"][0];
    assert_eq!(wrong["diagnostics"][0]["id"], "table::type");
    assert_eq!(
        (&label["path"], &label["line"], &label["column"]),
        (&"data/sites.csv".into(), &2.into(), &22.into())
    );
    let used = &wrong["diagnostics"][0]["labels"][1];
    assert_eq!(
        (&used["path"], &used["text"]),
        (&"templates/watch/rules.yml.tera".into(), &"the value is used here".into())
    );
}

#[track_caller]
fn keys(object: &Json, wanted: &[&str]) {
    let found: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, wanted);
}
