//! Two instances that share one store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::lab::{Lab, draft, key, next, next_changes, soon, told};
use crate::{Committed, Event, Increment, Op, Query, Store, StoreError, Watch};

async fn commit(store: &Store, op: Op) -> Result<Arc<Committed>, StoreError> {
    store.commit(vec![op]).await
}

async fn changes(store: &Store) -> Watch {
    let mut watch = store.watch().await.expect("the store is there");
    assert!(matches!(next(&mut watch).await, Event::Snapshot { .. }));
    watch
}

pub async fn commit_of_one_is_seen_by_the_other(lab: Lab) {
    let other = lab.another().await;
    let mut watch = changes(&other).await;
    for n in 0..20 {
        let committed = lab.commit([Op::Create(draft(&n.to_string())), Op::Create(draft(&format!("{n}b")))]).await;
        assert_eq!(next_changes(&mut watch).await, committed);
        let page = other.list(Query::all("thing")).await.expect("the store is there");
        assert_eq!(page, lab.list(Query::all("thing")).await);
    }
    let deleted = lab.delete(&key("3")).await;
    assert_eq!(next_changes(&mut watch).await, deleted);
}

pub async fn later_instance_has_what_was_before(lab: Lab) {
    lab.put(draft("a").body("1")).await;
    let other = lab.another().await;
    let event = next(&mut other.watch().await.expect("the store is there")).await;
    let Event::Snapshot { revision, records } = event else { panic!("not a snapshot") };
    assert_eq!((revision, records), (lab.revision().await, lab.everything().await));
}

pub async fn what_one_has_committed_counts_for_the_other_at_once(lab: Lab) {
    let other = lab.another().await;
    for n in 0..20 {
        let name = n.to_string();
        lab.put(draft(&name)).await;
        let child = format!("child of {n}");
        commit(&other, Op::Create(draft(&child).below(&name))).await.expect("its parent is there");
        let again = commit(&other, Op::Create(draft(&name))).await;
        assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
        lab.delete(&key(&name)).await;
        let gone = commit(&other, Op::Delete(key(&child), None)).await;
        assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    }
}

pub async fn instances_agree_on_who_was_first(lab: Lab) {
    let other = lab.another().await;
    for n in 0..20 {
        let op = || Op::Create(draft(&n.to_string()));
        let (one, two) = tokio::join!(commit(lab.store(), op()), commit(&other, op()));
        assert_ne!(one.is_ok(), two.is_ok(), "one of them is first: {one:?}, {two:?}");
    }
}

pub async fn all_see_all_in_the_same_order(lab: Lab) {
    const EACH: usize = 60;
    const WRITERS: usize = 3;
    let other = lab.another().await;
    let watches = [changes(lab.store()).await, changes(&other).await];
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        for (store, instance) in [(lab.store(), 'a'), (&other, 'b')] {
            let store = store.clone();
            tasks.spawn(async move {
                for n in 0..EACH {
                    let own = draft(&format!("{instance}{writer}")).body(&n.to_string());
                    let all = draft("all").body(&format!("{instance}{writer}{n}"));
                    store.commit(vec![Op::Put(own, None), Op::Put(all, None)]).await.expect("it is valid");
                }
            });
        }
    }
    let mut seen = Vec::new();
    for mut watch in watches {
        let mut commits: Vec<Arc<Committed>> = Vec::new();
        while commits.len() < 2 * WRITERS * EACH {
            let committed = next_changes(&mut watch).await;
            if let Some(before) = commits.last() {
                assert_eq!(committed.revision, before.revision + 1, "a gap, or one seen twice");
            }
            commits.push(committed);
        }
        seen.push(commits);
    }
    tasks.join_all().await;
    assert_eq!(seen[0], seen[1]);
}

pub async fn increments_of_two_instances_are_not_lost(lab: Lab) {
    const EACH: usize = 25;
    let other = lab.another().await;
    lab.put(draft("counter").body("0")).await;
    let mut tasks = JoinSet::new();
    for store in [lab.store(), &other, lab.store(), &other] {
        let store = store.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while done < EACH {
                let record = store.get(&key("counter")).await.expect("the store is there");
                let (count, version) =
                    record.map_or((0, None), |it| (it.draft.body.parse().expect("it counts"), Some(it.version)));
                let next = draft("counter").body(&(count + 1_usize).to_string());
                match store.commit(vec![Op::Put(next, version.or(Some(0)))]).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    tasks.join_all().await;
    lab.commit([Op::Create(draft("last"))]).await;
    let record = lab.get(&key("counter")).await.expect("it was put");
    assert_eq!(*record.draft.body, (4 * EACH).to_string());
}

pub async fn expired_record_goes_once(lab: Lab) {
    let other = lab.another().await;
    lab.put(draft("p").until(lab.after(60))).await;
    lab.put(draft("a").below("p")).await;
    commit(&other, Op::Create(draft("b"))).await.expect("it is valid");
    let mut watches = [changes(lab.store()).await, changes(&other).await];
    lab.clock.advance(Duration::from_secs(60));
    for watch in &mut watches {
        // The instance that was started first may still have to learn of the last commit.
        let mut committed = next_changes(watch).await;
        if told(&committed) == ["put b@1"] {
            committed = next_changes(watch).await;
        }
        assert_eq!(told(&committed), ["delete a", "delete p"]);
    }
    let last = lab.commit([Op::Create(draft("last"))]).await;
    for watch in &mut watches {
        assert_eq!(next_changes(watch).await, last, "nothing else happened");
    }
}

pub async fn counters_are_of_all_instances(lab: Lab) {
    let other = lab.another().await;
    for n in 1..=20 {
        let expires = lab.after(60);
        let increment = || vec![Increment { key: "a".into(), by: 1, expires }];
        assert_eq!(lab.store().add(increment()).await.expect("the store counts"), [2 * n - 1]);
        assert_eq!(other.add(increment()).await.expect("the store counts"), [2 * n]);
    }
}

pub async fn role_goes_from_one_to_the_other(lab: Lab) {
    let other = lab.another().await;
    let mut first = soon(lab.store().lead("a")).await.expect("nobody has it");
    let second = other.lead("a");
    tokio::pin!(second);
    let _apart = soon(other.lead("b")).await.expect("nobody has it");
    assert!(second.as_mut().now_or_never().is_none(), "there is one leader");
    assert!(first.lost().now_or_never().is_none());
    drop(first);
    soon(second).await.expect("the other has given it up");
}

pub async fn closed_instance_has_no_role(mut lab: Lab) {
    let other = lab.another().await;
    let mut first = soon(lab.store().lead("a")).await.expect("nobody has it");
    lab.close();
    soon(first.lost()).await;
    soon(other.lead("a")).await.expect("the other instance is gone");
}
