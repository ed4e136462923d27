//! What the schemas of confwright.toml and target.toml say of values. Made from them by tests/docs.rs.

use super::{Kind, PLAIN};

static ALLOW_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("rule", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("row", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("reason", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("until", &[Kind { name: Some("a date"), ..PLAIN }]),
        ],
        others: None,
        required: &["rule", "reason", "until"],
        ..PLAIN
    },
];

static ARTIFACT_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("template", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("path", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("format", &FORMAT),
            ("mode", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("each", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("about", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("apply", &[Kind { name: Some("a text"), ..PLAIN }]),
        ],
        others: None,
        required: &["template", "path"],
        ..PLAIN
    },
];

static CHECK_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("name", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("command", &[Kind { name: Some("a list"), entries: &[Kind { name: Some("a text"), ..PLAIN }], ..PLAIN }]),
            ("package", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("fails-on", &FAILS_ON),
            ("timeout", &[Kind { name: Some("a whole number"), ..PLAIN }]),
        ],
        others: None,
        required: &["name", "command"],
        ..PLAIN
    },
];

static COLUMN_SPEC: [Kind; 2] = [
    Kind {
        name: Some("a text"),
        noun: Some("column type"),
        texts: &["string", "name", "int", "float", "bool", "enum", "list", "ref", "ipv4", "ipv6", "ip", "cidr", "interface", "mac", "port", "fqdn", "hostname", "email", "url", "path", "size", "duration", "date", "ssh-public-key", "cert"],
        ..PLAIN
    },
    Kind {
        name: Some("a table"),
        keys: &[
            ("type", &TYPE_NAME),
            ("unique", &[Kind { name: Some("true or false"), ..PLAIN }]),
            ("optional", &[Kind { name: Some("true or false"), ..PLAIN }]),
            ("default", &[]),
            ("min", &[]),
            ("max", &[]),
            ("pattern", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("within", &ONE_OR_MANY),
            ("values", &[Kind { name: Some("a list"), ..PLAIN }]),
            ("of", &COLUMN_SPEC),
            ("separator", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("table", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("local", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("expr", &[Kind { name: Some("a text"), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

static DELIMITERS: [Kind; 1] = [
    Kind {
        name: Some("a text"),
        noun: Some("kind of delimiter"),
        texts: &["curly", "square"],
        ..PLAIN
    },
];

static ENVIRONMENT_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("values", &[Kind { name: Some("a table"), ..PLAIN }]),
            ("tables", &[Kind { name: Some("a table"), others: Some(&TABLE_SECTION), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

static FAILS_ON: [Kind; 1] = [
    Kind {
        name: Some("a text"),
        noun: Some("sign of failure"),
        texts: &["status", "stderr"],
        ..PLAIN
    },
];

static FORMAT: [Kind; 1] = [
    Kind {
        name: Some("a text"),
        noun: Some("format"),
        texts: &["text", "json", "shell", "systemd", "ini", "yaml", "toml", "xml", "postfix-main", "postfix-master", "postfix-map", "nginx", "haproxy", "nftables", "zone", "sudoers", "sshd", "authorized-keys", "ssh-known-hosts", "dovecot", "prometheus"],
        ..PLAIN
    },
];

static INSTANCE_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("use", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("root", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("tables", &[Kind { name: Some("a table"), others: Some(&[Kind { name: Some("a text"), ..PLAIN }]), ..PLAIN }]),
            ("values", &[Kind { name: Some("a table"), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

static ONE_OR_MANY: [Kind; 2] = [
    Kind {
        name: Some("a text"),
        ..PLAIN
    },
    Kind {
        name: Some("a list"),
        entries: &[Kind { name: Some("a text"), ..PLAIN }],
        ..PLAIN
    },
];

pub(crate) static PROJECT: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("project", &PROJECT_SECTION),
            ("values", &[Kind { name: Some("a table"), ..PLAIN }]),
            ("tables", &[Kind { name: Some("a table"), others: Some(&TABLE_SECTION), ..PLAIN }]),
            ("targets", &[Kind { name: Some("a table"), others: Some(&INSTANCE_SECTION), ..PLAIN }]),
            ("artifact", &[Kind { name: Some("a list"), entries: &ARTIFACT_SECTION, ..PLAIN }]),
            ("rule", &[Kind { name: Some("a list"), entries: &RULE_SECTION, ..PLAIN }]),
            ("allow", &[Kind { name: Some("a list"), entries: &ALLOW_SECTION, ..PLAIN }]),
            ("environments", &[Kind { name: Some("a table"), others: Some(&ENVIRONMENT_SECTION), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

static PROJECT_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("name", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("golden", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("templates", &[Kind { name: Some("a text"), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

static REQUIRES_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("tables", &[Kind { name: Some("a table"), others: Some(&[Kind { name: Some("a table"), others: Some(&COLUMN_SPEC), ..PLAIN }]), ..PLAIN }]),
            ("values", &[Kind { name: Some("a table"), others: Some(&COLUMN_SPEC), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

static RULE_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("name", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("each", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("assert", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("message", &[Kind { name: Some("a text"), ..PLAIN }]),
        ],
        others: None,
        required: &["assert"],
        ..PLAIN
    },
];

static TABLE_SECTION: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("source", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("key", &ONE_OR_MANY),
            ("header", &[Kind { name: Some("true or false"), ..PLAIN }]),
            ("columns", &[Kind { name: Some("a table"), others: Some(&COLUMN_SPEC), ..PLAIN }]),
        ],
        others: None,
        ..PLAIN
    },
];

pub(crate) static TARGET: [Kind; 1] = [
    Kind {
        name: Some("a table"),
        keys: &[
            ("stage", &[Kind { name: Some("a text"), noun: Some("stage"), texts: &["config", "image", "deploy", "verify", "access"], ..PLAIN }]),
            ("about", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("apply", &[Kind { name: Some("a text"), ..PLAIN }]),
            ("delimiters", &DELIMITERS),
            ("requires", &REQUIRES_SECTION),
            ("artifact", &[Kind { name: Some("a list"), entries: &ARTIFACT_SECTION, ..PLAIN }]),
            ("check", &[Kind { name: Some("a list"), entries: &CHECK_SECTION, ..PLAIN }]),
        ],
        others: None,
        required: &["stage"],
        ..PLAIN
    },
];

static TYPE_NAME: [Kind; 1] = [
    Kind {
        name: Some("a text"),
        noun: Some("column type"),
        texts: &["string", "name", "int", "float", "bool", "enum", "list", "ref", "ipv4", "ipv6", "ip", "cidr", "interface", "mac", "port", "fqdn", "hostname", "email", "url", "path", "size", "duration", "date", "ssh-public-key", "cert"],
        ..PLAIN
    },
];
