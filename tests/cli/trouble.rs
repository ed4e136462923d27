//! The golden tree when the machine is in the way: no space, no permission, another render, a killed one.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{confwright, differences, lay_over, run, snapshot, tests, write};

/// The base of the cases, in a folder of its own.
fn base() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&tests().join("cases/_base"), folder.path());
    folder
}

/// Renames a row of the base, so that a render has something to write.
fn change(folder: &Path) {
    let rows = std::fs::read_to_string(folder.join("data/mx.csv")).unwrap();
    write(folder, "data/mx.csv", rows.replace("mx02", "mx12"));
}

/// A file system in memory over the golden tree of a project, unmounted at the end.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    /// Nothing where this user may not mount, which is printed.
    fn new(folder: &'a Path, size: &str) -> Option<Self> {
        let golden = folder.join("golden");
        std::fs::create_dir_all(&golden).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(golden).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                println!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: nothing can be mounted: {error}");
                None
            }
        }
    }

    fn read_only(&self) {
        let golden = self.0.join("golden");
        assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(golden).status().unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.join("golden")).status();
    }
}

/// A render that must fail at writing, and change nothing.
fn refused(folder: &Path, message: &str) {
    let before = snapshot(folder);
    for arguments in ["render", "render --force", "render --format json"] {
        let run = run(folder, arguments).expect(2);
        assert!((run.stderr + &run.stdout).contains(message), "{arguments}");
        assert_eq!(differences(&before, &snapshot(folder)), [""; 0], "{arguments}");
    }
}

#[test]
fn a_full_disk_leaves_golden_as_it_was() {
    let folder = base();
    let Some(_mount) = Mount::new(folder.path(), "size=64k") else { return };
    run(folder.path(), "render").expect(0);
    // 6000 lines do not fit, and neither do 600 files.
    let template = "{% for number in range(end=6000) %}{{ number }} {{ values.domain }}\n{% endfor %}";
    let main = std::fs::read(folder.path().join("templates/mta/main.cf.tera")).unwrap();
    write(folder.path(), "templates/mta/main.cf.tera", template);
    refused(folder.path(), "No space left on device");

    write(folder.path(), "templates/mta/main.cf.tera", main);
    let rows = (0..600).map(|n| format!("192.0.{}.{},mx{n}.example.org,,alpha,x\n", n / 256, n % 256));
    let table = format!("ip,fqdn,port,host,note\n{}", rows.collect::<String>());
    write(folder.path(), "data/mx.csv", table);
    refused(folder.path(), "No space left on device");
}

#[test]
fn a_golden_tree_that_cannot_be_written_is_left_as_it_was() {
    let folder = base();
    let golden = folder.path().join("golden");
    let read_only = |yes: bool| {
        for entry in walkdir::WalkDir::new(&golden) {
            let entry = entry.unwrap();
            let mut permissions = entry.metadata().unwrap().permissions();
            permissions.set_readonly(yes);
            std::fs::set_permissions(entry.path(), permissions).unwrap();
        }
    };
    read_only(true);
    if std::fs::write(golden.join("probe"), "").is_err() {
        change(folder.path());
        refused(folder.path(), "golden::write");
        read_only(false);
        return;
    }
    // The superuser may write all the same, but not to a file system that is read-only.
    std::fs::remove_file(golden.join("probe")).unwrap();
    let Some(mount) = Mount::new(folder.path(), "size=1m") else { return };
    run(folder.path(), "render").expect(0);
    mount.read_only();
    // What is right already needs no writing.
    run(folder.path(), "check").expect(0);
    change(folder.path());
    refused(folder.path(), "Read-only file system");
    run(folder.path(), "diff").expect(1);
}

#[test]
fn a_second_render_at_the_same_time_is_refused() {
    let folder = base();
    change(folder.path());
    let lock = File::open(folder.path().join("golden")).unwrap();
    lock.lock().unwrap();
    refused(folder.path(), "another render is writing `golden`");
    run(folder.path(), "check").expect(1);
    drop(lock);
    run(folder.path(), "render").expect(0);
    run(folder.path(), "check").expect(0);
}

#[test]
fn many_renders_at_once_leave_one_whole_tree() {
    let folder = base();
    for round in 0..5 {
        let table = (1..40).map(|n| format!("192.0.2.{n},mx{round}-{n}.example.org,,beta,\n"));
        write(folder.path(), "data/mx.csv", format!("ip,fqdn,port,host,note\n{}", table.collect::<String>()));
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = confwright(folder.path());
                command.args(["render", "--force"]).stdout(Stdio::null()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let mut written = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            match output.status.code() {
                Some(0) => written += 1,
                Some(2) => assert!(stderr.contains("error[golden::locked]"), "{stderr}"),
                _ => panic!("{stderr}"),
            }
        }
        assert!(written > 0);
        run(folder.path(), "check").expect(0);
    }
}

