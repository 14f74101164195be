//! Requests of HTTP/1.1: the decision does not depend on where the input is cut, and what was read is written so that it
//! is read the same again.
#![no_main]

use engine::http1::{self, Framing, Limits};
use engine::message::RequestHead;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let limits = Limits::default();
    let mut head = RequestHead::default();
    let cut = usize::from(cut).min(bytes.len());
    let part = http1::parse_request(&bytes[..cut], &limits, &mut head);
    let whole = http1::parse_request(bytes, &limits, &mut head);
    if part != Ok(None) {
        assert_eq!(part, whole);
    }
    let Ok(Some(parsed)) = whole else { return };
    assert!(parsed.consumed <= bytes.len());
    assert_ne!(parsed.framing, Framing::UntilClose);

    let mut written = Vec::new();
    http1::write_request(&head, &mut written);
    http1::end_head(&mut written);
    // A request of HTTP/1.0 may lack what the version it is written with demands.
    if !head.headers.contains("host") || written.len() > limits.max_head_bytes {
        return;
    }
    let mut again = RequestHead::default();
    let reparsed = http1::parse_request(&written, &limits, &mut again);
    let Ok(Some(reparsed)) = reparsed else { panic!("{reparsed:?}: {}", written.escape_ascii()) };
    assert_eq!(reparsed.framing, parsed.framing);
    assert_eq!((&again.method, &again.target), (&head.method, &head.target));
    assert!(again.headers.iter().eq(head.headers.iter()));
});
