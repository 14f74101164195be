use prost::Message;
use proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};

use super::*;

fn resource(name: &str, value: &str) -> Arc<Resource> {
    let value = bytes::Bytes::from(value.to_owned());
    Arc::new(Resource { kind: TypeUrl::Endpoint, name: name.into(), version: Version::of(&value), value })
}

fn encoded(response: &Response) -> BytesMut {
    let mut out = BytesMut::new();
    response.encode_head(&mut out);
    for resource in &response.resources {
        response.encode_resource(resource, &mut out);
    }
    assert_eq!(out.len(), response.encoded_len());
    out
}

#[test]
fn prost_reads_a_delta_response() {
    let resources = vec![resource("b", &"x".repeat(300)), resource("a", "one")];
    let response = Response::new(Variant::Delta, TypeUrl::Endpoint, resources, vec!["z".into(), "y".into()]);
    let read = DeltaDiscoveryResponse::decode(encoded(&response)).unwrap();
    assert_eq!(read.nonce, response.nonce.to_string());
    assert_eq!(read.system_version_info, read.nonce);
    assert_eq!(read.type_url, TypeUrl::Endpoint.as_str());
    assert_eq!(read.removed_resources, ["y", "z"]);
    let names: Vec<_> = read.resources.iter().map(|r| (r.name.as_str(), r.version.as_str())).collect();
    let versions = response.resources.iter().map(|r| r.version.to_string()).collect::<Vec<_>>();
    assert_eq!(names, [("a", versions[0].as_str()), ("b", versions[1].as_str())]);
    let value = read.resources[0].resource.as_ref().unwrap();
    assert_eq!((value.type_url.as_str(), &*value.value), (TypeUrl::Endpoint.as_str(), &b"one"[..]));
}

#[test]
fn prost_reads_a_sotw_response() {
    let response = Response::new(Variant::Sotw, TypeUrl::Cluster, vec![resource("a", "one")], Vec::new());
    let read = DiscoveryResponse::decode(encoded(&response)).unwrap();
    assert_eq!((read.nonce, read.version_info), (response.nonce.to_string(), response.nonce.to_string()));
    assert_eq!(read.type_url, TypeUrl::Cluster.as_str());
    assert_eq!(&*read.resources[0].value, b"one");
}

#[test]
fn the_nonce_tells_contents_apart() {
    let response = |names: &[&str], removed: &[&str]| {
        let resources = names.iter().map(|name| resource(name, "same")).collect();
        let removed = removed.iter().map(|name| (*name).into()).collect();
        Response::new(Variant::Delta, TypeUrl::Endpoint, resources, removed)
    };
    let contents = [response(&["a"], &[]), response(&["a", "b"], &[]), response(&["a"], &["b"]), response(&[], &[])];
    for (i, one) in contents.iter().enumerate() {
        for (j, other) in contents.iter().enumerate() {
            assert_eq!(one.nonce == other.nonce, i == j);
            assert_eq!(one.same_content(other), i == j);
        }
    }
    assert_eq!(response(&["a", "b", "a"], &[]).nonce, contents[1].nonce, "order and repetition do not matter");
}
