//! The mesh's resources: their kinds, their canonical form, every dialect they are read from, their
//! validation, and how policies match.
//!
//! Pure: no I/O, no clock, no async runtime. A resource is stored and answered in the words it was
//! written in ([`Resource::body`]); everything that computes works on the canonical [`Spec`].

pub mod context;
pub mod dataplane;
pub mod document;
pub mod kind;
pub mod matching;
pub mod mesh;
pub mod parse;
pub mod policy;
pub mod resource;
pub mod tags;

pub use context::MeshContext;
pub use dataplane::Dataplane;
pub use document::Draft;
pub use kind::{KINDS, Kind, Scope};
pub use mesh::Mesh;
pub use parse::parse;
pub use resource::{Meta, Resource, Spec};
pub use tags::{PROTOCOL, Protocol, SERVICE, Tags, ZONE};
