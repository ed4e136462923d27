use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::shared-tlsproxy",
        about: "A listener behind postscreen has its own certificate, but its tlsproxy has another one.",
    },
    why: "postscreen has tlsproxy speak TLS, which reads its own settings: clients that postscreen still tests see the \
          certificate of tlsproxy. Name one for each listener with `tlsproxy_service_name`.",
    bad: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - 1 postscreen\n  -o smtpd_service_name=smtpd-a\nsmtpd-a pass - - n - - smtpd\n  -o smtpd_tls_cert_file=/etc/ssl/mail/a.pem\ntlsproxy unix - - n - 0 tlsproxy\n",
            ),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - 1 postscreen\n  -o smtpd_service_name=smtpd-a\n  -o tlsproxy_service_name=tlsproxy-a\nsmtpd-a pass - - n - - smtpd\n  -o smtpd_tls_cert_file=/etc/ssl/mail/a.pem\ntlsproxy-a unix - - n - 0 tlsproxy\n  -o smtpd_tls_cert_file=/etc/ssl/mail/a.pem\n",
            ),
        ],
    },
    check,
};

const CERTIFICATES: &[&str] = &["chain_files", "cert_file", "key_file", "eccert_file", "eckey_file"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for postscreen in instance.running(&["postscreen"]) {
        let named = |name: &str| {
            let value = instance.value(Some(postscreen), name);
            instance.services.iter().rfind(|service| service.name == value)
        };
        let Some(proxy) = named("tlsproxy_service_name") else { continue };
        let backend = named("smtpd_service_name").filter(|service| service.runs(&["smtpd"]));
        for owner in std::iter::once(postscreen).chain(backend) {
            if let Some(finding) = differing(instance, owner, proxy) {
                findings.push(finding.other(proxy.place(), "this tlsproxy speaks TLS for it"));
                break;
            }
        }
    }
}

fn differing(instance: &Instance<'_>, owner: &Service, proxy: &Service) -> Option<Finding> {
    CERTIFICATES.iter().find_map(|rest| {
        let name = format!("smtpd_tls_{rest}");
        let own = instance.value(Some(owner), &name);
        let shown = instance.value(Some(proxy), &format!("tlsproxy_tls_{rest}"));
        if own == shown || own.is_empty() {
            return None;
        }
        let message = format!("`{}` has the certificate `{own}`, but `{}` shows `{shown}`", owner.name, proxy.name);
        let hint = "give it a tlsproxy of its own, with the same certificate, and name that with `tlsproxy_service_name`";
        Some(Finding::new(&RULE.code, instance.place(Some(owner), &name), message).hint(hint))
    })
}
