//! What session may be told, and sessions as documents.

use gateway_model::entity::EntitySchema;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, Field, Schema};
use gateway_model::types;
use serde_json::{Map, Value};

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("session", 1900).no_consumer().protocols_all().config(config()).entity(sessions())
}

fn config() -> Schema {
    let seconds = |name, default: u32| Field::number(name).default_value(default);
    let told = |name| Field::set(name, Element::string().one_of(super::told::NAMES));
    let schema = Schema::record([
        Field::string("secret")
            .auto()
            .referenceable()
            .encrypted()
            .description("What session cookies are encrypted with. Nodes that share sessions share it."),
        Field::string("storage")
            .default_value("cookie")
            .one_of(["cookie", "kong"])
            .custom(check_storage)
            .description("Where sessions are kept: in the cookie itself."),
        Field::string("audience").default_value("default").description("What sessions are for; others do not count."),
        seconds("idling_timeout", 900).description("Seconds after which an unused session is over; 0 for never."),
        seconds("rolling_timeout", 3600).description("Seconds after which a session is over unless it is renewed."),
        seconds("absolute_timeout", 86_400).description("Seconds after which a session is over however it is used."),
        seconds("stale_ttl", 10)
            .description("Seconds for which a replaced session still counts. Cookies replace theirs."),
        Field::string("cookie_name").default_value("session").description("The name of the cookie."),
        Field::string("cookie_path").default_value("/").description("The path the cookie is for."),
        Field::string("cookie_domain").description("The domain the cookie is for."),
        Field::string("cookie_same_site")
            .default_value("Strict")
            .one_of(["Strict", "Lax", "None", "Default"])
            .description("Whether the cookie goes along with requests from other sites."),
        Field::boolean("cookie_http_only")
            .default_value(true)
            .description("Whether the cookie is hidden from scripts."),
        Field::boolean("cookie_secure").default_value(true).description("Whether the cookie is for HTTPS only."),
        Field::boolean("remember").default_value(false).description("Whether sessions outlive the browser's."),
        Field::string("remember_cookie_name").default_value("remember").description("The name of the lasting cookie."),
        seconds("remember_rolling_timeout", 604_800).description("As `rolling_timeout`, of the lasting cookie."),
        seconds("remember_absolute_timeout", 2_592_000).description("As `absolute_timeout`, of the lasting cookie."),
        told("response_headers").description("What clients are told of the session in headers."),
        told("request_headers").description("What upstreams are told of the session in headers."),
        Field::boolean("read_body_for_logout")
            .default_value(false)
            .description("Whether the body is looked at for the argument that ends the session."),
        Field::set("logout_methods", Element::string().one_of(["GET", "POST", "DELETE"]))
            .default_value(vec!["POST", "DELETE"])
            .description("Methods with which a session can be ended."),
        Field::string("logout_query_arg")
            .default_value("session_logout")
            .description("The argument of the query that ends the session."),
        Field::string("logout_post_arg")
            .default_value("session_logout")
            .description("The argument of the body that ends the session."),
    ]);
    // Names of older versions, which reads do not show.
    schema
        .shorthand(Field::number("cookie_lifetime").expands(|value| renamed("rolling_timeout", value)))
        .shorthand(Field::number("cookie_idletime").expands(|value| renamed("idling_timeout", value)))
        .shorthand(Field::number("cookie_renew").expands(|_| Map::new()))
        .shorthand(Field::number("cookie_discard").expands(|value| renamed("stale_ttl", value)))
        .shorthand(Field::string("cookie_samesite").expands(|value| match value.as_str() {
            Some("off") => renamed("cookie_same_site", &Value::from("Default")),
            _ => renamed("cookie_same_site", value),
        }))
        .shorthand(Field::boolean("cookie_httponly").expands(|value| renamed("cookie_http_only", value)))
        .shorthand(Field::boolean("cookie_persistent").expands(|value| renamed("remember", value)))
}

fn renamed(name: &str, value: &Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.clone())])
}

fn check_storage(storage: &Value) -> Result<(), String> {
    if storage == "kong" {
        return Err("sessions cannot be kept in the database, only in the cookie itself: use 'cookie'".to_owned());
    }
    Ok(())
}

fn sessions() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        Field::string("session_id").required().unique(),
        Field::integer("expires"),
        Field::string("data"),
        types::created_at(),
    ]);
    EntitySchema::new("sessions", schema).endpoint_key("session_id").cache_key(&["session_id"]).ttl()
}
