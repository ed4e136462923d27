use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Rule;
use super::unbound_path::bound;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::address;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::foreign-helo-name",
        about: "A transport says another name in its HELO than the listener on the address that it is bound to.",
    },
    why: "The address resolves to the name of its listener. Others refuse mail whose HELO names another host. This is \
          judged where listeners have names of their own.",
    bad: Example {
        files: &[
            ("main.cf", "default_transport = out-a\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n192.0.2.2:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\nout-a unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.1\n  -o smtp_helo_name=b.example.org\n  -o inet_protocols=ipv4\n",
            ),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "default_transport = out-a\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n192.0.2.2:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\nout-a unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.1\n  -o smtp_helo_name=a.example.org\n  -o inet_protocols=ipv4\n",
            ),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let mut names: BTreeMap<String, &Service> = BTreeMap::new();
    let mut own: BTreeMap<IpAddr, Vec<(String, &Service)>> = BTreeMap::new();
    for service in instance.running(&["smtpd", "postscreen"]).filter(|service| service.kind == "inet") {
        let is_own = service.overrides.iter().any(|setting| setting.name == "myhostname");
        let Some(listener) = instance.listener(service) else { continue };
        let name = instance.value(Some(service), "myhostname").to_ascii_lowercase();
        if is_own {
            names.insert(name.clone(), service);
            for address in listener.addresses {
                own.entry(address).or_default().push((name.clone(), service));
            }
        }
    }
    if names.is_empty() {
        return;
    }
    for service in instance.running(&["smtp", "lmtp"]) {
        let parameter = if service.program == "lmtp" { "lmtp_lhlo_name" } else { "smtp_helo_name" };
        let helo = instance.value(Some(service), parameter).to_ascii_lowercase();
        let (v4, v6) = bound(instance, service);
        let place = match instance.explicit(Some(service), parameter) {
            Some(setting) => setting.place(),
            None => service.place(),
        };
        let mut judged = false;
        for address in [v4, v6].iter().filter_map(|text| address(text)) {
            let Some(listeners) = own.get(&address) else { continue };
            judged = true;
            if listeners.iter().any(|(name, _)| *name == helo) {
                continue;
            }
            let Some((name, listener)) = listeners.first() else { continue };
            let message = format!(
                "`{}` leaves from {address} as `{helo}`, but the listener there is `{name}`",
                service.name
            );
            let finding =
                Finding::new(&RULE.code, place.clone(), message).other(listener.place(), "the listener");
            findings.push(
                finding.hint(format!("set `{parameter}={name}`, or bind it to the address of `{helo}`")),
            );
        }
        let is_set = service.overrides.iter().any(|setting| setting.name == parameter);
        if !judged && is_set && names.len() > 1 && !names.contains_key(&helo) {
            let message = format!("`{}` says `{helo}`, which is the name of no listener", service.name);
            let finding = Finding::new(&RULE.code, place, message);
            findings.push(finding.nearest(&helo, names.keys().map(String::as_str)));
        }
    }
}
