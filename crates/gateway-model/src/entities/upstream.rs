//! Upstreams and their targets.

use serde_json::{Map, Value, json};

use crate::entity::EntitySchema;
use crate::schema::{Element, EntityCheck, Field, Match, OnDelete, Schema};
use crate::types::{self, AddressKind, normalize_address};

/// The port of a target that names none.
const DEFAULT_PORT: u16 = 8000;

const HASH_ON: [&str; 8] = ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"];
const PROBES: [&str; 5] = ["tcp", "http", "https", "grpc", "grpcs"];

pub(super) fn upstreams() -> EntitySchema {
    let hash = |name| Field::string(name).default_value("none").one_of(HASH_ON);
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        Field::string("name")
            .required()
            .unique()
            .custom(check_name)
            .description("This is a hostname, which must be equal to the host of a Service."),
        types::updated_at(),
        Field::string("algorithm")
            .default_value("round-robin")
            .one_of(["consistent-hashing", "least-connections", "round-robin", "latency"])
            .description("Which load balancing algorithm to use."),
        hash("hash_on"),
        hash("hash_fallback"),
        types::header_name("hash_on_header"),
        types::header_name("hash_fallback_header"),
        Field::string("hash_on_cookie")
            .custom(types::check_cookie_name)
            .description("The cookie name to take the value from as hash input."),
        types::path("hash_on_cookie_path").default_value("/"),
        Field::string("hash_on_query_arg").len_min(1),
        Field::string("hash_fallback_query_arg").len_min(1),
        Field::string("hash_on_uri_capture").len_min(1),
        Field::string("hash_fallback_uri_capture").len_min(1),
        Field::integer("slots")
            .default_value(10_000)
            .between(10, 65536)
            .description("The number of slots in the load balancer algorithm."),
        healthchecks(),
        types::tags(),
        types::host_with_optional_port("host_header"),
        Field::foreign("client_certificate", "certificates").description(
            "If set, the certificate to be used as client certificate while TLS handshaking to the upstream server.",
        ),
        Field::boolean("use_srv_name").default_value(false).description("If set, the balancer will use SRV hostname."),
    ])
    // These two are fields as well; a write of one has consequences for the other.
    .shorthand(Field::string("algorithm").expands(expand_algorithm))
    .shorthand(Field::string("hash_on").expands(expand_hash_on));
    let schema = hash_checks().into_iter().fold(schema, Schema::check);
    EntitySchema::new("upstreams", schema).endpoint_key("name")
}

fn expand_algorithm(algorithm: &Value) -> Map<String, Value> {
    let mut fields = Map::from_iter([("algorithm".to_owned(), algorithm.clone())]);
    if matches!(algorithm.as_str(), Some("least-connections" | "latency")) {
        fields.insert("hash_on".to_owned(), Value::Null);
    }
    fields
}

fn expand_hash_on(hash_on: &Value) -> Map<String, Value> {
    let algorithm = match hash_on.as_str() {
        None => return Map::from_iter([("hash_on".to_owned(), Value::from("none"))]),
        Some("none") => "round-robin",
        Some(_) => "consistent-hashing",
    };
    Map::from_iter([("hash_on".to_owned(), hash_on.clone()), ("algorithm".to_owned(), Value::from(algorithm))])
}

fn hash_checks() -> Vec<EntityCheck> {
    let needs = |if_field, is: &'static str, then_field| {
        EntityCheck::conditional(if_field, Match::matches(is), then_field, Match::required())
    };
    let fallback = |is: &'static str, options: &[&'static str]| {
        EntityCheck::conditional("hash_on", Match::matches(is), "hash_fallback", Match::one_of(options.to_vec()))
    };
    vec![
        needs("hash_on", "^header$", "hash_on_header"),
        needs("hash_fallback", "^header$", "hash_fallback_header"),
        needs("hash_on", "^cookie$", "hash_on_cookie"),
        needs("hash_fallback", "^cookie$", "hash_on_cookie"),
        fallback("^none$", &["none"]),
        fallback("^cookie$", &["none"]),
        fallback("^consumer$", &["none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"]),
        fallback("^ip$", &["none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"]),
        fallback("^path$", &["none", "consumer", "header", "cookie", "query_arg", "ip", "uri_capture"]),
        EntityCheck::distinct(["hash_on_header", "hash_fallback_header"]),
        needs("hash_on", "^query_arg$", "hash_on_query_arg"),
        needs("hash_fallback", "^query_arg$", "hash_fallback_query_arg"),
        EntityCheck::distinct(["hash_on_query_arg", "hash_fallback_query_arg"]),
        needs("hash_on", "^uri_capture$", "hash_on_uri_capture"),
        needs("hash_fallback", "^uri_capture$", "hash_fallback_uri_capture"),
        EntityCheck::distinct(["hash_on_uri_capture", "hash_fallback_uri_capture"]),
    ]
}

