//! Certificate chains and keys in PEM, as far as a configuration is judged by them.

use jiff::civil::Date;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

/// A chain: the certificate first.
pub(super) struct Chain {
    certificates: Vec<Vec<u8>>,
    leaf: Leaf,
}

/// What is told of the certificate itself.
struct Leaf {
    names: Vec<String>,
    begins: Date,
    ends: Date,
    /// The algorithm and the bits of its public key.
    key: Vec<u8>,
    self_signed: bool,
}

/// Whether a key is the one of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyMatch {
    Same,
    Other,
    /// There is no key.
    None,
    /// It does not tell.
    Unknown,
}

fn date(seconds: i64) -> Date {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    time.to_zoned(jiff::tz::TimeZone::UTC).date()
}

impl Chain {
    /// Reads the certificates of a file; private keys in it are passed over.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut certificates = Vec::new();
        for block in Pem::iter_from_buffer(bytes) {
            let block = block.map_err(|_| "its PEM is damaged")?;
            if block.label == "CERTIFICATE" || block.label == "TRUSTED CERTIFICATE" {
                certificates.push(block.contents);
            }
        }
        let first = certificates.first().ok_or("there is no certificate in it")?;
        let (_, leaf) = X509Certificate::from_der(first).map_err(|_| "it is damaged")?;
        for certificate in &certificates[1..] {
            X509Certificate::from_der(certificate).map_err(|_| "a certificate in it is damaged")?;
        }
        let mut names: Vec<String> = match leaf.subject_alternative_name() {
            Ok(Some(alternative)) => alternative.value.general_names.iter().filter_map(dns).collect(),
            _ => Vec::new(),
        };
        if names.is_empty() {
            let common = leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            names.extend(common.map(str::to_ascii_lowercase));
        }
        let leaf = Leaf {
            names,
            begins: date(leaf.validity().not_before.timestamp()),
            ends: date(leaf.validity().not_after.timestamp()),
            key: leaf.public_key().subject_public_key.data.to_vec(),
            self_signed: leaf.issuer().as_raw() == leaf.subject().as_raw(),
        };
        Ok(Self { certificates, leaf })
    }

    /// The names that it is for.
    pub(super) fn names(&self) -> Vec<&str> {
        self.leaf.names.iter().map(String::as_str).collect()
    }

    /// Whether it is for a name. `.example.org` asks for any name below.
    pub(super) fn is_for(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.leaf.names.iter().any(|own| {
            let wild = own.strip_prefix('*');
            *own == name
                || wild.is_some_and(|suffix| {
                    suffix == name
                        || name
                            .strip_suffix(suffix)
                            .is_some_and(|first| !first.is_empty() && !first.contains('.'))
                })
        })
    }

    pub(super) fn is_self_signed(&self) -> bool {
        self.leaf.self_signed
    }

    pub(super) fn validity(&self) -> (Date, Date) {
        (self.leaf.begins, self.leaf.ends)
    }

    /// The day from which on less than a third of the lifetime is left.
    pub(super) fn renewal(&self) -> Date {
        let days = self.leaf.ends.since(self.leaf.begins).map_or(0, |span| span.get_days());
        self.leaf.ends.saturating_sub(jiff::Span::new().days(days / 3))
    }

    /// The subjects of what signs others in it.
    pub(super) fn issuers(&self) -> Vec<Vec<u8>> {
        self.certificates[1..].iter().filter_map(|one| names_of(one)).map(|(subject, _)| subject).collect()
    }

    /// What is missing in it. Roots are known to clients, and may be left out; what stands in other chains of the same
    /// configuration is an intermediate.
    pub(super) fn gap(&self, intermediates: &[Vec<u8>], roots: &[Vec<u8>]) -> Option<String> {
        let names: Vec<(Vec<u8>, Vec<u8>)> =
            self.certificates.iter().filter_map(|one| names_of(one)).collect();
        for pair in names.windows(2) {
            let [(_, issuer), (next, _)] = pair else { continue };
            if issuer != next {
                return Some("a certificate in it is not followed by the one that signed it".to_owned());
            }
        }
        let (subject, issuer) = names.last()?;
        if subject == issuer || roots.contains(issuer) {
            return None;
        }
        let is_known = intermediates.contains(issuer);
        (names.len() == 1 || is_known).then(|| "the certificate that signed it is missing".to_owned())
    }

    /// Whether a file holds its key.
    pub(super) fn matches(&self, bytes: &[u8]) -> KeyMatch {
        let keys: Vec<Pem> = Pem::iter_from_buffer(bytes)
            .filter_map(Result::ok)
            .filter(|block| block.label.ends_with("PRIVATE KEY"))
            .collect();
        let Some(key) = keys.first() else { return KeyMatch::None };
        if key.label.starts_with("ENCRYPTED") {
            return KeyMatch::Unknown;
        }
        let Some(public) = public_part(&key.label, &key.contents) else { return KeyMatch::Unknown };
        // Of an RSA key, the certificate holds the modulus and the exponent; of others, the point.
        let is_in = memchr::memmem::find(&self.leaf.key, &public).is_some();
        if is_in { KeyMatch::Same } else { KeyMatch::Other }
    }
}

fn dns(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// The subject and the issuer of a certificate.
fn names_of(certificate: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some((parsed.subject().as_raw().to_vec(), parsed.issuer().as_raw().to_vec()))
}

/// The subjects of all certificates of a file.
pub(super) fn subjects(bytes: &[u8]) -> Vec<Vec<u8>> {
    let blocks = Pem::iter_from_buffer(bytes).filter_map(Result::ok);
    blocks.filter_map(|block| names_of(&block.contents)).map(|(subject, _)| subject).collect()
}

/// An element of DER: its tag, its content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        if count > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        len = digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// The bytes of a private key that its certificate holds too: the modulus of RSA (RFC 8017), the point of a curve (RFC
/// 5915), as far as the file tells them.
fn public_part(label: &str, der: &[u8]) -> Option<Vec<u8>> {
    const INTEGER: u8 = 2;
    const BITS: u8 = 3;
    const OCTETS: u8 = 4;
    const SEQUENCE: u8 = 0x30;
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let (SEQUENCE, inside, _) = element(der)? else { return None };
    let (INTEGER, _, rest) = element(inside)? else { return None };
    match label {
        "RSA PRIVATE KEY" => {
            let (INTEGER, modulus, _) = element(rest)? else { return None };
            Some(modulus.to_vec())
        }
        "EC PRIVATE KEY" => {
            let (OCTETS, _, mut rest) = element(rest)? else { return None };
            while let Some((tag, content, after)) = element(rest) {
                // [1], a bit string whose first byte counts unused bits.
                if tag == 0xa1 {
                    let (BITS, bits, _) = element(content)? else { return None };
                    return Some(bits.get(1..)?.to_vec());
                }
                rest = after;
            }
            None
        }
        // PKCS #8 (RFC 5958) holds one of the others, or a public part of its own.
        "PRIVATE KEY" => {
            let (SEQUENCE, algorithm, rest) = element(rest)? else { return None };
            let (OCTETS, key, mut rest) = element(rest)? else { return None };
            let (_, name, _) = element(algorithm)?;
            if name == RSA {
                return public_part("RSA PRIVATE KEY", key);
            }
            if name == CURVE
                && let Some(found) = public_part("EC PRIVATE KEY", key)
            {
                return Some(found);
            }
            while let Some((tag, content, after)) = element(rest) {
                if tag == 0x81 {
                    return Some(content.get(1..)?.to_vec());
                }
                rest = after;
            }
            None
        }
        _ => None,
    }
}
