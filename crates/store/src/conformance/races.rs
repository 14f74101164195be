//! Many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::lab::{Lab, draft, key};
use crate::{Op, Query, StoreError};

const TASKS: usize = 32;

pub async fn increments_are_not_lost(lab: Lab) {
    const EACH: usize = 5;
    lab.put(draft("counter").body("0")).await;
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = lab.store().clone();
        tasks.spawn(async move {
            let mut done = 0;
            while done < EACH {
                let record = store.get(&key("counter")).await.expect("the store is there").expect("it was put");
                let count: usize = record.draft.body.parse().expect("it counts");
                let next = draft("counter").body(&(count + 1).to_string());
                match store.commit(vec![Op::Put(next, Some(record.version))]).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    tasks.join_all().await;
    let record = lab.get(&key("counter")).await.expect("it was put");
    assert_eq!(*record.draft.body, (TASKS * EACH).to_string());
    assert_eq!(record.version, (TASKS * EACH + 1) as u64);
}

/// How many of `TASKS` transactions at once are accepted.
async fn accepted(lab: &Lab, op: impl Fn(usize) -> Op) -> usize {
    let mut tasks = JoinSet::new();
    for n in 0..TASKS {
        let store = lab.store().clone();
        let op = op(n);
        tasks.spawn(async move { store.commit(vec![op]).await.is_ok() });
    }
    tasks.join_all().await.into_iter().filter(|accepted| *accepted).count()
}

pub async fn one_of_many_creates_wins(lab: Lab) {
    assert_eq!(accepted(&lab, |n| Op::Create(draft("a").body(&n.to_string()))).await, 1);
    assert_eq!(lab.get(&key("a")).await.expect("one won").version, 1);
}

pub async fn one_of_many_owners_wins(lab: Lab) {
    assert_eq!(accepted(&lab, |n| Op::Create(draft(&n.to_string()).unique("u", "1"))).await, 1);
    assert_eq!(lab.list(Query::all("thing")).await.total, 1);
}

pub async fn readers_see_whole_transactions(lab: Lab) {
    lab.commit([Op::Create(draft("a").body("0")), Op::Create(draft("b").body("0"))]).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let (store, done) = (lab.store().clone(), done.clone());
        readers.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let records = store.list(Query::all("thing")).await.expect("the store is there").records;
                assert_eq!(records[0].draft.body, records[1].draft.body);
                tokio::task::yield_now().await;
            }
        });
    }
    for n in 1..100 {
        let body = n.to_string();
        lab.commit([Op::Put(draft("a").body(&body), None), Op::Put(draft("b").body(&body), None)]).await;
    }
    done.store(true, Ordering::Relaxed);
    readers.join_all().await;
}

pub async fn commit_is_seen_by_its_caller(lab: Lab) {
    let mut tasks = JoinSet::new();
    for n in 0..TASKS {
        let store = lab.store().clone();
        tasks.spawn(async move {
            let name = n.to_string();
            for body in 0..5 {
                let committed = store.commit(vec![Op::Put(draft(&name).body(&body.to_string()), None)]).await;
                let revision = committed.expect("it is valid").revision;
                let record = store.get(&key(&name)).await.expect("the store is there").expect("it was put");
                assert_eq!((record.revision, &*record.draft.body), (revision, &*body.to_string()));
            }
        });
    }
    tasks.join_all().await;
}
