//! A process that is killed while it writes loses nothing that it acknowledged, and leaves nothing half done.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base::SystemClock;
use store::{Draft, Key, Op, Query, Store};
use tokio::task::JoinSet;

const ROUNDS: usize = 20;
const WRITERS: usize = 8;
const FILE: &str = "STORE_TEST_KILL_FILE";
const ACKNOWLEDGED: &str = "acknowledged ";

#[tokio::test]
async fn killed_process_keeps_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut acknowledged = HashSet::new();
    for round in 0..ROUNDS {
        let mut child = start_writer(&path);
        // A different moment each time: sometimes early, sometimes with a log that has been merged.
        read_then_kill(&mut child, 1 + round * round * 5, &mut acknowledged);
        check(&path, &acknowledged).await;
    }
    assert!(acknowledged.len() > ROUNDS, "the writers did not get anywhere");
}

fn start_writer(path: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "all::kill::writer", "--ignored", "--nocapture"]).env(FILE, path);
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

async fn check(path: &Path, acknowledged: &HashSet<String>) {
    let store = open(path).await;
    let found = |collection| {
        let page = store.list(Query::all(collection));
        async move {
            let records = page.await.unwrap().records;
            records.iter().map(|record| record.draft.key.name.to_string()).collect::<HashSet<_>>()
        }
    };
    let (left, right) = (found("left").await, found("right").await);
    assert_eq!(left, right, "a transaction was half applied");
    assert!(acknowledged.is_subset(&left), "lost: {:?}", acknowledged.difference(&left));
}

/// Not a test: what the killed process runs.
#[tokio::test]
#[ignore = "killed_process_keeps_its_word starts it"]
async fn writer() {
    let Some(path) = std::env::var_os(FILE).map(|path: OsString| PathBuf::from(path)) else { return };
    let store = open(&path).await;
    let start = store.commit(Vec::new()).await.unwrap().revision;
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
    // One write, so that lines do not mix.
    std::io::stdout().write_all(format!("{ACKNOWLEDGED}{name}\n").as_bytes()).unwrap();
}

async fn open(path: &Path) -> Store {
    store::sqlite::open(path, Arc::new(SystemClock)).await.unwrap()
}
