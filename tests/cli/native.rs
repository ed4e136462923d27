//! Native checks where more than their words matters: processes, the network, folders, and whose commands run.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Run, confwright, lay_over, project, snapshot, write};

/// A project with one check, a script of its target, and the folders that the program may use.
struct Lab {
    project: TempDir,
    places: TempDir,
}

impl Lab {
    fn new(script: &str) -> Self {
        let target = "stage = \"config\"\n[[artifact]]\ntemplate = \"a.tera\"\npath = \"a\"\nmode = \"0755\"\n\
                      [[check]]\nname = \"c\"\ncommand = [\"sh\", \"{target}/check\", \"{root}\"]\n";
        let project = project(&[
            ("confwright.toml", "[targets.t]\n"),
            ("templates/t/target.toml", target),
            ("templates/t/a.tera", "#!/bin/sh\n"),
            ("templates/t/check", script),
        ]);
        let lab = Self { project, places: tempfile::tempdir().unwrap() };
        std::fs::create_dir(lab.place("temporary")).unwrap();
        lab.run("render").expect(0);
        lab
    }

    fn place(&self, name: &str) -> std::path::PathBuf {
        self.places.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = confwright(self.project.path());
        command.args(arguments.split_whitespace());
        command.env("XDG_STATE_HOME", self.place("state")).env("TMPDIR", self.place("temporary"));
        command
    }

    fn run(&self, arguments: &str) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    /// Trusts the check and runs it; nothing may be left then.
    fn check(&self) -> Run {
        self.run("trust").expect(0);
        let run = self.run("check --native");
        assert!(snapshot(&self.place("temporary")).is_empty());
        run
    }
}

/// Whether this machine gives the namespaces that cut checks off; where it does not, the program says so.
fn is_cut_off(run: &Run) -> bool {
    !run.stderr.contains("warning[native::network]")
}

#[test]
fn the_network_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
    let run = Lab::new(&script).check();
    // With the network it reaches the listener.
    assert_eq!(run.status, i32::from(is_cut_off(&run)), "{run:?}");
}

#[test]
fn a_check_sees_no_other_process() {
    // Each process shows its variables there.
    let lab = Lab::new("! grep -qs 'SECRET=[s]een' /proc/[0-9]*/environ");
    lab.run("trust").expect(0);
    let run: Run = lab.command("check --native").env("SECRET", "seen").output().unwrap().into();
    let gives = |options: &[&str]| {
        let all = options.iter().chain(&["--net", "--pid", "--fork", "--mount-proc", "true"]);
        Command::new("unshare").args(all).output().is_ok_and(|output| output.status.success())
    };
    // Where the machine gives no processes of its own, it does see them.
    assert_eq!(run.status, i32::from(!gives(&[]) && !gives(&["--map-root-user"])), "{run:?}");
}

#[test]
fn the_loopback_of_a_check_is_up() {
    let run = Lab::new(
        "[ $(grep -c : /proc/net/dev) != 1 ] || [ $(cat /sys/class/net/lo/flags) = 0x9 ]\n\
                        exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' 2>&1 | grep refused",
    )
    .check();
    // Nobody listens there; without an interface there would be no way at all.
    run.expect(0);
}

#[test]
fn what_a_check_starts_ends_with_it() {
    let lab = Lab::new("");
    let alive = lab.place("alive");
    let script =
        format!("(while :; do : >{}; sleep 0.01; done) >/dev/null 2>&1 &\nsleep 0.1\n", alive.display());
    write(lab.project.path(), "templates/t/check", script);
    lab.check().expect(0);
    assert!(alive.exists());
    std::fs::remove_file(&alive).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!alive.exists(), "it still writes");
}

#[test]
fn what_a_check_sees() {
    let lab = Lab::new(
        "[ \"$(pwd -P)\" = \"$1\" ] && [ \"$HOME\" = \"$1\" ] || echo folder\n\
         env | cut -d= -f1 | sort | tr '\\n' ' '; ls -A; [ -x a ] && echo executable; [ -t 0 ] && echo terminal\n\
         cat; : >left; mkdir -p $TMPDIR/left; echo \"$PATH\" | grep -c bin-of-project; exit 1\n",
    );
    let own = lab.project.path().join("bin-of-project");
    std::fs::create_dir(&own).unwrap();
    lab.run("trust").expect(0);
    let path = format!("{}:.:{}", own.display(), std::env::var("PATH").unwrap());
    let run: Run =
        lab.command("check --native").env("PATH", path).env("SECRET", "x").output().unwrap().into();
    let run = run.expect(1);
    // What the shell itself sets stands beside it.
    let said = run.stderr.lines().find(|line| line.starts_with("error[native::failed]")).unwrap();
    assert!(said.ends_with(": HOME LC_ALL PATH PWD TMPDIR a"), "{run:?}");
    assert!(run.stderr.contains("it goes on: 0\n"), "{run:?}");
    for word in ["executable", "terminal", "folder"] {
        assert!(!run.stderr.contains(&format!("it goes on: {word}")), "{run:?}");
    }
}

