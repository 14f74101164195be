//! A node of the gateway as a library: its documents in a store, the Admin API, declarative configuration, the
//! settings and how everything is put together.

pub mod admin;
pub mod dao;
pub mod declarative;

/// The version whose interfaces this gateway has; clients decide by it what they may ask for.
pub const COMPATIBLE_VERSION: &str = "3.9.3";
