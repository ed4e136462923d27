//! Zones of the DNS (RFC 1035, section 5): records of words, which parentheses carry over the ends of lines.
//!
//! A character-string holds 255 bytes (RFC 1035, section 3.3): what is longer goes on in another.

use std::fmt::Write as _;

use hickory_proto::rr::Name;
use hickory_proto::serialize::txt::Parser;

use super::lexis::{CommentAt, Lexis, Lines, Quote, Words, fault, statements};
use super::{Fault, Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "zone",
    about: "DNS zones (RFC 1035)",
    values: "is one word; escaped between quotes, and divided at 255 bytes",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(check),
};

static LEXIS: Lexis = Lexis {
    place: "a zone",
    comments: b";",
    comment_at: CommentAt::Anywhere,
    quotes: &[Quote {
        open: b'"',
        close: b'"',
        escapes: true,
        within: true,
        write: |character, out| {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                ' '..='~' => out.push(character),
                _ => {
                    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                        // Writing to a string cannot fail.
                        let _ = write!(out, "\\{byte:03}");
                    }
                }
            }
            !character.is_control()
        },
        limit: Some(LONGEST),
    }],
    escapes: true,
    lines: Lines::Grouped,
    words: |_| &WORD,
    ..Lexis::LINES
};

/// A name, an address or a number; `@` is the origin, `$` begins a directive.
static WORD: Words = Words {
    allowed: |character| character.is_ascii_graphic() && !matches!(character, '@' | '$'),
    reserved: &["IN", "CH", "HS", "in", "ch", "hs"],
    leading: "",
    ..Words::WORD
};

/// How many bytes a character-string may hold.
const LONGEST: usize = 255;

/// The records that are character-strings, in quotes or not.
const TEXTS: &[&str] = &["TXT", "SPF", "HINFO"];

/// How many bytes a character-string holds, in quotes or not.
fn length(quoted: &str) -> usize {
    let (mut rest, mut count) = (quoted.trim_matches('"').as_bytes(), 0);
    while let [first, behind @ ..] = rest {
        rest = match (first, behind) {
            (b'\\', [a, b, c, behind @ ..]) if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => behind,
            (b'\\', [_, behind @ ..]) => behind,
            _ => behind,
        };
        count += 1;
    }
    count
}

fn check(artifact: &[u8]) -> Result<(), Fault> {
    let text = super::utf8(artifact)?;
    for record in statements(&LEXIS, artifact)? {
        if record.word(0).starts_with('$') {
            continue;
        }
        let text_from =
            record.words.iter().position(|word| TEXTS.contains(&&*word.text.to_ascii_uppercase()));
        let is_string = |number: usize| text_from.is_some_and(|from| number > from);
        let mut words = record.words.iter().enumerate();
        if let Some((_, long)) = words.find(|(number, word)| {
            (word.text.starts_with('"') || is_string(*number)) && length(word.text) > LONGEST
        }) {
            let message = "a character-string holds 255 bytes at most: divide it, `\"…\" \"…\"`".to_owned();
            return Err(Fault { offset: long.at, message });
        }
        let start = record.at();
        let has_owner = start == 0 || text[..start].ends_with('\n');
        let written = &text[start..record.end_at];
        let alone = format!("$TTL 1\n{}{written}\n", if has_owner { "" } else { "@ " });
        // A part of a zone may leave the origin to the file that includes it.
        if let Err(error) = Parser::new(alone, None, Some(Name::root())).parse() {
            return Err(fault(&record, format!("this is no record: {error}")));
        }
    }
    Ok(())
}
