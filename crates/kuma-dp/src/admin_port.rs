//! Which port Envoy's admin interface gets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};

/// The choice an operator made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdminPort {
    /// No admin interface.
    Off,
    /// The first free port of a range; a single port is a range of one.
    FirstOf(RangeInclusive<u16>),
}

impl Default for AdminPort {
    fn default() -> Self {
        Self::FirstOf(30001..=65535)
    }
}

/// Reads `9901`, `30001-65535`, `30001-`, or nothing (or 0) for [`AdminPort::Off`].
pub(crate) fn parse(text: &str) -> Result<AdminPort, String> {
    let expected = || "must be a port, a range of ports such as 30001-65535, or empty".to_owned();
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| expected());
    let text = text.trim();
    if text.is_empty() || text == "0" {
        return Ok(AdminPort::Off);
    }
    let (low, high) = match text.split_once('-') {
        None => (port(text)?, port(text)?),
        Some((low, "")) => (port(low)?, u16::MAX),
        Some((low, high)) => (port(low)?, port(high)?),
    };
    match low {
        0 => Err(expected()),
        _ if low > high => Err(format!("the range {low}-{high} is empty")),
        _ => Ok(AdminPort::FirstOf(low..=high)),
    }
}

/// A port nobody listens on, kept from other launchers of this machine for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) port: u16,
    _lock: UnixDatagram,
}

/// Reserves the first free port. Launchers that start together would all see the same port free, and Envoy binds
/// it much later: a name in the abstract namespace, which is of the same extent as the network's, decides between them.
pub(crate) fn reserve(ports: RangeInclusive<u16>) -> Option<Reservation> {
    ports.into_iter().find_map(|port| {
        let name = UnixAddress::from_abstract_name(format!("kuma-dp/admin/{port}")).ok()?;
        let lock = UnixDatagram::bind_addr(&name).ok()?;
        is_free(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).then_some(Reservation { port, _lock: lock })
    })
}

/// Whether nobody listens on `address` at this moment.
pub(crate) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests;
