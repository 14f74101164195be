//! What pre-function and post-function may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{CustomCheck, EntityCheck, Field, Schema};
use serde_json::Value;

use super::syntax;

/// The part of the model of the plugin that runs before all others.
pub(crate) fn pre_function() -> PluginSchema {
    schema("pre-function", super::PRE.priority, |code| check("pre-function", code))
}

/// The part of the model of the plugin that runs after all others.
pub(crate) fn post_function() -> PluginSchema {
    schema("post-function", super::POST.priority, |code| check("post-function", code))
}

fn schema(name: &'static str, priority: i32, check: CustomCheck) -> PluginSchema {
    let phase =
        |name| Field::array(name, Field::string("").custom(check)).required().default_value(Vec::<Value>::new());
    PluginSchema::new(name, i64::from(priority))
        .no_consumer()
        .protocols_all()
        .config(Schema::record([
            phase("certificate").description("Lua code for TLS handshakes. It is checked and not run."),
            phase("rewrite").description("Lua code run before a route is looked for."),
            phase("access").description("Lua code run before the request goes upstream."),
            phase("header_filter").description("Lua code run with the head of the answer."),
            phase("body_filter").description("Lua code run with every part of the answer's body."),
            phase("log").description("Lua code run when the exchange is over."),
        ]))
        .check(EntityCheck::at_least_one_of([
            "config.certificate",
            "config.rewrite",
            "config.access",
            "config.header_filter",
            "config.body_filter",
            "config.log",
        ]))
}

fn check(plugin: &str, code: &Value) -> Result<(), String> {
    let code = code.as_str().unwrap_or_default();
    syntax::check(code).map_err(|error| format!("error parsing {plugin}: {error}"))
}
