//! A node of the gateway as a library: its documents in a store, the Admin API, declarative configuration, the
//! settings and how everything is put together.

pub mod admin;
pub mod conf;
pub mod dao;
mod database;
pub mod declarative;
pub mod node;
pub mod offline;
mod pace;

pub use database::Unprepared;

/// The version whose interfaces this gateway has; clients decide by it what they may ask for.
pub const COMPATIBLE_VERSION: &str = "3.9.3";
