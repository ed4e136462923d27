//! haproxy.cfg: lines of words, in sections that a keyword at the start of a line begins (its
//! configuration manual, 2.2).

use super::lexis::{CommentAt, Lexis, Quote, Words, backslashed, fault, statements};
use super::{Fault, Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "haproxy",
    about: "haproxy.cfg",
    values: "is one word; escaped between quotes; `%` and `$` are refused where they would be variables",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(check),
};

/// What begins a section.
const SECTIONS: &[&str] = &[
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "cache",
    "crt-store",
    "fcgi-app",
    "http-errors",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];

static LEXIS: Lexis = Lexis {
    place: "haproxy.cfg",
    comment_at: CommentAt::Anywhere,
    quotes: &[
        Quote {
            open: b'"',
            close: b'"',
            escapes: true,
            within: true,
            write: |character, out| {
                if character == '$' {
                    out.push('\\');
                }
                !character.is_control() && character != '%' && backslashed(character, out)
            },
            limit: None,
        },
        Quote {
            open: b'\'',
            close: b'\'',
            escapes: false,
            within: true,
            write: |character, out| {
                out.push(character);
                !character.is_control() && !matches!(character, '\'' | '%')
            },
            limit: None,
        },
    ],
    escapes: true,
    words: |before| if before.is_empty() { &KEYWORD } else { &WORD },
    ..Lexis::LINES
};

/// `%` begins a variable of a log's format, `,` another argument of a fetch, parentheses hold them.
static WORD: Words = Words {
    allowed: |character| !matches!(character, '$' | '%' | ',' | '(' | ')'),
    leading: "-!#",
    ..Words::WORD
};

/// A value is no section.
static KEYWORD: Words = Words { reserved: SECTIONS, ..Words::NAME };

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let list = statements(&LEXIS, artifact)?;
    match list.first() {
        Some(first) if !SECTIONS.contains(&first.word(0)) && !first.word(0).starts_with('.') => {
            Err(fault(first, format!("expected a section before `{}`, such as `global`", first.word(0))))
        }
        _ => Ok(()),
    }
}
