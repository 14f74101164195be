//! Requests to upstreams of HTTP/1 and their responses.

use std::time::Duration;

use engine::forward::Timeouts;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::support::{LIMIT, Options, Proxy, Upstream, nowhere};

fn hasty() -> Options {
    let short = Duration::from_millis(100);
    Options { timeouts: Timeouts { connect: short, write: short, read: short }, ..Options::default() }
}

#[tokio::test]
async fn request_and_response_go_through_on_kept_connections() {
    let upstream = Upstream::mirror().await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client
            .send("POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-a: 1\r\nConnection: X-a\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        let response = client.response().await;
        assert_eq!(
            response.text(),
            "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-a: 1\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody"
        );
    }
    assert_eq!(proxy.workers.counters().connects, 1);
}

#[tokio::test]
async fn chunks_go_both_ways_with_trailers() {
    let upstream = Upstream::start(|mut client| async move {
        while let Some(message) = client.read_message().await {
            assert_eq!(message.field("transfer-encoding"), Some("chunked"));
            assert_eq!((message.text(), message.trailers.as_str()), ("onetwo", "X-Up: 1\n"));
            client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Down\r\n\r\n3\r\nabc\r\n").await;
            client.send("2\r\nde\r\n0\r\nX-Down: 2\r\n\r\n").await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
        client.send("3\r\ntwo\r\n0\r\nX-Up: 1\r\n\r\n").await;
        let response = client.response().await;
        assert_eq!((response.text(), response.trailers.as_str()), ("abcde", "X-Down: 2\n"));
    }
    assert_eq!(proxy.workers.counters().connects, 1);
}

#[tokio::test]
async fn a_body_up_to_the_close_becomes_chunked() {
    let upstream = Upstream::start(|mut client| async move {
        client.read_message().await;
        client.send("HTTP/1.1 200 OK\r\n\r\nall of it").await;
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        let response = client.get("/").await;
        assert_eq!((response.text(), response.field("transfer-encoding")), ("all of it", Some("chunked")));
    }
    assert_eq!(proxy.workers.counters().connects, 2);
}

#[tokio::test]
async fn responses_without_body_keep_what_they_say() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(client.response_to_head().await.field("content-length"), Some("1234"));
    }
    let upstream = Upstream::answering("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n").await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        let response = client.get("/").await;
        assert_eq!((response.status(), response.field("etag")), (304, Some("\"a\"")));
        assert_eq!((response.field("content-length"), response.field("transfer-encoding")), (None, None));
    }
}

#[tokio::test]
async fn a_body_nobody_asked_for_is_read_and_dropped() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody").await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client.send("HEAD /posted HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let response = client.response_to_head().await;
        assert_eq!((response.status(), response.field("content-length")), (200, Some("4")));
    }
    assert_eq!(proxy.workers.counters().connects, 1);
}

#[tokio::test]
async fn interim_responses_are_left_out() {
    let upstream = Upstream::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    assert_eq!(proxy.connect().await.get("/").await.text(), "ok");
}

