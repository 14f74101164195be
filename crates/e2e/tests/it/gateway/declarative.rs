//! Without a database: a file, a push, a reload.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{GatewayEnv, free_port, wait_for};

use super::{SOON, Traffic, call, upstream, wait_status, with_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_served_and_asks_for_keys() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::declarative(&with_key(&echo, "secret"), &[]).await?;
    let (status, body) = call(env.client(), &env.url("/api"), None).await?;
    ensure!(status == 401 && body["message"] == "No API key found in request", "{status} {body}");
    let (status, body) = call(env.client(), &env.url("/api/x"), Some("secret")).await?;
    ensure!(status == 200 && body["instance"] == "v1" && body["path"] == "/x", "{status} {body}");
    ensure!(body["headers"]["x-consumer-username"] == "ann", "{body}");
    let (status, _) = call(env.client(), &env.url("/other"), None).await?;
    ensure!(status == 404);
    // What came from a file is read only.
    let (status, body) =
        env.admin(reqwest::Method::POST, "/services", Some(&json!({ "url": "http://127.0.0.1:1" }))).await?;
    ensure!(status == 405, "{status} {body}");
    ensure!(env.get("/services/api").await?["name"] == "api");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_replaces_everything_and_fails_no_request() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::declarative(&with_key(&echo, "key-0"), &[]).await?;
    // Two keys that follow each other are both sent: one of them is the one in force.
    for round in 0..10 {
        let (before, after) = (format!("key-{round}"), format!("key-{}", round + 1));
        let traffic = Traffic::start(&env.url("/api"), &[&before, &after])?;
        traffic.goes_on(20).await?;
        let (status, body) = env.post_config(&with_key(&echo, &after)).await?;
        ensure!(status == 201, "{status} {body}");
        // In force when it is answered, for every worker.
        for _ in 0..8 {
            let client = reqwest::Client::new();
            let (old, _) = call(&client, &env.url("/api"), Some(&before)).await?;
            let (new, body) = call(&client, &env.url("/api"), Some(&after)).await?;
            ensure!(old == 401 && new == 200, "{old} {new} {body}");
        }
        traffic.goes_on(20).await?;
        traffic.finish().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_over_listeners_and_files_and_fails_no_request() -> Result<()> {
    let echo = upstream("v1").await?;
    let mut env = GatewayEnv::declarative(&with_key(&echo, "old"), &[]).await?;

    let traffic = Traffic::start(&env.url("/api"), &["old", "new"])?;
    traffic.goes_on(50).await?;
    std::fs::write(env.declarative_file(), with_key(&echo, "new"))?;
    env.run(&["reload"])?;
    wait_status(&env, "/api", Some("new"), 200).await?;
    wait_status(&env, "/api", Some("old"), 401).await?;

    // One more listener; what goes through the old one goes on.
    let (first, second) = (env.proxy, free_port()?);
    env.set("proxy_listen", &format!("127.0.0.1:{first}, 127.0.0.1:{second} ssl http2"));
    env.run(&["reload"])?;
    let moved = format!("https://127.0.0.1:{second}/api");
    let trusting = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build()?;
    wait_for("the new listener serves", SOON, || call(&trusting, &moved, Some("new"))).await?;
    traffic.goes_on(50).await?;
    let calls = traffic.finish().await?;

    // The old one goes, under traffic on the new one.
    let traffic = Traffic::start(&moved, &["new"])?;
    traffic.goes_on(50).await?;
    env.set("proxy_listen", &format!("127.0.0.1:{second} ssl http2"));
    env.run(&["reload"])?;
    wait_for("the old listener is gone", SOON, || async {
        match tokio::net::TcpStream::connect(("127.0.0.1", first)).await {
            Ok(_) => Err("it accepts"),
            Err(_) => Ok(()),
        }
    })
    .await?;
    traffic.goes_on(50).await?;
    // What is read again and the same is not disturbed.
    for _ in 0..5 {
        env.run(&["reload"])?;
        traffic.goes_on(20).await?;
    }
    let more = traffic.finish().await?;
    ensure!(calls > 100 && more > 100, "{calls} {more}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_may_come_as_text_of_several_lines() -> Result<()> {
    let echo = upstream("v1").await?;
    let text = with_key(&echo, "'a # b'");
    let env = GatewayEnv::start(&[("database", "off"), ("declarative_config_string", &text)]).await?;
    wait_status(&env, "/api", Some("a # b"), 200).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_any_configuration_is_not_ready() -> Result<()> {
    let env = GatewayEnv::start(&[("database", "off")]).await?;
    let url = format!("http://127.0.0.1:{}/status/ready", env.status);
    let ready = async || Ok::<_, reqwest::Error>(env.client().get(&url).send().await?.status());
    ensure!(ready().await? == 503);
    let (status, body) = env.post_config("_format_version: '3.0'\n").await?;
    ensure!(status == 201, "{body}");
    ensure!(ready().await? == 200);
    Ok(())
}
