//! What holds for every project: properties over random tables and over random damage.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{
    Entry, Snapshot, confwright, differences, lay_over, project, run, snapshot, tests, write,
};

/// Few enough to be quick; `PROPTEST_CASES` asks for more.
fn cases(number: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(number), failure_persistence: None, ..ProptestConfig::default() }
}

/// A row's text and number; both may be absent.
type Row = (Option<String>, Option<i64>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = prop_oneof![
        "[a-z \"',;#{}%$\\\\]{1,12}",
        // Whatever is printed, in any script; U+2028 and U+2029 are line breaks, which text refuses.
        "[^\\pC\u{2028}\u{2029}]{1,12}",
        select(vec!["null", "007", "-", "{{ row.name }}", "= x", "\"\""]).prop_map(str::to_owned),
    ];
    vec((proptest::option::of(text), proptest::option::of(any::<i64>())), 0..20)
}

fn csv(rows: &[Row]) -> String {
    let mut csv = "name,text,number\n".to_owned();
    for (at, (text, number)) in rows.iter().enumerate() {
        let text =
            text.as_ref().map_or_else(String::new, |text| format!("\"{}\"", text.replace('"', "\"\"")));
        let number = number.map_or_else(String::new, |number| number.to_string());
        writeln!(csv, "n{at},{text},{number}").unwrap();
    }
    csv
}

const FILES: &[(&str, &str)] = &[
    (
        "confwright.toml",
        r#"
[tables.things]
source = "things.csv"
key = "name"
[tables.things.columns]
name = "name"
text = { type = "string", optional = true }
number = { type = "int", default = 0 }

[[artifact]]
template = "all.json.tera"
path = "all.json"
format = "json"

[[artifact]]
template = "one.tera"
each = "things"
path = "things/{{ row.name }}"
"#,
    ),
    (
        "templates/all.json.tera",
        "[{% for row in things %}[{{ row.name }}, {{ row.number }}, {{ row.text | default(value='') }}]\
         {% if not loop.last %},{% endif %}\n{% endfor %}]\n",
    ),
    ("templates/one.tera", "{{ row.number }} {{ row.text | default(value='none') }}\n"),
];

fn things(rows: &[Row]) -> TempDir {
    let folder = project(FILES);
    write(folder.path(), "things.csv", csv(rows));
    folder
}

/// What tells whether a file was written: its inode, and when it was changed.
fn identities(golden: &Path) -> BTreeMap<String, (u64, i64, i64, i64)> {
    let entries = walkdir::WalkDir::new(golden).into_iter().map(Result::unwrap);
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            let identity = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec());
            (entry.path().to_string_lossy().into_owned(), identity)
        })
        .filter(|(path, _)| path != &golden.to_string_lossy())
        .collect()
}

/// What the files of a report must look like on disk.
fn reported(document: &Json) -> BTreeMap<String, (String, u64)> {
    let artifacts = document["artifacts"].as_array().unwrap().iter();
    artifacts
        .filter(|artifact| artifact["change"] != "deleted")
        .map(|artifact| {
            let path = artifact["path"].as_str().unwrap().to_owned();
            (path, (artifact["sha256"].as_str().unwrap().to_owned(), artifact["bytes"].as_u64().unwrap()))
        })
        .collect()
}

