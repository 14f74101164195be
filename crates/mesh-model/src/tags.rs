//! Tags: what a proxy says of itself and what policies select by.

use std::collections::BTreeMap;

/// The tag that names a service.
pub const SERVICE: &str = "kuma.io/service";
/// The tag that names the application protocol of an inbound.
pub const PROTOCOL: &str = "kuma.io/protocol";
/// The tag that names the zone of an inbound.
pub const ZONE: &str = "kuma.io/zone";

/// Tags in canonical form: older dialects' `service` and `protocol` are spelled [`SERVICE`] and
/// [`PROTOCOL`]. Sorted, because names and hashes are made of them.
pub type Tags = BTreeMap<String, String>;

/// Application protocol of a service, as the proxies are configured for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// Bytes; also what an absent or unknown protocol means.
    #[default]
    Tcp,
    /// TLS that is passed through.
    Tls,
    /// Kafka; handled as bytes by Envoy builds without the contrib filters.
    Kafka,
    /// HTTP/1.1.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
}

impl Protocol {
    /// Reads the value of a protocol tag; unknown words mean TCP.
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "kafka" => Self::Kafka,
            "tls" => Self::Tls,
            _ => Self::Tcp,
        }
    }

    /// Whether Envoy's HTTP connection manager handles it.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc)
    }

    /// The protocol that all endpoints of a service understand: equal ones stay, HTTP/2 and gRPC meet at
    /// HTTP/2, any two HTTP ones at HTTP, everything else at TCP.
    pub const fn common(self, other: Self) -> Self {
        use Protocol::{Grpc, Http, Http2, Kafka, Tcp, Tls};
        match (self, other) {
            (Http, Http) | (Http, Http2 | Grpc) | (Http2 | Grpc, Http) => Http,
            (Http2, Http2 | Grpc) | (Grpc, Http2) => Http2,
            (Grpc, Grpc) => Grpc,
            (Kafka, Kafka) => Kafka,
            (Tls, Tls) => Tls,
            (Tcp | Tls | Kafka | Http | Http2 | Grpc, _) => Tcp,
        }
    }
}

/// The protocol that tags declare.
pub fn protocol(tags: &Tags) -> Protocol {
    tags.get(PROTOCOL).map_or(Protocol::Tcp, |word| Protocol::parse(word))
}

/// The service that tags name; empty if they name none.
pub fn service(tags: &Tags) -> &str {
    tags.get(SERVICE).map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
