use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::{host_and_port, port};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::wrapper-mode",
        about: "TLS begins at another time than clients of the port expect.",
    },
    why: "At port 465 TLS comes first (RFC 8314), at 25 and 587 with STARTTLS: else client and server wait for each other. The \
          same holds for what leaves to port 465.",
    bad: Example { files: &[("master.cf", "192.0.2.1:465 inet n - n - - smtpd\n")] },
    good: Example {
        files: &[(
            "master.cf",
            "192.0.2.1:465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_tls_chain_files=/etc/ssl/mail/a.pem\n  -o smtpd_sasl_auth_enable=yes\n",
        )],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for service in instance.running(&["smtpd", "postscreen"]).filter(|service| service.kind == "inet") {
        let some = Some(service);
        let port = port(host_and_port(&service.name).1);
        let wraps = instance.is_on(some, "smtpd_tls_wrappermode");
        let place = instance.place(some, "smtpd_tls_wrappermode");
        if port == "465" && !wraps {
            let message = format!("`{}` waits for STARTTLS, where clients begin with TLS", service.name);
            findings.push(
                Finding::new(&RULE.code, service.place(), message).hint("set `smtpd_tls_wrappermode=yes`"),
            );
        } else if matches!(port.as_str(), "25" | "587" | "24") && wraps {
            let message = format!("`{}` begins with TLS, where clients wait for a greeting", service.name);
            let finding = Finding::new(&RULE.code, place, message).hint("set `smtpd_tls_wrappermode=no`");
            findings.push(finding.other(service.place(), "this listener"));
        }
    }
    let wrapped = |name: &str| {
        let service = instance.transport(name)?;
        let level = instance.value(Some(service), &format!("{}_tls_wrappermode", service.program));
        service.runs(&["smtp", "lmtp"]).then(|| level.eq_ignore_ascii_case("yes"))
    };
    let hops = instance.hops().into_iter().map(|hop| (hop.transport, hop.nexthop, hop.place));
    let relayhost =
        instance.effective().filter(|(_, setting)| setting.name == "relayhost").map(|(service, setting)| {
            let by = instance.value(service, "default_transport");
            let by = by.split(':').next().unwrap_or_default().to_owned();
            (by, instance.value(service, "relayhost"), setting.place())
        });
    for (transport, nexthop, place) in hops.chain(relayhost) {
        let is_smtps = [":465", ":smtps", ":submissions"].iter().any(|end| nexthop.ends_with(end));
        if is_smtps && wrapped(&transport) == Some(false) {
            let message = format!("`{nexthop}` begins with TLS, where `{transport}` waits for a greeting");
            let hint =
                "set `smtp_tls_wrappermode=yes` and `smtp_tls_security_level=encrypt` for that transport";
            findings.push(Finding::new(&RULE.code, place, message).hint(hint));
        }
    }
}
