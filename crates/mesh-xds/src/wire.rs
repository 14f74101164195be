//! Small builders for the messages that every part of the configuration is made of.

use std::net::IpAddr;
use std::time::Duration;

use mesh_model::Tags;
use mesh_model::policy::StringMatch;
use prost::Message;
use prost_types::{Any, Struct, Value, value};
use proto::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, HeaderValue, HeaderValueOption, Metadata, SocketAddress,
    address, config_source, header_value_option::HeaderAppendAction, socket_address,
};
use proto::envoy::config::listener::v3::{Filter, filter};
use proto::envoy::config::route::v3::{HeaderMatcher, header_matcher};
use proto::envoy::extensions::filters::network::http_connection_manager::v3::{HttpFilter, http_filter};
use proto::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher};

/// `message` as `google.protobuf.Any` of the type with this full name.
pub(crate) fn any(type_name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{type_name}"), value: message.encode_to_vec() }
}

/// A duration on the wire; longer ones than a century are cut, as protobuf cannot hold them.
pub(crate) fn duration(value: Duration) -> prost_types::Duration {
    const CENTURY: u64 = 100 * 366 * 24 * 3600;
    let value = value.min(Duration::from_secs(CENTURY));
    prost_types::Duration {
        seconds: i64::try_from(value.as_secs()).expect("at most a century"),
        nanos: i32::try_from(value.subsec_nanos()).expect("below a thousand million"),
    }
}

/// A TCP socket address.
pub(crate) fn socket(address: &str, port: u16) -> SocketAddress {
    SocketAddress {
        address: address.to_owned(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(u32::from(port))),
        ..SocketAddress::default()
    }
}

/// A TCP address.
pub(crate) fn address(address: &str, port: u16) -> Address {
    Address { address: Some(address::Address::SocketAddress(socket(address, port))) }
}

/// A Unix socket.
pub(crate) fn pipe(path: &str) -> Address {
    Address {
        address: Some(address::Address::Pipe(proto::envoy::config::core::v3::Pipe { path: path.to_owned(), mode: 0 })),
    }
}

/// Whether Envoy takes it where it wants an IP address.
pub(crate) fn is_ip(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok()
}

/// Configuration comes over the aggregated stream.
pub(crate) fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3 as i32,
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

/// A struct of strings.
pub(crate) fn text_struct<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> Struct {
    let field =
        |(key, value): (&String, &String)| (key.clone(), Value { kind: Some(value::Kind::StringValue(value.clone())) });
    Struct { fields: tags.map(field).collect() }
}

/// Metadata that tells listeners' tags: `io.kuma.tags`.
pub(crate) fn tags_metadata(tags: &Tags) -> Metadata {
    Metadata { filter_metadata: [("io.kuma.tags".to_owned(), text_struct(tags.iter()))].into(), ..Metadata::default() }
}

/// A network filter.
pub(crate) fn network_filter(name: &str, type_name: &str, config: &impl Message) -> Filter {
    Filter { name: name.to_owned(), config_type: Some(filter::ConfigType::TypedConfig(any(type_name, config))) }
}

/// An HTTP filter.
pub(crate) fn http_filter(name: &str, type_name: &str, config: &impl Message) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(any(type_name, config))),
        ..HttpFilter::default()
    }
}

/// An RE2 expression.
pub(crate) fn regex(expression: &str) -> RegexMatcher {
    RegexMatcher { regex: expression.to_owned(), ..RegexMatcher::default() }
}

/// A condition on text.
pub(crate) fn string_matcher(value: &StringMatch) -> StringMatcher {
    use string_matcher::MatchPattern;
    let pattern = match value {
        StringMatch::Exact(text) => MatchPattern::Exact(text.clone()),
        StringMatch::Prefix(text) => MatchPattern::Prefix(text.clone()),
        StringMatch::Regex(text) => MatchPattern::SafeRegex(regex(text)),
    };
    StringMatcher { match_pattern: Some(pattern), ..StringMatcher::default() }
}

/// Text that is equal.
pub(crate) fn exact(text: impl Into<String>) -> StringMatcher {
    StringMatcher { match_pattern: Some(string_matcher::MatchPattern::Exact(text.into())), ..StringMatcher::default() }
}

/// Text that begins so.
pub(crate) fn prefix(text: impl Into<String>) -> StringMatcher {
    StringMatcher { match_pattern: Some(string_matcher::MatchPattern::Prefix(text.into())), ..StringMatcher::default() }
}

/// A condition on a header.
pub(crate) fn header_matcher(name: &str, value: &StringMatch) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(header_matcher::HeaderMatchSpecifier::StringMatch(string_matcher(value))),
        ..HeaderMatcher::default()
    }
}

/// A header that is added next to existing values, or set in their place.
pub(crate) fn header_option(name: &str, value: &str, append: bool) -> HeaderValueOption {
    let action =
        if append { HeaderAppendAction::AppendIfExistsOrAdd } else { HeaderAppendAction::OverwriteIfExistsOrAdd };
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value: value.to_owned(), ..HeaderValue::default() }),
        append_action: action as i32,
        ..HeaderValueOption::default()
    }
}
