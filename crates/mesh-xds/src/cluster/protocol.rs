//! The HTTP version towards a cluster.

use prost_types::Any;
use proto::envoy::config::core::v3::{Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as Common};
use proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use proto::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;
use proto::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions,
};

use crate::timeouts::Timeouts;
use crate::wire;

/// Version spoken with a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    One,
    Two,
}

/// An entry of `typed_extension_protocol_options`; `timeouts` where they are those of HTTP.
pub(crate) fn protocol_options(version: HttpVersion, timeouts: Option<&Timeouts>) -> (String, Any) {
    const TYPE: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let config = match version {
        HttpVersion::One => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        HttpVersion::Two => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default()),
    };
    let explicit = ExplicitHttpConfig { protocol_config: Some(config) };
    let options = HttpProtocolOptions {
        common_http_protocol_options: timeouts.map(common),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..HttpProtocolOptions::default()
    };
    (TYPE.to_owned(), wire::any(TYPE, &options))
}

fn common(timeouts: &Timeouts) -> Common {
    Common {
        idle_timeout: Some(wire::duration(timeouts.http_idle)),
        max_stream_duration: timeouts.max_stream_duration.map(wire::duration),
        ..Common::default()
    }
}
