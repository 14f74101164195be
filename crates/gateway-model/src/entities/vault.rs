//! Vaults: where `{vault://…}` references lead.

use crate::entity::EntitySchema;
use crate::registry::VaultSchema;
use crate::schema::{Field, Schema};
use crate::types;

pub(super) fn vaults(kinds: Vec<(&'static str, Schema)>) -> EntitySchema {
    let names: Vec<&'static str> = kinds.iter().map(|(name, _)| *name).collect();
    let schema = Schema::record([
        types::id(),
        Field::string("prefix")
            .required()
            .unique_everywhere()
            .not_one_of(names)
            .matches("^[a-z][a-z%d-]-[a-z%d]+$")
            .description("The unique prefix (or identifier) for this Vault configuration."),
        Field::string("name").required().description("The name of the Vault that's going to be added."),
        Field::string("description").description("The description of the Vault entity."),
        Field::abstract_record("config").description(
            "The configuration properties for the Vault which can be found on the vaults' documentation page.",
        ),
        types::created_at(),
        types::updated_at(),
        types::tags(),
    ]);
    EntitySchema::new("vaults", schema).endpoint_key("prefix").cache_key(&["prefix"]).variants(
        "name",
        "vault '%s' is not installed",
        kinds,
    )
}

/// The vault of environment variables.
pub(super) fn env() -> VaultSchema {
    let prefix = Field::string("prefix").matches("^[%a_-][%a%d_-]*$");
    VaultSchema::new("env", Schema::record([prefix]))
}
