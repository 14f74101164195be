//! Connections that change their protocol.

use std::time::Duration;

use engine::forward::Timeouts;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Options, Proxy, Upstream};

pub(crate) async fn echo_after_upgrade() -> Upstream {
    Upstream::start(|mut client| async move {
        let request = client.read_message().await.unwrap();
        assert_eq!(request.field("upgrade"), Some("echo"));
        assert_eq!(request.field("connection"), Some("keep-alive, Upgrade"));
        client.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhi,").await;
        loop {
            let mut byte = [0; 1024];
            match tokio::io::AsyncReadExt::read(&mut client.stream, &mut byte).await {
                Ok(0) | Err(_) => break,
                Ok(count) => client.send_bytes(&byte[..count]).await,
            }
        }
        client.send(",bye").await;
    })
    .await
}

pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

#[tokio::test]
async fn after_an_upgrade_bytes_go_both_ways_until_both_are_done() {
    let upstream = echo_after_upgrade().await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    client.send(UPGRADE).await;
    let response = client.response().await;
    assert_eq!((response.status(), response.field("upgrade")), (101, Some("echo")));
    assert_eq!(client.exactly(3).await, b"hi,");
    client.send("ping").await;
    assert_eq!(client.exactly(4).await, b"ping");
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b",bye");
}

#[tokio::test]
async fn a_silent_tunnel_ends() {
    let upstream = echo_after_upgrade().await;
    let timeouts = Timeouts { read: Duration::from_millis(100), ..Timeouts::default() };
    let proxy = Proxy::start_with(upstream.addr, Options { timeouts, ..Options::default() }).await;
    let mut client = proxy.connect().await;
    client.send(UPGRADE).await;
    assert_eq!(client.response().await.status(), 101);
    assert_eq!(client.rest().await, b"hi,");
}

#[tokio::test]
async fn a_refused_upgrade_is_a_response() {
    let upstream = Upstream::answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno").await;
    let proxy = Proxy::start(upstream.addr).await;
    let mut client = proxy.connect().await;
    client.send(UPGRADE).await;
    assert_eq!(client.response().await.text(), "no");
    assert_eq!(client.get("/hello").await.text(), "hello");
}
