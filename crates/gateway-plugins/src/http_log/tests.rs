use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::HttpLog;
use crate::log::testing::{exchange, log};
use crate::testing::{Lab, configuration, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "http_endpoint": "http://127.0.0.1:1/x", "method": "POST", "content_type": "application/json",
        "timeout": 10000, "keepalive": 60000, "retry_count": null, "queue_size": null, "flush_timeout": null,
        "headers": null, "custom_fields_by_lua": null,
        "queue": {
            "max_batch_size": 1, "max_coalescing_delay": 1, "max_entries": 10000, "max_bytes": null,
            "max_retry_time": 60, "initial_retry_delay": 0.01, "max_retry_delay": 60, "concurrency_limit": 1,
        },
    });
    assert_eq!(shown("http-log", json!({ "http_endpoint": "http://127.0.0.1:1/x" })), expected);
}

#[test]
fn headers_of_the_body_are_not_to_be_set() {
    let config = json!({ "http_endpoint": "http://h", "headers": { "content-type": "x" } });
    let error = configuration("http-log", config).unwrap_err();
    assert!(error.to_string().contains("cannot contain 'Content-Type' header"), "{error}");
}

/// Answers one request on a new connection, and gives back its head and its body.
async fn serve(listener: &TcpListener, status: u16) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    loop {
        assert!(stream.read_buf(&mut received).await.unwrap() > 0);
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() == length.unwrap_or(0) {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return (head.to_owned(), serde_json::from_str(body).unwrap());
        }
    }
}

#[tokio::test]
async fn a_record_is_sent_until_it_is_taken() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = json!({
        "http_endpoint": format!("http://user:pass@{address}/logs"), "method": "PUT", "headers": { "X-A": "1" },
    });
    let plugin = lab.plugin(&HttpLog, config);
    log(&*plugin, &exchange(&lab), 200);
    let (_, first) = serve(&listener, 500).await;
    let (head, second) = serve(&listener, 200).await;
    assert_eq!(first, second);
    assert_eq!(second["request"]["method"], "GET");
    let head = head.to_ascii_lowercase();
    for line in ["put /logs http/1.1", "x-a: 1", "content-type: application/json", "authorization: basic dxnlcjpwyxnz"]
    {
        assert!(head.lines().any(|other| other == line), "{line}: {head}");
    }
}

#[tokio::test]
async fn batches_are_lists() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = json!({ "http_endpoint": format!("http://{address}/"), "queue": { "max_batch_size": 2 } });
    let plugin = lab.plugin(&HttpLog, config);
    log(&*plugin, &exchange(&lab), 200);
    log(&*plugin, &exchange(&lab), 200);
    let (_, batch) = serve(&listener, 204).await;
    assert_eq!(batch.as_array().unwrap().len(), 2);
}
