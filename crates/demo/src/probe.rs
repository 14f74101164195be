//! Requests from `web` to the other services, by way of its own proxy, and from anybody to the gateway.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// One HTTP request: the instance that answered.
pub(crate) async fn http(client: &reqwest::Client, port: u16) -> Result<String> {
    let answer = client.get(format!("http://127.0.0.1:{port}/")).timeout(ANSWER).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{status}: {text}");
    let body: Value = serde_json::from_str(&text).with_context(|| format!("not the service's answer: {text}"))?;
    Ok(body["instance"].as_str().unwrap_or_default().to_owned())
}

/// What the gateway answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Value,
}

impl Answer {
    /// The status and who answered or why nobody did; another status is an error.
    pub(crate) fn expect(&self, status: u16) -> Result<String> {
        ensure!(self.status == status, "{} {}", self.status, self.body);
        let message = self.body["message"].as_str().map(|message| format!("{status}, {message}"));
        Ok(message
            .unwrap_or_else(|| format!("{status}, answered by {}", self.body["instance"].as_str().unwrap_or("?"))))
    }
}

/// One call of the API `/backend`, with or without a key.
pub(crate) async fn gateway(client: &reqwest::Client, port: u16, key: Option<&str>) -> Result<Answer> {
    let request = client.get(format!("http://127.0.0.1:{port}/backend")).timeout(ANSWER);
    let answer = key.into_iter().fold(request, |request, key| request.header("apikey", key)).send().await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    let body = serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?;
    Ok(Answer { status, body })
}

/// Some bytes on a new TCP connection, which must come back.
pub(crate) async fn tcp(port: u16) -> Result<()> {
    const HELLO: &[u8] = b"hello\n";
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(HELLO).await?;
        let mut received = [0; HELLO.len()];
        stream.read_exact(&mut received).await.context("the connection was closed")?;
        ensure!(received == HELLO, "something else came back: {received:?}");
        Ok(())
    };
    timeout(ANSWER, exchange).await.context("no answer")?
}
