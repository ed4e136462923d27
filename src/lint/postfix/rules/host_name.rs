use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::networks::{address, is_name};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::host-name",
        about: "The host's own name, or one that it says in its HELO, is no full host name.",
    },
    why: "Others refuse mail from a host that calls itself by an address, by a name with an underscore or by one without a \
          domain. Where `mydomain` or `myorigin` is no name, what is made of them is none either.",
    bad: Example { files: &[("main.cf", "myhostname = mail_1.example.org\n")] },
    good: Example { files: &[("main.cf", "myhostname = mail-1.example.org\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        let is_host = matches!(name, "myhostname" | "smtp_helo_name" | "lmtp_lhlo_name");
        let is_domain = matches!(name, "mydomain" | "myorigin" | "remote_header_rewrite_domain");
        let value = instance.value(service, name);
        let text = value.as_str();
        if !(is_host || is_domain) || text.is_empty() || !instance.is_certain(service, &setting.value.text) {
            continue;
        }
        let is_file = name == "myorigin" && text.starts_with('/');
        // What is told for one service is told once, where it is set.
        let made = name != "myhostname" && text == instance.value(service, "myhostname");
        if is_file || made || text.eq_ignore_ascii_case("localhost") {
            continue;
        }
        let is_literal = text.starts_with('[') && name.ends_with("lo_name") && address(text).is_some();
        let why = if is_literal {
            None
        } else if address(text).is_some() {
            Some("is an address")
        } else if !is_name(text, is_domain) {
            Some("is no host name")
        } else if is_host && !text.contains('.') {
            Some("has no domain")
        } else {
            None
        };
        if let Some(why) = why {
            let message = format!("`{name}` {why}: `{text}`");
            findings.push(
                Finding::new(&RULE.code, setting.place(), message)
                    .hint("write a name such as `mail.example.org`"),
            );
        }
    }
}
