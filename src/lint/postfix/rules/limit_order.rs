use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::limit-order", about: "Two limits contradict each other." },
    why: "Where a mailbox may be smaller than a message, local(8) and virtual(8) do not start. Other limits Postfix adjusts, and \
          does not do what they say.",
    bad: Example { files: &[("main.cf", "maximal_queue_lifetime = 2d\nbounce_queue_lifetime = 5d\n")] },
    good: Example { files: &[("main.cf", "maximal_queue_lifetime = 5d\nbounce_queue_lifetime = 2d\n")] },
    check,
};

/// Limits: the lesser one and the greater one.
const PAIRS: &[(&str, &str)] = &[
    ("bounce_queue_lifetime", "maximal_queue_lifetime"),
    ("minimal_backoff_time", "maximal_backoff_time"),
    ("message_size_limit", "mailbox_size_limit"),
    ("message_size_limit", "virtual_mailbox_limit"),
    ("smtpd_soft_error_limit", "smtpd_hard_error_limit"),
    ("address_verify_positive_refresh_time", "address_verify_positive_expire_time"),
    ("address_verify_negative_refresh_time", "address_verify_negative_expire_time"),
];

/// Limits of mailboxes, with the lists of domains and the transport that lead to a program that has them.
const MAILBOXES: &[(&str, &str, &str, &str)] = &[
    ("mailbox_size_limit", "mydestination", "local_transport", "local"),
    ("virtual_mailbox_limit", "virtual_mailbox_domains", "virtual_transport", "virtual"),
];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (low, high) in PAIRS {
        let is_set = |name: &str| instance.explicit(None, name).is_some();
        let mailboxes = MAILBOXES.iter().find(|(limit, ..)| limit == high);
        // Postfix adjusts the defaults of others itself.
        let judged = match mailboxes {
            Some((_, domains, transport, program)) => {
                let hop = instance.value(None, transport);
                let service = instance.transport(hop.split(':').next().unwrap_or_default());
                (is_set(low) || is_set(high))
                    && !instance.list(None, domains).is_empty()
                    && service.is_some_and(|service| service.runs(&[program]))
            }
            None => is_set(low) && is_set(high),
        };
        if !judged {
            continue;
        }
        let set = if is_set(low) { low } else { high };
        let texts = [low, high].map(|name| instance.value(None, name));
        let [Some(least), Some(most)] = [&texts[0], &texts[1]].map(|text| amount(text)) else { continue };
        // Of sizes, 0 is no limit.
        let wrong =
            if mailboxes.is_some() { most != 0 && (least == 0 || least > most) } else { least > most };
        if wrong {
            let message = format!("`{low} = {}` is more than `{high} = {}`", texts[0], texts[1]);
            let finding = Finding::new(&RULE.code, instance.place(None, set), message);
            let other = [low, high].into_iter().find(|name| *name != set && is_set(name));
            findings.push(match other {
                Some(other) => finding.other(instance.place(None, other), "the other limit"),
                None => finding,
            });
        }
    }
}

/// A number, or a time in seconds.
fn amount(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}
