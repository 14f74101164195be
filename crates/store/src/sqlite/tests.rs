use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base::SystemClock;
use futures_util::FutureExt;
use futures_util::future::join_all;
use sqlx::{Connection, Executor};
use tempfile::TempDir;

use super::*;
use crate::conformance::{draft, key};
use crate::{Draft, Event};

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

async fn open_now(path: &Path) -> Result<Store, StoreError> {
    open(path, Arc::new(SystemClock)).await
}

/// The error with its causes.
async fn refusal(path: &Path) -> String {
    base::report(&open_now(path).await.expect_err("it should not open"))
}

async fn execute(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}

/// A writer without its thread, so that a test decides what is one group, and can reach the file's connection.
async fn writer(path: &Path) -> (Arc<Shared>, Writer) {
    let (database, state) = Database::open(path).await.unwrap();
    let shared = Arc::new(Shared::new(Arc::new(SystemClock), state));
    (shared.clone(), Writer::new(shared, database))
}

type Answer = Result<Arc<Committed>, StoreError>;

async fn commit_group(writer: &mut Writer, group: Vec<Vec<Op>>) -> Vec<Answer> {
    let (requests, answers): (Vec<_>, Vec<_>) = group
        .into_iter()
        .map(|ops| {
            let (done, answer) = oneshot::channel();
            (Request { ops, done }, answer)
        })
        .unzip();
    writer.commit(requests.into_iter()).await;
    join_all(answers).await.into_iter().map(Result::unwrap).collect()
}

fn create(name: &str) -> Vec<Op> {
    vec![Op::Create(draft(name))]
}

#[tokio::test]
async fn group_accepts_and_refuses_each_by_itself() {
    let (_folder, path) = file();
    let (shared, mut writer) = writer(&path).await;

    let half = vec![Op::Create(draft("c")), Op::Create(draft("a"))];
    let answers = commit_group(&mut writer, vec![create("a"), half, create("a"), create("b")]).await;

    assert_eq!(answers[0].as_ref().unwrap().revision, 1);
    assert!(matches!(answers[1], Err(StoreError::Exists(_))));
    assert!(matches!(answers[2], Err(StoreError::Exists(_))));
    assert_eq!(answers[3].as_ref().unwrap().revision, 2);
    writer.database.close().await;

    let store = open_now(&path).await.unwrap();
    let page = store.list(Query::all("thing")).await.unwrap();
    assert_eq!(page, shared.list(&Query::all("thing")));
    assert_eq!(page.total, 2);
}

#[tokio::test]
async fn connection_that_cannot_write_changes_nothing_and_is_replaced() {
    let (_folder, path) = file();
    let (shared, mut writer) = writer(&path).await;
    commit_group(&mut writer, vec![create("before")]).await.remove(0).unwrap();

    writer.database.run("PRAGMA query_only = ON").await;
    for answer in commit_group(&mut writer, vec![create("a"), create("a"), create("b")]).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        let text = base::report(&answer.unwrap_err());
        assert!(text.contains("store.db is read-only"), "{text}");
    }
    assert_eq!(shared.list(&Query::all("thing")).total, 1);

    let answer = commit_group(&mut writer, vec![create("a")]).await.remove(0);
    assert_eq!(answer.unwrap().revision, 2);
}

#[tokio::test]
async fn full_disk_changes_nothing_until_there_is_space() {
    let (_folder, path) = file();
    let (shared, mut writer) = writer(&path).await;
    let large = |name: &str| vec![Op::Create(Draft { body: "x".repeat(1 << 20).into(), ..draft(name) })];

    // SQLite's own quota fails as a full disk does: in the middle of the transaction.
    writer.database.run("PRAGMA max_page_count = 64").await;
    for answer in commit_group(&mut writer, vec![create("small"), large("large")]).await {
        let error = answer.expect_err("there is no space");
        let text = base::report(&error);
        assert!(text.contains("the disk is full") && text.contains("store.db"), "{text}");
    }
    assert_eq!(shared.list(&Query::all("thing")).total, 0);
    commit_group(&mut writer, vec![create("small")]).await.remove(0).expect("small records still fit");

    writer.database.run("PRAGMA max_page_count = 100000").await;
    commit_group(&mut writer, vec![large("large")]).await.remove(0).unwrap();
    writer.database.close().await;
    let store = open_now(&path).await.unwrap();
    assert_eq!(store.list(Query::all("thing")).await.unwrap().total, 2);
    assert_eq!(shared.list(&Query::all("thing")).total, 2);
}

#[tokio::test]
async fn writes_of_somebody_else_are_noticed() {
    let (_folder, path) = file();
    let store = open_now(&path).await.unwrap();
    store.commit(create("a")).await.unwrap();
    execute(&path, "UPDATE revision SET value = 7").await;
    let error = store.commit(create("b")).await.expect_err("the file is not what the store knows");
    assert!(base::report(&error).contains("something else wrote to it"), "{error:?}");
    assert!(store.get(&key("b")).await.unwrap().is_none());
}

