use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::RESTRICTIONS;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::missing-service",
        about: "A service that Postfix needs for what is configured is not in master.cf.",
    },
    why: "Without qmgr, cleanup, rewrite, bounce and their kin no mail moves. Others are needed once something uses them: \
          `tlsmgr` for TLS, `verify` for address verification, `anvil` for limits of clients, `proxymap` for `proxy:` maps, \
          `postlog` for `maillog_file`, `smtpd`, `dnsblog` and `tlsproxy` for postscreen.",
    bad: Example {
        files: &[
            ("main.cf", "postscreen_dnsbl_sites = dnsbl.example.org\n"),
            ("master.cf", "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"),
        ],
    },
    good: Example {
        files: &[
            ("main.cf", "postscreen_dnsbl_sites = dnsbl.example.org\n"),
            (
                "master.cf",
                "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\n",
            ),
        ],
    },
    check,
};

/// When a service is needed.
type Used = fn(&Instance<'_>, Option<&Service>) -> bool;

/// A need: the parameter that names the service, the programs that ask for it (none where all do), and when.
type Need = (&'static str, &'static [&'static str], Used);

const NEEDS: &[Need] = &[
    ("queue_service_name", &[], |_, _| true),
    ("cleanup_service_name", &[], |_, _| true),
    ("rewrite_service_name", &[], |_, _| true),
    ("bounce_service_name", &[], |_, _| true),
    ("defer_service_name", &[], |_, _| true),
    ("trace_service_name", &[], |_, _| true),
    ("error_service_name", &[], |_, _| true),
    ("showq_service_name", &[], |_, _| true),
    ("pickup_service_name", &[], |instance, _| {
        // Who may submit nothing on this host needs none.
        !instance.value(None, "authorized_submit_users").is_empty()
    }),
    ("proxymap_service_name", &[], |instance, _| instance.asks_for("proxy:", |name| !is_written(name))),
    ("proxywrite_service_name", &[], |instance, _| instance.asks_for("proxy:", is_written)),
    ("postlog_service_name", &[], |instance, _| !instance.value(None, "maillog_file").is_empty()),
    ("flush_service_name", &[], |instance, _| !instance.list(None, "fast_flush_domains").is_empty()),
    ("client_connection_rate_service_name", &["smtpd"], |instance, service| {
        let is_limit = |name: &&&str| name.starts_with("smtpd_client_") && name.ends_with("_limit");
        let mut limits = instance.facts.parameters.keys().filter(is_limit);
        limits.any(|name| instance.value(service, name) != "0")
    }),
    ("address_verify_service_name", &["smtpd"], |instance, service| {
        RESTRICTIONS.iter().any(|list| {
            let restrictions = instance.restrictions_of(service, list);
            restrictions.iter().any(|one| one.name.starts_with("reject_unverified_"))
        })
    }),
    ("tlsmgr_service_name", &["smtpd", "smtp", "lmtp", "tlsproxy"], |instance, service| {
        service.is_some_and(|service| instance.speaks_tls(service))
    }),
    ("smtpd_service_name", &["postscreen"], |_, _| true),
    ("dnsblog_service_name", &["postscreen"], |instance, service| {
        !instance.list(service, "postscreen_dnsbl_sites").is_empty()
    }),
    ("tlsproxy_service_name", &["postscreen"], |instance, service| {
        service.is_some_and(|service| instance.speaks_tls(service))
    }),
    ("tlsproxy_service_name", &["smtp"], |instance, service| {
        instance.is_on(service, "smtp_tls_connection_reuse")
    }),
];

/// Services without which none of the others has a use.
const CORE: &[&str] = &["qmgr", "cleanup", "rewrite", "bounce", "defer", "trace"];

/// Whether a map is written too.
fn is_written(name: &str) -> bool {
    name.ends_with("_cache_map") || name.ends_with("_cache_database") || name == "address_verify_map"
}

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    // An example or a part of a file is no instance that runs.
    let has = |name: &&&str| instance.services.iter().any(|service| service.name == **name);
    if CORE.iter().filter(has).count() * 2 < CORE.len() {
        findings.unchecked("what services are missing: master.cf is a part of one");
        return;
    }
    for (parameter, programs, used) in NEEDS {
        let asking: Vec<Option<&Service>> =
            if programs.is_empty() { vec![None] } else { instance.running(programs).map(Some).collect() };
        for service in asking.into_iter().filter(|service| used(instance, *service)) {
            let value = instance.value(service, parameter);
            let name = value.rsplit(['/', ':']).next().unwrap_or_default();
            // A name that is set has a rule of its own.
            if name.is_empty()
                || instance.explicit(service, parameter).is_some()
                || instance.services.iter().any(|service| service.name == name && service.kind != "inet")
            {
                continue;
            }
            let message = match service {
                Some(service) => {
                    format!("`{}` needs the service `{name}`, which master.cf does not have", service.name)
                }
                None => format!("master.cf does not have the service `{name}`"),
            };
            let place = service.map_or_else(|| instance.services[0].place(), Service::place);
            let finding = Finding::new(&RULE.code, place, message);
            let finding = match instance.facts.services.get(name) {
                Some(stock) => finding.hint(format!("add `{}`", stock.line(name))),
                None => finding,
            };
            // Mail moves without these.
            let lesser = ["showq_service_name", "flush_service_name"].contains(parameter);
            findings.push(if lesser { finding.warning() } else { finding });
            break;
        }
    }
}

impl Instance<'_> {
    /// Whether a service speaks TLS, as far as its level says.
    pub(super) fn speaks_tls(&self, service: &Service) -> bool {
        let some = Some(service);
        let prefix = match service.program.as_str() {
            "lmtp" => "lmtp",
            "smtp" => "smtp",
            _ => "smtpd",
        };
        let level = self.value(some, &format!("{prefix}_tls_security_level"));
        let old = [
            format!("{prefix}_use_tls"),
            format!("{prefix}_enforce_tls"),
            format!("{prefix}_tls_wrappermode"),
        ];
        if level.is_empty() { old.iter().any(|name| self.is_on(some, name)) } else { level != "none" }
    }

    /// Whether a value of the parameters that are meant holds a text.
    fn asks_for(&self, text: &str, meant: fn(&str) -> bool) -> bool {
        let mut set = self.effective().filter(|(_, setting)| meant(&setting.name));
        let lists = |name: &str| name.starts_with("proxy_");
        set.any(|(service, setting)| {
            !lists(&setting.name) && self.value(service, &setting.name).contains(text)
        })
    }
}
