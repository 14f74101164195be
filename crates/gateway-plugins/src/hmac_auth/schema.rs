//! What hmac-auth may be told, and its credentials.

use gateway_model::entity::EntitySchema;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use gateway_model::types;
use serde_json::json;

const ALGORITHMS: [&str; 4] = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"];

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("hmac-auth", 1030).no_consumer().protocols_http().config(config()).entity(credentials())
}

fn config() -> Schema {
    Schema::record([
        Field::boolean("hide_credentials").required().default_value(false).description(
            "An optional boolean value telling the plugin to show or hide the credential from the upstream service.",
        ),
        Field::number("clock_skew")
            .default_value(300)
            .gt(0)
            .description("Clock skew in seconds to prevent replay attacks."),
        Field::string("anonymous").description(
            "An optional string (Consumer UUID or username) value to use as an “anonymous” consumer if authentication \
             fails.",
        ),
        Field::boolean("validate_request_body")
            .required()
            .default_value(false)
            .description("A boolean value telling the plugin to enable body validation."),
        Field::array("enforce_headers", Element::string())
            .default_value(json!([]))
            .description("A list of headers that the client should at least use for HTTP signature creation."),
        Field::array("algorithms", Element::string().one_of(ALGORITHMS))
            .default_value(ALGORITHMS.to_vec())
            .description(
                "A list of HMAC digest algorithms that the user wants to support. Allowed values are `hmac-sha1`, \
             `hmac-sha256`, `hmac-sha384`, and `hmac-sha512`",
            ),
        crate::schema::realm(),
    ])
}

fn credentials() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("username").required().unique(),
        Field::string("secret").auto(),
        types::tags(),
    ]);
    EntitySchema::new("hmacauth_credentials", schema)
        .admin_name("hmac-auths")
        .nested_name("hmac-auth")
        .endpoint_key("username")
        .cache_key(&["username"])
}
