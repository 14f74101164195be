//! Nodes that count together, with a real Redis.

use std::time::Duration;

use gateway_proxy::pdk::{Counters, Plugin};
use serde_json::{Value, json};
use testkit::redis::{Options, Server};
use testkit::wait_for;

use super::ResponseRateLimiting;
use crate::testing::Lab;

const PATIENCE: Duration = Duration::from_secs(20);

/// 2026-01-02T00:00:00Z, when the day began.
const KEY: &str = "response-ratelimit:00000000-0000-0000-0000-000000000000:00000000-0000-0000-0000-000000000000:\
                   127.0.0.1:1767312000000:video:day";

fn config(port: u16) -> Value {
    json!({
        "policy": "redis", "limits": { "video": { "day": 5 }, "image": { "day": 9, "month": 99 } },
        "redis": { "host": "127.0.0.1", "port": port },
    })
}

/// What was left of the limit `video` before an answer of this cost, what is left after it, and its status.
async fn ask(lab: &Lab, plugin: &dyn Plugin, cost: &str) -> (Option<String>, Option<String>, u16) {
    let mut request = lab.request("GET", "/");
    if let Some(answer) = request.access_in_time(plugin).await {
        return (None, None, answer.status);
    }
    let before = request.response("X-RateLimit-Remaining-video").map(str::to_owned);
    let head = request.filter_headers(plugin, &[("X-Kong-Limit", cost)]);
    assert!(!head.headers.contains("X-Kong-Limit"));
    (before, head.headers.get_str("X-RateLimit-Remaining-video-day").map(str::to_owned), head.status)
}

fn is(before: &str, after: &str, status: u16) -> (Option<String>, Option<String>, u16) {
    (Some(before.to_owned()), Some(after.to_owned()), status)
}

async fn until_left(lab: &Lab, plugin: &dyn Plugin, left: &str) {
    let check = async || match ask(lab, plugin, "").await {
        (Some(before), ..) if before == left => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wait_for("what is left", PATIENCE, check).await.unwrap();
}

#[tokio::test]
async fn answers_of_all_nodes_are_counted() {
    let redis = Server::start(Options::default()).await.unwrap();
    let labs = [Lab::new(), Lab::new()];
    let [one, other] = labs.each_ref().map(|lab| lab.plugin(&ResponseRateLimiting, config(redis.port())));
    assert_eq!(ask(&labs[0], &*one, "video=2").await, is("5", "3", 200));
    until_left(&labs[1], &*other, "3").await;
    assert_eq!(ask(&labs[1], &*other, "video=1.5, image=1").await, is("3", "1.5", 200));
    until_left(&labs[0], &*one, "1.5").await;
    assert_eq!(ask(&labs[0], &*one, "video=9").await, is("1.5", "0", 200));
    until_left(&labs[1], &*other, "-7.5").await;
    assert_eq!(ask(&labs[1], &*other, "video=1").await, is("-7.5", "0", 429));
    assert_eq!(redis.command(&["GET", KEY]).unwrap(), "12.5");
    assert!(redis.command(&["TTL", KEY]).unwrap().parse::<i64>().unwrap() > 86_000);
}

#[tokio::test]
async fn without_redis_answers_pass_or_not_as_configured_until_it_is_back() {
    let redis = Server::start(Options::default()).await.unwrap();
    let lab = Lab::new();
    let tolerant = lab.plugin(&ResponseRateLimiting, config(redis.port()));
    let mut strict = config(redis.port());
    strict["fault_tolerant"] = json!(false);
    let strict = lab.plugin(&ResponseRateLimiting, strict);
    assert_eq!(ask(&lab, &*strict, "").await, is("5", "5", 200));
    redis.stop().await.unwrap();
    assert_eq!(ask(&lab, &*tolerant, "video=1").await, (None, None, 200));
    assert_eq!(ask(&lab, &*strict, "video=1").await, (None, None, 500));
    redis.resume().await.unwrap();
    until_left(&lab, &*strict, "5").await;
}

#[tokio::test]
async fn a_cluster_counts_whole_numbers_in_its_database() {
    let lab = Lab::new();
    let (counters, mut additions) = Counters::new();
    counters.offer(&lab.node);
    lab.node.tasks.spawn_detached("database", async move {
        let mut counts = std::collections::HashMap::new();
        while let Some(batch) = additions.next().await {
            let add = |increment: &gateway_proxy::pdk::counters::Increment| {
                let count: &mut u64 = counts.entry(increment.key.clone()).or_default();
                *count += increment.by;
                *count
            };
            let after: Vec<u64> = batch.increments().iter().map(add).collect();
            batch.answer(Some(&after));
        }
    });
    let plugin = lab.plugin(&ResponseRateLimiting, json!({ "policy": "cluster", "limits": { "video": { "day": 5 } } }));
    assert_eq!(ask(&lab, &*plugin, "video=1.5").await, is("5", "3.5", 200));
    until_left(&lab, &*plugin, "3").await;
    assert_eq!(ask(&lab, &*plugin, "video=-2").await, is("3", "5", 200));
    assert_eq!(ask(&lab, &*plugin, "video=3").await, is("3", "0", 200));
    until_left(&lab, &*plugin, "0").await;
    assert_eq!(ask(&lab, &*plugin, "video=1").await, is("0", "0", 429));
}
