//! Following the store without gap.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::lab::{Lab, draft, key, next, next_changes, soon, told};
use crate::{Change, Draft, Event, Key, Op, Record, Watch};

pub async fn watch_starts_with_snapshot(lab: Lab) {
    let Event::Snapshot { records, .. } = next(&mut lab.watch().await).await else { panic!("not a snapshot") };
    assert_eq!(records, []);
    let record = lab.put(draft("a")).await;
    let Event::Snapshot { revision, records } = next(&mut lab.watch().await).await else { panic!("not a snapshot") };
    assert_eq!((revision, records), (record.revision, vec![record]));
}

pub async fn snapshot_is_sorted_and_complete(lab: Lab) {
    let keys = [Key::new("b", "", "a"), Key::new("a", "z", "b"), Key::new("a", "z", "a"), Key::new("a", "", "c")];
    lab.commit(keys.iter().map(|key| Op::Create(Draft::new(key.clone(), "{}")))).await;
    let found: Vec<_> = lab.everything().await.iter().map(|record| record.draft.key.clone()).collect();
    let mut sorted = keys.to_vec();
    sorted.sort();
    assert_eq!(found, sorted);
}

pub async fn each_commit_is_seen_once_in_order(lab: Lab) {
    let mut watch = lab.watch_changes().await;
    for n in 0..50 {
        let committed = lab.commit([Op::Put(draft(&format!("n{}", n % 7)).body(&n.to_string()), None)]).await;
        if n % 3 == 0 {
            continue;
        }
        assert!(watch.next().now_or_never().is_some(), "a commit that returned is there to be seen: {committed:?}");
    }
    let last = lab.commit([Op::Create(draft("last"))]).await;
    let mut seen = next_changes(&mut watch).await;
    while seen != last {
        let following = next_changes(&mut watch).await;
        assert_eq!(following.revision, seen.revision + 1);
        seen = following;
    }
    assert!(watch.next().now_or_never().is_none());
}

pub async fn cascade_is_seen(lab: Lab) {
    lab.put(draft("p")).await;
    lab.put(draft("a").below("p")).await;
    let mut watch = lab.watch_changes().await;
    lab.delete(&key("p")).await;
    assert_eq!(told(&*next_changes(&mut watch).await), ["delete a", "delete p"]);
}

pub async fn nothing_is_seen_of_what_changed_nothing(lab: Lab) {
    lab.put(draft("a")).await;
    let mut watch = lab.watch_changes().await;
    lab.commit([Op::Put(draft("a"), None)]).await;
    lab.commit([]).await;
    lab.refused([Op::Put(draft("a").body("2"), None), Op::Create(draft("a"))]).await;
    let committed = lab.commit([Op::Create(draft("b"))]).await;
    assert_eq!(next_changes(&mut watch).await, committed);
}

pub async fn watchers_see_the_same(lab: Lab) {
    let mut watches = Vec::new();
    for _ in 0..5 {
        watches.push(lab.watch_changes().await);
    }
    let mut commits = Vec::new();
    for n in 0..20 {
        commits.push(lab.commit([Op::Create(draft(&n.to_string()))]).await);
    }
    for watch in &mut watches {
        for committed in &commits {
            assert_eq!(next_changes(watch).await, *committed);
        }
    }
}

/// What a watcher knows.
#[derive(Default)]
struct Replica {
    revision: u64,
    records: BTreeMap<Key, Arc<Record>>,
    snapshots: usize,
}

impl Replica {
    fn take(&mut self, event: Event) {
        match event {
            Event::Snapshot { revision, records } => {
                assert!(revision >= self.revision, "a snapshot is not older than what the watcher knows");
                self.revision = revision;
                self.records = records.into_iter().map(|record| (record.draft.key.clone(), record)).collect();
                self.snapshots += 1;
            }
            Event::Changes(committed) => {
                assert_eq!(committed.revision, self.revision + 1, "a gap, or a commit seen twice");
                self.revision = committed.revision;
                for change in &committed.changes {
                    match change {
                        Change::Put(record) => self.records.insert(record.draft.key.clone(), record.clone()),
                        Change::Delete(key) => self.records.remove(key),
                    };
                }
            }
        }
    }

