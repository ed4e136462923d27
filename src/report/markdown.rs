//! What a change of the sources does to the artifacts, as a comment for a review on a code host.
//!
//! A host cuts or refuses what is too long: differences that do not fit are named, and not shown.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cause::{Cause, CauseKind, Reason, short};
use crate::golden::ChangeKind;

/// The comment is no longer than this many characters: GitHub takes 65,536.
const MOST: usize = 60_000;
/// The table has no more rows than this.
const ROWS: usize = 100;
/// No more artifacts than these are named of one command.
const PATHS: usize = 5;

/// What a review is about.
#[derive(Debug, Default)]
pub struct Review<'a> {
    /// The revision that is compared with; none for the golden tree.
    pub from: Option<&'a str>,
    /// The revision that is shown; none for the files that are there.
    pub to: Option<&'a str>,
    /// The artifacts that differ, sorted by path.
    pub artifacts: Vec<Reviewed>,
    /// What makes them differ.
    pub causes: Vec<Cause>,
    /// What makes them.
    pub reached: Vec<Reached>,
}

/// An artifact that differs.
#[derive(Debug)]
pub struct Reviewed {
    /// Its path, relative to the project's root.
    pub path: String,
    /// What happens to it.
    pub change: ChangeKind,
    /// How many lines are new.
    pub added: usize,
    /// How many lines are gone.
    pub removed: usize,
    /// The unified difference; empty where it is not to be shown.
    pub difference: String,
}

/// An instance of a target whose artifacts differ, and what its target says of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Reached {
    /// The environment; empty where the project names none.
    pub environment: String,
    /// The instance; empty for the project's own artifacts.
    pub target: String,
    /// The stage that its target is for; empty where it has none.
    pub stage: &'static str,
    /// The native validators that its target names.
    pub checks: Vec<String>,
    /// Those of its artifacts that differ.
    pub artifacts: Vec<ReachedArtifact>,
}

/// An artifact that differs, and what its target says of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReachedArtifact {
    /// Its path, relative to the project's root.
    pub path: String,
    /// What it decides; empty where the target does not say.
    pub about: String,
    /// The command that makes a host use it, empty where nothing has to be done; null where the target does not say.
    pub apply: Option<String>,
}

/// Writes a comment: a summary, the artifacts, what they reach, and the differences, folded.
pub fn markdown(out: &mut dyn Write, review: &Review<'_>) -> io::Result<()> {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = summary(&mut text, review);
    let _ = table(&mut text, review);
    let _ = causes(&mut text, &review.causes);
    let _ = reached(&mut text, &review.reached);
    let _ = applied(&mut text, &review.reached);
    differences(&mut text, &review.artifacts);
    out.write_all(text.as_bytes())
}

fn summary(out: &mut String, review: &Review<'_>) -> std::fmt::Result {
    let artifacts = &review.artifacts;
    let lines = artifacts.iter().fold((0, 0), |sum, one| (sum.0 + one.added, sum.1 + one.removed));
    match artifacts.len() {
        0 => writeln!(out, "### No artifact changes\n")?,
        1 => writeln!(out, "### 1 artifact changes: {}\n", counted(lines))?,
        count => writeln!(out, "### {count} artifacts change: {}\n", counted(lines))?,
    }
    let to = review.to.map_or("the work tree".to_owned(), code);
    match review.from {
        Some(from) => {
            writeln!(out, "What confwright makes of the sources in {to}, compared with {}.", code(from))
        }
        None => writeln!(out, "What confwright makes of the sources, compared with the golden tree."),
    }
}

fn table(out: &mut String, review: &Review<'_>) -> std::fmt::Result {
    let artifacts = &review.artifacts;
    if artifacts.is_empty() {
        return Ok(());
    }
    let about: HashMap<&str, &str> = (review.reached.iter().flat_map(|one| &one.artifacts))
        .filter(|artifact| !artifact.about.is_empty())
        .map(|artifact| (artifact.path.as_str(), artifact.about.as_str()))
        .collect();
    if about.is_empty() {
        writeln!(out, "\n| artifact | change | lines |\n| --- | --- | --- |")?;
    } else {
        writeln!(out, "\n| artifact | decides | change | lines |\n| --- | --- | --- | --- |")?;
    }
    for artifact in artifacts.iter().take(ROWS) {
        write!(out, "| {} |", cell(&code(&artifact.path)))?;
        if !about.is_empty() {
            let about = about.get(artifact.path.as_str()).copied().unwrap_or_default();
            write!(out, " {} |", cell(&words(about)))?;
        }
        writeln!(out, " {} | {} |", what(artifact), counted((artifact.added, artifact.removed)))?;
    }
    if artifacts.len() > ROWS {
        writeln!(out, "\nand {} more", artifacts.len() - ROWS)?;
    }
    Ok(())
}

