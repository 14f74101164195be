//! ip-restriction: clients let in or kept out by their addresses.

mod network;
mod schema;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use gateway_proxy::pdk::{Access, Context, Definition, Environment, Phases, Plugin, RequestBody};
use serde::Deserialize;
use serde_json::Value;

use network::Network;
pub(crate) use schema::schema;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct IpRestriction;

impl Definition for IpRestriction {
    fn name(&self) -> &'static str {
        "ip-restriction"
    }

    fn priority(&self) -> i32 {
        990
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled {
            allow: networks("allow", config.allow.as_deref())?,
            deny: networks("deny", config.deny.as_deref())?,
            status: crate::error_status(config.status.unwrap_or(403.0)),
            message: config.message,
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    status: Option<f64>,
    message: Option<String>,
}

fn networks(field: &str, list: Option<&[String]>) -> Result<Vec<Network>, String> {
    let read =
        |text: &String| Network::parse(text).ok_or_else(|| format!("{field}: invalid ip or cidr range: '{text}'"));
    list.unwrap_or_default().iter().map(read).collect()
}

#[derive(Debug)]
struct Compiled {
    allow: Vec<Network>,
    deny: Vec<Network>,
    /// `None` if what is configured cannot stand for an error.
    status: Option<u16>,
    message: Option<String>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let address = context.client.ip;
        if self.lets_in(address) {
            return Access::Continue;
        }
        let message = self.message.clone().unwrap_or_else(|| format!("IP address not allowed: {address}"));
        Access::Respond(crate::refusal(self.status, message))
    }
}

impl Compiled {
    /// Denied is denied; otherwise it has to be allowed where anything is.
    fn lets_in(&self, address: IpAddr) -> bool {
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        !within(&self.deny) && (self.allow.is_empty() || within(&self.allow))
    }
}
