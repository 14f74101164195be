//! Several nodes on one PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::mesh::START;
use testkit::postgres::Database;
use testkit::{GatewayEnv, Process, redis, wait_for};
use tokio::task::JoinSet;

use super::database::write_until_failure;
use super::{SOON, call, publish, upstream, wait_status};
use crate::databases;

/// Two nodes.
struct Pair {
    first: GatewayEnv,
    second: GatewayEnv,
    _database: Database,
}

impl Pair {
    async fn start() -> Result<Self> {
        let database = databases::of_gateway().await?;
        let mut first = GatewayEnv::on(database.address(), &[])?;
        let mut second = GatewayEnv::on(database.address(), &[])?;
        first.launch().await?;
        second.launch().await?;
        Ok(Self { first, second, _database: database })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_is_told_all_serve() -> Result<()> {
    let echo = upstream("v1").await?;
    let pair = Pair::start().await?;
    let url = format!("http://{}", echo.address());
    publish(&pair.first, "api", &url).await?;
    wait_status(&pair.second, "/api", None, 200).await?;
    // The other way round: a plugin and a consumer, and then none again.
    let plugin = pair.second.post("/services/api/plugins", &json!({ "name": "key-auth" })).await?;
    pair.second.post("/consumers", &json!({ "username": "ann" })).await?;
    pair.second.post("/consumers/ann/key-auth", &json!({ "key": "secret" })).await?;
    wait_status(&pair.first, "/api", None, 401).await?;
    wait_status(&pair.first, "/api", Some("secret"), 200).await?;
    let id = plugin["id"].as_str().context("no id")?;
    pair.first.delete(&format!("/plugins/{id}")).await?;
    wait_status(&pair.second, "/api", None, 200).await?;
    // Both say the same about everything, and refuse what the other has.
    for list in ["/services", "/routes", "/plugins", "/consumers", "/key-auths"] {
        ensure!(pair.first.get(list).await? == pair.second.get(list).await?, "{list}");
    }
    let again = json!({ "name": "api", "url": url });
    for node in [&pair.first, &pair.second] {
        let (status, body) = node.admin(Method::POST, "/services", Some(&again)).await?;
        ensure!(status == 409, "{status} {body}");
    }
    Ok(())
}

/// A write on one is served by the other within a tenth of a second, when the machine has nothing else to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_served_at_once() -> Result<()> {
    let echo = upstream("v1").await?;
    let pair = Pair::start().await?;
    let mut delays = Vec::new();
    for number in 0..20 {
        let (to, from) = if number % 2 == 0 { (&pair.first, &pair.second) } else { (&pair.second, &pair.first) };
        let name = format!("api-{number}");
        publish(to, &name, &format!("http://{}", echo.address())).await?;
        let written = Instant::now();
        wait_status(from, &format!("/{name}"), None, 200).await?;
        delays.push(written.elapsed());
    }
    delays.sort();
    ensure!(delays[delays.len() / 2] < Duration::from_millis(100), "{delays:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_marked_by_hand_is_marked_everywhere() -> Result<()> {
    let (one, two) = (upstream("one").await?, upstream("two").await?);
    let pair = Pair::start().await?;
    // Marks count where health is looked after at all.
    let checks = json!({ "passive": { "unhealthy": { "http_failures": 100 } } });
    pair.first.post("/upstreams", &json!({ "name": "pool", "healthchecks": checks })).await?;
    for echo in [&one, &two] {
        pair.first.post("/upstreams/pool/targets", &json!({ "target": echo.address().to_string() })).await?;
    }
    publish(&pair.first, "api", "http://pool").await?;
    let target = format!("/upstreams/pool/targets/{}", one.address());
    for (node, other) in [(&pair.first, &pair.second), (&pair.second, &pair.first)] {
        wait_instances(other, &["one", "two"]).await?;
        node.put(&format!("{target}/unhealthy"), &json!({})).await?;
        wait_health(other, &one.address().to_string(), "UNHEALTHY").await?;
        wait_instances(other, &["two"]).await?;
        node.put(&format!("{target}/healthy"), &json!({})).await?;
        wait_health(other, &one.address().to_string(), "HEALTHY").await?;
    }
    wait_instances(&pair.first, &["one", "two"]).await
}

async fn wait_health(node: &GatewayEnv, target: &str, expected: &str) -> Result<()> {
    wait_for(&format!("{target} is {expected}"), SOON, || async {
        let health = node.get("/upstreams/pool/health").await.map_err(|error| format!("{error:#}"))?;
        let targets = health["data"].as_array().cloned().unwrap_or_default();
        let one = targets.into_iter().find(|one| one["target"] == target).unwrap_or(Value::Null);
        if one["health"] == expected { Ok(()) } else { Err(one.to_string()) }
    })
    .await
}

/// Waits until exactly these instances answer eight calls in a row.
async fn wait_instances(node: &GatewayEnv, expected: &[&str]) -> Result<()> {
    wait_for(&format!("{expected:?} answer"), SOON, || async {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..8 {
            let (status, body) = call(node.client(), &node.url("/api"), None).await?;
            ensure!(status == 200, "{status} {body}");
            seen.insert(body["instance"].as_str().unwrap_or_default().to_owned());
        }
        ensure!(seen.iter().eq(expected), "{seen:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_the_cluster_are_counted_over_all_nodes() -> Result<()> {
    let pair = Pair::start().await?;
    counted_together(&pair, json!({ "year": 7, "policy": "cluster" })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_in_redis_are_counted_over_all_nodes() -> Result<()> {
    let server =
        redis::Server::start(redis::Options { password: Some("secret".to_owned()), ..Default::default() }).await?;
    let pair = Pair::start().await?;
    let place = json!({ "host": "127.0.0.1", "port": server.port(), "password": "secret" });
    counted_together(&pair, json!({ "year": 7, "policy": "redis", "redis": place })).await?;
    ensure!(server.command(&["DBSIZE"])? == "1");
    Ok(())
}

/// Seven calls are let through, whichever node gets them, and no eighth one.
async fn counted_together(pair: &Pair, config: Value) -> Result<()> {
    let echo = upstream("v1").await?;
    publish(&pair.first, "api", &format!("http://{}", echo.address())).await?;
    pair.first.post("/services/api/plugins", &json!({ "name": "rate-limiting", "config": config })).await?;
    // Who serves what came after the limit has the limit.
    publish(&pair.first, "later", &format!("http://{}", echo.address())).await?;
    wait_status(&pair.second, "/later", None, 200).await?;
    let mut let_through = 0;
    for number in 0..20 {
        let node = if number % 2 == 0 { &pair.first } else { &pair.second };
        let answer = node.client().get(node.url("/api")).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 200 || status == 429, "{status} {text}");
        ensure!(status == 429 || let_through == number, "call {number} is let through after one was not");
        let_through += usize::from(status == 200);
    }
    ensure!(let_through == 7, "{let_through} calls were let through");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_node_is_killed_during_writes() -> Result<()> {
    let Pair { mut first, second, _database } = Pair::start().await?;
    for round in 0..5 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let (url, client, count) =
                (first.admin_url("/services"), first.client().clone(), Arc::clone(&acknowledged));
            writers.spawn(write_until_failure(client, url, format!("r{round}-w{writer}"), count));
        }
        wait_for("some writes are acknowledged", START, || async {
            let count = acknowledged.load(Ordering::SeqCst);
            if count > 100 { Ok(()) } else { Err(count) }
        })
        .await?;
        first.node().kill()?;
        let names: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
        // The other one serves on, and knows all of it at once: what was acknowledged was announced before.
        for name in &names {
            let service = format!("/services/{name}");
            wait_for("the other node knows it", SOON, || second.get(&service))
                .await
                .context("acknowledged and lost")?;
        }
        first.launch().await?;
        for name in &names {
            first.get(&format!("/services/{name}")).await.context("acknowledged and lost")?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_at_the_same_time_are_one() -> Result<()> {
    let database = testkit::postgres::shared().await?.database().await?;
    let mut migrations = JoinSet::new();
    for _ in 0..4 {
        let env = GatewayEnv::on(database.address(), &[])?;
        migrations.spawn_blocking(move || env.run(&["migrations", "bootstrap"]));
    }
    while let Some(done) = migrations.join_next().await {
        done??;
    }
    let nodes = (0..3).map(|_| async {
        let mut env = GatewayEnv::on(database.address(), &[])?;
        env.launch().await?;
        anyhow::Ok(env)
    });
    let nodes = futures_util::future::try_join_all(nodes).await?;
    for command in ["up", "finish", "status", "list"] {
        nodes[0].run(&["migrations", command]).with_context(|| command)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_refused_with_the_command_to_run() -> Result<()> {
    let database = testkit::postgres::shared().await?.database().await?;
    let env = GatewayEnv::on(database.address(), &[])?;
    let mut process = Process::spawn("kong", env.kong(&["start"])?)?;
    let status = process.wait(START).await?;
    let refusal = process.output();
    ensure!(!status.success() && refusal.contains("kong migrations bootstrap"), "{status}: {refusal}");
    Ok(())
}