/// A project with an artifact for each of 2000 rows, in two states.
fn large(state: char) -> TempDir {
    // Thousands of files take seconds on a disk, and a process dies in memory as well.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let files = [
        (
            "confwright.toml",
            "[tables.hosts]\nsource = \"hosts.csv\"\nkey = \"name\"\n\n[[artifact]]\ntemplate = \"host.tera\"\n\
             each = \"hosts\"\npath = \"hosts/{{ row.name }}.conf\"\n",
        ),
        ("templates/host.tera", "name {{ row.name }}\ntext {{ row.text }}\n"),
    ];
    for (path, content) in files {
        write(folder.path(), path, content);
    }
    set_state(folder.path(), state);
    folder
}

fn set_state(folder: &Path, state: char) {
    let text = String::from(state).repeat(200);
    // Some rows are in one state only, so that files come and go.
    let name = |n: usize| if n.is_multiple_of(10) { format!("{state}{n}") } else { format!("h{n}") };
    let rows = (0..2000).map(|n| format!("{},{text}{n}\n", name(n)));
    write(folder, "hosts.csv", format!("name,text\n{}", rows.collect::<String>()));
}

#[test]
fn a_killed_render_is_made_good_by_the_next() {
    const KILLS: u32 = 12;
    let wanted = [large('a'), large('b')];
    let start = Instant::now();
    for folder in &wanted {
        run(folder.path(), "render").expect(0);
    }
    let whole = start.elapsed() / 2;
    let wanted = wanted.map(|folder| snapshot(&folder.path().join("golden")));

    let folder = large('a');
    run(folder.path(), "render").expect(0);
    let (mut half_way, mut ended) = (0, 0);
    for round in 0..KILLS {
        let state = usize::from(round % 2 == 0);
        set_state(folder.path(), ['a', 'b'][state]);
        let mut child = confwright(folder.path()).args(["render", "-q"]).spawn().unwrap();
        let pending = folder.path().join("golden/manifest.pending.json");
        if round % 3 == 0 {
            std::thread::sleep(whole * round / KILLS);
        } else {
            // From the first rename to the last.
            while !pending.exists() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(100));
            }
            std::thread::sleep(Duration::from_millis(2) * round);
        }
        child.kill().unwrap();
        ended += u32::from(child.wait().unwrap().success());
        half_way += u32::from(pending.exists());
        if round % 4 == 3 {
            // Killed on the way to one state, and asked for the other one.
            set_state(folder.path(), ['b', 'a'][state]);
            run(folder.path(), "render").expect(0);
            assert!(snapshot(&folder.path().join("golden")) == wanted[1 - state], "round {round}");
        } else {
            run(folder.path(), "render").expect(0);
            assert!(snapshot(&folder.path().join("golden")) == wanted[state], "round {round}");
        }
    }
    run(folder.path(), "check").expect(0);
    assert!(ended < KILLS / 2 && half_way > 1, "{half_way} kills between the renames, {ended} too late");
}

#[test]
fn a_source_that_changes_meanwhile_is_told() {
    let folder = base();
    let table = folder.path().join("data/hosts.csv");
    // Many rows: they are read at once, and then take their time.
    let mut rows: String = (0..100_000).map(|row| format!("host{row},1\n")).collect();
    rows.insert_str(0, "name,rack\nalpha,1\nbeta,2\n");
    std::fs::write(&table, &rows).unwrap();
    let before = snapshot(&folder.path().join("golden"));
    let mut child =
        confwright(folder.path()).arg("render").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // The first line is how many bytes it has read so far (proc_pid_io(5)).
    let counters = format!("/proc/{}/io", child.id());
    let read = || {
        let text = std::fs::read_to_string(&counters).unwrap_or_default();
        text.lines().next()?.strip_prefix("rchar: ")?.parse::<usize>().ok()
    };
    while read().is_some_and(|count| count < rows.len()) && child.try_wait().unwrap().is_none() {}
    std::fs::write(&table, rows.replace("beta,2", "beta,3")).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("error[source::changed]: "), "{stderr}");
    assert_eq!(differences(&before, &snapshot(&folder.path().join("golden"))), [""; 0]);
}

#[test]
fn output_that_cannot_be_printed_does_not_undo_a_render() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let folder = base();
    let render = |arguments: &[&str]| {
        let mut command = confwright(folder.path());
        command.arg("render").args(arguments).stdout(Stdio::null());
        command
    };
    change(folder.path());
    let status = render(&[]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    run(folder.path(), "check").expect(0);
    for arguments in [&[][..], &["--format", "json"]] {
        let base = std::fs::read(tests().join("cases/_base/data/mx.csv")).unwrap();
        write(folder.path(), "data/mx.csv", base);
        run(folder.path(), "render").expect(0);
        change(folder.path());
        let output = render(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: the output cannot be written"));
        run(folder.path(), "check").expect(0);
    }
    // What was not written is told as ever.
    write(folder.path(), "data/mx.csv", "broken");
    let status = render(&["--format", "json"]).stdout(full()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_pipe_is_no_source() {
    for path in ["confwright.toml", "templates/mta/target.toml", "templates/mta/main.cf.tera", "data/mx.csv"]
    {
        let folder = base();
        let place = folder.path().join(path);
        std::fs::remove_file(&place).unwrap();
        assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
        // It would wait for a writer.
        let output = confwright(folder.path()).arg("render").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{path}: {stderr}");
        assert!(stderr.contains("it is not a regular file"), "{path}: {stderr}");
    }
}
