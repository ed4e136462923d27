use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::{address, host_and_port, is_name, port_fault};
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::service-field",
        about: "A field of a service in master.cf is not what master takes.",
    },
    why: "Postfix does not start, or dies at a reload: `bad transport type`, `field \"max_proc\": bad value`, `inet service \
          cannot be private`. Judged are the type, the address and the port, and the five fields behind them.",
    bad: Example { files: &[("master.cf", "192.0.2.1:70000 inet n - n - - smtpd\n")] },
    good: Example { files: &[("master.cf", "192.0.2.1:2525 inet n - n - - smtpd\n")] },
    check,
};

/// The types of services.
const TYPES: &[&str] = &["inet", "unix", "unix-dgram", "fifo", "pass"];

/// What the fields behind the type are called.
const FIELDS: [&str; 5] = ["private", "unprivileged", "chroot", "wakeup", "process limit"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in &instance.services {
        let kind = service.kind.as_str();
        if !TYPES.contains(&kind) {
            let message = format!("there is no type of services `{kind}`");
            let finding = Finding::new(&RULE.code, service.place(), message);
            findings.push(finding.nearest(kind, TYPES.iter().copied()));
        }
        if kind == "inet" {
            findings
                .list
                .extend(listener(&service.name).map(|why| Finding::new(&RULE.code, service.place(), why)));
        }
        for (number, field) in service.fields.iter().enumerate() {
            findings.list.extend(
                judge(service, number, &field.text)
                    .map(|(why, hint)| Finding::new(&RULE.code, field.place(), why).hint(hint)),
            );
        }
    }
}

/// What is wrong with a field, and what to write.
fn judge(service: &Service, number: usize, text: &str) -> Option<(String, &'static str)> {
    let name = FIELDS[number];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (fits, wanted) = match number {
        0..3 => (matches!(text, "y" | "n"), "`y` or `n`"),
        3 => (is_number(text.strip_suffix('?').unwrap_or(text)), "seconds"),
        _ => (is_number(text), "a number"),
    };
    if text != "-" && !fits {
        return Some((format!("the field `{name}` wants {wanted} or `-`, found `{text}`"), ""));
    }
    (number == 0 && service.kind == "inet" && text != "n")
        .then(|| (format!("`{}` is of type inet, which cannot be private", service.name), "write `n`"))
}

/// What is wrong with where a service listens.
fn listener(name: &str) -> Option<String> {
    let (host, port) = host_and_port(name);
    if name.matches(':').count() > 1 && !name.starts_with('[') {
        return Some(format!("brackets have to stand around the IPv6 address in `{name}`"));
    }
    host.filter(|host| !is_name(host, true) && address(host).is_none())
        .map(|host| format!("`{host}` in `{name}` is no address"))
        .or_else(|| port_fault(port))
}
