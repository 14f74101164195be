//! tcp-log: a line of JSON for every request, over TCP or TLS.

mod connection;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::tls::client::{Configurations, Settings as TlsSettings, server_name};
use gateway_proxy::pdk::{Definition, Environment, Plugin};
use serde::Deserialize;
use serde_json::Value;

use crate::functions::Expressions;
use crate::log::{CustomFields, Logger, Queue, Settings, milliseconds};
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
        let custom = Expressions::new(config.custom_fields_by_lua.clone(), &environment.plugin);
        let tls = config.tls.then(|| tls(&config)).transpose()?;
        let receiver = Receiver::new(
            config.host,
            config.port,
            milliseconds(config.timeout, 10_000.0),
            milliseconds(config.keepalive, 60_000.0),
            tls,
        );
        let queue = Queue::start(&environment.node.tasks, "tcp-log", Settings::prompt(BATCH), receiver);
        Ok(Logger::new(queue, custom))
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
    custom_fields_by_lua: CustomFields,
}
