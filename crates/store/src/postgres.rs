//! The store in a PostgreSQL database, for several instances.

mod settings;

pub use settings::{Endpoint, Settings, Tls, TlsMode};
