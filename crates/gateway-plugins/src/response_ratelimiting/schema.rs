//! What response-ratelimiting may be told.

use gateway_model::registry::PluginSchema;
use gateway_model::schema::{Element, EntityCheck, Field, Match, Schema};
use gateway_model::types;
use serde_json::Value;

const PERIODS: [&str; 6] = ["second", "minute", "hour", "day", "month", "year"];

/// The plugin's part of the model; `policies` are where requests may be counted.
pub(crate) fn schema(policies: &[&'static str]) -> PluginSchema {
    let redis = |field| EntityCheck::conditional("config.policy", Match::eq("redis"), field, Match::required());
    PluginSchema::new("response-ratelimiting", 900)
        .protocols_http()
        .config(config(policies))
        .check(redis("config.redis.host"))
        .check(redis("config.redis.port"))
        .check(redis("config.redis.timeout"))
}

fn config(policies: &[&'static str]) -> Schema {
    let period = |name| Field::number(name).gt(0);
    let limits = Schema::record(PERIODS.map(period)).check(EntityCheck::at_least_one_of(PERIODS));
    let schema = Schema::record([
        Field::string("header_name")
            .default_value("x-kong-limit")
            .description("The name of the response header used to increment the counters."),
        Field::string("limit_by")
            .default_value("consumer")
            .one_of(["consumer", "credential", "ip"])
            .description("The entity that will be used when aggregating the limits."),
        Field::string("policy")
            .default_value("local")
            .one_of(policies.iter().copied())
            .description("Where counters are kept: by each node, in the database of the cluster, or in Redis."),
        Field::boolean("fault_tolerant")
            .required()
            .default_value(true)
            .description("Whether requests pass when counters cannot be reached. Those of the node always can."),
        Field::record("redis", types::redis()).required().description("Redis configuration"),
        Field::boolean("block_on_first_violation")
            .required()
            .default_value(false)
            .description("Whether requests are refused as soon as nothing is left of one limit."),
        Field::boolean("hide_client_headers")
            .required()
            .default_value(false)
            .description("Whether clients are told nothing of limits."),
        Field::map("limits", Element::string(), Element::record(limits).custom(check_order))
            .required()
            .len_min(1)
            .description("Limits by the name under which answers count towards them."),
    ]);
    types::with_redis_shorthands(schema, "response-ratelimiting")
}

/// A longer period allows at least as much as a shorter one.
fn check_order(limit: &Value) -> Result<(), String> {
    let limits = || PERIODS.iter().filter_map(|period| Some((*period, limit.get(period)?.as_f64()?)));
    for (at, (shorter, less)) in limits().enumerate() {
        if let Some((longer, more)) = limits().skip(at + 1).find(|(_, more)| *more < less) {
            return Err(format!(
                "the limit for {longer}({more:.1}) cannot be lower than the limit for {shorter}({less:.1})"
            ));
        }
    }
    Ok(())
}
