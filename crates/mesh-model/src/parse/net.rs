//! Addresses, ports and URLs.

use std::net::IpAddr;

use super::reader::Cursor;

/// A port that must be there; 0 stands for one that is not.
pub(super) fn port(field: &Cursor<'_, '_>) -> u16 {
    let mistyped = field.is_present() && field.u32().is_none();
    let port = if mistyped { None } else { field.u32().and_then(|port| u16::try_from(port).ok()) };
    match port {
        Some(port) if port > 0 => port,
        _ if mistyped => 0,
        _ => {
            field.problem("port must be in the range [1, 65535]");
            0
        }
    }
}

/// `host:port`, `[ipv6]:port`.
pub(super) fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty() && !port.is_empty()).then_some((host, port))
}

/// The authority (`host` or `host:port`) of an absolute URL.
pub(super) fn url_authority(url: &str) -> Option<&str> {
    if url.chars().any(|letter| letter.is_control() || letter == ' ') {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    (is_scheme && !authority.is_empty()).then_some(authority)
}

/// Notes what is wrong with the address that something listens on.
pub(super) fn check_address(field: &Cursor<'_, '_>, address: &str) {
    if address == "0.0.0.0" || address == "::" {
        field.problem("must not be 0.0.0.0 or ::");
    }
    if !is_ip(address) && !is_dns_name(address) {
        field.problem("address has to be valid IP address or domain name");
    }
}

pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// A name of the domain name system; underscores are let through, as they occur in practice.
pub(super) fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 253 && text.split('.').all(is_label)
}
