//! Checks in code that many schemas share. Each returns the message of what is wrong.

mod address;
mod keys;

use serde_json::Value;

pub use address::{Address, AddressKind, check_ip, check_ip_or_cidr, normalize_address};
pub(crate) use keys::{NO_KEY, certificates_in, is_pair, is_public_key, parse_certificate, private_key, public_key_of};
pub use keys::{check_certificate, check_private_key};

/// The string in `value`; checks run after the type was checked, so anything else passes.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Letters and digits, `.`, `-`, `_`, `~`, and anything that is not ASCII.
///
/// # Errors
/// The message.
pub fn check_utf8_name(value: &Value) -> Result<(), String> {
    let name = text(value);
    let fits = |byte: u8| !byte.is_ascii() || byte.is_ascii_alphanumeric() || b".-_~".contains(&byte);
    if name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("invalid value '{name}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"))
}

/// Printable, without `,` and `/`.
///
/// # Errors
/// The message.
pub fn check_tag(value: &Value) -> Result<(), String> {
    let tag = text(value);
    let fits = |byte: u8| !byte.is_ascii() || ((b' '..=b'~').contains(&byte) && byte != b',' && byte != b'/');
    if tag.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("invalid tag '{tag}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"))
}

/// A host name or an IP address without a port.
///
/// # Errors
/// The message.
pub fn check_host(value: &Value) -> Result<(), String> {
    let host = text(value);
    match normalize_address(host) {
        Ok(Address { port: None, .. }) => Ok(()),
        Ok(_) => Err("must not have a port".to_owned()),
        Err(err) if err == address::INVALID_PORT => Err("must not have a port".to_owned()),
        Err(_) => Err(format!("invalid value: {host}")),
    }
}

/// A host name or an IP address, with a port or without.
///
/// # Errors
/// The message.
pub fn check_host_with_optional_port(value: &Value) -> Result<(), String> {
    normalize_address(text(value)).map(drop)
}

/// As [`check_host_with_optional_port`], where `*` may stand for a label.
///
/// # Errors
/// The message.
pub fn check_wildcard_host(value: &Value) -> Result<(), String> {
    let host = text(value);
    if host.contains('*') {
        return normalize_address(&host.replace('*', "abc")).map(drop);
    }
    normalize_address(host).map(drop)
}

/// A host name without a port.
///
/// # Errors
/// The message.
pub fn check_sni(value: &Value) -> Result<(), String> {
    sni(text(value))
}

/// A host name without a port, whose first or last label may be `*`.
///
/// # Errors
/// The message.
pub fn check_wildcard_sni(value: &Value) -> Result<(), String> {
    let name = text(value);
    let Some(at) = name.find('*') else { return sni(name) };
    if at != 0 && at + 1 != name.len() {
        return Err("wildcard must be leftmost or rightmost character".to_owned());
    }
    if name.matches('*').count() > 1 {
        return Err("only one wildcard must be specified".to_owned());
    }
    sni(&name.replace('*', "wildcard"))
}

fn sni(name: &str) -> Result<(), String> {
    match normalize_address(name) {
        Ok(address) if address.kind != AddressKind::Name => Err("must not be an IP".to_owned()),
        Ok(Address { port: Some(_), .. }) => Err("must not have a port".to_owned()),
        Ok(_) => Ok(()),
        Err(err) if err == address::INVALID_PORT => Err("must not have a port".to_owned()),
        Err(_) => Err(format!("invalid value: {name}")),
    }
}

/// Letters, digits, `_` and `-`.
///
/// # Errors
/// The message.
pub fn check_header_name(value: &Value) -> Result<(), String> {
    let name = text(value);
    if name.is_empty() {
        return Err("no header name provided".to_owned());
    }
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Ok(());
    }
    Err(format!("bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"))
}

/// A name that RFC 6265 lets a cookie have: no blanks, no controls, no separators.
///
/// # Errors
/// The message.
pub fn check_cookie_name(value: &Value) -> Result<(), String> {
    const SEPARATORS: &[u8] = b"()<>@,;:\\\"/?={}[] ";
    let name = text(value);
    if name.is_empty() {
        return Err("no token provided".to_owned());
    }
    if !name.bytes().any(|byte| byte.is_ascii_control() || SEPARATORS.contains(&byte)) {
        return Ok(());
    }
    Err("contains one or more invalid characters. ASCII control characters (0-31;127), space, tab and the characters \
         ()<>@,;:\\\"/?={}[] are not allowed."
        .to_owned())
}

/// The characters a path may have, and well-formed percent escapes.
///
/// # Errors
/// The message.
pub fn check_path(value: &Value) -> Result<(), String> {
    let path = text(value);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(fits) {
        return Err(format!("invalid path: '{path}' (characters outside of the reserved list of RFC 3986 found)"));
    }
    check_escapes(path)
}

/// Whether every `%` in `path` begins an escape.
///
/// # Errors
/// The message.
pub(crate) fn check_escapes(path: &str) -> Result<(), String> {
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|byte| *byte == b'%') {
        let start = at + offset;
        let escape: String = path[start..].chars().take(3).collect();
        let digits = &escape.as_bytes()[1..];
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(format!("invalid url-encoded value: '{escape}'"));
        }
        at = start + 3;
    }
    Ok(())
}

/// A URL with scheme and host.
///
/// # Errors
/// The message.
pub fn check_url(value: &Value) -> Result<(), String> {
    let url = text(value);
    let (scheme, rest) = split_scheme(url);
    let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let host = host.map(|authority| authority.rsplit('@').next().unwrap_or_default());
    if host.is_none_or(str::is_empty) {
        return Err("missing host in url".to_owned());
    }
    if scheme.is_none() {
        return Err("missing scheme in url".to_owned());
    }
    Ok(())
}

/// The scheme of a URL, if it has one, and what follows the colon.
pub(crate) fn split_scheme(url: &str) -> (Option<&str>, &str) {
    let first = url.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    match url.split_once(':') {
        Some((scheme, rest))
            if first && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) =>
        {
            (Some(scheme), rest)
        }
        _ => (None, url),
    }
}