#[test]
fn the_copy_is_of_what_the_sources_give_and_not_of_golden() {
    let lab = Lab::new("grep -q fresh \"$1/a\"");
    write(lab.project.path(), "templates/t/a.tera", "fresh\n");
    let run = lab.check().expect(1);
    assert!(run.stdout.contains("native checks: 1 passed"), "{run:?}");
    assert!(run.stderr.contains("golden::stale"), "{run:?}");
}

#[test]
fn there_has_to_be_room_for_a_copy() {
    let lab = Lab::new("");
    lab.run("trust").expect(0);
    std::fs::remove_dir(lab.place("temporary")).unwrap();
    let run = lab.run("check --native").expect(1);
    assert!(
        run.stderr.contains("error[native::run]: the check `c` of `t` in `golden` cannot be run"),
        "{run:?}"
    );
}

#[test]
fn without_namespaces_a_check_runs_and_it_is_said() {
    // No `unshare` is found where it is not on the way.
    let lab = Lab::new("");
    write(lab.places.path(), "bin/unshare", "#!/bin/sh\nexit 1\n");
    let unshare = lab.place("bin/unshare");
    Command::new("chmod").arg("755").arg(&unshare).status().unwrap();
    lab.run("trust").expect(0);
    let path = format!("{}:{}", lab.place("bin").display(), std::env::var("PATH").unwrap());
    let run: Run = lab.command("check --native").env("PATH", path).output().unwrap().into();
    let run = run.expect(0);
    assert!(run.stdout.contains("native checks: 1 passed"), "{run:?}");
    assert_eq!(run.stderr.matches("warning[native::network]").count(), 1, "{run:?}");
}

#[test]
fn a_record_has_to_lie_outside_of_the_project() {
    let lab = Lab::new("");
    let inside = lab.project.path().join("state");
    let link = lab.place("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    std::fs::create_dir(&inside).unwrap();
    for state in [&inside, &link] {
        for command in ["trust", "check --native"] {
            let run: Run = lab.command(command).env("XDG_STATE_HOME", state).output().unwrap().into();
            let run = run.expect(2);
            assert!(
                run.stderr.contains("error[native::trust]") && run.stderr.contains("lies in the project"),
                "{run:?}"
            );
        }
    }
    assert!(snapshot(&inside).is_empty());
}

#[test]
fn a_record_has_to_have_a_place_and_to_be_readable() {
    let lab = Lab::new("");
    let run: Run = lab.command("check --native").env_remove("XDG_STATE_HOME").output().unwrap().into();
    let run = run.expect(2);
    assert!(run.stderr.contains("neither XDG_STATE_HOME nor HOME names a folder"), "{run:?}");
    assert!(run.stderr.contains("--trust-revision REV"), "{run:?}");
    write(lab.places.path(), "state/confwright/trusted.json", "{");
    for command in ["trust", "check --native"] {
        let run = lab.run(command).expect(2);
        assert!(run.stderr.contains("trusted.json` is damaged"), "{run:?}");
    }
}

#[test]
fn a_record_is_of_one_project_and_of_one_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new("");
    lab.check().expect(0);
    let file = lab.place("state/confwright/trusted.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // The same through a link, which leads to the same folder, and not in a copy of it.
    let link = lab.place("project");
    std::os::unix::fs::symlink(lab.project.path(), &link).unwrap();
    lab.run(&format!("-C {} check --native", link.display())).expect(0);
    let copy = lab.place("copy");
    std::fs::create_dir(&copy).unwrap();
    lay_over(lab.project.path(), &copy);
    let run = lab.run(&format!("-C {} check --native", copy.display())).expect(2);
    assert!(run.stderr.contains("error[native::untrusted]"), "{run:?}");
}

#[test]
fn a_command_may_not_name_the_project_where_it_lies() {
    let lab = Lab::new("");
    let script = lab.project.path().join("templates/t/check");
    let link = lab.place("script");
    std::os::unix::fs::symlink(&script, &link).unwrap();
    for named in [&script, &link] {
        let target = std::fs::read_to_string(lab.project.path().join("templates/t/target.toml")).unwrap();
        let word = |path: &Path| target.replace("{target}/check", path.to_str().unwrap());
        write(lab.project.path(), "templates/t/target.toml", word(named));
        lab.run("trust").expect(0);
        let run = lab.run("check --native").expect(2);
        assert!(run.stderr.contains("names a file of the project where it lies"), "{run:?}");
        write(lab.project.path(), "templates/t/target.toml", target);
    }
}

#[test]
fn what_the_program_brings_needs_no_word() {
    let folder = tempfile::tempdir().unwrap();
    let run: Run = confwright(folder.path())
        .args(["new", "p", "--target", "nginx", "--target", "postfix"])
        .output()
        .unwrap()
        .into();
    run.expect(0);
    let run: Run = confwright(&folder.path().join("p"))
        .args(["trust", "--list"])
        .env("HOME", folder.path().join("home"))
        .output()
        .unwrap()
        .into();
    let run = run.expect(0);
    assert!(run.stdout.contains("trusted: confwright brings it"), "{run:?}");
    assert!(!run.stdout.contains("not trusted"), "{run:?}");
}
