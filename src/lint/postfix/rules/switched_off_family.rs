use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::{address, host_and_port};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::switched-off-family",
        about: "An address is of a family that `inet_protocols` switches off.",
    },
    why: "A listener on it keeps Postfix from starting, and nothing leaves from it: a transport that is bound to it does not \
          work, or takes another address.",
    bad: Example {
        files: &[
            ("main.cf", "inet_protocols = ipv4\n"),
            ("master.cf", "[2001:db8::1]:25 inet n - n - - smtpd\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "inet_protocols = all\n"),
            ("master.cf", "[2001:db8::1]:25 inet n - n - - smtpd\n"),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let off = |service, v4: bool| {
        let protocols = instance.value(service, "inet_protocols").to_ascii_lowercase();
        let family = if v4 { "ipv4" } else { "ipv6" };
        let is_off = !protocols.is_empty() && !protocols.contains("all") && !protocols.contains(family);
        is_off.then_some((if v4 { "IPv4" } else { "IPv6" }, protocols))
    };
    let finding = |place, what: &str, (family, protocols): (&str, String)| {
        let message = format!("{what} is of {family}, and `inet_protocols = {protocols}` switches that off");
        Finding::new(&RULE.code, place, message)
    };
    for service in &instance.services {
        // master listens, and knows what main.cf says only.
        if service.kind == "inet"
            && let Some(host) = host_and_port(&service.name).0.and_then(address)
            && let Some(off) = off(None, host.is_ipv4())
        {
            findings.push(finding(service.place(), &format!("`{}`", service.name), off));
        }
        if !service.runs(&["smtp", "lmtp"]) {
            continue;
        }
        for (end, v4) in [("bind_address", true), ("bind_address6", false)] {
            let name = format!("{}_{end}", service.program);
            let value = instance.value(Some(service), &name);
            let is_own = service.overrides.iter().any(|setting| setting.name == name);
            if is_own
                && address(&value).is_some()
                && let Some(off) = off(Some(service), v4)
            {
                findings.push(finding(
                    instance.place(Some(service), &name),
                    &format!("`{name}={value}`"),
                    off,
                ));
            }
        }
    }
    for item in instance.list(None, "inet_interfaces") {
        if let Some(host) = address(&item.text)
            && let Some(off) = off(None, host.is_ipv4())
            && instance.explicit(None, "inet_interfaces").is_some()
        {
            findings.push(finding(item.place, &format!("`{}`", item.text), off));
        }
    }
}
