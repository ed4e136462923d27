//! Configuration of nginx: directives of words that end with `;` or open a block.
//!
//! Quotes of both kinds hold variables (`$name`), for which there is no escape: a value may have no `$`.

use super::lexis::{CommentAt, Lexis, Lines, Quote, Words, backslashed, balanced, fault, statements};
use super::{Fault, Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "nginx",
    about: "nginx.conf and its parts",
    values: "is one word, and no block or `include`; escaped between quotes; `$` is refused",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(check),
};

const QUOTE: Quote = Quote {
    open: b'"',
    close: b'"',
    escapes: true,
    within: false,
    write: |character, out| !character.is_control() && character != '$' && backslashed(character, out),
    limit: None,
};

static LEXIS: Lexis = Lexis {
    place: "nginx's configuration",
    comment_at: CommentAt::Word,
    quotes: &[
        QUOTE,
        Quote {
            open: b'\'',
            close: b'\'',
            write: |character, out| match character {
                '$' => false,
                '\'' => {
                    out.push_str("\\'");
                    true
                }
                _ => (QUOTE.write)(character, out),
            },
            ..QUOTE
        },
    ],
    escapes: true,
    lines: Lines::Space,
    ends: b";{}",
    words: |before| if before.is_empty() { &DIRECTIVE } else { &WORD },
    ..Lexis::LINES
};

/// What begins with one of these may be an option, a match, or the name of a location that has none.
static WORD: Words = Words { allowed: |character| character != '$', leading: "-#~=^@", ..Words::WORD };

/// A value begins no block, and reads no file.
static DIRECTIVE: Words = Words {
    reserved: &[
        "include",
        "load_module",
        "http",
        "stream",
        "mail",
        "events",
        "server",
        "location",
        "upstream",
        "if",
        "map",
    ],
    ..Words::NAME
};

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let list = statements(&LEXIS, artifact)?;
    balanced(&list)?;
    for statement in &list {
        match statement.end {
            b'\n' => return Err(fault(statement, "this directive is not ended by `;`")),
            b'}' if !statement.words.is_empty() => {
                return Err(fault(statement, "the directive before this `}` is not ended by `;`"));
            }
            b';' | b'{' if statement.words.is_empty() => {
                return Err(fault(statement, "there is no directive before this"));
            }
            _ => {}
        }
    }
    Ok(())
}
