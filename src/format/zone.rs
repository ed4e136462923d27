//! Zones of the DNS (RFC 1035, section 5): records of words, which parentheses carry over the ends of lines.
//!
//! A character-string holds 255 bytes (RFC 1035, section 3.3): what is longer goes on in another.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

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

/// A zone: the number that tells other servers that it has changed, and all else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// The serial of its SOA record.
    pub(crate) serial: u32,
    /// Where that stands, in bytes.
    pub(crate) at: Range<usize>,
    /// Its records without the serial, each with what it takes from lines before it, and without comments.
    records: BTreeSet<String>,
}

impl Zone {
    /// Reads a zone; nothing where it has no SOA record, as a part of a zone has none.
    pub(crate) fn read(artifact: &[u8]) -> Option<Self> {
        let (mut serial, mut records) = (None, BTreeSet::new());
        let (mut origin, mut ttl, mut owner) = (String::new(), String::new(), String::new());
        for record in statements(&LEXIS, artifact).ok()? {
            let mut words: Vec<&str> = record.words.iter().map(|word| word.text).collect();
            match record.word(0) {
                "$ORIGIN" => origin = words.join(" "),
                "$TTL" => ttl = words.join(" "),
                _ => {}
            }
            let start = record.at();
            if start == 0 || artifact[start - 1] == b'\n' {
                words.remove(0).clone_into(&mut owner);
            }
            let before = record.words.len() - words.len();
            // Behind the type: the primary, who is asked, the serial.
            if let Some(soa) = words.iter().position(|word| word.eq_ignore_ascii_case("SOA"))
                && let Some(word) = record.words.get(before + soa + 3)
                && serial.is_none()
            {
                serial = Some((word.text.parse().ok()?, word.at..word.at + word.text.len()));
                words[soa + 3] = "";
            }
            records.insert(format!("{origin}\n{ttl}\n{owner}\n{}", words.join(" ")));
        }
        let (serial, at) = serial?;
        Some(Self { serial, at, records })
    }

    /// Whether those who have another version of it would take this one (RFC 1982, section 3.2), or need not.
    pub(crate) fn follows(&self, other: &Self) -> bool {
        let ahead = self.serial.wrapping_sub(other.serial);
        (1..1 << 31).contains(&ahead) || ahead == 0 && self.records == other.records
    }

    /// The next serial; never 0, which some servers take for none.
    pub(crate) fn next(&self) -> u32 {
        self.serial.wrapping_add(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(serial: &str, rest: &str) -> Zone {
        let text =
            format!("$TTL 1h\n@ IN soa a b ( ; SOA 9\n  {serial} ; the serial\n  4h 30m 4w 5m )\n{rest}");
        let zone = Zone::read(text.as_bytes()).unwrap();
        assert_eq!(&text[zone.at.clone()], serial);
        zone
    }

    #[test]
    fn records_are_compared_and_not_their_text() {
        let same = |one: &str, other: &str| zone("1", one).records == zone("1", other).records;
        assert!(same("a A 192.0.2.1\nb A 192.0.2.2\n", "b  A 192.0.2.2 ; b\n\na A 192.0.2.1\n"));
        assert!(same("a A 192.0.2.1\n  A 192.0.2.2\n", "a A 192.0.2.2\na A 192.0.2.1\n"));
        assert!(!same("a A 192.0.2.1\n  A 192.0.2.2\n", "a A 192.0.2.1\nb A 192.0.2.2\n"));
        assert!(!same("a A 192.0.2.1\n", "$ORIGIN b.\na A 192.0.2.1\n"));
        assert!(!same("a A 192.0.2.1\n", "$TTL 2h\na A 192.0.2.1\n"));
        assert!(!same("a TXT \"b c\"\n", "a TXT b c\n"));
    }

    #[test]
    fn serials_go_round() {
        let (a, b) = ("a A 192.0.2.1\n", "a A 192.0.2.2\n");
        for (before, now, other, same) in [
            ("1", "1", false, true),
            ("1", "2", true, true),
            ("2", "1", false, false),
            ("4294967295", "1", true, true),
            ("1", "2147483648", true, true),
            ("1", "2147483649", false, false),
        ] {
            assert_eq!(zone(now, b).follows(&zone(before, a)), other, "{before} {now}");
            assert_eq!(zone(now, a).follows(&zone(before, a)), same, "{before} {now}");
        }
        assert_eq!((zone("7", a).next(), zone("4294967295", a).next()), (8, 1));
    }

    #[test]
    fn what_has_no_serial_is_no_zone() {
        for text in ["", "a A 192.0.2.1\n", "@ SOA a b\n", "@ SOA a b c 1 1 1 1\n", "a TXT \"SOA\n"] {
            assert_eq!(Zone::read(text.as_bytes()), None, "{text}");
        }
    }
}
