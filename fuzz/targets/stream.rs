//! A discovery stream under arbitrary requests and changes: it never panics, and never talks for ever.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use proto::{Resource, TypeUrl, Version};
use xds::{DeltaRequest, SotwRequest, Stream, TypeSet, Variant, View};

/// Most responses between two events: one for each type, its endpoints, and its removals.
const TALKATIVE: usize = 20;

fuzz_target!(|input: (bool, Vec<(u8, &[u8])>)| {
    let (delta, events) = input;
    let mut stream = Stream::new(if delta { Variant::Delta } else { Variant::Sotw });
    let mut view = View::default();
    for (event, bytes) in events {
        if event < 32 {
            let kind = TypeUrl::ALL[usize::from(event) % TypeUrl::ALL.len()];
            view.set(kind, Arc::new(TypeSet::new(resources(kind, bytes))));
        } else if delta {
            let Ok(request) = DeltaRequest::parse(bytes) else { continue };
            if stream.receive_delta(&request).is_err() {
                return;
            }
        } else {
            let Ok(request) = SotwRequest::parse(bytes) else { continue };
            if stream.receive_sotw(&request).is_err() {
                return;
            }
        }
        let mut said = 0;
        while stream.next(&view).is_some() {
            said += 1;
            assert!(said < TALKATIVE, "the stream does not stop");
        }
    }
});

/// Each byte a resource: three bits of name, the others its content.
fn resources(kind: TypeUrl, bytes: &[u8]) -> Vec<Arc<Resource>> {
    let resource = |byte: &u8| {
        let value = Bytes::copy_from_slice(&[*byte]);
        Arc::new(Resource { kind, name: format!("{}", byte & 7).into(), version: Version::of(&value), value })
    };
    bytes.iter().map(resource).collect()
}
