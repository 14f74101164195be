//! What is particular to PostgreSQL, with real servers.

mod far;
mod faults;
mod replica;
mod restart;
mod roles;
mod schema;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use store::postgres::{Settings, open};
use store::{Draft, Event, Key, Op, Query, Store, StoreError, Watch};
use testkit::wait_for;

use super::server;

const PATIENCE: Duration = Duration::from_secs(30);

async fn open_now(settings: &Settings) -> Store {
    open(settings.clone(), Arc::new(SystemClock)).await.unwrap()
}

/// What is said when it cannot be opened; never with the password.
async fn refusal(settings: &Settings) -> String {
    let error = open(settings.clone(), Arc::new(SystemClock)).await.expect_err("it should not open");
    let text = format!("{} {error:?}", base::report(&error));
    let password = settings.primary.password.expose();
    assert!(password.is_empty() || !text.contains(password), "{text}");
    text
}

fn key(name: &str) -> Key {
    Key::new("thing", "", name)
}

fn create(name: &str) -> Vec<Op> {
    vec![Op::Create(Draft::new(key(name), "{}"))]
}

async fn has(store: &Store, name: &str) -> bool {
    store.get(&key(name)).await.unwrap().is_some()
}

async fn count(store: &Store) -> usize {
    store.list(Query::all("thing")).await.unwrap().total
}

/// Waits until it is so.
async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let check = tokio::sync::Mutex::new(&mut check);
    let check = || async { if (*check.lock().await)().await { Ok(()) } else { Err("not yet") } };
    wait_for(what, PATIENCE, check).await.unwrap();
}

async fn next(watch: &mut Watch) -> Event {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("it should have happened by now").expect("it is open")
}

fn is_unavailable<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}
