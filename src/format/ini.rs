//! Sections of names and values: units of systemd (systemd.syntax(7)), and the many others, which agree on little.

use super::lexis::{Lexis, Quote, Words, backslashed, fault, statements};
use super::{Fault, Follow, Format};

pub(super) static SYSTEMD: Format = Format {
    name: "systemd",
    about: "units, networks and other files of systemd",
    values: "is a word, or text in `Description` and comments; escaped between quotes; `%` and `$` are refused",
    strict: true,
    follow: Follow::Lexis(&SYSTEMD_LEXIS),
    check: Some(|artifact| check(&SYSTEMD_LEXIS, artifact, true)),
};

pub(super) static INI: Format = Format {
    name: "ini",
    about: "sections of names and values",
    values: "is text of one line without `;`, `#`, `%` and `$`; escaped between quotes",
    strict: true,
    follow: Follow::Lexis(&INI_LEXIS),
    check: Some(|artifact| check(&INI_LEXIS, artifact, false)),
};

/// `%` begins a specifier, `$` a variable.
const QUOTE: Quote = Quote {
    open: b'"',
    close: b'"',
    escapes: true,
    within: false,
    write: |character, out| {
        !character.is_control() && !matches!(character, '%' | '$') && backslashed(character, out)
    },
    limit: None,
};

const LINES: Lexis = Lexis {
    place: "an INI file",
    comments: b"#;",
    quotes: &[QUOTE],
    escapes: true,
    assigns: true,
    words: |before| words(before, &INI_VALUE),
    ..Lexis::LINES
};

static INI_LEXIS: Lexis = Lexis { ..LINES };

static SYSTEMD_LEXIS: Lexis = Lexis {
    place: "a unit of systemd",
    quotes: &[
        QUOTE,
        Quote {
            open: b'\'',
            close: b'\'',
            write: |character, out| character != '\'' && (QUOTE.write)(character, out),
            ..QUOTE
        },
    ],
    words: |before| {
        words(before, if before.starts_with(b"Description=") { &DESCRIPTION } else { &SYSTEMD_WORD })
    },
    ..LINES
};

fn words(before: &[u8], value: &'static Words) -> &'static Words {
    match before {
        [b'[', ..] => &SECTION,
        _ if before.contains(&b'=') => value,
        _ => &NAME,
    }
}

static SECTION: Words =
    Words { allowed: |character| !matches!(character, '[' | ']' | '%' | '$'), leading: "", ..Words::WORD };

static NAME: Words = Words {
    allowed: |character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.'),
    ..Words::WORD
};

/// A list's element or a command's argument: `;` alone begins another command, and what may stand before a command's
/// path gives it rights. An address may begin with a colon.
static SYSTEMD_WORD: Words = Words {
    allowed: |character| !matches!(character, '%' | '$'),
    leading: "-@:+!|~;#",
    whole: Some(|word| word.parse::<std::net::Ipv6Addr>().is_ok()),
    ..Words::WORD
};

static DESCRIPTION: Words = Words { allowed: |character| !matches!(character, '%' | '$'), ..Words::TEXT };

/// Some readers end a value at `;` or `#`, and some replace what follows `%` or `$`.
static INI_VALUE: Words =
    Words { allowed: |character| !matches!(character, ';' | '#' | '%' | '$' | '\''), ..Words::TEXT };

fn check(lexis: &'static Lexis, artifact: &[u8], strict: bool) -> Result<(), Fault> {
    let mut in_section = !strict;
    for statement in statements(lexis, artifact)? {
        let first = statement.word(0);
        if first.starts_with('[') {
            let last = statement.words.last().map_or("", |word| word.text);
            if !last.ends_with(']') {
                return Err(fault(&statement, "the name of this section is not closed by `]`"));
            }
            in_section = true;
            continue;
        }
        if !in_section {
            return Err(fault(&statement, format!("`{first}` stands before the first section")));
        }
        if strict && !first.contains('=') && !statement.word(1).starts_with('=') {
            return Err(fault(&statement, format!("expected `{first}=value`, found no `=`")));
        }
    }
    Ok(())
}
