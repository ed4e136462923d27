use std::collections::BTreeMap;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::Listener;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::duplicate-listener",
        about: "Two services of master.cf have the same address and port, or the same name.",
    },
    why: "Of two with one name the last one silently wins: the address answers with the name and the certificate of the \
          other. A listener on all addresses and one on an address of its own do not start at one port.",
    bad: Example {
        files: &[(
            "master.cf",
            "192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\n",
        )],
    },
    good: Example {
        files: &[(
            "master.cf",
            "192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n192.0.2.2:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let mut names: BTreeMap<(&str, bool), &Service> = BTreeMap::new();
    let mut listeners: BTreeMap<String, Vec<(&Service, Listener)>> = BTreeMap::new();
    for service in &instance.services {
        if service.kind != "inet" {
            if let Some(first) = names.insert((&service.name, service.private), service) {
                let message = format!("there are two services `{}`: this one counts", service.name);
                let finding = Finding::new(&RULE.code, service.place(), message);
                findings.push(finding.other(first.place(), "this one does not"));
            }
            continue;
        }
        let Some(listener) = instance.listener(service) else { continue };
        let others = listeners.entry(listener.port.clone()).or_default();
        if let Some((first, other)) = others.iter().find(|(_, other)| other.overlaps(&listener)) {
            let same = other.addresses == listener.addresses;
            let message = if same {
                format!("`{}` is listened on twice: this one counts", service.name)
            } else {
                format!(
                    "`{}` and `{}` listen on the same address: one of them does not start",
                    first.name, service.name
                )
            };
            let finding = Finding::new(&RULE.code, service.place(), message);
            findings
                .push(finding.other(first.place(), if same { "this one does not" } else { "the other one" }));
        }
        others.push((service, listener));
    }
}
