//! A request on its way through the gateway.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::headers::Headers;
use engine::message::RequestHead;
use futures_util::future::LocalBoxFuture;
use gateway_model::typed::{Consumer, Protocol, Route, Service};

use super::credential::Authenticated;
use super::node::Node;
use super::outcome::Source;
use crate::directory::Directory;

/// All that is known of a request. Plugins read it and change what goes upstream and what goes back.
pub struct Context {
    /// The node.
    pub node: Arc<Node>,
    /// Consumers and credentials.
    pub directory: Arc<Directory>,
    /// The request's id.
    pub id: RequestId,
    /// The request as it goes upstream. Its target is still the client's: where it goes is [`target`](Self::target).
    /// `Host`, hop-by-hop and forwarding headers are settled later.
    pub request: RequestHead,
    /// Where the request came from.
    pub client: Client,
    /// Where it goes, once it is routed to a service.
    pub target: Target,
    /// The route that matched.
    pub route: Option<Arc<Route>>,
    /// Its service.
    pub service: Option<Arc<Service>>,
    /// Named and numbered groups of the route's regular expression: name (or number from 1), text. If there are any,
    /// the whole match is the one with number 0.
    pub captures: Vec<(Box<str>, Box<str>)>,
    /// Who calls, once a plugin found out.
    pub consumer: Option<Arc<Consumer>>,
    /// With what the caller was authenticated; `None` for the anonymous consumer.
    pub credential: Option<Authenticated>,
    /// Groups that an authentication plugin vouches for, instead of those of the consumer.
    pub groups: Option<Vec<String>>,
    /// Fields for the answer, whichever comes; they replace those of the same name.
    pub response_headers: Headers,
    /// What plugins tell each other by name (`kong.ctx.shared`); absent as long as nobody said anything.
    pub shared: Option<Box<serde_json::Map<String, serde_json::Value>>>,
    /// A body to send upstream instead of the client's.
    pub replaced_body: Option<Vec<u8>>,
    /// How this request is to go another way than the service says; see [`detour_mut`](Self::detour_mut).
    pub detour: Option<Box<Detour>>,
    /// The form of errors in [`Content::Error`](super::Content::Error).
    pub error_format: ErrorFormat,
    /// Who made the answer; known from the header filter on.
    pub source: Source,
    pub(crate) kept: Vec<Box<dyn Any>>,
}

impl Context {
    /// A context of a request that nothing is known of yet.
    pub fn new(
        node: Arc<Node>,
        directory: Arc<Directory>,
        id: RequestId,
        request: RequestHead,
        client: Client,
    ) -> Self {
        Self {
            node,
            directory,
            id,
            request,
            client,
            target: Target::default(),
            route: None,
            service: None,
            captures: Vec::new(),
            consumer: None,
            credential: None,
            groups: None,
            response_headers: Headers::new(),
            shared: None,
            replaced_body: None,
            detour: None,
            error_format: ErrorFormat::default(),
            source: Source::default(),
            kept: Vec::new(),
        }
    }

    /// What is asked for besides what the service says, to ask for more.
    pub fn detour_mut(&mut self) -> &mut Detour {
        self.detour.get_or_insert_default()
    }

    /// The time, Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.node.clock.now().as_millisecond()
    }

    /// Keeps a value of the plugin's for its later phases; replaces one of the same type.
    pub fn keep<T: Any>(&mut self, value: T) {
        match self.kept.iter_mut().find_map(|kept| kept.downcast_mut::<T>()) {
            Some(kept) => *kept = value,
            None => self.kept.push(Box::new(value)),
        }
    }

    /// The kept value of this type.
    pub fn kept<T: Any>(&self) -> Option<&T> {
        self.kept.iter().find_map(|kept| kept.downcast_ref())
    }

    /// The kept value of this type, to be changed.
    pub fn kept_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.kept.iter_mut().find_map(|kept| kept.downcast_mut())
    }

    /// `http` or `https`, as the client used it; a trusted proxy's `X-Forwarded-Proto` counts.
    pub fn forwarded_scheme(&self) -> &str {
        let own = if self.client.tls.is_some() { "https" } else { "http" };
        self.trusted("x-forwarded-proto").unwrap_or(own)
    }

    /// The host the client named, without port; a trusted proxy's `X-Forwarded-Host` counts.
    pub fn forwarded_host(&self) -> &str {
        std::str::from_utf8(self.forwarded_host_bytes()).unwrap_or("")
    }

    pub(crate) fn forwarded_host_bytes(&self) -> &[u8] {
        match self.trusted("x-forwarded-host") {
            Some(host) => host.as_bytes(),
            None => self.request.headers.get("Host").map_or(b"", without_port),
        }
    }

    /// The port the client used; a trusted proxy's `X-Forwarded-Port` counts.
    pub fn forwarded_port(&self) -> u16 {
        self.trusted("x-forwarded-port").and_then(|port| port.parse().ok()).unwrap_or(self.client.local.port())
    }

    fn trusted(&self, name: &str) -> Option<&str> {
        if self.client.trust == Trust::Untrusted {
            return None;
        }
        self.request.headers.get_str(name).filter(|value| !value.is_empty())
    }

    /// The value of the first cookie `name` in the request.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.request.headers.get_all("cookie").filter_map(|line| std::str::from_utf8(line).ok()).find_map(|line| {
            line.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                (key == name).then_some(value)
            })
        })
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("id", &self.id.as_str()).field("route", &self.route).finish_non_exhaustive()
    }
}

