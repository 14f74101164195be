use prost::Message;
use proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use proto::{Resource, TypeUrl, Version};

use super::*;

/// A response whose resources are given by their sizes.
fn response(sizes: &[usize]) -> Response {
    let resources = sizes.iter().enumerate().map(|(index, size)| {
        let value = Bytes::from(vec![index as u8; *size]);
        let name = format!("{index:04}").into();
        Arc::new(Resource { kind: TypeUrl::Endpoint, name, version: Version::of(&value), value })
    });
    Response::new(Variant::Delta, TypeUrl::Endpoint, resources.collect(), vec!["gone".into()])
}

fn take(mut chunks: Chunks) -> Vec<Bytes> {
    std::iter::from_fn(|| chunks.next()).collect()
}

fn read(chunks: &[Bytes]) -> DeltaDiscoveryResponse {
    let frame = chunks.concat();
    assert_eq!(frame[..PREFIX], [&[0][..], &u32::try_from(frame.len() - PREFIX).unwrap().to_be_bytes()].concat());
    DeltaDiscoveryResponse::decode(&frame[PREFIX..]).unwrap()
}

#[test]
fn an_equal_response_is_the_same_bytes() {
    let frames = Frames::default();
    let first = take(frames.frame(response(&[10, 20])));
    let second = take(frames.frame(response(&[10, 20])));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(first[0].as_ptr(), second[0].as_ptr());
    assert_eq!(read(&first).resources.len(), 2);
    let other = take(frames.frame(response(&[10, 21])));
    assert_ne!(first[0], other[0]);
}

#[test]
fn a_large_response_comes_in_pieces() {
    let sizes = [7 * 1024; 40];
    let chunks = take(Frames::default().frame(response(&sizes)));
    assert!(chunks.len() > 10, "{}", chunks.len());
    assert!(chunks.iter().all(|chunk| chunk.len() < CHUNK + 8 * 1024));
    let read = read(&chunks);
    assert_eq!(read.resources.len(), sizes.len());
    assert_eq!(read.removed_resources, ["gone"]);
}

#[test]
fn a_large_response_may_be_one_resource_or_none() {
    let chunks = take(Frames::default().frame(response(&[SHARED_LIMIT])));
    assert_eq!(read(&chunks).resources.len(), 1);
    let removed = (0..20_000).map(|index| index.to_string().into()).collect();
    let chunks = take(Frames::default().frame(Response::new(Variant::Delta, TypeUrl::Cluster, Vec::new(), removed)));
    assert_eq!(read(&chunks).removed_resources.len(), 20_000);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_used_stays() {
    let frames = Frames::default();
    let kept = take(frames.frame(response(&[100])));
    for index in 0..1000 {
        take(frames.frame(response(&[SHARED_LIMIT - 1000, index])));
        let again = take(frames.frame(response(&[100])));
        assert_eq!(kept[0].as_ptr(), again[0].as_ptr());
    }
    let recent = frames.recent.lock();
    let bytes: usize = recent.young.values().chain(recent.old.values()).map(|shared| shared.frame.len()).sum();
    assert!(bytes <= 2 * GENERATION, "{bytes}");
}
