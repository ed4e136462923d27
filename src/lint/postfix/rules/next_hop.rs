use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::hop_fault;
use crate::lint::postfix::read::split;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::next-hop",
        about: "Where mail goes next is not written as smtp(8) or lmtp(8) takes it.",
    },
    why: "A next hop is `domain`, `host:port`, `[host]` or `[host]:port`; lmtp takes `unix:/path` and `inet:host:port` too. \
          Anything else makes the client die or the mail wait. The same holds for `relayhost`, fallback relays and the \
          results of maps; a `#` behind a result begins no comment.",
    bad: Example { files: &[("main.cf", "relayhost = [relay.example.org:587\n")] },
    good: Example { files: &[("main.cf", "relayhost = [relay.example.org]:587\n")] },
    check,
};

/// Parameters that are next hops without a transport.
const PARAMETERS: &[&str] = &[
    "relayhost",
    "address_verify_relayhost",
    "smtp_fallback_relay",
    "lmtp_fallback_relay",
    "fallback_relay",
];

/// Parameters whose maps give such.
const MAPS: &[&str] = &["sender_dependent_relayhost_maps", "address_verify_sender_dependent_relayhost_maps"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for hop in instance.hops() {
        let clients = ["smtp", "lmtp"];
        if instance.transport(&hop.transport).is_some_and(|service| service.runs(&clients)) {
            judge(instance, &hop.by, &hop.nexthop, &hop.place, findings);
        }
    }
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        if PARAMETERS.contains(&name) {
            judge(instance, name, &instance.value(service, name), &setting.place(), findings);
        } else if MAPS.contains(&name) {
            for entry in instance.entries(service, name).0 {
                if !entry.value.eq_ignore_ascii_case("dunno") {
                    judge(instance, name, &entry.value, &entry.place, findings);
                }
            }
        }
    }
}

fn judge(instance: &Instance<'_>, by: &str, text: &str, place: &Place, findings: &mut Findings) {
    // What a pattern puts in is not known here.
    if text.contains('$') {
        return;
    }
    for item in split(text).into_iter().map(|range| &text[range]) {
        if item.starts_with("unix:") {
            continue;
        }
        let hop = item.strip_prefix("inet:").unwrap_or(item);
        let Some(why) = hop_fault(hop) else { continue };
        let names = item.split_once(':').filter(|(name, _)| instance.transport(name).is_some());
        let finding =
            Finding::new(&RULE.code, place.clone(), format!("the next hop of `{by}` is none: {why}"));
        findings.push(match names {
            Some((name, hop)) if !item.starts_with('[') => {
                finding.hint(format!("no transport stands here: write `{hop}` without `{name}:`"))
            }
            _ if item.starts_with('#') => finding.hint("a comment takes a line of its own"),
            _ => finding.hint("write `[host]:port`, or a domain"),
        });
        return;
    }
}
