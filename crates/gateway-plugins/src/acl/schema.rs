//! What acl may be told, and the groups of consumers.

use gateway_model::entity::EntitySchema;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, EntityCheck, Field, Schema};
use gateway_model::types;

const LISTS: [&str; 2] = ["config.allow", "config.deny"];

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("acl", 950)
        .no_consumer()
        .protocols_http()
        .config(config())
        .check(EntityCheck::only_one_of(LISTS))
        .check(EntityCheck::at_least_one_of(LISTS))
        .entity(groups())
}

fn config() -> Schema {
    Schema::record([
        Field::array("allow", Element::string())
            .description("Groups that are let in, and no others. Either this or `deny` is set."),
        Field::array("deny", Element::string())
            .description("Groups that are kept out, and no others. Either this or `allow` is set."),
        Field::boolean("hide_groups_header")
            .required()
            .default_value(false)
            .description("Whether the upstream is not told the groups in `X-Consumer-Groups`."),
        Field::boolean("always_use_authenticated_groups").required().default_value(false).description(
            "Whether groups that come out of the authentication count even for a known consumer; without such groups \
             those of the consumer do. Usually they only count without consumer or for an anonymous one.",
        ),
    ])
}

fn groups() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("group").required(),
        types::tags(),
    ]);
    EntitySchema::new("acls", schema).cache_key(&["consumer", "group"]).unique_together(&["consumer", "group"])
}
