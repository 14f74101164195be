//! What a program of ours needs around its work: supervised tasks and orderly shutdown, logging, metrics,
//! and HTTP servers with limits. It knows nothing of what is served.

pub mod limits;
pub mod metrics;
pub mod serve;
pub mod tasks;
pub mod telemetry;

pub use metrics::Metrics;
pub use serve::{BindError, Listener, Options, PeerAddr, PeerCertificates};
pub use tasks::{Shutdown, TaskError, Tasks};
