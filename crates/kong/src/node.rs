//! The node's process: signals, log, and the node itself.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base::SystemClock;
use gateway::conf::Conf;
use gateway::node::Node;
use runtime::tasks::Tasks;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::log::Log;
use crate::prefix::Directory;

/// How long tasks have to end after the last request.
const DRAIN: Duration = Duration::from_secs(5);

/// How much nicer than workers the threads for the Admin API and the background are: under full load they still get a
/// quarter of what a worker gets.
const NICER: i32 = 6;

/// Runs the node of a prepared directory until it is told to stop.
pub(crate) fn run(prefix: &Path) -> anyhow::Result<()> {
    let directory = Directory::new(prefix);
    let conf = read(&directory)?;
    let log = Log::start(&conf.log_level)?;
    let niceness = rustix::process::getpriority_process(None).unwrap_or_default() + NICER;
    // Workers have threads of their own; this is for the Admin API and the background.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || step_back(niceness))
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(serve(&directory, conf, log));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Lets the workers, which have threads of their own, go first: compiling a large configuration takes long enough for
/// requests to notice.
fn step_back(niceness: i32) {
    // On Linux this concerns the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        warn!(%error, "A thread of the background has the priority of the workers");
    }
}

async fn serve(directory: &Directory, conf: Conf, log: Arc<Log>) -> anyhow::Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut reload = signal(SignalKind::hangup())?;
    let tasks = Tasks::new();
    let mut failed = tasks.shutdown();
    let mut node = Node::start(conf, Arc::new(SystemClock), tasks.clone(), Arc::clone(&log) as _)
        .await
        .map_err(|error| anyhow!("{}", base::report(&error)))?;
    directory.write_pid()?;
    info!("Node serves");
    let gracefully = loop {
        tokio::select! {
            _ = stop.recv() => break false,
            _ = interrupt.recv() => break false,
            _ = quit.recv() => break true,
            _ = reload.recv() => match read(directory) {
                Ok(conf) => {
                    log.change(&conf.log_level);
                    match node.reload(conf).await {
                        Ok(()) => info!("Settings were read again"),
                        Err(error) => error!(error = %base::report(&error), "Settings stay as they were"),
                    }
                }
                Err(error) => error!(error = %format!("{error:#}"), "Settings stay as they were"),
            },
            // A part of the node failed, which has been told.
            () = failed.wait() => break false,
        }
    };
    info!(gracefully, "Node stops");
    directory.remove_pid();
    node.stop(gracefully).await;
    if let Err(leftovers) = tasks.drain(DRAIN).await {
        warn!(%leftovers, "Some tasks did not end");
    }
    Ok(())
}

fn read(directory: &Directory) -> anyhow::Result<Conf> {
    let file = directory.settings_file();
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let loaded = Conf::load(Some(&text), [], []).map_err(|problems| anyhow!("{problems}"))?;
    Ok(loaded.conf)
}
