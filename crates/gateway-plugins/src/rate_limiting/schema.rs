//! What rate-limiting may be told.

use gateway_model::entity::EntitySchema;
use gateway_model::registry::PluginSchema;
use gateway_model::schema::{EntityCheck, Field, Match, Schema};
use gateway_model::types;
use serde_json::Value;

const PERIODS: [&str; 6] = ["second", "minute", "hour", "day", "month", "year"];

/// The plugin's part of the model; `policies` are where requests may be counted.
pub(crate) fn schema(policies: &[&'static str]) -> PluginSchema {
    let redis = |field| EntityCheck::conditional("config.policy", Match::eq("redis"), field, Match::required());
    PluginSchema::new("rate-limiting", 910)
        .protocols_http()
        .config_field(Field::record("config", config(policies)).custom(check_order))
        .check(EntityCheck::at_least_one_of([
            "config.second",
            "config.minute",
            "config.hour",
            "config.day",
            "config.month",
            "config.year",
        ]))
        .check(redis("config.redis.host"))
        .check(redis("config.redis.port"))
        .check(redis("config.redis.timeout"))
        .check(EntityCheck::conditional(
            "config.limit_by",
            Match::eq("header"),
            "config.header_name",
            Match::required(),
        ))
        .check(EntityCheck::conditional("config.limit_by", Match::eq("path"), "config.path", Match::required()))
        .entity(counters())
}

/// What the reference counts in. It is only ever looked up here: counters of a cluster are no documents.
fn counters() -> EntitySchema {
    let schema = Schema::record([
        Field::string("identifier").required().len_min(0),
        Field::string("period").required(),
        Field::integer("period_date").required().timestamp(),
        Field::string("service_id").required().uuid(),
        Field::string("route_id").required().uuid(),
        Field::integer("value").required(),
    ]);
    EntitySchema::new("ratelimiting_metrics", schema)
        .primary_key(&["identifier", "period", "period_date", "service_id", "route_id"])
        .ttl()
        .internal()
}

fn config(policies: &[&'static str]) -> Schema {
    let schema = Schema::record([
        limit("second", "The number of HTTP requests that can be made per second."),
        limit("minute", "The number of HTTP requests that can be made per minute."),
        limit("hour", "The number of HTTP requests that can be made per hour."),
        limit("day", "The number of HTTP requests that can be made per day."),
        limit("month", "The number of HTTP requests that can be made per month."),
        limit("year", "The number of HTTP requests that can be made per year."),
        Field::string("limit_by")
            .default_value("consumer")
            .one_of(["consumer", "credential", "ip", "service", "header", "path"])
            .description("The entity that is used when aggregating the limits."),
        types::header_name("header_name"),
        types::path("path"),
        Field::string("policy")
            .default_value("local")
            .len_min(0)
            .one_of(policies.iter().copied())
            .description("The rate-limiting policies to use for retrieving and incrementing the limits."),
        Field::boolean("fault_tolerant").required().default_value(true).description(
            "A boolean value that determines if the requests should be proxied even if Kong has troubles connecting \
             a third-party data store. If `true`, requests will be proxied anyway, effectively disabling the \
             rate-limiting function until the data store is working again. If `false`, then the clients will see \
             `500` errors.",
        ),
        Field::record("redis", types::redis()).required().description("Redis configuration"),
        Field::boolean("hide_client_headers")
            .required()
            .default_value(false)
            .description("Optionally hide informative response headers."),
        Field::number("error_code")
            .default_value(429)
            .gt(0)
            .description("Set a custom error code to return when the rate limit is exceeded."),
        Field::string("error_message")
            .default_value("API rate limit exceeded")
            .description("Set a custom error message to return when the rate limit is exceeded."),
        Field::number("sync_rate").required().default_value(-1).description(
            "How often to sync counter data to the central data store. A value of -1 results in synchronous behavior.",
        ),
    ]);
    types::with_redis_shorthands(schema, "rate-limiting")
}

fn limit(name: &'static str, description: &'static str) -> Field {
    Field::number(name).gt(0).description(description)
}

/// A longer period allows at least as much as a shorter one.
fn check_order(config: &Value) -> Result<(), String> {
    let limits = || PERIODS.iter().filter_map(|period| Some((*period, config.get(period)?.as_f64()?)));
    for (at, (shorter, less)) in limits().enumerate() {
        if let Some((longer, more)) = limits().skip(at + 1).find(|(_, more)| *more < less) {
            return Err(format!(
                "The limit for {longer}({more:.1}) cannot be lower than the limit for {shorter}({less:.1})"
            ));
        }
    }
    Ok(())
}
