//! The engine over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod forwarding;
mod http1;
mod http2;
mod support;
mod tls;
mod tunnel;
mod workers;
