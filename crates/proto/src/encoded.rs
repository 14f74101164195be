//! A resource, encoded once and shared by every proxy that wants it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::TypeUrl;

/// The version of a resource: the 64-bit XXH3 hash of its encoding, so equal content has equal versions
/// on every instance and after every restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(bytes))
    }

    /// Reads what [`fmt::Display`] wrote (16 hexadecimal digits).
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One named resource in the form it goes over the wire.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The type it is served under.
    pub kind: TypeUrl,
    /// The name it is subscribed by.
    pub name: Arc<str>,
    /// Hash of `value`.
    pub version: Version,
    /// The encoded message (`Any.value`).
    pub value: Bytes,
}

impl Resource {
    /// Encodes `message` as the resource `name`.
    pub fn encode<M: Message>(kind: TypeUrl, name: impl Into<Arc<str>>, message: &M) -> Self {
        let value = Bytes::from(message.encode_to_vec());
        Self { kind, name: name.into(), version: Version::of(&value), value }
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.version == other.version && self.name == other.name
    }
}

impl Eq for Resource {}
