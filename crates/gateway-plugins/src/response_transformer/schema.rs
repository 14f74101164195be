//! What response-transformer may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use serde_json::Value;

use super::pair;

const PAIR: &str = "^[^:]+:.*$";

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("response-transformer", 800).protocols_http().config(config())
}

fn config() -> Schema {
    let pair = || Element::string().matches(PAIR);
    let typed = || Schema::record([list("json", pair()), types(), list("headers", pair())]);
    let remove = Schema::record([list("json", Element::string()), list("headers", Element::string())]);
    let rename = Schema::record([list("json", pair()), list("headers", pair().custom(check_names))]);
    Schema::record([
        Field::record("remove", remove).required(),
        Field::record("rename", rename).required(),
        Field::record("replace", typed()).required(),
        Field::record("add", typed()).required(),
        Field::record("append", typed()).required(),
    ])
}

fn list(name: &'static str, element: Field) -> Field {
    Field::array(name, element).required().default_value(Vec::<Value>::new())
}

fn types() -> Field {
    list("json_types", Element::string().one_of(["boolean", "number", "string"]))
}

/// Both the old and the new name are names of headers.
fn check_names(entry: &Value) -> Result<(), String> {
    let (old, new) = pair(entry.as_str().unwrap_or_default());
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match [old, new].into_iter().find(|name| !is_name(name)) {
        None => Ok(()),
        Some(name) => Err(format!("'{name}' is not a valid header")),
    }
}
