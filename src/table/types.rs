//! The types of cells: one function a type, from the text of a cell to its canonical value.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use jiff::civil::Date;
use url::Url;

use super::value::{Value, shown};
use crate::diagnostic::{Code, code};
use crate::source::Span;

/// Why a text is not a value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of mistake it is: `table::type`, `table::constraint`, `table::empty` or `table::syntax`.
    pub code: &'static Code,
    /// A lower-case phrase with what was found and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where a target requires it, if the column's declaration does not.
    pub required: Option<Span>,
}

impl Fault {
    pub(super) fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, required: None }
    }

    /// `text` is not `expected`, which comes with its article.
    pub(super) fn wrong(text: &str, expected: &str) -> Self {
        Self::new(&code::TABLE_TYPE, format!("{} is not {expected}", shown(text)))
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What the function of a type returns.
pub(super) type Parsed = Result<Value, Fault>;

fn text(text: impl Into<Box<str>>) -> Value {
    Value::Text(text.into())
}

/// Any text.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all types")]
pub(super) fn string(cell: &str) -> Parsed {
    Ok(text(cell))
}

/// Letters, digits, `.`, `_` and `-`: what is safe in a file name, a service name and an identifier.
pub(super) fn name(cell: &str) -> Parsed {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !cell.is_empty() && cell.bytes().all(fits) {
        Ok(text(cell))
    } else {
        Err(Fault::wrong(cell, "a name").hint("a name has letters, digits, `.`, `_` and `-` only"))
    }
}

/// Whether a text is digits without a needless leading zero.
fn is_natural(digits: &str) -> bool {
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// A whole number of 64 bits in its one spelling: no `+`, no leading zeros, no `-0`.
pub(super) fn int(cell: &str) -> Parsed {
    let fault = || Fault::wrong(cell, "a whole number");
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    match cell.parse::<i64>() {
        Ok(int) if is_natural(digits) && cell != "-0" => Ok(Value::Int(int)),
        Ok(int) => Err(fault().hint(format!("write `{int}`"))),
        Err(_) if is_natural(digits) => {
            Err(fault().hint(format!("it has to lie between {} and {}", i64::MIN, i64::MAX)))
        }
        // As TOML may write it.
        Err(_) => Err(match spelt(cell) {
            Some(int) => fault().hint(format!("write `{int}`")),
            None => match cell.split_once('.') {
                Some((whole, rest)) if is_natural(whole) && rest.bytes().all(|byte| byte == b'0') => {
                    fault().hint(format!("write `{whole}`"))
                }
                _ => fault(),
            },
        }),
    }
}

/// A whole number in another system or with `_` between its digits.
fn spelt(cell: &str) -> Option<i64> {
    let plain = cell.replace('_', "");
    let other = [("0x", 16), ("0o", 8), ("0b", 2)];
    match other.iter().find_map(|(prefix, radix)| Some((plain.strip_prefix(prefix)?, *radix))) {
        Some((digits, radix)) => i64::from_str_radix(digits, radix).ok(),
        None => plain.parse().ok(),
    }
}

/// A decimal number as JSON writes it (RFC 8259, section 6), finite.
pub(super) fn float(cell: &str) -> Parsed {
    let fault = || Fault::wrong(cell, "a decimal number");
    let unsigned = cell.strip_prefix('-').unwrap_or(cell);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match cell.parse::<f64>() {
        Ok(float) if float.is_finite() => {
            // Adding zero makes the negative zero positive.
            let float = float + 0.0;
            if is_natural(whole) && all_digits(fraction) && all_digits(exponent) {
                Ok(Value::Float(float))
            } else {
                Err(fault().hint(format!("write `{float:?}`")))
            }
        }
        Ok(float) if float.is_infinite() && is_natural(whole) => {
            Err(fault().hint(format!("it has to lie between {:e} and {:e}", f64::MIN, f64::MAX)))
        }
        _ => match cell.split_once(',') {
            Some((before, after)) if is_natural(before) && all_digits(after) => {
                Err(fault().hint(format!("write `{before}.{after}`")))
            }
            _ => Err(fault()),
        },
    }
}

/// `true` or `false`, and no other spelling.
pub(super) fn bool(cell: &str) -> Parsed {
    match cell {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => Err(Fault::wrong(cell, "a truth value").hint("write `true` or `false`")),
    }
}

/// A port that can be bound or connected to, 1 to 65535.
pub(super) fn port(cell: &str) -> Parsed {
    let fault = |hint: &str| Fault::wrong(cell, "a port").hint(hint);
    match int(cell) {
        Ok(Value::Int(port)) if (1..=65535).contains(&port) => Ok(Value::Int(port)),
        Ok(_) => Err(fault("a port lies between 1 and 65535")),
        Err(reason) => Err(fault(reason.hint.as_deref().unwrap_or("a port is a number from 1 to 65535"))),
    }
}

/// An IPv4 address in dotted decimal, without leading zeros (RFC 6943, section 3.1.1, on why).
pub(super) fn ipv4(cell: &str) -> Parsed {
    match cell.parse::<Ipv4Addr>() {
        // The parser accepts the canonical form only.
        Ok(_) => Ok(text(cell)),
        Err(_) => Err(address_fault(cell, "an IPv4 address")),
    }
}

/// An IPv6 address, printed as RFC 5952 says; without a zone.
pub(super) fn ipv6(cell: &str) -> Parsed {
    match cell.parse::<Ipv6Addr>() {
        Ok(address) => Ok(text(address.to_string())),
        Err(_) => Err(address_fault(cell, "an IPv6 address")),
    }
}

/// An address of either family.
pub(super) fn ip(cell: &str) -> Parsed {
    match cell.parse::<IpAddr>() {
        Ok(address) => Ok(text(address.to_string())),
        Err(_) => Err(address_fault(cell, "an IP address")),
    }
}

fn address_fault(cell: &str, expected: &str) -> Fault {
    let fault = Fault::wrong(cell, expected);
    let bare = cell.split(['/', '%']).next().unwrap_or(cell);
    if let Ok(address) = cell.parse::<IpAddr>() {
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        fault.hint(format!("it is an {family} address; the type `ip` takes both families"))
    } else if bare != cell && bare.parse::<IpAddr>().is_ok() {
        fault.hint(format!("write the address alone: `{bare}`"))
    } else if let Some(plain) = without_leading_zeros(cell) {
        fault.hint(format!("write it without leading zeros, if they are not octal: `{plain}`"))
    } else {
        fault
    }
}

fn without_leading_zeros(cell: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = cell
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0",
            rest => rest,
        })
        .collect();
    parts.join(".").parse().ok()
}

