//! The gateway's meaning on top of the engine: which route, which plugins, which headers, which upstream, and what
//! is answered when something is wrong.

pub mod directory;
pub mod pdk;
