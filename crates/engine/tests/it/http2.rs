//! HTTP/2 on either side.

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{LOOPBACK, Options, Proxy, Upstream, nowhere};

/// A client of HTTP/2 with prior knowledge; its connection runs as long as this lives.
struct Http2 {
    send: h2::client::SendRequest<Bytes>,
    tasks: JoinSet<()>,
}

impl Http2 {
    async fn connect(addr: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(connection.await) });
        Self { send, tasks }
    }

    async fn request(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<(Response<()>, Body), h2::Error> {
        let request = Request::builder().method(method).uri(format!("http://test{path}"));
        let request = request.header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
        let mut send = self.send.clone().ready().await?;
        let (response, mut stream) = send.send_request(request, body.is_none())?;
        if let Some(body) = body {
            send_all(&mut stream, body).await;
            stream.send_data(Bytes::new(), true)?;
        }
        let (head, incoming) = response.await?.into_parts();
        Ok((Response::from_parts(head, ()), read_all(incoming).await?))
    }
}

struct Body {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn read_all(mut incoming: RecvStream) -> Result<Body, h2::Error> {
    let mut data = Vec::new();
    while let Some(piece) = incoming.data().await {
        let piece = piece?;
        data.extend_from_slice(&piece);
        incoming.flow_control().release_capacity(piece.len())?;
    }
    Ok(Body { data, trailers: incoming.trailers().await? })
}

async fn send_all(stream: &mut SendStream<Bytes>, mut data: &[u8]) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await.unwrap().unwrap();
        let (now, later) = data.split_at(capacity.min(data.len()));
        stream.send_data(Bytes::copy_from_slice(now), false).unwrap();
        data = later;
    }
}

/// An upstream of HTTP/2 that sends back what it gets as it comes, and trailers.
async fn grpc_echo() -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut requests = JoinSet::new();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    requests.spawn(echo(request, respond));
                }
            });
        }
    });
    (addr, tasks)
}

async fn echo(request: Request<RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    assert_eq!(request.headers().get("te"), Some(&HeaderValue::from_static("trailers")));
    assert!(request.headers().get("connection").is_none());
    let path = request.uri().path().to_owned();
    let mut incoming = request.into_body();
    if path == "/reset" {
        return respond.send_reset(h2::Reason::REFUSED_STREAM);
    }
    if path == "/refused" {
        let head = Response::builder().header("grpc-status", "12").body(()).unwrap();
        return drop(respond.send_response(head, true).unwrap());
    }
    let mut stream = respond
        .send_response(Response::builder().header("content-type", "application/grpc").body(()).unwrap(), false)
        .unwrap();
    while let Some(piece) = incoming.data().await {
        let piece = piece.unwrap();
        incoming.flow_control().release_capacity(piece.len()).unwrap();
        send_all(&mut stream, &piece).await;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers).unwrap();
}

fn http2_listener() -> Options {
    let mut options = Options::default();
    options.listener.http2 = true;
    options
}

