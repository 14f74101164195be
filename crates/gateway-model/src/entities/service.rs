//! Services: what is behind the gateway.

use serde_json::{Map, Value};

use crate::entity::EntitySchema;
use crate::schema::{Element, EntityCheck, Field, Match, Schema};
use crate::types::{self, PROTOCOLS, split_scheme};

/// The longest time out, in milliseconds.
const LONGEST: u32 = 2_147_483_646;

pub(super) fn services() -> EntitySchema {
    let timeout = |name| Field::integer(name).default_value(60_000).between(1, LONGEST);
    let with_tls_only =
        |name| EntityCheck::conditional("protocol", Match::not_one_of(["https", "tls"]), name, Match::eq(()));
    let schema = Schema::record([
        types::id(),
        types::created_at(),
        types::updated_at(),
        types::utf8_name("name"),
        Field::integer("retries").default_value(5).between(0, 32767),
        Field::string("protocol")
            .required()
            .default_value("http")
            .one_of(PROTOCOLS)
            .description("A string representing a protocol, such as HTTP or HTTPS."),
        types::host("host").required(),
        types::port("port").required().default_value(80),
        types::path("path"),
        timeout("connect_timeout"),
        timeout("write_timeout"),
        timeout("read_timeout"),
        types::tags(),
        Field::foreign("client_certificate", "certificates"),
        Field::boolean("tls_verify"),
        Field::integer("tls_verify_depth").default_value(()).between(0, 64),
        Field::array("ca_certificates", Element::string().uuid()),
        Field::boolean("enabled").required().default_value(true),
    ])
    .shorthand(Field::string("url").expands(expand_url))
    .check(EntityCheck::conditional(
        "protocol",
        Match::one_of(["tcp", "tls", "udp", "grpc", "grpcs"]),
        "path",
        Match::eq(()),
    ))
    .check(with_tls_only("client_certificate"))
    .check(with_tls_only("tls_verify"))
    .check(with_tls_only("tls_verify_depth"))
    .check(with_tls_only("ca_certificates"));
    EntitySchema::new("services", schema).endpoint_key("name")
}

/// The fields a URL stands for: protocol, host, port and path; what it has not is null, but for a port that the
/// default is good for.
fn expand_url(url: &Value) -> Map<String, Value> {
    let Some(url) = url.as_str() else { return Map::new() };
    let (scheme, rest) = split_scheme(url);
    let rest = rest.split(['#', '?']).next().unwrap_or_default();
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            rest.split_at(end)
        }
        None => ("", rest),
    };
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = split_port(authority);
    let text = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let protocol = match (scheme, port.and_then(|port| port.parse::<u64>().ok())) {
        (Some(scheme), _) => scheme,
        (None, Some(443)) => "https",
        (None, _) => "http",
    };
    let mut fields = Map::new();
    fields.insert("protocol".to_owned(), text(protocol));
    fields.insert("host".to_owned(), text(host));
    match (port, protocol) {
        (Some(port), _) => {
            let port = port.parse::<u64>().map_or_else(|_| Value::from(port), Value::from);
            fields.insert("port".to_owned(), port);
        }
        (None, "https") => {
            fields.insert("port".to_owned(), Value::from(443));
        }
        (None, _) => {
            fields.insert("port".to_owned(), Value::from(80));
        }
    }
    fields.insert("path".to_owned(), text(path));
    fields
}

/// Host and port of an authority; the brackets of an IPv6 address go.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host.trim_start_matches('[').trim_end_matches(']'), Some(port).filter(|port| !port.is_empty()))
        }
        _ => (authority.trim_start_matches('[').trim_end_matches(']'), None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expanded(url: &str) -> Value {
        Value::Object(expand_url(&Value::from(url)))
    }

    #[test]
    fn urls_fill_four_fields() {
        assert_eq!(
            expanded("https://example.com/a?x=1"),
            json!({"protocol": "https", "host": "example.com", "port": 443, "path": "/a"})
        );
        assert_eq!(
            expanded("http://[::1]:8080"),
            json!({"protocol": "http", "host": "::1", "port": 8080, "path": null})
        );
        assert_eq!(expanded("grpc://h"), json!({"protocol": "grpc", "host": "h", "port": 80, "path": null}));
        assert_eq!(expanded("//h:443"), json!({"protocol": "https", "host": "h", "port": 443, "path": null}));
    }

    #[test]
    fn a_bare_word_is_a_path() {
        assert_eq!(expanded("foo"), json!({"protocol": "http", "host": null, "port": 80, "path": "foo"}));
        assert_eq!(expanded("http://"), json!({"protocol": "http", "host": null, "port": 80, "path": null}));
    }
}
