use camino::Utf8Path;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings, Found};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::stale-map",
        about: "A map has to be compiled with postmap(1), and its compiled file is missing or older than its source.",
    },
    why: "Postfix reads the compiled file only: what was changed since does nothing, and where it is missing, mail waits. \
          `texthash:` reads the source itself.",
    bad: Example {
        files: &[
            ("main.cf", "transport_maps = hash:$config_directory/transport\n"),
            ("transport", "example.org smtp:[192.0.2.9]\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "transport_maps = texthash:$config_directory/transport\n"),
            ("transport", "example.org smtp:[192.0.2.9]\n"),
        ],
    },
    check,
};

/// Types of maps with what the names of their compiled files end with.
const COMPILED: &[(&str, &str)] = &[
    ("hash", ".db"),
    ("btree", ".db"),
    ("dbm", ".pag"),
    ("sdbm", ".pag"),
    ("cdb", ".cdb"),
    ("lmdb", ".lmdb"),
];

/// Types that read the file that they name.
const PLAIN: &[&str] = &["texthash", "cidr", "regexp", "pcre"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for map in instance.map_names() {
        // What Postfix writes itself needs no source.
        if map.parameter.contains("cache")
            || map.parameter == "address_verify_map"
            || map.name.starts_with('{')
        {
            continue;
        }
        let source = instance.local(&map.name);
        // What lies elsewhere on this machine is another host's, where the configuration is not in its place.
        let is_ours = source.is_relative() || instance.files.is_host();
        let is_password = map.parameter.ends_with("_password_maps");
        let end = COMPILED.iter().find(|(kind, _)| *kind == map.kind).map(|(_, end)| end);
        let read = match end {
            Some(end) => format!("{source}{end}").into(),
            None if PLAIN.contains(&map.kind.as_str()) => source.clone(),
            None => continue,
        };
        let is_there = |path: &Utf8Path| matches!(instance.files.find(path), Found::File(_));
        let finding = |message: String| Finding::new(&RULE.code, map.place.clone(), message);
        let compile =
            format!("run `postmap {}:{}`, or read the source itself with `texthash:`", map.kind, map.name);
        match instance.files.find(&read) {
            Found::File(_) => {
                let times = (instance.files.modified(&source), instance.files.modified(&read));
                if end.is_some()
                    && is_ours
                    && is_there(&source)
                    && let (Some(source_time), Some(time)) = times
                    && time < source_time
                {
                    findings.push(finding(format!("`{read}` is older than `{source}`")).hint(compile));
                }
            }
            Found::Absent | Found::Unknown if end.is_some() && is_ours && is_there(&source) => {
                findings
                    .push(finding(format!("`{source}` is not compiled: `{read}` is missing")).hint(compile));
            }
            found => {
                let name = source.file_name().unwrap_or_default();
                let beside = instance.files.beside(&source);
                let near = crate::diagnostic::nearest(name, beside.iter().map(String::as_str));
                let near = near.filter(|_| source.is_relative());
                // Passwords are kept apart, where the configuration is not in its place.
                let is_missing =
                    found == Found::Absent && is_ours && (instance.files.is_host() || !is_password);
                if is_missing || near.is_some() {
                    let finding = finding(format!("`{read}` is missing"));
                    findings.push(match near {
                        Some(near) => finding.hint(format!("did you mean `{near}`?")),
                        None => finding,
                    });
                } else {
                    findings.unchecked(format!("the map `{}:{}`, which is not here", map.kind, map.name));
                }
            }
        }
    }
}
