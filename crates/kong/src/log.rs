//! The log, whose level can be changed while the node runs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gateway::node::LogLevel;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt as layer, reload};

/// The process's log, on standard error.
pub(crate) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    level: tokio::sync::watch::Sender<String>,
}

impl Log {
    /// Begins to log. To be called once.
    pub(crate) fn start(level: &str) -> anyhow::Result<Arc<Self>> {
        let (filter, handle) = reload::Layer::new(filter(level));
        tracing_subscriber::registry()
            .with(filter)
            .with(layer::layer().with_writer(io::stderr).with_ansi(false))
            .try_init()?;
        Ok(Arc::new(Self { filter: handle, level: tokio::sync::watch::Sender::new(level.to_owned()) }))
    }

    /// Changes the level for good.
    pub(crate) fn change(&self, level: &str) {
        if let Err(error) = self.filter.reload(filter(level)) {
            tracing::warn!(%error, "Log level cannot be changed");
        }
        self.level.send_replace(level.to_owned());
    }
}

impl LogLevel for Log {
    fn get(&self) -> String {
        self.level.borrow().clone()
    }

    fn set(&self, level: &str, seconds: u64) {
        let before = self.get();
        self.change(level);
        if seconds == 0 {
            return;
        }
        let (handle, current) = (self.filter.clone(), self.level.clone());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(seconds));
            if handle.reload(filter(&before)).is_ok() {
                current.send_replace(before);
            }
        });
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.get()).finish_non_exhaustive()
    }
}

/// The reference's levels in ours. Libraries tell at `info` what only their developers want to know.
fn filter(level: &str) -> EnvFilter {
    let level = match level {
        "debug" => {
            return EnvFilter::new(
                "debug,h2=info,hyper=info,hyper_util=info,rustls=info,sqlx=info,hickory_proto=info,hickory_resolver=info",
            );
        }
        "info" | "notice" => "info",
        "warn" => "warn",
        _ => "error",
    };
    EnvFilter::new(format!(
        "{level},h2=warn,hyper=warn,hyper_util=warn,rustls=warn,sqlx=warn,hickory_proto=error,hickory_resolver=error"
    ))
}
