use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::unknown-program",
        about: "A service runs a program that Postfix does not have.",
    },
    why: "The service fails whenever it is asked for. Programs of others are run by `spawn` and `pipe`.",
    bad: Example { files: &[("master.cf", "smtp inet n - n - - smptd\n")] },
    good: Example { files: &[("master.cf", "smtp inet n - n - - smtpd\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in &instance.services {
        let program = service.program.as_str();
        if !instance.facts.programs.contains(program) {
            let message = format!("there is no program `{program}`");
            let names = instance.facts.programs.iter().copied();
            findings.push(Finding::new(&RULE.code, service.program_place(), message).nearest(program, names));
        }
    }
}
