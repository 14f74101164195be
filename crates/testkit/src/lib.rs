//! What tests and the demo need around the product: processes, ports, waiting, upstreams, a whole mesh of real
//! programs, and a gateway node. It links no product crate; the product is what runs in the processes.

pub mod echo;
pub mod gateway;
pub mod mesh;
pub mod paths;
pub mod ports;
pub mod process;
pub mod wait;

pub use gateway::GatewayEnv;
pub use mesh::{MeshEnv, Options, Sidecar};
pub use paths::{bin, envoy_binary};
pub use ports::free_port;
pub use process::Process;
pub use wait::wait_for;
