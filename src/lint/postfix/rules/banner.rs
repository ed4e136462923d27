use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::banner",
        about: "The greeting of a server does not begin with its host name.",
    },
    why: "SMTP wants the name first (RFC 5321), and a client that greets itself knows a loop by it.",
    bad: Example {
        files: &[("main.cf", "smtpd_banner = ESMTP ready\n"), ("master.cf", "smtp inet n - n - - smtpd\n")],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_banner = $myhostname ESMTP\n"),
            ("master.cf", "smtp inet n - n - - smtpd\n"),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in instance.running(&["smtpd", "postscreen"]) {
        let some = Some(service);
        let Some(setting) = instance.explicit(some, "smtpd_banner") else { continue };
        let (banner, host) = (instance.value(some, "smtpd_banner"), instance.value(some, "myhostname"));
        let first = banner.split_whitespace().next().unwrap_or_default();
        let names_host =
            setting.value.text.starts_with("$myhostname") || setting.value.text.starts_with("${myhostname}");
        if names_host || host.is_empty() || first.eq_ignore_ascii_case(&host) {
            continue;
        }
        let message =
            format!("the greeting of `{}` begins with `{first}`, not with its name `{host}`", service.name);
        findings.push(
            Finding::new(&RULE.code, setting.place(), message)
                .hint("begin `smtpd_banner` with `$myhostname`"),
        );
        // What all listeners share is told for the first one.
        if instance.explicit(None, "smtpd_banner").is_some_and(|main| std::ptr::eq(main, setting)) {
            return;
        }
    }
}
