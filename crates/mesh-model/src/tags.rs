//! Tags: what a proxy says of itself and what policies select by.

use std::fmt;

/// The tag that names a service.
pub const SERVICE: &str = "kuma.io/service";
/// The tag that names the application protocol of an inbound.
pub const PROTOCOL: &str = "kuma.io/protocol";
/// The tag that names the zone of an inbound.
pub const ZONE: &str = "kuma.io/zone";

/// Tags in canonical form: older dialects' `service` and `protocol` are spelled [`SERVICE`] and
/// [`PROTOCOL`]. Sorted by key, because names and hashes are made of them.
///
/// A sorted list: nearly all have one to five entries, and a proxy that consumes hundreds of services holds
/// hundreds of them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tags(Vec<(String, String)>);

impl Tags {
    /// Without any tag.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| held.as_str().cmp(key))
    }

    /// The value of a tag.
    pub fn get(&self, key: &str) -> Option<&String> {
        self.position(key).ok().map(|index| &self.0[index].1)
    }

    /// Whether there is such a tag.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_ok()
    }

    /// Sets a tag; returns its former value.
    pub fn insert(&mut self, key: String, value: String) -> Option<String> {
        match self.position(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, value)),
            Err(index) => {
                self.0.reserve_exact(1);
                self.0.insert(index, (key, value));
                None
            }
        }
    }

    /// Removes a tag; returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.position(key).ok().map(|index| self.0.remove(index).1)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// Keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(key, _)| key)
    }

    /// Values, by key.
    pub fn values(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of several values of one key the last stays.
impl FromIterator<(String, String)> for Tags {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut tags = Self::new();
        for (key, value) in pairs {
            tags.insert(key, value);
        }
        tags
    }
}

impl<const N: usize> From<[(String, String); N]> for Tags {
    fn from(pairs: [(String, String); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// Keys and values, by key.
pub type Iter<'a> =
    std::iter::Map<std::slice::Iter<'a, (String, String)>, fn(&'a (String, String)) -> (&'a String, &'a String)>;

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a String, &'a String);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl IntoIterator for Tags {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

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
