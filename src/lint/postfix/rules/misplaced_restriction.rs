use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::{RESTRICTIONS, Restriction};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::misplaced-restriction",
        about: "A restriction stands where it can never act.",
    },
    why: "What follows an unconditional `permit`, `reject` or `defer` is never reached, and `warn_if_reject` at the end warns of nothing. With `smtpd_delay_reject = no`, what \
          looks at the recipient does nothing in a list that is asked before one is known.",
    bad: Example {
        files: &[("main.cf", "smtpd_client_restrictions = permit, reject_rbl_client dnsbl.example.org\n")],
    },
    good: Example {
        files: &[("main.cf", "smtpd_client_restrictions = reject_rbl_client dnsbl.example.org, permit\n")],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let Some(stage) = RESTRICTIONS.iter().position(|list| *list == setting.name) else { continue };
        let items = instance.items(service, setting);
        let list = instance.restrictions(&items);
        if let Some(last) = items.last().filter(|last| last.text.eq_ignore_ascii_case("warn_if_reject")) {
            let message = format!("`{}` has nothing behind it to warn of", last.text);
            findings.push(Finding::new(&RULE.code, last.place.clone(), message));
        }
        let end = list
            .iter()
            .position(|one| !one.warns && matches!(one.name.as_str(), "permit" | "reject" | "defer"));
        if let Some(end) = end
            && let Some(dead) = list.get(end + 1)
        {
            let message = format!(
                "`{}` is never reached: `{}` before it decides everything",
                dead.name, list[end].name
            );
            let finding = Finding::new(&RULE.code, dead.place.clone(), message);
            findings.push(finding.other(list[end].place.clone(), "nothing goes past this"));
        }
        let delayed = instance.is_on(service, "smtpd_delay_reject");
        for one in list.iter().filter(|one| needs(one) > stage && !delayed && stage < 3) {
            let what = if needs(one) == 2 { "the sender" } else { "the recipient" };
            let message = format!("`{}` does nothing here: {what} is not known yet", one.name);
            let finding = Finding::new(&RULE.code, one.place.clone(), message);
            findings
                .push(finding.hint("move it to the list of its stage, or set `smtpd_delay_reject = yes`"));
        }
    }
}

/// The number of the list from which on a restriction knows what it looks at.
fn needs(restriction: &Restriction) -> usize {
    let name = restriction.name.as_str();
    if name.contains("recipient") || name.ends_with("unauth_destination") || name == "permit_auth_destination"
    {
        3
    } else if name.contains("sender") && !name.contains("helo") {
        2
    } else {
        0
    }
}
