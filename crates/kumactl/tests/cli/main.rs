//! What a user sees: every command against a control plane of canned answers, in one process.

#![expect(clippy::unwrap_used, reason = "a test may end there")]

mod apply;
mod config;
mod delete;
mod errors;
mod export;
mod generate;
mod get;
mod help;
mod inspect;
mod manage;
mod schema;
mod support;
