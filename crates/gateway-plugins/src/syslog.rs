//! syslog: records of requests, given to the machine's system log.

mod schema;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateway_proxy::pdk::{Context, Definition, Environment, Outcome, Phases, Plugin};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::UnixDatagram;

use crate::functions::Expressions;
use crate::log::{self, CustomFields, Deliver, Queue, Settings};
pub(crate) use schema::{FACILITIES, SEVERITIES, schema};

/// Where the system's log listens.
const SOCKET: &str = "/dev/log";

const BATCH: usize = 64;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Syslog;

impl Definition for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn priority(&self) -> i32 {
        4
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        compile(config, environment, Path::new(SOCKET)).map(|plugin| plugin as _)
    }
}

fn compile(config: &Value, environment: &Environment, socket: &Path) -> Result<Arc<Compiled>, String> {
    let config = Config::deserialize(config).map_err(|error| error.to_string())?;
    let receiver = Receiver(socket.to_owned());
    let custom = Expressions::new(config.custom_fields_by_lua.clone(), &environment.plugin);
    Ok(Arc::new(Compiled {
        least: severity(&config.log_level)?,
        facility: place(&FACILITIES.map(|(name, _)| name), &config.facility).map(|at| FACILITIES[at].1)?,
        successful: severity(&config.successful_severity)?,
        client_errors: severity(&config.client_errors_severity)?,
        server_errors: severity(&config.server_errors_severity)?,
        custom,
        queue: Queue::start(&environment.node.tasks, "syslog", Settings::prompt(BATCH), receiver),
    }))
}

/// 7 for `debug` down to 0 for `emerg`.
fn severity(name: &str) -> Result<u8, String> {
    Ok(7 - place(&SEVERITIES, name)? as u8)
}

fn place(names: &[&str], name: &str) -> Result<usize, String> {
    names.iter().position(|other| *other == name).ok_or_else(|| format!("'{name}' is none of {}", names.join(", ")))
}

#[derive(Deserialize)]
struct Config {
    log_level: String,
    successful_severity: String,
    client_errors_severity: String,
    server_errors_severity: String,
    facility: String,
    custom_fields_by_lua: CustomFields,
}

#[derive(Debug)]
struct Compiled {
    least: u8,
    facility: u8,
    successful: u8,
    client_errors: u8,
    server_errors: u8,
    queue: Queue,
    custom: Option<Expressions>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { log: true, ..Phases::default() }
    }

    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        let severity = match outcome.response.status {
            500.. => self.server_errors,
            400..=499 => self.client_errors,
            _ => self.successful,
        };
        if severity > self.least {
            return;
        }
        let time = context.node.clock.now().strftime("%b %e %H:%M:%S");
        let priority = self.facility * 8 + severity;
        let mut line = format!("<{priority}>{time} kong[{}]: ", std::process::id()).into_bytes();
        line.extend_from_slice(&log::record_with(self.custom.as_ref(), context, outcome));
        self.queue.push(line.into());
    }
}

/// The system log's socket.
struct Receiver(PathBuf);

impl Deliver for Receiver {
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let sent = async {
                let socket = UnixDatagram::unbound()?;
                let mut sent = Ok(());
                for line in batch {
                    if let Err(error) = socket.send_to(line, &self.0).await {
                        sent = Err(error);
                    }
                }
                sent
            };
            sent.await.map_err(|error: std::io::Error| format!("{}: {error}", self.0.display()))
        })
    }
}
