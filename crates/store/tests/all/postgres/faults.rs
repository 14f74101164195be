//! A database that is away, slow, or lost in the middle of something.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::join_all;
use store::postgres::migrate;
use testkit::link::{Direction, Link};
use testkit::postgres::{Database, Options, Server, Stop};

use super::*;

/// A database behind something that can be disturbed, and the direct way to it.
async fn linked() -> (Database, Link, Settings, Settings) {
    let database = server::database().await;
    let link = Link::to(database.address().port).unwrap();
    let direct = server::settings(database.address());
    let mut through = server::settings(&database.address().through(&link));
    through.commit_timeout = Duration::from_secs(3);
    through.primary.connect_timeout = Duration::from_secs(1);
    through.primary.statement_timeout = Duration::from_secs(2);
    (database, link, through, direct)
}

#[tokio::test]
async fn reading_goes_on_without_the_database() {
    let server = Server::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let mut settings = server::settings(database.address());
    settings.commit_timeout = Duration::from_millis(500);
    migrate(&settings).await.unwrap();
    let store = open_now(&settings).await;
    let mut watch = store.watch().await.unwrap();
    next(&mut watch).await;
    store.commit(create("a")).await.unwrap();
    next(&mut watch).await;
    assert!(store.reachable());

    server.stop(Stop::Immediate).await.unwrap();
    until("the loss is noticed", async || !store.reachable()).await;
    assert!(has(&store, "a").await);
    assert_eq!(count(&store).await, 1);
    assert!(watch.next().now_or_never().is_none());
    let started = Instant::now();
    let commits = join_all((0..50).map(|n| store.commit(create(&format!("lost {n}"))))).await;
    assert!(started.elapsed() < Duration::from_secs(2), "each waits by itself, not one after the other");
    for commit in commits {
        assert!(is_unavailable(&commit), "{commit:?}");
        let text = base::report(&commit.unwrap_err());
        assert!(text.contains("could not be reached within 500ms; nothing was changed"), "{text}");
    }
    let increment = || vec![store::Increment { key: "a".into(), by: 1, expires: jiff::Timestamp::MAX }];
    assert!(is_unavailable(&store.add(increment()).await));

    server.resume().await.unwrap();
    until("it is back", async || store.reachable()).await;
    let committed = store.commit(create("b")).await.unwrap();
    let Event::Changes(seen) = next(&mut watch).await else { panic!("the watcher is not behind") };
    assert_eq!(seen, committed);
    assert_eq!(count(&store).await, 2, "what was refused was not done later");
    until("counters are back", async || store.add(increment()).await.is_ok()).await;
}

#[tokio::test]
async fn short_break_is_waited_for() {
    let (_database, link, settings, _) = linked().await;
    let store = open_now(&settings).await;
    link.refuse();
    let commits = join_all((0..20).map(|n| store.commit(create(&n.to_string()))).collect::<Vec<_>>());
    let restore = async {
        until("the loss is noticed", async || !store.reachable()).await;
        link.restore();
    };
    let (commits, ()) = tokio::join!(commits, restore);
    for commit in commits {
        commit.unwrap();
    }
    assert_eq!(count(&store).await, 20);
}

/// Whether the server does a commit soon. It may be that the instance was asking for something else when its
/// connection went silent; then the commit is not even sent.
async fn is_done(observer: &Store, name: &str) -> bool {
    let done = async { until("the server has done it", async || has(observer, name).await).await };
    tokio::time::timeout(Duration::from_millis(1500), done).await.is_ok()
}

#[tokio::test]
async fn commit_whose_answer_was_lost_is_found_again() {
    let (_database, link, mut settings, direct) = linked().await;
    settings.commit_timeout = Duration::from_secs(20);
    let store = open_now(&settings).await;
    let observer = open_now(&direct).await;
    let mut watch = store.watch().await.unwrap();
    next(&mut watch).await;
    let mut lost = 0;
    for n in 0..5 {
        // A new session has to be told what the statement is, and waits for the answer before it sends it.
        let warm = store.commit(create(&format!("before {n}"))).await.unwrap();
        assert!(matches!(next(&mut watch).await, Event::Changes(seen) if seen == warm));
        let name = n.to_string();
        link.delay(Direction::ToClient, Duration::from_secs(60));
        let breaking = async {
            lost += usize::from(is_done(&observer, &name).await);
            link.cut();
            link.restore();
        };
        let (committed, ()) = tokio::join!(store.commit(create(&name)), breaking);
        let committed = committed.unwrap();
        let Event::Changes(seen) = next(&mut watch).await else { panic!("the watcher is not behind") };
        assert_eq!(seen, committed);
    }
    assert!(lost > 0, "no answer was lost");
    assert_eq!(count(&open_now(&direct).await).await, 10);
}