fn causes(out: &mut String, causes: &[Cause]) -> std::fmt::Result {
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| cause | meaning | artifacts | lines |\n| --- | --- | --- | --- |")?;
    for cause in causes.iter().take(ROWS) {
        let place = cause.reason.place();
        let place = if place.is_empty() { String::new() } else { cell(&code(&place)) };
        let meaning = cell(&meaning(&cause.reason));
        // Where too much changed, lines are not counted.
        let lines = Some(cause.lines()).filter(|lines| *lines > 0).map(|lines| lines.to_string());
        writeln!(out, "| {place} | {meaning} | {} | {} |", cause.artifacts.len(), lines.unwrap_or_default())?;
    }
    if causes.len() > ROWS {
        writeln!(out, "\nand {} more", causes.len() - ROWS)?;
    }
    Ok(())
}

/// What a cause means, in words.
fn meaning(reason: &Reason) -> String {
    let edits = reason.edits.iter().map(|edit| {
        let side =
            |side: &Option<String>| side.as_deref().map_or("nothing".to_owned(), |text| code(&short(text)));
        format!("{}: {} → {}", code(&edit.name), side(&edit.from), side(&edit.to))
    });
    let edits: Vec<String> = edits.collect();
    if !edits.is_empty() {
        return edits.join(", ");
    }
    let names: Vec<String> = reason.names.iter().map(|name| code(name)).collect();
    let names = names.join(", ");
    match reason.kind {
        CauseKind::Cells | CauseKind::Value => format!("{names} changed"),
        CauseKind::NewRow => "the row is added".into(),
        CauseKind::RemovedRow => "the row is removed".into(),
        CauseKind::Row => "the row is another one, or decides something else".into(),
        CauseKind::Template if !names.is_empty() => {
            format!("the template says something else, or all of {names}")
        }
        CauseKind::Template => "the template says something else".into(),
        CauseKind::Condition => {
            format!("a condition on {names} turns out otherwise, or other text stands in it")
        }
        CauseKind::Declaration => "declared otherwise".into(),
        CauseKind::Order => "the rows stand in another order".into(),
        CauseKind::Edited => "golden was edited by hand".into(),
        CauseKind::Missing => "golden was deleted by hand".into(),
        CauseKind::Removed => "no longer made".into(),
        CauseKind::Unknown => "not known".into(),
        CauseKind::TooMuch => "too much changed to tell causes apart".into(),
    }
}