/// `example.com:80` and `[::1]:80` as `example.com` and `[::1]`.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(colon) if host[colon] == b':' => &host[..colon],
        _ => host,
    }
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client, which is behind a trusted proxy perhaps.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether the peer's forwarding headers count.
    pub trust: Trust,
    /// `http`, `https`, `grpc` or `grpcs`, as seen on the connection.
    pub protocol: Protocol,
    /// What the TLS handshake came to.
    pub tls: Option<Arc<Tls>>,
}

/// A connection's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The server name the client asked for, lower case.
    pub sni: Option<Box<str>>,
    /// `TLSv1.3`
    pub version: &'static str,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: &'static str,
}

/// 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// The digits of this number.
    pub fn new(number: u128) -> Self {
        let mut digits = [0; 32];
        let halves = [(number >> 64) as u64, number as u64];
        for (digits, half) in digits.chunks_exact_mut(16).zip(halves) {
            digits[..8].copy_from_slice(&eight_digits((half >> 32) as u32));
            digits[8..].copy_from_slice(&eight_digits(half as u32));
        }
        Self(digits)
    }

    /// As ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of ASCII digits")
    }
}

/// The hexadecimal digits of a number, all of them at once.
fn eight_digits(number: u32) -> [u8; 8] {
    // Each half byte into a byte of its own.
    let halves = u64::from(number);
    let halves = (halves | halves << 16) & 0x0000_ffff_0000_ffff;
    let halves = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    let halves = (halves | halves << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // A one for each that is above 9: a letter.
    let letters = (halves + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (halves + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// Whether a peer is among the trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its forwarding headers are taken over.
    Trusted,
    /// They are overwritten.
    Untrusted,
}

/// Where a request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Over TLS.
    pub tls: bool,
    /// Host name, IP address or the name of an upstream; `None` for what the service says.
    pub host: Option<Arc<str>>,
    /// Port.
    pub port: u16,
    /// The path, escaped as it is sent.
    pub path: Vec<u8>,
    /// The query with its `?`, or nothing.
    pub query: Vec<u8>,
    /// The `Host` to send; `None` to send what the route and the service say.
    pub host_header: Option<Box<[u8]>>,
}

/// What a plugin wants of one request that its service does not say.
#[derive(Clone, Debug, Default)]
pub struct Detour {
    /// Tries after the first.
    pub retries: Option<u32>,
    /// For connecting, sending and receiving.
    pub timeouts: Option<[Duration; 3]>,
    /// Whether the upstream's answer waits until all of it is there, for header filters to see its body.
    pub hold_answer: bool,
    /// That body, from the header filter on.
    pub held_body: Option<Arc<[u8]>>,
}

/// Form of error bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorFormat {
    /// `application/json; charset=utf-8`
    #[default]
    Json,
    /// `text/html; charset=utf-8`
    Html,
    /// `application/xml; charset=utf-8`
    Xml,
    /// `text/plain; charset=utf-8`
    Plain,
    /// gRPC status in headers, no body.
    Grpc,
}

/// The client's request body.
pub trait RequestBody {
    /// Reads it to the end, `limit` bytes at most, and keeps it: it still goes upstream unless
    /// [`Context::replaced_body`] is set.
    fn read<'a>(&'a mut self, limit: usize) -> LocalBoxFuture<'a, Result<&'a [u8], BodyError>>;

    /// Its length as announced; `None` when it is chunked or HTTP/2 without length.
    fn announced_length(&self) -> Option<u64>;
}

/// Why a request body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit.
    #[error("the request body is longer than {0} bytes")]
    TooLarge(usize),
    /// The client went away or broke the protocol.
    #[error("the request body could not be read")]
    Broken(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_numbers() {
        for number in [0, 0x9abc_def0_1234_5678_0fa9_5a6b_cdef_0001, u128::MAX] {
            assert_eq!(RequestId::new(number).as_str(), format!("{number:032x}"));
        }
    }
}
