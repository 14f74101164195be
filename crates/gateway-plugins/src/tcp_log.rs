//! tcp-log: a line of JSON for every request, over TCP or TLS.

mod connection;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use engine::tls::client::{Configurations, Settings as TlsSettings, server_name};
use gateway_proxy::pdk::{Context, Definition, Environment, Outcome, Phases, Plugin};
use serde::Deserialize;
use serde_json::Value;

use crate::log::{self, Queue, Settings};
use connection::{Receiver, Tls};
pub(crate) use schema::schema;

/// The most lines of a write.
const BATCH: usize = 256;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct TcpLog;

impl Definition for TcpLog {
    fn name(&self) -> &'static str {
        "tcp-log"
    }

    fn priority(&self) -> i32 {
        7
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let tls = config.tls.then(|| tls(&config)).transpose()?;
        let milliseconds = |time: Option<f64>, default: f64| {
            Duration::from_secs_f64((time.unwrap_or(default) / 1000.0).clamp(0.001, 31_536_000.0))
        };
        let receiver = Receiver::new(
            config.host,
            config.port,
            milliseconds(config.timeout, 10_000.0),
            milliseconds(config.keepalive, 60_000.0),
            tls,
        );
        let queue = Queue::start(&environment.node.tasks, "tcp-log", Settings::prompt(BATCH), receiver);
        Ok(Arc::new(Compiled { queue }))
    }
}

/// Any certificate is accepted, as there is no field for authorities.
fn tls(config: &Config) -> Result<Tls, String> {
    let name = config.tls_sni.as_deref().unwrap_or(&config.host);
    let settings = Configurations::default().get(&TlsSettings::default()).map_err(|error| error.to_string())?;
    Ok(Tls { name: server_name(name).map_err(|error| error.to_string())?, config: settings })
}

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    timeout: Option<f64>,
    keepalive: Option<f64>,
    tls: bool,
    tls_sni: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    queue: Queue,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { log: true, ..Phases::default() }
    }

    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        self.queue.push(log::record(context, outcome));
    }
}
