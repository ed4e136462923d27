use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::overridden-certificate",
        about: "A certificate is set that `…_tls_chain_files` makes useless.",
    },
    why: "Where `smtpd_tls_chain_files` has a value, `smtpd_tls_cert_file` and its kin are not read: a listener with its own \
          certificate shows the common one.",
    bad: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/ssl/mail/common.pem\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o smtpd_tls_cert_file=/etc/ssl/mail/a.pem\n",
            ),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/ssl/mail/common.pem\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o smtpd_tls_chain_files=/etc/ssl/mail/a.pem\n",
            ),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let Some((prefix, rest)) = setting.name.split_once("_tls_") else { continue };
        if !matches!(
            rest,
            "cert_file" | "key_file" | "eccert_file" | "eckey_file" | "dcert_file" | "dkey_file"
        ) {
            continue;
        }
        let chain = format!("{prefix}_tls_chain_files");
        let set = instance.value(service, &setting.name);
        if set.is_empty() || set == "none" || instance.value(service, &chain).is_empty() {
            continue;
        }
        let message = format!("`{}` is not read: `{chain}` has a value", setting.name);
        let finding = Finding::new(&RULE.code, setting.name_place(), message);
        let finding = finding.other(instance.place(service, &chain), "this is what is read");
        findings.push(finding.hint(format!(
            "set `{chain}` here, with the key before the chain in one file, or take it away there"
        )));
    }
}
