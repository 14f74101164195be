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

const PHASES: &str = "Custom functions, which can be user-defined, are cached and executed sequentially during specific \
                      phases: `certificate`, `rewrite`, `access`, `header_filter`, `body_filter`, and `log`.";

fn schema(name: &'static str, priority: i32, check: CustomCheck) -> PluginSchema {
    let phase = |name| {
        let code = Field::string("").optional().custom(check);
        Field::array(name, code).required().default_value(Vec::<Value>::new()).description(PHASES)
    };
    PluginSchema::new(name, i64::from(priority))
        .no_consumer()
        .protocols_all()
        .config(Schema::record([
            phase("certificate"),
            phase("rewrite"),
            phase("access"),
            phase("header_filter"),
            phase("body_filter"),
            phase("log"),
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
