use std::net::IpAddr;

use super::Rule;
use crate::diagnostic::{Code, nearest};
use crate::lint::postfix::Instance;
use crate::lint::postfix::expand::level;
use crate::lint::postfix::facts::Kind;
use crate::lint::postfix::lists::Item;
use crate::lint::postfix::networks::{address, is_name, looks_like_network, network};
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::value", about: "A value is not of the kind that its parameter takes." },
    why: "A program that reads it does not start (`bad boolean configuration`), or answers mail with an error. Judged are \
          yes and no, numbers, times, addresses, networks, paths, interfaces, what may not be empty, and the parameters that \
          take words.",
    bad: Example { files: &[("main.cf", "smtpd_helo_required = true\nqueue_run_delay = 5min\n")] },
    good: Example { files: &[("main.cf", "smtpd_helo_required = yes\nqueue_run_delay = 5m\n")] },
    check,
};

const SERVER_LEVELS: &[&str] = &["none", "may", "encrypt"];
const MILTER_ACTIONS: &[&str] = &["accept", "reject", "tempfail", "quarantine", "shutdown"];

/// The words of which the items of a parameter are; and whether it is one.
fn words<'a>(instance: &'a Instance<'_>, name: &str) -> Option<(&'a [&'static str], bool)> {
    // Those of tlsproxy are made of those that it speaks for.
    let known = match name {
        "smtpd_tls_security_level" | "tlsproxy_tls_security_level" => return Some((SERVER_LEVELS, true)),
        "milter_default_action" => return Some((MILTER_ACTIONS, true)),
        "tlsproxy_client_security_level" | "tlsproxy_client_level" => "smtp_tls_security_level",
        _ if name.ends_with("_tls_ciphers") || name.ends_with("_tls_mandatory_ciphers") => "smtp_tls_ciphers",
        _ => name,
    };
    let words = instance.facts.words.get(known)?;
    Some((&words.known, !words.is_list))
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
        if let Some((known, single)) = words(instance, name) {
            let items = instance.items(service, setting);
            // Options of TLS may be numbers.
            let is_map = |item: &Item| item.text.contains([':', '/']) || item.text.starts_with("0x");
            for item in items.iter().filter(|item| !is_map(item)) {
                let lower = item.text.to_ascii_lowercase();
                if !known.contains(&lower.as_str()) {
                    let expected = if known.len() < 12 {
                        format!(": expected {}", one_of(known))
                    } else {
                        String::new()
                    };
                    let message = format!("`{name}` knows no `{}`{expected}", item.text);
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
        if let Some(message) = path_fault(instance, name, &value).or_else(|| address_fault(name, &value)) {
            findings.push(Finding::new(&RULE.code, place(), message));
            continue;
        }
        if matches!(name, "inet_interfaces" | "proxy_interfaces") {
            for item in instance.items(service, setting) {
                findings.list.extend(interface_fault(name, &item));
            }
        }
        if name == "compatibility_level" {
            findings.list.extend(level_fault(instance, &value, place()));
        }
        if let Some(message) = range_fault(instance, name, &value) {
            findings.push(Finding::new(&RULE.code, place(), message));
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

/// What is wrong with the value of a parameter that names a file or a folder.
fn path_fault(instance: &Instance<'_>, name: &str, value: &str) -> Option<String> {
    let parameter = instance.facts.parameters.get(name)?;
    let default = parameter.default(instance.version());
    if default.starts_with('/')
        && !value.is_empty()
        && !value.starts_with('/')
        && !matches!(value, "no" | "none")
    {
        return Some(format!("`{name}` wants an absolute path, found `{value}`"));
    }
    let ends =
        ["_CAfile", "_cert_file", "_key_file", "_eccert_file", "_eckey_file", "_dcert_file", "_dkey_file"];
    if ends.iter().any(|end| name.ends_with(end)) && value.ends_with('/') {
        return Some(format!("`{name}` wants a file, and `{value}` is a folder"));
    }
    let is_file = [".pem", ".crt", ".cer"].iter().any(|end| value.ends_with(end));
    (name.ends_with("_CApath") && is_file)
        .then(|| format!("`{name}` wants a folder, and `{value}` is a file"))
}

/// What is wrong with the value of a parameter that takes one mail address.
fn address_fault(name: &str, value: &str) -> Option<String> {
    let ends = ["_notice_recipient", "_bcc", "bounce_sender", "verify_sender", "empty_address_recipient"];
    let is_one = ends.iter().any(|end| name.ends_with(end));
    (is_one && value.contains([' ', ','])).then(|| format!("`{name}` wants one address, found `{value}`"))
}

/// What is wrong with an item of a list of interfaces.
fn interface_fault(list: &str, item: &Item) -> Option<Finding> {
    let text = item.text.as_str();
    let words = ["all", "loopback-only", "localhost"];
    let fits = words.contains(&text) || address(text).is_some() || is_name(text, true) && text.contains('.');
    (!fits).then(|| {
        let message = format!("`{text}` in `{list}` is neither an address nor the name of a host");
        Finding::new(&RULE.code, item.place.clone(), message).nearest(text, words)
    })
}

/// What is wrong with a compatibility level.
fn level_fault(instance: &Instance<'_>, value: &str, place: Place) -> Option<Finding> {
    let parts: Vec<&str> = value.split('.').collect();
    if parts.len() > 3 || !parts.iter().all(|part| is_number(part)) {
        let message = format!("`compatibility_level` wants a version such as 3.6, found `{value}`");
        return Some(Finding::new(&RULE.code, place, message));
    }
    let version = instance.version();
    (level(value) > level(&version.to_string())).then(|| {
        let message = format!("`compatibility_level = {value}` is above the version, {version}");
        let hint = "what later versions change would change without a word";
        Finding::new(&RULE.code, place, message).hint(hint)
    })
}

/// What the installation fills in, and is empty in the main.cf that it starts from.
const INSTALLED: &[&str] = &[
    "html_directory",
    "mailq_path",
    "manpage_directory",
    "newaliases_path",
    "readme_directory",
    "sample_directory",
    "sendmail_path",
    "setgid_group",
];

/// Whether a value is outside of what its parameter may be.
fn range_fault(instance: &Instance<'_>, name: &str, value: &str) -> Option<String> {
    let parameter = instance.facts.parameters.get(name)?;
    let (least, most) = parameter.range;
    let amount = match parameter.kind {
        Kind::Text if value.is_empty() && least > 0 && !INSTALLED.contains(&name) => {
            return Some(format!("`{name}` may not be empty"));
        }
        Kind::Number => value.parse::<u64>().ok()?,
        // Only of 0 the unit is of no interest.
        Kind::Time if least > 0 => {
            value.trim_end_matches(char::is_alphabetic).parse::<u64>().ok().filter(|n| *n == 0)?
        }
        _ => return None,
    };
    if name.ends_with("_reject_code") && amount < 400 {
        return Some(format!("`{name}` refuses nothing with `{value}`: expected 4xx or 5xx"));
    }
    if amount < least {
        return Some(format!("`{name}` is {least} at least, found `{value}`"));
    }
    (most > 0 && amount > most).then(|| format!("`{name}` is {most} at most, found `{value}`"))
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
        // Others look at the name of the client too.
        let by_address =
            matches!(name, "mynetworks" | "permit_mx_backup_networks" | "smtpd_sasl_exceptions_networks");
        let message = || format!("`{text}` in `{name}` is no network: a client is known by its address");
        return (by_address && !text.contains([':', '/', '$']))
            .then(|| Finding::new(&RULE.code, item.place.clone(), message()));
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
