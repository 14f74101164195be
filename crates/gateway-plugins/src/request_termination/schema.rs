//! What request-termination may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};
use gateway_model::types;
use serde_json::Value;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("request-termination", 2)
        .protocols_http()
        .config_field(Field::record("config", config()).custom(check_words))
}

fn config() -> Schema {
    Schema::record([
        Field::integer("status_code")
            .required()
            .default_value(503)
            .between(100, 599)
            .description("The response code to send. Must be an integer between 100 and 599."),
        Field::string("message").description("The message to send, if using the default response generator."),
        Field::string("content_type").description("Content type of the raw response configured with `config.body`."),
        Field::string("body")
            .description("The raw response body to send. This is mutually exclusive with the `config.message` field."),
        Field::boolean("echo").required().default_value(false).description(
            "When set, the plugin will echo a copy of the request back to the client. The main usecase for this is \
             debugging. It can be combined with `trigger` in order to debug requests on live systems without \
             disturbing real traffic.",
        ),
        types::header_name("trigger"),
    ])
}

/// A message or a body, and a body for its type.
fn check_words(config: &Value) -> Result<(), String> {
    let set = |field| config.get(field).is_some_and(|value| !value.is_null());
    if set("message") && (set("content_type") || set("body")) {
        return Err("message cannot be used with content_type or body".to_owned());
    }
    if set("content_type") && !set("body") {
        return Err("content_type requires a body".to_owned());
    }
    if set("echo") && config["echo"] == true && (set("content_type") || set("body")) {
        return Err("echo cannot be used with content_type and body".to_owned());
    }
    Ok(())
}
