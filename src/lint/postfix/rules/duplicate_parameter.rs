use std::collections::BTreeMap;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Setting;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::duplicate-parameter",
        about: "A parameter is set twice, in main.cf or for one service.",
    },
    why: "The last one counts, and the other one is there to mislead.",
    bad: Example { files: &[("main.cf", "message_size_limit = 20480000\nmessage_size_limit = 10240000\n")] },
    good: Example { files: &[("main.cf", "message_size_limit = 20480000\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let overrides = instance.services.iter().map(|service| service.overrides.as_slice());
    for settings in std::iter::once(instance.main.as_slice()).chain(overrides) {
        let mut seen: BTreeMap<&str, &Setting> = BTreeMap::new();
        for setting in settings {
            if let Some(first) = seen.insert(&setting.name, setting) {
                let message = format!("`{}` is set twice: this one counts", setting.name);
                let finding = Finding::new(&RULE.code, setting.name_place(), message);
                findings.push(finding.other(first.name_place(), "this one does not"));
            }
        }
    }
}
