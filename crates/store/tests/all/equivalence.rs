//! Random transactions: all back ends do what a plain model without any index does.

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::ManualClock;
use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use store::{Change, Draft, Event, Key, Op, Query, Record, Store, Watch};

use model::Model;

use super::server;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    Commit(Vec<Op>),
    /// Time passes, in seconds.
    Wait(u64),
}

fn keys() -> impl Strategy<Value = Key> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let scope = prop::sample::select(vec!["", "s"]);
    let collection = prop::sample::select(vec!["x", "y"]);
    (collection, scope, name).prop_map(|(collection, scope, name)| Key::new(collection, scope, name))
}

fn drafts() -> impl Strategy<Value = Draft> {
    let unique = vec((prop::sample::select(vec!["u", "v"]), 0..3u8), 0..2);
    let expires = option::weighted(0.2, 0..100i64);
    (keys(), 0..3u8, unique, vec(keys(), 0..2), vec(keys(), 0..2), expires).prop_map(
        |(key, body, unique, parents, references, expires)| Draft {
            unique: unique.into_iter().map(|(field, value)| (field.to_owned(), value.to_string())).collect(),
            labels: BTreeMap::from([("body".to_owned(), body.to_string())]),
            parents,
            references,
            expires: expires.map(|seconds| jiff::Timestamp::from_second(seconds).expect("it is small")),
            ..Draft::new(key, body.to_string())
        },
    )
}

fn ops() -> impl Strategy<Value = Op> {
    let version = || option::weighted(0.2, 1..3u64);
    prop_oneof![
        2 => drafts().prop_map(Op::Create),
        4 => (drafts(), version()).prop_map(|(draft, version)| Op::Put(draft, version)),
        2 => (keys(), version()).prop_map(|(key, version)| Op::Delete(key, version)),
    ]
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        9 => vec(ops(), 1..4).prop_map(Action::Commit),
        1 => (1..20u64).prop_map(Action::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn back_ends_do_what_the_model_does(actions in vec(actions(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(actions));
    }
}

/// Found at random: the parent is over before it begins, and its child goes with it at the next commit.
#[tokio::test]
async fn a_child_goes_with_a_parent_that_is_over_from_the_start() {
    let key = |name: &str| Key::new("x", "", name);
    let mut parent = Draft::new(key("c"), "0");
    parent.expires = Some(jiff::Timestamp::UNIX_EPOCH);
    let mut child = Draft::new(key("a"), "0");
    child.parents = vec![key("c")];
    run(vec![Action::Wait(1), Action::Commit(vec![Op::Create(parent), Op::Put(child, None)])]).await;
}

async fn run(actions: Vec<Action>) {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let database = server::database().await;
    let settings = server::settings(database.address());
    let sqlite = async || store::sqlite::open(&path, clock.clone()).await.unwrap();
    let postgres = async || store::postgres::open(settings.clone(), clock.clone()).await.unwrap();
    let mut stores = vec![store::memory::open(clock.clone()), sqlite().await, postgres().await];
    // Two instances that take turns are as one.
    let mut turns = [2, 3].into_iter().cycle();
    stores.push(postgres().await);
    let mut model = Model::default();
    let mut watches = Vec::new();
    for store in &stores {
        watches.push(store.watch().await.unwrap());
    }

    for action in actions {
        let turn = turns.next().unwrap();
        match action {
            Action::Wait(seconds) => clock.advance(Duration::from_secs(seconds)),
            Action::Commit(ops) => {
                let expected = format!("{:?}", model.commit(ops.clone(), clock.now()));
                for store in [&stores[0], &stores[1], &stores[turn]] {
                    assert_eq!(format!("{:?}", store.commit(ops.clone()).await), expected);
                }
            }
        }
        let expected = model.list(clock.now());
        for store in &stores[..2] {
            assert_eq!(list(store).await, expected);
        }
    }

    // Deletes what has expired, and with it its children, which a list still shows.
    for store in &stores {
        store.commit(Vec::new()).await.unwrap();
    }
    model.commit(Vec::new(), clock.now()).unwrap();
    let expected = model.list(clock.now());
    for store in &stores[2..] {
        until(store, &expected).await;
    }
    for watch in &mut watches {
        assert_eq!(replay(watch), expected);
    }
    drop(stores);
    for store in [sqlite().await, postgres().await] {
        assert_eq!(list(&store).await, expected);
    }
}

/// Waits for an instance to learn what another one has committed.
async fn until(store: &Store, expected: &[Arc<Record>]) {
    let check = || async {
        let found = list(store).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    };
    testkit::wait_for("the instance knows", Duration::from_secs(20), check).await.unwrap();
}

async fn list(store: &Store) -> Vec<Arc<Record>> {
    let mut records = store.list(Query::all("x")).await.unwrap().records;
    records.extend(store.list(Query::all("y")).await.unwrap().records);
    records
}

/// The state that the events so far amount to.
fn replay(watch: &mut Watch) -> Vec<Arc<Record>> {
    let mut known = BTreeMap::new();
    while let Some(event) = watch.next().now_or_never() {
        match event.expect("the store is there") {
            Event::Snapshot { records, .. } => {
                known = records.into_iter().map(|record| (record.draft.key.clone(), record)).collect();
            }
            Event::Changes(committed) => {
                for change in &committed.changes {
                    match change {
                        Change::Put(record) => known.insert(record.draft.key.clone(), record.clone()),
                        Change::Delete(key) => known.remove(key),
                    };
                }
            }
        }
    }
    known.into_values().collect()
}
