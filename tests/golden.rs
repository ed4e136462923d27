//! The golden tree under real trouble: a full disk, and a render that is killed.

#![expect(clippy::disallowed_methods, reason = "the tests do to the tree what people do")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests count as no tests")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use confwright::diagnostic::Diagnostics;
use confwright::golden::{PlannedArtifact, Scope};
use confwright::write::Batch;

/// Renders `count` artifacts of `bytes` bytes each, filled with `fill`.
fn render(root: &Utf8Path, count: usize, bytes: usize, fill: u8) -> Result<(), Diagnostics> {
    let mut batch = Batch::new(root, Arc::default());
    batch.open(Utf8Path::new("golden"), Scope::Whole)?;
    for number in 0..count {
        let artifact = PlannedArtifact {
            path: Utf8PathBuf::from(format!("hosts/{}/{number}.conf", number % 50)).into(),
            mode: 0o644,
            target: "hosts".into(),
            template: "host.tera".into(),
        };
        batch.trees()[0].stage::<Diagnostics>(&artifact, |out| {
            // The sink keeps its own error.
            let _ = out.write_all(&vec![fill; bytes]);
            Ok(())
        })?;
    }
    batch.commit(false).map(|_| ())
}

fn snapshot(root: &Utf8Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    walkdir::WalkDir::new(root)
        .min_depth(1)
        .into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let content =
                if entry.file_type().is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
            let mode = entry.metadata().unwrap().permissions().mode();
            (entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned(), (mode, content))
        })
        .collect()
}

/// A tiny file system that is unmounted when the test ends.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
            .arg(folder.path())
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                println!(
                    "skipped: no tmpfs may be mounted here: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("skipped: no tmpfs can be mounted here: {error}");
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_the_tree_as_it_was() {
    let Some(disk) = Tmpfs::mount() else { return };
    let root = Utf8Path::from_path(disk.0.path()).unwrap();
    let refused = render(root, 8, 100_000, b'0').unwrap_err();
    let message = refused.into_iter().next().unwrap().message;
    assert_eq!(message, "`golden/hosts/1/1.conf` cannot be written: No space left on device (os error 28)",);
    assert!(snapshot(root).is_empty());

    let mut full = 0;
    let mut filled = 0;
    render(root, 4, 4096, b'a').unwrap();
    // Less and less space is left, so that it ends at another step each time.
    for ballast in 0..40 {
        let _ = std::fs::write(root.join(format!("ballast{ballast}")), [0; 4096]);
        let before = snapshot(root);
        let fill = b'b' + ballast % 2;
        match render(root, 4, 4096, fill) {
            Ok(()) => filled += 1,
            Err(refused) => {
                full += 1;
                assert!(refused.into_iter().all(|diagnostic| diagnostic.code == "golden::write"));
                assert!(snapshot(root) == before, "ballast {ballast}");
            }
        }
    }
    assert!(full > 5 && filled > 5, "{full} {filled}");
}

/// Tells the child that the test below starts where to render, and what.
const CHILD: &str = "CONFWRIGHT_TEST_RENDER";

#[test]
fn a_killed_render_is_made_good_by_the_next() {
    const COUNT: usize = 2000;
    if let Ok(task) = std::env::var(CHILD) {
        let (fill, root) = task.split_at(1);
        render(Utf8Path::new(root), COUNT, 300, fill.as_bytes()[0]).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let wanted = tempfile::tempdir().unwrap();
    let wanted = Utf8Path::from_path(wanted.path()).unwrap();
    let start = Instant::now();
    render(wanted, COUNT, 300, b'z').unwrap();
    let whole = start.elapsed();
    let mut renaming = 0;
    for round in 0..9u32 {
        let fill = if round % 4 < 2 { 'x' } else { 'y' };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_render_is_made_good_by_the_next"])
            .env(CHILD, format!("{fill}{root}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pending = Path::new(root.as_str()).join("golden/manifest.pending.json");
        if round % 2 == 0 {
            // Spread over the whole of a render.
            std::thread::sleep(whole * round / 9);
        } else {
            while !pending.exists() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(Duration::from_millis(7) * round);
        }
        let _ = child.kill();
        child.wait().unwrap();
        renaming += u32::from(pending.exists());
        if round % 3 == 2 {
            render(root, COUNT, 300, b'z').unwrap();
            assert!(snapshot(root) == snapshot(wanted), "round {round}");
        }
    }
    assert!(renaming > 1, "{renaming} of the kills came between the first rename and the last");
    let sums = Command::new("sha256sum")
        .args(["--quiet", "-c", "SHA256SUMS"])
        .current_dir(root.join("golden"))
        .status();
    assert!(sums.unwrap().success());
}
