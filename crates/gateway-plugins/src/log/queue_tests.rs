use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::sync::mpsc;

use super::testing::until;
use super::{Deliver, Queue, Settings};

/// Takes batches, but for the first `failures`.
struct Receiver {
    failures: Arc<Mutex<usize>>,
    batches: mpsc::Sender<Vec<Bytes>>,
}

impl Deliver for Receiver {
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            {
                let mut failures = self.failures.lock();
                if *failures > 0 {
                    *failures -= 1;
                    return Err("not yet".to_owned());
                }
            }
            self.batches.send(batch.to_vec()).await.map_err(|error| error.to_string())
        })
    }
}

struct Setup {
    tasks: Tasks,
    queue: Queue,
    failures: Arc<Mutex<usize>>,
    batches: mpsc::Receiver<Vec<Bytes>>,
}

fn setup(settings: Settings, failures: usize) -> Setup {
    let tasks = Tasks::new();
    let (sender, batches) = mpsc::channel(64);
    let failures = Arc::new(Mutex::new(failures));
    let receiver = Receiver { failures: Arc::clone(&failures), batches: sender };
    let queue = Queue::start(&tasks, "test-log", settings, receiver);
    Setup { tasks, queue, failures, batches }
}

fn settings(batch: usize, delay: f64) -> Settings {
    Settings { max_coalescing_delay: delay, max_retry_time: 60.0, ..Settings::prompt(batch) }
}

#[tokio::test]
async fn batches_are_full_or_as_old_as_they_may_be() {
    let mut setup = setup(settings(2, 0.3), 0);
    let start = tokio::time::Instant::now();
    for entry in ["a", "b", "c"] {
        setup.queue.push(entry.into());
    }
    assert_eq!(setup.batches.recv().await.unwrap(), ["a", "b"]);
    assert_eq!(setup.batches.recv().await.unwrap(), ["c"]);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn failed_batches_are_tried_again() {
    let mut setup = setup(settings(1, 0.0), 3);
    setup.queue.push("a".into());
    assert_eq!(setup.batches.recv().await.unwrap(), ["a"]);
    assert_eq!(*setup.failures.lock(), 0);
}

#[tokio::test]
async fn batches_are_given_up_when_their_time_is_over() {
    let mut setup = setup(Settings { max_retry_time: 0.0, ..settings(1, 0.0) }, 1);
    setup.queue.push("lost".into());
    until(|| (*setup.failures.lock() == 0).then_some(())).await;
    setup.queue.push("a".into());
    assert_eq!(setup.batches.recv().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn the_oldest_give_way() {
    let mut setup = setup(Settings { max_entries: 2, ..settings(10, 0.0) }, 0);
    // The task has had no chance to run yet.
    for entry in ["a", "b", "c"] {
        setup.queue.push(entry.into());
    }
    assert_eq!(setup.batches.recv().await.unwrap(), ["b", "c"]);
    let mut setup = self::setup(Settings { max_bytes: Some(4), ..settings(10, 0.0) }, 0);
    for entry in ["aa", "bb", "c", "longer than the queue"] {
        setup.queue.push(entry.into());
    }
    assert_eq!(setup.batches.recv().await.unwrap(), ["bb", "c"]);
}

#[tokio::test]
async fn what_waits_is_delivered_at_the_end() {
    let mut dropped = setup(settings(10, 3600.0), 0);
    dropped.queue.push("a".into());
    drop(dropped.queue);
    assert_eq!(dropped.batches.recv().await.unwrap(), ["a"]);
    assert!(dropped.batches.recv().await.is_none(), "the task is over");

    let mut ended = setup(settings(10, 3600.0), 0);
    ended.queue.push("b".into());
    ended.tasks.drain(Duration::from_secs(10)).await.unwrap();
    assert_eq!(ended.batches.recv().await.unwrap(), ["b"]);
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_receiver_that_fails() {
    let setup = setup(
        Settings { initial_retry_delay: 3600.0, max_retry_delay: 3600.0, max_retry_time: 7200.0, ..settings(1, 0.0) },
        usize::MAX,
    );
    setup.queue.push("a".into());
    until(|| (*setup.failures.lock() < usize::MAX).then_some(())).await;
    setup.tasks.drain(Duration::from_secs(10)).await.unwrap();
    assert!(*setup.failures.lock() < usize::MAX - 1, "a last attempt was made");
}

#[tokio::test]
async fn deliveries_may_be_side_by_side() {
    let mut setup = setup(Settings { concurrency_limit: -1, ..settings(1, 0.0) }, 0);
    setup.queue.push("a".into());
    setup.queue.push("b".into());
    let mut batches = [setup.batches.recv().await.unwrap(), setup.batches.recv().await.unwrap()];
    batches.sort();
    assert_eq!(batches, [["a"], ["b"]]);
}
