//! All kinds of documents of one node.

pub use plugin::{PluginSchema, VaultSchema};

mod plugin;