#[tokio::test]
async fn a_client_of_http2_is_served_beside_one_of_http1() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let mut client = Http2::connect(proxy.addr).await;
    let (head, body) = client.request("GET", "/hello", None).await.unwrap();
    assert_eq!((head.status().as_u16(), body.data.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(head.headers()["content-length"], "5");
    let (_, body) = client.request("POST", "/echo", Some(b"body")).await.unwrap();
    assert_eq!(body.data, b"body");
    let (head, body) = client.request("HEAD", "/hello", None).await.unwrap();
    assert_eq!((&head.headers()["content-length"], body.data.len()), (&HeaderValue::from_static("5"), 0));
    let (_, body) = client.request("GET", "/stream", None).await.unwrap();
    assert_eq!(
        (body.data.as_slice(), &body.trailers.unwrap()["x-sum"]),
        (b"one,two,three".as_slice(), &HeaderValue::from_static("3"))
    );
    assert_eq!(proxy.connect().await.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn requests_of_one_connection_run_at_once() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let client = Http2::connect(proxy.addr).await;
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let mut client = Http2 { send: client.send.clone(), tasks: JoinSet::new() };
        requests.spawn(async move { client.request("POST", "/echo", Some(&[7; 100_000])).await.unwrap().1.data.len() });
    }
    assert_eq!(requests.join_all().await, [100_000; 50]);
    assert_eq!(proxy.workers.counters().requests, 50);
    drop(client.tasks);
}

#[tokio::test]
async fn tasks_wait_for_the_next_requests_until_the_connection_is_at_rest() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let tasks = async || proxy.connect().await.get("/tasks").await.text().parse::<usize>().unwrap();
    let before = tasks().await;
    let mut client = Http2::connect(proxy.addr).await;
    let mut most = 0;
    for _ in 0..3 {
        let mut open = Vec::new();
        for _ in 0..20 {
            let request = Request::builder().method("POST").uri("http://test/echo").body(()).unwrap();
            open.push(client.send.clone().ready().await.unwrap().send_request(request, false).unwrap());
        }
        for (response, mut stream) in open {
            stream.send_data(Bytes::from("x"), true).unwrap();
            assert_eq!(read_all(response.await.unwrap().into_body()).await.unwrap().data, b"x");
        }
        most = most.max(tasks().await);
    }
    // That of the connection, one for each request at a time, and perhaps one of a client that has just gone.
    assert!(most <= before + 22, "{before} {most}");
    while tasks().await != before + 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.request("GET", "/hello", None).await.unwrap().1.data, b"hello");
}

#[tokio::test]
async fn a_client_with_a_small_window_gets_all_of_a_response() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let (send, connection) = h2::client::Builder::new().initial_window_size(700).handshake(stream).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let mut client = Http2 { send, tasks };
    for length in [1, 700, 701, 16_384, 40_000] {
        let sent: Vec<u8> = (0..length).map(|at: u32| at as u8).collect();
        let (_, body) = client.request("POST", "/echo", Some(&sent)).await.unwrap();
        assert!(body.data == sent);
    }
    assert_eq!(client.request("GET", "/stream", None).await.unwrap().1.trailers.unwrap()["x-sum"], "3");
}

#[tokio::test]
async fn http2_goes_on_to_an_upstream_of_http1() {
    let upstream = Upstream::mirror().await;
    let proxy = Proxy::start_with(upstream.addr, http2_listener()).await;
    let mut client = Http2::connect(proxy.addr).await;
    for _ in 0..2 {
        let (_, body) = client.request("POST", "/a?b", Some(b"body")).await.unwrap();
        let expected = "POST /a?b HTTP/1.1\r\nhost: test\r\ncookie: a=1; b=2\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\nbody";
        assert_eq!(String::from_utf8(body.data).unwrap(), expected);
    }
    let (_, body) = client.request("GET", "/", None).await.unwrap();
    let expected = "GET / HTTP/1.1\r\nhost: test\r\ncookie: a=1; b=2\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(String::from_utf8(body.data).unwrap(), expected);
    assert_eq!(proxy.workers.counters().connects, 1);
}

#[tokio::test]
async fn an_upstream_that_fails_resets_the_stream_only() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nx").await;
    drop(upstream);
    let upstream = Upstream::start(|mut client| async move {
        client.read_message().await;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx").await;
    })
    .await;
    let proxy = Proxy::start_with(upstream.addr, http2_listener()).await;
    let mut client = Http2::connect(proxy.addr).await;
    let error = client.request("GET", "/", None).await.err().expect("a reset");
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(client.request("GET", "/hello", None).await.unwrap().1.data, b"hello");
}

