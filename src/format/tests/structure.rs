//! What values do to the structure of an artifact: nothing, in any format.

use std::fmt::Write as _;

use proptest::prelude::*;
use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{HARMLESS, Kind, adversarial, find, refused, render, render_all};
use crate::format::lexis::statements;
use crate::format::{FORMATS, Follow};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

/// For each format: templates, in which `§` stands for a value.
const TEMPLATES: &[(&str, &[&str])] = &[
    (
        "postfix-main",
        &[
            "a = §\nb = x\n",
            "a§_b = y\n",
            "# § c\na = y\n",
            "a =\n  §\n  x\nb = y\n",
            "a = x, § y§z\n",
            "§ = y\n",
            "a = b\n§= c\n",
        ],
    ),
    (
        "postfix-master",
        &[
            "§ inet n - n - § smtpd\n  -o a=§\n  -o b=x§y\nx unix - - n - - smtp\n",
            "a unix - - n - - pipe\n  user=§ argv=/x § -f §\n",
            "a unix - - n - - smtp\n  -o { b = x § y }\n",
            "# §\na§ unix - - n - - smtp -o §_x=y\n",
        ],
    ),
    (
        "postfix-map",
        &["§ out:\nb y\n", "a §\nb y\n", "a x§:\n", "a REJECT §\nb x\n", "# §\na x\n", "a 550 x§\n"],
    ),
    (
        "nginx",
        &[
            "a § b;\nc { d x§y; }\n",
            "a \"§\";\nb 'x §' y;\n",
            "# §\na b;\n",
            "§ b;\n",
            "server { listen §:80; server_name a §; }\n",
            "a x=\"§\";\n",
        ],
    ),
    (
        "haproxy",
        &[
            "global\n  log § local0\n  x \"a §\" '§'\n  y b\n",
            "backend §\n  server § §:80 check\n",
            "# §\nglobal\n",
            "global\n  § x\n",
            "global\n  log a # §\n",
        ],
    ),
    (
        "nftables",
        &[
            "table inet § {\n  chain a { ip saddr { §, 192.0.2.1 } accept comment \"§\"; }\n}\n",
            "# §\nadd rule § dport §\n",
            "a x§y\n",
        ],
    ),
    (
        "zone",
        &[
            "$TTL 1h\n@ IN SOA a. b. ( 1 2 3 4 5 ) ; §\n§ IN A 192.0.2.1\nx IN TXT \"§\" \"a §\"\n",
            "a IN CNAME §.example.\n",
            "a IN TXT §\n",
        ],
    ),
    (
        "sudoers",
        &[
            "§ ALL=(root) NOPASSWD: /usr/bin/§, /bin/x\n",
            "# §\nDefaults:§ !requiretty\n",
            "User_Alias A = §, x\n",
            "Defaults badpass_message=\"§\"\n",
        ],
    ),
    (
        "sshd",
        &[
            "Host §\n  HostName §\n  User a\n",
            "Match User §\n  ForceCommand \"x §\"\n",
            "# §\nAllowUsers a § b\n",
            "§ yes\n",
            "Port=§\n",
        ],
    ),
    (
        "authorized-keys",
        &[
            "from=\"§\",command=\"x §\" ssh-ed25519 §\n",
            "§\n",
            "ssh-ed25519 AAAA § c\n",
            "# §\n",
            "restrict,§ ssh-ed25519 AAAA c\n",
        ],
    ),
    ("ssh-known-hosts", &["§ ssh-ed25519 AAAA\n", "a,[§]:22 ssh-ed25519 § c\n", "a §\n"]),
    (
        "dovecot",
        &[
            "a = §\nb = \"x §\"\nc = 'x §'\n",
            "local_name § {\n  ssl_cert = </etc/§\n}\n",
            "# §\n§ = x\n",
            "a = x # §\nb = y\n",
            "p § {\n  a = x§ y\n}\n",
        ],
    ),
    (
        "systemd",
        &[
            "[Unit]\nDescription=a §\nAfter=§ b\n[Service]\nExecStart=/bin/x § \"a §\" 'b §'\n",
            "[§]\nA=b\n",
            "[A]\n§=x\n# §\nB=x§y\n",
            "[A]\nExecStart=§\n",
        ],
    ),
    ("ini", &["[a§]\nb = § c\n", "x = y\n; §\n# §\nz=\"§\"\n", "[a]\n§ = x\n§_b=c\n"]),
    ("prometheus", &["# HELP a §\na{b=\"§\",c=\"x§\"} §\nd 1\n", "a§ 1\n", "a{§=\"x\"} 1\n"]),
];

