//! udp-log: a datagram of JSON for every request.

mod schema;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateway_proxy::pdk::{Definition, Environment, Plugin};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::{UdpSocket, lookup_host};

use crate::functions::Expressions;
use crate::log::{CustomFields, Deliver, Logger, Queue, Settings, milliseconds};
pub(crate) use schema::schema;

/// The most records that are sent with one look at the name.
const BATCH: usize = 64;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct UdpLog;

impl Definition for UdpLog {
    fn name(&self) -> &'static str {
        "udp-log"
    }

    fn priority(&self) -> i32 {
        8
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let custom = Expressions::new(config.custom_fields_by_lua.clone(), &environment.plugin);
        let receiver =
            Receiver { host: config.host, port: config.port, timeout: milliseconds(config.timeout, 10_000.0) };
        let queue = Queue::start(&environment.node.tasks, "udp-log", Settings::prompt(BATCH), receiver);
        Ok(Logger::new(queue, custom))
    }
}

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    timeout: Option<f64>,
    custom_fields_by_lua: CustomFields,
}

struct Receiver {
    host: String,
    port: u16,
    timeout: Duration,
}

impl Receiver {
    async fn send(&self, batch: &[Bytes]) -> io::Result<()> {
        let mut addresses = lookup_host((&*self.host, self.port)).await?;
        let to = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
        let mut sent = Ok(());
        // A record that is too long for a datagram does not keep the others back.
        for record in batch {
            if let Err(error) = socket.send_to(record, to).await {
                sent = Err(error);
            }
        }
        sent
    }
}

impl Deliver for Receiver {
    fn deliver<'a>(&'a self, batch: &'a [Bytes]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let sent = tokio::time::timeout(self.timeout, self.send(batch)).await;
            let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            sent.map_err(|error| format!("{}:{}: {error}", self.host, self.port))
        })
    }
}
