use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::ManualClock;
use jiff::Timestamp;
use proto::TypeUrl;
use serde_json::{Value, json};

use super::Insights;
use crate::index::ProxyId;
use crate::resources::{Resources, Settings};

struct World {
    resources: Resources,
    clock: Arc<ManualClock>,
    insights: Insights,
}

async fn world(limit: usize) -> World {
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap()));
    let resources = Resources::new(store::memory::open(clock.clone()), Settings::default());
    let kind = |name| mesh_model::Kind::by_name(name).unwrap();
    let labels = Default::default();
    resources.put(kind("Mesh"), "", "default", &labels, &json!({})).await.unwrap();
    let inbound = json!([{ "port": 1234, "tags": { "kuma.io/service": "web" } }]);
    let body = json!({ "networking": { "address": "127.0.0.1", "inbound": inbound } });
    resources.put(kind("Dataplane"), "default", "web", &labels, &body).await.unwrap();
    let insights = Insights::new("cp-1".to_owned(), resources.clone(), clock.clone(), limit);
    World { resources, clock, insights }
}

fn web() -> ProxyId {
    ProxyId { mesh: "default".into(), name: "web".into() }
}

fn is_online(world: &World) -> bool {
    let insight = world.insights.get("default", "web").unwrap();
    insight["subscriptions"].as_array().unwrap().iter().any(|one| one.get("disconnectTime").is_none())
}

async fn stored(world: &World) -> Value {
    super::stored::read(&world.resources, &web()).await.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn counters_are_shown_as_the_documents_show_them() {
    let world = world(10).await;
    let subscription = world.insights.connected(&web(), 7, json!({ "envoy": { "version": "1.40.0" } })).await.unwrap();
    let now = world.clock.now();
    subscription.sent(TypeUrl::Cluster, now);
    subscription.sent(TypeUrl::Listener, now);
    subscription.acknowledged(TypeUrl::Cluster, now);
    subscription.rejected(TypeUrl::Listener, "bad listener", now);
    let insight = world.insights.get("default", "web").unwrap();
    let status = &insight["subscriptions"][0]["status"];
    assert_eq!(status["cds"], json!({ "responsesSent": "1", "responsesAcknowledged": "1" }));
    assert_eq!(status["lds"], json!({ "responsesSent": "1", "responsesRejected": "1" }));
    assert_eq!(status["rds"], json!({}));
    assert_eq!(status["total"]["responsesSent"], "2");
    assert_eq!(status["lastRejection"]["message"], "bad listener");
    assert_eq!(insight["subscriptions"][0]["version"]["envoy"]["version"], "1.40.0");
}

#[tokio::test]
async fn a_disconnect_is_seen_at_once_and_stored_by_the_next_flush() {
    let world = world(10).await;
    let subscription = world.insights.connected(&web(), 1, Value::Null).await.unwrap();
    assert!(is_online(&world));
    world.insights.flush().await;
    assert!(stored(&world).await["subscriptions"][0].get("disconnectTime").is_none());
    world.insights.disconnected(&web(), &subscription);
    assert!(!is_online(&world));
    world.insights.flush().await;
    assert!(stored(&world).await["subscriptions"][0]["disconnectTime"].is_string());
    assert!(world.insights.get("default", "web").is_none(), "the store says it all");
}

#[tokio::test]
async fn only_the_newest_subscriptions_are_kept_and_open_ones_always() {
    let world = world(2).await;
    let first = world.insights.connected(&web(), 1, Value::Null).await.unwrap();
    for generation in 2..6 {
        let subscription = world.insights.connected(&web(), generation, Value::Null).await.unwrap();
        world.insights.disconnected(&web(), &subscription);
    }
    let insight = world.insights.get("default", "web").unwrap();
    let generations: Vec<_> =
        insight["subscriptions"].as_array().unwrap().iter().map(|one| one["generation"].as_u64().unwrap()).collect();
    assert_eq!(generations, [1, 5]);
    assert!(first.is_open());
}

#[tokio::test]
async fn what_a_killed_run_left_open_is_closed_by_the_next() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null).await.unwrap();
    world.insights.flush().await;
    world.clock.advance(Duration::from_secs(60));
    let next = Insights::new("cp-2".to_owned(), world.resources.clone(), world.clock.clone(), 10);
    next.close_stale().await.unwrap();
    assert!(stored(&world).await["subscriptions"][0]["disconnectTime"].is_string());
    next.connected(&web(), 2, Value::Null).await.unwrap();
    let insight = next.get("default", "web").unwrap();
    assert_eq!(insight["subscriptions"].as_array().unwrap().len(), 2, "history goes on");
}

#[tokio::test]
async fn an_insight_goes_with_its_dataplane() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null).await.unwrap();
    world.insights.flush().await;
    let kind = mesh_model::Kind::by_name("Dataplane").unwrap();
    world.resources.delete(kind, "default", "web").await.unwrap();
    assert_eq!(stored(&world).await, Value::Null);
}

#[tokio::test]
async fn nothing_is_written_while_nothing_happens() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null).await.unwrap();
    world.insights.flush().await;
    let mut watch = world.resources.store().watch().await.unwrap();
    let revision = watch.next().await.unwrap().revision();
    world.insights.flush().await;
    world.insights.counted();
    world.insights.flush().await;
    let mut again = world.resources.store().watch().await.unwrap();
    assert_eq!(again.next().await.unwrap().revision(), revision);
}
