//! What cors may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use serde_json::Value;

const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("cors", 2000).no_consumer().protocols_http().config(config())
}

fn config() -> Schema {
    Schema::record([
        Field::array("origins", Element::string().custom(check_origin)).description(
            "List of allowed domains for the `Access-Control-Allow-Origin` header. If you want to allow all origins, \
             add `*` as a single value to this configuration field. The accepted values can either be flat strings or \
             PCRE regexes.",
        ),
        Field::array("headers", Element::string()).description("Value for the `Access-Control-Allow-Headers` header."),
        Field::array("exposed_headers", Element::string()).description(
            "Value for the `Access-Control-Expose-Headers` header. If not specified, no custom headers are exposed.",
        ),
        Field::array("methods", Element::string().one_of(METHODS)).default_value(METHODS.to_vec()).description(
            "'Value for the `Access-Control-Allow-Methods` header. Available options include `GET`, `HEAD`, `PUT`, \
             `PATCH`, `POST`, `DELETE`, `OPTIONS`, `TRACE`, `CONNECT`. By default, all options are allowed.'",
        ),
        Field::number("max_age")
            .description("Indicates how long the results of the preflight request can be cached, in `seconds`."),
        Field::boolean("credentials").required().default_value(false).description(
            "Flag to determine whether the `Access-Control-Allow-Credentials` header should be sent with `true` as \
             the value.",
        ),
        Field::boolean("private_network").required().default_value(false).description(
            "Flag to determine whether the `Access-Control-Allow-Private-Network` header should be sent with `true` \
             as the value.",
        ),
        Field::boolean("preflight_continue").required().default_value(false).description(
            "A boolean value that instructs the plugin to proxy the `OPTIONS` preflight request to the Upstream \
             service.",
        ),
    ])
}

/// `*`, or something that compiles as a regular expression.
fn check_origin(value: &Value) -> Result<(), String> {
    let origin = value.as_str().unwrap_or_default();
    if origin == "*" || regex::Regex::new(origin).is_ok() {
        return Ok(());
    }
    Err(format!("'{origin}' is not a valid regex"))
}
