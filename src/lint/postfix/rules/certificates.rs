use super::Rule;
use crate::diagnostic::{Code, Severity};
use crate::lint::postfix::Instance;
use crate::lint::postfix::certificate::{Chain, KeyMatch};
use crate::lint::postfix::read::Service;
use crate::lint::{Example, Finding, Findings, Found, Place};

macro_rules! rule {
    ($name:ident, $id:literal, $about:literal, $why:literal, $check:expr) => {
        pub(super) static $name: Rule = Rule {
            code: Code { id: $id, about: $about },
            why: $why,
            bad: Example { files: &[] },
            good: Example { files: &[] },
            check: $check,
        };
    };
}

rule!(
    MISSING,
    "postfix::missing-file",
    "A certificate or a key does not exist on the host whose configuration is judged.",
    "smtpd then offers no TLS. Files are looked for on this machine where the configuration lies in its place \
     (`/etc/postfix`), or where others that it names are there; else they are unchecked.",
    check
);
rule!(
    UNUSABLE,
    "postfix::unusable-certificate",
    "A file that is named as a certificate holds none, or one that is damaged.",
    "smtpd then offers no TLS.",
    |_, _| {}
);
rule!(
    KEY,
    "postfix::key-mismatch",
    "A key is not the one of its certificate.",
    "smtpd then offers no TLS. Judged are keys that can be read and that hold their public part.",
    |_, _| {}
);
rule!(
    NAME,
    "postfix::certificate-name",
    "The certificate of a listener or of an SNI name is not for that name.",
    "Clients that check it refuse it. The two certificates of two rows may be swapped.",
    |_, _| {}
);
rule!(
    CHAIN,
    "postfix::incomplete-chain",
    "A certificate comes without the intermediate one that signed it.",
    "Clients that do not happen to know that refuse it. Put the chain behind the certificate, each followed by its signer.",
    |_, _| {}
);
rule!(
    EXPIRED,
    "postfix::expired-certificate",
    "A certificate has expired, is not valid yet, or has less than a third of its lifetime left. A warning; with `--strict` an error.",
    "Renewal should have happened. `--as-of` says the day.",
    |_, _| {}
);

/// A certificate that something shows.
struct Shown<'a> {
    service: Option<&'a Service>,
    chain: String,
    key: Option<String>,
    place: Place,
    key_place: Place,
    /// The name that it has to be for.
    name: Option<String>,
}

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let all = shown(instance, findings);
    let here = |path: &str| matches!(instance.files.find(&instance.local(path)), Found::File(_));
    // Where some of the files are here, this is the host.
    let is_host = all.iter().any(|one| here(&one.chain)) || instance.files.is_host();
    let mut intermediates = Vec::new();
    for one in &all {
        if let Found::File(bytes) = instance.files.find(&instance.local(&one.chain))
            && let Ok(chain) = Chain::read(&bytes)
        {
            intermediates.extend(chain.issuers());
        }
    }
    for one in &all {
        let path = instance.local(&one.chain);
        match instance.files.find(&path) {
            Found::File(bytes) => judge(instance, one, &bytes, &intermediates, findings),
            Found::Absent if is_host => {
                let message = format!("the certificate `{}` does not exist", one.chain);
                findings.push(Finding::new(&MISSING.code, one.place.clone(), message));
            }
            _ => findings.unchecked(format!("the certificate `{}`, which is not here", one.chain)),
        }
        if let Some(key) = one.key.as_deref().filter(|key| *key != one.chain)
            && matches!(instance.files.find(&instance.local(key)), Found::Absent)
            && is_host
        {
            let message = format!("the key `{key}` does not exist");
            findings.push(Finding::new(&MISSING.code, one.key_place.clone(), message));
        }
    }
    if is_host {
        authorities(instance, findings);
    }
}

/// The files of authorities that are named.
fn authorities(instance: &Instance<'_>, findings: &mut Findings) {
    for (service, setting) in
        instance.effective().filter(|(_, setting)| setting.name.ends_with("_tls_CAfile"))
    {
        let path = instance.value(service, &setting.name);
        if !path.is_empty()
            && instance.files.is_host()
            && matches!(instance.files.find(&instance.local(&path)), Found::Absent)
        {
            let message = format!("the file of authorities `{path}` does not exist");
            findings.push(Finding::new(&MISSING.code, setting.place(), message));
        }
    }
}

