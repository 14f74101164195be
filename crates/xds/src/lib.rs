//! The aggregated discovery protocol: delta and state of the world, as a state machine without I/O
//! ([`delta`], [`sotw`]), and its transport over HTTP/2 ([`server`]). It knows names, versions and bytes,
//! and nothing of what a resource means.

pub mod view;

pub use view::{TypeSet, View};
