use ipnet::IpNet;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::{Item, Restriction, names_map};
use crate::lint::postfix::networks::{are_wide, is_wide, network};
use crate::lint::postfix::read::{Entry, Service};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::open-relay", about: "Strangers may send everywhere through this server." },
    why: "That is so where `mynetworks` trusts wide networks (more than a /16 of public addresses, or for IPv6 a /32; \
          private ones may be whole), where no list of restrictions stops a stranger's mail for other domains, or where a \
          `permit` stands before what would.",
    bad: Example {
        files: &[(
            "main.cf",
            "mynetworks = 127.0.0.0/8 0.0.0.0/1 128.0.0.0/1\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
        )],
    },
    good: Example {
        files: &[(
            "main.cf",
            "mynetworks = 127.0.0.0/8 192.0.2.0/24\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        match setting.name.as_str() {
            "mynetworks" | "smtpd_authorized_xclient_hosts" => {
                wide(instance, service, &setting.name, &instance.items(service, setting), findings);
            }
            "relay_domains" | "mydestination" | "virtual_alias_domains" | "virtual_mailbox_domains" => {
                every_domain(instance, &setting.name, &instance.items(service, setting), findings);
            }
            _ => {}
        }
    }
    for service in instance.running(&["smtpd"]).filter(|service| instance.is_public(service)) {
        let Some(finding) = unguarded(instance, service) else { continue };
        // What all listeners share is told for the first one.
        if !findings.list.iter().any(|other| other.code.id == RULE.code.id && other.place == finding.place) {
            findings.push(finding);
        }
    }
}

/// Judges a list of clients that are trusted.
fn wide(
    instance: &Instance<'_>,
    service: Option<&Service>,
    name: &str,
    items: &[Item],
    findings: &mut Findings,
) {
    let mut nets: Vec<(IpNet, Item)> = Vec::new();
    for item in items {
        if let Some(path) = item.text.strip_prefix('/').map(|_| item.text.as_str()) {
            let path = instance.local(path);
            match instance.files.find(&path) {
                crate::lint::Found::File(bytes) => {
                    for entry in crate::lint::postfix::read::map(&path, &bytes, false) {
                        let item = Item { text: entry.key.clone(), place: entry.key_place };
                        nets.extend(network(&entry.key).ok().map(|net| (net, item)));
                    }
                }
                _ => findings.unchecked(format!("the file `{path}` of `{name}`, which is not here")),
            }
            continue;
        }
        let entries = if item.text.contains(':') && !item.text.starts_with('[') {
            instance.entries_of(item)
        } else {
            None
        };
        for entry in entries.unwrap_or_default() {
            if is_catch_all(&entry) {
                let message = format!("`{name}` holds every client");
                findings.push(
                    Finding::new(&RULE.code, entry.key_place.clone(), message).hint("name the networks"),
                );
            }
            let item = Item { text: entry.key.clone(), place: entry.key_place };
            nets.extend(network(&item.text).ok().map(|net| (net, item)));
        }
        // What is excluded is not trusted.
        nets.extend(network(&item.text).ok().map(|net| (net, item.clone())));
    }
    let mut found = false;
    for (net, item) in nets.iter().filter(|(net, _)| is_wide(*net)) {
        found = true;
        let message = format!("`{name}` has `{}`: so many clients may send everywhere", item.text);
        let hint = "name only the networks of your own clients";
        findings.push(Finding::new(&RULE.code, item.place.clone(), message).hint(hint));
        let _ = net;
    }
    let all: Vec<IpNet> = nets.iter().map(|(net, _)| *net).collect();
    if !found && are_wide(&all) {
        let message =
            format!("the networks of `{name}` are wide together: so many clients may send everywhere");
        findings.push(Finding::new(&RULE.code, instance.place(service, name), message));
    }
}

/// Judges a list of domains that mail is accepted for from everybody.
fn every_domain(instance: &Instance<'_>, name: &str, items: &[Item], findings: &mut Findings) {
    for item in items.iter().filter(|item| item.text.contains(':')) {
        for entry in instance.entries_of(item).unwrap_or_default().iter().filter(|entry| is_catch_all(entry))
        {
            let message =
                format!("`{name}` holds every domain: mail for all of them is accepted from everybody");
            findings
                .push(Finding::new(&RULE.code, entry.key_place.clone(), message).hint("name the domains"));
        }
    }
}