    async fn follow(&mut self, watch: &mut Watch, until: u64) {
        while self.revision < until {
            self.take(next(watch).await);
        }
    }
}

pub async fn snapshot_and_changes_have_no_gap(lab: Lab) {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let store = lab.store().clone();
        tasks.spawn(async move {
            for n in 0..EACH {
                let name = draft(&format!("{writer} {}", n % 10)).body(&n.to_string());
                let other = draft(&format!("all {}", n % 10)).body(&format!("{writer} {n}"));
                store.commit(vec![Op::Put(name, None), Op::Put(other, None)]).await.expect("it is valid");
            }
        });
    }
    for _ in 0..8 {
        let mut watch = lab.watch().await;
        tasks.spawn(async move {
            let mut replica = Replica::default();
            replica.follow(&mut watch, (WRITERS * EACH) as u64).await;
            let Some(expected) = replica.records.get(&key("0 9")) else { panic!("it was written") };
            assert_eq!(&*expected.draft.body, (EACH - 1).to_string());
        });
        tokio::task::yield_now().await;
    }
    let mut watch = lab.watch().await;
    let mut replica = Replica::default();
    replica.follow(&mut watch, (WRITERS * EACH) as u64).await;
    tasks.join_all().await;
    assert_eq!(replica.records.into_values().collect::<Vec<_>>(), lab.everything().await);
}

pub async fn slow_watcher_starts_over(lab: Lab) {
    let mut watch = lab.watch().await;
    let mut replica = Replica::default();
    replica.take(next(&mut watch).await);
    for round in 0..40 {
        let writes = (0..100).map(|n| {
            let draft = draft(&n.to_string()).body(&round.to_string());
            lab.commit([Op::Put(draft, None)])
        });
        join_all(writes).await;
    }
    let last = lab.commit([Op::Create(draft("last"))]).await;
    replica.follow(&mut watch, last.revision).await;
    assert_eq!(replica.snapshots, 2, "4000 commits are not kept for one watcher, and it starts over but once");
    assert_eq!(replica.records.into_values().collect::<Vec<_>>(), lab.everything().await);
    let committed = lab.delete(&key("last")).await;
    assert_eq!(next_changes(&mut watch).await, committed);
}

pub async fn abandoned_wait_loses_nothing(lab: Lab) {
    let mut watch = lab.watch_changes().await;
    lab.put(draft("expiring").until(lab.after(60))).await;
    next_changes(&mut watch).await;
    for n in 0..20 {
        assert!(watch.next().now_or_never().is_none());
        let committed = lab.commit([Op::Create(draft(&n.to_string()))]).await;
        assert_eq!(next_changes(&mut watch).await, committed);
    }
}

pub async fn dropped_watch_is_forgotten(lab: Lab) {
    let mut kept = lab.watch_changes().await;
    drop(lab.watch_changes().await);
    drop(lab.watch().await);
    let committed = lab.commit([Op::Create(draft("a"))]).await;
    assert_eq!(next_changes(&mut kept).await, committed);
}

pub async fn watch_ends_with_store(mut lab: Lab) {
    let mut idle = lab.watch_changes().await;
    lab.put(draft("expiring").until(lab.after(60))).await;
    let mut behind = lab.watch_changes().await;
    let committed = lab.commit([Op::Create(draft("a"))]).await;
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { while idle.next().await.is_some() {} });
    lab.close();
    soon(waiting.join_all()).await;
    assert_eq!(next_changes(&mut behind).await, committed, "what was committed is still seen");
    assert!(soon(behind.next()).await.is_none());
}