/// An address, `/` and a prefix length (RFC 4632, RFC 4291), host bits and all.
fn prefixed(cell: &str, expected: &str) -> Result<IpNet, Fault> {
    let fault = || Fault::wrong(cell, expected);
    let Some((address, length)) = cell.split_once('/') else {
        return Err(match cell.parse::<IpAddr>() {
            Ok(address) => {
                fault().hint(format!("add the prefix length, `{}` for one address", IpNet::from(address)))
            }
            Err(_) => fault(),
        });
    };
    let address: IpAddr = address.parse().map_err(|_| address_fault(address, "an IP address"))?;
    if let Ok(mask) = length.parse::<IpAddr>()
        && let Ok(net) = IpNet::with_netmask(address, mask)
    {
        return Err(fault().hint(format!("write the prefix length: `{net}`")));
    }
    let length = length.parse().ok().filter(|_| is_natural(length)).ok_or_else(fault)?;
    IpNet::new(address, length).map_err(|_| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        fault().hint(format!("the prefix length is at most {most}"))
    })
}

/// A prefix without host bits.
pub(super) fn cidr(cell: &str) -> Parsed {
    let net = prefixed(cell, "a prefix")?;
    if net == net.trunc() {
        Ok(text(net.to_string()))
    } else {
        Err(Fault::wrong(cell, "a prefix: it has host bits").hint(format!("write `{}`", net.trunc())))
    }
}

/// An address with the prefix length of its network, as an interface is given it.
pub(super) fn interface(cell: &str) -> Parsed {
    Ok(text(prefixed(cell, "an address with a prefix length")?.to_string()))
}

