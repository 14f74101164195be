//! What the control plane answers.

use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::http::Server;

/// Envoy's configuration, and what the launcher needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bootstrap {
    /// As it was sent: YAML, or JSON, which is YAML too.
    pub(crate) yaml: String,
    /// Envoy's admin interface, unless it is off.
    pub(crate) admin: Option<AdminInterface>,
}

/// Where Envoy's admin interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdminInterface {
    Tcp { address: String, port: u16 },
    Unix(PathBuf),
}

impl AdminInterface {
    /// How to reach it from this machine.
    pub(crate) fn server(&self) -> Server {
        match self {
            Self::Unix(path) => Server::Unix(path.clone()),
            Self::Tcp { address, port } => {
                let host = match address.as_str() {
                    "0.0.0.0" | "" => "127.0.0.1",
                    "::" => "::1",
                    address => address,
                };
                Server::Tcp { host: host.to_owned(), port: *port }
            }
        }
    }

    /// The address to check before Envoy binds it.
    pub(crate) fn socket_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { address, port } => Some(SocketAddr::new(address.parse().ok()?, *port)),
            Self::Unix(_) => None,
        }
    }
}

impl Bootstrap {
    /// Reads an answer: JSON around base64, or bare YAML as control planes of old send it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let wrapped: Option<Value> = serde_json::from_slice(body).ok();
        let yaml = match wrapped.as_ref().and_then(|json| json.get("bootstrap")) {
            Some(encoded) => {
                let encoded = encoded.as_str().ok_or("its key bootstrap is no text")?;
                STANDARD.decode(encoded).map_err(|error| format!("its key bootstrap is not base64: {error}"))?
            }
            None => body.to_vec(),
        };
        let yaml = String::from_utf8(yaml).map_err(|_| "it is not UTF-8")?;
        let value: Value = serde_norway::from_str(&yaml).map_err(|error| format!("it is not YAML: {error}"))?;
        if !value.get("node").is_some_and(Value::is_object) {
            return Err("it names no node".to_owned());
        }
        Ok(Self { admin: admin(&value), yaml })
    }
}

fn admin(bootstrap: &Value) -> Option<AdminInterface> {
    let address = bootstrap.pointer("/admin/address")?;
    if let Some(path) = address.pointer("/pipe/path").and_then(Value::as_str) {
        return Some(AdminInterface::Unix(path.into()));
    }
    let socket = address.get("socketAddress").or_else(|| address.get("socket_address"))?;
    let port = socket.get("portValue").or_else(|| socket.get("port_value"))?.as_u64()?;
    Some(AdminInterface::Tcp {
        address: socket.get("address")?.as_str()?.to_owned(),
        port: u16::try_from(port).ok().filter(|port| *port != 0)?,
    })
}
