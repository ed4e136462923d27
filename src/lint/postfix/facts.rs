//! What is known of Postfix: parameters, restrictions, types of maps, services. Read from `facts.tsv`, which
//! `scripts/postfix-facts` makes from the sources of Postfix.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A version of Postfix, such as 3.7; what stands behind is of no interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The oldest one that anything is known of.
    pub const OLDEST: Self = Self { major: 3, minor: 5 };
    /// The newest one.
    pub const NEWEST: Self = Self { major: 3, minor: 11 };

    /// The version before.
    pub(super) fn before(self) -> Option<Self> {
        let minor = self.minor.checked_sub(1)?;
        Some(Self { minor, ..self }).filter(|before| *before >= Self::OLDEST)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => {
                let version = Self { major, minor };
                if (Self::OLDEST..=Self::NEWEST).contains(&version) {
                    Ok(version)
                } else {
                    Err(format!("known are {} to {}", Self::OLDEST, Self::NEWEST))
                }
            }
            _ => Err("expected a version such as 3.9".to_owned()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the value of a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    YesNo,
    Number,
    Time,
    Text,
    /// Text in which `$name` is looked up later, by other names.
    Raw,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    /// The first version with it; the oldest one that is known, or that one.
    pub(super) first: Version,
    /// The first version without it.
    pub(super) gone: Option<Version>,
    /// Whether a change needs a restart.
    pub(super) restart: bool,
    /// The programs that read it; none where all do.
    readers: Vec<&'static str>,
    pub(super) kind: Kind,
    /// The least and the most that it may be, or the shortest and the longest text; 0 for no end.
    pub(super) range: (u64, u64),
    /// Its defaults, each with the version that it begins with.
    defaults: Vec<(Version, &'static str)>,
}

impl Parameter {
    /// Whether a program reads it.
    pub(super) fn is_read_by(&self, program: &str) -> bool {
        self.readers.is_empty() || self.readers.contains(&program)
    }

    pub(super) fn readers(&self) -> &[&'static str] {
        &self.readers
    }

    /// Its default in a version.
    pub(super) fn default(&self, version: Version) -> &'static str {
        let known = self.defaults.iter().rev().find(|(since, _)| *since <= version);
        known.or(self.defaults.first()).map_or("", |(_, text)| text)
    }
}

/// The words that a parameter takes.
#[derive(Debug)]
pub(super) struct Words {
    /// Whether a value is a list of them.
    pub(super) is_list: bool,
    pub(super) known: Vec<&'static str>,
}

/// A service as the master.cf has it that Postfix comes with.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) kind: &'static str,
    pub(super) private: bool,
    pub(super) unprivileged: &'static str,
    /// When it is woken up: `-`, or seconds.
    pub(super) wakeup: &'static str,
    pub(super) limit: &'static str,
    pub(super) program: &'static str,
}

impl Stock {
    /// Its line in master.cf, by a name.
    pub(super) fn line(&self, name: &str) -> String {
        let private = if self.private { "-" } else { "n" };
        let Self { kind, unprivileged, wakeup, limit, program, .. } = self;
        format!("{name} {kind} {private} {unprivileged} n {wakeup} {limit} {program}")
    }
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) parameters: BTreeMap<&'static str, Parameter>,
    /// The names of restrictions of smtpd.
    pub(super) restrictions: BTreeSet<&'static str>,
    /// The types of maps.
    pub(super) maps: BTreeSet<&'static str>,
    /// With what the names of parameters end that each transport has.
    pub(super) transports: BTreeSet<&'static str>,
    /// The programs of services.
    pub(super) programs: BTreeSet<&'static str>,
    /// The words that parameters take.
    pub(super) words: BTreeMap<&'static str, Words>,
    /// The services that Postfix comes with.
    pub(super) services: BTreeMap<&'static str, Stock>,
    /// What programs want of the fields of their services: `solitary`, `unlimited`, `privileged`.
    pub(super) wants: BTreeMap<&'static str, Vec<&'static str>>,
}

/// The programs that read no parameter of their own.
const PLAIN: &[&str] = &[
    "anvil", "discard", "error", "nqmgr", "retry", "scache", "spawn", "lmtp", "oqmgr", "postlogd", "fsstone",
];

