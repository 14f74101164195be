//! What is no plain request: WebSocket, gRPC, bodies in both directions.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use serde_json::json;
use testkit::{GatewayEnv, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{SOON, publish, upstream};

/// Reads up to and with the empty line that ends a head.
async fn head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < 16_384, "a head without an end");
        head.push(timeout(SOON, stream.read_u8()).await??);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Accepts an upgrade and sends everything back in capitals.
async fn shout(listener: TcpListener) -> Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let request = head(&mut stream).await?;
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    let mut buffer = [0; 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(request);
        }
        buffer[..length].make_ascii_uppercase();
        stream.write_all(&buffer[..length]).await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_goes_through_both_ways_and_outlives_a_change() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()?)).await?;
    let env = GatewayEnv::start(&[]).await?;
    publish(&env, "ws", &format!("http://{}", listener.local_addr()?)).await?;
    let mut server = JoinSet::new();
    server.spawn(shout(listener));

    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, env.proxy)).await?;
    let request = "GET /ws/chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await?;
    let answer = head(&mut client).await?;
    ensure!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    ensure!(answer.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    for word in ["one", "two", "three"] {
        client.write_all(word.as_bytes()).await?;
        let mut echoed = vec![0; word.len()];
        timeout(SOON, client.read_exact(&mut echoed)).await??;
        ensure!(echoed == word.to_uppercase().as_bytes(), "{echoed:?}");
        // What happens to the configuration does not concern connections that are open.
        env.patch("/routes/ws", &json!({ "paths": [format!("/ws-{word}")] })).await?;
    }
    client.shutdown().await?;
    let seen = timeout(SOON, server.join_next()).await?.context("it was started")???;
    ensure!(seen.starts_with("GET /chat HTTP/1.1\r\n"), "{seen}");
    ensure!(seen.to_lowercase().contains("upgrade: websocket"), "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grpc_call_keeps_its_trailers() -> Result<()> {
    let echo = upstream("grpc").await?;
    let env = GatewayEnv::start(&[]).await?;
    env.post("/services", &json!({ "name": "grpc", "url": format!("grpc://{}", echo.address()) })).await?;
    env.post("/services/grpc/routes", &json!({ "protocols": ["grpc"], "paths": ["/echo.Echo"] })).await?;

    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, env.proxy)).await?;
    let (mut sender, connection) = h2::client::handshake(stream).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = http::Request::post(env.url("/echo.Echo/Say"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut body) = sender.send_request(request, false)?;
    let message = Bytes::from_static(b"\0\0\0\0\x05hello");
    body.send_data(message.clone(), true)?;
    let response = timeout(SOON, response).await??;
    ensure!(response.status() == 200 && response.headers()["content-type"] == "application/grpc", "{response:?}");
    let mut body = response.into_body();
    let mut received = Vec::new();
    while let Some(part) = timeout(SOON, body.data()).await? {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        received.extend_from_slice(&part);
    }
    ensure!(received == message, "{received:?}");
    let trailers = timeout(SOON, body.trailers()).await??.context("no trailers")?;
    ensure!(trailers["grpc-status"] == "0" && trailers["grpc-message"] == "as it came", "{trailers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_a_connection_of_http_2() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build()?;
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let (client, url) = (client.clone(), env.url(&format!("/api/{number}")));
        calls.spawn(async move {
            let answer = client.get(url).send().await?.error_for_status()?;
            let body: serde_json::Value = serde_json::from_str(&answer.text().await?)?;
            ensure!(body["path"] == format!("/{number}"), "{body}");
            Ok(())
        });
    }
    calls.join_all().await.into_iter().collect()
}