fn reached(out: &mut String, reached: &[Reached]) -> std::fmt::Result {
    if reached.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWhat it reaches:\n")?;
    for one in reached {
        match one.target.as_str() {
            "" => write!(out, "- the project's own artifacts")?,
            target => write!(out, "- target {}", code(target))?,
        }
        if !one.environment.is_empty() {
            write!(out, " in {}", code(&one.environment))?;
        }
        if !one.stage.is_empty() {
            write!(out, ", stage {}", one.stage)?;
        }
        write!(
            out,
            ": {}",
            match one.artifacts.len() {
                1 => "1 artifact".to_owned(),
                count => format!("{count} artifacts"),
            }
        )?;
        if !one.checks.is_empty() {
            let checks: Vec<String> = one.checks.iter().map(|check| code(check)).collect();
            write!(out, ", validated by {}", checks.join(", "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What makes the hosts use the artifacts, where targets say so: a line for each command and environment.
fn applied(out: &mut String, reached: &[Reached]) -> std::fmt::Result {
    let mut commands: IndexMap<(Option<&str>, &str), Vec<&str>> = IndexMap::new();
    for one in reached {
        for artifact in &one.artifacts {
            let key = (artifact.apply.as_deref(), one.environment.as_str());
            commands.entry(key).or_default().push(&artifact.path);
        }
    }
    if commands.keys().all(|(command, _)| command.is_none()) {
        return Ok(());
    }
    // What is not said comes last.
    commands.sort_by_cached_key(|(command, _), _| command.is_none());
    writeln!(out, "\nWhat the hosts have to do, once they have the files:\n")?;
    for ((command, environment), paths) in commands {
        match command {
            Some("") => write!(out, "- nothing")?,
            Some(command) => write!(out, "- {}", code(command))?,
            None => write!(out, "- not said by the target")?,
        }
        if !environment.is_empty() {
            write!(out, " in {}", code(environment))?;
        }
        let shown: Vec<String> = paths.iter().take(PATHS).map(|path| code(path)).collect();
        write!(out, ": {}", shown.join(", "))?;
        match paths.len().saturating_sub(PATHS) {
            0 => writeln!(out)?,
            more => writeln!(out, " and {more} more")?,
        }
    }
    Ok(())
}

/// The differences, as many as fit.
fn differences(out: &mut String, artifacts: &[Reviewed]) {
    let mut length = out.chars().count();
    let mut left_out = 0;
    for artifact in artifacts.iter().filter(|artifact| !artifact.difference.is_empty()) {
        let fence = "`".repeat(longest_run(&artifact.difference).max(2) + 1);
        let folded = format!(
            "\n<details><summary><code>{}</code> {}, {}</summary>\n\n{fence}diff\n{}{fence}\n\n</details>\n",
            html(&visible(&artifact.path)),
            what(artifact),
            counted((artifact.added, artifact.removed)),
            artifact.difference,
        );
        let long = folded.chars().count();
        if length + long > MOST {
            left_out += 1;
            continue;
        }
        length += long;
        out.push_str(&folded);
    }
    if left_out > 0 {
        let them =
            if left_out == 1 { "1 difference does".to_owned() } else { format!("{left_out} differences do") };
        let _ = writeln!(out, "\n{them} not fit into a comment; `confwright diff` shows all.");
    }
}

fn what(artifact: &Reviewed) -> &'static str {
    match artifact.change {
        // An artifact that differs, and not in its bytes.
        ChangeKind::Unchanged => "mode",
        change => change.name(),
    }
}

fn counted((added, removed): (usize, usize)) -> String {
    format!("+{added} −{removed}")
}

/// A text as code, whatever is in it.
fn code(text: &str) -> String {
    let text = visible(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    // The blanks are no part of the code; without them its own backticks would be the fence's.
    let blank = if text.contains('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// The length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A line without control characters.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// What stands in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A text as words, whatever is in it.
fn words(text: &str) -> String {
    let mut words = String::new();
    for character in html(&visible(text)).chars() {
        if "\\`*_[]~#".contains(character) {
            words.push('\\');
        }
        words.push(character);
    }
    words
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviewed(path: &str, difference: &str) -> Reviewed {
        Reviewed {
            path: path.into(),
            change: ChangeKind::Changed,
            added: 1,
            removed: 2,
            difference: difference.into(),
        }
    }

    fn written(artifacts: Vec<Reviewed>) -> String {
        let mut out = Vec::new();
        markdown(&mut out, &Review { from: Some("main"), artifacts, ..Review::default() }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_and_contents_cannot_break_out() {
        let text = written(vec![reviewed("golden/a`|<b>\n&", "@@ -1 +1 @@\n-```\n+````\n")]);
        assert!(text.contains("| `` golden/a`\\|<b>\\n& `` | changed | +1 −2 |\n"), "{text}");
        assert!(
            text.contains("<code>golden/a`|&lt;b&gt;\\n&amp;</code> changed, +1 −2</summary>\n\n`````diff\n"),
            "{text}"
        );
        assert!(text.ends_with("+````\n`````\n\n</details>\n"), "{text}");
    }

    #[test]
    fn hosts_are_told_what_to_do() {
        let artifact = |path: &str, about: &str, apply: Option<&str>| ReachedArtifact {
            path: path.into(),
            about: about.into(),
            apply: apply.map(str::to_owned),
        };
        let reached = |environment: &str, artifacts: Vec<ReachedArtifact>| Reached {
            environment: environment.into(),
            target: "web".into(),
            stage: "config",
            checks: Vec::new(),
            artifacts,
        };
        let said = |reached: Vec<Reached>| {
            let artifacts = vec![reviewed("a", ""), reviewed("b", "")];
            let mut out = Vec::new();
            markdown(&mut out, &Review { artifacts, reached, ..Review::default() }).unwrap();
            String::from_utf8(out).unwrap()
        };
        let many = (0..7).map(|number| artifact(&format!("s{number}"), "", Some("reload")));
        let mut lab = vec![
            artifact("a", "*all* | <b>", None),
            artifact("c", "", Some("")),
            artifact("d", "", Some("reload")),
        ];
        lab.extend(many);
        let text = said(vec![reached("lab", lab), reached("prod", vec![artifact("b", "", Some("reload"))])]);
        let table = "| artifact | decides | change | lines |\n| --- | --- | --- | --- |\n\
                     | `a` | \\*all\\* \\| &lt;b&gt; | changed | +1 −2 |\n| `b` |  | changed | +1 −2 |\n";
        assert!(text.contains(table), "{text}");
        let todo = "What the hosts have to do, once they have the files:\n\n- nothing in `lab`: `c`\n\
                    - `reload` in `lab`: `d`, `s0`, `s1`, `s2`, `s3` and 3 more\n\
                    - `reload` in `prod`: `b`\n- not said by the target in `lab`: `a`\n";
        assert!(text.contains(todo), "{text}");
        let text = said(vec![reached("", vec![artifact("a", "", None)])]);
        assert!(!text.contains("hosts") && !text.contains("decides"), "{text}");
    }

    #[test]
    fn a_comment_has_an_end() {
        let long = "+line\n".repeat(4_000);
        let many = (0..300)
            .map(|number| reviewed(&format!("golden/{number}"), if number < 5 { &long } else { "+x\n" }));
        let text = written(many.collect());
        assert!(text.chars().count() < 65_000, "{}", text.len());
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(text.contains("\nand 200 more\n") && text.contains("differences do not fit"), "{text}");
        assert!(!text.contains("### 1 artifact"));
    }

    #[test]
    fn nothing_is_said_in_a_sentence() {
        let text = written(Vec::new());
        assert!(text.starts_with("### No artifact changes\n\n") && text.lines().count() == 3, "{text}");
    }
}
