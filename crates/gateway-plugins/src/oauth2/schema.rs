//! What oauth2 may be told, its applications, codes and tokens.

use gateway_model::entity::{EntitySchema, Transformation};
use gateway_model::error::Fields;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{EntityCheck, Field, Match, OnDelete, Schema};
use gateway_model::types;
use serde_json::Value;

use super::secret;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("oauth2", 1400)
        .no_consumer()
        .protocols_http()
        .config_field(Field::record("config", config()).custom(check_flows))
        .entity(credentials())
        .entity(codes())
        .entity(tokens())
}

fn config() -> Schema {
    let flag = |name| Field::boolean(name).required().default_value(false);
    Schema::record([
        Field::array("scopes", Field::string("")).description("Scopes that applications may ask for."),
        flag("mandatory_scope").description("Whether applications have to ask for a scope."),
        Field::string("provision_key")
            .required()
            .unique()
            .auto()
            .encrypted()
            .description("What an application that authorizes users shows to be trusted with it."),
        Field::number("token_expiration")
            .required()
            .default_value(7200)
            .description("Seconds for which an access token counts; 0 for ever."),
        flag("enable_authorization_code").description("Whether codes are given out and taken for tokens."),
        flag("enable_implicit_grant").description("Whether tokens are given out right where users are authorized."),
        flag("enable_client_credentials").description("Whether applications get tokens for themselves."),
        flag("enable_password_grant").description("Whether applications get tokens for users they know."),
        flag("hide_credentials").description("Whether the token is removed from the request before it goes upstream."),
        flag("accept_http_if_already_terminated")
            .description("Whether a trusted `X-Forwarded-Proto: https` is as good as TLS."),
        Field::string("anonymous").description(
            "Id or username of the consumer that callers are taken for when authentication fails. Without it, such \
             requests are refused.",
        ),
        flag("global_credentials").description("Whether tokens count for every service with this setting."),
        Field::string("auth_header_name").default_value("authorization").description("The header that has the token."),
        Field::number("refresh_token_ttl")
            .required()
            .default_value(1_209_600)
            .between(0, 100_000_000)
            .description("Seconds for which a refresh token counts; 0 for ever."),
        flag("reuse_refresh_token").description("Whether a refresh token counts more than once."),
        Field::string("pkce")
            .default_value("lax")
            .one_of(["none", "lax", "strict"])
            .description("Whether codes are bound to who asked for them: never, if asked for, always."),
        crate::schema::realm(),
    ])
    .check(EntityCheck::conditional("mandatory_scope", Match::eq(true), "scopes", Match::required()))
}

/// There has to be a way to get a token.
fn check_flows(config: &Value) -> Result<(), String> {
    const FLOWS: [&str; 4] =
        ["enable_authorization_code", "enable_implicit_grant", "enable_client_credentials", "enable_password_grant"];
    if FLOWS.iter().any(|flow| config.get(flow) == Some(&Value::Bool(true))) {
        return Ok(());
    }
    Err(format!("at least one of these fields must be true: {}", FLOWS.join(", ")))
}

fn credentials() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::owner(),
        Field::string("name").required(),
        Field::string("client_id").optional().unique().auto(),
        Field::string("client_secret").optional().auto().encrypted(),
        Field::boolean("hash_secret").required().default_value(false),
        Field::array("redirect_uris", Field::string("").custom(check_redirect)).optional(),
        types::tags(),
        Field::string("client_type").required().default_value("confidential").one_of(["confidential", "public"]),
    ]);
    EntitySchema::new("oauth2_credentials", schema)
        .admin_name("oauth2")
        .endpoint_key("client_id")
        .cache_key(&["client_id"])
        .transformation(Transformation { input: &["hash_secret"], needs: &["client_secret"], on_write: hash })
}

fn check_redirect(uri: &Value) -> Result<(), String> {
    let uri = uri.as_str().unwrap_or_default();
    let host = uri.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if host.is_empty() || uri.starts_with(':') || !uri.is_ascii() {
        return Err(format!("cannot parse '{uri}'"));
    }
    if uri.contains('#') {
        return Err(format!("fragment not allowed in '{uri}'"));
    }
    Ok(())
}

/// Secrets are only stored as hashes where that is asked for.
fn hash(document: &Fields) -> Fields {
    let hashed = document.get("hash_secret") == Some(&Value::Bool(true));
    match document.get("client_secret").and_then(Value::as_str).filter(|_| hashed) {
        Some(secret) if !secret::is_hash(secret) => {
            Fields::from_iter([("client_secret".to_owned(), Value::String(secret::hash(secret)))])
        }
        _ => Fields::new(),
    }
}

fn service() -> Field {
    Field::foreign("service", "services").default_value(Value::Null).on_delete(OnDelete::Cascade)
}

fn credential() -> Field {
    Field::foreign("credential", "oauth2_credentials").required().on_delete(OnDelete::Cascade)
}

fn codes() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        service(),
        credential(),
        Field::string("code").optional().unique().auto(),
        Field::string("authenticated_userid").optional(),
        Field::string("scope"),
        Field::string("challenge"),
        Field::string("challenge_method").one_of(["S256"]),
        Field::foreign("plugin", "plugins").default_value(Value::Null).on_delete(OnDelete::Cascade),
    ]);
    EntitySchema::new("oauth2_authorization_codes", schema).ttl().internal()
}

fn tokens() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        service(),
        credential(),
        Field::string("token_type").required().one_of(["bearer"]).default_value("bearer"),
        Field::integer("expires_in").required(),
        Field::string("access_token").optional().unique().auto(),
        Field::string("refresh_token").optional().unique(),
        Field::string("authenticated_userid").optional(),
        Field::string("scope"),
    ]);
    EntitySchema::new("oauth2_tokens", schema).endpoint_key("access_token").cache_key(&["access_token"]).ttl()
}
