//! The serials of zones: what `render --bump` raises, and that it changes nothing else of a file.

use std::path::Path;
use std::process::Command;

use crate::support::{run, write};

const PROJECT: &str = "[values]\nserial   = 41 # of all\n\n[tables.zones]\nsource = \"data/zones.csv\"\nkey = \"zone\"\n\
    [tables.zones.columns]\nzone = \"fqdn\"\nserial = \"int\"\nip = \"ipv4\"\n\n[targets.dns]\n";
const TARGET: &str = "stage = \"config\"\n\
    [[artifact]]\ntemplate = \"own.tera\"\neach = \"zones\"\npath = \"{{ row.zone }}.zone\"\nformat = \"zone\"\n\
    [[artifact]]\ntemplate = \"shared.tera\"\neach = \"zones\"\npath = \"s/{{ row.zone }}.zone\"\nformat = \"zone\"\n";
const ZONES: &str =
    "zone,serial,ip\r\nexample.org,\"4294967295\",192.0.2.1\r\n\r\nexample.net,7,192.0.2.2\r\n";

fn zone(serial: &str) -> String {
    format!(
        "$ORIGIN {{{{ row.zone }}}}.\n$TTL 60\n@ SOA a b {{{{ {serial} }}}} 4h 30m 4w 5m\n@ NS a\na A {{{{ row.ip }}}}\n"
    )
}

fn git(project: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(project).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.args(["-c", "user.name=n", "-c", "user.email=e"]).args(arguments);
    assert!(command.output().unwrap().status.success(), "{arguments:?}");
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("confwright.toml", PROJECT),
        ("templates/dns/target.toml", TARGET),
        ("templates/dns/own.tera", &zone("row.serial")),
        ("templates/dns/shared.tera", &zone("values.serial")),
        ("data/zones.csv", ZONES),
    ] {
        std::fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        write(folder.path(), path, text);
    }
    folder
}

/// The project with its first commit.
fn committed() -> tempfile::TempDir {
    let folder = project();
    let project = folder.path();
    run(project, "render").expect(0);
    git(project, &["init", "-q"]);
    git(project, &["add", "."]);
    git(project, &["commit", "-qm", "one"]);
    folder
}

fn read(project: &Path, path: &str) -> String {
    std::fs::read_to_string(project.join(path)).unwrap()
}

#[test]
fn bump_raises_each_serial_once_and_nothing_else() {
    let folder = committed();
    let project = folder.path();
    run(project, "render --bump").expect(0);
    assert_eq!(read(project, "data/zones.csv"), ZONES);

    let mut expected = ZONES.replace("192.0.2.1\r", "192.0.2.9\r");
    write(project, "data/zones.csv", &expected);
    run(project, "render").expect(0);
    let refused = run(project, "check").expect(1);
    assert_eq!(refused.stderr.matches("error[zone::serial]").count(), 2, "{}", refused.stderr);
    for _ in 0..2 {
        run(project, "render --bump").expect(0);
        // Behind the last serial comes 1 (RFC 1982).
        assert_eq!(read(project, "data/zones.csv"), expected.replace("4294967295", "1"));
        assert_eq!(read(project, "confwright.toml"), PROJECT.replace("41", "42"));
        run(project, "check").expect(0);
        expected = expected.replace("192.0.2.9", "192.0.2.10");
        write(project, "data/zones.csv", expected.replace("4294967295", "1"));
    }
    git(project, &["commit", "-qam", "two"]);
    run(project, "check").expect(0);
}

#[test]
fn a_commit_that_did_not_raise_a_serial_is_found() {
    let folder = committed();
    let project = folder.path();
    write(project, "data/zones.csv", ZONES.replace("192.0.2.2", "192.0.2.8"));
    run(project, "render").expect(0);
    git(project, &["commit", "-qam", "two"]);
    git(project, &["commit", "-q", "--allow-empty", "-m", "three"]);
    let refused = run(project, "check").expect(1);
    assert!(refused.stderr.contains("example.net.zone`: the zone has changed"), "{}", refused.stderr);
    run(project, "render --bump").expect(0);
    run(project, "check").expect(0);
    git(project, &["commit", "-qam", "four"]);
    run(project, "check").expect(0);
}

#[test]
fn a_shallow_clone_says_what_it_does_not_know() {
    let folder = committed();
    let project = folder.path();
    write(project, "data/zones.csv", ZONES.replace("192.0.2.2", "192.0.2.8"));
    run(project, "render").expect(0);
    git(project, &["commit", "-qam", "two"]);
    for (depth, status, code) in [("1", 0, "warning[zone::unchecked]"), ("2", 1, "error[zone::serial]")] {
        let url = format!("file://{}", project.display());
        let clone = tempfile::tempdir().unwrap();
        git(clone.path(), &["clone", "-q", "--depth", depth, &url, "c"]);
        let checked = run(&clone.path().join("c"), "check").expect(status);
        assert!(checked.stderr.contains(code), "{}", checked.stderr);
    }
}

#[test]
fn without_git_golden_is_what_is_served() {
    let folder = project();
    let project = folder.path();
    run(project, "render").expect(0);
    write(project, "data/zones.csv", ZONES.replace("192.0.2.2", "192.0.2.8"));
    let refused = run(project, "check").expect(1);
    assert!(refused.stderr.contains("zone::serial"), "{}", refused.stderr);
    run(project, "render --bump").expect(0);
    assert!(read(project, "data/zones.csv").contains("example.net,8,192.0.2.8"));
    run(project, "render --bump").expect(0);
    assert!(read(project, "data/zones.csv").contains("example.net,8,192.0.2.8"));
}
