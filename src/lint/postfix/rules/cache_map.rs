use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::cache-map", about: "A cache is a map that Postfix cannot write." },
    why: "The program that keeps it does not start. A cache is of a type that can be changed, such as `btree` or `lmdb`, and \
          lies in `$data_directory`, which is Postfix's own.",
    bad: Example { files: &[("main.cf", "address_verify_map = texthash:/var/lib/postfix/verify\n")] },
    good: Example { files: &[("main.cf", "address_verify_map = btree:$data_directory/verify\n")] },
    check,
};

/// Types that can be changed.
const WRITABLE: &[&str] = &["btree", "hash", "dbm", "sdbm", "lmdb", "memcache", "internal", "environ"];

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in instance.effective() {
        let name = setting.name.as_str();
        let is_cache = name == "address_verify_map"
            || name == "postscreen_cache_map"
            || name.ends_with("_cache_database");
        if !is_cache || !instance.facts.parameters.contains_key(name) {
            continue;
        }
        let value = instance.value(service, name);
        let Some((kind, path)) = value.strip_prefix("proxy:").unwrap_or(&value).split_once(':') else {
            continue;
        };
        let finding = |message: String| {
            let hint = format!("write `{name} = btree:$data_directory/…`");
            Finding::new(&RULE.code, setting.place(), message).hint(hint)
        };
        if instance.facts.maps.contains(kind) && !WRITABLE.contains(&kind) {
            findings
                .push(finding(format!("a map of type `{kind}` cannot be written, which `{name}` has to be")));
        } else if ["/etc/", "/usr/"].iter().any(|folder| path.starts_with(folder)) {
            findings.push(finding(format!("`{name}` lies where Postfix cannot write: `{path}`")));
        }
    }
}
