//! What one node writes is in force on all.

use serde_json::{Value, json};
use testkit::echo::HttpEcho;

use super::{Running, database, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_writes_all_nodes_serve() {
    let database = database().await;
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let (one, two) = tokio::join!(Running::on(&database), Running::on(&database));
    one.publish("api", &echo).await;
    assert_eq!(one.proxied("/api").await, 200, "it is in force where it was written");
    until("the other node serves it", 200, || two.proxied("/api")).await;

    two.create("/services/api/plugins", json!({ "name": "key-auth" })).await;
    two.create("/consumers", json!({ "username": "ann" })).await;
    until("the first node asks for a key", 401, || one.proxied("/api")).await;
    let (_, there) = two.read("/services/api").await;
    assert_eq!(one.read("/services/api").await, (200, there));

    let late = Running::on(&database).await;
    assert_eq!(late.proxied("/api").await, 401, "a node that starts has everything");

    assert_eq!(late.call("DELETE", "/routes/api", Value::Null).await.0, 204);
    for node in [&one, &two] {
        until("the route is gone everywhere", 404, || node.proxied("/api")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_write_the_same_one_is_told_so() {
    let database = database().await;
    let (one, two) = tokio::join!(Running::on(&database), Running::on(&database));
    for number in 0..10 {
        let consumer = json!({ "username": format!("c{number}") });
        let (a, b) =
            tokio::join!(one.call("POST", "/consumers", consumer.clone()), two.call("POST", "/consumers", consumer));
        let mut statuses = [a.0, b.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{a:?} {b:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_s_settings_are_shown_without_the_password() {
    let database = database().await;
    let node = Running::on(&database).await;
    let (_, root) = node.read("/").await;
    let shown = &root["configuration"];
    assert_eq!((&shown["database"], &shown["pg_password"]), (&json!("postgres"), &json!("******")));
    assert_eq!((&shown["pg_port"], &shown["pg_ssl"]), (&json!(database.address().port), &json!(false)));
    assert!(!root.to_string().contains(&database.address().password));
    assert_eq!(node.read("/config").await.0, 400, "that is for nodes without a database");
}
