//! The lint of Postfix: an instance out of main.cf, master.cf and the lookup tables that they name, and the rules that
//! it has to keep.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Files, Finding, Findings, Found, Options, Place};
use crate::diagnostic::code;

mod certificate;
mod expand;
mod facts;
mod lists;
mod networks;
mod read;
mod rules;

pub use facts::Version;
pub use rules::{RULES, Rule, document};

use facts::{FACTS, Facts};
use networks::Listener;
use read::{MAIN, MASTER, Odd, Service, Setting};

/// Whether there is an instance among files.
pub fn is_instance(files: &dyn Files) -> bool {
    [MAIN, MASTER].iter().all(|name| matches!(files.find(Utf8Path::new(name)), Found::File(_)))
}

/// What is wrong with an instance.
pub fn lint(files: &dyn Files, options: Options) -> Findings {
    let instance = Instance::new(files, options);
    let mut findings = Findings::default();
    for odd in &instance.odd {
        findings.push(odd.told(&code::LINT_SYNTAX));
    }
    for rule in RULES {
        (rule.check)(&instance, &mut findings);
    }
    findings.list.sort_by(|left, right| (&left.place, left.code.id).cmp(&(&right.place, right.code.id)));
    findings.list.dedup_by(|left, right| {
        (&left.place, left.code.id, &left.message) == (&right.place, right.code.id, &right.message)
    });
    findings
}

/// What is wrong between instances, each with its folder: findings with the numbers of the instances that they are of.
pub fn lint_together(instances: &[(&Utf8Path, &dyn Files)], options: Options) -> Vec<(usize, Finding)> {
    let is_named = |folder: &Utf8Path| {
        folder.file_name().is_some_and(|name| name == "postfix" || name.starts_with("postfix-"))
    };
    let all: Vec<(usize, &Utf8Path, Instance<'_>)> = instances
        .iter()
        .enumerate()
        .filter(|(_, (folder, _))| is_named(folder))
        .map(|(number, (folder, files))| (number, *folder, Instance::new(*files, options)))
        .collect();
    let mut list = Vec::new();
    for (at, (number, folder, second)) in all.iter().enumerate() {
        for (_, other, first) in all[..at].iter().filter(|(_, other, _)| other.parent() == folder.parent()) {
            let found = rules::between(first, other.file_name().unwrap_or_default(), second);
            list.extend(found.into_iter().map(|finding| (*number, finding)));
        }
    }
    list
}

/// What of a change of main.cf or master.cf needs a restart of Postfix, because a reload does not do, as phrases.
pub(crate) fn restarts(format: &str, old: &[u8], new: &[u8]) -> Vec<String> {
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    let (old, new, mut odd) = (read::readable(old), read::readable(new), Vec::new());
    if format == "postfix-main" {
        let settings = [&old, &new].map(|bytes| read::main(bytes, &mut odd));
        let of = |settings: &[Setting], name: &str| {
            settings.iter().rfind(|setting| setting.name == name).map(|setting| setting.value.text.clone())
        };
        let named = FACTS.parameters.iter().filter(|(_, parameter)| parameter.restart);
        let changed = named.filter(|(name, _)| of(&settings[0], name) != of(&settings[1], name));
        return changed.map(|(name, _)| format!("`{name}` changes")).collect();
    }
    if format == "postfix-master" {
        let [was, is] = [&old, &new].map(|bytes| read::master(bytes, &mut odd));
        let gone = |service: &&Service| {
            service.wakes
                && !is.iter().any(|other| (&other.name, &other.kind) == (&service.name, &service.kind))
        };
        return was.iter().filter(gone).map(|service| format!("`{}` is gone", service.name)).collect();
    }
    Vec::new()
}

/// An instance of Postfix.
struct Instance<'f> {
    files: &'f dyn Files,
    options: Options,
    facts: &'static Facts,
    main: Vec<Setting>,
    /// The setting of each name that counts: the last one.
    last: BTreeMap<String, usize>,
    services: Vec<Service>,
    odd: Vec<Odd>,
    /// The names of restriction classes, once they are asked for.
    classes: OnceCell<Vec<String>>,
}

impl<'f> Instance<'f> {
    fn new(files: &'f dyn Files, options: Options) -> Self {
        let mut odd = Vec::new();
        let bytes = |name: &str| match files.find(Utf8Path::new(name)) {
            Found::File(bytes) => read::readable(&bytes),
            Found::Absent | Found::Unknown => Vec::new(),
        };
        let main = read::main(&bytes(MAIN), &mut odd);
        let services = read::master(&bytes(MASTER), &mut odd);
        let last = main.iter().enumerate().map(|(number, setting)| (setting.name.clone(), number)).collect();
        Self { files, options, facts: &FACTS, main, last, services, odd, classes: OnceCell::new() }
    }

    /// The version that values without a setting are taken from.
    fn version(&self) -> Version {
        self.options.version.unwrap_or(Version::NEWEST)
    }

    /// All settings, with the service that they are for.
    fn settings(&self) -> impl Iterator<Item = (Option<&Service>, &Setting)> {
        let main = self.main.iter().map(|setting| (None, setting));
        let overrides = self
            .services
            .iter()
            .flat_map(|service| service.overrides.iter().map(move |setting| (Some(service), setting)));
        main.chain(overrides)
    }

