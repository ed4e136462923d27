use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::spaced-override",
        about: "What stands behind `-o` in master.cf has white space in it.",
    },
    why: "There a value ends at white space: the rest is no part of it, and the service fails whenever it starts. Braces \
          hold a value together.",
    bad: Example {
        files: &[("master.cf", "smtp inet n - n - - smtpd\n  -o smtpd_tls_security_level = may\n")],
    },
    good: Example {
        files: &[(
            "master.cf",
            "smtp inet n - n - - smtpd\n  -o smtpd_tls_security_level=may\n  -o smtpd_tls_chain_files=/etc/ssl/mail/a.pem\n  -o { smtpd_banner = mail.example.org ESMTP }\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for odd in instance.services.iter().flat_map(|service| &service.odd) {
        findings.push(odd.told(&RULE.code));
    }
}
