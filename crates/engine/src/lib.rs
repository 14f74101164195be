//! What any HTTP proxy needs, and no meaning of its own: message heads, codecs, connections, workers, TLS, pools,
//! forwarding, balancing, health checks and name resolution.
//!
//! Everything that runs on a worker is thread-local (`!Send`): a worker is one single-threaded runtime with its own
//! listeners (`SO_REUSEPORT`), buffers and upstream connections, and shares nothing with the others but the
//! configuration it loads once per request.

pub mod balance;
mod buffer;
mod channel;
pub mod dns;
pub mod exchange;
pub mod forward;
pub mod headers;
pub mod health;
pub mod http1;
mod io;
pub mod message;
mod outbox;
pub mod peer;
pub mod proxy_protocol;
pub mod service;
mod socket;
mod timer;
pub mod tls;
pub mod upstream;
pub mod worker;
