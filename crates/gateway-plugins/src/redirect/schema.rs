//! What redirect may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};
use gateway_model::types;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("redirect", 779).protocols_http().config(config())
}

fn config() -> Schema {
    Schema::record([
        Field::integer("status_code")
            .required()
            .default_value(301)
            .between(100, 599)
            .description("The response code to send. Must be an integer between 100 and 599."),
        types::url("location").required().description("The URL to redirect to"),
        Field::boolean("keep_incoming_path")
            .default_value(false)
            .description("Use the incoming request's path and query string in the redirect URL"),
    ])
}
