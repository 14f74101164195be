//! What proxies get, from documents in to Envoy's configuration out.

mod admin;
mod golden;
mod properties;
mod world;
