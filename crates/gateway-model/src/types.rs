//! Fields that many schemas share.

mod checks;
mod records;

pub use checks::*;
pub use records::{queue, redis, with_redis_shorthands};

pub(crate) use checks::split_scheme;

use crate::schema::{Element, Field, OnDelete};

/// Every protocol.
pub const PROTOCOLS: [&str; 8] = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"];

/// The protocols of HTTP.
pub const PROTOCOLS_HTTP: [&str; 4] = ["grpc", "grpcs", "http", "https"];

const ID: &str = "A string representing a UUID (universally unique identifier).";
const TIMESTAMP: &str = "An integer representing an automatic Unix timestamp in seconds.";
const TIMESTAMP_MS: &str = "A number representing an automatic Unix timestamp in milliseconds.";
const NAME: &str = "A unique string representing a UTF-8 encoded name.";

/// A primary key that is generated.
pub fn id() -> Field {
    uuid("id").auto()
}

/// A UUID.
pub fn uuid(name: &'static str) -> Field {
    Field::string(name).uuid().description(ID)
}

/// Seconds since 1970, filled in.
pub fn auto_timestamp(name: &'static str) -> Field {
    Field::integer(name).timestamp().auto().description(TIMESTAMP)
}

/// Seconds since 1970 with milliseconds, filled in.
pub fn auto_timestamp_ms(name: &'static str) -> Field {
    Field::number(name).timestamp().auto().description(TIMESTAMP_MS)
}

/// When the document was made.
pub fn created_at() -> Field {
    auto_timestamp("created_at")
}

/// When the document was last written.
pub fn updated_at() -> Field {
    auto_timestamp("updated_at")
}

/// A unique name that may be in any language.
pub fn utf8_name(name: &'static str) -> Field {
    Field::string(name).unique().custom(check_utf8_name).description(NAME)
}

/// `tags`.
pub fn tags() -> Field {
    Field::set("tags", tag("")).description("A set of strings representing tags.")
}

/// One tag.
pub fn tag(name: &'static str) -> Field {
    Field::string(name).required().custom(check_tag).description("A string representing a tag.")
}

/// A host name or an IP address, without a port.
pub fn host(name: &'static str) -> Field {
    Field::string(name).custom(check_host).description("A string representing a host name, such as example.com.")
}

/// A host name or an IP address, with a port or without.
pub fn host_with_optional_port(name: &'static str) -> Field {
    Field::string(name).custom(check_host_with_optional_port).description(
        "A string representing a host name with an optional port number, such as example.com or example.com:8080.",
    )
}

/// A host name with one wildcard at most, as the first or the last label, and perhaps a port.
pub fn wildcard_host(name: &'static str) -> Field {
    const LABEL: &str = "invalid wildcard: must be placed at leftmost or rightmost label";
    Field::string(name)
        .match_any(["^%*%.", "%.%*$", "^[^*]*$"], Some(LABEL))
        .match_all([("^[^*]*%*?[^*]*$", "invalid wildcard: must have at most one wildcard")])
        .custom(check_wildcard_host)
}

/// An IP address.
pub fn ip(name: &'static str) -> Field {
    Field::string(name).custom(check_ip).description("A string representing an IP address.")
}

/// An IP address or a range of them.
pub fn ip_or_cidr(name: &'static str) -> Field {
    Field::string(name)
        .custom(check_ip_or_cidr)
        .description("A string representing an IP address or CIDR block, such as 192.168.1.1 or 192.168.0.0/16.")
}

/// A port; 0 is one.
pub fn port(name: &'static str) -> Field {
    Field::integer(name)
        .between(0, 65535)
        .description("An integer representing a port number between 0 and 65535, inclusive.")
}

/// Milliseconds.
pub fn timeout(name: &'static str) -> Field {
    Field::integer(name)
        .between(0, 2_147_483_646_u32)
        .description("An integer representing a timeout in milliseconds. Must be between 0 and 2^31-2.")
}

/// A path: begins with `/`, no empty segments.
pub fn path(name: &'static str) -> Field {
    Field::string(name)
        .starts_with("/")
        .match_none([("//", "must not have empty segments")])
        .custom(check_path)
        .description(
            "A string representing a URL path, such as /path/to/resource. Must start with a forward slash (/) and \
             must not contain empty segments (i.e., two consecutive forward slashes).",
        )
}

/// A URL with scheme and host.
pub fn url(name: &'static str) -> Field {
    Field::string(name)
        .custom(check_url)
        .description("A string representing a URL, such as https://example.com/path/to/resource?q=search.")
}

/// A server name for TLS.
pub fn sni(name: &'static str) -> Field {
    Field::string(name)
        .custom(check_sni)
        .description("A string representing an SNI (server name indication) value for TLS.")
}

/// A server name for TLS whose first or last label may be `*`.
pub fn wildcard_sni(name: &'static str) -> Field {
    Field::string(name)
        .custom(check_wildcard_sni)
        .description("A string representing a wildcard host name, such as *.example.com.")
}

/// A header's name.
pub fn header_name(name: &'static str) -> Field {
    Field::string(name).custom(check_header_name).description("A string representing an HTTP header name.")
}

/// Headers with lists of values.
pub fn headers(name: &'static str) -> Field {
    Field::map(name, header_name(""), Element::array(Element::string()))
        .description("A map of header names to arrays of header values.")
}

/// A PEM certificate.
pub fn certificate(name: &'static str) -> Field {
    Field::string(name).custom(check_certificate).description("A string representing a certificate.")
}

/// A PEM private key.
pub fn key(name: &'static str) -> Field {
    Field::string(name).custom(check_private_key).description("A string representing a key.")
}

/// Every protocol accepted, those of HTTP by default.
pub fn protocols() -> Field {
    Field::set(
        "protocols",
        Element::string().one_of(PROTOCOLS).description("A string representing a protocol, such as HTTP or HTTPS."),
    )
    .required()
    .default_value(PROTOCOLS_HTTP.to_vec())
    .description("A set of strings representing protocols.")
}

/// The protocols of HTTP accepted, all by default.
pub fn protocols_http() -> Field {
    Field::set("protocols", Element::string().one_of(PROTOCOLS_HTTP))
        .required()
        .default_value(PROTOCOLS_HTTP.to_vec())
        .description("A set of strings representing HTTP protocols.")
}

/// The owner of a credential.
pub fn owner() -> Field {
    Field::foreign("consumer", "consumers").required().on_delete(OnDelete::Cascade)
}

/// For a plugin that cannot be put on a consumer.
pub fn no_consumer() -> Field {
    Field::foreign("consumer", "consumers")
        .eq(())
        .description("Custom type for representing a foreign key with a null value allowed.")
}

/// For a plugin that cannot be put on a route.
pub fn no_route() -> Field {
    Field::foreign("route", "routes").eq(()).description("A reference to the 'routes' table with a null value allowed.")
}

/// For a plugin that cannot be put on a service.
pub fn no_service() -> Field {
    Field::foreign("service", "services")
        .eq(())
        .description("A reference to the 'services' table with a null value allowed.")
}
