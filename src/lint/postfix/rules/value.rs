use std::net::IpAddr;

use super::Rule;
use crate::diagnostic::{Code, nearest};
use crate::lint::postfix::Instance;
use crate::lint::postfix::facts::Kind;
use crate::lint::postfix::lists::Item;
use crate::lint::postfix::networks::{looks_like_network, network};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::value", about: "A value is not of the kind that its parameter takes." },
    why: "A program that reads it does not start (`bad boolean configuration`), or answers mail with an error. Judged are \
          yes and no, numbers, times, addresses, networks, and the parameters that take one of a few words.",
    bad: Example { files: &[("main.cf", "smtpd_helo_required = true\nqueue_run_delay = 5min\n")] },
    good: Example { files: &[("main.cf", "smtpd_helo_required = yes\nqueue_run_delay = 5m\n")] },
    check,
};

const SERVER_LEVELS: &[&str] = &["none", "may", "encrypt"];
const CLIENT_LEVELS: &[&str] =
    &["none", "may", "encrypt", "dane", "dane-only", "half-dane", "fingerprint", "verify", "secure"];
const CIPHERS: &[&str] = &["export", "low", "medium", "high", "null"];
const DSN: &[&str] = &["accept", "reject", "tempfail", "quarantine", "shutdown"];
const ACTIONS: &[&str] = &["ignore", "enforce", "drop"];
const FAMILIES: &[&str] = &["all", "ipv4", "ipv6"];
const PREFERENCES: &[&str] = &["any", "ipv4", "ipv6"];
const BARE: &[&str] = &["yes", "no", "normalize", "note", "reject"];
const STYLES: &[&str] = &["class", "subnet", "host"];
const OVERRIDES: &[&str] =
    &["no_unknown_recipient_checks", "no_address_mappings", "no_header_body_checks", "no_milters"];
const NOTICES: &[&str] =
    &["bounce", "2bounce", "data", "delay", "policy", "protocol", "resource", "software"];
const DNS: &[&str] = &["disabled", "enabled", "dnssec"];
const LOOKUPS: &[&str] = &["dns", "native"];
const SASL: &[&str] =
    &["noplaintext", "noactive", "nodictionary", "noanonymous", "mutual_auth", "forward_secrecy"];
const EHLO: &[&str] = &[
    "8bitmime",
    "auth",
    "chunking",
    "dsn",
    "enhancedstatuscodes",
    "etrn",
    "limits",
    "pipelining",
    "requiretls",
    "silent-discard",
    "size",
    "smtputf8",
    "starttls",
    "verp",
    "vrfy",
    "xclient",
    "xforward",
    "xverp",
    "bdat",
];

/// The words of which the items of a parameter are; and whether it is one.
fn words(name: &str) -> Option<(&'static [&'static str], bool)> {
    Some(match name {
        "smtpd_tls_security_level" | "tlsproxy_tls_security_level" => (SERVER_LEVELS, true),
        "smtp_tls_security_level" | "lmtp_tls_security_level" | "tlsproxy_client_security_level" => {
            (CLIENT_LEVELS, true)
        }
        "milter_default_action" => (DSN, true),
        "inet_protocols" => (FAMILIES, false),
        "smtp_address_preference" | "lmtp_address_preference" => (PREFERENCES, true),
        "smtpd_forbid_bare_newline" => (BARE, true),
        "mynetworks_style" => (STYLES, true),
        "receive_override_options" => (OVERRIDES, false),
        "notify_classes" => (NOTICES, false),
        "smtp_dns_support_level" | "lmtp_dns_support_level" => (DNS, true),
        "smtp_host_lookup" | "lmtp_host_lookup" => (LOOKUPS, false),
        _ if name.ends_with("_tls_ciphers") || name.ends_with("_tls_mandatory_ciphers") => (CIPHERS, true),
        _ if name.ends_with("_discard_ehlo_keywords") || name.ends_with("_discard_lhlo_keywords") => {
            (EHLO, false)
        }
        _ if name.ends_with("_sasl_security_options") || name.ends_with("_sasl_tls_security_options") => {
            (SASL, false)
        }
        _ if name.starts_with("postscreen_") && name.ends_with("_action") => (ACTIONS, true),
        _ => return None,
    })
}

