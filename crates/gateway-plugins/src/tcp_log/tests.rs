use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::net::TcpListener;

use super::TcpLog;
use crate::log::testing::{exchange, log};
use crate::testing::{Lab, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "host": "h", "port": 1, "timeout": 10000, "keepalive": 60000, "tls": false, "tls_sni": null,
        "custom_fields_by_lua": null,
    });
    assert_eq!(shown("tcp-log", json!({ "host": "h", "port": 1 })), expected);
}

async fn next<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> Value {
    serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn lines_go_over_one_connection_until_it_closes() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = json!({ "host": "127.0.0.1", "port": listener.local_addr().unwrap().port() });
    let plugin = lab.plugin(&TcpLog, config);
    log(&*plugin, &exchange(&lab), 200);
    let mut lines = BufReader::new(listener.accept().await.unwrap().0).lines();
    assert_eq!(next(&mut lines).await["client_ip"], "127.0.0.1");
    log(&*plugin, &exchange(&lab), 200);
    next(&mut lines).await;
    drop(lines);
    log(&*plugin, &exchange(&lab), 200);
    let mut lines = BufReader::new(listener.accept().await.unwrap().0).lines();
    next(&mut lines).await;
}

#[tokio::test]
async fn tls_is_spoken() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = json!({
        "host": "127.0.0.1", "port": listener.local_addr().unwrap().port(), "tls": true, "tls_sni": "logs.example",
    });
    let plugin = lab.plugin(&TcpLog, config);
    log(&*plugin, &exchange(&lab), 200);
    let (stream, _) = listener.accept().await.unwrap();
    // A receiver without a certificate; what is said first is enough.
    let mut acceptor =
        std::pin::pin!(tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream));
    let hello = acceptor.as_mut().await.unwrap();
    assert_eq!(hello.client_hello().server_name(), Some("logs.example"));
}
