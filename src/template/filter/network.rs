//! Filters on addresses and networks.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tera::{Error, Kwargs, TeraResult, Value};

use super::{list, mismatch, text};

pub(super) fn reverse_pointer(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(pointer(address(value, "reverse_pointer")?).into())
}

fn pointer(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (0..32)
                .map(|nibble| format!("{:x}.", bits >> (4 * nibble) & 0xF))
                .chain(["ip6.arpa".to_owned()])
                .collect()
        }
    }
}

pub(super) fn reverse_zone(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    let net = prefix(value, "reverse_zone")?;
    if net != net.trunc() {
        return Err(Error::message(format!("`{net}` is an address; put `network` before `reverse_zone`")));
    }
    let length = usize::from(net.prefix_len());
    // A label is a byte of an IPv4 address, and four bits of an IPv6 address.
    let (all, bits) = if matches!(net, IpNet::V4(_)) { (4, 8) } else { (32, 4) };
    let pointer = pointer(net.network());
    let labels: Vec<&str> = pointer.split('.').collect();
    let (kept, last) = (length / bits, net.broadcast());
    let name = match (length % bits, last) {
        (0, _) if kept > 0 && kept < all => labels[all - kept..].join("."),
        (_, IpAddr::V4(last)) if length > 24 && length < 32 => {
            format!("{}-{}.{}", labels[0], last.octets()[3], labels[1..].join("."))
        }
        _ => {
            let lengths = if bits == 8 { "8, 16, or 24 to 31" } else { "a multiple of 4 below 128" };
            return Err(Error::message(format!(
                "`{net}` has no zone of its own: the prefix length has to be {lengths}"
            )));
        }
    };
    Ok(name.into())
}

pub(super) fn host(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(prefix(value, "host")?.addr().to_string().into())
}

pub(super) fn network(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(prefix(value, "network")?.trunc().to_string().into())
}

pub(super) fn netmask(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    match prefix(value, "netmask")? {
        IpNet::V4(prefix) => Ok(prefix.netmask().to_string().into()),
        IpNet::V6(prefix) => Err(Error::message(format!(
            "`{prefix}` is IPv6, which has no netmask; `prefix_length` gives {}",
            prefix.prefix_len()
        ))),
    }
}

pub(super) fn prefix_length(value: &Value, _: &Kwargs) -> TeraResult<Value> {
    Ok(u64::from(prefix(value, "prefix_length")?.prefix_len()).into())
}

pub(super) fn cidrs(value: &Value, arguments: &Kwargs) -> TeraResult<Value> {
    let rows = list::elements(value, "cidrs")?;
    let attribute = arguments.get::<&str>("attribute")?;
    let (mut v4, mut v6) = (Vec::<Ipv4Net>::new(), Vec::<Ipv6Net>::new());
    for (index, row) in rows.iter().enumerate() {
        let value = list::attribute(row, attribute, index, "cidrs")?;
        let text = text(value, "cidrs")?;
        let net = net(&text)?;
        if net != net.trunc() {
            return Err(Error::message(format!(
                "`{text}` is an address in the network `{}`; put `host` or `network` before `cidrs`",
                net.trunc()
            )));
        }
        match net {
            IpNet::V4(net) => v4.push(net),
            IpNet::V6(net) => v6.push(net),
        }
    }
    let (mut v4, mut v6) = (Ipv4Net::aggregate(&v4), Ipv6Net::aggregate(&v6));
    v4.sort_unstable();
    v6.sort_unstable();
    let texts = v4.iter().map(ToString::to_string).chain(v6.iter().map(ToString::to_string));
    Ok(texts.map(Value::from).collect::<Vec<_>>().into())
}

/// Whether an address, or all of a network, lies in another network.
pub(crate) fn within(place: &str, network: &str) -> TeraResult<bool> {
    Ok(net(network)?.contains(&net(place)?))
}

/// A network, or an address as one of its own.
fn net(text: &str) -> TeraResult<IpNet> {
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| Error::message(format!("`{text}` is neither an address nor a network")))
}

fn address(value: &Value, filter: &str) -> TeraResult<IpAddr> {
    let text = text(value, filter).map_err(|_| mismatch(filter, "an address", value))?;
    text.parse().map_err(|_| Error::message(format!("`{text}` is not an IP address")))
}

fn prefix(value: &Value, filter: &str) -> TeraResult<IpNet> {
    let expected = "an address with a prefix length";
    let text = text(value, filter).map_err(|_| mismatch(filter, expected, value))?;
    text.parse().map_err(|_| Error::message(format!("`{text}` is not {expected}, such as 192.0.2.10/24")))
}
