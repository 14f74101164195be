//! What the operator sets for the whole node (`kong.conf`), as far as proxying goes.

use std::net::IpAddr;
use std::time::Duration;

use gateway_router::Flavor;
use ipnet::IpNet;

use crate::pdk::ErrorFormat;

/// Settings of the proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How routes are matched and ranked.
    pub router_flavor: Flavor,
    /// Which headers the gateway adds.
    pub headers: AddedHeaders,
    /// Whether `X-Kong-Request-Id` goes to the upstream.
    pub request_id_upstream: bool,
    /// Whether a request with `Kong-Debug: 1` learns which route and service it met.
    pub allow_debug_header: bool,
    /// Proxies whose forwarding headers count.
    pub trusted_ips: Vec<IpNet>,
    /// The header with the client's address, lower case, or `proxy_protocol`.
    pub real_ip_header: Box<str>,
    /// Whether the last address that is not trusted counts, instead of the last.
    pub real_ip_recursive: bool,
    /// The form of errors for requests that do not say what they accept.
    pub error_default_type: ErrorFormat,
    /// What errors look like, where that is not as usual.
    pub error_templates: ErrorTemplates,
    /// Largest request body; `None` for no limit.
    pub max_body: Option<u64>,
    /// Most tries against upstreams that a service may ask for is 32768; this is what one without number gets.
    pub retries: u32,
    /// Verify upstreams' certificates where the service does not say.
    pub tls_verify: bool,
    /// Authorities for that, PEM, where the service names none.
    pub trusted_certificates: Option<String>,
    /// The certificate and key shown to upstreams that ask for one, PEM, where the service names none.
    pub client_certificate: Option<(String, base::Secret)>,
    /// Idle connections to one upstream address, on each worker.
    pub upstream_idle: usize,
    /// Requests on one upstream connection.
    pub upstream_requests: u64,
    /// How long an upstream connection is kept idle.
    pub upstream_idle_timeout: Duration,
}

/// Headers the gateway adds to answers, see `headers` in `kong.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedHeaders {
    /// `Server` on own answers, and on proxied ones that have none.
    pub server: bool,
    /// `Via` on proxied ones, and towards upstreams.
    pub via: bool,
    /// `X-Kong-Proxy-Latency` on proxied ones.
    pub proxy_latency: bool,
    /// `X-Kong-Upstream-Latency` on proxied ones.
    pub upstream_latency: bool,
    /// `X-Kong-Response-Latency` on own ones.
    pub response_latency: bool,
    /// `X-Kong-Upstream-Status`
    pub upstream_status: bool,
    /// `X-Kong-Request-Id`
    pub request_id: bool,
}

/// Bodies of errors: the first `%s` stands for the message, the second for the request's id, and `%%` for `%`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorTemplates {
    /// `text/html`
    pub html: Option<Box<str>>,
    /// `application/json`
    pub json: Option<Box<str>>,
    /// `text/plain`
    pub plain: Option<Box<str>>,
    /// `application/xml`
    pub xml: Option<Box<str>>,
}

impl AddedHeaders {
    /// Every one.
    pub const ALL: Self = Self {
        server: true,
        via: true,
        proxy_latency: true,
        upstream_latency: true,
        response_latency: true,
        upstream_status: true,
        request_id: true,
    };

    /// None at all.
    pub const NONE: Self = Self {
        server: false,
        via: false,
        proxy_latency: false,
        upstream_latency: false,
        response_latency: false,
        upstream_status: false,
        request_id: false,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            router_flavor: Flavor::TraditionalCompatible,
            headers: AddedHeaders { upstream_status: false, ..AddedHeaders::ALL },
            request_id_upstream: true,
            allow_debug_header: false,
            trusted_ips: Vec::new(),
            real_ip_header: "x-real-ip".into(),
            real_ip_recursive: false,
            error_default_type: ErrorFormat::Plain,
            error_templates: ErrorTemplates::default(),
            max_body: None,
            retries: 5,
            tls_verify: false,
            trusted_certificates: None,
            client_certificate: None,
            upstream_idle: 512,
            upstream_requests: 10_000,
            upstream_idle_timeout: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// Whether a peer's forwarding headers count.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_ips.iter().any(|net| net.contains(&peer))
    }
}
