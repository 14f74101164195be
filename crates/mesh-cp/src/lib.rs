//! The control plane of the mesh as a library: everything behind the ports of `kuma-cp`.

pub mod api;
pub mod catalog;
pub mod config;
mod server_identity;
pub mod insights;
pub mod index;
mod identity;
pub mod dp_server;
pub mod control_plane;
mod authorities;
pub mod defaults;
pub mod insight_api;
pub mod resources;
pub mod secrets;
pub mod tokens;

pub use config::Config;
