//! Networks, ports and addresses as the values of Postfix have them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network, or why it is none; `[…]` may stand around an address.
pub(super) fn network(text: &str) -> Result<IpNet, &'static str> {
    let (address, length) = match text.rsplit_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = bare.parse().map_err(|_| "is no address")?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(length) => {
            length.parse().ok().filter(|length| *length <= most).ok_or("has no valid prefix length")?
        }
    };
    let net = IpNet::new(address, length).map_err(|_| "has no valid prefix length")?;
    if net.addr() == net.network() { Ok(net) } else { Err("has bits of an address behind its prefix") }
}

/// Whether a text is meant as an address or a network.
pub(super) fn looks_like_network(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'/'));
    text.starts_with('[')
        || !text.is_empty() && digits(text)
        || text.matches(':').count() > 1 && !text.contains('{')
}

/// An IPv4 network that is written as an IPv6 one.
fn unmapped(net: IpNet) -> IpNet {
    if let IpNet::V6(v6) = net
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.network().to_ipv4_mapped()
        && let Ok(v4) = Ipv4Net::new(v4, v6.prefix_len() - 96)
    {
        return v4.into();
    }
    net
}

/// Whether everything in a network is the site's own.
fn is_private(net: &IpNet) -> bool {
    let v4 = [
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
    ];
    let v6 = [
        (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        (Ipv6Addr::LOCALHOST, 128),
    ];
    match net {
        IpNet::V4(net) => v4.iter().any(|(address, length)| {
            Ipv4Net::new(*address, *length).is_ok_and(|private| private.contains(net))
        }),
        IpNet::V6(net) => v6.iter().any(|(address, length)| {
            Ipv6Net::new(*address, *length).is_ok_and(|private| private.contains(net))
        }),
    }
}

/// Whether a network alone is too wide to be trusted: more than a /16, or for IPv6 a /32, of public addresses.
pub(super) fn is_wide(net: IpNet) -> bool {
    let net = unmapped(net);
    !is_private(&net) && net.prefix_len() < if matches!(net, IpNet::V4(_)) { 16 } else { 32 }
}

/// Whether networks together are too wide: as many public addresses as eight of the widest that may stand alone.
pub(super) fn are_wide(nets: &[IpNet]) -> bool {
    let public: Vec<IpNet> = nets.iter().copied().map(unmapped).filter(|net| !is_private(net)).collect();
    let mut share = [0.0_f64; 2];
    for net in IpNet::aggregate(&public) {
        let (family, narrow) = if matches!(net, IpNet::V4(_)) { (0, 16) } else { (1, 32) };
        share[family] += 2_f64.powi(narrow - i32::from(net.prefix_len()));
    }
    share.iter().any(|share| *share > 8.0)
}

/// What a listener is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    /// Its addresses; none where it is all.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: String,
}

impl Listener {
    /// Whether both cannot be listened on at once.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let meet = self.addresses.is_empty()
            || other.addresses.is_empty()
            || self.addresses.iter().any(|address| other.addresses.contains(address));
        meet && self.port == other.port
    }
}

/// The host and the port of the name of an inet service.
pub(super) fn host_and_port(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once(':') {
        Some((host, port)) => {
            let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
            (Some(host).filter(|host| !host.is_empty()), port)
        }
        None => (None, name),
    }
}

/// The number of a port, where its name is known.
pub(super) fn port(name: &str) -> String {
    let known = match name {
        "smtp" | "mail" => "25",
        "smtps" | "submissions" | "ssmtp" | "urd" => "465",
        "submission" => "587",
        "lmtp" => "24",
        "qmqp" => "628",
        "pop3" => "110",
        "imap" | "imap2" => "143",
        _ => name.trim_start_matches('0'),
    };
    if known.is_empty() { name.to_owned() } else { known.to_owned() }
}

/// The addresses of a host that is an address, or `localhost`.
pub(super) fn addresses(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    address(host).into_iter().collect()
}

