//! The files of Postfix: main.cf (postconf(5)), master.cf (master(5)) and lookup tables (postmap(1)).
//!
//! A line that begins with white space goes on with the statement before it. Comments are whole lines.

use super::lexis::{Lexis, Lines, Quote, Statement, Words, fault, statements, unexpected};
use super::{Fault, Follow, Format};

pub(super) static MAIN: Format = Format {
    name: "postfix-main",
    about: "main.cf of Postfix",
    values: "is text of one line without `$`; in a parameter's name, of letters, digits and `_`",
    strict: true,
    follow: Follow::Lexis(&MAIN_LEXIS),
    check: Some(check_main),
};

pub(super) static MASTER: Format = Format {
    name: "postfix-master",
    about: "master.cf of Postfix",
    values: "is one word without `$`; in braces, text",
    strict: true,
    follow: Follow::Lexis(&MASTER_LEXIS),
    check: Some(check_master),
};

pub(super) static MAP: Format = Format {
    name: "postfix-map",
    about: "lookup tables of Postfix",
    values: "is one word, and no list; behind a key and an action such as `REJECT`, text",
    strict: true,
    follow: Follow::Lexis(&MAP_LEXIS),
    check: Some(check_map),
};

const LINES: Lexis =
    Lexis { place: "a file of Postfix", lines: Lines::Continued, words: |_| &Words::WORD, ..Lexis::LINES };

pub(crate) static MAIN_LEXIS: Lexis = Lexis {
    place: "main.cf",
    words: |before| if before.contains(&b'=') { &PARAMETER } else { &Words::NAME },
    ..LINES
};

/// `$` would name another parameter.
static PARAMETER: Words = Words { allowed: |character| character != '$', ..Words::TEXT };

pub(crate) static MASTER_LEXIS: Lexis = Lexis {
    place: "master.cf",
    quotes: &[Quote {
        open: b'{',
        close: b'}',
        escapes: false,
        within: false,
        write: |character, out| {
            out.push(character);
            !matches!(character, '{' | '}' | '$') && !character.is_control()
        },
        limit: None,
    }],
    words: |_| &MASTER_WORD,
    ..LINES
};

static MASTER_WORD: Words = Words { allowed: |character| character != '$', leading: "-#", ..Words::WORD };

pub(crate) static MAP_LEXIS: Lexis = Lexis { place: "a lookup table", words: map_words, ..LINES };

/// A list of a table's right side is divided by commas and white space.
static MAP_WORD: Words = Words { allowed: |character| character != ',', leading: "#", ..Words::WORD };

/// What stands behind a key and an action as of access(5), `REJECT` or a reply code, is text for people.
fn map_words(before: &[u8]) -> &'static Words {
    let mut words = before.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1);
    let is_action = |word: &[u8]| {
        word.iter().all(u8::is_ascii_uppercase) || word.len() == 3 && word.iter().all(u8::is_ascii_digit)
    };
    let ends_in_space = before.last().is_some_and(u8::is_ascii_whitespace);
    match words.next() {
        Some(action) if is_action(action) && (ends_in_space || words.next().is_some()) => &Words::TEXT,
        _ => &MAP_WORD,
    }
}

fn check_main(artifact: &[u8]) -> Result<(), Fault> {
    for statement in statements(&MAIN_LEXIS, artifact)? {
        let first = statement.word(0);
        let name = first.split('=').next().unwrap_or_default();
        let has_sign = first.contains('=') || statement.word(1).starts_with('=');
        if !has_sign {
            return Err(fault(&statement, format!("expected `{name} = value`, found no `=`")));
        }
        if name.is_empty() || !name.chars().all(Words::NAME.allowed) {
            return Err(fault(&statement, format!("`{name}` is no name of a parameter")));
        }
    }
    Ok(())
}

fn check_master(artifact: &[u8]) -> Result<(), Fault> {
    statements(&MASTER_LEXIS, artifact)?.iter().try_for_each(check_service)
}

/// What a service may be reached by.
const TYPES: &[&str] = &["inet", "unix", "fifo", "pass", "unix-dgram"];

fn check_service(service: &Statement<'_>) -> Result<(), Fault> {
    let [_, kind, flags @ ..] = service.words.as_slice() else {
        return Err(fault(service, "a service has a name, a type, six settings and a command"));
    };
    if !TYPES.contains(&kind.text) {
        return Err(unexpected(*kind, &format!("the type of a service, one of {}", TYPES.join(", "))));
    }
    let [private, unprivileged, chroot, wakeup, limit, command, arguments @ ..] = flags else {
        return Err(fault(service, "a service has a name, a type, five settings and a command"));
    };
    for flag in [private, unprivileged, chroot] {
        if !matches!(flag.text, "y" | "n" | "-") {
            return Err(unexpected(*flag, "`y`, `n` or `-`"));
        }
    }
    for number in [wakeup, limit] {
        let digits = number.text.strip_suffix('?').filter(|_| number.at == wakeup.at).unwrap_or(number.text);
        if digits != "-" && (digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(unexpected(*number, "a number or `-`"));
        }
    }
    if command.text.starts_with(['-', '{']) {
        return Err(unexpected(*command, "the name of a program"));
    }
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument.text != "-o" {
            continue;
        }
        let Some(setting) = arguments.next() else {
            return Err(unexpected(*argument, "`-o name=value`"));
        };
        let inner = setting.text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let (name, _) = inner
            .unwrap_or(setting.text)
            .split_once('=')
            .ok_or_else(|| unexpected(*setting, "`name=value` behind `-o`, without spaces"))?;
        let name = if inner.is_some() { name.trim() } else { name };
        if name.is_empty() || !name.chars().all(Words::NAME.allowed) {
            return Err(unexpected(*setting, "the name of a parameter before `=`"));
        }
    }
    Ok(())
}

fn check_map(artifact: &[u8]) -> Result<(), Fault> {
    for entry in statements(&MAP_LEXIS, artifact)? {
        if entry.words.len() < 2 {
            return Err(fault(&entry, format!("the key `{}` has no value", entry.word(0))));
        }
    }
    Ok(())
}
