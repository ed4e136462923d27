use std::collections::BTreeSet;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::foreign-certificate",
        about: "The file of a listener's certificate or key is called by the name of another listener.",
    },
    why: "Clients refuse a certificate for another name, and a key of another certificate keeps TLS from being offered. This is \
          judged by the paths alone, where files are called by hosts.",
    bad: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n  -o smtpd_tls_chain_files=/etc/ssl/b.example.org.pem\n192.0.2.2:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\n  -o smtpd_tls_chain_files=/etc/ssl/b.example.org.pem\n",
            ),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_tls_security_level = may\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n  -o smtpd_tls_chain_files=/etc/ssl/a.example.org.pem\n192.0.2.2:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\n  -o smtpd_tls_chain_files=/etc/ssl/b.example.org.pem\n",
            ),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let name = |service| instance.value(Some(service), "myhostname").to_ascii_lowercase();
    let hosts: BTreeSet<String> =
        instance.running(&["smtpd"]).map(name).filter(|host| host.contains('.')).collect();
    for service in instance.running(&["smtpd"]) {
        let own = name(service);
        for setting in &service.overrides {
            let end = setting.name.strip_prefix("smtpd_tls_");
            if !end.is_some_and(|end| {
                end == "chain_files" || end.ends_with("cert_file") || end.ends_with("key_file")
            }) {
                continue;
            }
            let path = instance.value(Some(service), &setting.name).to_ascii_lowercase();
            let names = |host: &String| {
                path.split(['/', ' ', ',']).any(|part| {
                    part.strip_prefix(host.as_str())
                        .is_some_and(|end| end.is_empty() || end.starts_with(['.', '-', '_']))
                })
            };
            if let Some(other) =
                hosts.iter().find(|host| **host != own && names(host)).filter(|_| !names(&own))
            {
                let message = format!("`{}` of `{own}` is a file of `{other}`", setting.name);
                findings.push(
                    Finding::new(&RULE.code, setting.place(), message)
                        .other(service.place(), "this listener"),
                );
            }
        }
    }
}