#[tokio::test]
async fn grpc_streams_both_ways_with_trailers() {
    let (addr, _tasks) = grpc_echo().await;
    let proxy = Proxy::start_with(addr, Options { upstream_http2: true, ..http2_listener() }).await;
    let client = Http2::connect(proxy.addr).await;
    let request = || {
        Request::builder().method("POST").uri("http://test/echo.Echo/Stream").header("te", "trailers").body(()).unwrap()
    };

    // A message at a time: each must come back before the next one is sent.
    let (response, mut stream) = client.send.clone().ready().await.unwrap().send_request(request(), false).unwrap();
    let mut incoming = response.await.unwrap().into_body();
    for message in ["one", "two"] {
        stream.send_data(Bytes::from(message), false).unwrap();
        assert_eq!(incoming.data().await.unwrap().unwrap(), message);
    }
    stream.send_data(Bytes::new(), true).unwrap();
    let body = read_all(incoming).await.unwrap();
    assert_eq!(body.trailers.unwrap()["grpc-status"], "0");

    // More than the windows hold, and the connection is used again.
    let (response, mut stream) = client.send.clone().ready().await.unwrap().send_request(request(), false).unwrap();
    let large = vec![1; 3 << 20];
    let sending = async {
        send_all(&mut stream, &large).await;
        stream.send_data(Bytes::new(), true).unwrap();
    };
    let (body, ()) = tokio::join!(async { read_all(response.await.unwrap().into_body()).await.unwrap() }, sending);
    assert!(body.data == large);
    assert_eq!(proxy.workers.counters().connects, 1);

    // A response that is only a head stays one.
    let refused = Request::builder().method("POST").uri("http://test/refused").header("te", "trailers");
    let send = client.send.clone().ready();
    let (response, _) = send.await.unwrap().send_request(refused.body(()).unwrap(), true).unwrap();
    let (head, incoming) = response.await.unwrap().into_parts();
    assert_eq!((head.headers["grpc-status"].as_bytes(), head.headers.get("content-length")), (b"12".as_slice(), None));
    assert!(incoming.is_end_stream());

    let refused = Request::builder().method("POST").uri("http://test/reset").header("te", "trailers").body(()).unwrap();
    let (response, _) = client.send.ready().await.unwrap().send_request(refused, true).unwrap();
    let (head, incoming) = response.await.unwrap().into_parts();
    assert_eq!(head.status.as_u16(), 502);
    assert_eq!(read_all(incoming).await.unwrap().data, b"Receive Closed sent=true consumed=false");
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Sends frames and reads until the connection is closed: how it was, by the last `GOAWAY`.
async fn end_of(addr: std::net::SocketAddr, frames: impl IntoIterator<Item = Vec<u8>>) -> Option<u32> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(4, 0, 0, &[]));
    out.extend(frames.into_iter().flatten());
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    // Both may end with an error, as the other end need not read to the end.
    let (_, _) = tokio::join!(write.write_all(&out), read.read_to_end(&mut answer));
    let mut rest = answer.as_slice();
    let mut end = None;
    while let Some((head, behind)) = rest.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, behind)) = behind.split_at_checked(length) else { break };
        if head[3] == 7 {
            end = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        rest = behind;
    }
    end
}

/// `ENHANCE_YOUR_CALM`.
const CALM: u32 = 11;

#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let request = [b"\x82\x86\x84\x41\x04test".as_slice()].concat();
    let frames = (0..2000).flat_map(|number| {
        let stream = number * 2 + 1;
        [frame(1, 5, stream, &request), frame(3, 0, stream, &8_u32.to_be_bytes())]
    });
    assert_eq!(end_of(proxy.addr, frames).await, Some(CALM));
    assert_eq!(proxy.connect().await.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn heads_without_end_end_the_connection() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let first = [frame(1, 1, 1, b"\x82\x86\x84\x41\x04test")];
    let more = (0..2000).map(|_| frame(9, 0, 1, b"\0\x01a\x01b"));
    assert_eq!(end_of(proxy.addr, first.into_iter().chain(more)).await, Some(CALM));
    assert_eq!(proxy.connect().await.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn a_head_above_the_limit_is_refused() {
    let proxy = Proxy::start_with(nowhere().await, http2_listener()).await;
    let client = Http2::connect(proxy.addr).await;
    let request = |length| {
        let request = Request::builder().uri("http://test/hello").header("a", "b".repeat(length));
        client.send.clone().send_request(request.body(()).unwrap(), true)
    };
    assert_eq!(request(1000).unwrap().0.await.unwrap().status().as_u16(), 200);
    assert_eq!(request(40_000).unwrap().0.await.unwrap().status().as_u16(), 431);
    assert_eq!(request(1000).unwrap().0.await.unwrap().status().as_u16(), 200);
}
