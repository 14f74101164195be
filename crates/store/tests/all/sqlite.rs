//! Files that cannot be written: a full disk, a file and a folder without the right to write.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base::SystemClock;
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};
use sqlx::Connection;
use store::{Draft, Key, Op, Query, Store, StoreError};

const FILE: &str = "STORE_TEST_SQLITE_FILE";

async fn open(path: &Path) -> Store {
    store::sqlite::open(path, Arc::new(SystemClock)).await.unwrap()
}

async fn create(store: &Store, name: &str, size: usize) -> Result<(), StoreError> {
    let draft = Draft::new(Key::new("thing", "", name), "x".repeat(size));
    store.commit(vec![Op::Create(draft)]).await.map(drop)
}

async fn count(store: &Store) -> usize {
    store.list(Query::all("thing")).await.unwrap().total
}

#[tokio::test]
async fn full_disk_is_told_and_outlived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut command = Command::new("/bin/sh");
    // Whoever writes beyond a limit is ended, unless it does not care for that signal.
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "all::sqlite::on_a_full_disk", "--ignored", "--nocapture"]).env(FILE, &path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(check, "ok");
    connection.close().await.unwrap();
    let store = open(&path).await;
    assert!(store.get(&Key::new("thing", "", "after")).await.unwrap().is_some());
    assert!(store.get(&Key::new("thing", "", "large")).await.unwrap().is_none());
}

/// Not a test: what runs where files cannot become large.
#[tokio::test]
#[ignore = "full_disk_is_told_and_outlived starts it"]
async fn on_a_full_disk() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = open(Path::new(&path)).await;
    let room = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(256 << 10), maximum: room.maximum }).unwrap();
    let mut written = 0;
    let error = loop {
        match create(&store, &written.to_string(), 10_000).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 5);
    let text = base::report(&error);
    assert!(matches!(error, StoreError::Unavailable(_)), "{text}");
    assert!(text.contains("full") && text.contains("store.db"), "{text}");
    for _ in 0..20 {
        assert!(create(&store, "large", 1 << 20).await.is_err());
        assert_eq!(count(&store).await, written, "reading goes on, and nothing is half done");
    }
    setrlimit(Resource::Fsize, room).unwrap();
    create(&store, "after", 1 << 20).await.unwrap();
    assert_eq!(count(&store).await, written + 1);
}

#[tokio::test]
async fn what_is_read_only_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    create(&open(&path).await, "a", 10).await.unwrap();
    let allow = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let lock = folder.path().join("store.db.lock");
    allow(&lock, 0o666);

    allow(folder.path(), 0o777);
    allow(&path, 0o444);
    let text = refusal(&path);
    assert!(text.contains("store.db is read-only for this user"), "{text}");

    allow(&path, 0o666);
    allow(folder.path(), 0o555);
    let text = refusal(&path);
    let named = format!("the folder {} is read-only for this user", folder.path().display());
    assert!(text.contains(&named), "{text}");

    std::fs::remove_file(&lock).ok();
    allow(folder.path(), 0o755);
    let store = open(&path).await;
    assert_eq!(count(&store).await, 1);
    create(&store, "b", 10).await.unwrap();
}

/// What somebody without special rights is told.
fn refusal(path: &Path) -> String {
    // Whatever the folders above may forbid, this is the program that runs.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", "all::sqlite::as_anybody", "--ignored", "--nocapture"]).env(FILE, path);
    if getuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// Not a test: what runs without the right to write.
#[tokio::test]
#[ignore = "what_is_read_only_is_told starts it"]
async fn as_anybody() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let error = store::sqlite::open(Path::new(&path), Arc::new(SystemClock)).await.expect_err("it cannot be written");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let text = format!("{}\n", base::report(&error));
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).unwrap();
}
