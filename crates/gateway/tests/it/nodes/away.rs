//! The database goes away and comes back.

use serde_json::json;
use testkit::echo::HttpEcho;
use testkit::postgres::{Options, Server, Stop};

use super::{Running, prepare, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_traffic_and_reads_go_on_and_writes_are_refused() {
    let server = Server::start(Options::default()).await.unwrap();
    let database = server.database_from("gateway", prepare).await.unwrap();
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let mut settings = database.address().kong();
    settings.push(("pg_timeout".to_owned(), "1000".to_owned()));
    let (mut one, two) = tokio::join!(Running::start(&settings), Running::start(&settings));
    one.publish("api", &echo).await;
    let checks = json!({ "passive": { "unhealthy": { "http_failures": 1 } } });
    one.create("/upstreams", json!({ "name": "u", "healthchecks": checks })).await;
    one.create("/upstreams/u/targets", json!({ "target": "127.0.0.1:1" })).await;
    until("the other node has it", 200, || async { two.read("/upstreams/u/targets/127.0.0.1:1").await.0 }).await;
    assert_eq!(one.read("/status").await.1["database"], json!({ "reachable": true }));

    server.stop(Stop::Immediate).await.unwrap();
    for node in [&one, &two] {
        let (status, answer) = node.call("POST", "/consumers", json!({ "username": "ann" })).await;
        assert_eq!(status, 503, "{answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains("database"), "{message}");
        assert_eq!(node.call("PUT", "/upstreams/u/targets/127.0.0.1:1/unhealthy", json!({})).await.0, 503);
        assert_eq!(node.call("DELETE", "/routes/api", json!(null)).await.0, 503);
        assert_eq!(node.read("/services/api").await.0, 200);
        assert_eq!(node.read("/routes").await.1["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(node.proxied("/api").await, 200);
        until("it is known to be away", json!({ "reachable": false }), || async {
            node.read("/status").await.1["database"].clone()
        })
        .await;
        assert!(!node.is_ready().await);
    }

    one.reload().await;
    assert_eq!(one.proxied("/api").await, 200);

    server.resume().await.unwrap();
    until("writes are taken again", 200, || async {
        one.call("PUT", "/consumers/bob", json!({ "custom_id": "b" })).await.0
    })
    .await;
    until("and reach the other node", 200, || async { two.read("/consumers/bob").await.0 }).await;
    for node in [&one, &two] {
        until("it is known to be there", json!({ "reachable": true }), || async {
            node.read("/status").await.1["database"].clone()
        })
        .await;
        assert!(node.is_ready().await);
    }
}
