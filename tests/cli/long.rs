//! Tables and artifacts that are too long to be held in memory: nothing about them is otherwise.

use std::path::Path;

use crate::support::{lay_over, run, tests, write};

/// A table of a hundred rows with notes, and one row more.
fn table(note: &str, last: &str) -> String {
    let rows = (0..100).map(|n| format!("192.0.2.{n},mx{n:02}.example.org,,alpha,{note}\n"));
    format!("ip,fqdn,port,host,note\n{}{last}\n", rows.collect::<String>())
}

fn render(folder: &Path, note: &str, last: &str, status: i32) -> String {
    write(folder, "data/mx.csv", table(note, last));
    let run = run(folder, "render").expect(status);
    run.stderr + &run.stdout
}

#[test]
fn a_long_table_is_told_as_a_short_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_over(&tests().join("cases/_base"), folder);
    let long = "x".repeat(12_000);
    render(folder, &long, "192.0.2.200,last.example.org,26,beta,", 0);
    let main = std::fs::read_to_string(folder.join("golden/main.cf")).unwrap();
    assert!(main.contains("mx99.example.org 192.0.2.99:25 rack 1\nlast.example.org 192.0.2.200:26 rack 2\n"));
    let peer = std::fs::read_to_string(folder.join("golden/peers/mx99.example.org.conf")).unwrap();
    assert!(peer.ends_with(&format!("note {long}")) || peer.ends_with(&format!("note {long}\n")));
    for last in [
        "192.0.2.99,last.example.org,0,gamma,",
        "192.0.2.200,mx07.example.org.,,alpha,",
        "192.0.2.200,last.example.org,,alpha,\"open",
        "192.0.2.200,last.example.org,,alpha",
        "192.0.2.200,../last,,alpha,",
    ] {
        let (short, long) = (render(folder, &long[..2_000], last, 2), render(folder, &long, last, 2));
        assert!(short.contains("data/mx.csv:102:"), "{short}");
        assert_eq!(short, long);
    }
    write(folder, "data/mx.csv", [table(&long, "").as_bytes(), b"\xff"].concat());
    let told = run(folder, "check").expect(2).stderr;
    assert!(told.contains("is not UTF-8") && told.contains("data/mx.csv:103:1"), "{told}");
}

#[test]
fn a_line_of_a_long_artifact_is_explained_as_one_of_a_short_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_over(&tests().join("cases/_base"), folder);
    let template = std::fs::read_to_string(folder.join("templates/mta/main.cf.tera")).unwrap();
    let said = |above: usize, change: &dyn Fn(&str) -> String| {
        let above = "# a line above\n".repeat(above);
        write(folder, "templates/mta/main.cf.tera", format!("{above}{template}"));
        run(folder, "render --force").expect(0);
        let golden = std::fs::read_to_string(folder.join("golden/main.cf")).unwrap();
        let line = golden.lines().position(|line| line.starts_with("domain ")).unwrap() + 1;
        write(folder, "golden/main.cf", change(&golden));
        let run = run(folder, &format!("explain golden/main.cf:{line}")).expect(0);
        (run.stdout.contains(&format!("{line} | domain example.org")), run.stderr)
    };
    let changes: [&dyn Fn(&str) -> String; 5] = [
        &str::to_owned,
        &|golden| golden.replace("example.org", "example.net"),
        &|golden| golden.replacen("line above", "line\nabove", 1),
        &|golden| golden.replacen("# a", "", 1),
        &|_| "short\n".to_owned(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let (short, long) = (said(10, change), said(100_000, change));
        assert_eq!(short, long, "{number}");
        assert!(short.0 && short.1.is_empty() == (number == 0), "{number}: {}", short.1);
    }
}
