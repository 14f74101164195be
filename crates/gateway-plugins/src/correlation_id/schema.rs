//! What correlation-id may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("correlation-id", 100_001).protocols_http().config(config())
}

fn config() -> Schema {
    Schema::record([
        Field::string("header_name")
            .default_value("Kong-Request-ID")
            .description("The name of the header field that has the id."),
        Field::string("generator")
            .required()
            .default_value("uuid#counter")
            .one_of(["uuid", "uuid#counter", "tracker"])
            .description("How ids are made."),
        Field::boolean("echo_downstream")
            .required()
            .default_value(false)
            .description("Whether the answer to the client has the id too."),
    ])
}
