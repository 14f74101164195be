use super::*;
use crate::message::{Method, RequestHead, ResponseHead};

#[test]
fn a_request_is_read_and_written_the_same() {
    let text = b"POST /a%20b?c HTTP/1.1\r\nHost: x.test:80\r\nX-a: 1\r\nx-A: 2\r\nContent-Length: 3\r\n\r\nabc";
    let mut head = RequestHead::default();
    let parsed = parse_request(text, &Limits::default(), &mut head).unwrap().unwrap();
    assert_eq!(parsed.framing, Framing::Length(3));
    assert_eq!(&text[parsed.consumed..], b"abc");
    assert!(parsed.keep_alive && !parsed.upgrade && !parsed.expect_continue);
    assert_eq!(head.method, Method::Post);
    let mut out = Vec::new();
    write_request(&head, &mut out);
    end_head(&mut out);
    assert_eq!(out, text[..parsed.consumed]);
}

#[test]
fn a_response_is_read_and_written_the_same() {
    let text = b"HTTP/1.1 404 Gone fishing\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut head = ResponseHead::new(0);
    let parsed = parse_response(text, &Method::Get, &Limits::default(), &mut head).unwrap().unwrap();
    assert_eq!((parsed.framing, parsed.keep_alive), (Framing::Chunked, true));
    let mut out = Vec::new();
    write_response(&head, &mut out);
    end_head(&mut out);
    assert_eq!(out, text);
}