/// An address; `[…]` may stand around it, and one of IPv4 may be written as one of IPv6.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let bare = bare.strip_prefix("ipv6:").or_else(|| bare.strip_prefix("IPv6:")).unwrap_or(bare);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether the next hop of a transport stays on this host.
pub(super) fn is_local(nexthop: &str) -> bool {
    let hop = nexthop.strip_prefix("inet:").unwrap_or(nexthop);
    if hop.starts_with("unix:") {
        return true;
    }
    let host = if hop.starts_with('[') {
        hop.find(']').map_or(hop, |end| &hop[..=end])
    } else {
        hop.split(':').next().unwrap_or(hop)
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || address(bare).is_some_and(|address| address.is_loopback())
}

/// Whether a text is a host name: labels of letters, digits and `-`; an underscore only where that is allowed.
pub(super) fn is_name(text: &str, underscore: bool) -> bool {
    let is_in = |c: char| c.is_alphanumeric() || c == '-' || underscore && c == '_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(is_in)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() <= 253 && !digits && text.split('.').all(is_label)
}

/// Names of ports that mail has to do with, as of the file of services that every host has.
const PORTS: &[&str] = &[
    "smtp",
    "mail",
    "smtps",
    "submissions",
    "ssmtp",
    "urd",
    "submission",
    "lmtp",
    "qmqp",
    "pop3",
    "imap2",
    "imap",
];

/// Why a text is no port; a name of a port that is not known may be one of this host.
pub(super) fn port_fault(text: &str) -> Option<String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let fits = text.parse::<u32>().is_ok_and(|number| (1..=65535).contains(&number));
        return (!fits).then(|| format!("`{text}` is no port: expected 1 to 65535"));
    }
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let near = crate::diagnostic::nearest(text, PORTS.iter().copied());
    match near.filter(|_| !PORTS.contains(&text)) {
        Some(near) => Some(format!("there is no port `{text}`; there is `{near}`")),
        None if is_word => None,
        None => Some(format!("`{text}` is no port")),
    }
}

/// Why a text is not `host`, `host:port`, `[host]` or `[host]:port`, as smtp(8) takes them.
pub(super) fn hop_fault(text: &str) -> Option<String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((inner, after)) = rest.split_once(']') else {
                return Some(format!("`{text}` has no `]`"));
            };
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port).filter(|port| !port.is_empty()),
                None if after.is_empty() => None,
                None => {
                    return Some(format!("`{after}` stands behind the `]` of `{text}`: expected `:port`"));
                }
            };
            if address(inner).is_some() {
                return port.and_then(port_fault);
            }
            (inner, port)
        }
        None if text.matches(':').count() > 1 => {
            return Some(format!("brackets have to stand around the IPv6 address in `{text}`"));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
            None => (text, None),
        },
    };
    if !is_name(host, true) && address(host).is_none() {
        return Some(format!("`{host}` is neither a host nor a domain"));
    }
    port.and_then(port_fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_judged() {
        let wide = |text: &str| is_wide(network(text).unwrap());
        for text in ["0.0.0.0/0", "[::]/0", "128.0.0.0/1", "[2000::]/3", "[::ffff:0.0.0.0]/96", "8.0.0.0/8"] {
            assert!(wide(text), "{text}");
        }
        for text in
            ["10.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24", "[fc00::]/7", "[::1]/128", "[2001:db8::]/32"]
        {
            assert!(!wide(text), "{text}");
        }
        assert!(
            network("192.0.2.1/24").is_err() && network("0/0").is_err() && network("192.0.2.0/33").is_err()
        );
        let many: Vec<IpNet> =
            (0..=9_u8).map(|second| network(&format!("8.{second}.0.0/16")).unwrap()).collect();
        assert!(are_wide(&many) && !are_wide(&many[..4]));
    }

    #[test]
    fn destinations_are_judged() {
        for text in [
            "example.org",
            "[mail.example.org]",
            "[mail.example.org]:587",
            "example.org:submission",
            "[192.0.2.1]:25",
            "192.0.2.1",
            "[2001:db8::1]:25",
            "[ipv6:2001:db8::1]",
            "[mx_1.example.org]:",
            "mailhost",
        ] {
            assert_eq!(hop_fault(text), None);
        }
        for text in [
            "[mail.example.org",
            "[mail.example.org]25",
            "[mail.example.org]:99999",
            "[mail.example.org]:smpt",
            "2001:db8::1",
            "mail..example.org",
            "#",
            "billing@example.org",
            "[192.0.2.300]",
            "example.org:0",
        ] {
            assert!(hop_fault(text).is_some(), "{text}");
        }
    }

    #[test]
    fn next_hops_are_judged() {
        assert!(
            is_local("[127.0.0.1]:10024") && is_local("unix:private/lmtp") && is_local("inet:localhost:24")
        );
        assert!(
            is_local("[::1]:25") && !is_local("[192.0.2.1]:25") && !is_local("") && !is_local("example.org")
        );
    }
}
