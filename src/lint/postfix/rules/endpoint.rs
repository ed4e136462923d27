use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::{Item, RESTRICTIONS};
use crate::lint::postfix::networks::hop_fault;
use crate::lint::postfix::networks::port_fault;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::endpoint",
        about: "A milter, a policy server or a proxy filter is not written as Postfix reaches one.",
    },
    why: "Expected is `inet:host:port` or `unix:/path`. smtpd does not get through to anything else, and refuses mail or lets \
          it pass unfiltered, as `milter_default_action` says. `inet:port@host` is how others write it.",
    bad: Example { files: &[("main.cf", "smtpd_milters = inet:8891@localhost\n")] },
    good: Example { files: &[("main.cf", "smtpd_milters = inet:localhost:8891\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        if matches!(name, "smtpd_milters" | "non_smtpd_milters") {
            for item in instance.items(service, setting) {
                judge(name, &item, findings);
            }
        } else if name == "smtpd_proxy_filter" {
            let value = instance.value(service, name);
            // Its types may be left out.
            let typed = value.starts_with("inet:") || value.starts_with("unix:") || value.is_empty();
            let text = if typed { value } else { format!("inet:{value}") };
            judge(name, &Item { text, place: setting.place() }, findings);
        } else if RESTRICTIONS.contains(&name) || instance.classes().iter().any(|class| class == name) {
            for restriction in instance.restrictions(&instance.items(service, setting)) {
                if let Some(argument) =
                    restriction.argument.filter(|_| restriction.name == "check_policy_service")
                {
                    judge(&restriction.name, &argument, findings);
                }
            }
        }
    }
}

fn judge(by: &str, item: &Item, findings: &mut Findings) {
    let text = item.text.trim_start_matches(['{', ' ']);
    let text = text.split([' ', ',', '}']).next().unwrap_or_default();
    if text.is_empty() || text.contains('$') {
        return;
    }
    let why = match text.split_once(':') {
        Some(("unix" | "local", path)) if !path.is_empty() => None,
        Some(("inet", at)) if at.contains('@') => Some(format!("`{at}` is not `host:port`")),
        Some(("inet", at)) => match at.rsplit_once(':') {
            // A port alone is one of this host.
            None => port_fault(at).or_else(|| {
                at.starts_with(|c: char| !c.is_ascii_digit()).then(|| format!("`{at}` has no port"))
            }),
            Some((_, "")) => Some(format!("`{at}` has no port")),
            Some(("", port)) => port_fault(port),
            Some(_) => hop_fault(at),
        },
        _ => Some("it begins with neither `inet:` nor `unix:`".to_owned()),
    };
    if let Some(why) = why {
        let message = format!("`{by}` cannot reach `{text}`: {why}");
        let hint = "write `inet:host:port`, or `unix:/path`";
        findings.push(Finding::new(&RULE.code, item.place.clone(), message).hint(hint));
    }
}
