//! Without the database.

use std::time::{Duration, Instant};

use http::StatusCode;
use mesh_model::Kind;
use serde_json::{Value, json};
use testkit::link::Link;
use testkit::wait_for;

use super::{SOON, clock, database, dataplane, put, resources};
use crate::api::error_of;
use crate::index::ProxyId;
use crate::insights::Insights;

fn kind(name: &str) -> &'static Kind {
    Kind::by_name(name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_reads_are_answered_writes_refused_and_insights_kept() {
    let database = database().await;
    let link = Link::to(database.address().port).unwrap();
    let resources = resources(&database.address().through(&link)).await;
    put(&resources, "Mesh", "default", &json!({})).await;
    put(&resources, "Dataplane", "web", &dataplane("web", None)).await;
    let web = ProxyId { mesh: "default".into(), name: "web".into() };
    let insights = Insights::new("cp-1".to_owned(), resources.clone(), clock(), 2);

    link.refuse();
    let unreachable = || async { if resources.store().reachable() { Err("it is reachable") } else { Ok(()) } };
    // A write finds out, in bounded time.
    let asked = Instant::now();
    let refused = resources.put(kind("Mesh"), "", "other", &Default::default(), &json!({})).await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let (status, body) = error_of("Could not process a resource", refused);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["title"], "Could not process a resource");
    assert!(body["detail"].as_str().unwrap().contains("not available"), "{body}");
    wait_for("the store knows", SOON, unreachable).await.unwrap();
    assert_eq!(resources.all(kind("Dataplane"), None).await.unwrap().len(), 1);

    // However often a proxy comes and goes, a bounded number of its connections is kept.
    for generation in 0..100 {
        let subscription = insights.connected(&web, generation, Value::Null);
        insights.disconnected(&web, &subscription);
        insights.flush().await;
    }
    let open = insights.connected(&web, 100, Value::Null);
    let known = insights.merged("default", "web", None).unwrap();
    assert_eq!(known["subscriptions"].as_array().unwrap().len(), 2);

    link.restore();
    let insight = wait_for("insights are stored when the database is back", SOON, || async {
        insights.flush().await;
        let record = resources.get(kind("DataplaneInsight"), "default", "web").await?;
        Ok::<_, crate::resources::ResourceError>(crate::resources::spec_value(&record))
    });
    let insight = insight.await.unwrap();
    let subscriptions = insight["subscriptions"].as_array().unwrap();
    assert_eq!(subscriptions.last().unwrap()["generation"], 100);
    assert!(open.is_open() && subscriptions.last().unwrap().get("disconnectTime").is_none());
    let write = || async { resources.put(kind("Mesh"), "", "other", &Default::default(), &json!({})).await };
    wait_for("writes are taken again", SOON, write).await.unwrap();
}
