use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::bare-newline", about: "A public listener lets mail be smuggled in." },
    why: "Where lines may end in a bare newline, a message can hide others in it, with senders that were never checked \
          (CVE-2023-51764). What is left at the default of Postfix is not judged.",
    bad: Example {
        files: &[
            ("main.cf", "smtpd_forbid_bare_newline = no\n"),
            ("master.cf", "smtp inet n - n - - smtpd\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_forbid_bare_newline = normalize\n"),
            ("master.cf", "smtp inet n - n - - smtpd\n"),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let name = "smtpd_forbid_bare_newline";
    for service in instance.running(&["smtpd"]).filter(|service| instance.is_public(service)) {
        let some = Some(service);
        let value = instance.value(some, name).to_ascii_lowercase();
        if instance.explicit(some, name).is_some() && matches!(value.as_str(), "no" | "note") {
            let place = instance.place(some, name);
            let message = format!("`{name} = {value}` lets mail be smuggled in");
            findings.push(Finding::new(&RULE.code, place, message).hint("write `normalize`"));
        }
        // These are no servers that do it wrong, but all.
        for item in instance.list(some, "smtpd_forbid_bare_newline_exclusions") {
            use crate::lint::postfix::networks::{is_wide, network};
            if network(&item.text).is_ok_and(is_wide) || item.text == "static:all" {
                let message = format!("`{}` lets mail be smuggled in from everywhere", item.text);
                findings.push(Finding::new(&RULE.code, item.place, message).hint("name the servers"));
            }
        }
    }
}
