//! The client's side of HTTP/1.

use std::time::Duration;

use engine::worker::Settings;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Options, Proxy, nowhere};

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        let response = client.get("/hello").await;
        assert_eq!((response.status(), response.text()), (200, "hello"));
        assert_eq!(response.field("connection"), Some("keep-alive"));
    }
    let counters = proxy.workers.counters();
    assert_eq!((counters.accepted, counters.requests, counters.active), (1, 3, 1));
}

#[tokio::test]
async fn requests_sent_together_are_answered_in_order() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\noneGET /hello HTTP/1.1\r\nHost: a\r\n\r\n\
             POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nth\r\n3\r\nree\r\n0\r\n\r\n",
        )
        .await;
    for expected in ["one", "hello", "three"] {
        assert_eq!(client.response().await.text(), expected);
    }
}

#[tokio::test]
async fn a_head_may_come_in_pieces() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.stream.set_nodelay(true).unwrap();
    for piece in ["GE", "T /hello HT", "TP/1.1\r\nHo", "st: a\r", "\n\r", "\n"] {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.response().await.text(), "hello");
}

#[tokio::test]
async fn a_client_that_wants_to_close_is_obeyed() {
    let proxy = Proxy::start(nowhere().await).await;
    for request in ["GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /hello HTTP/1.0\r\n\r\n"] {
        let mut client = proxy.connect().await;
        client.send(request).await;
        let response = client.response().await;
        assert_eq!((response.text(), response.field("connection")), ("hello", Some("close")));
        assert!(client.rest().await.is_empty());
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_only() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.response_to_head().await.field("content-length"), Some("5"));
    assert_eq!(client.get("/hello").await.text(), "hello");
    let empty = client.get("/empty").await;
    assert_eq!((empty.status(), empty.field("content-length")), (204, None));
    assert_eq!(client.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn the_body_is_asked_for_when_it_is_read() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.response().await.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    assert_eq!(client.response().await.text(), "body");
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_ends_the_connection() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.status(), response.field("connection")), (200, Some("close")));
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_short_body_that_is_ignored_keeps_the_connection() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(client.response().await.text(), "not read");
    assert_eq!(client.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_read_for_ever() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.response().await.text(), "not read");
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    for _ in 0..3 {
        client.send(&chunk).await;
    }
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn an_answer_of_unknown_length_is_chunked_with_trailers() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    let response = client.get("/stream").await;
    assert_eq!(response.text(), "one,two,three");
    assert_eq!(response.trailers, "X-Sum: 3\n");
    client.send("GET /stream HTTP/1.0\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.text(), response.field("transfer-encoding")), ("one,two,three", None));
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_by_the_service() {
    let proxy = Proxy::start(nowhere().await).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nbroken\r\n\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000)), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(9000)), 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400),
    ] {
        let mut client = proxy.connect().await;
        client.send(&request).await;
        let response = client.response().await;
        assert_eq!((response.status(), response.field("connection")), (status, Some("close")), "{request}");
        client.stream.shutdown().await.unwrap();
        assert!(client.rest().await.is_empty());
    }
}

#[tokio::test]
async fn no_answer_is_the_end_of_the_connection() {
    let proxy = Proxy::start(nowhere().await).await;
    let mut client = proxy.connect().await;
    client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let short = Duration::from_millis(100);
    let settings = Settings { idle_timeout: short, head_timeout: short, ..Options::default().settings };
    let proxy = Proxy::start_with(nowhere().await, Options { settings, ..Options::default() }).await;
    let mut silent = proxy.connect().await;
    let mut slow = proxy.connect().await;
    slow.send("GET / HT").await;
    let mut idle = proxy.connect().await;
    assert_eq!(idle.get("/hello").await.text(), "hello");
    for client in [&mut silent, &mut slow, &mut idle] {
        assert!(client.rest().await.is_empty());
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let settings = Settings { client_timeout: Duration::from_millis(50), ..Options::default().settings };
    let proxy = Proxy::start_with(nowhere().await, Options { settings, ..Options::default() }).await;
    let mut client = proxy.connect().await;
    client.send("POST /buffered HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_connection_has_only_so_many_requests() {
    let settings = Settings { max_requests: 2, ..Options::default().settings };
    let proxy = Proxy::start_with(nowhere().await, Options { settings, ..Options::default() }).await;
    let mut client = proxy.connect().await;
    assert_eq!(client.get("/hello").await.field("connection"), Some("keep-alive"));
    assert_eq!(client.get("/hello").await.field("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
}
