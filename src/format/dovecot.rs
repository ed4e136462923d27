//! dovecot.conf: settings and sections, each in a line of its own.

use super::lexis::{CommentAt, Lexis, Quote, Words, backslashed, balanced, fault, statements};
use super::{Fault, Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "dovecot",
    about: "dovecot.conf and its parts",
    values: "is one word; escaped between quotes; `%` and `$` are refused",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(check),
};

static LEXIS: Lexis = Lexis {
    place: "dovecot.conf",
    comment_at: CommentAt::Anywhere,
    quotes: &[
        Quote {
            open: b'"',
            close: b'"',
            escapes: true,
            within: false,
            write: |character, out| {
                !character.is_control() && !matches!(character, '$' | '%') && backslashed(character, out)
            },
            limit: None,
        },
        Quote {
            open: b'\'',
            close: b'\'',
            escapes: true,
            within: false,
            write: |character, out| {
                out.push(character);
                !character.is_control() && !matches!(character, '$' | '%' | '\'' | '\\')
            },
            limit: None,
        },
    ],
    escapes: true,
    assigns: true,
    ends: b"{}",
    words: |before| if before.is_empty() { &Words::NAME } else { &WORD },
    ..Lexis::LINES
};

/// `$` and `%` begin variables, `<` reads a file.
static WORD: Words =
    Words { allowed: |character| !matches!(character, '$' | '%'), leading: "<-", ..Words::WORD };

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let list = statements(&LEXIS, artifact)?;
    balanced(&list)?;
    for statement in list.iter().filter(|statement| statement.end == b'\n') {
        let is_setting = statement.word(0).contains('=') || statement.word(1).starts_with('=');
        if !is_setting && !statement.word(0).starts_with(['!', '$']) {
            return Err(fault(statement, format!("expected `{} = value`, found no `=`", statement.word(0))));
        }
    }
    Ok(())
}