fn on_disk(all: &Snapshot) -> BTreeMap<String, (String, u64)> {
    all.iter()
        .filter(|(path, _)| {
            path.starts_with("golden/") && !path.ends_with("manifest.json") && !path.ends_with("SHA256SUMS")
        })
        .filter_map(|(path, entry)| match entry {
            Entry::File { bytes, .. } => {
                let hash = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                Some((path.clone(), (hash, bytes.len() as u64)))
            }
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn render_is_a_function_of_its_inputs(one in rows(), other in rows()) {
        let first = things(&one);
        let second = things(&other);
        run(first.path(), "render").expect(0);
        // What was there before leaves no trace.
        run(second.path(), "render --force").expect(0);
        write(second.path(), "things.csv", csv(&one));
        run(second.path(), "render --force").expect(0);
        prop_assert_eq!(differences(&snapshot(first.path()), &snapshot(second.path())), Vec::<String>::new());

        let Entry::File { bytes, .. } = &snapshot(first.path())["golden/all.json"] else { panic!() };
        let wanted: Vec<Json> = one
            .iter()
            .enumerate()
            .map(|(at, (text, number))| json!([format!("n{at}"), number.unwrap_or(0), text.clone().unwrap_or_default()]))
            .collect();
        prop_assert_eq!(serde_json::from_slice::<Json>(bytes).unwrap(), Json::Array(wanted));
    }

    #[test]
    fn the_report_is_what_lies_on_the_disk(one in rows(), other in rows()) {
        let folder = things(&one);
        for rows in [&one, &other] {
            write(folder.path(), "things.csv", csv(rows));
            let before = snapshot(folder.path());
            let planned = run(folder.path(), "diff --format json").json();
            prop_assert_eq!(differences(&before, &snapshot(folder.path())), Vec::<String>::new());
            let report = run(folder.path(), "render --force --format json").expect(0).json();
            prop_assert_eq!(reported(&report), on_disk(&snapshot(folder.path())));
            prop_assert_eq!(&planned["artifacts"], &report["artifacts"]);
            for artifact in report["artifacts"].as_array().unwrap() {
                let path = artifact["path"].as_str().unwrap();
                let after = snapshot(folder.path());
                let wanted = match (before.get(path), after.get(path)) {
                    (None, Some(_)) => "created",
                    (Some(_), None) => "deleted",
                    (one, other) if one == other => "unchanged",
                    _ => "changed",
                };
                prop_assert_eq!(&artifact["change"], wanted);
            }
        }
    }

    #[test]
    fn a_second_render_writes_nothing(rows in rows()) {
        let folder = things(&rows);
        let golden = folder.path().join("golden");
        run(folder.path(), "render").expect(0);
        let before = identities(&golden);
        let again = run(folder.path(), "render --format json").expect(0).json();
        prop_assert_eq!(&before, &identities(&golden));
        let changes = again["artifacts"].as_array().unwrap().iter().map(|artifact| &artifact["change"]);
        prop_assert!(changes.into_iter().all(|change| change == "unchanged"));
        run(folder.path(), "check").expect(0);
        run(folder.path(), "diff").expect(0);
        prop_assert_eq!(&before, &identities(&golden));
    }
}

/// A change to a file that a slip of the hand could make, and some that none would.
#[derive(Debug, Clone)]
struct Damage {
    file: Index,
    from: Index,
    length: usize,
    put: String,
}

fn damage() -> impl Strategy<Value = Damage> {
    let piece = prop_oneof![
        Just(String::new()),
        "[ -~]{1,4}",
        "\\PC{1,3}",
        select(vec![
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "{%-",
            "-%}",
            "\"",
            "'",
            "\n",
            "\r\n",
            "\0",
            "\u{feff}",
            "[",
            "]]",
            "=",
            "| safe",
            "| raw",
            "| json",
            "| sort(attribute=\"ip\")",
            "| group_by(attribute=\"host\")",
            "row",
            "values",
            "project",
            "mx",
            ".host.",
            "{% for x in mx %}",
            "{% endfor %}",
            "{% if row %}",
            "{% else %}",
            "{% endif %}",
            "{% set x = mx %}",
            "{% include \"peer.conf.tera\" %}",
            "{% extends \"main.cf.tera\" %}",
            "{% block a %}",
            "{% component c(x) %}",
            "{{ <c x={1} /> }}",
            "{% raw %}",
            "loop.index",
            "is defined",
            "9223372036854775807",
            "-1",
            "1e400",
            "0/0",
            "true",
            "\"ipv4\"",
            "unique = true",
            "type = \"list\"",
            "optional = true",
            "default = 1",
            "expr = \"row.ip\"",
            "[[rule]]\nassert = \"false\"\n",
            "..",
            "/",
            ",",
            ",,",
        ])
        .prop_map(str::to_owned),
    ];
    (any::<Index>(), any::<Index>(), 0..12_usize, piece).prop_map(|(file, from, length, put)| Damage {
        file,
        from,
        length,
        put,
    })
}

const DAMAGED: [&str; 6] = [
    "confwright.toml",
    "templates/mta/target.toml",
    "templates/mta/main.cf.tera",
    "templates/mta/peer.conf.tera",
    "data/mx.csv",
    "data/hosts.csv",
];

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn damage_is_told_and_never_a_crash(list in vec(damage(), 1..4)) {
        let folder = tempfile::tempdir().unwrap();
        lay_over(&tests().join("cases/_base"), folder.path());
        for damage in &list {
            let path = folder.path().join(damage.file.get(&DAMAGED));
            let mut bytes = std::fs::read(&path).unwrap();
            let from = damage.from.index(bytes.len() + 1);
            let to = (from + damage.length).min(bytes.len());
            bytes.splice(from..to, damage.put.bytes());
            std::fs::write(&path, bytes).unwrap();
        }
        let before = snapshot(folder.path());
        for arguments in [&["list"][..], &["diff"], &["check"], &["render"], &["render", "--format=json"]] {
            let output = confwright(folder.path()).args(arguments).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            prop_assert!(matches!(code, Some(0..=2)), "{arguments:?} ended with {code:?}: {stderr}");
            let is_json = arguments.len() > 1;
            prop_assert!(code != Some(2) || is_json || stderr.contains("error"), "{stderr}");
            if is_json {
                prop_assert!(serde_json::from_slice::<Json>(&output.stdout).is_ok(), "{:?}", output.stdout);
            }
            if code == Some(2) || arguments[0] != "render" {
                let changes = differences(&before, &snapshot(folder.path()));
                prop_assert!(changes.is_empty() || is_json, "{arguments:?}: {changes:?}");
            }
        }
    }
}
