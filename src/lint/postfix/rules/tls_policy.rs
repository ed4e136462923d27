use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::tls-policy", about: "A TLS policy of a map is none." },
    why: "Mail for that destination waits: `invalid security level`, `invalid attribute name`. A policy is a level, and behind it \
          `name=value` each.",
    bad: Example {
        files: &[
            ("main.cf", "smtp_tls_policy_maps = texthash:$config_directory/tls_policy\n"),
            ("tls_policy", "example.net encript\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "smtp_tls_policy_maps = texthash:$config_directory/tls_policy\n"),
            ("tls_policy", "example.net encrypt protocols=>=TLSv1.2\n"),
        ],
    },
    check,
};

/// What stands behind the level.
const ATTRIBUTES: &[&str] = &[
    "ciphers",
    "connection_reuse",
    "enable_rpk",
    "exclude",
    "match",
    "policy_failure",
    "policy_string",
    "policy_ttl",
    "policy_type",
    "protocols",
    "mx_host_pattern",
    "policy_domain",
    "servername",
    "tafile",
];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let Some(levels) = instance.facts.words.get("smtp_tls_security_level") else { return };
    for (service, setting) in instance.effective() {
        if !matches!(setting.name.as_str(), "smtp_tls_policy_maps" | "lmtp_tls_policy_maps") {
            continue;
        }
        for entry in instance.entries(service, &setting.name).0 {
            let mut words = entry.value.split([' ', ',', '\t']).filter(|word| !word.is_empty());
            let level = words.next().unwrap_or_default().to_ascii_lowercase();
            if !levels.known.contains(&level.as_str()) && !level.contains('$') {
                let message = format!("there is no level of TLS `{level}`");
                let finding = Finding::new(&RULE.code, entry.place.clone(), message);
                findings.push(finding.nearest(&level, levels.known.iter().copied()));
            }
            for word in words.filter(|word| !word.starts_with(['{', '$'])) {
                let name = word.split('=').next().unwrap_or_default();
                if !word.contains('=') || !ATTRIBUTES.contains(&name) {
                    let message = format!("`{word}` is no attribute of a TLS policy");
                    let finding = Finding::new(&RULE.code, entry.place.clone(), message);
                    findings.push(finding.nearest(name, ATTRIBUTES.iter().copied()));
                    break;
                }
            }
        }
    }
}
