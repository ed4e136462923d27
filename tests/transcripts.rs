//! The terminal transcripts in README.md and `docs/` are run, and their output compared: they cannot rot.
//!
//! In a block marked `console`, lines that begin with `$ ` are commands and `> ` goes on with one; what follows is
//! what they print on both streams. The blocks of a page are one session in a folder of its own.
//! `UPDATE_DOCS=1 cargo test --test transcripts` writes the output anew.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads and writes the repository's own documentation"
)]
#![expect(clippy::unwrap_used, reason = "helpers of tests count as no tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command of a transcript.
struct Step {
    /// The lines that show it, with their prompts.
    shown: Vec<String>,
    script: String,
    output: Vec<String>,
}

/// A shell session: its folder and the status of its last command go from step to step.
struct Session {
    home: tempfile::TempDir,
    folder: PathBuf,
    status: i32,
}

impl Session {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_owned();
        Self { home, folder, status: 0 }
    }

    /// Runs a command and gives what it prints, on both streams.
    fn run(&mut self, script: &str) -> Vec<String> {
        let binaries = Path::new(env!("CARGO_BIN_EXE_confwright")).parent().unwrap();
        let left = self.home.path().join(".left");
        let script = format!(
            "exec 2>&1; (exit {})\n{script}\nstatus=$?; pwd > {}; exit $status",
            self.status,
            left.display()
        );
        let output = Command::new("bash")
            .arg("-c")
            .arg(script)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        self.status = output.status.code().unwrap();
        let folder = std::fs::read_to_string(&left).unwrap();
        self.folder = PathBuf::from(folder.trim_end());
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut lines = Vec::new();
        let mut all = printed.lines().map(|line| line.trim_end().to_owned());
        while let Some(line) = all.next() {
            // Where a machine gives no namespaces, native checks warn of it.
            if line.starts_with("warning[native::network]") {
                all.by_ref().find(String::is_empty);
            } else {
                lines.push(line);
            }
        }
        lines
    }
}

/// The page as running it gives it.
fn replayed(page: &str) -> String {
    let mut session = Session::new();
    let mut out: Vec<String> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push(line.to_owned());
        if line != "```console" {
            continue;
        }
        let mut steps: Vec<Step> = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            if let Some(command) = line.strip_prefix("$ ") {
                let shown = vec![line.to_owned()];
                steps.push(Step { shown, script: command.to_owned(), output: Vec::new() });
                continue;
            }
            let step = steps.last_mut().expect("a transcript begins with a command");
            match line.strip_prefix("> ").or_else(|| line.strip_prefix('>').filter(|rest| rest.is_empty())) {
                Some(more) if step.output.is_empty() => {
                    step.shown.push(line.to_owned());
                    step.script.push('\n');
                    step.script.push_str(more);
                }
                _ => step.output.push(line.to_owned()),
            }
        }
        for step in steps {
            out.extend(step.shown);
            out.extend(session.run(&step.script));
        }
        out.push("```".to_owned());
    }
    out.join("\n") + "\n"
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([root.join("README.md")])
        .collect();
    pages.sort();
    pages
}

#[test]
fn what_the_pages_show_is_what_happens() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut blocks = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        blocks += page.matches("```console\n").count();
        let replayed = replayed(&page);
        if update && replayed != page {
            std::fs::write(&path, replayed).unwrap();
        } else {
            is_current(&path, &page, &replayed);
        }
    }
    assert!(blocks > 2, "the pages show only {blocks} transcripts");
}

fn is_current(path: &Path, page: &str, replayed: &str) {
    let differs = page.lines().zip(replayed.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| page.lines().count().min(replayed.lines().count()));
    assert!(
        page == replayed,
        "{}:{}: this line is not what running it gives: {:?}",
        path.display(),
        at + 1,
        replayed.lines().nth(at)
    );
}

#[test]
fn a_session_keeps_its_folder_and_status() {
    let page = "```console\n$ mkdir a && cd a\n$ pwd | sed 's,.*/,,'\nwrong\n$ false\n$ echo $?\n$ cat <<'E'\n> one\n>\n> two\n> E\n```\nrest\n";
    let expected = "```console\n$ mkdir a && cd a\n$ pwd | sed 's,.*/,,'\na\n$ false\n$ echo $?\n1\n$ cat <<'E'\n> one\n>\n> two\n> E\none\n\ntwo\n```\nrest\n";
    assert_eq!(replayed(page), expected);
}
