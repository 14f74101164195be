//! Asking name servers for one name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as NetDnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Resolver, TokioResolver};
use smallvec::SmallVec;

use super::hosts::read_or_empty;
use super::{Answer, DnsError, Endpoint, Record, Settings, SetupError, literal};

/// Hosts of one SRV answer that are looked up.
const SRV_LIMIT: usize = 256;

/// A resolver without a cache of its own.
pub(super) struct Client {
    resolver: TokioResolver,
    order: Vec<Record>,
    /// Appended to names that do not exist, or first of all to names with fewer dots than `dots`.
    search: Vec<Name>,
    dots: usize,
}

/// An answer and how long it holds.
pub(super) type Found = Result<(Answer, Record, Duration), DnsError>;

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, SetupError> {
        let failed = |error| SetupError::Resolver(Box::new(error));
        let mut text = read_or_empty(&settings.resolv_conf)?.to_string();
        if !text.lines().any(|line| line.trim_start().starts_with("nameserver")) {
            // A file that names no server means the machine itself, as everything that reads it has it.
            text.push_str("\nnameserver 127.0.0.1\n");
        }
        let (mut config, mut options) = parse_resolv_conf(text.as_bytes()).map_err(failed)?;
        let (domain, search, servers) = config.into_parts();
        let servers = match &*settings.servers {
            [] => servers,
            own => own.iter().map(|&address| server(address)).collect(),
        };
        // The search list is gone through here: the resolver would tell the failure of the last name, not the worst.
        config = ResolverConfig::from_name_servers(servers);
        let search = if search.is_empty() { domain.into_iter().collect() } else { search };
        let dots = options.ndots;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let order = settings.order.clone();
        Ok(Self { resolver: builder.build().map_err(failed)?, order, search, dots })
    }

    /// Asks for the types in order, until one has an answer.
    pub(super) async fn resolve(&self, host: &str, last: Option<Record>) -> Found {
        let names = self.candidates(host)?;
        let mut asked: SmallVec<[Record; 4]> = SmallVec::new();
        let mut error = None;
        for &record in &self.order {
            let record = match record {
                Record::Last => match last {
                    Some(last) => last,
                    None => continue,
                },
                Record::Cname => Record::A,
                other => other,
            };
            if asked.contains(&record) {
                continue;
            }
            asked.push(record);
            match self.search(&names, record).await {
                Ok((answer, ttl)) => return Ok((answer, record, ttl)),
                Err(found) => error = Some(worse(error, found)),
            }
        }
        Err(error.unwrap_or(DnsError::Empty))
    }

    /// The full names that the host may mean, in the order they are tried.
    fn candidates(&self, host: &str) -> Result<Vec<Name>, DnsError> {
        let mut name = Name::from_str(host).map_err(|_| DnsError::Invalid)?;
        let mut names: Vec<Name> =
            self.search.iter().filter_map(|suffix| name.clone().append_domain(suffix).ok()).collect();
        name.set_fqdn(true);
        let first = host.bytes().filter(|&b| b == b'.').count() >= self.dots;
        names.insert(if first { 0 } else { names.len() }, name);
        Ok(names)
    }

    /// The first of the names that exists.
    async fn search(&self, names: &[Name], record: Record) -> Result<(Answer, Duration), DnsError> {
        for name in names {
            match self.ask(name, record).await {
                Err(DnsError::NotFound) => {}
                result => return result,
            }
        }
        Err(DnsError::NotFound)
    }

    async fn ask(&self, name: &Name, record: Record) -> Result<(Answer, Duration), DnsError> {
        let kind = match record {
            Record::Srv => RecordType::SRV,
            Record::Aaaa => RecordType::AAAA,
            Record::A | Record::Last | Record::Cname => RecordType::A,
        };
        let lookup = self.resolver.lookup(name.clone(), kind).await.map_err(|error| translate(&error))?;
        let ttl = lookup.answers().iter().map(|r| r.ttl).min().unwrap_or(0);
        let endpoints = if record == Record::Srv {
            self.hosts(
                lookup.answers().iter().filter_map(|r| if let RData::SRV(srv) = &r.data { Some(srv) } else { None }),
            )
            .await
        } else {
            lookup.answers().iter().filter_map(|r| ip(&r.data)).map(Endpoint::of).collect()
        };
        if endpoints.is_empty() {
            return Err(DnsError::Empty);
        }
        Ok((Answer { record: record.as_str(), endpoints }, Duration::from_secs(ttl.into())))
    }

    /// The records of the best priority, with the addresses of their hosts.
    async fn hosts(&self, records: impl Iterator<Item = &SRV>) -> Vec<Endpoint> {
        let mut tiers: BTreeMap<u16, Vec<&SRV>> = BTreeMap::new();
        for record in records {
            tiers.entry(record.priority).or_default().push(record);
        }
        let best = tiers.into_values().next().unwrap_or_default();
        join_all(best.into_iter().take(SRV_LIMIT).map(|record| self.host(record))).await
    }

    async fn host(&self, record: &SRV) -> Endpoint {
        let text = record.target.to_ascii();
        let text = text.trim_end_matches('.');
        let mut ips = SmallVec::new();
        if let Some(ip) = literal(text) {
            ips.push(ip);
        } else {
            for kind in [RecordType::A, RecordType::AAAA] {
                let wanted = kind == RecordType::A || (ips.is_empty() && self.order.contains(&Record::Aaaa));
                if let (true, Ok(lookup)) = (wanted, self.resolver.lookup(record.target.clone(), kind).await) {
                    ips.extend(lookup.answers().iter().filter_map(|r| ip(&r.data)));
                }
            }
        }
        Endpoint {
            name: text.into(),
            ips,
            port: Some(record.port).filter(|&p| p != 0),
            weight: Some(u32::from(record.weight).max(1)),
        }
    }
}

fn server(address: std::net::SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn ip(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

fn translate(error: &NetError) -> DnsError {
    match error {
        NetError::Timeout => DnsError::Timeout,
        NetError::Dns(NetDnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => DnsError::NotFound,
            ResponseCode::NoError => DnsError::Empty,
            code => DnsError::Server(code_text(code)),
        },
        NetError::Dns(NetDnsError::ResponseCode(code)) => DnsError::Server(code_text(*code)),
        other => DnsError::Server(other.to_string().into()),
    }
}

fn code_text(code: ResponseCode) -> std::sync::Arc<str> {
    let word = match code {
        ResponseCode::FormErr => "format error",
        ResponseCode::ServFail => "server failure",
        ResponseCode::NotImp => "not implemented",
        ResponseCode::Refused => "refused",
        _ => "unknown",
    };
    format!("{} {word}", u16::from(code)).into()
}

/// Of the failures of several types the one to tell: what may be otherwise next time goes before what is certain.
fn worse(old: Option<DnsError>, new: DnsError) -> DnsError {
    let rank = |error: &DnsError| match error {
        DnsError::Timeout | DnsError::Server(_) | DnsError::Overloaded => 2,
        DnsError::Empty => 1,
        DnsError::NotFound | DnsError::Invalid => 0,
    };
    match old {
        Some(old) if rank(&old) > rank(&new) => old,
        _ => new,
    }
}
