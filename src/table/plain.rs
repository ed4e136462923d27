//! Whether a cell has the one spelling of its value: what nearly all cells have, told in one look at each byte.
//!
//! None of these takes what the function of the type in [`types`](super::types) refuses or writes otherwise, which the
//! tests hold; what they do not take, that function decides.

/// What a byte does to a text of names, which is one of a few states after each byte.
type Steps = [[u8; 256]; 5];

/// The state in which no more byte helps.
const WRONG: u8 = 4;

/// Labels divided by dots, in lower case: at the start of a label (0), in one of digits (1), in another (2), behind a
/// hyphen (3).
static HOST: Steps = {
    let mut steps = [[WRONG; 256]; 5];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
        let class = byte as u8;
        let mut state = 0;
        while state < 4 {
            steps[state][byte] = match class {
                b'0'..=b'9' if state < 2 => 1,
                b'0'..=b'9' | b'a'..=b'z' => 2,
                b'-' if state > 0 => 3,
                b'.' if state == 1 || state == 2 => 0,
                _ => WRONG,
            };
            state += 1;
        }
        byte += 1;
    }
    steps
};

/// Letters, digits and what else the type `name` takes (0), or not.
static NAME: [bool; 256] = {
    let mut fits = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
        let class = byte as u8;
        fits[byte] = class.is_ascii_alphanumeric() || matches!(class, b'.' | b'_' | b'-');
        byte += 1;
    }
    fits
};

/// A short host name in lower case without a final dot.
pub(super) fn is_host(text: &str, qualified: bool) -> bool {
    let (mut state, mut dots) = (0, false);
    for byte in text.bytes() {
        state = HOST[usize::from(state)][usize::from(byte)];
        dots |= byte == b'.';
    }
    // The last label has a letter; with so few characters none is too long.
    state == 2 && text.len() <= 63 && (dots || !qualified)
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().fold(true, |fits, byte| fits & NAME[usize::from(byte)])
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
    let (mut dots, mut value, mut digits) = (0, 0_u32, 0);
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            if digits > 0 && value == 0 {
                return false;
            }
            value = value * 10 + u32::from(digit);
            digits += 1;
            if value > 255 {
                return false;
            }
        } else {
            if byte != b'.' || digits == 0 {
                return false;
            }
            (dots, value, digits) = (dots + 1, 0, 0);
        }
    }
    dots == 3 && digits > 0
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
    let is_ascii = text.bytes().fold(true, |fits, byte| fits & matches!(byte, b' '..=b'~'));
    is_ascii && text.starts_with('/') && !text.contains("//") && !text.contains("/.")
}

/// A date with a day that every month has.
pub(super) fn is_date(text: &str) -> bool {
    let [a, b, c, d, b'-', m, n, b'-', x, y] = text.as_bytes() else { return false };
    let is_digits = [a, b, c, d, m, n, x, y].iter().all(|byte| byte.is_ascii_digit());
    is_digits && (b"01"..=b"12").contains(&&[*m, *n]) && (b"01"..=b"28").contains(&&[*x, *y])
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
                (types::fqdn, is_host(&text, true)),
                (types::hostname, is_host(&text, false)),
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
        assert!(
            is_host("mx1.example.org", true) && is_host("a--b.xn--c", true) && is_host("localhost", false)
        );
        assert!(is_name("t_0.A-b") && is_int("-12") && is_int("0") && is_port("65535"));
        assert!(
            is_email("a.b@example.org") && is_path("/etc/ssl/a.pem") && is_path("/") && is_date("2027-03-28")
        );
    }
}
