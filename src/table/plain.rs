//! Whether a cell has the one spelling of its value: what nearly all cells have, told in one look at each byte.
//!
//! None of these takes what the function of the type in [`types`](super::types) refuses or writes otherwise, which the
//! tests hold; what they do not take, that function decides.

#![expect(
    clippy::needless_bitwise_bool,
    clippy::inline_always,
    reason = "the compiler looks at many bytes with one instruction only where nothing branches and the loop is known"
)]

/// Whether all bytes fit. Blocks of a known length are what the compiler makes one instruction of for many bytes; the
/// last one overlaps the one before it.
#[inline(always)]
pub(super) fn all(text: &[u8], fits: impl Fn(u8) -> bool) -> bool {
    all_pairs(text, text, |byte, _| fits(byte))
}

/// Whether all bytes fit with those at the same places of a text of the same length.
#[inline(always)]
fn all_pairs(one: &[u8], other: &[u8], fits: impl Fn(u8, u8) -> bool) -> bool {
    const BLOCK: usize = 16;
    let (Some(last), Some(other_last)) = (one.last_chunk::<BLOCK>(), other.last_chunk::<BLOCK>()) else {
        let ([first, ..], [other_first, ..]) = (one, other) else { return true };
        // What is missing is filled with what is there.
        let (mut block, mut other_block) = ([*first; BLOCK], [*other_first; BLOCK]);
        block[..one.len()].copy_from_slice(one);
        other_block[..other.len()].copy_from_slice(other);
        return (0..BLOCK).fold(true, |all, number| all & fits(block[number], other_block[number]));
    };
    let mut wrong = [0_u8; BLOCK];
    for (one, other) in one.as_chunks::<BLOCK>().0.iter().zip(other.as_chunks::<BLOCK>().0) {
        for number in 0..BLOCK {
            wrong[number] |= u8::from(!fits(one[number], other[number]));
        }
    }
    for number in 0..BLOCK {
        wrong[number] |= u8::from(!fits(last[number], other_last[number]));
    }
    u128::from_le_bytes(wrong) == 0
}

fn is_between(byte: u8, first: u8, last: u8) -> bool {
    byte.wrapping_sub(first) <= last - first
}

/// A short host name in lower case without a final dot, whose last label begins with a letter.
#[inline(always)]
fn is_host(text: &str, qualified: bool) -> bool {
    let text = text.as_bytes();
    let is_word = |byte| is_between(byte, b'a', b'z') | is_between(byte, b'0', b'9');
    // A label neither begins nor ends with a hyphen, and is not empty.
    let fits = |byte: u8, next: u8| {
        is_word(byte) | ((byte == b'-') & (next != b'.')) | ((byte == b'.') & (next != b'.') & (next != b'-'))
    };
    // With so few characters no label is too long.
    let ([first, .., last], Some(rest)) = (text, text.get(1..).filter(|_| text.len() <= 63)) else {
        return text.len() == 1 && !qualified && is_between(text[0], b'a', b'z');
    };
    let dot = text.iter().rposition(|byte| *byte == b'.');
    let label = dot.map_or(*first, |dot| text.get(dot + 1).copied().unwrap_or_default());
    is_word(*first)
        && is_word(*last)
        && is_between(label, b'a', b'z')
        && (dot.is_some() || !qualified)
        && all_pairs(&text[..text.len() - 1], rest, fits)
}

pub(super) fn is_fqdn(text: &str) -> bool {
    is_host(text, true)
}

pub(super) fn is_hostname(text: &str) -> bool {
    is_host(text, false)
}

/// Text in ASCII on one line.
pub(super) fn is_text(text: &str) -> bool {
    !text.is_empty() && all(text.as_bytes(), |byte| is_between(byte, b' ', b'~'))
}

pub(super) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| {
        is_between(byte | 0x20, b'a', b'z')
            | is_between(byte, b'0', b'9')
            | is_between(byte, b'-', b'.')
            | (byte == b'_')
    };
    !text.is_empty() && all(text.as_bytes(), fits)
}

/// A number of so few digits that it cannot be too large.
pub(super) fn is_int(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    is_natural(digits, 18) && text != "-0"
}

