//! What a user sees: every command against a control plane of canned answers, in one process.

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
mod support;
