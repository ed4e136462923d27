//! The files of OpenSSH: `sshd_config`(5) and `ssh_config`(5), and the files of keys of `sshd`(8).

use super::lexis::{CommentAt, Lexis, Quote, Statement, Words, fault, statements, unexpected};
use super::{Fault, Follow, Format};
use crate::table::is_ssh_public_key;

pub(super) static CONFIG: Format = Format {
    name: "sshd",
    about: "sshd_config and ssh_config",
    values: "is one plain word, between quotes too, and no pattern, variable or shell text",
    strict: true,
    follow: Follow::Lexis(&CONFIG_LEXIS),
    check: Some(check_config),
};

pub(super) static AUTHORIZED_KEYS: Format = Format {
    name: "authorized-keys",
    about: "authorized_keys of OpenSSH",
    values: "is a whole key, a plain word of an option, or text in the comment of a key",
    strict: true,
    follow: Follow::Lexis(&AUTHORIZED_KEYS_LEXIS),
    check: Some(check_authorized_keys),
};

pub(super) static KNOWN_HOSTS: Format = Format {
    name: "ssh-known-hosts",
    about: "known_hosts of OpenSSH",
    values: "is a whole key, a name or an address, or text in the comment of a key",
    strict: true,
    follow: Follow::Lexis(&KNOWN_HOSTS_LEXIS),
    check: Some(check_known_hosts),
};

static CONFIG_LEXIS: Lexis = Lexis {
    place: "a configuration of ssh",
    comment_at: CommentAt::Word,
    quotes: &[Quote {
        open: b'"',
        close: b'"',
        escapes: true,
        within: false,
        write: |character, out| {
            out.push(character);
            !is_special(character)
        },
        limit: None,
    }],
    escapes: true,
    assigns: true,
    words: |before| if before.is_empty() { &KEYWORD } else { &WORD },
    ..Lexis::LINES
};

/// Lists of patterns are divided by commas, `%` and `$` begin what is replaced; and what some keywords take is run by a
/// shell.
fn is_special(character: char) -> bool {
    !character.is_alphanumeric()
        && !matches!(character, '.' | ':' | '/' | '_' | '-' | '@' | '+' | '=' | '[' | ']')
}

static WORD: Words = Words { allowed: |character| !is_special(character), leading: "-!=+^", ..Words::WORD };

/// A value begins no block.
static KEYWORD: Words = Words { reserved: &["Host", "Match", "Include"], ..Words::NAME };

const KEY_FILE: Lexis = Lexis { place: "a file of keys", words: key_words, ..Lexis::LINES };

static KNOWN_HOSTS_LEXIS: Lexis = Lexis { ..KEY_FILE };

/// A command in its options is run by a shell, a pattern may name every host: quotes hold plain words only.
static AUTHORIZED_KEYS_LEXIS: Lexis = Lexis {
    quotes: &[Quote {
        open: b'"',
        close: b'"',
        escapes: true,
        within: true,
        write: |character, out| {
            out.push(character);
            (OPTION.allowed)(character)
        },
        limit: None,
    }],
    ..KEY_FILE
};

/// A name, an address, or a whole key.
static OPTION: Words = Words {
    allowed: |character| {
        character.is_ascii_alphanumeric()
            || matches!(character, '.' | ':' | '/' | '_' | '-' | '@' | '+' | '[' | ']')
    },
    leading: "@-",
    whole: Some(is_ssh_public_key),
    ..Words::WORD
};

/// Base64, of a key whose type the template names.
static KEY: Words = Words {
    allowed: |character| character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '='),
    ..Words::WORD
};

/// What stands behind the key is text for people.
fn key_words(before: &[u8]) -> &'static Words {
    let mut words = before
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .skip_while(|word| !is_key_type(word));
    let ends_in_space = before.last().is_some_and(u8::is_ascii_whitespace);
    match (words.next(), words.next(), words.next()) {
        (None, ..) => &OPTION,
        (Some(_), None, _) if !ends_in_space => &OPTION,
        (Some(_), None, _) => &KEY,
        (Some(_), Some(_), None) if !ends_in_space => &KEY,
        _ => &Words::TEXT,
    }
}

/// The types of keys, to which certificates add an end (OpenSSH's PROTOCOL.certkeys).
const KEY_TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn is_key_type(word: &[u8]) -> bool {
    let certified = |known: &str| {
        let name = known.split('@').next().unwrap_or(known);
        word == format!("{name}-cert-v01@openssh.com").as_bytes()
    };
    KEY_TYPES.iter().any(|known| word == known.as_bytes() || certified(known))
}

fn check_config(artifact: &[u8]) -> Result<(), Fault> {
    for statement in statements(&CONFIG_LEXIS, artifact)? {
        let keyword = statement.words[0];
        let name = keyword.text.split('=').next().unwrap_or_default();
        if name.is_empty() || !name.chars().all(|character| character.is_ascii_alphanumeric()) {
            return Err(unexpected(keyword, "a keyword"));
        }
        if statement.words.len() < 2 && name.len() == keyword.text.len() {
            return Err(fault(&statement, format!("`{name}` has no argument")));
        }
    }
    Ok(())
}

fn check_authorized_keys(artifact: &[u8]) -> Result<(), Fault> {
    statements(&AUTHORIZED_KEYS_LEXIS, artifact)?.iter().try_for_each(|line| check_key(line, 2))
}

fn check_known_hosts(artifact: &[u8]) -> Result<(), Fault> {
    for line in statements(&KNOWN_HOSTS_LEXIS, artifact)? {
        if is_key_type(line.word(0).as_bytes()) {
            return Err(fault(&line, "expected the names of a host before its key"));
        }
        check_key(&line, 3)?;
    }
    Ok(())
}

/// Whether a key stands among the first words of a line.
fn check_key(line: &Statement<'_>, first: usize) -> Result<(), Fault> {
    let Some(at) = line.words.iter().take(first).position(|word| is_key_type(word.text.as_bytes())) else {
        return Err(fault(line, "expected the type of a key, such as `ssh-ed25519`"));
    };
    let key = format!("{} {}", line.word(at), line.word(at + 1));
    if is_ssh_public_key(&key) { Ok(()) } else { Err(fault(line, "the key is not an SSH public key")) }
}
