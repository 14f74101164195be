//! What key-auth may be told, and its credentials.

use gateway_model::entity::EntitySchema;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Field, Schema};
use gateway_model::types;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("key-auth", 1250).no_consumer().protocols_http().config(config()).entity(credentials())
}

fn config() -> Schema {
    Schema::record([
        Field::array("key_names", types::header_name("")).required().default_value(vec!["apikey"]).description(
            "Names under which the key is looked for in headers, the query and the body. Letters, digits, `_` and \
             `-` only.",
        ),
        Field::boolean("hide_credentials")
            .required()
            .default_value(false)
            .description("Whether the key is removed from the request before it goes upstream."),
        Field::string("anonymous").description(
            "Id or username of the consumer that callers are taken for when authentication fails. Without it, such \
             requests are refused.",
        ),
        Field::boolean("key_in_header").required().default_value(true).description("Whether headers may hold the key."),
        Field::boolean("key_in_query")
            .required()
            .default_value(true)
            .description("Whether the query may hold the key."),
        Field::boolean("key_in_body").required().default_value(false).description(
            "Whether the body may hold the key: `application/x-www-form-urlencoded`, `application/json` and \
             `multipart/form-data`.",
        ),
        Field::boolean("run_on_preflight")
            .required()
            .default_value(true)
            .description("Whether `OPTIONS` requests have to be authenticated too."),
        crate::schema::realm(),
    ])
}

fn credentials() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("key").optional().unique().auto(),
        types::tags(),
    ]);
    EntitySchema::new("keyauth_credentials", schema)
        .admin_name("key-auths")
        .nested_name("key-auth")
        .endpoint_key("key")
        .cache_key(&["key"])
        .ttl()
}
