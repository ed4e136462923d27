use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::tls-verification",
        about: "A certificate is to be verified, but not what it is verified with is set.",
    },
    why: "`verify` and `secure` need authorities (`smtp_tls_CAfile`, `smtp_tls_CApath`), `fingerprint` needs fingerprints: else no \
          mail leaves. `dane` needs `smtp_dns_support_level = dnssec`: else nothing is verified. A server that requires \
          certificates of clients needs authorities too.",
    bad: Example { files: &[("main.cf", "smtp_tls_security_level = dane\n")] },
    good: Example {
        files: &[("main.cf", "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n")],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in instance.running(&["smtp", "lmtp"]) {
        let prefix = service.program.as_str();
        let name = format!("{prefix}_tls_security_level");
        let level = instance.value(Some(service), &name);
        needs(instance, service, &level, "", &instance.place(Some(service), &name), findings);
        for entry in instance.entries(Some(service), &format!("{prefix}_tls_policy_maps")).0 {
            let (level, attributes) = entry.value.split_once([' ', ',']).unwrap_or((&entry.value, ""));
            needs(instance, service, level, attributes, &entry.place, findings);
        }
    }
    for service in instance.running(&["smtpd"]) {
        let some = Some(service);
        let place = instance.place(some, "smtpd_tls_req_ccert");
        if instance.is_on(some, "smtpd_tls_req_ccert") && !has_authorities(instance, service, "smtpd") {
            let message = "certificates of clients are required, but no authority is set that signs them";
            findings.push(Finding::new(&RULE.code, place, message).hint("set `smtpd_tls_CAfile`"));
        }
    }
}

fn has_authorities(instance: &Instance<'_>, service: &Service, prefix: &str) -> bool {
    let set = |name: &str| !instance.value(Some(service), name).is_empty();
    ["CAfile", "CApath", "trust_anchor_file"].iter().any(|end| set(&format!("{prefix}_tls_{end}")))
        || instance.is_on(Some(service), "tls_append_default_CA")
}

fn needs(
    instance: &Instance<'_>,
    service: &Service,
    level: &str,
    attributes: &str,
    place: &Place,
    findings: &mut Findings,
) {
    let prefix = service.program.as_str();
    let value = |end: &str| instance.value(Some(service), &format!("{prefix}_{end}"));
    let missing = match level.to_ascii_lowercase().as_str() {
        "verify" | "secure"
            if !has_authorities(instance, service, prefix) && !attributes.contains("tafile=") =>
        {
            "tls_CAfile"
        }
        "fingerprint" if value("tls_fingerprint_cert_match").is_empty() && !attributes.contains("match=") => {
            "tls_fingerprint_cert_match"
        }
        "dane" | "dane-only" if value("dns_support_level") != "dnssec" => "dns_support_level = dnssec",
        _ => return,
    };
    let message = format!("the level `{level}` verifies nothing without `{prefix}_{missing}`");
    findings.push(Finding::new(&RULE.code, place.clone(), message).hint(format!("set `{prefix}_{missing}`")));
}
