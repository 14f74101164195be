//! A database of one test.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Server;
use crate::link::Link;

/// What a program needs to connect.
#[derive(Clone, Debug)]
pub struct Address {
    /// An address of the loopback interface.
    pub host: String,
    /// The server's port, or that of something in between.
    pub port: u16,
    /// Owner of the database.
    pub user: String,
    /// Their password.
    pub password: String,
    /// Name of the database.
    pub database: String,
}

impl Address {
    /// The same database through a link to its server.
    pub fn through(&self, link: &Link) -> Self {
        Self { port: link.port(), ..self.clone() }
    }

    /// Variables of a control plane that keeps its state here.
    pub fn kuma(&self) -> BTreeMap<String, String> {
        let variables = [
            ("KUMA_STORE_TYPE", "postgres"),
            ("KUMA_STORE_POSTGRES_HOST", &self.host),
            ("KUMA_STORE_POSTGRES_PORT", &self.port.to_string()),
            ("KUMA_STORE_POSTGRES_USER", &self.user),
            ("KUMA_STORE_POSTGRES_PASSWORD", &self.password),
            ("KUMA_STORE_POSTGRES_DB_NAME", &self.database),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Settings of a gateway node that keeps its state here.
    pub fn kong(&self) -> Vec<(String, String)> {
        let settings = [
            ("database", "postgres"),
            ("pg_host", &self.host),
            ("pg_port", &self.port.to_string()),
            ("pg_user", &self.user),
            ("pg_password", &self.password),
            ("pg_database", &self.database),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

/// A database, which is dropped with the value; whoever is still connected then is cut off.
#[derive(Debug)]
pub struct Database {
    server: Server,
    address: Address,
}

impl Database {
    pub(super) fn new(server: Server, address: Address) -> Self {
        Self { server, address }
    }

    /// How to connect.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The server it is on.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What a statement answers, as the superuser; columns are parted by `|`.
    pub fn sql(&self, statement: &str) -> Result<String> {
        self.server.sql(&self.address.database, statement)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that is stopped or about to end needs no order.
        self.server.sql("postgres", &format!("drop database if exists {} with (force)", self.address.database)).ok();
    }
}
