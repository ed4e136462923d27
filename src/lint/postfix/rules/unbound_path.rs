use super::Rule;
use super::unknown_transport::MAPS;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::is_local;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::unbound-path",
        about: "Some mail leaves from whichever address the host chooses, where transports are bound to theirs.",
    },
    why: "Where one transport has a `smtp_bind_address`, all that leaves has to: by `default_transport`, by \
          `relay_transport`, by maps, filters and bounces, and over IPv6 as well.",
    bad: Example {
        files: &[
            ("main.cf", "default_transport = smtp\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - - smtpd\nout unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.1\n  -o inet_protocols=ipv4\n",
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

/// What a transport is bound to for IPv4 and IPv6.
pub(super) fn bound(instance: &Instance<'_>, service: &Service) -> (String, String) {
    let prefix = &service.program;
    let value = |name: String| instance.value(Some(service), &name);
    (value(format!("{prefix}_bind_address")), value(format!("{prefix}_bind_address6")))
}

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let clients: Vec<&Service> =
        instance.running(&["smtp", "lmtp"]).filter(|service| service.kind != "inet").collect();
    let is_bound = |service: &Service| {
        let (v4, v6) = bound(instance, service);
        !v4.is_empty() || !v6.is_empty()
    };
    if !clients.iter().any(|service| is_bound(service)) {
        return;
    }
    for service in clients.iter().filter(|service| is_bound(service)) {
        let (v4, v6) = bound(instance, service);
        let protocols = instance.value(Some(service), "inet_protocols");
        let speaks =
            |family: &str| protocols.is_empty() || protocols.contains("all") || protocols.contains(family);
        for (family, address, other, missing) in
            [("ipv6", &v6, &v4, "bind_address6"), ("ipv4", &v4, &v6, "bind_address")]
        {
            // An address of the wrong family is another matter.
            if address.is_empty() && !other.is_empty() && speaks(family) {
                let set = format!(
                    "{}_{}",
                    service.program,
                    if family == "ipv6" { "bind_address" } else { "bind_address6" }
                );
                let what = if family == "ipv6" { "IPv6" } else { "IPv4" };
                let message =
                    format!("`{}` is bound to {other}, but what leaves over {what} is not", service.name);
                let missing = format!("{}_{missing}", service.program);
                let hint = format!(
                    "set `{missing}` too, or `inet_protocols={}`",
                    if family == "ipv6" { "ipv4" } else { "ipv6" }
                );
                findings
                    .push(Finding::new(&RULE.code, instance.place(Some(service), &set), message).hint(hint));
            }
        }
    }
    let leaves = |name: &str| {
        instance.transport(name).filter(|service| service.runs(&["smtp", "lmtp"]) && !is_bound(service))
    };
    let relays = !instance.list(None, "relay_domains").is_empty();
    for hop in instance.hops() {
        let is_idle = hop.by == "relay_transport" && !relays;
        if let Some(service) = leaves(&hop.transport).filter(|_| !is_local(&hop.nexthop) && !is_idle) {
            let message = format!(
                "mail leaves unbound by `{}`: `{}` names the transport `{}`, which has no `{}_bind_address`",
                hop.by, hop.by, service.name, service.program
            );
            let finding = Finding::new(&RULE.code, hop.place, message);
            findings.push(finding.other(service.place(), "this transport is not bound"));
        }
    }
    for (name, default, used) in [("default_transport", "smtp", true), ("relay_transport", "relay", relays)] {
        if let Some(service) = leaves(default).filter(|_| used && instance.explicit(None, name).is_none()) {
            let message = format!(
                "mail leaves unbound: `{name}` is not set, and its default `{default}` has no `smtp_bind_address`"
            );
            let finding = Finding::new(&RULE.code, service.place(), message);
            findings.push(
                finding.hint(format!("set `{name}` to a transport that is bound, or bind `{default}`")),
            );
        }
    }
    bounces(instance, &is_bound, findings);
    for name in MAPS {
        let is_set = instance.explicit(None, name).is_some_and(|setting| !setting.value.text.is_empty());
        if is_set && !instance.entries(None, name).1 {
            findings.unchecked(format!("a map of `{name}`, which is not here"));
        }
    }
}

/// Bounces have no sender: they need a key of their own in the maps that choose by sender.
fn bounces(instance: &Instance<'_>, is_bound: &dyn Fn(&Service) -> bool, findings: &mut Findings) {
    let name = "sender_dependent_default_transport_maps";
    let Some(setting) = instance.explicit(None, name).filter(|setting| !setting.value.text.is_empty()) else {
        return;
    };
    let (entries, all) = instance.entries(None, name);
    let key = instance.value(None, "empty_address_default_transport_maps_lookup_key");
    let has_key = entries.iter().any(|entry| {
        entry.key == key
            || !entry.key.starts_with(|first: char| first.is_ascii_alphanumeric() || "<@.".contains(first))
    });
    let default = instance.value(None, "default_transport");
    let default = default.split(':').next().unwrap_or_default();
    let default_is_bound = instance
        .transport(default)
        .is_some_and(|service| service.runs(&["smtp", "lmtp"]) && is_bound(service));
    if !all || has_key || default_is_bound {
        return;
    }
    let message = format!(
        "no key `{key}` says which address bounces leave from: they take `default_transport = {default}`"
    );
    let hint = format!("add the key `{key}` with a transport that is bound");
    findings.push(Finding::new(&RULE.code, setting.place(), message).hint(hint));
}
