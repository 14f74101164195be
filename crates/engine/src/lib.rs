//! What any HTTP proxy needs, and no meaning of its own: message heads, codecs, connections, workers, TLS, pools,
//! forwarding, balancing, health checks and name resolution.
//!
//! Everything that runs on a worker is thread-local (`!Send`): a worker is one single-threaded runtime with its own
//! listeners (`SO_REUSEPORT`), buffers and upstream connections, and shares nothing with the others but the
//! configuration it loads once per request.

pub mod headers;
pub mod http1;
pub mod message;
