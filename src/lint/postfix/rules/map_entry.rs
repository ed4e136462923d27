use std::collections::BTreeMap;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::Table;
use crate::lint::postfix::networks::network;
use crate::lint::postfix::read::Entry;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::map-entry", about: "An entry of a lookup table has no effect." },
    why: "Postfix logs it at most: a key without a value is skipped, and so is a network with bits of an address behind its \
          prefix and a pattern that does not end; of two entries with one key one counts.",
    bad: Example {
        files: &[
            ("main.cf", "transport_maps = texthash:$config_directory/transport\n"),
            ("transport", "example.org smtp:[192.0.2.9]\nexample.org smtp:[192.0.2.10]\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "transport_maps = texthash:$config_directory/transport\n"),
            ("transport", "example.org smtp:[192.0.2.9]\nexample.net smtp:[192.0.2.10]\n"),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let mut judged: Vec<(String, String)> = Vec::new();
    for map in instance.map_names() {
        let name = (map.kind.clone(), map.name.clone());
        let Table::Entries(entries) = instance.table(&map) else { continue };
        // What many name is told once.
        if judged.contains(&name) {
            continue;
        }
        judged.push(name);
        let finding = |place: &Place, message: String| Finding::new(&RULE.code, place.clone(), message);
        if matches!(map.kind.as_str(), "static" | "inline") {
            continue;
        }
        let is_pattern = matches!(map.kind.as_str(), "cidr" | "pcre" | "regexp");
        let mut seen: BTreeMap<String, Place> = BTreeMap::new();
        for entry in &entries {
            if is_pattern {
                if let Some(why) = pattern_fault(&map.kind, entry) {
                    findings.push(finding(&entry.key_place, format!("`{}` {why}: it is skipped", entry.key)));
                }
                continue;
            }
            if entry.value.is_empty() {
                findings
                    .push(finding(&entry.key_place, format!("`{}` has no value: it is skipped", entry.key)));
            }
            // Keys are looked up in lower case.
            if let Some(first) = seen.insert(entry.key.to_lowercase(), entry.key_place.clone()) {
                let message = format!("`{}` is there twice: one of them counts", entry.key);
                findings.push(finding(&entry.key_place, message).other(first, "the other one"));
            }
        }
    }
}

/// What is wrong with an entry of a table of patterns.
fn pattern_fault(kind: &str, entry: &Entry) -> Option<&'static str> {
    let key = entry.key.as_str();
    if matches!(key.to_ascii_lowercase().as_str(), "if" | "endif") || key.starts_with("if") {
        return None;
    }
    if entry.value.is_empty() {
        return Some("has no value");
    }
    let bare = key.strip_prefix('!').unwrap_or(key);
    if kind == "cidr" {
        return network(bare).err();
    }
    let begin = bare.chars().next()?;
    if begin.is_alphanumeric() {
        return Some("is no pattern: one stands between `/` and `/`");
    }
    (!bare[begin.len_utf8()..].contains(begin)).then_some("has no end")
}
