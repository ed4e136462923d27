//! SARIF 2.1.0, the interchange format of static analysis.

use std::io::{self, Write};

use indexmap::IndexSet;
use serde_json::{Value as Json, json};
use url::Url;

use super::{Report, document_as_json, locate, prose};
use crate::diagnostic::{CODES, Diagnostic, Label, Place, Severity};
use crate::source::Sources;

/// Writes one SARIF log with a result for each finding.
pub fn sarif(out: &mut dyn Write, sources: &Sources, report: &Report) -> io::Result<()> {
    let findings = report.findings();
    // The catalogue first, then the ids that a project gives to its own rules.
    let ids: IndexSet<&str> = CODES
        .iter()
        .map(|code| code.id)
        .chain(findings.iter().map(|diagnostic| diagnostic.code.as_ref()))
        .collect();
    let rules: Vec<Json> = ids.iter().map(|id| rule(id)).collect();
    let results: Vec<Json> = findings
        .iter()
        .map(|diagnostic| result(sources, diagnostic, ids.get_index_of(diagnostic.code.as_ref())))
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    document_as_json(out, &log)
}

fn rule(id: &str) -> Json {
    let about = CODES.iter().find(|code| code.id == id).map_or("A rule of the project.", |code| code.about);
    json!({ "id": id, "shortDescription": { "text": about }, "help": { "text": about } })
}

fn result(sources: &Sources, diagnostic: &Diagnostic, rule: Option<usize>) -> Json {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": prose(sources, diagnostic) },
        "locations": [],
    });
    if let Some((first, others)) = diagnostic.labels.split_first() {
        result["locations"] = json!([{ "physicalLocation": place(sources, first) }]);
        let related = others.iter().enumerate().map(|(at, label)| {
            json!({
                "id": at + 1,
                "physicalLocation": place(sources, label),
                "message": { "text": label.text },
            })
        });
        result["relatedLocations"] = related.collect();
    }
    result
}

fn place(sources: &Sources, label: &Label) -> Json {
    let (path, start) = locate(sources, &label.place);
    let mut place = json!({ "artifactLocation": { "uri": uri(path), "uriBaseId": "%SRCROOT%" } });
    if let (Place::Span(span), Some(start)) = (&label.place, start) {
        let end = sources.file(span.file).position(span.end);
        place["region"] = json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        });
    }
    place
}

/// A relative path as a URI reference.
fn uri(path: &str) -> String {
    let encoded = Url::parse("file:///").ok().and_then(|mut url| {
        url.path_segments_mut().ok()?.clear().extend(path.split('/'));
        Some(url.path().trim_start_matches('/').to_owned())
    });
    encoded.unwrap_or_else(|| path.to_owned())
}
