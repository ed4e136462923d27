//! `confwright new`, and what the program says of itself.

use std::process::Output;

use serde_json::Value;

use crate::support::{confwright, snapshot, tests};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The output of a run that ends well.
fn good(output: &Output) -> (String, String) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    (stdout, stderr)
}

/// The targets of this repository.
fn targets() -> Vec<String> {
    let templates = tests().parent().unwrap().join("templates");
    let mut names: Vec<String> = std::fs::read_dir(templates)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_project_of_every_target_and_of_all_is_ready() {
    let all = targets();
    let mut choices: Vec<Vec<String>> = all.iter().map(|name| vec![name.clone()]).collect();
    choices.push(all.clone());
    choices.push(all.into_iter().rev().collect());
    choices.push(Vec::new());
    for choice in choices {
        let root = tempfile::tempdir().unwrap();
        let mut command = confwright(root.path());
        command.args(["new", "deep/er"]);
        for target in &choice {
            command.args(["--target", target]);
        }
        let (stdout, stderr) = good(&command.output().unwrap());
        assert!(stdout.contains("cd deep/er\n"), "{stdout}");
        assert_eq!(stderr, "");

        let run = |arguments: &[&str]| {
            good(&confwright(root.path()).args(["-C", "deep/er"]).args(arguments).output().unwrap())
        };
        run(&["render"]);
        let (again, _) = run(&["render"]);
        assert!(again.starts_with("golden is up to date"), "{choice:?}: {again}");
        run(&["diff"]);
        let (_, checked) = run(&["check"]);
        // Nobody has the certificates of the examples.
        let warnings = checked.matches("warning[").count();
        assert_eq!(warnings, checked.matches("warning[table::unchecked]").count(), "{choice:?}: {checked}");
        assert!(!root.path().join("deep/er/templates").join("starter").exists());

        let before = snapshot(root.path());
        let refused = confwright(root.path()).args(["new", "deep/er"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert_eq!(snapshot(root.path()), before);
    }
}

#[test]
fn the_document_lists_what_was_made() {
    let root = tempfile::tempdir().unwrap();
    let output = confwright(root.path()).args(["-C", "there", "new", "net", "--format", "json"]).output();
    let (stdout, stderr) = good(&output.unwrap());
    assert_eq!(stderr, "");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["directory"], "there/net");
    assert_eq!(document["project"], "net");
    assert_eq!(document["targets"], serde_json::json!(["hosts"]));
    let files = document["files"].as_array().unwrap();
    for file in files {
        assert!(root.path().join("there/net").join(file.as_str().unwrap()).is_file(), "{file}");
    }
    let made = walkdir::WalkDir::new(root.path()).into_iter();
    assert_eq!(made.filter(|entry| entry.as_ref().unwrap().file_type().is_file()).count(), files.len());
}

#[test]
fn the_program_describes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| good(&confwright(folder.path()).args(arguments).output().unwrap()).0;
    let overview = run(&["man"]);
    for command in confwright::cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        assert!(overview.contains(&format!("confwright-{name}").replace('-', "\\-")), "{name}");
        assert!(run(&["man", name]).contains(".SH NAME"), "{name}");
        assert!(run(&["completions", "bash"]).contains(name), "{name}");
    }
    for what in ["project", "target", "report", "list", "new"] {
        let schema: Value = serde_json::from_str(&run(&["schema", what])).unwrap();
        assert_eq!(schema["type"], "object", "{what}");
    }
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(run(&["completions", shell]).contains("confwright"), "{shell}");
    }
}