/// A 48-bit MAC address: six pairs with `:` or `-`, or three groups of four with `.`; printed in lower case
/// with colons.
pub(super) fn mac(cell: &str) -> Parsed {
    let fault = || Fault::wrong(cell, "a MAC address").hint("write it as `52:54:00:ab:cd:ef`");
    let group = match cell.bytes().find(|b| !b.is_ascii_hexdigit()) {
        Some(b':' | b'-') => 2,
        Some(b'.') => 4,
        _ => return Err(fault()),
    };
    let separator = char::from(cell.as_bytes().get(group).copied().unwrap_or_default());
    let groups: Vec<&str> = cell.split(separator).collect();
    let fits = |part: &&str| part.len() == group && part.bytes().all(|b| b.is_ascii_hexdigit());
    if groups.len() != 12 / group || !groups.iter().all(fits) {
        return Err(fault());
    }
    let digits = groups.concat().to_ascii_lowercase();
    let pairs: Vec<&str> = (0..6).map(|pair| &digits[pair * 2..pair * 2 + 2]).collect();
    Ok(text(pairs.join(":")))
}

/// A host name in lower case without the final dot (RFC 952, RFC 1123 section 2.1, RFC 1035 for the lengths),
/// or the reason why it is none.
fn host(cell: &str) -> Result<String, String> {
    let name = cell.strip_suffix('.').unwrap_or(cell);
    if !name.is_ascii() {
        return Err(match url::Host::parse(name) {
            Ok(url::Host::Domain(ascii)) => format!("write it in its ASCII form: `{ascii}`"),
            _ => "a host name has letters, digits and `-` only".to_owned(),
        });
    }
    if name.len() > 253 {
        return Err(format!("it has {} characters; 253 are the most", name.len()));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("a label between the dots is empty".to_owned());
        }
        if let Some(other) = label.bytes().find(|b| !b.is_ascii_alphanumeric() && *b != b'-') {
            let other = char::from(other);
            return Err(format!("a host name has letters, digits and `-` only, not `{other}`"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(format!("`{label}` begins or ends with `-`"));
        }
        if label.len() > 63 {
            return Err(format!("a label has {} characters; 63 are the most", label.len()));
        }
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("its last label is a number, so it reads as an address".to_owned());
    }
    Ok(name.to_ascii_lowercase())
}

/// A host name of one or more labels.
pub(super) fn hostname(cell: &str) -> Parsed {
    host(cell).map(text).map_err(|reason| Fault::wrong(cell, "a host name").hint(reason))
}

/// A host name with a dot in it. The final dot of the DNS is accepted and not printed.
pub(super) fn fqdn(cell: &str) -> Parsed {
    let fault = |reason: String| Fault::wrong(cell, "a fully qualified domain name").hint(reason);
    match host(cell) {
        Ok(name) if name.contains('.') => Ok(text(name)),
        Ok(name) => Err(fault(format!("add the domain: `{name}.example.org`"))),
        Err(reason) => Err(fault(reason)),
    }
}

/// A mail address (RFC 5321, section 4.1.2) with an unquoted local part and a host name; the domain is printed
/// in lower case, the local part as it is, for its case may matter.
pub(super) fn email(cell: &str) -> Parsed {
    let fault = |hint: &str| Fault::wrong(cell, "a mail address").hint(hint);
    let (local, domain) = cell.rsplit_once('@').ok_or_else(|| fault("it has no `@`"))?;
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext)) {
        return Err(fault("before the `@` are letters, digits, single dots and a few signs, without quotes"));
    }
    if local.len() > 64 || cell.len() > 254 {
        return Err(fault("it is too long: 64 characters before the `@`, 254 in all"));
    }
    let domain = host(domain).map_err(|reason| fault(&reason))?;
    Ok(text(format!("{local}@{domain}")))
}

/// An absolute URL with `://`, printed as the WHATWG URL standard serializes it, but without the `/` that it
/// adds where there is no path: to nginx, for one, `http://a` and `http://a/` are not the same.
pub(super) fn url(cell: &str) -> Parsed {
    let fault = |hint: &str| Fault::wrong(cell, "a URL").hint(hint);
    let Some((_, rest)) = cell.split_once("://") else {
        return Err(fault("a URL begins with its scheme, such as `https://`"));
    };
    if cell.contains(|c: char| c.is_whitespace() || c == '\\') {
        return Err(fault("a URL has no white space and no `\\`"));
    }
    let url = Url::parse(cell).map_err(|error| fault(&error.to_string()))?;
    let mut printed = url.to_string();
    if url.path() == "/" && !rest.contains('/') {
        let path = url[..url::Position::BeforePath].len();
        printed.remove(path);
    }
    Ok(text(printed))
}

