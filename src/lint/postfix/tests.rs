use std::collections::BTreeMap;

use super::*;
use crate::diagnostic::Severity::{Error, Warning};
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
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
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

/// The name and the type of a line of master.cf.
fn master_key(line: &str) -> &str {
    line.find(" unix").map_or(line, |end| &line[..end + 5])
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

/// A certificate as PEM, its key, and what it was made of. It is for a name, or for signing others, from one day to
/// another, counted from the one that is judged on.
fn issue(
    name: &str,
    days: (i64, i64),
    signer: Option<&rcgen::Issuer<'_, rcgen::KeyPair>>,
) -> (String, rcgen::KeyPair, rcgen::CertificateParams) {
    let key = rcgen::KeyPair::generate().unwrap();
    let signs = !name.contains('.');
    let names = if signs { Vec::new() } else { vec![name.to_owned()] };
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let day = |days: i64| {
        let span = std::time::Duration::from_secs(days.unsigned_abs() * 86_400);
        let today = rcgen::date_time_ymd(2026, 1, 1);
        if days < 0 { today - span } else { today + span }
    };
    (params.not_before, params.not_after) = (day(days.0), day(days.1));
    if signs {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let certificate = match signer {
        Some(signer) => params.clone().signed_by(&key, signer).unwrap(),
        None => params.clone().self_signed(&key).unwrap(),
    };
    (certificate.pem(), key, params)
}

#[test]
fn certificates_are_judged() {
    let (_, root_key, root) = issue("root", (-900, 900), None);
    let root = rcgen::Issuer::new(root, root_key);
    let (middle_pem, middle_key, middle) = issue("middle", (-300, 600), Some(&root));
    let middle = rcgen::Issuer::new(middle, middle_key);
    let mut certificates = BTreeMap::new();
    for (name, host, days) in [
        ("a", "a.example.org", (-10, 80)),
        ("b", "b.example.org", (-10, 80)),
        ("late", "a.example.org", (-70, 20)),
        ("old", "a.example.org", (-90, -1)),
        ("early", "a.example.org", (1, 90)),
    ] {
        let (pem, key, _) = issue(host, days, Some(&middle));
        certificates.insert(format!("/pki/{name}.pem"), pem.clone() + &middle_pem);
        certificates.insert(format!("/pki/{name}.bare"), pem);
        certificates.insert(format!("/pki/{name}.key"), key.serialize_pem());
    }
    let judge = |chain: &str, key: &str, strict: bool| {
        let main = format!("{BASE_MAIN}inet_protocols = ipv4\nsmtpd_tls_security_level = may\n");
        let master = format!(
            "{BASE_MASTER}192.0.2.1:25 inet n - n - - smtpd\n  -o myhostname=a.example.org\n  -o smtpd_tls_cert_file=/pki/{chain}\n  -o smtpd_tls_key_file=/pki/{key}\n192.0.2.2:25 inet n - n - - smtpd\n  -o myhostname=b.example.org\n  -o smtpd_tls_cert_file=/pki/b.pem\n  -o smtpd_tls_key_file=/pki/b.key\n"
        );
        let mut files: BTreeMap<Utf8PathBuf, Vec<u8>> =
            certificates.iter().map(|(path, text)| (path.into(), text.clone().into_bytes())).collect();
        files.insert(MAIN.into(), main.into_bytes());
        files.insert(MASTER.into(), master.into_bytes());
        let found = lint(&Memory { folder: "postfix".into(), files }, Options { strict, ..options() });
        let told = found.list.iter().map(|finding| (finding.code.id, finding.severity));
        (told.collect::<Vec<_>>(), found.until, found.unchecked)
    };
    let (found, until, unchecked) = judge("a.pem", "a.key", true);
    assert_eq!(found, []);
    assert_eq!(until, Some(jiff::civil::date(2026, 2, 20)));
    assert_eq!(unchecked, BTreeSet::new());
    for (chain, key, rule) in [
        ("b.pem", "b.key", "postfix::certificate-name"),
        ("a.pem", "b.key", "postfix::key-mismatch"),
        ("a.bare", "a.key", "postfix::incomplete-chain"),
        ("a.key", "a.key", "postfix::unusable-certificate"),
        ("late.pem", "late.key", "postfix::expired-certificate"),
        ("old.pem", "old.key", "postfix::expired-certificate"),
        ("early.pem", "early.key", "postfix::expired-certificate"),
    ] {
        assert_eq!(judge(chain, key, true).0, [(rule, Error)], "{chain} {key}");
    }
    assert_eq!(judge("old.pem", "old.key", false).0, [("postfix::expired-certificate", Warning)]);
    let (found, _, unchecked) = judge("elsewhere.pem", "elsewhere.key", true);
    assert_eq!(found, []);
    assert_eq!(unchecked.len(), 1, "{unchecked:?}");
}

#[test]
fn rules_have_names_of_their_own() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.code.id).collect();
    assert_eq!(names.len(), RULES.len());
}

#[test]
fn instances_are_held_against_each_other() {
    let instance = |main: &str, master: &str| {
        let texts = [(MAIN, BASE_MAIN.to_owned() + main), (MASTER, BASE_MASTER.to_owned() + master)];
        let files = texts.map(|(name, text)| (name.into(), text.into_bytes())).into();
        Memory { folder: "postfix".into(), files }
    };
    let own = "queue_directory = /var/spool/b\ndata_directory = /var/lib/b\n";
    let first = instance("", "192.0.2.1:25 inet n - n - - smtpd\n");
    let judge = |folder: &str, second: &Memory| {
        let folder = Utf8Path::new(folder);
        let found = lint_together(&[(Utf8Path::new("etc/postfix"), &first), (folder, second)], options());
        found.into_iter().map(|(number, finding)| (number, finding.message)).collect::<Vec<_>>()
    };
    let apart = instance(own, "192.0.2.2:25 inet n - n - - smtpd\n");
    assert_eq!(judge("etc/postfix-b", &apart), []);
    let same = instance("", "smtp inet n - n - - smtpd\n");
    assert_eq!(judge("etc/postfix-b", &same).len(), 3);
    assert!(judge("etc/postfix-b", &same).iter().all(|(number, _)| *number == 1));
    // These are of other hosts, or of no host at all.
    assert_eq!(judge("other/postfix", &same), []);
    assert_eq!(judge("etc/example", &same), []);
    let disabled = instance(&format!("{own}master_service_disable = inet\n"), "smtp inet n - n - - smtpd\n");
    assert_eq!(judge("etc/postfix-b", &disabled), []);
}
