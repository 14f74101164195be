//! Health that somebody sets by hand is that of all nodes.

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::echo::HttpEcho;

use super::{Running, database, until};

/// Checks that find nothing, so that what is said by hand stays.
fn passive() -> Value {
    json!({ "passive": { "unhealthy": { "http_failures": 100 } } })
}

/// An upstream with two targets, of the same server.
async fn balanced(node: &Running, echo: &HttpEcho, checks: Value) -> [String; 2] {
    node.create("/upstreams", json!({ "name": "u", "healthchecks": checks })).await;
    let port = echo.address().port();
    let targets = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    for target in &targets {
        node.create("/upstreams/u/targets", json!({ "target": target })).await;
    }
    targets
}

/// What a node says of a target, or of one of its addresses.
async fn health(node: &Running, target: &str) -> Value {
    let (_, list) = node.read("/upstreams/u/health").await;
    let found = list["data"].as_array().into_iter().flatten().find(|of| of["target"] == target);
    found.map_or(Value::Null, |of| of["health"].clone())
}

async fn mark(node: &Running, path: &str) {
    assert_eq!(node.call("PUT", &format!("/upstreams/u/targets/{path}"), Value::Null).await.0, 204, "{path}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_reaches_all_nodes_and_those_that_start_later() {
    let database = database().await;
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let (one, two) = tokio::join!(Running::on(&database), Running::on(&database));
    let [numeric, named] = balanced(&one, &echo, passive()).await;
    for node in [&one, &two] {
        for target in [&numeric, &named] {
            until("the target is there", json!("HEALTHY"), || health(node, target)).await;
        }
    }

    mark(&two, &format!("{numeric}/unhealthy")).await;
    assert_eq!(health(&two, &numeric).await, "UNHEALTHY", "it is in force where it was said");
    until("the other node knows", json!("UNHEALTHY"), || health(&one, &numeric)).await;
    mark(&one, &format!("{named}/unhealthy")).await;
    // This one's name is to be resolved first.
    let late = Running::on(&database).await;
    assert_eq!(health(&late, &numeric).await, "UNHEALTHY");
    until("it is known of a name too", json!("UNHEALTHY"), || health(&late, &named)).await;

    mark(&late, &format!("{numeric}/healthy")).await;
    for node in [&one, &two] {
        until("a later mark counts", json!("HEALTHY"), || health(node, &numeric)).await;
        assert_eq!(health(node, &named).await, "UNHEALTHY");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_addresses_are_told_and_forgotten_with_the_whole_target() {
    let database = database().await;
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let (one, two) = tokio::join!(Running::on(&database), Running::on(&database));
    let [numeric, _] = balanced(&one, &echo, passive()).await;
    until("the target is there", json!("HEALTHY"), || health(&two, &numeric)).await;
    mark(&one, &format!("{numeric}/{numeric}/unhealthy")).await;
    until("its address is marked", json!("UNHEALTHY"), || health(&two, &numeric)).await;
    mark(&one, &format!("{numeric}/healthy")).await;
    until("the target is marked", json!("HEALTHY"), || health(&two, &numeric)).await;
    let late = Running::on(&database).await;
    assert_eq!(health(&late, &numeric).await, "HEALTHY", "the later word counts");
    // Addresses that nobody has are taken.
    mark(&one, &format!("{numeric}/10.9.8.7:1/unhealthy")).await;
    assert_eq!(health(&one, &numeric).await, "HEALTHY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_outlives_the_node_and_leaves_with_its_target() {
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let node = Running::start_in(TempDir::with_prefix("node-").unwrap(), &[]).await.unwrap();
    let [numeric, _] = balanced(&node, &echo, passive()).await;
    mark(&node, &format!("{numeric}/unhealthy")).await;
    let node = Running::start_in(node.stop().await, &[]).await.unwrap();
    assert_eq!(health(&node, &numeric).await, "UNHEALTHY");
    let path = format!("/upstreams/u/targets/{numeric}");
    assert_eq!(node.call("DELETE", &path, Value::Null).await.0, 204);
    node.create("/upstreams/u/targets", json!({ "target": numeric })).await;
    assert_eq!(health(&node, &numeric).await, "HEALTHY", "it is another target");
}

/// What active checks find out by themselves is not what somebody said a while ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_checks_have_the_first_word_on_a_node_that_starts() {
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let node = Running::start_in(TempDir::with_prefix("node-").unwrap(), &[]).await.unwrap();
    let hourly = json!({ "interval": 3600, "successes": 1 });
    let checks = json!({ "active": { "healthy": hourly, "unhealthy": { "interval": 3600, "http_failures": 1 } } });
    let [numeric, _] = balanced(&node, &echo, checks).await;
    mark(&node, &format!("{numeric}/unhealthy")).await;
    assert_eq!(health(&node, &numeric).await, "UNHEALTHY");
    let node = Running::start_in(node.stop().await, &[]).await.unwrap();
    assert_eq!(health(&node, &numeric).await, "HEALTHY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_checks_marks_have_no_effect() {
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let node = Running::start_in(TempDir::with_prefix("node-").unwrap(), &[]).await.unwrap();
    let [numeric, _] = balanced(&node, &echo, json!({})).await;
    mark(&node, &format!("{numeric}/unhealthy")).await;
    assert_eq!(health(&node, &numeric).await, "HEALTHCHECKS_OFF");
}
