use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::{Instance, Version};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::parameter-version",
        about: "A setting is newer than the version of Postfix that is asked for, or is gone in it.",
    },
    why: "That version takes it without a word, and does nothing with it. Without `--postfix-version` nothing is judged; in a \
          project, the value `postfix_version` says it too. The example is judged for 3.7.",
    bad: Example { files: &[("main.cf", "smtp_tlsrpt_enable = yes\n")] },
    good: Example { files: &[("main.cf", "smtp_tls_security_level = may\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let Some(version) = instance.options.version else { return };
    let ordered: Version = match "3.6".parse() {
        Ok(version) => version,
        Err(_) => return,
    };
    for (_, setting) in instance.settings() {
        let name = setting.name.as_str();
        let Some(parameter) = instance.facts.parameters.get(name) else { continue };
        let message = match parameter.gone {
            _ if parameter.first > version => {
                format!("`{name}` exists since Postfix {}, not in {version}", parameter.first)
            }
            Some(gone) if gone <= version => format!("`{name}` is gone since Postfix {gone}"),
            _ => {
                if version < ordered
                    && name.contains("_tls_")
                    && name.ends_with("protocols")
                    && setting.value.text.contains(['<', '>'])
                {
                    let message = format!("`{name}` takes `>=` since Postfix 3.6, not in {version}");
                    findings.push(
                        Finding::new(&RULE.code, setting.place(), message)
                            .hint("write `!SSLv2, !SSLv3, !TLSv1, !TLSv1.1`"),
                    );
                }
                continue;
            }
        };
        findings.push(Finding::new(&RULE.code, setting.name_place(), message));
    }
}
