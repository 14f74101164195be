use proptest::prelude::*;
use prost::Message;
use proto::envoy::config::core::v3::Node;
use proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use proto::google::rpc;

use super::*;

#[test]
fn delta_requests_are_read_as_prost_wrote_them() {
    let message = DeltaDiscoveryRequest {
        node: Some(Node { id: "default.web".into(), cluster: "web".into(), ..Default::default() }),
        type_url: "type".into(),
        resource_names_subscribe: vec!["a".into(), "b".into()],
        resource_names_unsubscribe: vec!["c".into()],
        initial_resource_versions: [("a".into(), Version(7).to_string()), ("b".into(), "other".into())].into(),
        response_nonce: "n".into(),
        error_detail: Some(rpc::Status { code: 3, message: "no".into(), details: vec![] }),
        ..Default::default()
    }
    .encode_to_vec();
    let request = DeltaRequest::parse(&message).unwrap();
    assert_eq!(node_id(request.node.unwrap()).unwrap(), "default.web");
    assert_eq!((request.type_url, request.nonce, request.error), ("type", "n", Some("no")));
    assert_eq!(request.subscribe().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(request.unsubscribe().collect::<Vec<_>>(), ["c"]);
    let initial: Vec<_> = request.initial_versions().collect();
    assert_eq!(initial, [("a", Some(Version(7))), ("b", None)]);
}

#[test]
fn sotw_requests_are_read_as_prost_wrote_them() {
    let message = DiscoveryRequest {
        version_info: "v".into(),
        node: Some(Node { id: "default.web".into(), ..Default::default() }),
        resource_names: vec!["a".into(), "b".into()],
        type_url: "type".into(),
        response_nonce: "n".into(),
        ..Default::default()
    }
    .encode_to_vec();
    let request = SotwRequest::parse(&message).unwrap();
    assert_eq!(node_id(request.node.unwrap()).unwrap(), "default.web");
    assert_eq!((request.type_url, request.nonce, request.error), ("type", "n", None));
    assert_eq!(request.names().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_rejection_without_a_message_is_one() {
    let message = DiscoveryRequest { error_detail: Some(rpc::Status::default()), ..Default::default() }.encode_to_vec();
    assert_eq!(SotwRequest::parse(&message).unwrap().error, Some(""));
}

#[test]
fn long_names_are_refused() {
    let message = DiscoveryRequest { resource_names: vec!["x".repeat(MAX_NAME + 1)], ..Default::default() };
    let error = SotwRequest::parse(&message.encode_to_vec()).unwrap_err();
    assert_eq!(error.message, "a resource name has 2049 bytes, at most 2048 are allowed");
}

#[test]
fn broken_messages_are_refused() {
    // A string that is longer than the message, a name that is not UTF-8, a key without a value.
    for broken in [&b"\x12\x05ab"[..], b"\x1a\x01\xff", b"\x08"] {
        assert_eq!(DeltaRequest::parse(broken).unwrap_err().code, Code::InvalidArgument);
        assert_eq!(SotwRequest::parse(broken).unwrap_err().code, Code::InvalidArgument);
    }
}

proptest! {
    #[test]
    fn whatever_is_accepted_can_be_walked(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(request) = DeltaRequest::parse(&bytes) {
            let _ = request.subscribe().count() + request.unsubscribe().count() + request.initial_versions().count();
            let _ = request.node.map(node_id);
            // What is taken here prost may refuse (it looks inside the node), but never the other way round.
        } else {
            let groups = bytes.iter().any(|byte| matches!(byte & 7, 3 | 4));
            let names_too_long = bytes.len() > MAX_NAME;
            prop_assert!(groups || names_too_long || DeltaDiscoveryRequest::decode(&*bytes).is_err());
        }
    }
}