/// Whether a key matches about everything that is looked up.
fn is_catch_all(entry: &Entry) -> bool {
    if matches!(
        entry.key.as_str(),
        "*" | "." | "/./" | "/.*/" | "/^/" | "/$/" | "/^.*$/" | "/.+/" | "/^.+$/" | "//" | "/@/"
    ) {
        return true;
    }
    network(&entry.key).is_ok_and(is_wide)
}

/// What a list does with mail of a stranger for another domain.
enum Outcome {
    /// It may not pass.
    Stopped,
    /// It passes: because of this restriction, or because nothing stops it.
    Passes(Option<Restriction>),
}

/// What stops a stranger's mail, whatever else a list says.
const STOPS: &[&str] = &[
    "reject",
    "defer",
    "defer_if_permit",
    "reject_unauth_destination",
    "defer_unauth_destination",
    "check_relay_domains",
];

fn outcome(instance: &Instance<'_>, list: &[Restriction], stops: &[&str]) -> Outcome {
    for one in list.iter().filter(|one| !one.warns) {
        let name = one.name.as_str();
        if stops.contains(&name) {
            return Outcome::Stopped;
        }
        if name == "permit" {
            return Outcome::Passes(Some(one.clone()));
        }
        if instance.classes().iter().any(|class| class.eq_ignore_ascii_case(name)) {
            let inner = instance.restrictions_of(None, name);
            match outcome(instance, &inner, stops) {
                Outcome::Passes(None) => {}
                decided => return decided,
            }
        }
        if names_map(name)
            && let Some(argument) = &one.argument
        {
            let entries = instance.entries_of(argument).unwrap_or_default();
            // Anybody can claim a sender and a name; a recipient or a client is what it is.
            let claimed = name.contains("sender") || name.contains("helo") && !name.contains("_a_");
            let permits = |entry: &&Entry| {
                let word = entry.value.split([' ', ',']).next().unwrap_or_default().to_ascii_lowercase();
                matches!(word.as_str(), "ok" | "permit" | "relay")
                    || !word.is_empty()
                        && word.bytes().all(|byte| byte.is_ascii_digit())
                        && !(word.len() == 3 && word.starts_with(['4', '5']))
            };
            if entries.iter().filter(permits).any(|entry| claimed || is_catch_all(entry)) {
                return Outcome::Passes(Some(one.clone()));
            }
            let stops_all = |entry: &Entry| {
                let word = entry.value.split([' ', ',']).next().unwrap_or_default().to_ascii_lowercase();
                stops.contains(&word.as_str()) && is_catch_all(entry)
            };
            if entries.iter().any(stops_all) {
                return Outcome::Stopped;
            }
        }
    }
    Outcome::Passes(None)
}

fn unguarded(instance: &Instance<'_>, service: &Service) -> Option<Finding> {
    let some = Some(service);
    for list in ["smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions"] {
        let restrictions = instance.restrictions_of(some, list);
        // The first two lists know no recipient where they are not delayed.
        let stops = if instance.is_on(some, "smtpd_delay_reject") { STOPS } else { &["reject", "defer"] };
        if matches!(outcome(instance, &restrictions, stops), Outcome::Stopped) && has_stop(instance, some) {
            return None;
        }
    }
    let mut cause = None;
    for list in ["smtpd_relay_restrictions", "smtpd_recipient_restrictions"] {
        match outcome(instance, &instance.restrictions_of(some, list), STOPS) {
            Outcome::Stopped => return None,
            Outcome::Passes(by) => cause = cause.or(by),
        }
    }
    let hint = "end `smtpd_relay_restrictions` with `reject_unauth_destination`, and permit nothing but your own before it";
    let listener = &service.name;
    let (place, message) = if let Some(one) = cause {
        (one.place, format!("`{}` permits strangers to send everywhere through `{listener}`", one.name))
    } else {
        let message = format!(
            "nothing stops strangers from sending everywhere through `{listener}`: neither `smtpd_relay_restrictions` nor \
             `smtpd_recipient_restrictions` rejects or defers"
        );
        (instance.place(some, "smtpd_relay_restrictions"), message)
    };
    Some(Finding::new(&RULE.code, place, message).hint(hint).other(service.place(), "through this service"))
}

/// Whether smtpd starts at all: it wants one of these in one of the two lists.
fn has_stop(instance: &Instance<'_>, service: Option<&Service>) -> bool {
    ["smtpd_relay_restrictions", "smtpd_recipient_restrictions"].iter().any(|list| {
        instance.restrictions_of(service, list).iter().any(|one| STOPS.contains(&one.name.as_str()))
    })
}
