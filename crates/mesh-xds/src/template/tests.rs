use prost::Message as _;
use proto::TypeUrl;
use proto::envoy::config::cluster::v3::Cluster;

use super::resource;

#[test]
fn yaml_becomes_a_resource_of_its_type_and_name() {
    let text = "
'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster
name: extra
connectTimeout: 5s
typed_extension_protocol_options:
  b: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}
  a: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}
";
    let resource = resource(text).unwrap();
    assert_eq!((resource.kind, &*resource.name), (TypeUrl::Cluster, "extra"));
    let cluster = Cluster::decode(resource.value.clone()).unwrap();
    assert_eq!(cluster.connect_timeout.unwrap().seconds, 5);
    assert_eq!(cluster.typed_extension_protocol_options.len(), 2);
    assert_eq!(cluster.encode_to_vec(), resource.value, "maps are sorted");
}

#[test]
fn json_is_read_too_and_extensions_outside_of_the_subset() {
    let text = r#"{"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "l",
        "address": {"socketAddress": {"address": "127.0.0.1", "portValue": 10000}},
        "filterChains": [{"filters": [{"name": "envoy.filters.network.echo",
            "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}}]}]}"#;
    assert_eq!(resource(text).unwrap().kind, TypeUrl::Listener);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("{", "line"),
        ("name: x", "@type"),
        (
            "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: x\nconnect_timout: 5s\n",
            "connect_timout",
        ),
        ("'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: x\nconnect_timout: 5s\n", "line 3"),
        ("'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nconnect_timeout: 5s\n", "name: must be set"),
        ("'@type': type.googleapis.com/envoy.config.core.v3.Node\nid: x\n", "is not served"),
        ("'@type': type.googleapis.com/no.such.Type\nid: x\n", "no.such.Type"),
        ("'@type': 7\n", "type url"),
        ("- 1\n", "map"),
        ("", "map"),
    ];
    for (text, expected) in cases {
        let error = resource(text).unwrap_err();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn the_former_api_is_moved_to_the_present_one() {
    let text = "
'@type': type.googleapis.com/envoy.api.v2.Cluster
name: old
connectTimeout: 5s
type: STATIC
hosts:
- socketAddress: {address: 127.0.0.1, portValue: 80}
tls_context: {sni: example.com}
";
    let cluster = Cluster::decode(resource(text).unwrap().value).unwrap();
    assert_eq!(cluster.load_assignment.unwrap().endpoints[0].lb_endpoints.len(), 1);
    assert_eq!(cluster.transport_socket.unwrap().name, "envoy.transport_sockets.tls");

    let text = "
'@type': type.googleapis.com/envoy.api.v2.Listener
name: old
address: {socketAddress: {address: 127.0.0.1, portValue: 80}}
filterChains:
- filters:
  - name: envoy.tcp_proxy
    config: {cluster: old, stat_prefix: old}
";
    assert_eq!(resource(text).unwrap().kind, TypeUrl::Listener);
}

#[test]
fn long_texts_are_refused() {
    assert!(resource(&"x".repeat(super::LONGEST + 1)).unwrap_err().contains("longer"));
}
