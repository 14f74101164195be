//! What proxy-cache may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Document, EntityCheck, EntityError, Field, Schema};
use gateway_model::types;

/// The plugin's part of the model.
pub(crate) fn schema() -> PluginSchema {
    PluginSchema::new("proxy-cache", 100)
        .field(types::protocols())
        .config(config())
        .check(EntityCheck::custom(["config"], check_dictionary))
}

fn config() -> Schema {
    let flag = |name| Field::boolean(name).default_value(true);
    Schema::record([
        Field::array("response_code", Field::integer("").between(100, 900))
            .required()
            .default_value(vec![200, 301, 404])
            .len_min(1)
            .description("Upstream response status code considered cacheable."),
        Field::array("request_method", Field::string("").one_of(["HEAD", "GET", "POST", "PATCH", "PUT"]))
            .required()
            .default_value(vec!["GET", "HEAD"])
            .description("Downstream request methods considered cacheable."),
        Field::array("content_type", Field::string(""))
            .required()
            .default_value(vec!["text/plain", "application/json"])
            .description(
                "Upstream response content types considered cacheable. The plugin performs an **exact match** against \
                 each specified value.",
            ),
        Field::integer("cache_ttl").default_value(300).gt(0).description("TTL, in seconds, of cache entities."),
        Field::string("strategy")
            .required()
            .one_of(["memory"])
            .description("The backing data store in which to hold cache entities."),
        Field::boolean("cache_control")
            .required()
            .default_value(false)
            .description("When enabled, respect the Cache-Control behaviors defined in RFC7234."),
        Field::boolean("ignore_uri_case").optional().default_value(false),
        Field::integer("storage_ttl").description(
            "Number of seconds to keep resources in the storage backend. This value is independent of `cache_ttl` or \
             resource TTLs defined by Cache-Control behaviors.",
        ),
        Field::record(
            "memory",
            Schema::record([Field::string("dictionary_name").required().default_value("kong_db_cache").description(
                "The name of the shared dictionary in which to hold cache entities when the memory strategy is \
                 selected. Note that this dictionary currently must be defined manually in the Kong Nginx template.",
            )]),
        )
        .required(),
        Field::array("vary_query_params", Field::string("")).description(
            "Relevant query parameters considered for the cache key. If undefined, all params are taken into \
             consideration.",
        ),
        Field::array("vary_headers", Field::string("")).description(
            "Relevant headers considered for the cache key. If undefined, none of the headers are taken into \
             consideration.",
        ),
        Field::record("response_headers", Schema::record([flag("age"), flag("X-Cache-Status"), flag("X-Cache-Key")]))
            .required()
            .description("Caching related diagnostic headers that should be included in cached responses"),
    ])
}

/// Memories that there are under a name. All are the same memory here.
const DICTIONARIES: [&str; 11] = [
    "kong",
    "kong_cluster_events",
    "kong_core_db_cache",
    "kong_core_db_cache_miss",
    "kong_db_cache",
    "kong_db_cache_miss",
    "kong_healthchecks",
    "kong_locks",
    "kong_rate_limiting_counters",
    "kong_secrets",
    "prometheus_metrics",
];

fn check_dictionary(plugin: &dyn Document) -> Result<(), EntityError> {
    let name = plugin.get("config").and_then(|config| config.pointer("/memory/dictionary_name")?.as_str());
    match name {
        Some(name) if !DICTIONARIES.contains(&name) => {
            Err(EntityError::message(format!("missing shared dict '{name}'")))
        }
        _ => Ok(()),
    }
}
