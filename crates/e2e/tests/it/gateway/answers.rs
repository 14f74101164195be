//! Answers of the gateway's own, and those of upstreams that plugins look at as a whole.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::GatewayEnv;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SOON, publish, upstream, wait_status};

/// What the proxy answers to these bytes.
async fn answer(env: &GatewayEnv, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, env.proxy)).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_head_is_answered_in_the_clients_form() -> Result<()> {
    let env = GatewayEnv::start(&[]).await?;
    for (request, status, kind, words) in [
        ("GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n", 400, "application/json", "\"message\":\"Bad request\""),
        ("GET / HTTP/1.1\r\n\r\n", 400, "text/plain", "Bad request\n"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nAccept: text/html\r\n\r\n", 400, "text/html", "<p>Bad request.</p>"),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Type: application/xml\r\n\r\n",
            400,
            "application/xml",
            "Bad request",
        ),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "text/plain", "Method not allowed\n"),
        ("GET / HTTP/2.0\r\nHost: a\r\nAccept: text/plain\r\n\r\n", 505, "text/html", "<h1>505 HTTP Version"),
    ] {
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let answer = answer(&env, request.as_bytes()).await?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        ensure!(answer.contains(&format!("Content-Type: {kind};")) && answer.contains(words), "{request}: {answer}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_see_held_answers_and_choose_upstreams() -> Result<()> {
    let (echo, other) = (upstream("v1").await?, upstream("v2").await?);
    let env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;
    env.post("/upstreams", &json!({ "name": "pool" })).await?;
    env.post("/upstreams/pool/targets", &json!({ "target": other.address().to_string() })).await?;
    let code = json!({
        "access": [
            "kong.service.request.enable_buffering() local name = kong.request.get_header('X-To') \
             if name then kong.response.set_header('X-Set', tostring(kong.service.set_upstream(name))) end",
        ],
        "header_filter": [
            "local body = kong.service.response.get_raw_body() kong.response.set_header('X-Length', #body) \
             kong.response.set_header('X-By', kong.service.response.get_body().instance)",
        ],
        "body_filter": ["ngx.arg[1] = (ngx.arg[1] or '') .. (ngx.arg[2] and 'end' or '+')"],
    });
    env.post("/services/api/plugins", &json!({ "name": "pre-function", "config": code })).await?;
    wait_status(&env, "/api", None, 200).await?;
    for (to, set, by) in [(None, None, "v1"), (Some("pool"), Some("true"), "v2"), (Some("none"), Some("nil"), "v1")] {
        let request = to.iter().fold(env.client().get(env.url("/api")), |request, to| request.header("X-To", *to));
        let answer = request.send().await?;
        let field = |name: &str| answer.headers().get(name).map(|value| value.to_str().map(str::to_owned)).transpose();
        ensure!(field("x-set")?.as_deref() == set && field("x-by")?.as_deref() == Some(by), "{answer:?}");
        ensure!(field("via")?.is_some_and(|via| via.starts_with("1.1 ")) && answer.status() == 200, "{answer:?}");
        let length: usize = field("x-length")?.context("X-Length is missing")?.parse()?;
        let body = answer.text().await?;
        ensure!(body.len() == length + "+end".len() && body.ends_with("+end"), "{length}: {body}");
    }
    Ok(())
}
