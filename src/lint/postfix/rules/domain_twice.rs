use std::collections::BTreeMap;

use super::Rule;
use super::domain_list::LISTS;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::lists::Item;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::domain-twice",
        about: "A domain is in two of the lists that say how mail for it is delivered.",
    },
    why: "The first one in the order of `mydestination`, `virtual_alias_domains`, `virtual_mailbox_domains`, `relay_domains` \
          wins, and mail goes to another place than the other list says, or is refused. Postfix only logs it: `do not list \
          domain … in BOTH`.",
    bad: Example {
        files: &[("main.cf", "mydestination = example.org\nvirtual_mailbox_domains = example.org\n")],
    },
    good: Example {
        files: &[("main.cf", "mydestination = localhost\nvirtual_mailbox_domains = example.org\n")],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<String, (&str, Item)> = BTreeMap::new();
    for list in LISTS {
        if instance.explicit(None, list).is_none() && *list != "mydestination" {
            continue;
        }
        for item in instance.list(None, list) {
            let named = if item.text.contains(':') {
                let entries = instance.entries_of(&item).unwrap_or_default();
                let item = |key: String, place| Item { text: key, place };
                entries.into_iter().map(|entry| item(entry.key, entry.key_place)).collect()
            } else {
                vec![item]
            };
            for domain in named.into_iter().filter(|domain| !domain.text.contains(['!', '@', '/', '*'])) {
                let key = domain.text.to_ascii_lowercase();
                match seen.get(&key) {
                    // What is relayed to others may be the host's own as well: it was the default once.
                    Some((first, _))
                        if first == list || (*first, *list) == ("mydestination", "relay_domains") => {}
                    Some((first, other)) => {
                        let message =
                            format!("`{key}` is in `{first}` and in `{list}`: the first one counts");
                        let finding = Finding::new(&RULE.code, domain.place, message);
                        findings.push(finding.other(other.place.clone(), "the other list"));
                    }
                    None => _ = seen.insert(key, (list, domain)),
                }
            }
        }
    }
}