fn is_natural(digits: &str, most: usize) -> bool {
    let is_digits = digits.bytes().fold(true, |fits, byte| fits & byte.is_ascii_digit());
    is_digits && (1..=most).contains(&digits.len()) && (!digits.starts_with('0') || digits.len() == 1)
}

pub(super) fn is_port(text: &str) -> bool {
    is_natural(text, 5) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

pub(super) fn is_ipv4(text: &str) -> bool {
    let mut rest = text.as_bytes();
    for _ in 0..3 {
        let length = match rest {
            [a, b'.', ..] if is_octet(b'0', b'0', *a) => 1,
            [a, b, b'.', ..] if *a > b'0' && is_octet(b'0', *a, *b) => 2,
            [a, b, c, b'.', ..] if *a > b'0' && is_octet(*a, *b, *c) => 3,
            _ => return false,
        };
        rest = &rest[length + 1..];
    }
    match rest {
        [a] => is_octet(b'0', b'0', *a),
        [a, b] => *a > b'0' && is_octet(b'0', *a, *b),
        [a, b, c] => *a > b'0' && is_octet(*a, *b, *c),
        _ => false,
    }
}

/// Whether these are digits of a number up to 255.
#[inline(always)]
fn is_octet(hundreds: u8, tens: u8, ones: u8) -> bool {
    let value = |byte: u8| u32::from(byte & 0x0f);
    hundreds.is_ascii_digit()
        & tens.is_ascii_digit()
        & ones.is_ascii_digit()
        & (value(hundreds) * 100 + value(tens) * 10 + value(ones) <= 255)
}

/// An address of letters, digits and single dots, in a domain in lower case.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_local = is_name(local)
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    is_local && is_host(domain, false)
}

/// An absolute path in ASCII.
pub(super) fn is_path(text: &str) -> bool {
    is_text(text) && text.starts_with('/') && !text.contains("//") && !text.contains("/.")
}

/// A date with a day that every month has.
pub(super) fn is_date(text: &str) -> bool {
    let fits =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10
        && text.bytes().enumerate().all(fits)
        && ("01"..="12").contains(&&text[5..7])
        && ("01"..="28").contains(&&text[8..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Value, types};
    use super::*;

    proptest! {
        #[test]
        fn what_is_plain_is_a_value_as_it_stands(
            text in prop_oneof![
                "[0-9./-]{1,15}",
                "(0|[1-9][0-9]{0,2}|25[0-9])(\\.(0|[1-9][0-9]{0,2}|25[0-9])){3}",
                "-?[0-9]{0,19}",
                "[0-9]{1,6}",
                "[a-c0-9.A-]{0,12}",
                "[a-c0-9-]{60,64}\\.[a-b1]",
                "[a-c.@_+0-9]{0,12}",
                "[a-c.]{1,3}@[a-c.]{1,3}",
                "/?[a-c./ \u{7f}ü]{0,8}",
                "[0-9]{4}-[01][0-9]-[0-3][0-9]",
                ".{0,8}",
            ],
        ) {
            type Parse = fn(&str) -> types::Parsed;
            let pairs: [(Parse, bool); 10] = [
                (types::name, is_name(&text)),
                (types::int, is_int(&text)),
                (types::port, is_port(&text)),
                (types::ipv4, is_ipv4(&text)),
                (types::ip, is_ipv4(&text)),
                (types::fqdn, is_fqdn(&text)),
                (types::hostname, is_hostname(&text)),
                (types::email, is_email(&text)),
                (types::path, is_path(&text)),
                (types::date, is_date(&text)),
            ];
            for (number, (parse, is_plain)) in pairs.into_iter().enumerate() {
                if is_plain {
                    let value = parse(&text).map(|value: Value| value.text().into_owned());
                    prop_assert_eq!(value, Ok(text.clone()), "{}", number);
                }
            }
        }
    }

    #[test]
    fn what_is_usual_is_plain() {
        assert!(is_ipv4("192.0.2.10") && is_ipv4("0.0.0.0") && is_ipv4("255.255.255.255"));
        assert!(is_fqdn("mx1.example.org") && is_fqdn("a--b.xn--c") && is_hostname("localhost"));
        assert!(is_name("t_0.A-b") && is_int("-12") && is_int("0") && is_port("65535"));
        assert!(
            is_email("a.b@example.org") && is_path("/etc/ssl/a.pem") && is_path("/") && is_date("2027-03-28")
        );
    }
}
