//! file-log: a line of JSON for every request, in a file.

mod schema;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateway_proxy::pdk::{Definition, Environment, Plugin};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

use crate::functions::Expressions;
use crate::log::{CustomFields, Deliver, Logger, Queue, Settings, lines};
pub(crate) use schema::schema;

/// The most lines of a write.
const BATCH: usize = 256;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct FileLog;

impl Definition for FileLog {
    fn name(&self) -> &'static str {
        "file-log"
    }

    fn priority(&self) -> i32 {
        9
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let custom = Expressions::new(config.custom_fields_by_lua.clone(), &environment.plugin);
        let node = &environment.node;
        let target = Target { path: node.prefix.join(config.path), reopen: config.reopen, open: Mutex::default() };
        let to = LogFile(Arc::new(target));
        let queue = Queue::start(&node.tasks, "file-log", Settings::prompt(BATCH), to);
        Ok(Logger::new(queue, custom))
    }
}

#[derive(Deserialize)]
struct Config {
    path: String,
    reopen: bool,
    custom_fields_by_lua: CustomFields,
}

/// Where lines go.
struct LogFile(Arc<Target>);

struct Target {
    path: PathBuf,
    /// Whether the file is opened for every write, so that it can be moved away.
    reopen: bool,
    open: Mutex<Option<File>>,
}

impl Deliver for LogFile {
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>> {
        let lines = lines(batch);
        let target = Arc::clone(&self.0);
        Box::pin(async move {
            let path = target.path.clone();
            let written = tokio::task::spawn_blocking(move || target.write(&lines)).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            written.map_err(|error| format!("{}: {error}", path.display()))
        })
    }
}

impl Target {
    /// All lines at once, so that those of other writers do not come between.
    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock();
        if self.reopen {
            *open = None;
        }
        let mut file = match open.take() {
            Some(file) => file,
            None => File::options().create(true).append(true).mode(0o644).open(&self.path)?,
        };
        file.write_all(lines)?;
        *open = Some(file);
        Ok(())
    }
}
