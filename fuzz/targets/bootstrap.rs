//! Bootstrap requests of launchers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_xds::bootstrap::BootstrapRequest;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = BootstrapRequest::parse(body) {
        assert!(!request.node_id().is_empty());
        assert!(request.access_log_socket().len() < 108, "longer than a socket's path may be");
    }
});
