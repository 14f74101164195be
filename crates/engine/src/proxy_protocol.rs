//! The PROXY protocol, versions 1 and 2: what a proxy in front says about the connection it passes on, before the first
//! byte of it.
//!
//! A header is a claim: only listeners that nobody but trusted proxies can reach may read one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1 with its line end, in bytes.
pub const MAX_V1: usize = 107;

/// The longest header of version 2 that is read, in bytes. The protocol allows 64 KiB; addresses take at most 232, and
/// certificates' fields, the usual rest, well below 4 KiB.
pub const MAX_V2: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED: usize = 16;

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedProxy {
    /// Bytes the header took: the connection's own begin here.
    pub consumed: usize,
    /// The addresses, unless the proxy speaks for itself (`LOCAL`) or does not know (`UNKNOWN`, another family): then
    /// those of the connection itself count.
    pub addresses: Option<Addresses>,
}

/// The ends of a connection as the proxy in front saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client's.
    pub source: SocketAddr,
    /// The one the client connected to.
    pub destination: SocketAddr,
}

/// Why a header is refused. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProxyHeader {
    /// The connection begins with something else.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// The line of version 1 is not `PROXY TCP4|TCP6 source destination port port` or `PROXY UNKNOWN`.
    #[error("the PROXY protocol line must be: PROXY, TCP4, TCP6 or UNKNOWN, two addresses and two ports")]
    Line,
    /// A version other than 2 behind the signature of version 2.
    #[error("the PROXY protocol's version must be 1 or 2")]
    Version,
    /// A command other than `LOCAL` and `PROXY`, or an unknown family or transport.
    #[error("the PROXY protocol header has an unknown command, address family or transport")]
    Kind,
    /// The header is shorter than its addresses.
    #[error("the PROXY protocol header is shorter than its addresses")]
    TooShort,
    /// The header is longer than [`MAX_V1`] or [`MAX_V2`].
    #[error("the PROXY protocol header is longer than allowed")]
    TooLong,
}

/// Reads a header from the start of `buf`; `None` as long as it is incomplete.
pub fn parse(buf: &[u8]) -> Result<Option<ParsedProxy>, BadProxyHeader> {
    if buf.starts_with(b"PROXY ") {
        parse_v1(buf)
    } else if buf.starts_with(SIGNATURE) {
        parse_v2(buf)
    } else if SIGNATURE.starts_with(buf) || b"PROXY ".starts_with(buf) {
        Ok(None)
    } else {
        Err(BadProxyHeader::Missing)
    }
}

fn parse_v1(buf: &[u8]) -> Result<Option<ParsedProxy>, BadProxyHeader> {
    let window = &buf[..buf.len().min(MAX_V1)];
    let Some(line_end) = memchr::memchr(b'\n', window) else {
        return if buf.len() >= MAX_V1 { Err(BadProxyHeader::TooLong) } else { Ok(None) };
    };
    let line = window[..line_end].strip_suffix(b"\r").ok_or(BadProxyHeader::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| BadProxyHeader::Line)?;
    let addresses = v1_addresses(line).ok_or(BadProxyHeader::Line)?;
    Ok(Some(ParsedProxy { consumed: line_end + 1, addresses }))
}

/// The addresses of a line, which `UNKNOWN` has none of; `None` if it is malformed.
fn v1_addresses(line: &str) -> Option<Option<Addresses>> {
    let mut words = line.split(' ');
    words.next().filter(|word| *word == "PROXY")?;
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows means nothing.
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Some(Addresses {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

/// A port: digits only, no needless zero.
fn port(word: &str) -> Option<u16> {
    let canonical = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if canonical { word.parse().ok() } else { None }
}

fn parse_v2(buf: &[u8]) -> Result<Option<ParsedProxy>, BadProxyHeader> {
    let Some((fixed, rest)) = buf.split_at_checked(V2_FIXED) else {
        return match buf.get(SIGNATURE.len()) {
            Some(byte) => command(*byte).map(|_| None),
            None => Ok(None),
        };
    };
    let proxied = command(fixed[12])?;
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if V2_FIXED + length > MAX_V2 {
        return Err(BadProxyHeader::TooLong);
    }
    let (family, transport) = (fixed[13] >> 4, fixed[13] & 15);
    if family > 3 || transport > 2 {
        return Err(BadProxyHeader::Kind);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    // What follows the addresses (TLVs) is of no interest.
    let addresses = match family {
        1 if proxied => {
            let block = block.first_chunk::<12>().ok_or(BadProxyHeader::TooShort)?;
            let [s0, s1, s2, s3, d0, d1, d2, d3, ports @ ..] = *block;
            Some((IpAddr::from([s0, s1, s2, s3]), IpAddr::from([d0, d1, d2, d3]), ports))
        }
        2 if proxied => {
            let block = block.first_chunk::<36>().ok_or(BadProxyHeader::TooShort)?;
            let (source, rest) = block.split_first_chunk::<16>().expect("36 bytes are more than 16");
            let (destination, rest) = rest.split_first_chunk::<16>().expect("20 bytes are more than 16");
            let ports = *rest.first_chunk::<4>().expect("4 bytes are left");
            Some((IpAddr::from(*source), IpAddr::from(*destination), ports))
        }
        _ => None,
    };
    let addresses = addresses.map(|(source, destination, [s0, s1, d0, d1])| Addresses {
        source: SocketAddr::new(source, u16::from_be_bytes([s0, s1])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([d0, d1])),
    });
    Ok(Some(ParsedProxy { consumed: V2_FIXED + length, addresses }))
}

/// Whether the connection is passed on for somebody: `PROXY` and not `LOCAL`.
fn command(byte: u8) -> Result<bool, BadProxyHeader> {
    match (byte >> 4, byte & 15) {
        (2, 0) => Ok(false),
        (2, 1) => Ok(true),
        (2, _) => Err(BadProxyHeader::Kind),
        _ => Err(BadProxyHeader::Version),
    }
}

#[cfg(test)]
mod tests;