/// Lists of networks.
const NETWORKS: &[&str] = &[
    "mynetworks",
    "permit_mx_backup_networks",
    "qmqpd_authorized_clients",
    "smtpd_authorized_verp_clients",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_client_event_limit_exceptions",
    "smtpd_sasl_exceptions_networks",
];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        if !instance.is_certain(service, &setting.value.text) {
            continue;
        }
        let value = instance.value(service, name);
        let place = || setting.place();
        if NETWORKS.contains(&name) {
            for item in instance.items(service, setting) {
                findings.list.extend(judge_network(name, &item));
            }
        }
        if let Some((known, single)) = words(name) {
            let items = instance.items(service, setting);
            let is_map = |item: &Item| item.text.contains([':', '/']);
            for item in items.iter().filter(|item| !is_map(item)) {
                let lower = item.text.to_ascii_lowercase();
                if !known.contains(&lower.as_str()) {
                    let message = format!("`{name}` knows no `{}`: expected {}", item.text, one_of(known));
                    let finding = Finding::new(&RULE.code, item.place.clone(), message);
                    findings.push(finding.nearest(&lower, known.iter().copied()));
                }
            }
            if single && items.len() > 1 {
                let message = format!("`{name}` takes one word, not {}", items.len());
                findings.push(Finding::new(&RULE.code, place(), message));
            }
            continue;
        }
        if let Some(family) = family(name) {
            let right = |address: IpAddr| address.is_ipv4() == (family == "IPv4");
            let bare = value.trim_start_matches('[').trim_end_matches(']');
            if !value.is_empty() && !bare.parse().is_ok_and(right) {
                let message = format!("`{name}` wants an {family} address, found `{value}`");
                findings.push(Finding::new(&RULE.code, place(), message));
            }
            continue;
        }
        let (fits, wanted): (fn(&str) -> bool, &str) = match kind(instance, name) {
            Some(Kind::YesNo) => (is_yes_or_no, "`yes` or `no`"),
            Some(Kind::Number) => (is_number, "a whole number"),
            Some(Kind::Time) => (is_time, "a time, such as `30s`, `5m`, `1h`, `2d`, `1w`"),
            _ => continue,
        };
        if !fits(&value) {
            let message = format!("`{name}` wants {wanted}, found `{value}`");
            let finding = Finding::new(&RULE.code, place(), message);
            let meant = match value.to_ascii_lowercase().as_str() {
                "true" | "on" | "1" | "enable" | "enabled" if wanted.contains("yes") => Some("yes"),
                "false" | "off" | "0" | "none" | "disable" | "disabled" if wanted.contains("yes") => {
                    Some("no")
                }
                lower if wanted.contains("yes") => nearest(lower, ["yes", "no"]),
                _ => None,
            };
            findings.push(match meant {
                Some(meant) => finding.hint(format!("write `{meant}`")),
                None => finding,
            });
        }
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// The family of the address that a parameter takes.
fn family(name: &str) -> Option<&'static str> {
    match name {
        "smtp_bind_address" | "lmtp_bind_address" => Some("IPv4"),
        "smtp_bind_address6" | "lmtp_bind_address6" => Some("IPv6"),
        _ => None,
    }
}

fn kind(instance: &Instance<'_>, name: &str) -> Option<Kind> {
    if let Some(parameter) = instance.facts.parameters.get(name) {
        return Some(parameter.kind);
    }
    instance.transport_setting(name)?;
    let is_time = name.ends_with("_delay") || name.ends_with("_time_limit");
    if is_time {
        return Some(Kind::Time);
    }
    (name.ends_with("_limit") && !name.ends_with("cohort_limit") || name.ends_with("_concurrency"))
        .then_some(Kind::Number)
}

fn judge_network(name: &str, item: &Item) -> Option<Finding> {
    let text = item.text.trim_start_matches('!');
    let is_bare_v6 = !text.starts_with('[') && text.matches(':').count() > 1 && !text.contains(['/', '{'])
        || !text.starts_with('[')
            && text
                .rsplit_once('/')
                .is_some_and(|(address, _)| address.parse::<std::net::Ipv6Addr>().is_ok());
    if is_bare_v6 {
        let message =
            format!("`{text}` in `{name}` is read as a map: brackets have to stand around an IPv6 address");
        let (address, length) = text
            .rsplit_once('/')
            .map_or((text, String::new()), |(address, length)| (address, format!("/{length}")));
        let finding = Finding::new(&RULE.code, item.place.clone(), message);
        return Some(finding.hint(format!("write `[{address}]{length}`")));
    }
    if !looks_like_network(text) {
        return None;
    }
    let why = network(text).err()?;
    Some(Finding::new(&RULE.code, item.place.clone(), format!("`{text}` in `{name}` {why}")))
}

fn is_yes_or_no(value: &str) -> bool {
    value.eq_ignore_ascii_case("yes") || value.eq_ignore_ascii_case("no")
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(value: &str) -> bool {
    let digits = value.trim_end_matches(|unit: char| "smhdwSMHDW".contains(unit));
    value.len() - digits.len() <= 1 && is_number(digits)
}
