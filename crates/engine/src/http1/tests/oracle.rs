//! hyper reads the same bytes: whatever it accepts must be read the same here, or be refused.
//!
//! Deliberate differences, all of which refuse what hyper accepts: single LFs in requests, repeated
//! `Content-Length` with one value, `Content-Length` beside `Transfer-Encoding`, methods in lower case, requests
//! without or with a broken `Host`, fragments in targets, `gzip, chunked`. The other way round, hyper refuses targets with
//! bytes that should have been encoded.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::AsyncWriteExt as _;

use super::fields::{self, LineEnds};
use super::*;
use crate::headers::Headers;

/// Method and body of requests on one connection.
type Requests = Vec<(String, Vec<u8>)>;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn read_here(input: &[u8]) -> Requests {
    let mut rest = input;
    let mut requests = Vec::new();
    let mut head = RequestHead::default();
    while let Ok(Some(parsed)) = parse_request(rest, &Limits::default(), &mut head) {
        let Read::Whole(_, body, after) = read_body(parsed.framing, &rest[parsed.consumed..]) else { break };
        requests.push((head.method.as_str().to_owned(), body));
        rest = &rest[rest.len() - after.len()..];
        if !parsed.keep_alive {
            break;
        }
    }
    requests
}

async fn read_by_hyper(input: &[u8]) -> Requests {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(input).await.unwrap();
    client.shutdown().await.unwrap();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let seen = requests.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let method = request.method().as_str().to_owned();
            if let Ok(body) = request.into_body().collect().await {
                seen.borrow_mut().push((method, body.to_bytes().to_vec()));
            }
            Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()))
        }
    });
    // It ends with an error where it refuses something; what it read before counts.
    drop(
        hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service)
            .await,
    );
    requests.take()
}

async fn response_by_hyper(method: &Method, input: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    server.write_all(input).await.unwrap();
    server.shutdown().await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    let request = hyper::Request::builder()
        .method(method.as_str())
        .uri("/")
        .header("host", "a")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = async move {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?;
        Some((status, body.to_bytes().to_vec()))
    };
    let (response, _) = tokio::join!(response, connection);
    response
}

/// The final response with its body.
fn response_here(method: &Method, input: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut rest = input;
    let mut head = ResponseHead::new(200);
    loop {
        let parsed = parse_response(rest, method, &Limits::default(), &mut head).ok()??;
        rest = &rest[parsed.consumed..];
        if !parsed.informational {
            let Read::Whole(_, body, _) = read_body(parsed.framing, rest) else { return None };
            return Some((head.status, body));
        }
    }
}

#[track_caller]
fn assert_agree(input: &[u8], ours: &Requests, theirs: &Requests) {
    let both = ours.len().min(theirs.len());
    assert_eq!(ours[..both], theirs[..both], "{}", input.escape_ascii());
    assert!(ours.len() <= theirs.len(), "hyper refuses what is read here: {}", input.escape_ascii());
}

#[test]
fn requests_of_the_table_are_read_as_hyper_reads_them() {
    let runtime = runtime();
    let next = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    for (input, _) in requests::cases() {
        let target = input.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if http::Uri::try_from(target).is_err() || input.starts_with(b"CONNECT") {
            continue;
        }
        let input = [input, next].concat();
        let theirs = runtime.block_on(read_by_hyper(&input));
        assert_agree(&input, &read_here(&input), &theirs);
    }
}

#[test]
fn responses_of_the_table_are_read_as_hyper_reads_them() {
    let runtime = runtime();
    for (method, input, _) in responses::cases() {
        let tunnel = method == Method::Connect || input.starts_with(b"HTTP/1.1 101");
        if tunnel {
            continue;
        }
        let theirs = runtime.block_on(response_by_hyper(&method, input));
        if let (Some(ours), Some(theirs)) = (response_here(&method, input), theirs) {
            assert_eq!(ours, theirs, "{}", input.escape_ascii());
        }
    }
}

/// Requests as clients send them, and as attackers do.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let line =
        select(vec!["POST / HTTP/1.1", "GET /a?b HTTP/1.1", "PUT / HTTP/1.0", "DELETE * HTTP/1.1", "POST  / HTTP/1.1"]);
    let field = select(vec![
        "Content-Length: 5",
        "Content-Length: 5",
        "Content-Length: 05",
        "Content-Length: 0",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length:\t5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
        "transfer-encoding: Chunked ",
        "Transfer-Encoding: x, chunked",
        "Transfer-Encoding: chunked, x",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: identity",
        "Connection: close",
        "Connection: keep-alive",
        "Connection: transfer-encoding, content-length",
        "X: 1\n Y: 2",
        "X: \u{e4}",
        "Expect: 100-continue",
    ]);
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let body = select(vec![
        "hello",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "5\r\nhello\r\n3 \r\nabc\r\n00\r\n\r\n",
        "0\r\n\r\n",
        "5\nhello\n0\n\n",
        "0005\r\nhello\r\n0\r\n\r\n",
        "",
        "hellGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ]);
    let request = (line, vec((field, end.clone()), 0..4), end, body).prop_map(|(line, fields, end, body)| {
        let mut request = format!("{line}\r\nHost: a\r\n");
        for (field, end) in fields {
            request.push_str(field);
            request.push_str(end);
        }
        request.push_str(end);
        request.push_str(body);
        request
    });
    vec(request, 1..4).prop_map(|requests| requests.concat().into_bytes())
}

/// Fields of every kind, whole and broken.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[A-Za-z0-9-]{1,20}".prop_map(String::into_bytes),
        3 => Just(b": ".to_vec()),
        3 => Just(b"\r\n".to_vec()),
        1 => select(vec![b":".to_vec(), b"\n".to_vec(), b"\r".to_vec(), b" \t".to_vec(), b"\0".to_vec()]),
        1 => vec(any::<u8>(), 0..12),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn fields_are_read_as_httparse_reads_them(block in blocks()) {
        let mut theirs = [httparse::EMPTY_HEADER; 64];
        let theirs = httparse::parse_headers(&block, &mut theirs);
        let mut headers = Headers::new();
        let limits = Limits::default();
        let ours = fields::parse_fields(&block, LineEnds::CrLfOrLf, &limits, &mut headers);
        match (ours, theirs) {
            (Ok(Some(end)), Ok(httparse::Status::Complete((their_end, fields)))) => {
                prop_assert_eq!(end, their_end);
                let fields = fields.iter().map(|field| (field.name.as_bytes(), field.value));
                prop_assert!(headers.iter().eq(fields));
            }
            (Ok(None), Ok(httparse::Status::Partial)) | (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs),
        }
    }

    #[test]
    fn requests_are_read_as_hyper_reads_them(input in requests()) {
        let theirs = runtime().block_on(read_by_hyper(&input));
        assert_agree(&input, &read_here(&input), &theirs);
    }
}
