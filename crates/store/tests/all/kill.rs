//! A process that is killed while it writes loses nothing that it acknowledged, and leaves nothing half done.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::SystemClock;
use store::{Draft, Key, Op, Query, Store};
use testkit::postgres::{Address, Database};
use tokio::task::JoinSet;

use super::server;

/// 200 in all.
const SQLITE_ROUNDS: usize = 120;
const POSTGRES_ROUNDS: usize = 80;
const WRITERS: usize = 8;
const PLACE: &str = "STORE_TEST_KILL_PLACE";
const ACKNOWLEDGED: &str = "acknowledged ";
const LEADS: &str = "leads";

#[tokio::test]
async fn killed_process_keeps_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    storm(SQLITE_ROUNDS, path.as_os_str()).await;
}

#[tokio::test]
async fn killed_process_keeps_its_word_in_postgres() {
    let database = server::database().await;
    storm(POSTGRES_ROUNDS, &place(&database)).await;
}

#[tokio::test]
async fn killed_leader_is_replaced() {
    let database = server::database().await;
    let store = open(&place(&database)).await;
    for _ in 0..3 {
        let mut child = start("all::kill::leader", &place(&database));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 && line.trim() != LEADS {
            line.clear();
        }
        let mut candidate = store.lead("a");
        let early = tokio::time::timeout(Duration::from_millis(100), &mut candidate).await;
        assert!(early.is_err(), "there is a leader already");
        child.kill().unwrap();
        let killed = Instant::now();
        candidate.await.unwrap();
        assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
        child.wait().unwrap();
    }
}

/// A process that writes is killed again and again, at a different moment each time.
async fn storm(rounds: usize, place: &OsStr) {
    let mut acknowledged = HashSet::new();
    for round in 0..rounds {
        let mut child = start("all::kill::writer", place);
        // Mostly early, and sometimes with a log that has been merged.
        let after = if round % 20 == 19 { 500 } else { 1 + round * 7 % 50 };
        read_then_kill(&mut child, after, &mut acknowledged);
        check(place, &acknowledged).await;
    }
    assert!(acknowledged.len() > rounds, "the writers did not get anywhere");
}

fn start(what: &str, place: &OsStr) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", what, "--ignored", "--nocapture"]).env(PLACE, place);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn read_then_kill(child: &mut Child, after: usize, acknowledged: &mut HashSet<String>) {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut count = 0;
    let mut killed = false;
    while output.read_line(&mut line).unwrap() > 0 {
        // A line without end was not written completely, and means nothing.
        if let Some(name) = line.strip_prefix(ACKNOWLEDGED).and_then(|line| line.strip_suffix('\n')) {
            acknowledged.insert(name.to_owned());
            count += 1;
        }
        if count >= after && !killed {
            child.kill().unwrap();
            killed = true;
        }
        line.clear();
    }
    let status = child.wait().unwrap();
    assert!(killed, "the writer ended by itself: {status}");
}

async fn check(place: &OsStr, acknowledged: &HashSet<String>) {
    let store = open(place).await;
    let found = |collection| {
        let page = store.list(Query::all(collection));
        async move {
            let records = page.await.unwrap().records;
            assert!(records.iter().all(|record| record.version == 1), "a transaction was applied twice");
            records.iter().map(|record| record.draft.key.name.to_string()).collect::<HashSet<_>>()
        }
    };
    let (left, right) = (found("left").await, found("right").await);
    assert_eq!(left, right, "a transaction was half applied");
    let lost: Vec<_> = acknowledged.difference(&left).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let revision = store.watch().await.unwrap().next().await.unwrap().revision();
    assert_eq!(revision, left.len() as u64, "each transaction has its revision");
}

/// Not a test: what the killed process runs.
#[tokio::test]
#[ignore = "killed_process_keeps_its_word starts it"]
async fn writer() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let store = open(&place).await;
    let start = std::process::id();
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0.. {
                write(&store, &format!("{start}-{writer}-{n}")).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn write(store: &Store, name: &str) {
    let create = |collection| Op::Create(Draft::new(Key::new(collection, "", name), "{}"));
    store.commit(vec![create("left"), create("right")]).await.unwrap();
    say(&format!("{ACKNOWLEDGED}{name}"));
}

/// Not a test: what the killed leader runs.
#[tokio::test]
#[ignore = "killed_leader_is_replaced starts it"]
async fn leader() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let store = open(&place).await;
    let mut role = store.lead("a").await.unwrap();
    say(LEADS);
    role.lost().await;
}

/// One write, so that lines do not mix.
fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// How a child finds the database; a path stands for a file.
fn place(database: &Database) -> OsString {
    let Address { host, port, user, password, database } = database.address();
    [host, &port.to_string(), user, password, database].map(String::as_str).join("\n").into()
}

async fn open(place: &OsStr) -> Store {
    let clock = Arc::new(SystemClock);
    let parts: Vec<&str> = place.to_str().unwrap().split('\n').collect();
    let [host, port, user, password, database] = parts[..] else {
        return store::sqlite::open(Path::new(place), clock).await.unwrap();
    };
    let [host, user, password, database] = [host, user, password, database].map(str::to_owned);
    let address = Address { host, port: port.parse().unwrap(), user, password, database };
    store::postgres::open(server::settings(&address), clock).await.unwrap()
}
