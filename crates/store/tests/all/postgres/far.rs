//! Instances that are far behind, and transactions that are large.

use std::time::Instant;

use store::postgres::{migrate, reset};
use store::{Change, Content};
use testkit::link::Link;

use super::*;

#[tokio::test]
async fn instance_far_behind_starts_over() {
    let database = server::database().await;
    let link = Link::to(database.address().port).unwrap();
    let settings = server::settings(database.address());
    let one = open_now(&settings).await;
    let two = open_now(&server::settings(&database.address().through(&link))).await;
    one.commit(create("before")).await.unwrap();
    until("the other knows", async || has(&two, "before").await).await;
    let mut watch = two.watch().await.unwrap();
    next(&mut watch).await;

    link.refuse();
    one.commit(vec![Op::Delete(key("before"), None)]).await.unwrap();
    let last = one.commit(create("after")).await.unwrap();
    database.sql("delete from store_log").unwrap();
    link.restore();
    let Event::Snapshot { revision, records } = next(&mut watch).await else { panic!("the log does not tell") };
    assert_eq!(revision, last.revision);
    let names: Vec<_> = records.iter().map(|record| &*record.draft.key.name).collect();
    assert_eq!(names, ["after"]);
    let committed = two.commit(create("again")).await.unwrap();
    let Event::Changes(seen) = next(&mut watch).await else { panic!("the watcher is not behind") };
    assert_eq!(seen, committed);
}

#[tokio::test]
async fn database_that_is_another_one_is_noticed() {
    let database = server::database().await;
    let settings = server::settings(database.address());
    let store = open_now(&settings).await;
    for n in 0..3 {
        store.commit(create(&n.to_string())).await.unwrap();
    }
    let mut watch = store.watch().await.unwrap();
    next(&mut watch).await;
    reset(&settings).await.unwrap();
    migrate(&settings).await.unwrap();
    let Event::Snapshot { revision, records } = next(&mut watch).await else { panic!("nothing leads there") };
    assert_eq!((revision, records.len()), (0, 0));
    assert_eq!(store.commit(create("0")).await.unwrap().revision, 1);
}

#[tokio::test]
async fn large_transactions_are_whole() {
    let database = server::database().await;
    let settings = server::settings(database.address());
    let (one, two) = (open_now(&settings).await, open_now(&settings).await);
    let mut watch = two.watch().await.unwrap();
    next(&mut watch).await;
    let content = |round: usize| {
        let draft = |n: usize| Draft::new(key(&format!("{round} {n}")), "x".repeat(1000));
        vec![Op::Replace(Content { collections: vec!["thing".into()], drafts: (0..10_000).map(draft).collect() })]
    };
    for round in 0..2 {
        let started = Instant::now();
        let committed = one.commit(content(round)).await.unwrap();
        tracing::info!(took = ?started.elapsed(), "Replaced");
        let Event::Changes(seen) = next(&mut watch).await else { panic!("the watcher is not behind") };
        assert_eq!(seen, committed);
        assert_eq!(count(&two).await, 10_000);
    }
    // Two records that are as large as they may be go into statements of their own.
    let large = |name: &str| Op::Create(Draft::new(key(name), "y".repeat(16_000_000)));
    let committed = two.commit(vec![large("a"), large("b")]).await.unwrap();
    let Event::Changes(seen) = next(&mut watch).await else { panic!("the watcher is not behind") };
    assert_eq!(seen, committed);
    assert!(matches!(&seen.changes[0], Change::Put(record) if record.draft.body.len() == 16_000_000));
    until("the other knows", async || has(&one, "b").await).await;
    assert_eq!(count(&open_now(&settings).await).await, 10_002);
    assert_eq!(database.sql("select count(*) > 3 from store_log").unwrap(), "t", "they were in parts");
}