/// What an artifact is, with each value taken for a harmless one: statements, words and what ends them.
fn shape(format: &str, artifact: &str, value: &str) -> Option<String> {
    let Follow::Lexis(lexis) = find(format).unwrap().follow else { panic!("{format} has no lexis") };
    let mut shape = String::new();
    for statement in statements(lexis, artifact.as_bytes()).ok()? {
        for word in &statement.words {
            // An escaped value is not told apart here; that a word has one is.
            let plain = word.text.replace(['\\'], "");
            let is_value = !value.is_empty() && (word.text.contains(value) || plain.contains(value));
            let _ = write!(shape, "{} ", if is_value { "§" } else { "w" });
        }
        let _ = writeln!(shape, "{}", char::from(statement.end));
    }
    Some(shape.replace('§', "w"))
}

#[test]
fn every_format_of_statements_has_templates() {
    for format in FORMATS.iter().filter(|format| matches!(format.follow, Follow::Lexis(_))) {
        let (_, templates) = TEMPLATES.iter().find(|(name, _)| *name == format.name).expect(format.name);
        for template in *templates {
            // The harmless value gives an artifact, or the place takes none at all.
            if let Ok(artifact) = render(format.name, template, Kind::Text, HARMLESS) {
                assert!(shape(format.name, &artifact, HARMLESS).is_some(), "{artifact}");
            } else {
                assert!(refused(format.name, template, Kind::Text, HARMLESS).starts_with("format::"));
            }
        }
    }
}