fn shown<'a>(instance: &'a Instance<'_>, findings: &mut Findings) -> Vec<Shown<'a>> {
    let mut list = Vec::new();
    for service in instance.running(&["smtpd", "tlsproxy", "smtp", "lmtp"]) {
        let server = service.runs(&["smtpd", "tlsproxy"]);
        let prefix = if server { "smtpd".to_owned() } else { service.program.clone() };
        let some = Some(service);
        let named = service.runs(&["smtpd"]).then(|| listener_name(instance, service, &prefix)).flatten();
        let chains = instance.list(some, &format!("{prefix}_tls_chain_files"));
        for item in &chains {
            list.push(Shown {
                service: some,
                chain: item.text.clone(),
                key: Some(item.text.clone()),
                place: item.place.clone(),
                key_place: item.place.clone(),
                name: named.clone(),
            });
        }
        if !chains.is_empty() {
            continue;
        }
        for (certificate, key) in
            [("cert_file", "key_file"), ("eccert_file", "eckey_file"), ("dcert_file", "dkey_file")]
        {
            let (certificate, key) = (format!("{prefix}_tls_{certificate}"), format!("{prefix}_tls_{key}"));
            let (chain, key_file) = (instance.value(some, &certificate), instance.value(some, &key));
            if chain.is_empty() || chain == "none" {
                continue;
            }
            list.push(Shown {
                service: some,
                key: Some(if key_file.is_empty() { chain.clone() } else { key_file }),
                chain,
                place: instance.place(some, &certificate),
                key_place: instance.place(some, &key),
                name: named.clone(),
            });
        }
    }
    if !instance.value(None, "tls_server_sni_maps").is_empty() {
        let (entries, all) = instance.entries(None, "tls_server_sni_maps");
        if !all {
            findings.unchecked("a map of `tls_server_sni_maps`, which is not here");
        }
        for entry in entries {
            let files: Vec<&str> = entry.value.split([' ', ',']).filter(|file| !file.is_empty()).collect();
            // The key comes first, and its chain may follow in another file.
            let (Some(first), last) = (files.first(), files.last().unwrap_or(&"")) else { continue };
            list.push(Shown {
                service: None,
                chain: (*last).to_owned(),
                key: Some((*first).to_owned()),
                place: entry.place.clone(),
                key_place: entry.place,
                name: Some(entry.key),
            });
        }
    }
    // What all services share is told once, where it is set.
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|one| seen.insert((one.place.clone(), one.chain.clone(), one.key.clone(), one.name.clone())));
    list
}

/// The name that the certificate of a service has to be for, where that can be told.
fn listener_name(instance: &Instance<'_>, service: &Service, prefix: &str) -> Option<String> {
    let is_public = service.kind == "inet"
        && instance.listener(service).is_none_or(|listener| {
            listener.addresses.is_empty()
                || !listener.addresses.iter().all(|address| address.to_string() == "127.0.0.1")
        });
    let own = |name: &str| service.overrides.iter().any(|setting| setting.name == name);
    let parameters = ["chain_files", "cert_file", "eccert_file"].map(|name| format!("{prefix}_tls_{name}"));
    let by_name = parameters.iter().any(|name| {
        own(name)
            || instance.explicit(None, name).is_some_and(|setting| setting.value.text.contains("$myhostname"))
    });
    let named = own("myhostname") || instance.explicit(None, "myhostname").is_some();
    (is_public && named && (by_name || own("myhostname")))
        .then(|| instance.value(Some(service), "myhostname"))
}

fn judge(instance: &Instance<'_>, one: &Shown<'_>, bytes: &[u8], known: &[Vec<u8>], findings: &mut Findings) {
    let chain = match Chain::read(bytes) {
        Ok(chain) => chain,
        Err(why) => {
            let message = format!("`{}` is no certificate: {why}", one.chain);
            findings.push(Finding::new(&UNUSABLE.code, one.place.clone(), message));
            return;
        }
    };
    let finding = |code: &'static Code, message: String| Finding::new(code, one.place.clone(), message);
    if let Some(name) = &one.name {
        let name = name.trim_end_matches('.');
        let is_nameless = chain.is_self_signed() && one.service.is_some() && chain.names().is_empty();
        if !chain.is_for(name) && !is_nameless {
            let names = chain.names();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            findings.push(finding(
                &NAME.code,
                format!("the certificate `{}` is for {names}, not for `{name}`", one.chain),
            ));
        }
    }
    if let Some(why) = chain.gap(known, &roots(instance)) {
        findings.push(finding(&CHAIN.code, format!("the chain of `{}` is not whole: {why}", one.chain)));
    }
    let (begins, ends) = chain.validity();
    let today = instance.options.as_of;
    let severity = if instance.options.strict { Severity::Error } else { Severity::Warning };
    let third = chain.renewal();
    let message = if ends < today {
        Some(format!("the certificate `{}` has expired on {ends}", one.chain))
    } else if begins > today {
        Some(format!("the certificate `{}` is not valid before {begins}", one.chain))
    } else if third <= today {
        Some(format!(
            "the certificate `{}` expires on {ends}: less than a third of its lifetime is left",
            one.chain
        ))
    } else {
        findings.due(third);
        None
    };
    if let Some(message) = message {
        findings.push(Finding { severity, ..finding(&EXPIRED.code, message) });
    }
    let Some(key) = &one.key else { return };
    let Found::File(key_bytes) = instance.files.find(&instance.local(key)) else {
        if *key != one.chain {
            findings.unchecked(format!("the key `{key}`, which cannot be read here"));
        }
        return;
    };
    let finding = |message: String| Finding::new(&KEY.code, one.key_place.clone(), message);
    match chain.matches(&key_bytes) {
        KeyMatch::Same => {}
        KeyMatch::Other => {
            findings
                .push(finding(format!("the key `{key}` is not the one of the certificate `{}`", one.chain)));
        }
        KeyMatch::None => findings.push(finding(format!("there is no key in `{key}`"))),
        KeyMatch::Unknown => {
            findings.unchecked(format!("the key `{key}`, which does not tell its public part"));
        }
    }
}

/// The authorities that the host trusts, where they can be read.
fn roots(instance: &Instance<'_>) -> Vec<Vec<u8>> {
    let files = ["smtpd_tls_CAfile", "smtp_tls_CAfile"].map(|name| instance.value(None, name));
    let read = |path: &String| match instance.files.find(&instance.local(path)) {
        Found::File(bytes) if !path.is_empty() => Some(crate::lint::postfix::certificate::subjects(&bytes)),
        _ => None,
    };
    files.iter().filter_map(read).flatten().collect()
}
