use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::command-service",
        about: "A service of pipe(8) or spawn(8) has no user or no command, or a user that it does not run as.",
    },
    why: "Both refuse to run without `user=` and `argv=`, as root and as the owner of Postfix. Mail that should take the service \
          waits.",
    bad: Example {
        files: &[(
            "master.cf",
            "maildrop unix - n n - - pipe\n  flags=DRXhu argv=/usr/bin/maildrop -d ${recipient}\n",
        )],
    },
    good: Example {
        files: &[(
            "master.cf",
            "maildrop unix - n n - - pipe\n  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n",
        )],
    },
    check,
};

/// The attributes of the two programs.
const PIPE: &[&str] =
    &["argv", "chroot", "directory", "eol", "flags", "null_sender", "recipient_delimiter", "size", "user"];
const SPAWN: &[&str] = &["argv", "user"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in instance.running(&["pipe", "spawn"]) {
        let known = if service.program == "pipe" { PIPE } else { SPAWN };
        for field in &service.attributes {
            let name = field.text.split('=').next().unwrap_or_default();
            if !known.contains(&name) {
                let message = format!("`{}` has no attribute `{name}`", service.program);
                findings.push(
                    Finding::new(&RULE.code, field.place(), message).nearest(name, known.iter().copied()),
                );
            }
        }
        let finding = |place: Place, what: String| Finding::new(&RULE.code, place, what);
        if value(service, "argv").is_none_or(|(command, _)| command.is_empty()) {
            let message = format!("`{}` runs no command", service.name);
            findings
                .push(finding(service.place(), message).hint("end it with `argv=/path/of/the/command …`"));
        }
        let owner = instance.value(None, "mail_owner");
        match value(service, "user") {
            None | Some(("", _)) => {
                let message = format!("`{}` has no user to run its command as", service.name);
                findings.push(finding(service.place(), message).hint("add `user=` in front of `argv=`"));
            }
            Some((user, place)) => {
                let (name, group) = user.split_once(':').unwrap_or((user, ""));
                let is_root = matches!(name, "root" | "0") || matches!(group, "root" | "0" | "wheel");
                if is_root || name == owner {
                    let message = format!(
                        "`{}` is to run its command as `{user}`, which {} refuses",
                        service.name, service.program
                    );
                    findings.push(finding(place, message).hint("name a user of its own"));
                }
            }
        }
    }
}

/// The value of an attribute, with its place.
fn value<'s>(service: &'s Service, name: &str) -> Option<(&'s str, Place)> {
    service.attributes.iter().find_map(|field| {
        let (own, value) = field.text.split_once('=')?;
        (own == name).then(|| (value, field.place()))
    })
}
