//! What tests and the demo need around the product: processes, ports, waiting, upstreams, and a whole mesh of
//! real programs. It links no product crate; the product is what runs in the processes.

pub mod echo;
pub mod mesh;
pub mod paths;
pub mod ports;
pub mod process;
pub mod wait;

pub use mesh::{MeshEnv, Options, Sidecar};
pub use paths::{bin, envoy_binary};
pub use ports::free_port;
pub use process::Process;
pub use wait::wait_for;
