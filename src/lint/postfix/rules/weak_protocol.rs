use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::weak-protocol",
        about: "A setting lets TLS before 1.2, or ciphers below `medium`, be spoken.",
    },
    why: "TLS 1.0 and 1.1 are given up (RFC 8996). What is left at the default of Postfix is not judged.",
    bad: Example { files: &[("main.cf", "smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3\n")] },
    good: Example { files: &[("main.cf", "smtpd_tls_mandatory_protocols = >=TLSv1.2\n")] },
    check,
};

/// The protocols, the weakest first.
const PROTOCOLS: &[&str] = &["sslv2", "sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"];

/// The number of the first one that is strong enough.
const STRONG: usize = 4;

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        let value = instance.value(service, name);
        if name.ends_with("_tls_protocols") || name.ends_with("_tls_mandatory_protocols") {
            protocols(name, &value, &setting.place(), findings);
        } else if name.ends_with("_tls_ciphers") || name.ends_with("_tls_mandatory_ciphers") {
            if matches!(value.to_ascii_lowercase().as_str(), "export" | "low" | "null") {
                let message = format!("`{name}` lets weak ciphers be used: {value}");
                findings
                    .push(Finding::new(&RULE.code, setting.place(), message).hint("use `medium` or `high`"));
            }
        } else if name.ends_with("_tls_policy_maps") {
            for entry in instance.entries(service, name).0 {
                for word in entry.value.split_whitespace() {
                    if let Some(list) = word.strip_prefix("protocols=") {
                        protocols("protocols", &list.replace(':', " "), &entry.place, findings);
                    }
                }
            }
        }
    }
}

fn protocols(name: &str, value: &str, place: &Place, findings: &mut Findings) {
    let number = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let numbered = match lower.as_str() {
            "2" | "0002" => "sslv2",
            "300" | "0300" => "sslv3",
            "301" | "0301" => "tlsv1",
            "302" | "0302" => "tlsv1.1",
            "303" | "0303" => "tlsv1.2",
            "304" | "0304" => "tlsv1.3",
            other => other,
        };
        PROTOCOLS.iter().position(|known| *known == numbered)
    };
    let mut allowed = [true; 6];
    let mut included = [false; 6];
    for item in value.split([' ', ',', ':', '\t']).filter(|item| !item.is_empty()) {
        let (sign, protocol) = match item {
            _ if item.starts_with(">=") || item.starts_with("<=") => item.split_at(2),
            _ if item.starts_with('!') => item.split_at(1),
            _ => ("", item),
        };
        let Some(number) = number(protocol) else {
            let message = format!("`{name}` names the protocol `{protocol}`, which does not exist");
            let names = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
            findings.push(Finding::new(&RULE.code, place.clone(), message).nearest(protocol, names));
            return;
        };
        match sign {
            ">=" => allowed[..number].fill(false),
            "<=" => allowed[number + 1..].fill(false),
            "!" => allowed[number] = false,
            _ => included[number] = true,
        }
    }
    if included.contains(&true) {
        for (one, included) in allowed.iter_mut().zip(included) {
            *one &= included;
        }
    }
    // OpenSSL has no SSLv2 any more.
    let weak = (1..STRONG).filter(|number| allowed[*number]);
    let names: Vec<&str> = weak.map(|number| ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"][number]).collect();
    if !names.is_empty() {
        let message = format!("`{name}` lets {} be spoken", names.join(", "));
        findings.push(Finding::new(&RULE.code, place.clone(), message).hint("use `>=TLSv1.2`"));
    }
}
