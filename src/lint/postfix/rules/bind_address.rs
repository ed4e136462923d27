use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::address;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::foreign-bind-address",
        about: "A transport is bound to an address on which nothing of the instance listens.",
    },
    why: "It is most likely misspelt: the bind fails, and mail leaves from another address or not at all. Instances that \
          listen on no address of their own are not judged.",
    bad: Example {
        files: &[
            ("main.cf", "default_transport = out\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\nout unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.11\n  -o inet_protocols=ipv4\n",
            ),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "default_transport = out\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\nout unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.1\n  -o inet_protocols=ipv4\n",
            ),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let listeners: BTreeSet<IpAddr> = instance
        .running(&["smtpd", "postscreen"])
        .filter(|service| service.kind == "inet")
        .filter_map(|service| instance.listener(service))
        .flat_map(|listener| listener.addresses)
        .filter(|address| !matches!(address.to_string().as_str(), "127.0.0.1" | "::1"))
        .collect();
    let everywhere = instance
        .running(&["smtpd", "postscreen"])
        .filter(|service| service.kind == "inet")
        .any(|service| instance.listener(service).is_none_or(|listener| listener.addresses.is_empty()));
    for service in instance.running(&["smtp", "lmtp"]) {
        for name in ["bind_address", "bind_address6"].map(|name| format!("{}_{name}", service.program)) {
            let value = instance.value(Some(service), &name);
            let Some(bound) = address(&value) else { continue };
            // Another family may have no listener at all.
            let judged =
                !everywhere && listeners.iter().any(|listener| listener.is_ipv4() == bound.is_ipv4());
            if !judged || listeners.contains(&bound) {
                continue;
            }
            let message =
                format!("`{}` is bound to {value}, where nothing of this instance listens", service.name);
            let known: Vec<String> = listeners.iter().map(ToString::to_string).collect();
            let finding = Finding::new(&RULE.code, instance.place(Some(service), &name), message);
            findings.push(finding.nearest(&value, known.iter().map(String::as_str)));
        }
    }
}