/// The programs of the sources that are commands, and names of services: not what master.cf runs.
const COMMANDS: &[&str] = &[
    "defer",
    "trace",
    "fsstone",
    "postalias",
    "postcat",
    "postdrop",
    "postfix",
    "postkick",
    "postlock",
    "postlog",
    "postmap",
    "postmulti",
    "postqueue",
    "postsuper",
    "posttls-finger",
    "sendmail",
    "smtpstone",
];

pub(super) static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let mut facts = Facts::default();
    for line in include_str!("facts.tsv").lines() {
        let mut fields = line.split('\t');
        let (Some(what), Some(name)) = (fields.next(), fields.next()) else { continue };
        match what {
            "parameter" => {
                if let Some(parameter) = parameter(fields) {
                    facts.programs.extend(parameter.readers());
                    facts.parameters.insert(name, parameter);
                }
            }
            "restriction" => _ = facts.restrictions.insert(name),
            "map" => _ = facts.maps.insert(name),
            "transport" => _ = facts.transports.insert(name),
            "words" => {
                if let (Some(many), Some(known)) = (fields.next(), fields.next()) {
                    let words = Words { is_list: many == "list", known: known.split(',').collect() };
                    facts.words.insert(name, words);
                }
            }
            "service" => {
                let fields: Vec<&str> = fields.collect();
                if let [kind, private, unprivileged, _, wakeup, limit, program] = fields[..] {
                    let private = private != "n";
                    let stock = Stock { kind, private, unprivileged, wakeup, limit, program };
                    facts.services.insert(name, stock);
                }
            }
            "program" => {
                let wants = fields.next().unwrap_or_default().split(',').collect();
                facts.wants.insert(name, wants);
            }
            _ => {}
        }
    }
    facts.programs.extend(PLAIN);
    facts.programs.retain(|program| !COMMANDS.contains(program));
    facts
});

fn parameter(mut fields: std::str::Split<'static, char>) -> Option<Parameter> {
    let first: Version = fields.next()?.parse().ok()?;
    let gone = fields.next()?.parse().ok();
    let restart = fields.next()? == "restart";
    let readers = match fields.next()? {
        "*" => Vec::new(),
        readers => readers.split(',').collect(),
    };
    let mut kind = fields.next()?.split(':');
    let named = kind.next()?;
    let mut end = || kind.next().and_then(|end| end.parse().ok()).unwrap_or(0);
    let range = (end(), end());
    let kind = match named {
        "yesno" => Kind::YesNo,
        "number" => Kind::Number,
        "time" => Kind::Time,
        "raw" => Kind::Raw,
        _ => Kind::Text,
    };
    let mut defaults = vec![(first, fields.next()?)];
    for changed in fields {
        let (version, default) = changed.split_once('=')?;
        defaults.push((version.parse().ok()?, default));
    }
    Some(Parameter { first, gone, restart, readers, kind, range, defaults })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read() {
        let facts = &*FACTS;
        assert!(facts.parameters.len() > 850, "{}", facts.parameters.len());
        let bare = &facts.parameters["smtpd_forbid_bare_newline"];
        assert_eq!(bare.default("3.7".parse().unwrap()), "no");
        assert_eq!(bare.default("3.10".parse().unwrap()), "normalize");
        for name in ["inet_interfaces", "inet_protocols", "queue_directory", "config_directory"] {
            assert!(facts.parameters[name].restart, "{name}");
        }
        assert!(!facts.parameters["hash_queue_names"].restart);
        assert_eq!(facts.parameters["biff"].kind, Kind::YesNo);
        assert_eq!(facts.parameters["smtpd_recipient_limit"].range, (1, 0));
        assert!(facts.words["notify_classes"].is_list && !facts.words["smtp_tls_ciphers"].is_list);
        assert_eq!(facts.services["qmgr"].wakeup, "300");
        assert_eq!(facts.wants["postscreen"], ["solitary"]);
        assert_eq!(facts.parameters["queue_run_delay"].kind, Kind::Time);
        assert!(facts.programs.contains("smtpd") && facts.programs.contains("postscreen"));
        assert!(facts.parameters["smtp_bind_address_enforce"].first == "3.7".parse().unwrap());
    }

    #[test]
    fn versions_are_read() {
        assert_eq!("3.7.11".parse::<Version>().unwrap().to_string(), "3.7");
        assert!("3.4".parse::<Version>().is_err() && "x".parse::<Version>().is_err());
    }
}