/// An absolute path in its one spelling: no empty part, no `.` and no `..`; a final `/` stays.
pub(super) fn path(cell: &str) -> Parsed {
    let fault = |hint: &str| Fault::wrong(cell, "an absolute path").hint(hint);
    let Some(rest) = cell.strip_prefix('/') else {
        return Err(fault("an absolute path begins with `/`"));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if !rest.is_empty() && rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(fault("write it without `//`, `/./` and `/../`"));
    }
    if cell == "//" { Err(fault("write it without `//`, `/./` and `/../`")) } else { Ok(text(cell)) }
}

/// The units of a size in bytes: the decimal ones of the SI and the binary ones of IEC 80000-13.
const SIZES: &[(&str, i128)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("PB", 1_000_000_000_000_000),
    ("PiB", 1 << 50),
];

/// The units of a duration in nanoseconds, as Postfix, nginx and systemd read them.
const DURATIONS: &[(&str, i128)] = &[
    ("ns", 1),
    ("us", 1000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// The one spelling of an amount: a whole number of the unit that makes the number smallest; zero is printed
/// in the unit `zero`.
fn in_units(amount: i128, units: &[(&str, i128)], zero: &str) -> String {
    let whole = units.iter().filter(|(_, size)| amount % size == 0);
    match whole.max_by_key(|(_, size)| *size) {
        Some((unit, size)) if amount != 0 => format!("{}{unit}", amount / size),
        _ => format!("0{zero}"),
    }
}

/// The bytes of a size, or what to do about a text that is none.
fn bytes(cell: &str) -> Result<i128, &'static str> {
    const FORM: &str = "write a whole number and a unit, such as `10MB` or `10MiB`";
    const MOST: &str = "a size is less than 16384PiB, which are 2^64 bytes";
    let end = cell.find(|c: char| !c.is_ascii_digit()).unwrap_or(cell.len());
    let (number, unit) = cell.split_at(end);
    let unit = match unit.trim_start() {
        "" => "B",
        // The world writes both for 1000.
        "KB" => "kB",
        unit => unit,
    };
    let (_, size) = SIZES.iter().find(|(name, _)| *name == unit).ok_or(FORM)?;
    if !is_natural(number) {
        return Err(FORM);
    }
    let bytes = number.parse::<i128>().ok().and_then(|number| number.checked_mul(*size));
    bytes.filter(|bytes| *bytes <= i128::from(u64::MAX)).ok_or(MOST)
}

/// A number of bytes: a whole number and one of `B kB KiB MB MiB GB GiB TB TiB PB PiB`, a space between them or
/// not. Printed without the space in the unit that gives the smallest whole number: `1024 KiB` is `1MiB`.
pub(super) fn size(cell: &str) -> Parsed {
    match bytes(cell) {
        Ok(amount) => Ok(text(in_units(amount, SIZES, "B"))),
        Err(hint) => Err(Fault::wrong(cell, "a size").hint(hint)),
    }
}

/// The nanoseconds of a duration.
fn nanoseconds(cell: &str) -> Option<i128> {
    let span: jiff::Span = cell.parse().ok()?;
    if span.is_negative() || span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    let parts = [
        (i128::from(span.get_weeks()), 604_800_000_000_000),
        (i128::from(span.get_days()), 86_400_000_000_000),
        (i128::from(span.get_hours()), 3_600_000_000_000),
        (i128::from(span.get_minutes()), 60_000_000_000),
        (i128::from(span.get_seconds()), 1_000_000_000),
        (i128::from(span.get_milliseconds()), 1_000_000),
        (i128::from(span.get_microseconds()), 1000),
        (i128::from(span.get_nanoseconds()), 1),
    ];
    Some(parts.iter().map(|(number, unit)| number * unit).sum())
}

/// A length of time: numbers with units (`90s`, `1h 30m`, `2 days`) or ISO 8601 (`PT90S`); a day has 24 hours,
/// months and years have no fixed length. Printed in one unit, the one that gives the smallest whole number:
/// `1h30m` is `90m`, `24h` is `1d`.
pub(super) fn duration(cell: &str) -> Parsed {
    match nanoseconds(cell) {
        Some(amount) => Ok(text(in_units(amount, DURATIONS, "s"))),
        None => Err(Fault::wrong(cell, "a duration")
            .hint("write numbers with units, such as `90s` or `1h30m`; there are w, d, h, m, s and ms")),
    }
}

/// A date, as ISO 8601 writes it: `2027-03-31`.
pub(super) fn date(cell: &str) -> Parsed {
    let fault = || Fault::wrong(cell, "a date");
    match cell.parse::<Date>() {
        Ok(date) if date.to_string() == cell && cell.len() == 10 => Ok(text(cell)),
        Ok(date) if date.year() >= 0 => Err(fault().hint(format!("write `{date}`"))),
        _ => Err(fault().hint("write the year, the month and the day: `2027-03-31`")),
    }
}

/// A public key as OpenSSH writes it (sshd(8), section `AUTHORIZED_KEYS FILE FORMAT`, without options): a type, base64
/// and a comment. The base64 holds length-prefixed fields (RFC 4253, section 6.6), the first of which is the
/// type again. Printed with single spaces.
pub(super) fn ssh_public_key(cell: &str) -> Parsed {
    use base64::Engine as _;
    let fault = |hint: &str| Fault::wrong(cell, "an SSH public key").hint(hint);
    let words: Vec<&str> = cell.split_ascii_whitespace().collect();
    let [kind, data, ..] = words[..] else {
        return Err(fault("it has a type, the key and a comment, as in `ssh-ed25519 AAAA… name`"));
    };
    if cell.contains("PRIVATE KEY") {
        return Err(Fault::new(&code::TABLE_TYPE, "this is a private key, not a public one")
            .hint("take the key out of the table, and make a new one"));
    }
    let blob = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| fault("the second word is not base64"))?;
    let fields = ssh_fields(&blob).ok_or_else(|| fault("the key is cut off or damaged"))?;
    match fields.split_first() {
        Some((embedded, rest)) if *embedded == kind.as_bytes() && !rest.is_empty() => {
            Ok(text(words.join(" ")))
        }
        Some((embedded, _)) if *embedded != kind.as_bytes() => Err(fault(&format!(
            "the key itself is of the type {}",
            shown(&String::from_utf8_lossy(embedded))
        ))),
        _ => Err(fault("the key is cut off or damaged")),
    }
}

