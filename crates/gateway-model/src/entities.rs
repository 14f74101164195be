//! The kinds of documents that are there without any plugin.

mod certificate;
mod consumer;
mod key;
mod other;
mod plugin;
mod route;
mod service;
mod upstream;
mod vault;

pub use route::RouterFlavor;
pub use upstream::canonical_target;

use std::sync::LazyLock;

use crate::entity::EntitySchema;
use crate::schema::Schema;

/// All of them. Plugins and vaults are of the kinds given, by name.
pub(crate) fn core(
    flavor: RouterFlavor,
    plugins: Vec<(&'static str, Schema)>,
    vaults: Vec<(&'static str, Schema)>,
) -> Vec<EntitySchema> {
    vec![
        other::workspaces(),
        consumer::consumers(),
        certificate::certificates(),
        service::services(),
        route::routes(flavor),
        certificate::snis(),
        upstream::upstreams(),
        upstream::targets(),
        plugin::plugins(plugins),
        other::tags(),
        certificate::ca_certificates(),
        other::clustering_data_planes(),
        other::parameters(),
        vault::vaults(vaults),
        key::key_sets(),
        key::keys(),
        other::filter_chains(),
    ]
}

/// What a vault that reads environment variables is configured with.
pub(crate) fn env_vault() -> crate::registry::VaultSchema {
    vault::env()
}

/// The kind called `name` that references can lead to, as far as it is there without plugins.
pub(crate) fn referred(name: &str) -> Option<&'static EntitySchema> {
    static KINDS: LazyLock<Vec<EntitySchema>> = LazyLock::new(|| core(RouterFlavor::default(), Vec::new(), Vec::new()));
    KINDS.iter().find(|kind| kind.name() == name)
}