#[tokio::test]
async fn commit_that_was_lost_on_its_way_is_done_once() {
    let (_database, link, settings, direct) = linked().await;
    let store = open_now(&settings).await;
    for n in 0..5 {
        store.commit(create(&format!("before {n}"))).await.unwrap();
        link.delay(Direction::ToServer, Duration::from_secs(60));
        let mut commit = Box::pin(store.commit(create(&n.to_string())));
        assert!((&mut commit).now_or_never().is_none());
        let breaking = async {
            // It is under way, or waits for being; both must do.
            tokio::task::yield_now().await;
            link.cut();
            link.restore();
        };
        let (committed, ()) = tokio::join!(commit, breaking);
        committed.unwrap();
    }
    assert_eq!(count(&open_now(&direct).await).await, 10);
}

#[tokio::test]
async fn commit_that_nobody_can_tell_of_is_not_denied() {
    let (_database, link, settings, direct) = linked().await;
    let store = open_now(&settings).await;
    let observer = open_now(&direct).await;
    for n in 0.. {
        store.commit(create(&format!("before {n}"))).await.unwrap();
        let name = n.to_string();
        link.delay(Direction::ToClient, Duration::from_secs(60));
        let refusing = async {
            let done = is_done(&observer, &name).await;
            link.refuse();
            done
        };
        let (answer, done) = tokio::join!(store.commit(create(&name)), refusing);
        let error = answer.expect_err("nobody can know");
        link.restore();
        until("it is back", async || store.reachable()).await;
        if done {
            assert!(matches!(error, StoreError::InDoubt(_)), "{error:?}");
            assert!(base::report(&error).contains("may have taken effect"), "{error:?}");
            until("it is seen", async || has(&store, &name).await).await;
            break;
        }
        assert!(n < 5, "it is never done");
    }
    store.commit(create("after")).await.unwrap();
}

#[tokio::test]
async fn too_many_writers_are_refused() {
    let (_database, link, settings, _) = linked().await;
    let store = open_now(&settings).await;
    link.stall();
    let commits = join_all((0..6000).map(|n| store.commit(create(&n.to_string())))).await;
    let full = |error: &StoreError| base::report(error).contains("too many transactions wait");
    let refused = commits.iter().filter(|commit| commit.as_ref().is_err_and(full)).count();
    assert!(refused > 1000, "{refused}");
    assert!(commits.iter().all(Result::is_err));
    link.restore();
    until("it is back", async || store.commit(create("later")).await.is_ok()).await;
}

#[tokio::test]
async fn slow_database_takes_groups() {
    let (_database, link, mut settings, _) = linked().await;
    settings.primary.connect_timeout = Duration::from_secs(20);
    settings.primary.statement_timeout = Duration::from_secs(20);
    settings.commit_timeout = Duration::from_secs(20);
    let store = open_now(&settings).await;
    link.delay(Direction::ToServer, Duration::from_millis(50));
    link.delay(Direction::ToClient, Duration::from_millis(50));
    let started = Instant::now();
    let clients = (0..100).map(|client| {
        let store = store.clone();
        async move {
            for n in 0..10 {
                store.commit(create(&format!("{client} {n}"))).await.unwrap();
            }
        }
    });
    join_all(clients).await;
    let took = started.elapsed();
    assert_eq!(count(&store).await, 1000);
    assert!(took < Duration::from_secs(10), "one by one it would take 100 s, and it took {took:?}");
}

#[tokio::test]
async fn deaf_instance_hears_again() {
    let database = server::database().await;
    let settings = server::settings(database.address());
    let (one, two) = (open_now(&settings).await, open_now(&settings).await);
    let listening = async || {
        until("they listen", async || {
            let listening = "select count(*) from pg_stat_activity
                             where datname = current_database() and query like 'LISTEN%'";
            database.sql(listening).unwrap() == "2"
        })
        .await;
    };
    for n in 0..3 {
        listening().await;
        let ended = database.sql(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and query like 'LISTEN%'",
        );
        assert_ne!(ended.unwrap(), "0");
        let name = n.to_string();
        one.commit(create(&name)).await.unwrap();
        until("the other knows", async || has(&two, &name).await).await;
    }
}

#[tokio::test]
async fn ended_sessions_are_replaced() {
    let database = server::database().await;
    let settings = server::settings(database.address());
    let store = open_now(&settings).await;
    for n in 0..10 {
        database
            .sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
            .unwrap();
        store.commit(create(&n.to_string())).await.unwrap();
        let count = store.add(vec![store::Increment { key: "a".into(), by: 1, expires: jiff::Timestamp::MAX }]).await;
        assert_eq!(count.unwrap(), [n + 1]);
    }
    assert_eq!(count(&open_now(&settings).await).await, 10);
}
