//! What jwt may be told, and its credentials.

use gateway_model::entity::EntitySchema;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Check, Element, EntityCheck, Field, Match, Schema};
use gateway_model::types;
use serde_json::{Value, json};

use super::key::{Algorithm, is_public_key};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("jwt", 1450)
        .no_consumer()
        .protocols_http()
        .config(config())
        .check(EntityCheck::conditional(
            "config.maximum_expiration",
            Match::gt(0),
            "config.claims_to_verify",
            Match::contains("exp"),
        ))
        .entity(secrets())
}

fn config() -> Schema {
    Schema::record([
        Field::set("uri_param_names", Element::string())
            .default_value(vec!["jwt"])
            .description("A list of querystring parameters that Kong will inspect to retrieve JWTs."),
        Field::set("cookie_names", Element::string())
            .default_value(json!([]))
            .description("A list of cookie names that Kong will inspect to retrieve JWTs."),
        Field::string("key_claim_name").default_value("iss").description(
            "The name of the claim in which the key identifying the secret must be passed. The plugin will attempt to \
             read this claim from the JWT payload and the header, in that order.",
        ),
        Field::boolean("secret_is_base64").required().default_value(false).description(
            "If true, the plugin assumes the credential’s secret to be base64 encoded. You will need to create a \
             base64-encoded secret for your Consumer, and sign your JWT with the original secret.",
        ),
        Field::set("claims_to_verify", Element::string().one_of(["exp", "nbf"])).description(
            "A list of registered claims (according to RFC 7519) that Kong can verify as well. Accepted values: one \
             of exp or nbf.",
        ),
        Field::string("anonymous").description(
            "An optional string (consumer UUID or username) value to use as an “anonymous” consumer if authentication \
             fails.",
        ),
        Field::boolean("run_on_preflight").required().default_value(true).description(
            "A boolean value that indicates whether the plugin should run (and try to authenticate) on OPTIONS \
             preflight requests. If set to false, then OPTIONS requests will always be allowed.",
        ),
        Field::number("maximum_expiration").default_value(0).between(0, 31_536_000).description(
            "A value between 0 and 31536000 (365 days) limiting the lifetime of the JWT to maximum_expiration seconds \
             in the future.",
        ),
        Field::set("header_names", Element::string())
            .default_value(vec!["authorization"])
            .description("A list of HTTP header names that Kong will inspect to retrieve JWTs."),
        crate::schema::realm(),
    ])
}

fn secrets() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("key").optional().unique().auto(),
        Field::string("secret").auto(),
        Field::string("rsa_public_key"),
        Field::string("algorithm").default_value("HS256").one_of(Algorithm::NAMES.map(|(name, _)| name)),
        types::tags(),
    ])
    .check(EntityCheck::conditional(
        "algorithm",
        Match::match_any(["^RS256$", "^RS384$", "^RS512$", "^PS256$", "^PS384$", "^PS512$", "^EdDSA$"]),
        "rsa_public_key",
        Match::required().with(Check::Custom(check_public_key)),
    ));
    EntitySchema::new("jwt_secrets", schema)
        .admin_name("jwts")
        .nested_name("jwt")
        .endpoint_key("key")
        .cache_key(&["key"])
}

fn check_public_key(value: &Value) -> Result<(), String> {
    if value.as_str().is_some_and(is_public_key) { Ok(()) } else { Err("invalid key".to_owned()) }
}
