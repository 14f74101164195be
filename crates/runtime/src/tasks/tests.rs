use std::convert::Infallible;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn endless() -> impl Future<Output = ()> + Send {
    std::future::pending()
}

async fn failure_of<E: Into<BoxError>>(future: impl Future<Output = Result<(), E>> + Send + 'static) -> String {
    let tasks = Tasks::new();
    tasks.spawn("worker", future);
    let error = tokio::time::timeout(SOON, tasks.run(SOON)).await.unwrap().unwrap_err();
    assert!(tasks.shutdown().is_shutdown());
    base::report(&error)
}

#[tokio::test]
async fn a_supervised_task_that_ends_ends_the_process() {
    assert_eq!(failure_of(async { Err("no disk") }).await, "task \"worker\" failed: no disk");
    assert_eq!(failure_of(async { Ok::<(), Infallible>(()) }).await, "task \"worker\" ended unexpectedly");
    let panicking = async {
        if SOON > Duration::ZERO {
            panic!("index {} out of range", 7);
        }
        Ok::<(), Infallible>(())
    };
    assert_eq!(failure_of(panicking).await, "task \"worker\" panicked: index 7 out of range");
}

#[tokio::test]
async fn a_task_may_end_when_it_was_asked_to() {
    let tasks = Tasks::new();
    let mut shutdown = tasks.shutdown();
    tasks.spawn("worker", async move {
        shutdown.wait().await;
        Ok::<(), Infallible>(())
    });
    assert!(!tasks.shutdown().is_shutdown());
    tasks.begin_shutdown();
    tasks.run(SOON).await.unwrap();
}

#[tokio::test]
async fn an_error_during_shutdown_is_reported() {
    let tasks = Tasks::new();
    let mut shutdown = tasks.shutdown();
    tasks.spawn("flusher", async move {
        shutdown.wait().await;
        Err("disk full")
    });
    tasks.begin_shutdown();
    assert_eq!(tasks.run(SOON).await.unwrap_err().task, "flusher");
}

#[tokio::test]
async fn a_detached_task_may_end_or_panic() {
    let tasks = Tasks::new();
    tasks.spawn_detached("connection", async {});
    tasks.spawn_detached("connection", async { panic!("bad request") });
    let mut running = tasks.0.running.subscribe();
    running.wait_for(|running| *running == 0).await.unwrap();
    assert!(!tasks.shutdown().is_shutdown());
}

#[tokio::test]
async fn what_does_not_end_is_named() {
    let tasks = Tasks::new();
    tasks.spawn_detached("deaf", endless());
    tasks.spawn_detached("deaf", endless());
    let leftovers = tasks.drain(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(leftovers.to_string(), "deaf (2)");
}

#[tokio::test]
async fn a_pause_is_cut_short_by_shutdown() {
    let tasks = Tasks::new();
    let mut shutdown = tasks.shutdown();
    assert!(shutdown.pause(Duration::from_millis(1)).await);
    tasks.begin_shutdown();
    assert!(!shutdown.pause(Duration::from_secs(3600)).await);
}
