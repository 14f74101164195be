//! Request targets and hosts (RFC 9112, section 3.2).

use super::scan;
use crate::message::Method;

/// What a request target consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A path with an optional query, or what else stands alone: `*`, the authority of a CONNECT.
    Plain(&'a [u8]),
    /// An absolute URI.
    Absolute {
        authority: &'a [u8],
        /// Path and query as they stood: may lack the path.
        path: &'a [u8],
    },
}

/// Takes a target apart; `None` if it has none of the forms.
pub(super) fn parse_target<'a>(method: &Method, target: &'a [u8]) -> Option<Target<'a>> {
    if scan::target(target) < target.len() {
        return None;
    }
    match (method, target) {
        (Method::Connect, authority) => has_port(authority).then_some(Target::Plain(authority)),
        (_, [b'/', ..]) => Some(Target::Plain(target)),
        (Method::Options, b"*") => Some(Target::Plain(target)),
        _ => parse_absolute(target),
    }
}

/// How long the path with its query at the start of `bytes` is; `None` if there is none, or nothing ends it.
pub(super) fn path_length(bytes: &[u8]) -> Option<usize> {
    let end = scan::target(bytes);
    (bytes.starts_with(b"/") && end < bytes.len()).then_some(end)
}

fn parse_absolute(target: &[u8]) -> Option<Target<'_>> {
    let rest = strip_scheme(target, b"http://").or_else(|| strip_scheme(target, b"https://"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    is_host(authority).then_some(Target::Absolute { authority, path })
}

fn strip_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn has_port(authority: &[u8]) -> bool {
    is_host(authority) && authority.last().is_some_and(u8::is_ascii_digit) && split_port(authority).1.is_some()
}

/// Whether `host` is a host name or address with an optional port, without user information.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().position(|byte| !HOST[*byte as usize]) {
        None => (host, None),
        Some(0) => return is_bracketed(host),
        Some(end) if host[end] == b':' => (&host[..end], Some(&host[end + 1..])),
        Some(_) => return false,
    };
    !name.is_empty() && port.is_none_or(is_port)
}

/// An address of IPv6 with an optional port.
fn is_bracketed(host: &[u8]) -> bool {
    let (name, port) = split_port(host);
    let [b'[', address @ .., b']'] = name else { return false };
    !address.is_empty()
        && address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.%".contains(byte))
        && port.is_none_or(is_port)
}

fn is_port(port: &[u8]) -> bool {
    let add = |number: u32, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'));
    port.len() <= 5 && port.iter().try_fold(0, add).is_some_and(|number| number <= 0xffff)
}

/// `host` apart from the port behind its last colon, which is not one inside brackets.
fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if host[at] == b':' => (&host[..at], Some(&host[at + 1..])),
        _ => (host, None),
    }
}

/// Letters, digits and what else RFC 3986 has in a registered name.
static HOST: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"-._~%!$&'()*+,;=";
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};
