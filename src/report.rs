//! What a run says, as text: for people, as JSON, for GitHub's workflow log, as SARIF, and as a comment for a review.
//!
//! Everything here is a function from values to text on an [`io::Write`]; which stream that is, and whether it
//! wants colours, the command line decides.

use std::collections::BTreeSet;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cause::Cause;
use crate::diagnostic::{Diagnostic, Place, Severity, code};
use crate::golden::ChangeKind;
use crate::native::Checked;
use crate::source::{Position, Sources};

mod causes;
mod github;
mod human;
mod markdown;
mod sarif;

pub use causes::{causes, extent};
pub use github::github;
pub use human::{Marked, closing, excerpt, human};
pub use markdown::{Reached, ReachedArtifact, Review, Reviewed, markdown};
pub use sarif::sarif;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to report.
    Clean,
    /// The golden tree is not what the sources give, or was edited by hand; of two revisions, they give other artifacts.
    Differs,
    /// A format, a lint or a native check found something.
    Findings,
    /// The command line, the project, its data, templates or rules are wrong.
    Error,
}

/// An artifact and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ArtifactChange {
    /// Its path, relative to the project's root: `golden/prod/postfix/master.cf`.
    pub path: String,
    /// What happens to it.
    pub change: ChangeKind,
    /// The SHA-256 of its bytes in hexadecimal digits; null where it is deleted.
    pub sha256: Option<String>,
    /// Its length; null where it is deleted.
    pub bytes: Option<u64>,
}

/// The result of render, diff or check.
#[derive(Debug, Clone)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// All artifacts.
    pub artifacts: Vec<ArtifactChange>,
    /// What makes artifacts differ.
    pub causes: Vec<Cause>,
    /// What makes them, and what hosts have to do.
    pub reached: Vec<Reached>,
    /// The native checks that were asked for.
    pub checks: Vec<Checked>,
    /// What was found, in the order of [`crate::diagnostic::Diagnostics::sorted`].
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// The diagnostics, and one for each artifact that differs where they do not name it yet.
    fn findings(&self) -> Vec<Diagnostic> {
        let of_golden = self.diagnostics.iter().filter(|diagnostic| diagnostic.code.starts_with("golden::"));
        let named: BTreeSet<&str> = of_golden
            .flat_map(|diagnostic| &diagnostic.labels)
            .filter_map(|label| match &label.place {
                Place::File(file) => Some(file.as_str()),
                Place::Span(_) => None,
            })
            .collect();
        let differing = self
            .artifacts
            .iter()
            .filter(|artifact| self.status != Status::Error && artifact.change != ChangeKind::Unchanged)
            .filter(|artifact| !named.contains(artifact.path.as_str()))
            .map(|artifact| {
                let what = match artifact.change {
                    ChangeKind::Created => "is missing",
                    ChangeKind::Deleted => "is no longer made",
                    ChangeKind::Changed | ChangeKind::Unchanged => "is not what the sources give",
                };
                Diagnostic::error(&code::GOLDEN_STALE, format!("`{}` {what}", artifact.path))
                    .at_file(artifact.path.as_str(), "")
                    .hint("run `confwright render` and commit the result")
            });
        self.diagnostics.iter().cloned().chain(differing).collect()
    }
}

/// The JSON document of render, diff and check.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "The result of confwright render, diff or check")]
pub(crate) struct Document<'a> {
    /// How the run ended.
    status: Status,
    /// All artifacts, sorted by path.
    artifacts: &'a [ArtifactChange],
    /// What makes artifacts differ; empty for render.
    causes: &'a [Cause],
    /// The instances of targets whose artifacts differ, and what hosts have to do; of diff.
    reached: &'a [Reached],
    /// The native checks and how they went; of check --native.
    checks: &'a [Checked],
    /// What was found, sorted by place.
    diagnostics: Vec<DiagnosticDocument<'a>>,
}

/// One thing that was found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Diagnostic")]
pub(crate) struct DiagnosticDocument<'a> {
    /// The stable identifier, such as `table::type`.
    id: &'a str,
    /// How bad it is.
    severity: Severity,
    /// One phrase: what was expected and what was found.
    message: &'a str,
    /// The places; the first is where the mistake is.
    labels: Vec<LabelDocument<'a>>,
    /// What to do about it.
    hints: &'a [String],
}

/// A place.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Label")]
struct LabelDocument<'a> {
    /// The file, relative to the project's root.
    path: &'a str,
    /// The line, from 1; null where the file as a whole is meant.
    line: Option<usize>,
    /// The column in characters, from 1; null where the file as a whole is meant.
    column: Option<usize>,
    /// What to know about the place.
    text: &'a str,
}

