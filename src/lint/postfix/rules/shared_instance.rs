use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::Listener;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::shared-instance",
        about: "Two instances of one host have the same folder, name or listener.",
    },
    why: "The second one does not start, or both work on one queue. Instances are held against each other where their folders \
          lie in one and are called as postmulti(1) wants it: `postfix`, `postfix-…`.",
    bad: Example { files: &[] },
    good: Example { files: &[] },
    check: |_, _| {},
};

/// What each instance has for itself.
const OWN: &[&str] = &["queue_directory", "data_directory", "multi_instance_name"];

/// What a second instance has in common with a first one, whose folder is called by a name.
pub(in crate::lint::postfix) fn between(
    first: &Instance<'_>,
    name: &str,
    second: &Instance<'_>,
) -> Vec<Finding> {
    let mut list = Vec::new();
    for parameter in OWN {
        let value = second.value(None, parameter);
        if !value.is_empty() && value == first.value(None, parameter) {
            let message = format!("`{parameter} = {value}` is that of the instance `{name}` too");
            list.push(
                Finding::new(&RULE.code, second.place(None, parameter), message)
                    .hint(format!("give each instance its own `{parameter}`")),
            );
        }
    }
    let others = listeners(first);
    for (service, listener) in listeners(second) {
        if let Some((other, _)) = others.iter().find(|(_, other)| other.overlaps(&listener)) {
            let message =
                format!("`{}` listens where `{}` of the instance `{name}` does", service.name, other.name);
            list.push(Finding::new(&RULE.code, service.place(), message));
        }
    }
    list
}

fn listeners<'a>(instance: &'a Instance<'_>) -> Vec<(&'a Service, Listener)> {
    if instance.list(None, "master_service_disable").iter().any(|item| item.text == "inet") {
        return Vec::new();
    }
    let inet = instance.services.iter().filter(|service| service.kind == "inet");
    inet.filter_map(|service| Some((service, instance.listener(service)?))).collect()
}