/// Whether text is a public key as OpenSSH writes it.
pub(crate) fn is_ssh_public_key(text: &str) -> bool {
    ssh_public_key(text).is_ok()
}

/// The length-prefixed fields of an SSH blob, or nothing if they do not fill it.
fn ssh_fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

/// How much a value of an ordered type is, in the type's own unit.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Measure {
    /// A number, bytes, nanoseconds, days, characters or entries.
    Whole(i128),
    /// A decimal number.
    Real(f64),
}

/// The bytes of a canonical size.
pub(super) fn measure_size(canonical: &str) -> Option<Measure> {
    bytes(canonical).ok().map(Measure::Whole)
}

/// The nanoseconds of a canonical duration.
pub(super) fn measure_duration(canonical: &str) -> Option<Measure> {
    nanoseconds(canonical).map(Measure::Whole)
}

/// The days of a canonical date, counted so that they compare as dates do.
pub(super) fn measure_date(canonical: &str) -> Option<Measure> {
    let date: Date = canonical.parse().ok()?;
    Some(Measure::Whole(
        i128::from(date.year()) * 10_000 + i128::from(date.month()) * 100 + i128::from(date.day()),
    ))
}

/// The address in a canonical address, prefix or interface, and its prefix where it is one.
pub(super) fn network(canonical: &str) -> Option<IpNet> {
    match canonical.parse::<IpNet>() {
        Ok(net) => Some(net),
        Err(_) => canonical.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

/// A text without the white space around it, if there is some.
pub(super) fn trimmed(cell: &str) -> Option<Cow<'_, str>> {
    let bare = cell.trim();
    (bare.len() != cell.len()).then_some(Cow::Borrowed(bare))
}
