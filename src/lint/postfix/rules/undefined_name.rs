use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::expand;
use crate::lint::postfix::facts::Kind;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::undefined-name",
        about: "A value names with `$` what is neither a parameter nor set.",
    },
    why: "Postfix puts nothing in its place, without a word.",
    bad: Example { files: &[("main.cf", "mydestination = $myhostname, localhost.$mydomian\n")] },
    good: Example { files: &[("main.cf", "mydestination = $myhostname, localhost.$mydomain\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.settings() {
        let known = instance.facts.parameters.get(setting.name.as_str());
        // In these, and in what is not Postfix's own, names are looked up later and elsewhere.
        if known.is_none_or(|parameter| parameter.kind == Kind::Raw) || setting.name == "debugger_command" {
            continue;
        }
        for (name, range) in expand::names(&setting.value.text) {
            let set = instance.settings().any(|(_, other)| other.name == name);
            let is_known = set
                || instance.raw(service, name).is_some()
                || instance.transport_setting(name).is_some()
                || matches!(name, "stress" | "service_name" | "process_name" | "process_id" | "mydomain");
            if is_known {
                continue;
            }
            let message = format!("`${name}` has no value: there is no such parameter, and nothing sets it");
            let names = instance.facts.parameters.keys().copied();
            let own = instance.main.iter().map(|setting| setting.name.as_str());
            findings.push(
                Finding::new(&RULE.code, setting.part(&range), message).nearest(name, names.chain(own)),
            );
        }
    }
}
