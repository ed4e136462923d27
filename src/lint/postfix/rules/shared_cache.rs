use std::collections::BTreeMap;

use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code {
        id: "postfix::shared-cache",
        about: "Several processes write one cache that only one process may open.",
    },
    why: "A postscreen locks its cache: a second one with the same file does not start. `proxy:` and `lmdb:` can be shared.",
    bad: Example {
        files: &[(
            "master.cf",
            "192.0.2.1:25 inet n - n - 1 postscreen\n192.0.2.2:25 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n",
        )],
    },
    good: Example {
        files: &[
            ("main.cf", "postscreen_cache_map = proxy:btree:$data_directory/postscreen_cache\n"),
            (
                "master.cf",
                "192.0.2.1:25 inet n - n - 1 postscreen\n192.0.2.2:25 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n",
            ),
        ],
    },
    check,
};

/// Types of maps that one process may write.
const PLAIN: &[&str] = &["btree", "hash", "dbm", "sdbm"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let mut caches: BTreeMap<String, &Service> = BTreeMap::new();
    for service in instance.running(&["postscreen"]) {
        let cache = instance.value(Some(service), "postscreen_cache_map");
        let kind = cache.split(':').next().unwrap_or_default();
        let default_is_plain = kind == "$default_cache_db_type" || kind.is_empty() && !cache.is_empty();
        if !PLAIN.contains(&kind) && !default_is_plain {
            continue;
        }
        if let Some(first) = caches.get(&cache) {
            let message = format!(
                "`{}` and `{}` share the cache `{cache}`, which one process may open",
                first.name, service.name
            );
            let finding =
                Finding::new(&RULE.code, instance.place(Some(service), "postscreen_cache_map"), message);
            let hint =
                format!("share it by `postscreen_cache_map = proxy:{cache}`, or give each one its own");
            findings.push(finding.other(service.place(), "the second one").hint(hint));
        } else {
            caches.insert(cache, service);
        }
    }
}
