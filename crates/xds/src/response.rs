//! Discovery responses and their encoding.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use proto::{Resource, TypeUrl, Version};
use xxhash_rust::xxh3::Xxh3;

/// Which of the two protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// `DeltaAggregatedResources`: changes only.
    Delta,
    /// `StreamAggregatedResources`: clusters and listeners always in full.
    Sotw,
}

/// One response, before it is encoded.
///
/// Its nonce is a hash of its content, so equal responses to many streams are one sequence of bytes.
#[derive(Clone, Debug)]
pub struct Response {
    /// The protocol it is encoded for.
    pub variant: Variant,
    /// The type it carries.
    pub kind: TypeUrl,
    /// Hash of the type and of all names and versions below.
    pub nonce: Version,
    /// By name, each once.
    pub resources: Vec<Arc<Resource>>,
    /// Names that are no more, sorted; always empty in the state-of-the-world protocol.
    pub removed: Vec<Arc<str>>,
}

impl Response {
    /// Sorts the content, and drops what is in it twice.
    pub(crate) fn new(
        variant: Variant,
        kind: TypeUrl,
        mut resources: Vec<Arc<Resource>>,
        mut removed: Vec<Arc<str>>,
    ) -> Self {
        if !resources.is_sorted_by(|a, b| a.name < b.name) {
            resources.sort_by(|a, b| a.name.cmp(&b.name));
            resources.dedup_by(|later, earlier| later.name == earlier.name);
        }
        removed.sort_unstable();
        removed.dedup();
        let nonce = content_hash(kind, &resources, &removed);
        Self { variant, kind, nonce, resources, removed }
    }

    /// Whether the two say the same in the same protocol.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.variant == other.variant
            && self.kind == other.kind
            && self.removed == other.removed
            && self.resources.len() == other.resources.len()
            && self.resources.iter().zip(&other.resources).all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
    }

    /// Length of the encoded message in bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        let resources: usize = self.resources.iter().map(|r| delimited(RESOURCES, self.resource_len(r))).sum();
        let removed: usize = self.removed.iter().map(|name| delimited(REMOVED, name.len())).sum();
        delimited(VERSION, VERSION_LEN)
            + resources
            + delimited(TYPE_URL, self.kind.as_str().len())
            + removed
            + delimited(NONCE, VERSION_LEN)
    }

    /// Appends everything but the resources.
    pub(crate) fn encode_head(&self, out: &mut BytesMut) {
        let version = hex(self.nonce);
        put_bytes(VERSION, &version, out);
        put_bytes(TYPE_URL, self.kind.as_str().as_bytes(), out);
        for name in &self.removed {
            put_bytes(REMOVED, name.as_bytes(), out);
        }
        put_bytes(NONCE, &version, out);
    }

    /// Appends one of the resources.
    pub(crate) fn encode_resource(&self, resource: &Resource, out: &mut BytesMut) {
        put_head(RESOURCES, self.resource_len(resource), out);
        match self.variant {
            Variant::Sotw => put_any(resource, out),
            Variant::Delta => {
                put_bytes(delta_resource::VERSION, &hex(resource.version), out);
                put_head(delta_resource::RESOURCE, any_len(resource), out);
                put_any(resource, out);
                put_bytes(delta_resource::NAME, resource.name.as_bytes(), out);
            }
        }
    }

    fn resource_len(&self, resource: &Resource) -> usize {
        match self.variant {
            Variant::Sotw => any_len(resource),
            Variant::Delta => {
                delimited(delta_resource::VERSION, VERSION_LEN)
                    + delimited(delta_resource::RESOURCE, any_len(resource))
                    + delimited(delta_resource::NAME, resource.name.len())
            }
        }
    }
}

// Field numbers that `DiscoveryResponse` and `DeltaDiscoveryResponse` have in common.
const VERSION: u32 = 1;
const RESOURCES: u32 = 2;
const TYPE_URL: u32 = 4;
const NONCE: u32 = 5;
/// `DeltaDiscoveryResponse` only.
const REMOVED: u32 = 6;

/// Field numbers of `envoy.service.discovery.v3.Resource`.
mod delta_resource {
    pub(super) const VERSION: u32 = 1;
    pub(super) const RESOURCE: u32 = 2;
    pub(super) const NAME: u32 = 3;
}

/// Field numbers of `google.protobuf.Any`.
mod any {
    pub(super) const TYPE_URL: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

/// A version is written as so many hexadecimal digits.
const VERSION_LEN: usize = 16;

fn content_hash(kind: TypeUrl, resources: &[Arc<Resource>], removed: &[Arc<str>]) -> Version {
    let mut hasher = Xxh3::new();
    hasher.update(&[kind as u8]);
    for resource in resources {
        hasher.update(&(resource.name.len() as u64).to_le_bytes());
        hasher.update(resource.name.as_bytes());
        hasher.update(&resource.version.0.to_le_bytes());
    }
    hasher.update(&u64::MAX.to_le_bytes());
    for name in removed {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    Version(hasher.digest())
}

/// The text of [`Version`]'s `Display`, without the formatter: this runs once a resource and response.
fn hex(version: Version) -> [u8; VERSION_LEN] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; VERSION_LEN];
    for (index, digit) in out.iter_mut().enumerate() {
        *digit = DIGITS[(version.0 >> (60 - 4 * index)) as usize & 0xf];
    }
    out
}

fn any_len(resource: &Resource) -> usize {
    delimited(any::TYPE_URL, resource.kind.as_str().len()) + delimited(any::VALUE, resource.value.len())
}

fn put_any(resource: &Resource, out: &mut BytesMut) {
    put_bytes(any::TYPE_URL, resource.kind.as_str().as_bytes(), out);
    put_bytes(any::VALUE, &resource.value, out);
}

fn put_bytes(field: u32, bytes: &[u8], out: &mut BytesMut) {
    put_head(field, bytes.len(), out);
    out.put_slice(bytes);
}

fn put_head(field: u32, len: usize, out: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

/// Length of a length-delimited field with its head.
fn delimited(field: u32, len: usize) -> usize {
    key_len(field) + encoded_len_varint(len as u64) + len
}

#[cfg(test)]
mod tests;
