use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Entry;
use crate::lint::{Example, Finding, Findings, Place};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::unknown-transport",
        about: "A parameter or a map names a transport or a service that master.cf does not have.",
    },
    why: "Mail that should take it waits in the queue: `mail transport unavailable`.",
    bad: Example {
        files: &[
            ("main.cf", "transport_maps = texthash:$config_directory/transport\n"),
            ("transport", "example.org smpt:[192.0.2.9]\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "transport_maps = texthash:$config_directory/transport\n"),
            ("transport", "example.org smtp:[192.0.2.9]\n"),
        ],
    },
    check,
};

/// Parameters whose value begins with a transport.
pub(super) const PARAMETERS: &[&str] = &[
    "default_transport",
    "relay_transport",
    "local_transport",
    "virtual_transport",
    "mailbox_transport",
    "fallback_transport",
    "best_mx_transport",
    "content_filter",
    "address_verify_default_transport",
    "address_verify_local_transport",
    "address_verify_relay_transport",
    "address_verify_virtual_transport",
];

/// Parameters whose maps give transports.
pub(super) const MAPS: &[&str] = &[
    "transport_maps",
    "sender_dependent_default_transport_maps",
    "mailbox_transport_maps",
    "fallback_transport_maps",
    "address_verify_transport_maps",
    "address_verify_sender_dependent_default_transport_maps",
];

/// A place that hands mail to a transport.
pub(super) struct Hop {
    /// The parameter, or the kind of action, that does.
    pub(super) by: String,
    pub(super) transport: String,
    pub(super) nexthop: String,
    pub(super) place: Place,
}

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let names = || {
        instance.services.iter().filter(|service| service.kind != "inet").map(|service| service.name.as_str())
    };
    for hop in instance.hops() {
        if instance.transport(&hop.transport).is_none() {
            let message = format!(
                "`{}` names the transport `{}`, which master.cf does not have",
                hop.by, hop.transport
            );
            findings.push(Finding::new(&RULE.code, hop.place, message).nearest(&hop.transport, names()));
        }
    }
    for (service, setting) in instance.effective() {
        let is_service = setting.name.ends_with("_service_name")
            && instance.facts.parameters.contains_key(setting.name.as_str());
        let value = instance.value(service, &setting.name);
        let name = value.rsplit('/').next().unwrap_or_default();
        if setting.name == "defer_transports" {
            for item in instance.items(service, setting) {
                if instance.transport(&item.text).is_none() {
                    let message =
                        format!("`defer_transports` names `{}`, which master.cf does not have", item.text);
                    findings.push(Finding::new(&RULE.code, item.place, message).nearest(&item.text, names()));
                }
            }
        } else if is_service
            && !name.is_empty()
            && !instance.services.iter().any(|service| service.name == name)
        {
            let message =
                format!("`{}` names the service `{name}`, which master.cf does not have", setting.name);
            findings.push(Finding::new(&RULE.code, setting.place(), message).nearest(name, names()));
        }
    }
    if instance.explicit(None, "default_transport").is_none()
        && !instance.services.is_empty()
        && instance.transport("smtp").is_none()
        && instance.running(&["smtpd", "pickup"]).next().is_some()
    {
        let message = "`default_transport` is not set, and master.cf does not have its default, `smtp`";
        findings.push(Finding::new(&RULE.code, instance.place(None, "default_transport"), message));
    }
}

impl Instance<'_> {
    /// All that hands mail to a transport, as far as it can be read.
    pub(super) fn hops(&self) -> Vec<Hop> {
        let mut list = Vec::new();
        for (service, setting) in self.effective() {
            let name = setting.name.as_str();
            if PARAMETERS.contains(&name) {
                let value = self.value(service, name);
                list.extend(hop(name, &value, setting.place()));
            } else if MAPS.contains(&name) {
                for entry in self.entries(service, name).0 {
                    if !entry.value.eq_ignore_ascii_case("dunno") {
                        list.extend(hop(name, &entry.value, entry.place));
                    }
                }
            }
        }
        for map in self.map_names() {
            let is_access = map.parameter.ends_with("_restrictions")
                || map.parameter.ends_with("_checks")
                || self.classes().iter().any(|class| class == map.parameter);
            if !is_access {
                continue;
            }
            if let crate::lint::postfix::lists::Table::Entries(entries) = self.table(&map) {
                let filters = |entry: Entry| {
                    let (action, to) = entry.value.split_once(' ')?;
                    action.eq_ignore_ascii_case("filter").then(|| hop("FILTER", to, entry.place.clone()))?
                };
                list.extend(entries.into_iter().filter_map(filters));
            }
        }
        list
    }
}

/// `transport:nexthop`; nothing where no transport is named.
fn hop(by: &str, value: &str, place: Place) -> Option<Hop> {
    let (transport, nexthop) = value.split_once(':').unwrap_or((value, ""));
    let transport = transport.trim();
    (!transport.is_empty() && !transport.contains('$')).then(|| Hop {
        by: by.to_owned(),
        transport: transport.to_owned(),
        nexthop: nexthop.trim().to_owned(),
        place,
    })
}
