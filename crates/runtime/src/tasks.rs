//! Tasks with names, of which the important ones may not end, and the process's orderly end.

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// A boxed error of a task.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Starts tasks, knows which are running, and ends them together. Clones share all of it.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Inner>);

/// Tells that the end has begun. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A supervised task ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("task {task:?} {how}")]
pub struct TaskError {
    /// The task's name.
    pub task: &'static str,
    how: &'static str,
    source: Option<BoxError>,
}

/// Tasks that were still running when the time to end was over; they end with the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers(pub Vec<(&'static str, usize)>);

impl Tasks {
    /// Without any task.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            shutdown: watch::Sender::new(false),
            running: watch::Sender::new(0),
            names: Mutex::default(),
            failure: Mutex::default(),
        }))
    }

    /// Starts a task that has to run until shutdown. If it ends earlier, whether well, with an error or by a
    /// panic, shutdown begins and [`Self::run`] returns the reason.
    pub fn spawn<E>(&self, name: &'static str, future: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<BoxError>,
    {
        let inner = Arc::clone(&self.0);
        self.start(name, async move {
            let (how, source) = match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) => ("ended unexpectedly", None),
                Ok(Err(error)) => ("failed", Some(error.into())),
                Err(panic) => ("panicked", Some(panic_message(panic.as_ref()).into())),
            };
            // After shutdown has begun a task may end, yet not by a fault.
            if source.is_some() || !inner.is_shutdown() {
                inner.fail(TaskError { task: name, how, source });
            }
        });
    }

    /// Starts a task that may end at any time, such as a connection. A panic is logged and ends the task
    /// only.
    pub fn spawn_detached(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.start(name, async move {
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                error!(task = name, reason = panic_message(panic.as_ref()), "Task panicked");
            }
        });
    }

    /// The token by which tasks learn that they shall end.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.0.shutdown.subscribe())
    }

    /// Begins the end; the tasks learn of it by [`Shutdown`].
    pub fn begin_shutdown(&self) {
        self.0.shutdown.send_replace(true);
    }

    /// Begins the end and waits until all tasks are over, at most for `deadline`.
    pub async fn drain(&self, deadline: Duration) -> Result<(), Leftovers> {
        self.begin_shutdown();
        let mut running = self.0.running.subscribe();
        let all_over = running.wait_for(|running| *running == 0);
        match tokio::time::timeout(deadline, all_over).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Leftovers(self.0.names.lock().iter().map(|(name, count)| (*name, *count)).collect())),
        }
    }

    /// Runs until SIGTERM, SIGINT, [`Self::begin_shutdown`] or a supervised task's end, then drains for at
    /// most `deadline`; another signal cuts that short. The error is the first supervised task's.
    pub async fn run(&self, deadline: Duration) -> Result<(), TaskError> {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                return Err(TaskError { task: "signals", how: "failed", source: Some(error.into()) });
            }
        };
        let mut shutdown = self.shutdown();
        tokio::select! {
            signal = signals.next() => info!(signal, "Shutting down"),
            () = shutdown.wait() => {}
        }
        tokio::select! {
            result = self.drain(deadline) => if let Err(leftovers) = result {
                warn!(%leftovers, ?deadline, "Tasks did not end in time");
            },
            signal = signals.next() => warn!(signal, "Shutting down without waiting for tasks"),
        }
        self.0.failure.lock().take().map_or(Ok(()), Err)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the supervised spawn that the others are to use")]
    fn start(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let entry = Entry::new(name, Arc::clone(&self.0));
        tokio::spawn(async move {
            future.await;
            drop(entry);
        });
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Returns when the end has begun.
    pub async fn wait(&mut self) {
        // A sender that is gone has no task left to end.
        if self.0.wait_for(|shutdown| *shutdown).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the end has begun.
    pub fn is_shutdown(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for `delay`, or until the end begins; says whether it did not, so loops go on `while` it is
    /// true.
    pub async fn pause(&mut self, delay: Duration) -> bool {
        tokio::time::timeout(delay, self.wait()).await.is_err()
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name} ({count})")?;
        }
        Ok(())
    }
}

impl Error for Leftovers {}

#[derive(Debug)]
struct Inner {
    shutdown: watch::Sender<bool>,
    running: watch::Sender<usize>,
    /// How many tasks of each name are running.
    names: Mutex<BTreeMap<&'static str, usize>>,
    /// The first supervised task's failure.
    failure: Mutex<Option<TaskError>>,
}

impl Inner {
    fn is_shutdown(&self) -> bool {
        *self.shutdown.borrow()
    }

    fn fail(&self, failure: TaskError) {
        error!(error = base::report(&failure), "Task failed, shutting down");
        self.failure.lock().get_or_insert(failure);
        self.shutdown.send_replace(true);
    }
}

/// A running task's place in the books; it leaves them however the task ends.
struct Entry {
    name: &'static str,
    inner: Arc<Inner>,
}

impl Entry {
    fn new(name: &'static str, inner: Arc<Inner>) -> Self {
        *inner.names.lock().entry(name).or_default() += 1;
        inner.running.send_modify(|running| *running += 1);
        Self { name, inner }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        {
            let mut names = self.inner.names.lock();
            if let Some(count) = names.get_mut(self.name) {
                *count -= 1;
                if *count == 0 {
                    names.remove(self.name);
                }
            }
        }
        self.inner.running.send_modify(|running| *running -= 1);
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
