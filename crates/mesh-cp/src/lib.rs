//! The control plane of the mesh as a library: everything behind the ports of `kuma-cp`.

pub mod admin_access;
pub mod api;
mod authorities;
pub mod catalog;
pub mod config;
pub mod control_plane;
pub mod defaults;
pub mod diagnostics;
pub mod dp_server;
mod identity;
pub mod index;
pub mod insight_api;
pub mod insights;
mod instances;
pub mod resources;
pub mod secrets;
mod server_identity;
#[cfg(test)]
mod several;
pub mod tokens;

pub use config::Config;