fn keeps_structure(value: &str) -> Result<(), TestCaseError> {
    for (format, templates) in TEMPLATES {
        for template in *templates {
            let (Ok(harmless), Ok(artifact)) =
                (render(format, template, Kind::Text, HARMLESS), render(format, template, Kind::Text, value))
            else {
                continue;
            };
            let expected = shape(format, &harmless, HARMLESS);
            // Text for people may be of several words.
            let is_text = value.contains(char::is_whitespace);
            let found = shape(format, &artifact, value);
            let same = if is_text {
                let ends = |shape: Option<String>| {
                    shape.map(|shape| {
                        shape.lines().map(|line| line.trim_end().chars().last()).collect::<Vec<_>>()
                    })
                };
                ends(expected) == ends(found)
            } else {
                expected == found || value.is_empty()
            };
            prop_assert!(same, "{format}: {template:?} with {value:?} gives {artifact:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn statements_and_words_stay(value in adversarial()) {
        keeps_structure(&value)?;
    }
}

#[test]
fn long_and_hostile_values_stay_what_they_are() {
    let long = "x'\"\\;{}$(a)`%,#|<>!".repeat(1 << 12);
    for value in [
        long.as_str(),
        "a\nb = c",
        "a b",
        "a;b",
        "a}b",
        "#a",
        "-o",
        "a\\",
        "\"a",
        "a$b",
        "ALL",
        "*",
        "%h",
        "a,b",
        "<a",
        "[a",
        "a]",
        "${a}",
        "0.0.0.0/0 x",
        "=",
        "a=b",
        "a\u{2028}b",
        "a\u{202e}b",
        "a\u{a0}b",
        "\u{0}",
    ] {
        keeps_structure(value).unwrap();
    }
}

#[test]
fn what_lexical_formats_write() {
    for (format, template, value, output) in [
        ("postfix-main", "a = §\n", "x, y", "a = x, y\n"),
        ("postfix-main", "a =§\n", "", "a =\n"),
        (
            "postfix-master",
            "a unix - - n - - smtp\n  -o b=§\n",
            ">=TLSv1.2",
            "a unix - - n - - smtp\n  -o b=>=TLSv1.2\n",
        ),
        ("postfix-master", "a unix § - n - - smtp\n", "-", "a unix - - n - - smtp\n"),
        (
            "postfix-master",
            "a unix - - n - - smtp\n -o { b = § }\n",
            "x y",
            "a unix - - n - - smtp\n -o { b = x y }\n",
        ),
        ("postfix-map", "a REJECT §\n", "no, thanks", "a REJECT no, thanks\n"),
        ("nginx", "a \"§\" '§';", "a\"b'\\", "a \"a\\\"b'\\\\\" 'a\\\"b\\'\\\\';"),
        ("haproxy", "global\n  a \"§\"\n", "a $b \"c\"", "global\n  a \"a \\$b \\\"c\\\"\"\n"),
        ("zone", "a IN TXT \"§\"\n", "v=1; \"k\\\" é", "a IN TXT \"v=1; \\\"k\\\\\\\" \\195\\169\"\n"),
        ("sshd", "ForceCommand \"x §\"\n", "a", "ForceCommand \"x a\"\n"),
        ("authorized-keys", "§\n", KEY, &format!("{KEY}\n")),
        (
            "authorized-keys",
            "from=\"§\" ssh-ed25519 AAAA §\n",
            "a.example",
            "from=\"a.example\" ssh-ed25519 AAAA a.example\n",
        ),
        ("ssh-known-hosts", "§ x\n", "ssh-gw.example.org", "ssh-gw.example.org x\n"),
        ("dovecot", "local_name § {\n}\n", "a.example", "local_name a.example {\n}\n"),
        ("systemd", "[Address]\nAddress=§/128\n", "::1", "[Address]\nAddress=::1/128\n"),
        ("systemd", "[Unit]\nDescription=§\n", "a b; c", "[Unit]\nDescription=a b; c\n"),
        (
            "systemd",
            "[Service]\nExecStart=/bin/x \"§\"\n",
            "a \"b\"",
            "[Service]\nExecStart=/bin/x \"a \\\"b\\\"\"\n",
        ),
        ("prometheus", "a{b=\"§\"} 1\n", "x\"\n\\", "a{b=\"x\\\"\\n\\\\\"} 1\n"),
        ("sudoers", "§ ALL=(root) /bin/x\n", "ansible", "ansible ALL=(root) /bin/x\n"),
    ] {
        assert_eq!(render(format, template, Kind::Text, value).as_deref(), Ok(output), "{template}");
    }
    assert_eq!(render("nftables", "a §\n", Kind::Literal, "-5").as_deref(), Ok("a -5\n"));
    let long = "x".repeat(300);
    let split = format!("a IN TXT \"v={}\" \"{}\"\n", "x".repeat(253), "x".repeat(47));
    assert_eq!(render("zone", "a IN TXT \"v=§\"\n", Kind::Text, &long), Ok(split));
    let escaped = format!("a IN TXT \"{}\" \"\\195\\169\"\n", "\\195\\169".repeat(127));
    assert_eq!(render("zone", "a IN TXT \"§\"\n", Kind::Text, &"é".repeat(128)), Ok(escaped));
}

#[test]
fn what_lexical_formats_refuse() {
    for (format, template, value) in [
        ("postfix-main", "a = §\n", "$mynetworks"),
        ("postfix-main", "a = x\n§\n", "b = c"),
        ("postfix-main", "§ = x\n", "a b"),
        ("postfix-main", "a =\n  §\n", "#b"),
        ("postfix-master", "a unix - - n - - smtp\n -o b=§\n", "x y"),
        ("postfix-master", "a unix - - n - § smtp\n", ""),
        ("postfix-master", "a unix - - n - - pipe\n argv=x §\n", "-f"),
        ("postfix-map", "§ x\n", "a b"),
        ("postfix-map", "a §\n", "b, c"),
        ("postfix-map", "§ x\n", "#a"),
        ("nginx", "a §;", "b;"),
        ("nginx", "a §;", "b c"),
        ("nginx", "a \"§\";", "$host"),
        ("nginx", "a §;", ""),
        ("haproxy", "global\n a §\n", "b c"),
        ("haproxy", "§\n", "global"),
        ("haproxy", "global\n log-format \"§\"\n", "%[x]"),
        ("nftables", "add rule §\n", "drop"),
        ("nftables", "a { § }\n", "x, y"),
        ("zone", "a IN A §\n", "x y"),
        ("zone", "§ IN A 192.0.2.1\n", ""),
        ("zone", "§ A 192.0.2.1\n", "IN"),
        ("sudoers", "a ALL=§\n", "/bin/x,/bin/y"),
        ("sudoers", "§ ALL=/bin/x\n", "ALL"),
        ("sudoers", "%§ ALL=/bin/x\n", "a b"),
        ("sudoers", "a ALL=§\n", "!/bin/x"),
        ("sshd", "AllowUsers §\n", "*"),
        ("sshd", "§ x\n", "Match"),
        ("sshd", "AllowUsers §\n", "a b"),
        ("sshd", "§ x\n", "mAtCh"),
        ("sshd", "ProxyCommand §\n", ";id"),
        ("sshd", "Match exec \"test §\"\n", "x; id"),
        ("sshd", "Ciphers §\n", "+3des-cbc"),
        ("sudoers", "\"§\" ALL=(ALL) ALL\n", "%users"),
        ("nginx", "server { § x; }", "include"),
        ("nginx", "location § { }", "="),
        ("yaml", "a: \"b\n§\"\n", "--- x"),
        ("authorized-keys", "command=\"§\" ssh-ed25519 AAAA\n", "rm x"),
        ("authorized-keys", "§ ssh-ed25519 AAAA\n", "no-pty,command"),
        ("ssh-known-hosts", "§ ssh-ed25519 AAAA\n", "*"),
        ("dovecot", "a = §\n", "<b"),
        ("dovecot", "a = §\n", "x # y"),
        ("dovecot", "a = §\n", "x#y"),
        ("dovecot", "a = \"§\"\n", "%u"),
        ("systemd", "[S]\nA=§\n", "x y"),
        ("systemd", "[S]\nExecStart=§\n", "+/bin/x"),
        ("systemd", "[S]\nA=§\n", "%i"),
        ("systemd", "[§]\n", "a]"),
        ("ini", "a = §\n", "x ; y"),
        ("ini", "[§]\n", "a] x"),
        ("prometheus", "§ 1\n", "a b"),
    ] {
        let message = refused(format, template, Kind::Text, value);
        assert!(message.starts_with("format::value: "), "{message}");
    }
    for (format, template) in [("sudoers", "#§\n"), ("sudoers", "# §\n"), ("prometheus", "#§\nx 1\n")] {
        assert!(refused(format, template, Kind::Text, "x").starts_with("format::ambiguous: "), "{template}");
    }
    // The word is what both make of it.
    let both = render_all("sudoers", "§§ h=(root) /bin/ls\n", &[(Kind::Text, "AL"), (Kind::Text, "L")]);
    assert!(both.is_err());
    for format in FORMATS {
        if format.name != "json" && format.name != "shell" {
            for value in ["a\u{0}b", "a\u{1b}b"] {
                let written = render(format.name, "x = \"§\"\n", Kind::Text, value);
                // Only what has an escape for it takes one.
                assert!(
                    written.is_err() || ["toml", "yaml"].contains(&format.name),
                    "{}: {written:?}",
                    format.name
                );
            }
        }
    }
}

#[test]
fn faults_of_artifacts() {
    let key_of_hosts = format!("a {KEY}\n# x\n\n@revoked b {KEY} c\n");
    for (format, artifact) in [
        ("postfix-main", "# x\na = b\n c\n\nd=\n"),
        (
            "postfix-master",
            "a inet n - n - - smtpd\n  -o b=c -o { d = e f }\n#x\nb unix - - n 60? 1 pickup\n",
        ),
        ("postfix-map", "a b\n# x\nc d\n  e\n"),
        ("nginx", "a b;\nc { d 'e;' \"f}\"; }\n"),
        ("haproxy", "# x\nglobal\n  a b\ndefaults\n"),
        ("nftables", "table a b {\n chain c { d; }\n}\n"),
        ("zone", "$ORIGIN example.org.\n$TTL 1h\n@ IN SOA a b ( 1\n2 3 4 5 )\n IN NS a\na IN A 192.0.2.1\n"),
        ("sudoers", "a ALL=(b) /bin/c, \\\n /bin/d\n"),
        ("sshd", "Host a\n  Port 22\nUser=b\n"),
        ("ssh-known-hosts", &key_of_hosts),
        ("ssh-known-hosts", &format!("ssh-gw.example.org {KEY}\n")),
        ("zone", &format!("a IN TXT \"{}\\195\\\"\"\n", "x".repeat(253))),
        ("dovecot", "a = b\nc {\n  d = e\n}\n!include x\n"),
        ("systemd", "[A]\nB=c\\\n d\n"),
        ("ini", "a=b\n[c]\nd\n"),
        ("prometheus", "# HELP a b\na{b=\"c\"} 1 123\nd NaN\n"),
        ("yaml", "a: [b, {c: d}]\ne: |\n  f\n"),
        ("toml", "a = 1\n[b]\nc = 'd'\n"),
        ("xml", "<?xml version=\"1.0\"?><!-- x --><a b='c'>d</a>"),
    ] {
        assert_eq!(find(format).unwrap().check(artifact.as_bytes()), Ok(()), "{format}: {artifact}");
    }
    for (format, artifact, offset, message) in [
        ("postfix-main", "a = b\nc\n", 6, "expected `c = value`, found no `=`"),
        ("postfix-main", "a-b = c\n", 0, "`a-b` is no name of a parameter"),
        ("postfix-master", "a unix - - n\n", 0, "a service has a name, a type, five settings and a command"),
        (
            "postfix-master",
            "a unix - - n - - smtp -o b = c\n",
            25,
            "expected `name=value` behind `-o`, without spaces, found `b`",
        ),
        (
            "postfix-master",
            "a tcp - - n - - smtp\n",
            2,
            "expected the type of a service, one of inet, unix, fifo, pass, unix-dgram, found `tcp`",
        ),
        ("postfix-master", "a unix - - n x - smtp\n", 13, "expected a number or `-`, found `x`"),
        ("postfix-map", "a b\nc\n", 4, "the key `c` has no value"),
        ("nginx", "a {\n b c;\n", 2, "this `{` is never closed"),
        ("nginx", "a b\n", 0, "this directive is not ended by `;`"),
        ("nginx", "a { b c }\n", 4, "the directive before this `}` is not ended by `;`"),
        ("nginx", "a \"b;\n", 2, "the quote `\"` is never closed"),
        ("haproxy", "x\nglobal\n", 0, "expected a section before `x`, such as `global`"),
        ("nftables", "a }\n", 2, "a `}` closes what nothing has opened"),
        ("sshd", "Port\n", 0, "`Port` has no argument"),
        ("authorized-keys", "ssh-ed25519 AAAA\n", 0, "the key is not an SSH public key"),
        ("ssh-known-hosts", "ssh-ed25519 AAAA\n", 0, "expected the names of a host before its key"),
        ("dovecot", "a\n", 0, "expected `a = value`, found no `=`"),
        ("systemd", "A=b\n", 0, "`A=b` stands before the first section"),
        ("systemd", "[A\nB=c\n", 0, "the name of this section is not closed by `]`"),
        ("prometheus", "a{b=\"c\"} x\n", 0, "expected a number behind the name and the labels of a metric"),
    ] {
        let fault = find(format).unwrap().check(artifact.as_bytes()).unwrap_err();
        assert_eq!((fault.offset, fault.message.as_str()), (offset, message), "{format}: {artifact}");
    }
    for (format, artifact, offset) in [
        ("zone", "a IN A 192.0.2.300\n", 7),
        ("zone", "a IN TXT ( x\n", 13),
        ("zone", "a A 192.0.2.1\n\n\tIN MX mail\n", 16),
        ("zone", &format!("a IN TXT \"{}\"\n", "x".repeat(256)), 9),
        ("zone", &format!("b A 192.0.2.1\na IN txt y {}\n", "x".repeat(256)), 25),
        ("yaml", "a: [b\nc: d\n", 7),
        ("toml", "a = 1\nb = \n", 10),
        ("xml", "<a>\n</b>", 4),
    ] {
        let fault = find(format).unwrap().check(artifact.as_bytes()).unwrap_err();
        let line = |offset: usize| artifact[..offset.min(artifact.len())].matches('\n').count();
        assert_eq!(line(fault.offset), line(offset), "{format}: {fault:?}");
    }
}

/// The events of YAML, with the text of scalars.
fn yaml(text: &str, harmless: Option<&str>) -> Option<Vec<String>> {
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.ok()?;
        events.push(match event {
            Event::Scalar(text, style, ..) => {
                let is_value = text.contains(HARMLESS);
                let text = harmless.map_or_else(|| text.to_string(), |value| text.replace(HARMLESS, value));
                // What is not plain is a string to everyone.
                let is_string =
                    is_value || style != ScalarStyle::Plain || super::super::yaml::is_plain(&text);
                // Empty lines at the end of a block are not a part of it.
                format!("{:?} {}", text.trim_end_matches('\n'), is_string || text.is_empty())
            }
            Event::SequenceStart(..) => "[".to_owned(),
            Event::MappingStart(..) => "{".to_owned(),
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
        });
    }
    Some(events)
}

const YAML: &[&str] = &[
    "§\n",
    "a: §\nb: c\n",
    "- §\n- x\n",
    "a: [§, b, {c: §}]\n",
    "a: '§'\nb: \"x §\"\n",
    "§: b\n",
    "a: # §\n  b: §\n",
    "- a: §\n  b: '§'\n",
    "a: |\n  x §\n  §\nb: c\n",
    "a:\n  §\n",
    "{a: §}\n",
    "a: >-\n  § y\nb: c\n",
    "a: 'it''s §'\n",
    "? §\n: §\n",
    "a: [\"§\"]\nb: §\n",
    "a: §  # x\n",
    "- a:\n    §\n  b: §\n",
    "---\n- §\n- b: §\n  c: 1\n",
    "---\n§: 1\n--- # x\na: §\n",
    "- a: |\n    § x\n  b: §\n",
    "a: |2\n    x\n  §\nb: §\n",
    "- - |\n    §\n  - §\n",
    "|\n§ x\n",
    "- a: b\n  §: 1\n",
    "- - §\n  - §\n- §\n",
    "a:\n  - b: §\n    c: [§]\nd: §\n",
];

const TOML: &[&str] = &[
    "a = §\n",
    "§ = 1\n",
    "[§]\nb = 1\n",
    "[a.§.b]\nc = 1\n",
    "a = [§, \"x\"]\n",
    "a = { § = 1, b = § }\n",
    "a = '§'\nb = \"x §\"\n",
    "# §\na = 1\n",
    "a = \"\"\"\n§ \"\" x\"\"\"\nb = §\n",
    "a = '''\n§'''\n",
    "a.§ = 1 # §\n",
    "a = \"\"\nb = §\n",
    "\"x §\" = 1\n",
    "a = [\n  §, # §\n  \"y\"\n]\n",
];

const XML: &[&str] = &[
    "<a>§</a>",
    "<a b=\"§\" c='x §'>y § z</a>",
    "<a><!-- § --></a>",
    "<a><![CDATA[§]]></a>",
    "<a>\n<b c=\"\"/>§<b/></a>",
];

/// Whether a value has become a key that is there already: no document, which says so, and no structure.
fn is_taken(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_err_and(|error| error.message() == "duplicate key")
}

fn replace_toml(value: toml::Value, by: &str) -> toml::Value {
    use toml::Value as Toml;
    match value {
        Toml::String(text) => Toml::String(text.replace(HARMLESS, by)),
        Toml::Array(list) => Toml::Array(list.into_iter().map(|value| replace_toml(value, by)).collect()),
        Toml::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key.replace(HARMLESS, by), replace_toml(value, by)))
            .collect::<toml::Table>()
            .into(),
        other => other,
    }
}

