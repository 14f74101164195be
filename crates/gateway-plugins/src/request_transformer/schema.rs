//! What request-transformer may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use serde_json::Value;

use super::changes::pair;
use crate::template::Template;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("request-transformer", 801).protocols_all().config(config())
}

fn config() -> Schema {
    let changes = || section(checked, header(check_header));
    Schema::record([
        Field::string("http_method")
            .matches("^%u+$")
            .description("The method with which the request goes upstream, in capital letters."),
        Field::record("remove", section(Element::string, Element::string().custom(check_header))).required(),
        Field::record("rename", section(checked, header(check_renamed_header))).required(),
        Field::record("replace", changes().field(Field::string("uri"))).required(),
        Field::record("add", changes()).required(),
        Field::record("append", changes()).required(),
    ])
}

fn section(element: fn() -> Field, header: Field) -> Schema {
    let list = |name, element| Field::array(name, element).required().default_value(Vec::<Value>::new());
    Schema::record([list("body", element()), list("headers", header), list("querystring", element())])
}

fn checked() -> Field {
    Element::string().custom(check_value)
}

fn header(check: fn(&Value) -> Result<(), String>) -> Field {
    Element::string().matches("^[^:]+:.*$").custom(check)
}

/// `name:template`, both there.
fn check_value(entry: &Value) -> Result<(), String> {
    let entry = entry.as_str().unwrap_or_default();
    match pair(entry) {
        None => Err("key '' has no value".to_owned()),
        Some((name, "")) => Err(format!("key '{name}' has no value")),
        Some((_, value)) => match Template::new(value) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("value '{value}' is not in supported format, error:{error}")),
        },
    }
}

fn check_header(entry: &Value) -> Result<(), String> {
    let (name, _) = pair(entry.as_str().unwrap_or_default()).unwrap_or_default();
    check_name(name)
}

fn check_renamed_header(entry: &Value) -> Result<(), String> {
    let (old, new) = pair(entry.as_str().unwrap_or_default()).unwrap_or_default();
    check_name(old).and_then(|()| check_name(new))
}

fn check_name(name: &str) -> Result<(), String> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_name { Ok(()) } else { Err(format!("'{name}' is not a valid header")) }
}
