//! What requests are served with: immutable, shared by all workers, exchanged as a whole.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::balance::GroupStatus;
use engine::dns::Names;
use engine::tls::Alpn;
use engine::tls::client::{ClientIdentity, Configurations, Settings as TlsSettings, Verify, server_name};
use engine::upstream::{Endpoint, TlsClient};
use gateway_model::typed::{Endpoint as RouteEnd, Protocol, Route, Service};
use gateway_router::path::Handling;
use gateway_router::{Flavor, RouteSpec, Router};

use crate::directory::Directory;
use crate::pdk::{Node, Table, Target};
use crate::plan::{Chain, Instance};
use crate::settings::Settings;
use crate::slots::Places;
use crate::upstreams::UpstreamRuntime;

/// One configuration. A request uses one from its beginning to its end.
#[derive(Clone)]
pub struct Config {
    /// The store's revision it was made of.
    pub revision: u64,
    pub(crate) settings: Arc<Settings>,
    pub(crate) node: Arc<Node>,
    pub(crate) router: Router<RouteRuntime>,
    pub(crate) services: Places<ServiceRuntime>,
    pub(crate) chains: Places<Chain>,
    /// Plugins without scope: what requests meet that no route matches.
    pub(crate) global: Arc<[Arc<Instance>]>,
    /// Those of them that run before routing.
    pub(crate) rewrite: Arc<[Arc<Instance>]>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) upstreams: Table<Arc<str>, Arc<UpstreamRuntime>>,
    pub(crate) has_upstreams: bool,
    pub(crate) names: Arc<Names>,
    pub(crate) tls: Arc<Configurations>,
}

impl Config {
    /// How the targets of the upstream with this name are; `None` if it is not in force.
    pub fn upstream_status(&self, name: &str) -> Option<GroupStatus> {
        self.upstreams.get(name).map(|upstream| upstream.status())
    }

    /// All upstreams by name, in no order, and how their targets are.
    pub fn upstreams(&self) -> impl Iterator<Item = (&str, GroupStatus)> {
        self.upstreams.iter().map(|(name, upstream)| (&**name, upstream.status()))
    }

    pub(crate) fn upstream_named(&self, host: &str) -> Option<&Arc<UpstreamRuntime>> {
        if self.has_upstreams { self.upstreams.get(host) } else { None }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// A route as requests need it.
#[derive(Debug)]
pub(crate) struct RouteRuntime {
    pub(crate) document: Arc<Route>,
    /// Place of its service.
    pub(crate) service: Option<usize>,
    /// Place of its chain.
    pub(crate) chain: usize,
    /// Answers plain HTTP with this status instead of serving it.
    pub(crate) https_only: Option<u16>,
    /// Which kinds of gRPC it serves, if it serves no plain HTTP.
    pub(crate) grpc: Option<Grpc>,
    /// How its service's path and the request's are put together.
    pub(crate) handling: Handling,
    /// Whether HTTP requests can match it at all.
    pub(crate) is_http: bool,
}

/// Which kinds of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grpc {
    /// Only over TLS.
    pub(crate) tls_only: bool,
}

impl RouteRuntime {
    pub(crate) fn new(document: Arc<Route>, service: Option<usize>, chain: usize, flavor: Flavor) -> Self {
        let has = |protocol| document.protocols.contains(&protocol);
        let https_only =
            (has(Protocol::Https) && !has(Protocol::Http)).then(|| document.https_redirect_status_code.unwrap_or(426));
        let grpc = (has(Protocol::Grpc) || has(Protocol::Grpcs)).then(|| Grpc { tls_only: !has(Protocol::Grpc) });
        let grpc = grpc.filter(|_| !has(Protocol::Http) && !has(Protocol::Https));
        let v1 = flavor == Flavor::Traditional && document.path_handling.as_deref() == Some("v1");
        let is_http = document
            .protocols
            .iter()
            .any(|of| matches!(of, Protocol::Http | Protocol::Https | Protocol::Grpc | Protocol::Grpcs));
        let handling = if v1 { Handling::V1 } else { Handling::V0 };
        Self { https_only, grpc, handling, is_http, document, service, chain }
    }

    /// What the router needs to know.
    pub(crate) fn spec(&self) -> RouteSpec {
        let route = &*self.document;
        let ends = |ends: &[RouteEnd]| ends.iter().map(|end| (end.ip.clone(), end.port)).collect();
        RouteSpec {
            id: Arc::clone(&route.id),
            created_at: route.created_at.unwrap_or(0.0),
            methods: route.methods.to_vec(),
            hosts: route.hosts.to_vec(),
            paths: route.paths.clone(),
            headers: route.headers.iter().map(|(name, values)| (Arc::clone(name), values.clone())).collect(),
            snis: route.snis.to_vec(),
            sources: ends(&route.sources),
            destinations: ends(&route.destinations),
            regex_priority: route.regex_priority.unwrap_or(0),
            expression: route.expression.clone(),
            priority: route.priority.unwrap_or(0),
            only_tls: self.only_tls(),
        }
    }

