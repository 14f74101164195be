//! What a plugin or a vault says about itself.

use crate::entity::EntitySchema;
use crate::schema::{EntityCheck, Field, Schema};
use crate::types;

/// A plugin's part of the model: what its configuration may hold, where it may stand, what entities it brings.
#[derive(Clone, Debug)]
pub struct PluginSchema {
    pub(crate) name: &'static str,
    pub(crate) priority: i64,
    pub(crate) version: Option<&'static str>,
    /// What its documents have in place of the common plugin fields, `config` among them.
    pub(crate) fields: Schema,
    pub(crate) entities: Vec<EntitySchema>,
}

impl PluginSchema {
    /// A plugin that may stand anywhere for the protocols given, with an empty configuration. Plugins run from
    /// the highest priority to the lowest. The order of the calls below is the order introspection shows.
    pub fn new(name: &'static str, priority: i64) -> Self {
        Self { name, priority, version: None, fields: Schema::record([]), entities: Vec::new() }
    }

    /// A version other than the gateway's.
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Cannot be put on a consumer.
    pub fn no_consumer(self) -> Self {
        self.field(types::no_consumer())
    }

    /// Cannot be put on a route.
    pub fn no_route(self) -> Self {
        self.field(types::no_route())
    }

    /// Cannot be put on a service.
    pub fn no_service(self) -> Self {
        self.field(types::no_service())
    }

    /// Accepts and defaults to the HTTP protocols: grpc, grpcs, http, https.
    pub fn protocols_http(self) -> Self {
        self.field(types::protocols_http())
    }

    /// Accepts every protocol, defaults to the HTTP ones.
    pub fn protocols_all(self) -> Self {
        self.field(types::protocols())
    }

    /// What its `config` holds.
    pub fn config(self, schema: Schema) -> Self {
        self.field(Field::record("config", schema).required())
    }

    /// Its `config` as a whole field, for checks on it.
    pub fn config_field(self, field: Field) -> Self {
        self.field(field.named("config").required())
    }

    /// Replaces any of the common fields.
    pub fn field(mut self, field: Field) -> Self {
        self.fields = self.fields.field(field);
        self
    }

    /// A check over the plugin's document; paths begin with `config.`.
    pub fn check(mut self, check: EntityCheck) -> Self {
        self.fields = self.fields.check(check);
        self
    }

    /// An entity it brings, credentials for example.
    pub fn entity(mut self, entity: EntitySchema) -> Self {
        self.entities.push(entity);
        self
    }
}

/// A vault's part of the model.
#[derive(Clone, Debug)]
pub struct VaultSchema {
    pub(crate) name: &'static str,
    pub(crate) fields: Schema,
}

impl VaultSchema {
    /// A vault and what its `config` holds.
    pub fn new(name: &'static str, config: Schema) -> Self {
        Self { name, fields: Schema::record([Field::record("config", config).required()]) }
    }
}
