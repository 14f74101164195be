//! Envoy's v3 messages (the subset of `roots.txt`), their descriptors, and the encoded form in which
//! resources travel through the control plane.
//!
//! Messages only: no service stubs, no I/O, so that what builds resources stays pure.

mod encoded;
mod type_url;

pub use encoded::{Resource, Version};
pub use type_url::TypeUrl;

/// What prost made of the descriptors, one module a protobuf package.
#[allow(
    clippy::all,
    clippy::allow_attributes,
    missing_debug_implementations,
    unused_qualifications,
    reason = "generated"
)]
pub mod generated {
    include!(concat!(env!("OUT_DIR"), "/envoy.rs"));
}
pub use generated::{envoy, google, xds};

/// File descriptors of the generated subset (`google.protobuf.FileDescriptorSet`).
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/subset.bin"));

/// File descriptors of every v3 message, for resources that users write themselves. Decoding them
/// costs about 0.2 s: do it once, and only when a type outside [`DESCRIPTORS`] is named.
pub const ALL_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/all.bin"));
