use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Setting;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::unknown-parameter",
        about: "A parameter does not exist, and nothing uses its value.",
    },
    why: "Postfix takes any name without a word: a misspelt one leaves the parameter that was meant at its default. Known \
          are the parameters of all versions, those of each transport (`NAME_destination_concurrency_limit`), restriction \
          classes, and your own that some value names as `$name`.",
    bad: Example { files: &[("main.cf", "smtpd_helo_requird = yes\n")] },
    good: Example {
        files: &[(
            "main.cf",
            "smtpd_helo_required = yes\nour_networks = 192.0.2.0/24\nmynetworks = $our_networks\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let asked = instance.asked();
    for (service, setting) in instance.settings() {
        let name = setting.name.as_str();
        if asked.contains(name) || is_known(instance, name) {
            continue;
        }
        let what = if service.is_some() { "behind `-o` there" } else { "there" };
        let message = match unknown_transport(instance, setting) {
            Some(transport) => format!("`{name}` is for a transport `{transport}`, which master.cf has not"),
            None => format!("{what} is no parameter `{name}`"),
        };
        let transports = instance.services.iter().filter(|service| service.kind != "inet");
        let own: Vec<String> = transports
            .flat_map(|service| {
                instance.facts.transports.iter().map(move |end| format!("{}{end}", service.name))
            })
            .collect();
        let names = instance.facts.parameters.keys().copied().chain(own.iter().map(String::as_str));
        findings.push(Finding::new(&RULE.code, setting.name_place(), message).nearest(name, names));
    }
}

fn is_known(instance: &Instance<'_>, name: &str) -> bool {
    // The servers of a map may be told in main.cf: `ldap:NAME` reads `NAME_server_host`.
    let of_server = |map: &str| name.strip_prefix(map).is_some_and(|rest| rest.starts_with('_'));
    let is_server =
        |kind: &str| matches!(kind, "ldap" | "mysql" | "pgsql" | "sqlite" | "memcache" | "mongodb");
    instance.facts.parameters.contains_key(name)
        || name == "stress"
        || instance.transport_setting(name).is_some()
        || instance.classes().iter().any(|class| class == name)
        || instance.map_names().iter().any(|map| is_server(&map.kind) && of_server(&map.name))
}

/// The transport that a parameter is for, where there is none of this name.
fn unknown_transport<'s>(instance: &Instance<'_>, setting: &'s Setting) -> Option<&'s str> {
    let ends = instance.facts.transports.iter();
    let of = ends.filter_map(|end| setting.name.strip_suffix(end)).min_by_key(|name| name.len())?;
    (!of.is_empty() && instance.transport(of).is_none()).then_some(of)
}
