use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::facts::Kind;
use crate::lint::postfix::read::split;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::missing-dollar",
        about: "A value is the name of a parameter, without the `$` that gives its value.",
    },
    why: "Postfix takes the name itself for the value: `myorigin = mydomain` sends mail as `user@mydomain`.",
    bad: Example { files: &[("main.cf", "myorigin = mydomain\n")] },
    good: Example { files: &[("main.cf", "myorigin = $mydomain\n")] },
    check,
};

/// Parameters that hold names of parameters.
const NAMES: &[&str] = &["smtpd_restriction_classes", "import_environment", "export_environment"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (_, setting) in instance.effective() {
        let parameter = instance.facts.parameters.get(setting.name.as_str());
        if NAMES.contains(&setting.name.as_str())
            || parameter.is_none_or(|parameter| parameter.kind == Kind::Raw)
        {
            continue;
        }
        for range in split(&setting.value.text) {
            let item = &setting.value.text[range.clone()];
            let is_parameter = instance.facts.parameters.contains_key(item);
            // Some are called as words are.
            let is_plain = !item.contains('_') && !item.starts_with("my");
            if !is_parameter || is_plain || instance.transport(item).is_some() {
                continue;
            }
            let message = format!("`{item}` is the name of a parameter, and nothing asks for its value");
            findings.push(
                Finding::new(&RULE.code, setting.part(&range), message).hint(format!("write `${item}`")),
            );
        }
    }
}
