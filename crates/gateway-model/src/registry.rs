//! All kinds of documents of one node.

mod plugin;

pub use plugin::{PluginSchema, VaultSchema};

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::entities::{self, RouterFlavor};
use crate::entity::{EntitySchema, field_json, schema_json};
use crate::schema::{EntityCheck, Schema};

/// The kinds of documents a node knows: the core ones, and what its plugins bring.
#[derive(Clone, Debug)]
pub struct Registry {
    entities: IndexMap<&'static str, EntitySchema, foldhash::fast::FixedState>,
    plugins: IndexMap<&'static str, PluginSchema, foldhash::fast::FixedState>,
    vaults: IndexMap<&'static str, VaultSchema, foldhash::fast::FixedState>,
}

impl Registry {
    /// The kinds of a node with these plugins. Of two plugins or entities with the same name the later counts.
    pub fn new(flavor: RouterFlavor, plugins: impl IntoIterator<Item = PluginSchema>) -> Self {
        let plugins: IndexMap<_, _, _> = plugins.into_iter().map(|plugin| (plugin.name, plugin)).collect();
        let vaults: IndexMap<_, _, _> = [entities::env_vault()].map(|vault| (vault.name, vault)).into_iter().collect();
        let core = entities::core(
            flavor,
            plugins.values().map(|plugin: &PluginSchema| (plugin.name, plugin.fields.clone())).collect(),
            vaults.values().map(|vault: &VaultSchema| (vault.name, vault.fields.clone())).collect(),
        );
        let brought = plugins.values().flat_map(|plugin| plugin.entities.iter().cloned());
        let entities = core.into_iter().chain(brought).map(|entity| (entity.name, entity)).collect();
        Self { entities, plugins, vaults }
    }

    /// The same kinds with one more check of `entity`, after those it has: what only a part of the gateway outside of
    /// the model can tell, such as whether a route's expression makes sense to the router.
    pub fn with_check(mut self, entity: &str, check: EntityCheck) -> Self {
        if let Some(kind) = self.entities.get_mut(entity) {
            *kind = kind.clone().check(check);
        }
        self
    }

    /// The kind called `name`.
    pub fn entity(&self, name: &str) -> Option<&EntitySchema> {
        self.entities.get(name)
    }

    /// All kinds, the core ones first.
    pub fn entities(&self) -> impl Iterator<Item = &EntitySchema> {
        self.entities.values()
    }

    /// The kind served under the collection `/segment`.
    pub fn collection(&self, segment: &str) -> Option<&EntitySchema> {
        self.entities.values().find(|entity| entity.has_admin_api() && entity.collection() == segment)
    }

    /// The plugin called `name`.
    pub fn plugin(&self, name: &str) -> Option<&PluginSchema> {
        self.plugins.get(name)
    }

    /// All plugins in the order given.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginSchema> {
        self.plugins.values()
    }

    /// Which kinds have a field that refers to `entity`, and what deleting it does to theirs.
    pub fn referrers<'a>(
        &'a self,
        entity: &'a str,
    ) -> impl Iterator<Item = (&'a EntitySchema, crate::entity::ForeignField)> + 'a {
        self.entities.values().flat_map(move |kind| {
            kind.foreign_fields().filter(move |field| field.reference == entity).map(move |field| (kind, field))
        })
    }

    /// What introspection answers for a kind.
    pub fn entity_json(&self, name: &str) -> Option<Value> {
        self.entity(name).map(EntitySchema::to_json)
    }

    /// What introspection answers for a plugin.
    pub fn plugin_json(&self, name: &str) -> Option<Value> {
        self.plugin(name).map(|plugin| schema_json(&plugin.fields))
    }

    /// What introspection answers for the configuration alone of a plugin.
    pub fn plugin_config_json(&self, name: &str) -> Option<Value> {
        let config = self.plugin(name)?.fields.get("config").map(field_json)?;
        let fields = config.get("fields").cloned().unwrap_or_else(|| json!([]));
        Some(json!({"fields": fields}))
    }

    /// What introspection answers for a vault.
    pub fn vault_json(&self, name: &str) -> Option<Value> {
        self.vaults.get(name).map(|vault| schema_json(&vault.fields))
    }
}

impl PluginSchema {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Plugins run from the highest to the lowest.
    pub fn priority(&self) -> i64 {
        self.priority
    }

    /// Its version, if it is not the gateway's.
    pub fn own_version(&self) -> Option<&'static str> {
        self.version
    }

    /// What stands in place of the common plugin fields, `config` among them.
    pub fn fields(&self) -> &Schema {
        &self.fields
    }

    /// The entities it brings.
    pub fn entities(&self) -> &[EntitySchema] {
        &self.entities
    }
}
