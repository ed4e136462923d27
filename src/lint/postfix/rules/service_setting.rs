use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::facts::Stock;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::service-setting",
        about: "A service of Postfix itself has a field that it does not work with.",
    },
    why: "Its program does not start (`requires a process limit of 1`), others look for its socket in another folder \
          (public or private), or it never does its work because nothing wakes it up.",
    bad: Example { files: &[("master.cf", "qmgr unix n - n 300 - qmgr\n")] },
    good: Example { files: &[("master.cf", "qmgr unix n - n 300 1 qmgr\n")] },
    check,
};

/// The type of sockets that take no connection.
const DATAGRAMS: &str = "unix-dgram";

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in &instance.services {
        let program = match service.program.as_str() {
            // Services run by another name what the sources have by one.
            "lmtp" => "smtp",
            name => name,
        };
        let stock = instance.facts.services.get(service.name.as_str());
        let stock = stock.filter(|stock| stock.program == service.program);
        if let Some(known) = stock.filter(|known| (known.kind == DATAGRAMS) != (service.kind == DATAGRAMS)) {
            let message = format!(
                "`{}` is of type {}, and others speak to it as {}",
                service.name, service.kind, known.kind
            );
            findings.push(
                Finding::new(&RULE.code, service.place(), message)
                    .hint(format!("write `{}`", known.line(&service.name))),
            );
        }
        let stock = stock.filter(|stock| stock.kind == service.kind);
        let wants = instance.facts.wants.get(program).map_or(&[][..], Vec::as_slice);
        let one = wants.contains(&"solitary") || stock.is_some_and(|stock| stock.limit == "1");
        let [private, unprivileged, _, wakeup, limit] = &service.fields;
        if one && limit.text != "1" {
            let message =
                format!("`{}` may have more than one process, which it does not work with", service.name);
            findings
                .push(Finding::new(&RULE.code, limit.place(), message).hint("set its process limit to `1`"));
        }
        if wants.contains(&"unlimited") && service.limit != Some(0) {
            let message =
                format!("`{}` has a process limit, which {program} does not start with", service.name);
            findings
                .push(Finding::new(&RULE.code, limit.place(), message).hint("set its process limit to `0`"));
        }
        if wants.contains(&"privileged") && unprivileged.text != "n" {
            let message =
                format!("`{}` has no privileges, which {program} does not work without", service.name);
            findings.push(
                Finding::new(&RULE.code, unprivileged.place(), message)
                    .hint("set its field `unprivileged` to `n`"),
            );
        }
        // Others of a program are found where those are that Postfix comes with.
        let mut alike = instance.facts.services.values();
        let alike = alike.find(|other| other.program == service.program && other.kind == service.kind);
        if let Some(known) = stock.or(alike).filter(|known| known.private != service.private) {
            let (is, wanted, write) =
                if known.private { ("public", "private", "-") } else { ("private", "public", "n") };
            let message = format!("`{}` is {is}, and others look for it in `{wanted}`", service.name);
            findings.push(
                Finding::new(&RULE.code, private.place(), message)
                    .hint(format!("set its field `private` to `{write}`")),
            );
        }
        let Some(stock) = stock else { continue };
        if !service.wakes && stock.wakeup != "-" {
            findings.push(asleep(service, stock, wakeup.place()));
        }
    }
}

fn asleep(service: &Service, stock: &Stock, place: crate::lint::Place) -> Finding {
    let message = format!("nothing wakes `{}` up", service.name);
    let finding = Finding::new(&RULE.code, place, message)
        .hint(format!("set its field `wakeup` to `{}`", stock.wakeup));
    // What is asked for wakes up too.
    if stock.wakeup.ends_with('?') { finding.warning() } else { finding }
}
