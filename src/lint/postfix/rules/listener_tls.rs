use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::listener-tls",
        about: "A listener is to speak TLS and has no certificate or no key of it, or has a certificate and speaks no TLS.",
    },
    why: "smtpd then offers no STARTTLS, and says so in the log only: mail comes in clear, or where TLS is required, not at all.",
    bad: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\n"),
            ("master.cf", "192.0.2.1:25 inet n - n - - smtpd\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o smtpd_tls_chain_files=/etc/ssl/mail/a.pem\n",
            ),
        ],
    },
    check,
};

/// Parameters that name a certificate, each with the one of its key.
const PAIRS: &[(&str, &str)] = &[
    ("smtpd_tls_cert_file", "smtpd_tls_key_file"),
    ("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"),
    ("smtpd_tls_dcert_file", "smtpd_tls_dkey_file"),
];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let value = |service: &Service, name: &str| instance.value(Some(service), name);
    let has = |service: &Service, name: &str| !matches!(value(service, name).as_str(), "" | "none");
    let keyed =
        |service: &Service, key: &str| instance.explicit(Some(service), key).is_some() && has(service, key);
    let listeners: Vec<&Service> = instance.running(&["smtpd", "tlsproxy"]).collect();
    for service in &listeners {
        let some = Some(*service);
        let speaks = instance.speaks_tls(service);
        let chain = has(service, "smtpd_tls_chain_files");
        let certificate = PAIRS.iter().any(|(certificate, _)| has(service, certificate));
        let is_set =
            ["smtpd_tls_security_level", "smtpd_use_tls", "smtpd_enforce_tls", "smtpd_tls_wrappermode"]
                .into_iter()
                .find(|name| {
                    instance.explicit(some, name).is_some_and(|setting| !setting.value.text.is_empty())
                });
        // tlsproxy speaks for others, which are judged themselves.
        if let Some(level) = is_set.filter(|_| speaks && !chain && !certificate && service.runs(&["smtpd"])) {
            let message = format!("`{}` is to speak TLS, but has no certificate", service.name);
            let finding = Finding::new(&RULE.code, service.place(), message)
                .hint("set `smtpd_tls_chain_files`, or `smtpd_tls_cert_file` and `smtpd_tls_key_file`");
            findings.push(finding.other(instance.place(some, level), "it is to speak TLS by this"));
        }
        let own = |name: &str| service.overrides.iter().any(|setting| setting.name == name);
        if !speaks && (own("smtpd_tls_chain_files") || PAIRS.iter().any(|(certificate, _)| own(certificate)))
        {
            let message = format!("`{}` has a certificate of its own, but speaks no TLS", service.name);
            let place = instance.place(some, "smtpd_tls_security_level");
            let finding = Finding::new(&RULE.code, place, message)
                .hint("set `smtpd_tls_security_level` to `may` or `encrypt`");
            findings.push(finding.other(service.place(), "this listener"));
        }
        for (certificate, key) in PAIRS.iter().filter(|_| speaks && !chain) {
            // The key may lie in the same file; where others have one apart, it does not.
            let apart = listeners
                .iter()
                .any(|other| own(certificate) && keyed(other, key) && has(other, certificate));
            if own(certificate) && has(service, certificate) && !keyed(service, key) && apart {
                let message =
                    format!("`{}` has a certificate without its key: `{key}` is not set", service.name);
                findings.push(
                    Finding::new(&RULE.code, instance.place(some, certificate), message)
                        .hint(format!("set `{key}`")),
                );
            }
        }
    }
}