    /// A route of one of the two schemes only; one for TLS alone is matched without, to tell the client.
    fn only_tls(&self) -> Option<bool> {
        let protocols = &self.document.protocols;
        if matches!(protocols.as_slice(), [Protocol::Https]) {
            return None;
        }
        let plain = protocols.iter().any(|protocol| matches!(protocol, Protocol::Http | Protocol::Grpc));
        let tls = protocols.iter().any(|protocol| matches!(protocol, Protocol::Https | Protocol::Grpcs));
        (plain != tls).then_some(tls)
    }
}

/// A service as requests need it.
#[derive(Debug)]
pub(crate) struct ServiceRuntime {
    pub(crate) document: Arc<Service>,
    /// The connection to it is over TLS.
    pub(crate) tls: bool,
    /// It speaks gRPC, thus HTTP/2.
    pub(crate) grpc: bool,
    /// `Host` as it is sent: with the port unless it is the scheme's usual one.
    pub(crate) authority: Box<[u8]>,
    /// `path`, or `/`.
    pub(crate) path: Box<[u8]>,
    pub(crate) retries: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) read_timeout: Duration,
    /// How it is spoken to over TLS, but for what an upstream or a target adds.
    tls_settings: TlsSettings,
    /// Where it is, if its host is an address and no name, or why that cannot be spoken to.
    fixed: Option<Result<Endpoint, String>>,
}

impl ServiceRuntime {
    pub(crate) fn new(document: &Arc<Service>, settings: &Settings, tls: TlsSettings, made: &Configurations) -> Self {
        let milliseconds = |value: Option<u64>| Duration::from_millis(value.unwrap_or(60_000));
        let is_tls = matches!(document.protocol, Protocol::Https | Protocol::Grpcs | Protocol::Tls);
        let grpc = matches!(document.protocol, Protocol::Grpc | Protocol::Grpcs);
        let fixed = engine::dns::literal(&document.host).map(|ip: IpAddr| {
            let client = is_tls.then(|| tls_client(&tls, document.host.as_bytes(), made)).transpose()?;
            Ok(Endpoint::new(SocketAddr::new(ip, document.port), client, grpc))
        });
        Self {
            tls: is_tls,
            grpc,
            authority: authority(&document.host, document.port, is_tls),
            path: document.path.as_deref().unwrap_or("/").as_bytes().into(),
            retries: document.retries.unwrap_or(settings.retries),
            connect_timeout: milliseconds(document.connect_timeout),
            write_timeout: milliseconds(document.write_timeout),
            read_timeout: milliseconds(document.read_timeout),
            document: Arc::clone(document),
            tls_settings: tls,
            fixed,
        }
    }

    /// The endpoint of a service whose host is an address, unless a plugin has sent the request elsewhere.
    pub(crate) fn fixed_endpoint(&self, target: &Target) -> Result<Option<Endpoint>, String> {
        let unchanged = target.port == self.document.port
            && target.tls == self.tls
            && target.host.as_ref().is_none_or(|host| *host == self.document.host);
        match &self.fixed {
            Some(fixed) if unchanged => fixed.clone().map(Some),
            _ => Ok(None),
        }
    }

    /// How TLS is spoken towards `host`, as it is sent in `Host`; `None` for a service without TLS.
    pub(crate) fn tls_towards(
        &self,
        host: &[u8],
        identity: Option<&ClientIdentity>,
        made: &Configurations,
    ) -> Result<Option<TlsClient>, String> {
        if !self.tls {
            return Ok(None);
        }
        match identity {
            // The service's own certificate goes before its upstream's.
            Some(identity) if self.document.client_certificate.is_none() => {
                let settings = TlsSettings { identity: Some(identity.clone()), ..self.tls_settings.clone() };
                tls_client(&settings, host, made).map(Some)
            }
            _ => tls_client(&self.tls_settings, host, made).map(Some),
        }
    }
}

fn tls_client(settings: &TlsSettings, host: &[u8], made: &Configurations) -> Result<TlsClient, String> {
    let host = String::from_utf8_lossy(host);
    let name = server_name(without_port(&host)).map_err(|error| error.to_string())?;
    let config = made.get(settings).map_err(|error| error.to_string())?;
    // Equal settings share one configuration, so that its address stands for them.
    let identity = (Arc::as_ptr(&config) as usize as u64).rotate_left(17)
        ^ u64::from(engine::balance::hash(without_port(&host).as_bytes()));
    Ok(TlsClient { config, name, identity })
}

/// The TLS settings of a service, with the documents it refers to. `trusted` is what it is verified with when it names
/// no authorities; all services share that text, which is long.
pub(crate) fn tls_settings(
    document: &Service,
    settings: &Settings,
    identity: Option<ClientIdentity>,
    authorities: Option<String>,
    trusted: &Arc<str>,
) -> TlsSettings {
    let verify = document.tls_verify.unwrap_or(settings.tls_verify);
    let default_identity = settings.client_certificate.as_ref();
    TlsSettings {
        verify: if verify {
            Verify::On {
                authorities: authorities.map_or_else(|| Arc::clone(trusted), Arc::from),
                depth: document.tls_verify_depth.unwrap_or(1) as usize,
            }
        } else {
            Verify::Off
        },
        identity: identity.or_else(|| {
            default_identity
                .map(|(certificate, key)| ClientIdentity { certificate: certificate.as_str().into(), key: key.clone() })
        }),
        alpn: if document.protocol == Protocol::Grpcs { Alpn::Http2 } else { Alpn::Http1 },
    }
}

/// `host`, or `host:port` where the port is not the scheme's usual one.
pub(crate) fn authority(host: &str, port: u16, tls: bool) -> Box<[u8]> {
    if port == if tls { 443 } else { 80 } {
        host.as_bytes().into()
    } else {
        format!("{host}:{port}").into_bytes().into()
    }
}

pub(crate) fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') && !host[..colon].contains(':') => &host[..colon],
        Some(colon) if host.starts_with('[') && host[..colon].ends_with(']') => &host[..colon],
        _ => host,
    }
}
