use std::collections::BTreeMap;

use super::*;
use crate::lint::{Example, Memory};

/// What examples leave out.
const BASE_MAIN: &str =
    "compatibility_level = 3.6\nmyhostname = mail.example.org\nmynetworks = 127.0.0.0/8\n";
const BASE_MASTER: &str = "pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
";

fn options() -> Options {
    Options { version: None, from: None, as_of: jiff::civil::date(2026, 1, 1), strict: false }
}

/// The files of an example, with what it leaves out.
fn files(example: &Example) -> Memory {
    let given: BTreeMap<&str, &str> = example.files.iter().copied().collect();
    let complete = |name: &str, base: &str, key: fn(&str) -> &str| {
        let own = given.get(name).copied().unwrap_or_default();
        let begins = |line: &&str| own.lines().any(|other| key(other) == key(line));
        let hidden = |line: &&str| line.starts_with("mynetworks") && own.contains("mynetworks_style");
        let rest = base.lines().filter(|line| !begins(line) && !hidden(line)).map(|line| format!("{line}\n"));
        rest.collect::<String>() + own
    };
    let mut files: BTreeMap<Utf8PathBuf, Vec<u8>> =
        given.iter().map(|(name, text)| ((*name).into(), text.as_bytes().to_vec())).collect();
    fn master_key(line: &str) -> &str {
        line.find(" unix").map_or(line, |end| &line[..end + 5])
    }
    files.insert(
        MAIN.into(),
        complete(MAIN, BASE_MAIN, |line| line.split(' ').next().unwrap_or(line)).into_bytes(),
    );
    files.insert(MASTER.into(), complete(MASTER, BASE_MASTER, master_key).into_bytes());
    Memory { folder: "postfix".into(), files }
}

fn told(findings: &Findings) -> Vec<String> {
    let tell = |finding: &Finding| format!("{} {:?} {}", finding.code.id, finding.place, finding.message);
    findings.list.iter().map(tell).collect()
}

#[test]
fn examples_are_what_they_say() {
    let mut wrong = Vec::new();
    for rule in RULES.iter().filter(|rule| !rule.bad.files.is_empty()) {
        let mut options = options();
        options.version = match rule.code.id {
            "postfix::parameter-version" => Some("3.7".parse().unwrap()),
            "postfix::changed-default" => Some("3.9".parse().unwrap()),
            _ => None,
        };
        let bad = lint(&files(&rule.bad), options);
        if !bad.list.iter().any(|finding| finding.code.id == rule.code.id) {
            wrong.push(format!("{} is not found: {:#?}", rule.code.id, told(&bad)));
        }
        let good = lint(&files(&rule.good), options);
        let versioned = options.version.is_some();
        if good.list.iter().any(|finding| !versioned || finding.code.id == rule.code.id) {
            wrong.push(format!("{} is found in what is good: {:#?}", rule.code.id, told(&good)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_have_names_of_their_own() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.code.id).collect();
    assert_eq!(names.len(), RULES.len());
}
