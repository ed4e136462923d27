//! Values that are lists: their items, the maps that they name, the restrictions of smtpd.

use super::read::{Entry, Service, Setting, map, split};
use super::{Instance, Place, expand};
use crate::lint::Found;

/// An item of a list.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) place: Place,
}

/// A map that a value names.
#[derive(Debug, Clone)]
pub(super) struct MapName<'a> {
    pub(super) service: Option<&'a Service>,
    /// The parameter that names it.
    pub(super) parameter: &'a str,
    /// Its type, without `proxy:`; empty where there is none.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) place: Place,
}

/// What a map holds.
pub(super) enum Table {
    /// It can be read: these are all its entries.
    Entries(Vec<Entry>),
    /// It lies elsewhere, or is no file.
    Unknown,
}

/// A restriction with what belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Restriction {
    /// Its name in lower case.
    pub(super) name: String,
    pub(super) place: Place,
    /// Its argument, where it takes one and has one.
    pub(super) argument: Option<Item>,
    /// Whether it only warns.
    pub(super) warns: bool,
}

/// The lists of restrictions of smtpd.
pub(super) const RESTRICTIONS: &[&str] = &[
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
];

/// Lists in which a table may stand beside other things.
const MATCHING: &[&str] = &[
    "authorized_flush_users",
    "authorized_mailq_users",
    "authorized_submit_users",
    "debug_peer_list",
    "fast_flush_domains",
    "mydestination",
    "mynetworks",
    "permit_mx_backup_networks",
    "postscreen_access_list",
    "qmqpd_authorized_clients",
    "relay_domains",
    "smtpd_authorized_verp_clients",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_client_event_limit_exceptions",
    "smtpd_log_access_permit_actions",
    "smtpd_sasl_exceptions_networks",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
];

/// The types of maps that are files of patterns.
const PATTERNS: &[&str] = &["cidr", "pcre", "regexp"];

/// The types of maps whose source is a file of keys.
const KEYED: &[&str] = &["texthash", "hash", "btree", "lmdb", "cdb", "dbm", "sdbm"];

/// Whether a restriction takes an argument.
pub(super) fn takes_argument(name: &str) -> bool {
    names_map(name)
        || name.starts_with("reject_rhsbl_")
        || matches!(
            name,
            "check_policy_service"
                | "reject_rbl_client"
                | "reject_rbl"
                | "permit_dnswl_client"
                | "permit_rhswl_client"
                | "sleep"
        )
}

/// Whether the argument of a restriction is a map.
pub(super) fn names_map(name: &str) -> bool {
    name.starts_with("check_") && name.ends_with("_access") || name == "check_address_map"
}

