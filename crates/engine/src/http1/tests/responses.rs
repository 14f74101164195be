use super::Read::{Body, Partial, Response};
use super::*;

fn whole(framing: Framing, body: &str, rest: &str) -> Read {
    Read::Whole(framing, body.into(), rest.into())
}

/// The cases: a method, the response to it and how that is to be read.
pub(super) fn cases() -> Vec<(Method, &'static [u8], Read)> {
    use BadResponse as Bad;
    use Method::{Connect, Get, Head};
    let closed = |body| whole(Framing::UntilClose, body, "");
    vec![
        (Get, b"HTTP/1.1 200 OK\r\n\r\nabc", closed("abc")),
        (Get, b"HTTP/1.1 200\r\n\r\nabc", closed("abc")),
        (Get, b"HTTP/1.1 200 \r\n\r\nabc", closed("abc")),
        (Get, b"HTTP/1.0 200 OK\r\n\r\nabc", closed("abc")),
        (Get, b"HTTP/1.1 200 All is \xe4\t well\r\n\r\n", closed("")),
        (Get, b"HTTP/1.1 799 x\r\n\r\nabc", closed("abc")),
        // Line ends of servers that know no better.
        (Get, b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", whole(Framing::Length(3), "abc", "")),
        (Get, b"HTTP/1.1 200 OK\r\nContent-Length: 3\n\r\nabc", whole(Framing::Length(3), "abc", "")),
        (Get, b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", Response(Bad::FieldValue)),
        (Get, b"HTTP/1.1 200 O\rK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1 200OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1 20 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1 099 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1 2000 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1 2xx OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1  200 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/1.1\t200 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"HTTP/2.0 200 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"\r\nHTTP/1.1 200 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"ICY 200 OK\r\n\r\n", Response(Bad::StatusLine)),
        (Get, b"SSH-2.0-x", Response(Bad::StatusLine)),
        (Get, b"<html>\r\n", Response(Bad::StatusLine)),
        (Get, b"", Partial),
        (Get, b"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", Response(Bad::FieldName)),
        (Get, b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", Response(Bad::FieldName)),
        (Get, b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n", Response(Bad::FieldValue)),
        (Get, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcX", whole(Framing::Length(3), "abc", "X")),
        (Get, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Partial),
        (Get, b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", Response(Bad::ContentLength)),
        (Get, b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", Response(Bad::ContentLength)),
        (
            Get,
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            Response(Bad::SeveralContentLengths),
        ),
        (
            Get,
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Response(Bad::LengthAndTransferEncoding),
        ),
        (Get, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", whole(Framing::Chunked, "", "")),
        (Get, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Partial),
        (Get, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n", Body(BadBody::ChunkSize)),
        (Get, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Response(Bad::TransferEncoding)),
        (Get, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc", Response(Bad::TransferEncoding)),
        (Get, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Response(Bad::TransferEncoding)),
        (Get, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Response(Bad::TransferEncoding)),
        // No body, whatever is announced.
        (Head, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nX", whole(Framing::None, "", "X")),
        (Head, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nX", whole(Framing::None, "", "X")),
        (Head, b"HTTP/1.1 200 OK\r\n\r\nX", whole(Framing::None, "", "X")),
        (Get, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nX", whole(Framing::None, "", "X")),
        (Get, b"HTTP/1.1 204 No Content\r\n\r\nX", whole(Framing::None, "", "X")),
        (Get, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP", whole(Framing::None, "", "HTTP")),
        (Get, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nX", whole(Framing::None, "", "X")),
        (Connect, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nX", whole(Framing::None, "", "X")),
        (Connect, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\n\r\nX", whole(Framing::Length(1), "X", "")),
    ]
}

#[test]
fn every_case_is_read_in_one_way() {
    for (method, input, expected) in cases() {
        assert_eq!(read_response(&method, input), expected, "{method:?} {}", input.escape_ascii());
    }
}

#[test]
fn the_place_where_a_head_is_cut_does_not_matter() {
    let mut head = ResponseHead::new(200);
    for (method, input, _) in cases() {
        let whole = parse_response(input, &method, &Limits::default(), &mut head);
        for cut in 0..input.len() {
            let part = parse_response(&input[..cut], &method, &Limits::default(), &mut head);
            let expected = match whole {
                Ok(Some(parsed)) if cut >= parsed.consumed => whole,
                Ok(_) => Ok(None),
                Err(_) if part == Ok(None) => continue,
                Err(error) => Err(error),
            };
            assert_eq!(part, expected, "{}", input[..cut].escape_ascii());
        }
    }
}

fn parsed(method: &Method, input: &[u8]) -> ParsedResponse {
    parse_response(input, method, &Limits::default(), &mut ResponseHead::new(200)).unwrap().unwrap()
}

#[test]
fn a_connection_is_used_again_only_if_the_end_of_the_response_is_sure() {
    let kept = |input: &[u8]| parsed(&Method::Get, input).keep_alive;
    assert!(kept(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(kept(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"));
    assert!(kept(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"));
    assert!(kept(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"));
    assert!(!kept(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(!kept(b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n"));
    assert!(!kept(b"HTTP/1.1 200 OK\r\n\r\n"));
    assert!(!kept(b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"));
    assert!(!kept(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

#[test]
fn informational_responses_and_tunnels_are_told_apart() {
    let kind = |method: &Method, input: &[u8]| {
        let parsed = parsed(method, input);
        (parsed.informational, parsed.tunnel)
    };
    assert_eq!(kind(&Method::Get, b"HTTP/1.1 100 Continue\r\n\r\n"), (true, false));
    assert_eq!(kind(&Method::Get, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), (false, true));
    assert_eq!(kind(&Method::Get, b"HTTP/1.1 200 OK\r\n\r\n"), (false, false));
    assert_eq!(kind(&Method::Connect, b"HTTP/1.1 200 OK\r\n\r\n"), (false, true));
}
