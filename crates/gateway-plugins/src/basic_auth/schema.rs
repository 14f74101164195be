//! What basic-auth may be told, and its credentials.

use gateway_model::entity::{EntitySchema, Transformation};
use gateway_model::error::Fields;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{EntityCheck, Field, Schema};
use gateway_model::types;
use serde_json::Value;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("basic-auth", 1100).no_consumer().protocols_http().config(config()).entity(credentials())
}

fn config() -> Schema {
    Schema::record([
        Field::string("anonymous").description(
            "Id or username of the consumer that callers are taken for when authentication fails. Without it, such \
             requests are refused.",
        ),
        Field::boolean("hide_credentials")
            .required()
            .default_value(false)
            .description("Whether the `Authorization` header is removed from the request before it goes upstream."),
        Field::string("realm").required().default_value("service").description(
            "When authentication fails the plugin sends `WWW-Authenticate` header with `realm` attribute value.",
        ),
    ])
}

fn credentials() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("username").required().unique(),
        Field::string("password").required().encrypted(),
        types::tags(),
    ])
    .check(EntityCheck::mutually_required(["password", "consumer.id"]));
    EntitySchema::new("basicauth_credentials", schema)
        .admin_name("basic-auths")
        .nested_name("basic-auth")
        .endpoint_key("username")
        .cache_key(&["username"])
        .transformation(Transformation { input: &["password"], needs: &["consumer.id"], on_write: hash_password })
}

/// Passwords are only stored as hashes.
fn hash_password(document: &Fields) -> Fields {
    let owner = document.get("consumer").and_then(|consumer| consumer.get("id")).and_then(Value::as_str);
    match (document.get("password").and_then(Value::as_str), owner) {
        (Some(password), Some(owner)) => {
            Fields::from_iter([("password".to_owned(), Value::String(super::hash(password, owner)))])
        }
        _ => Fields::new(),
    }
}
