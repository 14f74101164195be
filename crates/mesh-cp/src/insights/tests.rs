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

/// The insight of `web` as the control plane that has `insights` sees it.
async fn seen(insights: &Insights, world: &World) -> Option<Value> {
    insights.merged("default", "web", stored(world).await)
}

async fn is_online(insights: &Insights, world: &World) -> bool {
    let insight = seen(insights, world).await.unwrap();
    insight["subscriptions"].as_array().unwrap().iter().any(|one| one.get("disconnectTime").is_none())
}

async fn stored(world: &World) -> Option<Value> {
    let record = world.resources.store().get(&super::stored::key(&web())).await.unwrap()?;
    Some(crate::resources::spec_value(&record))
}

#[tokio::test]
async fn counters_are_shown_as_the_documents_show_them() {
    let world = world(10).await;
    let subscription = world.insights.connected(&web(), 7, json!({ "envoy": { "version": "1.40.0" } }));
    let now = world.clock.now();
    subscription.sent(TypeUrl::Cluster, now);
    subscription.sent(TypeUrl::Listener, now);
    subscription.acknowledged(TypeUrl::Cluster, now);
    subscription.rejected(TypeUrl::Listener, "bad listener", now);
    let insight = seen(&world.insights, &world).await.unwrap();
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
    let subscription = world.insights.connected(&web(), 1, Value::Null);
    assert!(is_online(&world.insights, &world).await);
    world.insights.flush().await;
    assert!(stored(&world).await.unwrap()["subscriptions"][0].get("disconnectTime").is_none());
    world.insights.disconnected(&web(), &subscription);
    assert!(!is_online(&world.insights, &world).await);
    world.insights.flush().await;
    assert!(stored(&world).await.unwrap()["subscriptions"][0]["disconnectTime"].is_string());
    assert!(world.insights.proxies.lock().is_empty(), "the store says it all");
}

#[tokio::test]
async fn only_the_newest_subscriptions_are_kept_and_open_ones_always() {
    let world = world(2).await;
    let first = world.insights.connected(&web(), 1, Value::Null);
    for generation in 2..6 {
        let subscription = world.insights.connected(&web(), generation, Value::Null);
        world.insights.disconnected(&web(), &subscription);
    }
    let insight = seen(&world.insights, &world).await.unwrap();
    let generations: Vec<_> =
        insight["subscriptions"].as_array().unwrap().iter().map(|one| one["generation"].as_u64().unwrap()).collect();
    assert_eq!(generations, [1, 5]);
    assert!(first.is_open());
}

#[tokio::test]
async fn what_a_killed_control_plane_left_open_is_closed_and_history_goes_on() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null);
    world.insights.flush().await;
    world.clock.advance(Duration::from_secs(60));
    let next = another(&world, "cp-2");
    assert_eq!(next.instances().await.unwrap(), ["cp-1".to_owned()].into());
    next.close_of("cp-1").await.unwrap();
    assert!(stored(&world).await.unwrap()["subscriptions"][0]["disconnectTime"].is_string());
    next.connected(&web(), 2, Value::Null);
    let insight = seen(&next, &world).await.unwrap();
    assert_eq!(insight["subscriptions"].as_array().unwrap().len(), 2, "history goes on");
}

fn another(world: &World, instance: &str) -> Insights {
    Insights::new(instance.to_owned(), world.resources.clone(), world.clock.clone(), 10)
}

#[tokio::test]
async fn control_planes_write_one_insight_without_overwriting_each_other() {
    let world = world(10).await;
    let second = another(&world, "cp-2");
    let first_subscription = world.insights.connected(&web(), 1, Value::Null);
    world.insights.flush().await;
    // The proxy moves: the new control plane hears of it before the old one notices.
    world.clock.advance(Duration::from_secs(1));
    second.connected(&web(), 1, Value::Null);
    second.flush().await;
    world.insights.disconnected(&web(), &first_subscription);
    world.insights.flush().await;
    for insights in [&world.insights, &second] {
        let insight = seen(insights, &world).await.unwrap();
        let subscriptions = insight["subscriptions"].as_array().unwrap();
        let state: Vec<_> = subscriptions
            .iter()
            .map(|one| (one["controlPlaneInstanceId"].as_str().unwrap(), one.get("disconnectTime").is_some()))
            .collect();
        assert_eq!(state, [("cp-1", true), ("cp-2", false)]);
    }
    assert!(second.is_connected_elsewhere(&web(), "cp-1").await.unwrap());
    assert!(!second.is_connected_elsewhere(&web(), "cp-2").await.unwrap());
}

#[tokio::test]
async fn one_that_was_taken_for_gone_says_that_it_is_not() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null);
    world.insights.flush().await;
    another(&world, "cp-2").close_of("cp-1").await.unwrap();
    assert!(stored(&world).await.unwrap()["subscriptions"][0]["disconnectTime"].is_string());
    world.insights.write_again();
    world.insights.flush().await;
    let insight = stored(&world).await.unwrap();
    assert!(insight["subscriptions"][0].get("disconnectTime").is_none(), "{insight}");
}

#[tokio::test]
async fn the_latest_certificate_is_shown_whoever_issued_it() {
    let old = json!({ "lastCertificateRegeneration": "2026-01-01T00:00:00Z", "issuedBackend": "old" });
    let new = json!({ "lastCertificateRegeneration": "2026-01-02T00:00:00.5Z", "issuedBackend": "new" });
    for (stored, own) in [(&old, &new), (&new, &old)] {
        let own = json!({ "subscriptions": [], "mTLS": own });
        let merged = super::merge::merged(Some(json!({ "subscriptions": [], "mTLS": stored })), &own, 10);
        assert_eq!(merged["mTLS"], new);
    }
}

#[tokio::test]
async fn an_insight_goes_with_its_dataplane() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null);
    world.insights.flush().await;
    let kind = mesh_model::Kind::by_name("Dataplane").unwrap();
    world.resources.delete(kind, "default", "web").await.unwrap();
    assert_eq!(stored(&world).await, None);
}

#[tokio::test]
async fn nothing_is_written_while_nothing_happens() {
    let world = world(10).await;
    world.insights.connected(&web(), 1, Value::Null);
    world.insights.flush().await;
    let mut watch = world.resources.store().watch().await.unwrap();
    let revision = watch.next().await.unwrap().revision();
    world.insights.flush().await;
    world.insights.counted();
    world.insights.flush().await;
    let mut again = world.resources.store().watch().await.unwrap();
    assert_eq!(again.next().await.unwrap().revision(), revision);
}

#[tokio::test]
async fn who_is_offline_for_how_long_is_known() {
    let world = world(10).await;
    let subscription = world.insights.connected(&web(), 1, Value::Null);
    world.insights.flush().await;
    let later = Duration::from_secs(3600);
    assert!(world.insights.offline_since(world.clock.now() + later).await.unwrap().is_empty(), "it is connected");
    world.insights.disconnected(&web(), &subscription);
    world.insights.flush().await;
    assert!(world.insights.offline_since(world.clock.now()).await.unwrap().is_empty(), "not for long");
    assert_eq!(world.insights.offline_since(world.clock.now() + later).await.unwrap(), [web()]);
}
