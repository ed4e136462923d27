//! Prometheus' text exposition, as the node exporter's text files have it: samples with labels, and comments.

use super::lexis::{Lexis, Quote, Words, fault, statements};
use super::{Fault, Follow, Format};

pub(super) static FORMAT: Format = Format {
    name: "prometheus",
    about: "Prometheus' text exposition",
    values: "is a name or a number; escaped between quotes",
    strict: true,
    follow: Follow::Lexis(&LEXIS),
    check: Some(check),
};

static LEXIS: Lexis = Lexis {
    place: "a metric",
    directives: true,
    quotes: &[Quote {
        open: b'"',
        close: b'"',
        escapes: true,
        within: true,
        write: |character, out| {
            match character {
                '\n' => out.push_str("\\n"),
                '"' | '\\' => out.extend(['\\', character]),
                _ => out.push(character),
            }
            character == '\n' || !character.is_control()
        },
        limit: None,
    }],
    words: |before| if before.is_empty() || is_in_labels(before) { &NAME } else { &NUMBER },
    ..Lexis::LINES
};

static NAME: Words = Words {
    allowed: |character| character.is_ascii_alphanumeric() || matches!(character, '_' | ':'),
    ..Words::WORD
};

static NUMBER: Words = Words {
    allowed: |character| {
        character.is_ascii_alphanumeric() || matches!(character, '.' | '+' | '-' | '_' | ':')
    },
    leading: "",
    ..Words::WORD
};

fn is_in_labels(before: &[u8]) -> bool {
    before.contains(&b'{') && !before.contains(&b'}')
}

fn check(artifact: &[u8]) -> Result<(), Fault> {
    for sample in statements(&LEXIS, artifact)? {
        let line = &artifact[sample.at()..sample.end_at];
        let name = line
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
            .count();
        let behind = match line.iter().rposition(|byte| *byte == b'}') {
            Some(end) if line.get(name) == Some(&b'{') => &line[end + 1..],
            _ => &line[name..],
        };
        let text = String::from_utf8_lossy(behind);
        let mut numbers = text.split_whitespace();
        let value = numbers.next().unwrap_or_default();
        let is_value = value.parse::<f64>().is_ok();
        let is_time = numbers.next().is_none_or(|time| time.parse::<i64>().is_ok());
        if name == 0 || line[0].is_ascii_digit() {
            return Err(fault(&sample, "expected the name of a metric"));
        }
        if !is_value || !is_time || numbers.next().is_some() {
            return Err(fault(&sample, "expected a number behind the name and the labels of a metric"));
        }
    }
    Ok(())
}