fn xml(text: &str, harmless: Option<&str>) -> Option<Vec<String>> {
    let replaced =
        |text: &str| harmless.map_or_else(|| text.to_owned(), |value| text.replace(HARMLESS, value));
    let document = roxmltree::Document::parse(text).ok()?;
    let mut parts = Vec::new();
    for node in document.descendants() {
        parts.push(format!("{:?} {}", node.node_type(), node.tag_name().name()));
        parts.extend(node.text().filter(|_| node.is_text() || node.is_comment()).map(&replaced));
        parts.extend(
            node.attributes()
                .map(|attribute| format!("{}={}", attribute.name(), replaced(attribute.value()))),
        );
    }
    // Empty text is no node.
    parts.retain(|part| !part.is_empty() && !part.starts_with("Text"));
    Some(parts)
}

proptest! {
    #[test]
    fn trees_keep_their_structure(value in adversarial()) {
        for template in YAML {
            if let Ok(text) = render("yaml", template, Kind::Text, &value) {
                let harmless = render("yaml", template, Kind::Text, HARMLESS).unwrap();
                prop_assert_eq!(yaml(&text, None), yaml(&harmless, Some(&value)), "{:?}", text);
            }
        }
        for template in TOML {
            if let Ok(text) = render("toml", template, Kind::Text, &value) {
                let parse = |text: &str| toml::from_str::<toml::Table>(text).map(toml::Value::Table);
                if is_taken(&text) {
                    continue;
                }
                let harmless = parse(&render("toml", template, Kind::Text, HARMLESS).unwrap()).unwrap();
                prop_assert_eq!(parse(&text), Ok(replace_toml(harmless, &value)), "{:?}", text);
            }
        }
        for template in XML {
            if let Ok(text) = render("xml", template, Kind::Text, &value) {
                let harmless = render("xml", template, Kind::Text, HARMLESS).unwrap();
                prop_assert_eq!(xml(&text, None), xml(&harmless, Some(&value)), "{:?}", text);
            }
        }
    }

    /// Whatever the template: where a harmless value gives a document, another gives one of the same shape.
    #[test]
    fn no_template_breaks_trees(
        yaml_template in "[ \\-:,\\[\\]{}'\"#|>a\n§]{0,14}",
        toml_template in "[ =.,\\[\\]{}'\"#a1\n§]{0,14}",
        xml_template in "(<a>|</a>|<a b=\"|'|\"|>|/|<!--|-->|<!\\[CDATA\\[|\\]\\]>|§|x| ){0,10}",
        value in adversarial(),
    ) {
        if let (Ok(harmless), Ok(text)) = (render("yaml", &yaml_template, Kind::Text, HARMLESS), render("yaml", &yaml_template, Kind::Text, &value))
            && let Some(events) = yaml(&harmless, None)
        {
            let shape = |events: Vec<String>| events.into_iter().map(|event| event.starts_with('"') || event.starts_with('[') && event.len() > 1).collect::<Vec<_>>();
            prop_assert_eq!(yaml(&text, None).map(shape), Some(shape(events)), "{:?} {:?}", yaml_template, text);
        }
        if let (Ok(harmless), Ok(text)) = (render("toml", &toml_template, Kind::Text, HARMLESS), render("toml", &toml_template, Kind::Text, &value))
            && let Ok(table) = toml::from_str::<toml::Table>(&harmless)
            && !is_taken(&text)
        {
            let found = toml::from_str::<toml::Table>(&text);
            prop_assert_eq!(found.map(toml::Value::Table), Ok(replace_toml(table.into(), &value)), "{:?} {:?}", toml_template, text);
        }
        if let (Ok(harmless), Ok(text)) = (render("xml", &xml_template, Kind::Text, HARMLESS), render("xml", &xml_template, Kind::Text, &value))
            && let Some(parts) = xml(&harmless, Some(&value))
        {
            prop_assert_eq!(xml(&text, None), Some(parts), "{:?} {:?}", xml_template, text);
        }
    }
}

