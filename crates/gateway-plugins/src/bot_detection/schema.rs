//! What bot-detection may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use serde_json::json;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("bot-detection", 2500).no_consumer().protocols_http().config(config())
}

fn config() -> Schema {
    Schema::record([
        Field::array("allow", Element::string().is_regex())
            .default_value(json!([]))
            .description("Regular expressions; clients whose `User-Agent` matches one pass whatever else does."),
        Field::array("deny", Element::string().is_regex())
            .default_value(json!([]))
            .description("Regular expressions; clients whose `User-Agent` matches one are refused."),
    ])
}
