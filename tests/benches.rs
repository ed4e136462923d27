//! The benchmarks work: every program that they compare makes the same bytes. No time is asserted here.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// The benchmarks of this program in the place of the peers in Rust, which would have to be built for it.
fn benches(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new("python3");
    command.args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/benches/run"), "--folder"]).arg(folder.path());
    command.args(["--confwright", env!("CARGO_BIN_EXE_confwright")]);
    command
}

fn is_empty(folder: &tempfile::TempDir) -> bool {
    folder.path().read_dir().expect("it was just made").next().is_none()
}

#[test]
fn all_programs_make_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let output = benches(&folder).arg("--smoke").output().expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for workload in ["w64", "w100k", "filters", "by-tera", "w1m", "each", "explain-1m", "explain"] {
        assert!(printed.contains(&format!("| [{workload}](#{workload}) |")), "{printed}");
    }
    assert!(is_empty(&folder));
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    for signal in ["INT", "TERM", "HUP"] {
        let folder = tempfile::tempdir().unwrap();
        // So many rounds that it cannot be over before.
        let mut command = benches(&folder);
        let mut child = command
            .args(["--only", "w64", "--rounds", "1000000"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut told = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
        assert!(told.starts_with("w64: "), "{told}");
        while is_empty(&folder) {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        let sent =
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(!child.wait().unwrap().success());
        assert!(is_empty(&folder), "after {signal}");
    }
}
