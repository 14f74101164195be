//! Responses of HTTP/1.1: the decision does not depend on where the input is cut, and what was read is written so that it
//! is read the same again.
#![no_main]

use engine::http1::{self, Limits};
use engine::message::{Method, ResponseHead, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (method, cut, bytes) = input;
    let method = [Method::Get, Method::Head, Method::Connect][usize::from(method % 3)].clone();
    let limits = Limits::default();
    let mut head = ResponseHead::new(200);
    let cut = usize::from(cut).min(bytes.len());
    let part = http1::parse_response(&bytes[..cut], &method, &limits, &mut head);
    let whole = http1::parse_response(bytes, &method, &limits, &mut head);
    if part != Ok(None) {
        assert_eq!(part, whole);
    }
    let Ok(Some(parsed)) = whole else { return };
    assert!(parsed.consumed <= bytes.len());
    assert!((100..1000).contains(&head.status));

    let mut written = Vec::new();
    http1::write_response(&head, &mut written);
    http1::end_head(&mut written);
    if written.len() > limits.max_head_bytes {
        return;
    }
    let mut again = ResponseHead::new(200);
    let reparsed = http1::parse_response(&written, &method, &limits, &mut again);
    let Ok(Some(reparsed)) = reparsed else { panic!("{reparsed:?}: {}", written.escape_ascii()) };
    if head.version == Version::Http11 {
        assert_eq!((reparsed.framing, reparsed.keep_alive), (parsed.framing, parsed.keep_alive));
    }
    assert_eq!((again.status, &again.reason), (head.status, &head.reason));
    assert!(again.headers.iter().eq(head.headers.iter()));
});
