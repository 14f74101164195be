//! Host names, IP addresses and ranges of them.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

use super::text;

pub(super) const INVALID_PORT: &str = "invalid port number";

/// A host, and perhaps its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub kind: AddressKind,
    /// An IPv6 address stands in brackets.
    pub host: String,
    pub port: Option<u16>,
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    Name,
    Ipv4,
    Ipv6,
}

/// Takes a host, with a port or without, apart.
///
/// # Errors
/// The message.
pub fn normalize_address(address: &str) -> Result<Address, String> {
    let colons = address.bytes().filter(|byte| *byte == b':').count();
    if colons > 1 {
        return ipv6(address);
    }
    let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if !address.is_empty() && address.bytes().filter(|byte| *byte != b':').all(digits) {
        return ipv4(address);
    }
    name(address)
}

fn ipv4(address: &str) -> Result<Address, String> {
    let invalid = || format!("invalid ipv4 address: {address}");
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let octets: Vec<u16> = host
        .split('.')
        .map(|octet| if octet.len() <= 3 { octet.parse().ok().filter(|octet| *octet < 256) } else { None })
        .collect::<Option<_>>()
        .filter(|octets: &Vec<u16>| octets.len() == 4)
        .ok_or_else(invalid)?;
    let port = port.map(|port| if port.is_empty() { Err(invalid()) } else { parse_port(port) }).transpose()?;
    let host = format!("{}.{}.{}.{}", octets[0], octets[1], octets[2], octets[3]);
    Ok(Address { kind: AddressKind::Ipv4, host, port })
}

fn ipv6(address: &str) -> Result<Address, String> {
    let invalid = || format!("invalid ipv6 address: {address}");
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(invalid)?) })
        }
        None => (address, None),
    };
    let ip: Ipv6Addr = host.parse().map_err(|_| invalid())?;
    let port = port
        .map(|port| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() {
                parse_port(port)
            } else {
                Err(invalid())
            }
        })
        .transpose()?;
    Ok(Address { kind: AddressKind::Ipv6, host: full_ipv6(ip), port })
}

/// All eight groups with four digits each, in brackets.
fn full_ipv6(ip: Ipv6Addr) -> String {
    let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:04x}")).collect();
    format!("[{}]", groups.join(":"))
}

fn name(address: &str) -> Result<Address, String> {
    let invalid = || format!("invalid hostname: {address}");
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host, Some(parse_port(port)?))
        }
        _ => (address, None),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // A name that is meant as it stands ends in a dot.
    let labels = host.strip_suffix('.').unwrap_or(host);
    if !host.bytes().all(fits) || labels.split('.').any(|label| label.is_empty() || label.ends_with('-')) {
        return Err(invalid());
    }
    Ok(Address { kind: AddressKind::Name, host: host.to_owned(), port })
}

fn parse_port(digits: &str) -> Result<u16, String> {
    digits.parse().map_err(|_| INVALID_PORT.to_owned())
}

/// An IP address.
///
/// # Errors
/// The message.
pub fn check_ip(value: &Value) -> Result<(), String> {
    let ip = text(value);
    match ip.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("not an ip address: {ip}")),
    }
}

/// An IP address, or one with the length of its network.
///
/// # Errors
/// The message.
pub fn check_ip_or_cidr(value: &Value) -> Result<(), String> {
    let range = text(value);
    let fits = match range.split_once('/') {
        None => range.parse::<IpAddr>().is_ok(),
        Some((ip, bits)) => {
            let most = match ip.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => return Err(format!("invalid ip or cidr range: '{range}'")),
            };
            bits.len() <= 3 && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }
    };
    if fits { Ok(()) } else { Err(format!("invalid ip or cidr range: '{range}'")) }
}
