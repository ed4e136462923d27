use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::RESTRICTIONS;
use crate::lint::postfix::networks::{host_and_port, port};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::client-authentication",
        about: "Passwords may be sent in clear, or a listener for submission lets nobody log in.",
    },
    why: "Where `smtpd_sasl_auth_enable = yes`, one of `smtpd_tls_security_level = encrypt`, `smtpd_tls_auth_only = yes` and \
          `noplaintext` keeps passwords from the net. At ports 587 and 465, and where a service permits \
          `permit_sasl_authenticated` by its own lists, clients have to be able to log in.",
    bad: Example {
        files: &[("main.cf", "smtpd_sasl_auth_enable = yes\n"), ("master.cf", "smtp inet n - n - - smtpd\n")],
    },
    good: Example {
        files: &[
            ("main.cf", "smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = yes\n"),
            ("master.cf", "smtp inet n - n - - smtpd\n"),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in instance.running(&["smtpd"]).filter(|service| instance.is_public(service)) {
        let some = Some(service);
        let encrypts = instance.value(some, "smtpd_tls_security_level").eq_ignore_ascii_case("encrypt")
            || instance.is_on(some, "smtpd_tls_wrappermode")
            || instance.is_on(some, "smtpd_enforce_tls");
        let logs_in = instance.is_on(some, "smtpd_sasl_auth_enable");
        let clear = !instance.value(some, "smtpd_sasl_security_options").contains("noplaintext");
        if logs_in && !encrypts && clear && !instance.is_on(some, "smtpd_tls_auth_only") {
            let message = format!("`{}` takes passwords in clear", service.name);
            let finding = Finding::new(&RULE.code, instance.place(some, "smtpd_sasl_auth_enable"), message);
            findings.push(
                finding.hint("set `smtpd_tls_auth_only = yes`").other(service.place(), "this listener"),
            );
        }
        if logs_in {
            continue;
        }
        let lists: Vec<_> = RESTRICTIONS
            .iter()
            .flat_map(|list| instance.restrictions_of(some, list).into_iter().map(move |one| (*list, one)))
            .collect();
        let own = |list: &str| service.overrides.iter().any(|setting| setting.name == list);
        let dead = lists.iter().find(|(list, one)| one.name == "permit_sasl_authenticated" && own(list));
        let is_submission =
            service.kind == "inet" && matches!(port(host_and_port(&service.name).1).as_str(), "587" | "465");
        if let Some((_, one)) = dead {
            let message = format!(
                "nobody can log in at `{}`: `permit_sasl_authenticated` permits nobody",
                service.name
            );
            findings.push(
                Finding::new(&RULE.code, one.place.clone(), message)
                    .hint("set `smtpd_sasl_auth_enable=yes`")
                    .other(service.place(), "this listener"),
            );
        } else if is_submission
            && !lists.iter().any(|(_, one)| one.name.contains("_ccert") || one.name.ends_with("_clientcerts"))
        {
            let message = format!("nobody can log in at `{}`, which is for submission", service.name);
            findings.push(
                Finding::new(&RULE.code, service.place(), message).hint("set `smtpd_sasl_auth_enable=yes`"),
            );
        }
    }
}