#[tokio::test]
async fn only_one_may_have_it_open() {
    let (folder, path) = file();
    let first = open_now(&path).await.unwrap();
    let message = refusal(&path).await;
    assert!(message.contains("in use by another process"), "{message}");
    assert!(message.contains(&std::process::id().to_string()), "{message}");

    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(refusal(&link).await.contains("in use"), "the same file by another name");

    drop(first);
    open_now(&link).await.unwrap();
}

#[tokio::test]
async fn abandoned_open_lets_go() {
    let (_folder, path) = file();
    assert!(open_now(&path).now_or_never().is_none());
    open_now(&path).await.unwrap();
}

#[tokio::test]
async fn only_its_owner_may_read_it() {
    let (folder, path) = file();
    let store = open_now(&path).await.unwrap();
    store.commit(create("a")).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn later_schema_is_refused() {
    let (_folder, path) = file();
    drop(open_now(&path).await.unwrap());
    execute(&path, "UPDATE schema SET version = 99").await;
    assert!(matches!(open_now(&path).await, Err(StoreError::Corrupt(_))));
    let message = refusal(&path).await;
    assert!(message.contains("store.db") && message.contains("schema version 99"), "{message}");
}

#[tokio::test]
async fn file_of_the_first_version_is_understood() {
    let (_folder, path) = file();
    let store = open_now(&path).await.unwrap();
    let child = Draft { parents: vec![key("p")], ..draft("child") };
    store.commit(vec![Op::Create(draft("p")), Op::Create(child.clone())]).await.unwrap();
    drop(store);
    execute(
        &path,
        "UPDATE record SET parents = iif(parents = '[]', NULL, substr(parents, 2, length(parents) - 2));
         ALTER TABLE record RENAME COLUMN parents TO parent;
         UPDATE schema SET version = 1",
    )
    .await;
    let store = open_now(&path).await.unwrap();
    assert_eq!(store.get(&key("child")).await.unwrap().unwrap().draft, child);
    assert_eq!(store.get(&key("p")).await.unwrap().unwrap().draft, draft("p"));
}

#[tokio::test]
async fn other_databases_are_refused() {
    let (_folder, path) = file();
    execute(&path, "CREATE TABLE address (street TEXT)").await;
    assert!(refusal(&path).await.contains("another program's"));
}

#[tokio::test]
async fn other_files_are_refused() {
    let (folder, path) = file();
    fs::write(&path, "Dear diary, ".repeat(1000)).unwrap();
    assert!(matches!(open_now(&path).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(open_now(folder.path()).await, Err(StoreError::Unavailable(_))));
    let message = refusal(&folder.path().join("absent/store.db")).await;
    assert!(message.contains("absent/store.db"), "{message}");
}

#[tokio::test]
async fn damaged_file_is_refused() {
    let (_folder, path) = file();
    let store = open_now(&path).await.unwrap();
    store.commit((0..200).map(|n| Op::Create(draft(&n.to_string()))).collect()).await.unwrap();
    drop(store);
    let mut damaged = fs::OpenOptions::new().write(true).open(&path).unwrap();
    damaged.seek(SeekFrom::Start(8192)).unwrap();
    damaged.write_all(&[0xff; 8192]).unwrap();
    assert!(matches!(open_now(&path).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn unreadable_row_is_named() {
    for sql in
        ["UPDATE record SET labels = 'x'", "UPDATE record SET created = 'x'", "UPDATE record SET referred = '[[1]]'"]
    {
        let (_folder, path) = file();
        let store = open_now(&path).await.unwrap();
        store.commit(create("the-row")).await.unwrap();
        drop(store);
        execute(&path, sql).await;
        assert!(matches!(open_now(&path).await, Err(StoreError::Corrupt(_))));
        let message = refusal(&path).await;
        assert!(message.contains("the-row: column"), "{message}");
    }
}

#[tokio::test]
async fn watcher_that_waits_for_a_deletion_does_not_keep_it_open() {
    let (_folder, path) = file();
    let store = start(&path, Arc::new(SystemClock)).await.unwrap();
    let expiring = store.expire();
    drop(store);
    open_now(&path).await.expect("nobody has it open");
    drop(expiring);
}

#[tokio::test]
async fn abandoned_commits_and_drop_lose_nothing_acknowledged() {
    let (_folder, path) = file();
    let store = open_now(&path).await.unwrap();
    let mut watch = store.watch().await.unwrap();
    let commits = (0..100).map(|n| store.commit(create(&n.to_string())));
    let mut commits = Box::pin(join_all(commits));
    assert!((&mut commits).now_or_never().is_none());
    drop(commits);
    drop(store);

    let mut seen = 0;
    while let Some(event) = watch.next().await {
        if let Event::Changes(committed) = event {
            seen += committed.changes.len();
        }
    }
    let store = open_now(&path).await.unwrap();
    assert_eq!(store.list(Query::all("thing")).await.unwrap().total, seen, "what was published is in the file");
}