/// Whether all items of a parameter are maps; or some may be.
pub(super) fn holds_maps(name: &str) -> Option<bool> {
    let all = name.ends_with("_maps")
        || name.ends_with("_map")
        || name.ends_with("_checks")
        || name.ends_with("_database");
    let some = MATCHING.contains(&name)
        || name.ends_with("_filter") && !name.ends_with("_expansion_filter") && name != "content_filter";
    match (all, some) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The type and the name of what may be a map; nothing where the type is none.
fn typed(text: &str) -> Option<(&str, &str)> {
    let (kind, name) = text.split_once(':')?;
    let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_kind.then_some((kind, name))
}

impl Instance<'_> {
    /// The items of a setting; those that a `$name` gives have its place.
    pub(super) fn items(&self, service: Option<&Service>, setting: &Setting) -> Vec<Item> {
        let text = &setting.value.text;
        let mut list = Vec::new();
        for range in split(text) {
            let (part, place) = (&text[range.clone()], setting.part(&range));
            if part.contains('$') {
                let expanded = self.expand(service, part);
                let items = split(&expanded);
                list.extend(
                    items
                        .into_iter()
                        .map(|item| Item { text: expanded[item].to_owned(), place: place.clone() }),
                );
            } else {
                list.push(Item { text: part.to_owned(), place });
            }
        }
        list
    }

    /// The items of a parameter, be it set or not.
    pub(super) fn list(&self, service: Option<&Service>, name: &str) -> Vec<Item> {
        if let Some(setting) = self.explicit(service, name) {
            return self.items(service, setting);
        }
        let (value, place) = (self.value(service, name), self.place(service, name));
        let items = split(&value);
        items.into_iter().map(|item| Item { text: value[item].to_owned(), place: place.clone() }).collect()
    }

    /// The names of restriction classes.
    pub(super) fn classes(&self) -> &[String] {
        self.classes.get_or_init(|| {
            let services = self.running(&["smtpd"]).map(Some);
            let lists = std::iter::once(None).chain(services).filter(|service| {
                let is_own = |setting: &Setting| setting.name == "smtpd_restriction_classes";
                service.is_none_or(|service| service.overrides.iter().any(is_own))
            });
            let names = lists.flat_map(|service| self.list(service, "smtpd_restriction_classes"));
            names.map(|item| item.text).collect()
        })
    }

    /// The restrictions of a list.
    pub(super) fn restrictions(&self, items: &[Item]) -> Vec<Restriction> {
        let mut list = Vec::new();
        let mut warns = false;
        let mut items = items.iter().peekable();
        while let Some(item) = items.next() {
            let name = item.text.to_ascii_lowercase();
            if name == "warn_if_reject" {
                warns = true;
                continue;
            }
            let is_name = |text: &str| {
                let lower = text.to_ascii_lowercase();
                self.facts.restrictions.contains(lower.as_str()) || self.classes().contains(&text.to_owned())
            };
            let argument = if takes_argument(&name) {
                items.next_if(|next| !is_name(&next.text)).cloned()
            } else {
                None
            };
            list.push(Restriction { name, place: item.place.clone(), argument, warns });
            warns = false;
        }
        list
    }

    /// The restrictions of a service.
    pub(super) fn restrictions_of(&self, service: Option<&Service>, name: &str) -> Vec<Restriction> {
        self.restrictions(&self.list(service, name))
    }

    /// The maps that settings name.
    pub(super) fn map_names(&self) -> Vec<MapName<'_>> {
        let classes = self.classes();
        let mut list = Vec::new();
        for (service, setting) in self.effective() {
            let name = setting.name.as_str();
            let mut add = |item: &Item, must: bool| {
                self.add_map(service, name, &item.text, &item.place, must, &mut list);
            };
            if RESTRICTIONS.contains(&name) || classes.iter().any(|class| class == name) {
                for restriction in self.restrictions(&self.items(service, setting)) {
                    match &restriction.argument {
                        Some(argument) if names_map(&restriction.name) => add(argument, true),
                        None if restriction.name.contains(':') => {
                            add(
                                &Item { text: restriction.name.clone(), place: restriction.place.clone() },
                                false,
                            );
                        }
                        _ => {}
                    }
                }
            } else if let Some(all) = holds_maps(name).filter(|_| self.facts.parameters.contains_key(name)) {
                // These hold names of maps that others hold too, and lists of other things.
                let must = all && !name.starts_with("proxy_");
                for item in self.items(service, setting) {
                    add(&item, must);
                }
            }
        }
        list
    }

    fn add_map<'a>(
        &self,
        service: Option<&'a Service>,
        parameter: &'a str,
        text: &str,
        place: &Place,
        must: bool,
        list: &mut Vec<MapName<'a>>,
    ) {
        let text = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).map_or(text, |inner| {
            // `{ type:name, more }`: the map is what comes first.
            split(inner).first().map_or("", |range| &inner[range.clone()])
        });
        let text = text.strip_prefix('!').unwrap_or(text);
        match typed(text) {
            Some(("proxy", inner)) => self.add_map(service, parameter, inner, place, true, list),
            Some(("pipemap" | "unionmap", inner)) => {
                let inner = inner.trim_start_matches('{').trim_end_matches('}');
                for range in split(inner) {
                    self.add_map(service, parameter, &inner[range], place, true, list);
                }
            }
            Some((kind, name)) if must || self.facts.maps.contains(kind) || looks_like_map(kind, name) => {
                let (kind, name) = (kind.to_owned(), name.to_owned());
                list.push(MapName { service, parameter, kind, name, place: place.clone() });
            }
            None if must && !text.is_empty() => {
                let name = text.to_owned();
                list.push(MapName { service, parameter, kind: String::new(), name, place: place.clone() });
            }
            _ => {}
        }
    }

    /// The entries of a map.
    pub(super) fn table(&self, map: &MapName<'_>) -> Table {
        self.table_of(&map.kind, &map.name, &map.place)
    }

    fn table_of(&self, kind: &str, name: &str, place: &Place) -> Table {
        let entry = |key: &str, value: &str| Entry {
            key: key.to_owned(),
            key_place: place.clone(),
            value: value.to_owned(),
            place: place.clone(),
        };
        if kind == "static" {
            let value = name.trim_start_matches('{').trim_end_matches('}').trim();
            return Table::Entries(vec![entry("*", value)]);
        }
        let inner = name.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        if let Some(inner) = inner {
            let is_inline = kind == "inline";
            if !is_inline && !PATTERNS.contains(&kind) {
                return Table::Unknown;
            }
            let entries = split(inner).into_iter().filter_map(|range| {
                let text = inner[range].trim_start_matches('{').trim_end_matches('}').trim();
                let (key, value) =
                    if is_inline { text.split_once('=')? } else { text.split_once(char::is_whitespace)? };
                Some(entry(key.trim(), value.trim()))
            });
            return Table::Entries(entries.collect());
        }
        let patterns = PATTERNS.contains(&kind);
        if !patterns && !KEYED.contains(&kind) {
            return Table::Unknown;
        }
        let path = self.local(name);
        match self.files.find(&path) {
            Found::File(bytes) => Table::Entries(map(&path, &bytes, patterns)),
            Found::Absent | Found::Unknown => Table::Unknown,
        }
    }

    /// The entries of the maps that a parameter names, as far as they can be read, and whether all can be.
    pub(super) fn entries(&self, service: Option<&Service>, name: &str) -> (Vec<Entry>, bool) {
        let mut maps = Vec::new();
        for item in self.list(service, name) {
            self.add_map(service, "", &item.text, &item.place, true, &mut maps);
        }
        let mut all = true;
        let mut list = Vec::new();
        for map in &maps {
            match self.table(map) {
                Table::Entries(entries) => list.extend(entries),
                Table::Unknown => all = false,
            }
        }
        (list, all)
    }

    /// The entries of the map that an argument of a restriction names.
    pub(super) fn entries_of(&self, argument: &Item) -> Option<Vec<Entry>> {
        let mut maps = Vec::new();
        self.add_map(None, "", &argument.text, &argument.place, true, &mut maps);
        match maps.first().map(|map| self.table(map)) {
            Some(Table::Entries(entries)) => Some(entries),
            _ => None,
        }
    }

    /// Whether a value has a `$name` in it that nothing gives a value.
    pub(super) fn is_certain(&self, service: Option<&Service>, text: &str) -> bool {
        expand::names(text).iter().all(|(name, _)| self.raw(service, name).is_some())
    }
}

/// Whether `kind:name` in a list of other things is rather a map than an address.
fn looks_like_map(kind: &str, name: &str) -> bool {
    kind.bytes().any(|byte| byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit())
        && (name.starts_with('/') || name.starts_with('{'))
}
