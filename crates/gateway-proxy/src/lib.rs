//! The gateway's meaning on top of the engine: which route, which plugins, which headers, which upstream, and what
//! is answered when something is wrong.

mod access_log;
mod compiler;
mod config;
mod directory;
mod error_body;
mod forwarding;
mod gateway;
pub mod pdk;
mod plan;
mod real_ip;
mod references;
mod settings;
mod slots;
mod upstreams;

pub use access_log::AccessLog;
pub use compiler::{Change, Compiler, Problem, Surroundings};
pub use config::Config;
pub use gateway::Gateway;
pub use gateway_router::Flavor;
pub use pdk::ErrorFormat;
pub use references::References;
pub use settings::{AddedHeaders, ErrorTemplates, Settings};
pub use upstreams::TargetMark;
