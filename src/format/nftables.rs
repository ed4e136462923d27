//! Rules for nft(8): statements in blocks, ended by lines or `;`. Its strings have no escapes.

use super::lexis::{CommentAt, Lexis, Quote, Words, balanced, statements};
use super::{Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "nftables",
    about: "rules for nft",
    values: "is an address, a number or a name; between quotes, text without quotes",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(|artifact| balanced(&statements(&LEXIS, artifact)?)),
};

static LEXIS: Lexis = Lexis {
    place: "a rule of nft",
    comment_at: CommentAt::Anywhere,
    quotes: &[Quote {
        open: b'"',
        close: b'"',
        escapes: false,
        within: true,
        write: |character, out| {
            out.push(character);
            !character.is_control() && character != '"'
        },
        limit: None,
    }],
    escapes: true,
    ends: b";{}",
    words: |_| &WORD,
    ..Lexis::LINES
};

/// An address, a prefix, a range, a number or a name.
static WORD: Words = Words {
    allowed: |character| {
        character.is_ascii_alphanumeric() || matches!(character, '.' | ':' | '/' | '_' | '-')
    },
    reserved: &["accept", "drop", "reject", "queue", "continue", "return", "jump", "goto"],
    ..Words::WORD
};
