//! Loading from a read-only replica.

use store::postgres::migrate;

use super::*;

/// A database as it was some time ago stands for a replica that lags.
#[tokio::test]
async fn content_comes_from_the_replica_and_the_rest_from_the_primary() {
    let postgres = server::shared().await;
    let database = postgres.database().await.unwrap();
    let mut settings = server::settings(database.address());
    migrate(&settings).await.unwrap();
    open_now(&settings).await.commit(create("a")).await.unwrap();
    let name = format!("{}_replica", settings.primary.database);
    until("nobody is connected", async || {
        postgres.sql("postgres", &format!("create database {name} template {}", settings.primary.database)).is_ok()
    })
    .await;
    postgres.sql(&name, "alter database current set default_transaction_read_only = on").ok();
    open_now(&settings).await.commit(create("b")).await.unwrap();
    // Nobody but the replica has it.
    database.sql("update store_record set body = 'of the primary' where name = 'a'").unwrap();

    let mut replica = settings.primary.clone();
    replica.database.clone_from(&name);
    settings.replica = Some(replica);
    let store = open_now(&settings).await;
    assert_eq!(&*store.get(&key("a")).await.unwrap().unwrap().draft.body, "{}", "it comes from the replica");
    assert!(has(&store, "b").await);
    store.commit(create("c")).await.unwrap();
    drop(store);

    // It cannot lead to what the primary has.
    database.sql("delete from store_log").unwrap();
    let store = open_now(&settings).await;
    assert_eq!(&*store.get(&key("a")).await.unwrap().unwrap().draft.body, "of the primary");
    assert_eq!(count(&store).await, 3);
    drop(store);

    settings.replica.as_mut().unwrap().port = 1;
    assert_eq!(count(&open_now(&settings).await).await, 3, "without the replica the primary does");
    until("nobody is connected", async || postgres.sql("postgres", &format!("drop database {name}")).is_ok()).await;
}
