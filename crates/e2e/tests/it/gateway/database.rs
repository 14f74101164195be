//! With the embedded database: what is written is in force and stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use testkit::mesh::START;
use testkit::{GatewayEnv, wait_for};
use tokio::task::JoinSet;

use super::{Traffic, call, publish, upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_created_is_in_force_when_it_is_answered() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::start(&[]).await?;
    let url = format!("http://{}", echo.address());
    for number in 0..30 {
        let name = format!("api-{number}");
        publish(&env, &name, &url).await?;
        // A connection of its own each time: any worker may get it.
        let (status, body) = call(&reqwest::Client::new(), &env.url(&format!("/{name}")), None).await?;
        ensure!(status == 200, "{name}: {status} {body}");
        env.delete(&format!("/routes/{name}")).await?;
        let (status, body) = call(&reqwest::Client::new(), &env.url(&format!("/{name}")), None).await?;
        ensure!(status == 404, "{name}: {status} {body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_disturb_no_request_on_other_routes() -> Result<()> {
    let echo = upstream("v1").await?;
    let env = GatewayEnv::start(&[]).await?;
    let url = format!("http://{}", echo.address());
    publish(&env, "steady", &url).await?;
    let traffic = Traffic::start(&env.url("/steady"), &[])?;
    for number in 0..40 {
        publish(&env, &format!("other-{number}"), &url).await?;
        env.patch("/services/steady", &json!({ "tags": [format!("t{number}")] })).await?;
    }
    traffic.goes_on(20).await?;
    traffic.finish().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_survive_a_stop_and_a_start() -> Result<()> {
    let echo = upstream("v1").await?;
    let mut env = GatewayEnv::start(&[]).await?;
    publish(&env, "api", &format!("http://{}", echo.address())).await?;
    env.post("/services/api/plugins", &json!({ "name": "key-auth" })).await?;
    env.post("/consumers", &json!({ "username": "ann" })).await?;
    env.post("/consumers/ann/key-auth", &json!({ "key": "secret" })).await?;
    let before = (env.get("/services").await?, env.get("/plugins").await?, env.get("/key-auths").await?);
    let node_id = env.get("/").await?["node_id"].clone();
    for signal in [Signal::TERM, Signal::QUIT] {
        env.stop(signal).await?;
        env.launch().await?;
        let after = (env.get("/services").await?, env.get("/plugins").await?, env.get("/key-auths").await?);
        ensure!(before == after, "{after:?}");
        ensure!(env.get("/").await?["node_id"] == node_id);
        let (status, body) = call(env.client(), &env.url("/api"), Some("secret")).await?;
        ensure!(status == 200, "{status} {body}");
        ensure!(call(env.client(), &env.url("/api"), None).await?.0 == 401);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_node_is_killed_during_writes() -> Result<()> {
    let mut env = GatewayEnv::start(&[]).await?;
    for round in 0..3 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let (url, client, count) = (env.admin_url("/services"), env.client().clone(), Arc::clone(&acknowledged));
            writers.spawn(write_until_failure(client, url, format!("r{round}-w{writer}"), count));
        }
        wait_for("some writes are acknowledged", START, || async {
            let count = acknowledged.load(Ordering::SeqCst);
            if count > 100 { Ok(()) } else { Err(count) }
        })
        .await?;
        env.node().kill()?;
        let names: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
        env.launch().await?;
        for name in names {
            let (status, _) = env.admin(Method::GET, &format!("/services/{name}"), None).await?;
            ensure!(status == 200, "{name} was acknowledged and is lost");
        }
    }
    Ok(())
}

/// Names of what was acknowledged.
pub(super) async fn write_until_failure(
    client: reqwest::Client,
    url: String,
    prefix: String,
    acknowledged: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut names = Vec::new();
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        let body = json!({ "name": name, "url": "http://127.0.0.1:9000" });
        match client.post(&url).json(&body).send().await {
            Ok(answer) if answer.status() == 201 => names.push(name),
            _ => break,
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_imported_and_exported_as_the_same() -> Result<()> {
    let echo = upstream("v1").await?;
    let mut one = GatewayEnv::start(&[]).await?;
    publish(&one, "api", &format!("http://{}", echo.address())).await?;
    one.post("/services/api/plugins", &json!({ "name": "key-auth", "config": { "key_names": ["k"] } })).await?;
    one.post("/consumers", &json!({ "username": "ann", "tags": ["a", "b"] })).await?;
    one.post("/consumers/ann/key-auth", &json!({ "key": "yes # no: 'maybe'" })).await?;
    one.post("/upstreams", &json!({ "name": "pool" })).await?;
    one.post("/upstreams/pool/targets", &json!({ "target": "127.0.0.1:9000", "weight": 7 })).await?;
    one.stop(Signal::TERM).await?;
    one.run(&["config", "db_export", "one.yml"])?;
    let first = std::fs::read_to_string(one.dir().join("one.yml"))?;

    let mut two = GatewayEnv::new(&[])?;
    std::fs::write(two.dir().join("one.yml"), &first)?;
    two.run(&["migrations", "bootstrap"])?;
    two.run(&["config", "db_import", "one.yml"])?;
    two.run(&["config", "db_export", "two.yml"])?;
    let second = std::fs::read_to_string(two.dir().join("two.yml"))?;
    // An import is a change of each.
    let unchanged = |text: &str| text.lines().filter(|line| !line.contains("updated_at")).map(str::to_owned).collect();
    let (before, after): (Vec<_>, Vec<_>) = (unchanged(&first), unchanged(&second));
    ensure!(before == after, "{first}\n---\n{second}");
    two.launch().await?;
    let target = two.get("/upstreams/pool/targets").await?;
    ensure!(target["data"][0]["weight"] == 7, "{target}");
    let answer = two.client().get(two.url("/api")).header("k", "yes # no: 'maybe'").send().await?;
    ensure!(answer.status() == 200, "{}", answer.text().await?);

    // And it is what a node without a database takes as well.
    let three = GatewayEnv::declarative(&second, &[]).await.context("the export as a declarative file")?;
    ensure!(three.get("/consumers/ann").await?["tags"] == json!(["a", "b"]));
    Ok(())
}