#[test]
fn no_value_stands_in_for_the_text_of_a_block() {
    for (template, value) in [("- key: |\n  §\n", "evil: true"), ("- - |\n  §\n", "- evil")] {
        if let Ok(text) = render("yaml", template, Kind::Text, value) {
            let fault = find("yaml").unwrap().check(text.as_bytes());
            assert!(fault.is_err() || text.contains('"'), "{text}");
        }
    }
}

#[test]
fn templates_of_trees_take_values() {
    for (format, templates) in [("yaml", YAML), ("toml", TOML), ("xml", XML)] {
        for template in templates {
            let written = render(format, template, Kind::Text, HARMLESS);
            let checked = written.map(|artifact| find(format).unwrap().check(artifact.as_bytes()));
            assert_eq!(checked, Ok(Ok(())), "{template}");
        }
    }
}

#[test]
fn what_trees_write() {
    for (format, template, kind, value, output) in [
        ("yaml", "a: §\n", Kind::Text, "no", "a: \"no\"\n"),
        ("yaml", "a: §\n", Kind::Text, "mx1.example.org", "a: mx1.example.org\n"),
        ("yaml", "a: §\n", Kind::Text, "192.0.2.1", "a: \"192.0.2.1\"\n"),
        ("yaml", "a: §\n", Kind::Literal, "7", "a: 7\n"),
        ("yaml", "a: §\n", Kind::Json, "[1,\"x\"]", "a: [1,\"x\"]\n"),
        ("yaml", "a: '§'\n", Kind::Text, "it's", "a: 'it''s'\n"),
        ("yaml", "a: \"x §\"\n", Kind::Text, "\"\n", "a: \"x \\\"\\n\"\n"),
        ("yaml", "§: §\n", Kind::Text, "a b", "\"a b\": \"a b\"\n"),
        ("yaml", "a: |\n  § x\n", Kind::Text, "b: c", "a: |\n  b: c x\n"),
        ("toml", "§ = §\n", Kind::Text, "a b", "\"a b\" = \"a b\"\n"),
        ("toml", "[a.§]\nb = [§]\n", Kind::Text, "c", "[a.c]\nb = [\"c\"]\n"),
        ("toml", "a = §\n", Kind::Literal, "7", "a = 7\n"),
        ("toml", "a = \"x§\"\n", Kind::Text, "\"\\\n", "a = \"x\\\"\\\\\\n\"\n"),
        (
            "xml",
            "<a b=\"§\">§</a>",
            Kind::Text,
            "<'&\">\n",
            "<a b=\"&lt;&apos;&amp;&quot;&gt;&#10;\">&lt;&apos;&amp;&quot;&gt;&#10;</a>",
        ),
    ] {
        assert_eq!(render(format, template, kind, value).as_deref(), Ok(output), "{template}");
    }
    for (format, template, kind, value) in [
        ("yaml", "a: x§\n", Kind::Text, "b"),
        ("yaml", "a: §x\n", Kind::Text, "b"),
        ("yaml", "a: § x\n", Kind::Text, "b"),
        ("yaml", "a: §§\n", Kind::Text, "b"),
        ("yaml", "a: &§ x\n", Kind::Text, "b"),
        ("yaml", "a: x\n  §\n", Kind::Text, "b"),
        ("yaml", "§:x\n", Kind::Text, "b"),
        ("yaml", "a: \"\\§\"\n", Kind::Text, "n"),
        ("toml", "a = x§\n", Kind::Text, "b"),
        ("toml", "a§ = 1\n", Kind::Text, "b"),
        ("toml", "a = §§\n", Kind::Text, "b"),
        ("xml", "<§/>", Kind::Text, "b"),
        ("xml", "<a §=\"x\"/>", Kind::Text, "b"),
    ] {
        assert!(refused(format, template, kind, value).starts_with("format::ambiguous"), "{template}");
    }
    for (format, template, kind, value) in [
        ("yaml", "a: |\n  §x\n", Kind::Text, " b"),
        ("yaml", "a: '§'\n", Kind::Text, "b\nc"),
        ("toml", "a = '§'\n", Kind::Text, "it's"),
        ("toml", "a = §\n", Kind::Literal, "NaN"),
        ("xml", "<a><!-- § --></a>", Kind::Text, "a--b"),
        ("xml", "<a>§</a>", Kind::Text, "\u{1}"),
    ] {
        assert!(refused(format, template, kind, value).starts_with("format::value"), "{template}");
    }
}
