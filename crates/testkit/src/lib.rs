//! What tests and the demo need around the product: processes, ports, waiting, upstreams, a whole mesh of real
//! programs, a gateway node, and the product's neighbours: PostgreSQL and Redis servers, ways to them that can be
//! disturbed, certificates. It links no product crate; the product is what runs in the processes.

pub mod certificates;
pub mod echo;
pub mod gateway;
mod guard;
pub mod link;
pub mod mesh;
pub mod paths;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod wait;

pub use gateway::GatewayEnv;
pub use mesh::{MeshEnv, Options, Sidecar};
pub use paths::{bin, envoy_binary};
pub use ports::free_port;
pub use process::Process;
pub use wait::wait_for;
