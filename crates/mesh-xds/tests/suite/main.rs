//! What proxies get, from documents in to Envoy's configuration out.

mod golden;
mod properties;
mod world;
