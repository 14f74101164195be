use std::net::Ipv4Addr;

use axum::Extension;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use base::Clock as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pki::tls::{Alpn, ClientAuth, Identity, KeyType, Role, Trust};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn listener() -> Listener {
    Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), "TEST_PORT").unwrap()
}

async fn who(Extension(peer): Extension<PeerAddr>, certificates: Option<Extension<PeerCertificates>>) -> String {
    format!("{} {}", peer.0, certificates.map_or(0, |certificates| certificates.0.0.len()))
}

fn router() -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/echo", post(|body: String| async move { body }).layer(DefaultBodyLimit::max(1000)))
}

fn identity(role: Role) -> Identity {
    pki::tls::self_signed(role, KeyType::Ecdsa, &["localhost".to_owned()], base::SystemClock.now()).unwrap()
}

fn tls(client_auth: ClientAuth<'_>) -> (Arc<ServerConfig>, String) {
    let identity = identity(Role::Server);
    (pki::tls::server_config(&identity, client_auth, Alpn::Http).unwrap(), identity.cert_pem)
}

async fn connect_tls(
    address: SocketAddr,
    ca: &str,
    identity: Option<&Identity>,
    alpn: Alpn,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let config = pki::tls::client_config(Trust::Pem(ca), identity, alpn).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// One HTTP/1.1 request; the whole answer.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

const WHO: &str = "GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn plain_requests_know_their_peer() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    tasks.spawn("http", serve_http(listener, router(), Options::default(), tasks.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let peer = stream.local_addr().unwrap();
    let answer = exchange(&mut stream, WHO).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with(&format!("{peer} 0")), "{answer}");
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn one_port_can_serve_both() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    let (config, ca) = tls(ClientAuth::None);
    tasks.spawn("either", serve_either(listener, config, router(), Options::default(), tasks.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(exchange(&mut stream, WHO).await.starts_with("HTTP/1.1 200 OK"));
    let mut stream = connect_tls(address, &ca, None, Alpn::Http1).await.unwrap();
    assert!(exchange(&mut stream, WHO).await.starts_with("HTTP/1.1 200 OK"));
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn clients_are_known_by_their_certificates() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    let me = identity(Role::Client);
    let (config, ca) = tls(ClientAuth::Optional(&me.cert_pem));
    tasks.spawn("https", serve_https(listener, config, router(), Options::default(), tasks.clone()));
    let mut stream = connect_tls(address, &ca, Some(&me), Alpn::Http1).await.unwrap();
    assert!(exchange(&mut stream, WHO).await.ends_with(" 1"));
    let mut stream = connect_tls(address, &ca, None, Alpn::Http1).await.unwrap();
    assert!(exchange(&mut stream, WHO).await.ends_with(" 0"));
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn http2_is_spoken_over_tls_and_drained() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    let (config, ca) = tls(ClientAuth::None);
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        move || async move {
            entered.notify_one();
            release.notified().await;
            "done"
        }
    };
    let router = router().route("/slow", get(slow));
    tasks.spawn("https", serve_https(listener, config, router, Options::default(), tasks.clone()));

    let stream = connect_tls(address, &ca, None, Alpn::Http2).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let clients = Tasks::new();
    clients.spawn_detached("client", async move { connection.await.unwrap_or_default() });
    let request = |path: &str| Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap();
    let answer = client.send_request(request("/who")).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_2));

    let slow = client.send_request(request("/slow"));
    let drain = async {
        entered.notified().await;
        tasks.begin_shutdown();
        release.notify_one();
        tasks.drain(SOON).await.unwrap();
    };
    let (answer, ()) = tokio::join!(slow, drain);
    let body = answer.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"done", "a request under way survives the shutdown");
}

#[tokio::test]
async fn requests_that_outlast_the_drain_are_cut_off() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    let entered = Arc::new(Notify::new());
    let signal = Arc::clone(&entered);
    let endless = move || async move {
        signal.notify_one();
        std::future::pending::<String>().await
    };
    let options = Options { drain: Duration::from_millis(10), ..Options::default() };
    let router = Router::new().route("/endless", get(endless));
    tasks.spawn("http", serve_http(listener, router, options, tasks.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    entered.notified().await;
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn silent_peers_are_disconnected() {
    let tasks = Tasks::new();
    let (config, ca) = tls(ClientAuth::None);
    let options = Options { header_timeout: Duration::from_millis(50), ..Options::default() };
    let either = listener();
    let plain = listener();
    let addresses = [either.local_addr(), plain.local_addr()];
    tasks.spawn("either", serve_either(either, config, router(), options, tasks.clone()));
    tasks.spawn("plain", serve_http(plain, router(), options, tasks.clone()));
    for address in addresses {
        for start in ["", "\u{16}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /who HTT"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(start.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            // Whether it is closed or reset, it ends.
            let end = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await;
            assert!(end.is_ok(), "{address} {start:?}");
        }
    }
    let mut silent = connect_tls(addresses[0], &ca, None, Alpn::Http2).await.unwrap();
    let mut rest = Vec::new();
    assert!(tokio::time::timeout(SOON, silent.read_to_end(&mut rest)).await.is_ok());
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn sizes_are_limited() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    tasks.spawn("http", serve_http(listener, router(), Options::default(), tasks.clone()));
    let long = format!("GET /who HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(40 * 1024));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = exchange(&mut stream, &long).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let body = "a".repeat(1001);
    let large = format!("POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1001\r\n\r\n{body}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = exchange(&mut stream, &large).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let tasks = Tasks::new();
    let listener = listener();
    let address = listener.local_addr();
    let options = Options { max_connections: 1, ..Options::default() };
    tasks.spawn("http", serve_http(listener, router(), options, tasks.clone()));
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.read_u8().await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(WHO.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    assert_eq!(tokio::time::timeout(SOON, second.read_u8()).await.unwrap().unwrap(), b'H');
    tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_its_setting() {
    let first = listener();
    let error = Listener::bind(first.local_addr(), "KUMA_API_SERVER_HTTP_PORT").unwrap_err();
    let port = first.local_addr().port();
    assert_eq!(
        error.to_string(),
        format!(
            "port {port} is in use on 127.0.0.1: stop the other process, or choose another port with \
             KUMA_API_SERVER_HTTP_PORT"
        )
    );
    // An address of the documentation range is no machine's own.
    let error = Listener::bind("192.0.2.1:0".parse().unwrap(), "KUMA_X").unwrap_err();
    assert!(matches!(error, BindError::Other { .. }), "{error}");
}
