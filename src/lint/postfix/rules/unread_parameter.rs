use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::expand;
use crate::lint::postfix::facts::Parameter;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::unread-parameter",
        about: "A parameter is set for a service whose program does not read it.",
    },
    why: "The setting does nothing: `smtp_bind_address` on the line of an smtpd binds no mail that leaves.",
    bad: Example { files: &[("master.cf", "smtp inet n - n - - smtpd\n  -o smtp_bind_address=192.0.2.1\n")] },
    good: Example {
        files: &[(
            "master.cf",
            "192.0.2.1:25 inet n - n - - smtpd\nsmtp unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.1\n  -o inet_protocols=ipv4\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in &instance.services {
        let program = service.program.as_str();
        if !instance.facts.programs.contains(program) {
            continue;
        }
        for setting in &service.overrides {
            let name = setting.name.as_str();
            let Some(parameter) = instance.facts.parameters.get(name) else { continue };
            if parameter.is_read_by(program) || instance.is_asked_by(service, name) {
                continue;
            }
            let readers = parameter.readers().join(", ");
            let message = format!("`{program}` does not read `{name}`; {readers} does");
            let sibling = match name.split_once('_') {
                Some((prefix, rest)) if prefix != program => Some(format!("{program}_{rest}"))
                    .filter(|own| instance.facts.parameters.contains_key(own.as_str())),
                _ => None,
            };
            let finding = Finding::new(&RULE.code, setting.name_place(), message);
            findings.push(match sibling {
                Some(own) => finding.hint(format!("did you mean `{own}`?")),
                None => finding.hint("set it for the service that reads it, or take it away"),
            });
        }
    }
}

impl Instance<'_> {
    /// Whether a value that a service reads is made of a name.
    fn is_asked_by(&self, service: &Service, name: &str) -> bool {
        let asks = |text: &str| expand::names(text).iter().any(|(asked, _)| *asked == name);
        let own = self.main.iter().chain(&service.overrides).any(|setting| asks(&setting.value.text));
        let is_read = |(_, parameter): &(&&str, &Parameter)| {
            parameter.is_read_by(&service.program) && !parameter.readers().is_empty()
        };
        let mut read = self.facts.parameters.iter().filter(is_read);
        own || read.any(|(_, parameter)| asks(parameter.default(self.version())))
    }
}
