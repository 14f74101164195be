//! Request targets and hosts (RFC 9112, section 3.2).

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
    if !target.iter().all(|byte| TARGET[*byte as usize]) {
        return None;
    }
    match (method, target) {
        (Method::Connect, authority) => has_port(authority).then_some(Target::Plain(authority)),
        (_, [b'/', ..]) => Some(Target::Plain(target)),
        (Method::Options, b"*") => Some(Target::Plain(target)),
        _ => parse_absolute(target),
    }
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
    let (name, port) = split_port(host);
    let port_fits = port.is_none_or(|port| {
        port.len() <= 5
            && port.iter().all(u8::is_ascii_digit)
            && port.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0')) <= 0xffff
    });
    port_fits
        && match name {
            [b'[', address @ .., b']'] => {
                !address.is_empty() && address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.%".contains(byte))
            }
            name => !name.is_empty() && name.iter().all(|byte| HOST[*byte as usize]),
        }
}

/// `host` apart from the port behind its last colon, which is not one inside brackets.
fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if host[at] == b':' => (&host[..at], Some(&host[at + 1..])),
        _ => (host, None),
    }
}

/// Visible characters and bytes above ASCII, which clients send unencoded, but no `#`.
static TARGET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 256 {
        table[byte] = byte != 0x7f && byte != b'#' as usize;
        byte += 1;
    }
    table
};

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
