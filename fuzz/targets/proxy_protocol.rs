//! Headers of the PROXY protocol: what was decided about the start of a connection stays, whatever follows.
#![no_main]

use engine::proxy_protocol::{MAX_V1, MAX_V2, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let part = parse(&bytes[..usize::from(cut).min(bytes.len())]);
    let whole = parse(bytes);
    if part != Ok(None) {
        assert_eq!(part, whole);
    }
    match whole {
        Ok(Some(parsed)) => assert!(parsed.consumed <= bytes.len().min(MAX_V2.max(MAX_V1))),
        Ok(None) => assert!(bytes.len() < MAX_V2),
        Err(_) => {}
    }
});
