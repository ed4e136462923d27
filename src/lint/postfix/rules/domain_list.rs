use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::Item;
use crate::lint::postfix::networks::{address, is_name};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::domain-list", about: "A list of domains has something in it that is none." },
    why: "There are no wildcards in these lists: `*` is a domain that nobody has. Nor are there addresses. And where \
          `parent_domain_matches_subdomains` holds for the list, a top level domain in it is everything below it.",
    bad: Example { files: &[("main.cf", "relay_domains = *\n")] },
    good: Example { files: &[("main.cf", "relay_domains = example.org, .example.net\n")] },
    check,
};

/// The lists.
pub(super) const LISTS: &[&str] =
    &["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        if !LISTS.contains(&name) && !matches!(name, "fast_flush_domains" | "masquerade_domains") {
            continue;
        }
        for item in instance.items(service, setting).iter().filter(|item| !item.text.contains(['/', ':'])) {
            if let Some((why, hint)) = judge(instance, name, item) {
                let message = format!("`{}` in `{name}` {why}", item.text);
                findings.push(Finding::new(&RULE.code, item.place.clone(), message).hint(hint));
            }
        }
    }
}

fn judge(instance: &Instance<'_>, list: &str, item: &Item) -> Option<(&'static str, &'static str)> {
    let text = item.text.trim_start_matches('!');
    let bare = text.trim_start_matches('.');
    if text.contains('*') {
        return Some((
            "is a domain that nobody has: there are no wildcards",
            "name the domains, or a map of them",
        ));
    }
    if text.contains('@') {
        return Some(("is an address, not a domain", "write what stands behind the `@`"));
    }
    let is_literal = text.starts_with('[') && address(text).is_some();
    if !is_literal && !is_name(bare, true) {
        return Some(("is no domain", "write names such as `example.org`"));
    }
    let parents = instance.list(None, "parent_domain_matches_subdomains");
    let is_top = !bare.contains('.') && !is_literal && !matches!(bare, "localhost" | "localdomain" | "local");
    (list == "relay_domains" && is_top && (text != bare || parents.iter().any(|one| one.text == list)))
        .then_some(("is everything below that top level domain", "name the domains that are yours"))
}