fn healthchecks() -> Field {
    let active = json!({
        "type": "http",
        "timeout": 1,
        "concurrency": 10,
        "http_path": "/",
        "https_verify_certificate": true,
        "healthy": active_healthy(),
        "unhealthy": active_unhealthy(),
    });
    let passive = json!({"type": "http", "healthy": passive_healthy(), "unhealthy": passive_unhealthy()});
    let whole = json!({"passive": passive, "active": active});
    let schema = Schema::record([
        Field::record("passive", passive_schema()).required().default_value(passive),
        Field::record("active", active_schema()).required().default_value(active),
        Field::number("threshold").default_value(0).between(0, 100),
    ]);
    Field::record("healthchecks", schema).required().default_value(whole).description("The array of healthchecks.")
}

fn active_healthy() -> Value {
    json!({"interval": 0, "successes": 0, "http_statuses": [200, 302]})
}

fn active_unhealthy() -> Value {
    json!({
        "interval": 0, "http_failures": 0, "tcp_failures": 0, "timeouts": 0,
        "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
    })
}

fn passive_healthy() -> Value {
    json!({
        "successes": 0,
        "http_statuses":
            [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308],
    })
}

fn passive_unhealthy() -> Value {
    json!({"http_failures": 0, "tcp_failures": 0, "timeouts": 0, "http_statuses": [429, 500, 503]})
}

fn active_schema() -> Schema {
    Schema::record([
        probe(),
        thresholds("unhealthy", ["interval", "tcp_failures", "timeouts", "http_failures"], active_unhealthy()),
        Field::integer("concurrency").default_value(10).between(1, 2_147_483_648_u32),
        Field::number("timeout").default_value(1).between(0, 65535),
        types::headers("headers").optional(),
        types::path("http_path").default_value("/"),
        types::sni("https_sni").optional(),
        Field::boolean("https_verify_certificate").required().default_value(true),
        thresholds("healthy", ["interval", "successes"], active_healthy()),
    ])
}

fn passive_schema() -> Schema {
    Schema::record([
        probe(),
        thresholds("unhealthy", ["http_failures", "timeouts", "tcp_failures"], passive_unhealthy()),
        thresholds("healthy", ["successes"], passive_healthy()),
    ])
}

fn probe() -> Field {
    Field::string("type").default_value("http").one_of(PROBES)
}

/// A record of counts, an interval perhaps, and status codes.
fn thresholds<const N: usize>(name: &'static str, counts: [&'static str; N], defaults: Value) -> Field {
    let counts = counts.map(|name| match name {
        "interval" => Field::number(name).default_value(0).between(0, 65535),
        _ => Field::integer(name).default_value(0).between(0, 255),
    });
    let statuses = Field::array("http_statuses", Element::integer().between(100, 999))
        .default_value(defaults["http_statuses"].clone());
    Field::record(name, Schema::record(counts.into_iter().chain([statuses]))).required().default_value(defaults)
}

fn check_name(name: &Value) -> Result<(), String> {
    let name = name.as_str().unwrap_or_default();
    match normalize_address(name) {
        Err(_) => Err(format!("Invalid name ('{name}'); must be a valid hostname")),
        Ok(address) if address.kind != AddressKind::Name => {
            Err(format!("Invalid name ('{name}'); no ip addresses allowed"))
        }
        Ok(address) if address.port.is_some() => Err(format!("Invalid name ('{name}'); no port allowed")),
        Ok(_) => Ok(()),
    }
}

pub(super) fn targets() -> EntitySchema {
    let schema = Schema::record([
        types::id(),
        types::auto_timestamp_ms("created_at"),
        types::auto_timestamp_ms("updated_at"),
        Field::foreign("upstream", "upstreams")
            .required()
            .on_delete(OnDelete::Cascade)
            .description("The unique identifier or the name of the upstream for which to update the target."),
        Field::string("target")
            .required()
            .custom(check_target)
            .description("The target address (ip or hostname) and port."),
        Field::integer("weight")
            .default_value(100)
            .between(0, 65535)
            .description("The weight this target gets within the upstream loadbalancer (0-65535)."),
        types::tags(),
    ]);
    EntitySchema::new("targets", schema)
        .endpoint_key("target")
        .cache_key(&["upstream", "target"])
        .unique_together(&["upstream", "target"])
}

fn check_target(target: &Value) -> Result<(), String> {
    let target = target.as_str().unwrap_or_default();
    match normalize_address(target) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("Invalid target ('{target}'); not a valid hostname or ip address")),
    }
}

/// A target as it is stored: with a port, IPv6 addresses in full and in brackets.
///
/// # Errors
/// What is wrong with it, as the Admin API says it before anything is stored.
pub fn canonical_target(target: &str) -> Result<String, String> {
    let address =
        normalize_address(target).map_err(|_| "Invalid target; not a valid hostname or ip address".to_owned())?;
    Ok(format!("{}:{}", address.host, address.port.unwrap_or(DEFAULT_PORT)))
}
