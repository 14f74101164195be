//! What must not be read in two ways, or not at all. Each case is one whole input.

use super::Read::{Body, Head, Partial};
use super::*;

/// A request that is read to its end: framing, body and what is left.
fn whole(framing: Framing, body: &str, rest: &str) -> Read {
    Read::Whole(framing, body.into(), rest.into())
}

/// The cases: a request and how it is to be read.
pub(super) fn cases() -> Vec<(&'static [u8], Read)> {
    let none = || whole(Framing::None, "", "");
    let mut cases: Vec<(&'static [u8], Read)> = vec![
        // Request lines.
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::LineEnd)),
        (b"GET / HTTP/1.0\r\n\r\n", none()),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Method)),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::RequestLine)),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET /\r\n\r\n", Head(BadRequest::RequestLine)),
        (b"GET\r\n\r\n", Head(BadRequest::RequestLine)),
        (b"GET / HTTP/1.1\nHost: a\n\n", Head(BadRequest::LineEnd)),
        (b"GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n", Head(BadRequest::LineEnd)),
        (b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::LineEnd)),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Head(BadRequest::LineEnd)),
        // Versions.
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", Head(BadRequest::UnsupportedVersion)),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", Head(BadRequest::UnsupportedVersion)),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", Head(BadRequest::UnsupportedVersion)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Head(BadRequest::UnsupportedVersion)),
        (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET / HTTP/1,1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        (b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Version)),
        // Methods.
        (b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Method)),
        (b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Method)),
        (b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Method)),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Head(BadRequest::Method)),
        (b"\x01\x00\n\r", Head(BadRequest::Method)),
        // Targets.
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET /a\x00 HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET /a\x0b HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"GET /{\"a\"|b}^`\\ HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"GET http://b HTTP/1.1\r\n\r\n", Head(BadRequest::MissingHost)),
        (b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET http://b:99999/ HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET //b/ HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", none()),
        (b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        (b"GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n", Head(BadRequest::Target)),
        // Hosts.
        (b"GET / HTTP/1.1\r\n\r\n", Head(BadRequest::MissingHost)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Head(BadRequest::SeveralHosts)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", Head(BadRequest::SeveralHosts)),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Head(BadRequest::SeveralHosts)),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", none()),
        (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Head(BadRequest::Host)),
        (b"GET / HTTP/1.1\r\nHost: a_b.c%20:8\r\n\r\n", none()),
        // Fields.
        (b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\t2\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: 1\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa4: 1\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX(: 1\r\n\r\n", Head(BadRequest::FieldName)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", Head(BadRequest::FieldValue)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n", Head(BadRequest::FieldValue)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", Head(BadRequest::FieldValue)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Head(BadRequest::FieldValue)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", Head(BadRequest::FieldValue)),
        (b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", Head(BadRequest::LineEnd)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n", Head(BadRequest::LineEnd)),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Head(BadRequest::LineEnd)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t \r\nZ:1\r\n\r\n", none()),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\t\xff\r\n\r\n", none()),
    ];
    cases.extend(lengths());
    cases.extend(codings());
    cases.extend(chunks());
    cases
}

fn lengths() -> Vec<(&'static [u8], Read)> {
    use BadRequest::ContentLength as Bad;
    vec![
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET", whole(Framing::Length(3), "abc", "GET")),
        (b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length:3 \r\n\r\nabc", whole(Framing::Length(3), "abc", "")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc", whole(Framing::Length(3), "abc", "")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nX", whole(Framing::Length(0), "", "X")),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\nX", whole(Framing::None, "", "X")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nX", whole(Framing::Length(1), "X", "")),
        (b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nX", whole(Framing::Length(1), "X", "")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", Partial),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3,4\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3;a\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3.0\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e1\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"3\"\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xef\xbc\x93\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551619\r\n\r\nabc", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nabc", Partial),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            Head(BadRequest::SeveralContentLengths),
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\ncontent-length: 4\r\n\r\nabc",
            Head(BadRequest::SeveralContentLengths),
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", Head(BadRequest::FieldName)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n 3\r\n\r\nabc", Head(BadRequest::FieldName)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n", whole(Framing::None, "", "")),
    ]
}

fn codings() -> Vec<(&'static [u8], Read)> {
    use BadRequest::{LengthAndTransferEncoding as Both, TransferEncoding as Bad, UnknownTransferCoding as Unknown};
    vec![
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nX\r\n0\r\n\r\nGET",
            whole(Framing::Chunked, "X", "GET"),
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:CHUNKED\r\n\r\n0\r\n\r\n", whole(Framing::Chunked, "", "")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Head(Both)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", Head(Both)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", Head(Both)),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Head(Bad),
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
            Head(Bad),
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Head(Unknown)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", Head(Unknown)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Head(Unknown)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", Head(Unknown)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", Head(Unknown)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chu nked\r\n\r\n0\r\n\r\n", Head(Unknown)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", Head(Bad)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", Head(Bad)),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            Head(BadRequest::FieldValue),
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", Head(BadRequest::FieldName)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Head(BadRequest::FieldName)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Head(BadRequest::LineEnd)),
        (
            b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Head(BadRequest::TransferEncodingIn10),
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", whole(Framing::None, "", "")),
    ]
}

fn chunks() -> Vec<(&'static [u8], Read)> {
    macro_rules! chunked {
        ($body:literal) => {
            concat!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", $body).as_bytes()
        };
    }
    vec![
        (chunked!("3\r\nabc\r\n0\r\n\r\n"), whole(Framing::Chunked, "abc", "")),
        (chunked!("003\r\nabc\r\n000\r\n\r\n"), whole(Framing::Chunked, "abc", "")),
        (chunked!("A\r\n0123456789\r\n0\r\n\r\n"), whole(Framing::Chunked, "0123456789", "")),
        (chunked!("3 \r\nabc\r\n0\r\n\r\n"), whole(Framing::Chunked, "abc", "")),
        (chunked!("3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n"), whole(Framing::Chunked, "abc", "")),
        (chunked!("3\r\nabc\r\n0\r\nX: 1\r\n\r\nGET"), whole(Framing::Chunked, "abc", "GET")),
        (chunked!("3\r\nabc\r\n0\r\n"), Partial),
        (chunked!("3\r\nabc"), Partial),
        (chunked!("-3\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("+3\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("0x3\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!(" 3\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!(";a\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("3 3\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("3_0\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("3\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("3\rabc\r\n0\r\n\r\n"), Body(BadBody::ChunkEnd)),
        (chunked!("3;a\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkExtension)),
        (chunked!("3;a\r0\r\n\r\n"), Body(BadBody::ChunkEnd)),
        (chunked!("3;\x00\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkExtension)),
        (chunked!("3\r\nabcd\r\n0\r\n\r\n"), Body(BadBody::ChunkEnd)),
        (chunked!("3\r\nabc0\r\n\r\n"), Body(BadBody::ChunkEnd)),
        (chunked!("3\r\nabc\n0\r\n\r\n"), Body(BadBody::ChunkEnd)),
        (chunked!("3\r\nab\r\n0\r\n\r\n"), Body(BadBody::ChunkEnd)),
        (chunked!("8000000000000000\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("10000000000000003\r\nabc\r\n0\r\n\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("FFFFFFFFFFFFFFFFF\r\n"), Body(BadBody::ChunkSize)),
        (chunked!("7fffffffffffffff\r\nabc"), Partial),
        (chunked!("0\r\nX : 1\r\n\r\n"), Body(BadBody::Trailer)),
        (chunked!("0\r\n X: 1\r\n\r\n"), Body(BadBody::Trailer)),
        (chunked!("0\r\nX: 1\n\r\n"), Body(BadBody::Trailer)),
        (chunked!("0\r\nGET / HTTP/1.1\r\n\r\n"), Body(BadBody::Trailer)),
        (chunked!("0\r\n\n"), Body(BadBody::Trailer)),
        (chunked!("0\n\n"), Body(BadBody::ChunkSize)),
    ]
}

#[test]
fn every_case_is_read_in_one_way() {
    for (input, expected) in cases() {
        assert_eq!(read_request(input), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn the_place_where_a_head_is_cut_does_not_matter() {
    let mut parser_head = RequestHead::default();
    for (input, _) in cases() {
        let whole = parse_request(input, &Limits::default(), &mut parser_head);
        for cut in 0..input.len() {
            let part = parse_request(&input[..cut], &Limits::default(), &mut parser_head);
            let expected = match whole {
                Ok(Some(parsed)) if cut >= parsed.consumed => whole,
                Ok(_) => Ok(None),
                // What is wrong may not be there yet.
                Err(_) if part == Ok(None) => continue,
                Err(error) => Err(error),
            };
            assert_eq!(part, expected, "{}", input[..cut].escape_ascii());
        }
    }
}