/// The diagnostics as they stand in JSON documents.
pub(crate) fn diagnostics<'a>(sources: &'a Sources, list: &'a [Diagnostic]) -> Vec<DiagnosticDocument<'a>> {
    list.iter()
        .map(|diagnostic| DiagnosticDocument {
            id: &diagnostic.code,
            severity: diagnostic.severity,
            message: &diagnostic.message,
            labels: diagnostic
                .labels
                .iter()
                .map(|label| {
                    let (path, position) = locate(sources, &label.place);
                    LabelDocument {
                        path,
                        line: position.map(|position| position.line),
                        column: position.map(|position| position.column),
                        text: &label.text,
                    }
                })
                .collect(),
            hints: &diagnostic.hints,
        })
        .collect()
}

/// Writes the JSON document of render, diff and check.
pub fn json(out: &mut dyn Write, sources: &Sources, report: &Report) -> io::Result<()> {
    let document = Document {
        status: report.status,
        artifacts: &report.artifacts,
        causes: &report.causes,
        reached: &report.reached,
        checks: &report.checks,
        diagnostics: diagnostics(sources, &report.diagnostics),
    };
    document_as_json(out, &document)
}

/// Writes a value as one JSON document, indented, with a line break at its end.
pub fn document_as_json(mut out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, document)?;
    out.write_all(b"\n")
}

/// The path of a place, and where it begins, unless it is a file as a whole.
fn locate<'a>(sources: &'a Sources, place: &'a Place) -> (&'a str, Option<Position>) {
    match place {
        Place::Span(span) => {
            let (path, position) = sources.locate(*span);
            (path.as_str(), Some(position))
        }
        Place::File(path) => (path.as_str(), None),
    }
}

