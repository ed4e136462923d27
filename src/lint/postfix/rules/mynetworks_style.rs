use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::mynetworks-style",
        about: "Who may send everywhere is left to `mynetworks_style`.",
    },
    why: "Postfix then trusts the networks, or all addresses, that the host happens to have; with a new address they are \
          others. It may be left out where only the host itself is trusted and listens on no address in particular.",
    bad: Example {
        files: &[("main.cf", "mynetworks_style = subnet\n"), ("master.cf", "smtp inet n - n - - smtpd\n")],
    },
    good: Example { files: &[("main.cf", "mynetworks = 127.0.0.0/8 192.0.2.0/24\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    if instance.explicit(None, "mynetworks").is_some() {
        return;
    }
    let listens = |service: &&Service| {
        service.kind == "inet"
            && instance.explicit(Some(service), "mynetworks").is_none()
            && instance.listener(service).is_none_or(|listener| {
                listener.addresses.is_empty()
                    || listener.addresses.iter().any(|address| !address.is_loopback())
            })
    };
    let listeners: Vec<_> = instance.running(&["smtpd", "postscreen"]).filter(listens).collect();
    let style = instance.value(None, "mynetworks_style");
    let has_own_address = |service: &&Service| {
        instance.listener(service).is_some_and(|listener| !listener.addresses.is_empty())
    };
    let own = listeners.iter().filter(|service| has_own_address(service)).count() > 1;
    if listeners.is_empty() || style == "host" && !own {
        return;
    }
    let message =
        format!("`mynetworks` is not set: `mynetworks_style = {style}` decides who may send everywhere");
    let hint = "name the networks: `mynetworks = 127.0.0.0/8 …`";
    findings.push(Finding::new(&RULE.code, instance.place(None, "mynetworks_style"), message).hint(hint));
}
