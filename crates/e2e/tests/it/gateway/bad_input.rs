//! Bad input anywhere gets a clear answer, and what runs goes on as it was.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::json;
use testkit::GatewayEnv;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SOON, Traffic, publish, upstream, wait_status, with_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_push_names_what_is_wrong_and_changes_nothing() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::declarative(&with_key(&echo, "secret"), &[]).await?;
    let hash = env.get("/status").await?["configuration_hash"].clone();
    let traffic = Traffic::start(&env.url("/api"), &["secret"])?;
    let unknown_field = with_key(&echo, "other").replace("- name: api\n  url", "- name: api\n  colour: red\n  url");
    let unknown_plugin = with_key(&echo, "other").replace("key-auth", "key-art");
    for (text, words) in [
        (unknown_field.as_str(), "colour"),
        (unknown_plugin.as_str(), "key-art"),
        ("_format_version: '3.0'\nservices: 7\n", "services"),
        ("_format_version: '9.9'\n", "_format_version"),
        ("services: [", ""),
    ] {
        let (status, body) = env.post_config(text).await?;
        ensure!(status == 400 && body.to_string().contains(words), "{text}: {status} {body}");
    }
    ensure!(env.get("/status").await?["configuration_hash"] == hash);
    traffic.goes_on(20).await?;
    traffic.finish().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_refused_at_reload_and_the_node_keeps_the_old_one() -> Result<()> {
    let echo = upstream("v1").await?;
    let mut env = GatewayEnv::declarative(&with_key(&echo, "secret"), &[]).await?;
    let traffic = Traffic::start(&env.url("/api"), &["secret"])?;
    std::fs::write(env.declarative_file(), with_key(&echo, "other").replace("paths", "pahts"))?;
    let refused = env.run(&["reload"]).unwrap_err().to_string();
    ensure!(refused.contains("pahts") && refused.contains("kong.yml"), "{refused}");
    let conf = env.dir().join("bad.conf");
    std::fs::write(&conf, "log_level = loud\nproxy_listen = nowhere\n")?;
    let path = conf.display().to_string();
    // The environment would win over the file.
    let mut command = env.kong(&["reload", "-c", &path])?;
    let output = command.env_remove("KONG_PROXY_LISTEN").output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it was taken");
    ensure!(complaint.contains("log_level") && complaint.contains("proxy_listen"), "{complaint}");
    ensure!(env.node().is_running());
    traffic.goes_on(20).await?;
    traffic.finish().await?;
    // A port that somebody else has.
    std::fs::write(env.declarative_file(), with_key(&echo, "other"))?;
    let before = env.proxy;
    env.set("proxy_listen", &format!("127.0.0.1:{before}, {}", echo.address()));
    env.run(&["reload"])?;
    env.node().wait_for_line("Settings stay as they were", SOON).await?;
    wait_status(&env, "/api", Some("secret"), 200).await?;
    // And it is not stuck.
    env.set("proxy_listen", &format!("127.0.0.1:{before}"));
    env.run(&["reload"])?;
    wait_status(&env, "/api", Some("other"), 200).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_calls_of_the_admin_api_change_nothing() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;
    let before = (env.get("/services").await?, env.get("/routes").await?, env.get("/plugins").await?);
    let wrong = json!({ "path": "api", "protocol": "gopher", "port": 70_000, "retries": -1, "colour": "red" });
    let (status, body) = env.admin(Method::PUT, "/services/api", Some(&wrong)).await?;
    ensure!(status == 400, "{status} {body}");
    for field in ["path", "protocol", "port", "retries", "colour"] {
        ensure!(body["fields"][field].is_string(), "{field} is not named in {body}");
    }
    for (path, body, expected) in [
        ("/services", "{", 400),
        ("/services", "[]", 400),
        ("/services", "{\"name\": 7}", 400),
        ("/routes", "{\"paths\": [\"~/(\"]}", 400),
        ("/services/api/plugins", "{\"name\": \"no-such\"}", 400),
        ("/nowhere", "{}", 404),
    ] {
        let request = env.client().post(env.admin_url(path)).header("content-type", "application/json");
        let answer = request.body(body).send().await?;
        ensure!(answer.status() == expected, "{path} {body}: {} {}", answer.status(), answer.text().await?);
    }
    let huge = "x".repeat(64 << 20);
    let answer = env.client().post(env.admin_url("/services")).body(huge).send().await;
    // It is refused, or cut off while it is sent.
    ensure!(answer.map_or(true, |answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE));
    let after = (env.get("/services").await?, env.get("/routes").await?, env.get("/plugins").await?);
    ensure!(before == after, "{after:?}");
    wait_status(&env, "/api", None, 200).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_proxy_port_is_refused_and_others_go_on() -> Result<()> {
    let echo = upstream("v1").await?;
    let mut env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;
    let traffic = Traffic::start(&env.url("/api"), &[])?;
    let huge_head = [b"GET /api HTTP/1.1\r\nHost: a\r\nX: ".as_slice(), &vec![b'x'; 1 << 20], b"\r\n\r\n"].concat();
    let noise: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let inputs: [&[u8]; 9] = [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /api HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /api HTTP/1.1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost : a\r\n\r\n",
        &huge_head,
        &noise,
    ];
    for input in inputs {
        for port in [env.proxy, env.proxy_tls] {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            // A peer that has heard enough closes while the rest is being sent.
            let _cut_off = stream.write_all(input).await.is_err();
            let _closed = stream.shutdown().await.is_err();
            let mut answer = Vec::new();
            let _reset = timeout(SOON, stream.read_to_end(&mut answer)).await?.is_err();
            let answer = String::from_utf8_lossy(&answer);
            ensure!(
                !answer.starts_with("HTTP/1.1 2"),
                "{:?}: {answer}",
                String::from_utf8_lossy(&input[..40.min(input.len())])
            );
        }
    }
    ensure!(env.node().is_running());
    traffic.goes_on(20).await?;
    traffic.finish().await.map(drop)
}
