//! Ends that come early: interrupts, and readers that have seen enough.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Run, confwright, project, run, snapshot, write};

const COUNT: usize = 2000;

const TOML: &str = "
[project]
name = 'many'
[tables.hosts]
source = 'hosts.csv'
key = 'name'
[[artifact]]
template = 'host.tera'
each = 'hosts'
path = 'hosts/{{ row.name }}.conf'
";

/// A project of many artifacts whose golden tree is rendered, and sources that change all of them.
fn stale() -> TempDir {
    let mut table = "name\n".to_owned();
    for number in 0..COUNT {
        writeln!(table, "host{number:04}.example.org").unwrap();
    }
    let template = "name = {{ row.name }}\n";
    let folder =
        project(&[("confwright.toml", TOML), ("hosts.csv", &table), ("templates/host.tera", template)]);
    run(folder.path(), "render --quiet").expect(0);
    write(folder.path(), "templates/host.tera", "# changed\nname = {{ row.name }}\n");
    folder
}

fn spawn(folder: &Path, arguments: &str) -> Child {
    let mut command = confwright(folder);
    command.args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Sends a signal once a path exists, and waits for the end.
fn interrupt(mut child: Child, signal: &str, once: &Path) -> Run {
    while !once.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status();
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_interrupted_render_leaves_golden_as_it_was() {
    let folder = stale();
    let golden = folder.path().join("golden");
    let before = snapshot(&golden);
    for signal in ["-INT", "-TERM"] {
        let ended = interrupt(spawn(folder.path(), "render"), signal, &golden.join(".staging")).expect(2);
        assert_eq!(ended.stderr.matches("error[golden::interrupted]").count(), 1, "{}", ended.stderr);
        assert!(ended.stdout.is_empty());
        assert!(snapshot(&golden) == before);
    }
    run(folder.path(), "render").expect(0);
    run(folder.path(), "check").expect(0);
}

#[test]
fn a_commit_that_has_begun_is_taken_back() {
    let folder = stale();
    let golden = folder.path().join("golden");
    let mut before = snapshot(&golden);
    let mut taken_back = 0;
    for round in 0..6 {
        let ended = interrupt(spawn(folder.path(), "render"), "-INT", &golden.join("manifest.pending.json"));
        if ended.status == 2 {
            assert_eq!(ended.stderr.matches("error[golden::interrupted]").count(), 1, "{}", ended.stderr);
            assert!(snapshot(&golden) == before);
            taken_back += 1;
        } else {
            // The last file was in its place already.
            ended.expect(0);
            run(folder.path(), "check").expect(0);
            before = snapshot(&golden);
            write(folder.path(), "templates/host.tera", format!("# {round}\nname = {{{{ row.name }}}}\n"));
        }
    }
    assert!(taken_back > 0);
    run(folder.path(), "render").expect(0);
}

#[test]
fn an_interrupted_check_says_that_it_knows_nothing() {
    let folder = stale();
    run(folder.path(), "render").expect(0);
    // Before the first of the many compiles an interrupt simply ends it: wait longer each time.
    let stopped = (1..).find_map(|tries| {
        let mut child = spawn(folder.path(), "check --deterministic");
        std::thread::sleep(Duration::from_millis(100) * tries);
        assert!(child.try_wait().unwrap().is_none(), "the check was faster than its interrupt");
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        output.status.code().is_some().then(|| Run::from(output))
    });
    assert_eq!(
        stopped.unwrap().expect(2).stderr,
        "error[golden::interrupted]: the check was interrupted; it has written nothing\n\n\
         error: 1 error, whether every compile gives the same bytes is not known\n"
    );
}

/// Whether nothing is said but what makes the artifacts differ.
fn is_silent(stderr: &str) -> bool {
    stderr.is_empty() || stderr.trim_start().starts_with("caused by:")
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = stale();
    for (arguments, status) in
        [("list", 0), ("list --format json", 0), ("diff", 1), ("diff --format json", 1)]
    {
        let mut child = spawn(folder.path(), arguments);
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        // The pipe is closed now, long before all could be written: it takes no more than 64 KiB.
        let ended = Run::from(child.wait_with_output().unwrap()).expect(status);
        assert!(is_silent(&ended.stderr), "{arguments}: {}", ended.stderr);
        assert!(run(folder.path(), arguments).stdout.len() > 80_000, "{arguments}");
    }
    // Diagnostics too; the gate stays shut.
    let mut child = spawn(folder.path(), "check");
    let mut byte = [0];
    child.stderr.take().unwrap().read_exact(&mut byte).unwrap();
    Run::from(child.wait_with_output().unwrap()).expect(1);
}

#[test]
fn head_in_a_real_pipeline_says_nothing() {
    let folder = stale();
    let program = confwright(folder.path()).get_program().to_owned();
    for (arguments, status) in [("list", "0"), ("diff", "1"), ("--help", "0")] {
        let script = format!("{{ \"$0\" {arguments}; echo $? >status; }} | head -n 1");
        let output =
            Command::new("sh").arg("-c").arg(script).arg(&program).current_dir(folder.path()).output();
        let output = Run::from(output.unwrap()).expect(0);
        assert!(is_silent(&output.stderr), "{arguments}: {}", output.stderr);
        assert_eq!(output.stdout.lines().count(), 1, "{arguments}");
        assert_eq!(
            std::fs::read_to_string(folder.path().join("status")).unwrap().trim(),
            status,
            "{arguments}"
        );
    }
}
