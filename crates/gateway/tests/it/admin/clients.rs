//! Conversations that well-known kinds of clients have with the Admin API, call by call.

mod browser;
mod ingress_controller;
mod reconciler;
