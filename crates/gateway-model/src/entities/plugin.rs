//! Plugins put somewhere.

use crate::entity::EntitySchema;
use crate::schema::{Field, OnDelete, Schema};
use crate::types;

const UNKNOWN: &str = "plugin '%s' not enabled; add it to the 'plugins' configuration property";

pub(super) fn plugins(kinds: Vec<(&'static str, Schema)>) -> EntitySchema {
    let scope = |name, reference| Field::foreign(name, reference).default_value(()).on_delete(OnDelete::Cascade);
    let schema = Schema::record([
        types::id(),
        Field::string("name").required().description("The name of the Plugin that's going to be added."),
        types::utf8_name("instance_name"),
        types::created_at(),
        types::updated_at(),
        scope("route", "routes")
            .description("If set, the plugin will only activate when receiving requests via the specified route."),
        scope("service", "services").description(
            "If set, the plugin will only activate when receiving requests via one of the routes belonging to the \
             specified service. ",
        ),
        scope("consumer", "consumers").description(
            "If set, the plugin will activate only for requests where the specified has been authenticated.",
        ),
        Field::abstract_record("config").description("The configuration properties for the Plugin."),
        types::protocols(),
        Field::boolean("enabled").required().default_value(true).description("Whether the plugin is applied."),
        types::tags(),
    ]);
    EntitySchema::new("plugins", schema)
        .endpoint_key("instance_name")
        .cache_key(&["name", "route", "service", "consumer"])
        .unique_together(&["name", "route", "service", "consumer"])
        .variants("name", UNKNOWN, kinds)
}
