//! Names of what a launcher can do, as they appear in requests and in the node's metadata.

/// The proxy's Envoy uses the incremental discovery protocol.
pub const DELTA_GRPC: &str = "feature-delta-grpc";
/// Access logs for TCP receivers go through a named pipe that the launcher reads.
pub const TCP_ACCESS_LOG_VIA_NAMED_PIPE: &str = "feature-tcp-accesslog-via-named-pipe";
