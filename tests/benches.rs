//! The benchmarks work: every program that they compare makes the same bytes. No time is asserted here.

use std::process::Command;

#[test]
fn all_programs_make_the_same_bytes() {
    let program = env!("CARGO_BIN_EXE_confwright");
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/run");
    // In the place of the Tera loop, which would have to be built for it, only the others are run.
    let output = Command::new("python3")
        .args(["-B", run, "--smoke", "--confwright", program])
        .output()
        .expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("| confwright against |"), "{printed}");
}