    /// All settings that count: those that a later one of the same name does not hide.
    fn effective(&self) -> impl Iterator<Item = (Option<&Service>, &Setting)> {
        self.settings().filter(|(service, setting)| {
            let last = match service {
                Some(service) => service.overrides.iter().rfind(|other| other.name == setting.name),
                None => self.last.get(&setting.name).map(|number| &self.main[*number]),
            };
            last.is_some_and(|last| std::ptr::eq(last, *setting))
        })
    }

    /// The services of programs.
    fn running<'a>(&'a self, programs: &'a [&str]) -> impl Iterator<Item = &'a Service> {
        self.services.iter().filter(|service| service.runs(programs))
    }

    /// The service that mail is handed to by a name.
    fn transport(&self, name: &str) -> Option<&Service> {
        self.services.iter().rfind(|service| service.kind != "inet" && service.name == name)
    }

    /// The transport that a parameter is for which each transport has.
    fn transport_setting(&self, name: &str) -> Option<&Service> {
        self.facts.transports.iter().find_map(|end| self.transport(name.strip_suffix(end)?))
    }

    /// Where an inet service listens; nothing where that is told by a name that only the host knows.
    fn listener(&self, service: &Service) -> Option<Listener> {
        let (host, port) = networks::host_and_port(&service.name);
        let port = networks::port(port);
        let mut addresses = Vec::new();
        if let Some(host) = host {
            addresses.extend(networks::addresses(host));
        } else {
            for item in self.list(Some(service), "inet_interfaces") {
                if item.text == "all" {
                    return Some(Listener { addresses: Vec::new(), port });
                }
                let host = if item.text == "loopback-only" { "localhost" } else { &item.text };
                addresses.extend(networks::addresses(host));
            }
        }
        (!addresses.is_empty()).then_some(Listener { addresses, port })
    }

    /// Whether others than the host itself reach a service.
    fn is_public(&self, service: &Service) -> bool {
        match service.kind.as_str() {
            "inet" => self.listener(service).is_none_or(|listener| {
                !listener.addresses.iter().all(IpAddr::is_loopback) || listener.addresses.is_empty()
            }),
            _ => service.kind == "pass",
        }
    }

    /// What is set for a service, or in main.cf.
    fn explicit<'a>(&'a self, service: Option<&'a Service>, name: &str) -> Option<&'a Setting> {
        service
            .and_then(|service| service.overrides.iter().rfind(|setting| setting.name == name))
            .or_else(|| self.last.get(name).map(|number| &self.main[*number]))
    }

    /// Where a value is set, or the service that it is for.
    fn place(&self, service: Option<&Service>, name: &str) -> Place {
        match (self.explicit(service, name), service) {
            (Some(setting), _) => setting.place(),
            (None, Some(service)) => service.place(),
            (None, None) => Place::new(MAIN, 0..0),
        }
    }

    /// The value of a name with its `$` as they are: what is set, or the default.
    fn raw(&self, service: Option<&Service>, name: &str) -> Option<String> {
        if let Some(setting) = self.explicit(service, name) {
            return Some(setting.value.text.clone());
        }
        match (name, service) {
            ("service_name", Some(service)) => return Some(service.name.clone()),
            ("process_name", Some(service)) => return Some(service.program.clone()),
            ("mydomain", _) => {
                // Where each is made of the other, Postfix takes what the host calls itself.
                let lookup = |name: &str| (name != "mydomain").then(|| self.raw(service, name)).flatten();
                let host = expand::expand(&self.raw(service, "myhostname")?, &lookup);
                return host.split_once('.').map(|(_, domain)| domain.to_owned());
            }
            _ => {}
        }
        Some(self.facts.parameters.get(name)?.default(self.version()).to_owned())
    }

    /// The value of a parameter.
    fn value(&self, service: Option<&Service>, name: &str) -> String {
        self.expand(service, &self.raw(service, name).unwrap_or_default())
    }

    fn expand(&self, service: Option<&Service>, text: &str) -> String {
        expand::expand(text, &|name| self.raw(service, name)).trim().to_owned()
    }

    /// Whether a parameter is `yes`.
    fn is_on(&self, service: Option<&Service>, name: &str) -> bool {
        self.value(service, name).eq_ignore_ascii_case("yes")
    }

    /// The names that any value asks for.
    fn asked(&self) -> BTreeSet<&str> {
        self.settings()
            .flat_map(|(_, setting)| expand::names(&setting.value.text))
            .map(|(name, _)| name)
            .collect()
    }

    /// A path as [`Files`] knows it: one that lies beside main.cf is relative.
    fn local(&self, path: &str) -> Utf8PathBuf {
        let path = Utf8Path::new(path);
        if let Ok(inside) = path.strip_prefix(self.value(None, "config_directory")) {
            return inside.to_owned();
        }
        // A folder that was copied still has its name.
        let folder = self.files.folder();
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let named = parts.iter().rposition(|part| *part == folder && !folder.is_empty());
        match named.filter(|at| at + 1 < parts.len()) {
            Some(at) => parts[at + 1..].join("/").into(),
            None => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
