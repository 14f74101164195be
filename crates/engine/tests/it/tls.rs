//! TLS on either side.

use std::sync::Arc;

use engine::tls::client::{Configurations, Settings, server_name};
use engine::tls::{Alpn, Certificate, CertificateTable, Certificates, ServerIdentity, Versions, server_config};
use engine::upstream::{TlsClient, new_identity};
use engine::worker::ListenerSpec;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Client, LOOPBACK, Options, Proxy, Upstream, nowhere};
use crate::tunnel::{UPGRADE, echo_after_upgrade};

fn listener(alpn: Alpn) -> ListenerSpec {
    let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
    let certificate = Certificate::from_pem(&made.cert.pem(), &made.signing_key.serialize_pem()).unwrap();
    let table = CertificateTable::new(ServerIdentity::new(certificate, None));
    let config: Arc<ServerConfig> = server_config(Certificates::new(table), alpn, Versions::default()).unwrap();
    ListenerSpec { tls: Some(config), http2: true, ..ListenerSpec::plain(LOOPBACK) }
}

fn client(alpn: Alpn) -> TlsClient {
    let config = Configurations::default().get(&Settings { alpn, ..Settings::default() }).unwrap();
    TlsClient { config, name: server_name("test").unwrap(), identity: new_identity() }
}

async fn connect(proxy: &Proxy, alpn: Alpn) -> tokio_rustls::client::TlsStream<TcpStream> {
    let client = client(alpn);
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    tokio_rustls::TlsConnector::from(client.config).connect(client.name, stream).await.unwrap()
}

#[tokio::test]
async fn requests_come_and_go_over_tls() {
    let upstream =
        Proxy::start_with(nowhere().await, Options { listener: listener(Alpn::Http1), ..Options::default() }).await;
    let proxy = Proxy::start_with(
        upstream.addr,
        Options { listener: listener(Alpn::Http1), upstream_tls: Some(client(Alpn::Http1)), ..Options::default() },
    )
    .await;
    let mut client = Client::new(connect(&proxy, Alpn::Http1).await);
    for length in [10, 100_000] {
        let body = "a".repeat(length);
        let head = format!("POST /via/echo HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        client.send(&(head + &body)).await;
        assert_eq!(client.response().await.text(), body);
    }
    assert_eq!(client.get("/hello").await.text(), "hello");
    assert_eq!((upstream.workers.counters().requests, upstream.workers.counters().accepted), (2, 1));
    client.send("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.response().await.text(), "hello");
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_changed_protocol_goes_through_tls_on_both_sides() {
    let echo = echo_after_upgrade().await;
    let tls = || Options { listener: listener(Alpn::Http1), ..Options::default() };
    let upstream = Proxy::start_with(echo.addr, tls()).await;
    let options = Options { upstream_tls: Some(client(Alpn::Http1)), ..tls() };
    let proxy = Proxy::start_with(upstream.addr, options).await;
    let mut client = Client::new(connect(&proxy, Alpn::Http1).await);
    client.send(UPGRADE).await;
    assert_eq!(client.response().await.status(), 101);
    assert_eq!(client.exactly(3).await, b"hi,");
    let data: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    for part in data.chunks(70_000) {
        client.send_bytes(part).await;
        assert!(client.exactly(part.len()).await == part);
    }
    // The end of one direction is not that of the other.
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b",bye");
}

#[tokio::test]
async fn http2_is_negotiated() {
    let proxy =
        Proxy::start_with(nowhere().await, Options { listener: listener(Alpn::Http2AndHttp1), ..Options::default() })
            .await;
    let stream = connect(&proxy, Alpn::Http2).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let request = async {
        let request = http::Request::builder().uri("https://test/hello").body(()).unwrap();
        let (response, _) = send.ready().await.unwrap().send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        body.data().await.unwrap().unwrap()
    };
    tokio::select! {
        body = request => assert_eq!(body, "hello"),
        ended = connection => panic!("{ended:?}"),
    }
    let mut client = Client::new(connect(&proxy, Alpn::Http1).await);
    assert_eq!(client.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn plain_http_on_a_tls_listener_is_told_so() {
    let proxy =
        Proxy::start_with(nowhere().await, Options { listener: listener(Alpn::Http1), ..Options::default() }).await;
    let mut client = proxy.connect().await;
    let response = client.get("/hello").await;
    assert_eq!((response.status(), response.text()), (400, "PlainOnTls"));
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn an_upstream_without_tls_is_an_error_of_connecting() {
    let upstream = Upstream::start(|client| async move { drop(client) }).await;
    let options = Options { upstream_tls: Some(client(Alpn::None)), ..Options::default() };
    let proxy = Proxy::start_with(upstream.addr, options).await;
    assert_eq!(proxy.connect().await.get("/").await.text(), "Connect Closed sent=false consumed=false");
}
