//! A server that ends and starts again while two instances write and watch.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use store::postgres::migrate;
use store::{Change, Record};
use testkit::postgres::{Options, Server, Stop};
use tokio::task::JoinSet;

use super::*;

/// What a watcher knows; it fails when it misses something or sees it twice.
#[derive(Default)]
struct Knowledge {
    revision: u64,
    records: BTreeMap<Key, Arc<Record>>,
}

impl Knowledge {
    fn take(&mut self, event: Event) {
        match event {
            Event::Snapshot { revision, records } => {
                assert_eq!(self.revision, 0, "nothing was so long that a watcher would have to start over");
                self.revision = revision;
                self.records = records.into_iter().map(|record| (record.draft.key.clone(), record)).collect();
            }
            Event::Changes(committed) => {
                assert_eq!(committed.revision, self.revision + 1, "a gap, or one seen twice");
                self.revision = committed.revision;
                for change in &committed.changes {
                    match change {
                        Change::Put(record) => {
                            let before = self.records.insert(record.draft.key.clone(), Arc::clone(record));
                            assert!(before.is_none(), "{} was created twice", record.draft.key);
                        }
                        Change::Delete(key) => panic!("{key} was deleted"),
                    }
                }
            }
        }
    }

    fn names(&self, collection: &str) -> HashSet<String> {
        let inside = self.records.keys().filter(|key| *key.collection == *collection);
        inside.map(|key| key.name.to_string()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_server_starts_again() {
    const ROUNDS: usize = 6;
    const WRITERS: usize = 3;
    let server = Server::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let settings = server::settings(database.address());
    migrate(&settings).await.unwrap();
    let stores = [open_now(&settings).await, open_now(&settings).await];
    let done = Arc::new(AtomicBool::new(false));

    let mut watchers = JoinSet::new();
    let mut writers = JoinSet::new();
    for (instance, store) in stores.iter().enumerate() {
        let mut watch = store.watch().await.unwrap();
        watchers.spawn(async move {
            let mut known = Knowledge::default();
            while !known.records.contains_key(&key("last")) {
                known.take(next(&mut watch).await);
            }
            known
        });
        for writer in 0..WRITERS {
            let (store, done) = (store.clone(), Arc::clone(&done));
            writers.spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = format!("{instance} {writer} {n}");
                    let create = |collection| Op::Create(Draft::new(Key::new(collection, "", &*name), "{}"));
                    match store.commit(vec![create("left"), create("right")]).await {
                        Ok(_) => acknowledged.push(name),
                        Err(StoreError::Unavailable(_) | StoreError::InDoubt(_)) => {}
                        Err(other) => panic!("{name}: {other}"),
                    }
                }
                acknowledged
            });
        }
    }
    for round in 0..ROUNDS {
        let before = stores[0].list(Query::all("left")).await.unwrap().total;
        until("something was written", async || stores[0].list(Query::all("left")).await.unwrap().total > before + 20)
            .await;
        server.stop(if round % 2 == 0 { Stop::Immediate } else { Stop::Fast }).await.unwrap();
        server.resume().await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let acknowledged: HashSet<String> = writers.join_all().await.into_iter().flatten().collect();
    stores[1].commit(create("last")).await.unwrap();
    let known = watchers.join_all().await;

    let stored = open_now(&settings).await;
    for known in &known {
        let (left, right) = (known.names("left"), known.names("right"));
        assert_eq!(left, right, "a transaction was half applied");
        let lost: Vec<_> = acknowledged.difference(&left).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let page = stored.list(Query::all("left")).await.unwrap();
        assert_eq!(page.total, left.len());
        assert!(page.records.iter().all(|record| known.records.get(&record.draft.key) == Some(record)));
    }
    assert!(acknowledged.len() > 20 * ROUNDS);
}