#[tokio::test]
async fn large_bodies_go_both_ways_at_once() {
    const LENGTH: usize = 8 << 20;
    let upstream = Upstream::start(|mut client| async move {
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n").await;
        let mut body = 0;
        while client.line().await.is_some_and(|line| !line.is_empty()) {}
        while body < LENGTH {
            let piece = client.exactly(64 << 10).await;
            client.send_bytes(&piece).await;
            body += piece.len();
        }
        client.read_message().await;
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let stream = proxy.connect().await.stream;
    let (reading, mut writing) = stream.into_split();
    let mut writer = tokio::task::JoinSet::new();
    let body: Vec<u8> = (0..LENGTH).map(|at| (at / 7) as u8).collect();
    let sent = body.clone();
    writer.spawn(async move {
        writing.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n").await.unwrap();
        writing.write_all(&sent).await.unwrap();
        writing
    });
    let mut client = crate::support::Client::new(tokio::io::join(reading, tokio::io::sink()));
    let response = client.response().await;
    assert!(response.body == body, "what comes back is what was sent");
}

#[tokio::test]
async fn an_early_response_goes_down_while_the_body_is_not_complete() {
    let upstream = Upstream::start(|mut client| async move {
        while client.line().await.is_some_and(|line| !line.is_empty()) {}
        client.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin").await;
    let response = client.response().await;
    assert_eq!((response.status(), response.text(), response.field("connection")), (403, "no", Some("close")));
}

#[tokio::test]
async fn a_client_that_goes_cancels_its_request() {
    let (gone, mut heard) = mpsc::channel(1);
    let (got, mut arrived) = mpsc::channel(1);
    let upstream = Upstream::start(move |mut client| {
        let (gone, got) = (gone.clone(), got.clone());
        async move {
            client.read_message().await;
            got.send(()).await.unwrap();
            assert!(client.rest().await.is_empty());
            gone.send(()).await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    arrived.recv().await.unwrap();
    drop(client);
    tokio::time::timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn errors_say_what_happened_and_what_was_sent() {
    let refused = Proxy::start(nowhere().await).await;
    assert_eq!(refused.connect().await.get("/").await.text(), "Connect Refused sent=false consumed=false");

    let closing = Upstream::start(|mut client| async move { drop(client.read_message().await) }).await;
    let proxy = Proxy::start(closing.addr).await;
    assert_eq!(proxy.connect().await.get("/").await.text(), "Receive Closed sent=true consumed=false");
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na").await;
    assert_eq!(client.response().await.text(), "Receive Closed sent=true consumed=true");
    client.send("POST /buffered HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na").await;
    assert_eq!(client.response().await.text(), "Receive Closed sent=true consumed=false");

    let garbage = Upstream::answering("SSH-2.0-OpenSSH\r\n").await;
    let proxy = Proxy::start(garbage.addr).await;
    assert_eq!(proxy.connect().await.get("/").await.text(), "Receive BadMessage sent=true consumed=false");

    let silent = Upstream::start(|mut client| async move { drop(client.rest().await) }).await;
    let proxy = Proxy::start_with(silent.addr, hasty()).await;
    assert_eq!(proxy.connect().await.get("/").await.text(), "Receive Timeout sent=true consumed=false");
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_for_the_client() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let upstream = Upstream::start(move |mut client| async move {
            client.read_message().await;
            client.send(answer).await;
        })
        .await;
        let proxy = Proxy::start(upstream.addr).await;
        let mut client = proxy.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(client.read_message().await.is_none(), "the response must not look complete");
    }
}

#[tokio::test]
async fn a_response_that_stalls_is_given_up() {
    let upstream = Upstream::start(|mut client| async move {
        client.read_message().await;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
        drop(client.rest().await);
    })
    .await;
    let proxy = Proxy::start_with(upstream.addr, hasty()).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.read_message().await.is_none());
}

#[tokio::test]
async fn what_an_upstream_closed_is_not_used_again() {
    let upstream = Upstream::start(|mut client| async move {
        client.read_message().await;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        client.stream.shutdown().await.unwrap();
    })
    .await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..5 {
        // A close that comes too late to be seen would show as an error here: on loopback it comes with the response.
        let response = client.get("/").await;
        assert!(response.status() == 200 || response.text().contains("sent=true"), "{response:?}");
    }
}

#[tokio::test]
async fn a_filter_changes_the_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        let response = client.get("/filter").await;
        assert_eq!((response.text(), response.field("content-length")), ("ABC!", None));
        assert_eq!(client.get("/collect").await.text(), "abc");
    }
    assert_eq!(proxy.workers.counters().connects, 1);
}

#[tokio::test]
async fn a_buffered_body_goes_up_with_its_length() {
    let upstream = Upstream::mirror().await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    client.send("POST /buffered HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    let response = client.response().await;
    assert!(response.text().contains("Content-Length: 3\r\n") && response.text().ends_with("\r\n\r\nabc"));
    client.send("POST /buffered HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n").await;
    client.send(&"a".repeat(1001)).await;
    assert_eq!(client.response().await.status(), 413);
    assert_eq!(client.get("/hello").await.text(), "hello");
}
