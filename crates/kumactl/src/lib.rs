//! The command line of the mesh as a library: everything it reads, writes and asks the time of is passed in,
//! so that its tests see exactly what a user sees.

mod app;
mod cli;
mod client;
mod commands;
mod config_file;
mod document;
mod manifest;
mod output;
mod session;
mod template;

pub use app::{Environment, run};
