//! What every crate may use and none may extend with a domain noun: problem lists, secrets that do not
//! print, clocks, error reports. No async runtime, no I/O beyond reading configuration.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod duration;
pub mod problem;
pub mod report;
pub mod secret;

pub use backoff::Backoff;
pub use clock::{Clock, SystemClock};
pub use problem::{Problem, Problems};
pub use report::report;
pub use secret::Secret;
