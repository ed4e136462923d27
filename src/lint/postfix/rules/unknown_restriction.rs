use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::{RESTRICTIONS, Restriction, names_map, takes_argument};
use crate::lint::postfix::networks::is_name;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::unknown-restriction",
        about: "A list of restrictions has a name in it that is none, or one without the argument that it needs.",
    },
    why: "`postfix check` does not look at them. smtpd then answers every mail with `451 Server configuration error`.",
    bad: Example {
        files: &[("main.cf", "smtpd_relay_restrictions = permit_mynetwork, reject_unauth_destination\n")],
    },
    good: Example {
        files: &[("main.cf", "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n")],
    },
    check,
};

/// What these lists know beside maps.
const REWRITE: &[&str] = &[
    "permit_inet_interfaces",
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "permit_tls_clientcerts",
    "permit_tls_all_clientcerts",
    "check_address_map",
];
const POSTSCREEN: &[&str] = &["permit_mynetworks", "permit", "reject", "dunno"];

/// What has been given up.
const GONE: &[&str] = &["check_relay_domains", "permit_naked_ip_address"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        if name == "postscreen_dnsbl_sites" {
            for item in instance.items(service, setting) {
                let (list, weight) = item.text.split_once('*').unwrap_or((&item.text, "1"));
                let why = match weight.parse::<i32>() {
                    Ok(_) => list_fault(list),
                    Err(_) => Some("has a weight that is no whole number"),
                };
                let message = |why| format!("`{}` in `{name}` {why}", item.text);
                findings
                    .list
                    .extend(why.map(|why| Finding::new(&RULE.code, item.place.clone(), message(why))));
            }
        }
        let is_list = RESTRICTIONS.contains(&name) || instance.classes().iter().any(|class| class == name);
        let other = match name {
            "local_header_rewrite_clients" => Some(REWRITE),
            "postscreen_access_list" => Some(POSTSCREEN),
            _ => None,
        };
        if !is_list && other.is_none() {
            continue;
        }
        for restriction in instance.restrictions(&instance.items(service, setting)) {
            let finding = match other {
                Some(known) => outside(&restriction, known, name),
                None => judge(instance, &restriction),
            };
            findings.list.extend(finding);
            if let Some(argument) = restriction.argument.filter(|_| names_map(&restriction.name)) {
                results(instance, instance.entries_of(&argument).unwrap_or_default(), findings);
            }
        }
    }
}

/// A restriction in one of the lists of other programs.
fn outside(restriction: &Restriction, known: &[&str], list: &str) -> Option<Finding> {
    let name = restriction.name.as_str();
    if known.contains(&name) || name.contains(':') || name.starts_with('/') {
        return None;
    }
    let message = format!("`{list}` knows no `{name}`");
    Some(Finding::new(&RULE.code, restriction.place.clone(), message).nearest(name, known.iter().copied()))
}

fn judge(instance: &Instance<'_>, restriction: &Restriction) -> Option<Finding> {
    let name = restriction.name.as_str();
    let finding = |message: String| Finding::new(&RULE.code, restriction.place.clone(), message);
    if GONE.contains(&name) {
        return Some(
            finding(format!("`{name}` does not exist any more"))
                .hint("see postconf(5) for what to use instead"),
        );
    }
    if instance.facts.restrictions.contains(name) && name != "check_address_map" {
        if !takes_argument(name) {
            return None;
        }
        let Some(argument) = &restriction.argument else {
            let what = if names_map(name) { "the map that it looks into" } else { "an argument" };
            let message = format!("`{name}` has to be followed by {what}");
            return Some(
                finding(message).hint("write it behind the name, as in `check_client_access cidr:/path`"),
            );
        };
        let text = argument.text.as_str();
        if (names_map(name) || name == "check_policy_service") && !text.contains(':') {
            let message = format!("`{text}` is no map and no server: `{name}` wants `type:name`");
            return Some(Finding::new(&RULE.code, argument.place.clone(), message));
        }
        let asks_dns = name.starts_with("reject_rbl")
            || name.starts_with("reject_rhsbl_")
            || name.starts_with("permit_");
        let why = asks_dns.then(|| list_fault(text)).flatten()?;
        let message = format!("`{text}` behind `{name}` {why}");
        let hint = "write a domain such as `dnsbl.example.org`, or `dnsbl.example.org=127.0.0.[2..9]`";
        return Some(Finding::new(&RULE.code, argument.place.clone(), message).hint(hint));
    }
    // A table stands for the access check of its list.
    let is_class = instance.classes().iter().any(|class| class.eq_ignore_ascii_case(name));
    if is_class || name.contains(':') || !instance.is_certain(None, name) {
        return None;
    }
    let names =
        instance.facts.restrictions.iter().copied().chain(instance.classes().iter().map(String::as_str));
    Some(finding(format!("there is no restriction `{name}`")).nearest(name, names))
}

/// What is wrong with a list of the DNS, as `domain` or `domain=d.d.d.d`, where each `d` may be `[a..b;c]`.
fn list_fault(text: &str) -> Option<&'static str> {
    let (domain, pattern) =
        text.split_once('=').map_or((text, None), |(domain, pattern)| (domain, Some(pattern)));
    if domain.contains('$') || text.contains(['{', '/']) {
        return None;
    }
    if !is_name(domain, true) || !domain.contains('.') {
        return Some("is no domain of a list");
    }
    let is_byte = |text: &str| text.parse::<u8>().is_ok();
    let is_range =
        |text: &str| text.split_once("..").map_or_else(|| is_byte(text), |(a, b)| is_byte(a) && is_byte(b));
    let is_part = |text: &str| match text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.split(';').all(is_range),
        None => is_byte(text),
    };
    // The dots of ranges divide nothing.
    let parts = pattern?.replace("..", "-");
    let parts: Vec<String> = parts.split('.').map(|part| part.replace('-', "..")).collect();
    (parts.len() != 4 || !parts.iter().all(|part| is_part(part)))
        .then_some("has a pattern that is no address")
}

/// What the results of an access table may begin with, as of access(5).
const ACTIONS: &[&str] = &[
    "ok",
    "reject",
    "defer",
    "dunno",
    "filter",
    "hold",
    "discard",
    "redirect",
    "bcc",
    "prepend",
    "warn",
    "info",
    "delay",
    "defer_if_permit",
    "defer_if_reject",
    "relay",
    "permit",
    "silent-discard",
];

/// Judges the results of an access table, which may be restrictions.
fn results(
    instance: &Instance<'_>,
    entries: Vec<crate::lint::postfix::read::Entry>,
    findings: &mut Findings,
) {
    for entry in entries {
        let first = entry.value.split([' ', ',', '\t']).find(|word| !word.is_empty()).unwrap_or_default();
        let lower = first.to_ascii_lowercase();
        let is_code = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        let is_enhanced =
            first.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let known = is_code
            || is_enhanced
            || ACTIONS.contains(&lower.as_str())
            || instance.facts.restrictions.contains(lower.as_str())
            || instance.classes().iter().any(|class| class.eq_ignore_ascii_case(first))
            || lower == "warn_if_reject"
            || first.contains([':', '$'])
            || matches!(entry.key.as_str(), "if" | "endif" | "IF" | "ENDIF")
            || first.is_empty();
        if !known {
            let message = format!("`{first}` is neither an action nor a restriction");
            let names = ACTIONS.iter().copied().chain(instance.facts.restrictions.iter().copied());
            findings.push(Finding::new(&RULE.code, entry.place, message).nearest(&lower, names));
        }
    }
}