/// The message with what the labels and the hints say, for formats that know one text only.
fn prose(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let mut lines = vec![diagnostic.message.clone()];
    for (at, label) in diagnostic.labels.iter().enumerate() {
        match (at, label.text.as_str(), locate(sources, &label.place)) {
            (0, "", _) => {}
            (0, text, _) => lines.push(text.to_owned()),
            (_, text, (path, Some(position))) => lines.push(format!("{path}:{position}: {text}")),
            (_, text, (path, None)) => lines.push(format!("{path}: {text}")),
        }
    }
    lines.extend(diagnostic.hints.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;
    use serde_json::{Value, json};

    fn report() -> (Sources, Report) {
        let mut sources = Sources::default();
        let data = sources.add("data/a b,ü:%.csv", "\u{feff}ü,192.0.2.300\nx\n".as_bytes());
        let template = sources.add("t.tera", &b"{{ row.ip }}\n"[..]);
        let diagnostics = vec![
            Diagnostic::error(&code::TABLE_TYPE, "`192.0.2.300` is not 100% an\r\nIPv4 address: no, not")
                .at(Span::new(data, 6..17), "column `ip`")
                .at(Span::new(template, 3..9), "used here")
                .at_file("golden/b", "meant for this")
                .hint("did you mean `192.0.2.30`?"),
            Diagnostic { code: "rule::spare".into(), ..Diagnostic::warning(&code::RULE_FAILED, "one only") },
            Diagnostic::error(&code::GOLDEN_EDITED, "`golden/b` was edited").at_file("golden/b", ""),
        ];
        let artifact = |path: &str, change| {
            let made = change != ChangeKind::Deleted;
            ArtifactChange {
                path: path.into(),
                change,
                sha256: made.then(|| "ab".into()),
                bytes: made.then_some(1),
            }
        };
        let artifacts = vec![
            artifact("golden/a", ChangeKind::Unchanged),
            artifact("golden/b", ChangeKind::Changed),
            artifact("golden/c", ChangeKind::Created),
            artifact("golden/d", ChangeKind::Deleted),
            artifact("golden/e", ChangeKind::Changed),
        ];
        (
            sources,
            Report {
                status: Status::Differs,
                artifacts,
                causes: Vec::new(),
                reached: Vec::new(),
                checks: Vec::new(),
                diagnostics,
            },
        )
    }

    type Writer = fn(&mut dyn Write, &Sources, &Report) -> io::Result<()>;

    fn written(writer: Writer, (sources, report): &(Sources, Report)) -> String {
        let mut out = Vec::new();
        writer(&mut out, sources, report).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_json_document() {
        let text = written(json, &report());
        assert!(text.ends_with("}\n"));
        let document: Value = serde_json::from_str(&text).unwrap();
        let hash =
            |path: &str, change: &str| json!({"path": path, "change": change, "sha256": "ab", "bytes": 1});
        let expected = json!({
            "status": "differs",
            "artifacts": [
                hash("golden/a", "unchanged"),
                hash("golden/b", "changed"),
                hash("golden/c", "created"),
                {"path": "golden/d", "change": "deleted", "sha256": null, "bytes": null},
                hash("golden/e", "changed"),
            ],
            "causes": [],
            "reached": [],
            "checks": [],
            "diagnostics": [
                {
                    "id": "table::type",
                    "severity": "error",
                    "message": "`192.0.2.300` is not 100% an\r\nIPv4 address: no, not",
                    "labels": [
                        {"path": "data/a b,ü:%.csv", "line": 1, "column": 3, "text": "column `ip`"},
                        {"path": "t.tera", "line": 1, "column": 4, "text": "used here"},
                        {"path": "golden/b", "line": null, "column": null, "text": "meant for this"},
                    ],
                    "hints": ["did you mean `192.0.2.30`?"],
                },
                {"id": "rule::spare", "severity": "warning", "message": "one only", "labels": [], "hints": []},
                {
                    "id": "golden::edited",
                    "severity": "error",
                    "message": "`golden/b` was edited",
                    "labels": [{"path": "golden/b", "line": null, "column": null, "text": ""}],
                    "hints": [],
                },
            ],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn the_schema_of_the_json_document_names_its_keys() {
        let schema = crate::schema::report();
        let keys = |pointer: &str| -> Vec<String> {
            let object = schema.as_value().pointer(pointer).and_then(Value::as_object).unwrap();
            object.keys().cloned().collect()
        };
        let document: Value = serde_json::from_str(&written(json, &report())).unwrap();
        let written = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(keys("/properties"), written(&document));
        assert_eq!(keys("/definitions/ArtifactChange/properties"), written(&document["artifacts"][0]));
        assert_eq!(keys("/definitions/Diagnostic/properties"), written(&document["diagnostics"][0]));
        assert_eq!(keys("/definitions/Label/properties"), written(&document["diagnostics"][0]["labels"][0]));
    }

    #[test]
    fn workflow_commands_are_escaped() {
        let expected = [
            "::error file=data/a b%2Cü%3A%25.csv,line=1,col=3,title=table%3A%3Atype::`192.0.2.300` is not 100%25 an%0D%0AIPv4 address: no, not%0Acolumn `ip`%0At.tera:1:4: used here%0Agolden/b: meant for this%0Ahint: did you mean `192.0.2.30`?",
            "::warning title=rule%3A%3Aspare::one only",
            "::error file=golden/b,title=golden%3A%3Aedited::`golden/b` was edited",
            "::error file=golden/c,title=golden%3A%3Astale::`golden/c` is missing%0Ahint: run `confwright render` and commit the result",
            "::error file=golden/d,title=golden%3A%3Astale::`golden/d` is no longer made%0Ahint: run `confwright render` and commit the result",
            "::error file=golden/e,title=golden%3A%3Astale::`golden/e` is not what the sources give%0Ahint: run `confwright render` and commit the result",
        ];
        assert_eq!(written(github, &report()).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_sarif_log() {
        let log: Value = serde_json::from_str(&written(sarif, &report())).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(run["columnKind"], "unicodeCodePoints");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), crate::diagnostic::CODES.len() + 1);
        let results = run["results"].as_array().unwrap();
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(rules[index]["help"]["text"].as_str().is_some_and(|text| text.len() > 5));
        }
        let ids: Vec<_> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
        let stale = "golden::stale";
        assert_eq!(ids, ["table::type", "rule::spare", "golden::edited", stale, stale, stale]);
        let first = json!([{"physicalLocation": {
            "artifactLocation": {"uri": "data/a%20b,%C3%BC:%25.csv", "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1, "startColumn": 3, "endLine": 1, "endColumn": 14},
        }}]);
        assert_eq!(results[0]["locations"], first);
        assert_eq!(results[0]["level"], "error");
        assert_eq!(results[0]["relatedLocations"][0]["message"]["text"], "used here");
        assert_eq!(
            results[0]["relatedLocations"][1]["physicalLocation"]["artifactLocation"]["uri"],
            "golden/b"
        );
        assert_eq!((&results[1]["level"], &results[1]["locations"]), (&json!("warning"), &json!([])));
    }

    #[test]
    fn an_error_says_nothing_of_the_golden_tree() {
        let (sources, mut report) = report();
        report.status = Status::Error;
        report.diagnostics.clear();
        assert_eq!(written(github, &(sources, report)), "");
    }
}
