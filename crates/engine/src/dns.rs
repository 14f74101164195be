//! Names into addresses: a cache in front of a resolver, read without a lock by everything that handles requests.
//!
//! [`Names`] is asked from any thread; the resolving itself is done by [`Service::run`] on the main runtime. A name
//! that is known costs a look at a snapshot. One that is not is asked for once, however many wait for it. An answer
//! whose time is up is still given while a new one is fetched. [`Names::subscribe`] keeps a name fresh and tells of
//! new addresses, so that what depends on them is rebuilt by event and not per request.

mod hosts;
mod names;
mod resolve;
mod service;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

pub use names::{Names, Subscription};
pub use service::Service;

/// The types of records asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The type that was last successful for the name.
    Last,
    /// Hosts with port, weight and priority.
    Srv,
    /// IPv4.
    A,
    /// IPv6.
    Aaaa,
    /// Another name. Name servers follow it themselves, so this asks for IPv4.
    Cname,
}

impl Record {
    /// The type's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "LAST",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }
}

/// How names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Types in the order they are tried.
    pub order: Vec<Record>,
    /// Name servers. None: those of `resolv_conf`.
    pub servers: Vec<SocketAddr>,
    /// Where name servers, search list and options are from; a missing file counts as empty.
    pub resolv_conf: PathBuf,
    /// Names that are never asked for; a missing file counts as empty.
    pub hosts: PathBuf,
    /// Instead of the answers' own times to live.
    pub valid_ttl: Option<Duration>,
    /// How long an answer may be given beyond its time.
    pub stale_ttl: Duration,
    /// How long a name that does not exist is remembered.
    pub not_found_ttl: Duration,
    /// How long any other failure is remembered.
    pub error_ttl: Duration,
    /// Names kept at most.
    pub cache_size: usize,
    /// Between attempts for a subscribed name that cannot be resolved.
    pub retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            order: vec![Record::Last, Record::Srv, Record::A, Record::Cname],
            servers: Vec::new(),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            hosts: PathBuf::from("/etc/hosts"),
            valid_ttl: None,
            stale_ttl: Duration::from_secs(3600),
            not_found_ttl: Duration::from_secs(30),
            error_ttl: Duration::from_secs(1),
            cache_size: 10_000,
            retry: Duration::from_secs(30),
        }
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The type of the records: `A`, `AAAA` or `SRV`.
    pub record: &'static str,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address as text (IPv6 in brackets), or the host an SRV record names.
    pub name: Arc<str>,
    /// Its addresses: one, or those of the SRV record's host (none if it has none).
    pub ips: SmallVec<[IpAddr; 1]>,
    /// The port of an SRV record.
    pub port: Option<u16>,
    /// The weight of an SRV record, at least 1.
    pub weight: Option<u32>,
}

impl Endpoint {
    /// That of an address.
    pub fn of(ip: IpAddr) -> Self {
        let name = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        Self { name: name.into(), ips: [ip].into_iter().collect(), port: None, weight: None }
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// There is no such name.
    #[error("dns server error: 3 name error")]
    NotFound,
    /// There is such a name, without a record of use.
    #[error("dns client error: 101 empty record received")]
    Empty,
    /// No name server answered in time.
    #[error("dns client error: timeout")]
    Timeout,
    /// A name server refused or failed.
    #[error("dns server error: {0}")]
    Server(Arc<str>),
    /// The text cannot be a host name.
    #[error("dns client error: 102 invalid name, bad IPv4 or bad IPv6 address")]
    Invalid,
    /// Too many names wait for an answer, or the service has ended.
    #[error("dns client error: the resolver is overloaded")]
    Overloaded,
}

impl DnsError {
    /// Whether the name servers said that there is nothing, which the client is told as `name resolution failed`.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound | Self::Empty | Self::Invalid)
    }
}

/// Why the resolver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file that is there cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// The resolver refuses the settings.
    #[error("cannot set up the resolver of names: {0}")]
    Resolver(Box<hickory_resolver::net::NetError>),
}

/// An address needs no look-up; brackets round an IPv6 address are allowed.
pub fn literal(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.map_or_else(|| host.parse().ok(), |inner| inner.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6))
}

#[cfg(test)]
mod tests;
