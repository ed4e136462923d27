use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::RESTRICTIONS;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::broad-permit",
        about: "A restriction permits whom it must not: `permit_mx_backup` or `permit_tls_all_clientcerts` without their bounds.",
    },
    why: "Anybody can make this host a backup of his domain, unless `permit_mx_backup_networks` says whose. And anybody can have \
          a certificate of a public authority, or where none is set, of any: `permit_tls_clientcerts` and `relay_clientcerts` \
          name the clients.",
    bad: Example {
        files: &[("main.cf", "smtpd_relay_restrictions = permit_mx_backup, reject_unauth_destination\n")],
    },
    good: Example {
        files: &[(
            "main.cf",
            "smtpd_relay_restrictions = permit_mx_backup, reject_unauth_destination\npermit_mx_backup_networks = 192.0.2.0/24\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        if !RESTRICTIONS.contains(&name) && !instance.classes().iter().any(|class| class == name) {
            continue;
        }
        for one in instance.restrictions(&instance.items(service, setting)) {
            let (why, hint) = match one.name.as_str() {
                "permit_mx_backup" if instance.list(service, "permit_mx_backup_networks").is_empty() => (
                    "permits mail for every domain that names this host a backup",
                    "set `permit_mx_backup_networks` to the networks of those that it is for",
                ),
                "permit_tls_all_clientcerts" if trusts_all(instance, service) => (
                    "permits every client that has a certificate of an authority that everybody can use",
                    "use `permit_tls_clientcerts` with `relay_clientcerts`, or an authority of your own in `smtpd_tls_CAfile`",
                ),
                "permit_tls_clientcerts" if instance.list(service, "relay_clientcerts").is_empty() => (
                    "permits nobody: `relay_clientcerts` names no client",
                    "set `relay_clientcerts` to a map of fingerprints",
                ),
                _ => continue,
            };
            let message = format!("`{}` {why}", one.name);
            findings.push(Finding::new(&RULE.code, one.place, message).hint(hint));
        }
    }
}

/// Whether the authorities of clients are none of the site's own.
fn trusts_all(instance: &Instance<'_>, service: Option<&Service>) -> bool {
    let files = ["smtpd_tls_CAfile", "smtpd_tls_CApath"].map(|name| instance.value(service, name));
    let is_public = |path: &String| {
        ["/etc/ssl/certs", "/etc/pki/", "/usr/"].iter().any(|folder| path.starts_with(folder))
            || path.contains("ca-certificates")
            || path.contains("ca-bundle")
    };
    files.iter().all(String::is_empty)
        || files.iter().any(is_public)
        || instance.is_on(service, "tls_append_default_CA")
}
