use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::changed-default",
        about: "A parameter that is not set has another default in the version of Postfix that is asked for. A warning.",
    },
    why: "An upgrade would change what the instance does; set the value that is wanted. `--postfix-version` is held against \
          the version that the project's value `postfix_version` says, or else against the one before it. The example is \
          judged for 3.9.",
    bad: Example {
        files: &[
            ("main.cf", "smtpd_forbid_unauth_pipelining = yes\n"),
            ("master.cf", "smtp inet n - n - - smtpd\n"),
        ],
    },
    good: Example {
        files: &[(
            "main.cf",
            "smtpd_forbid_unauth_pipelining = yes\nsmtpd_forbid_bare_newline = normalize\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let Some(version) = instance.options.version else { return };
    let Some(from) = instance.options.from.or_else(|| version.before()) else { return };
    for (name, parameter) in &instance.facts.parameters {
        let is_here =
            |version| parameter.first <= version && parameter.gone.is_none_or(|gone| gone > version);
        if !is_here(version) || !is_here(from) || instance.explicit(None, name).is_some() {
            continue;
        }
        let (was, is) = (parameter.default(from), parameter.default(version));
        // What differs by how it is compared only, and what differs in length only, is no news.
        let plain = |text: &str| text.replace("<level", "<");
        let readers = parameter.readers();
        let is_used = readers.is_empty()
            || instance.services.iter().any(|service| readers.contains(&service.program.as_str()));
        if plain(was) == plain(is) || is.len() > 300 || *name == "service_name" || !is_used {
            continue;
        }
        let message = format!(
            "`{name}` is not set, and its default changes from `{was}` in {from} to `{is}` in {version}"
        );
        let finding = Finding::new(&RULE.code, Place::new("main.cf", 0..0), message).warning();
        findings.push(finding.hint(format!("set `{name}`")));
    }
}
