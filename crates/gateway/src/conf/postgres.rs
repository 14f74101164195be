//! `pg_*` in the store's terms.

use std::path::PathBuf;
use std::time::Duration;

use base::Secret;
use store::postgres::{Endpoint, Settings, Tls, TlsMode};

use super::Reader;

/// Connections for counters when no setting bounds them.
const USUAL_CONNECTIONS: u64 = 8;

/// The most connections one node may be given.
const MAX_CONNECTIONS: u64 = 1000;

/// Milliseconds for which unused connections are kept when no setting says so.
const USUAL_KEEPALIVE: u64 = 60_000;

/// The longest time any of the settings gives, in milliseconds: a day.
const MAX_MILLISECONDS: u64 = 86_400_000;

impl Reader<'_> {
    /// Where the database is. What does not fit is a problem.
    pub(super) fn postgres(&mut self) -> Settings {
        let primary = self.endpoint("pg_");
        let replica = (!self.text("pg_ro_host").is_empty()).then(|| self.endpoint("pg_ro_"));
        let queries = self.bounded("pg_max_concurrent_queries", 0..=MAX_CONNECTIONS);
        let pool = self.bounded("pg_pool_size", 1..=MAX_CONNECTIONS);
        let connections = [queries, pool].into_iter().flatten().filter(|limit| *limit > 0).min();
        let keepalive = self.bounded("pg_keepalive_timeout", 1..=MAX_MILLISECONDS).unwrap_or(USUAL_KEEPALIVE);
        Settings {
            idle_timeout: Duration::from_millis(keepalive),
            // A call of the Admin API waits no longer for its answer than for one of the server.
            commit_timeout: primary.statement_timeout,
            max_connections: connections.unwrap_or(USUAL_CONNECTIONS) as u32,
            primary,
            replica,
        }
    }

    /// The server of the settings that begin like this. What is not said of the replica is as with the primary.
    fn endpoint(&mut self, prefix: &'static str) -> Endpoint {
        let named = |reader: &Self, own: &'static str, general: &'static str| match prefix {
            "pg_ro_" if !reader.text(own).is_empty() => own,
            _ => general,
        };
        let host = named(self, "pg_ro_host", "pg_host");
        let port = named(self, "pg_ro_port", "pg_port");
        let user = named(self, "pg_ro_user", "pg_user");
        let password = named(self, "pg_ro_password", "pg_password");
        let database = named(self, "pg_ro_database", "pg_database");
        let schema = named(self, "pg_ro_schema", "pg_schema");
        let timeout = named(self, "pg_ro_timeout", "pg_timeout");
        let ssl = named(self, "pg_ro_ssl", "pg_ssl");
        let required = named(self, "pg_ro_ssl_required", "pg_ssl_required");
        let verify = named(self, "pg_ro_ssl_verify", "pg_ssl_verify");
        if self.is_on(required) && !self.is_on(ssl) {
            self.problems.add_with_hint(required, format!("{ssl} is off"), format!("set {ssl} = on"));
        }
        for name in [host, user, database] {
            if self.text(name).is_empty() {
                self.problems.add(name, "is empty");
            }
        }
        let timeout = Duration::from_millis(self.bounded(timeout, 1..=MAX_MILLISECONDS).unwrap_or_default());
        Endpoint {
            host: self.text(host).to_owned(),
            port: self.bounded(port, 1..=u16::MAX.into()).and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
            user: self.text(user).to_owned(),
            password: Secret::new(self.text(password).to_owned()),
            database: self.text(database).to_owned(),
            schema: Some(self.text(schema)).filter(|schema| !schema.is_empty()).map(str::to_owned),
            tls: match (self.is_on(ssl), self.is_on(verify)) {
                (false, _) => Tls::OFF,
                (true, false) => Tls { mode: TlsMode::VerifyNone, ..Tls::OFF },
                (true, true) => Tls { mode: TlsMode::VerifyFull, ca: self.authorities(), client: None },
            },
            connect_timeout: timeout,
            statement_timeout: timeout,
        }
    }

    /// The file of the authorities that servers are verified with; `None` for the machine's. Several files are put
    /// together in one below the prefix, see [`super::Conf::combined_authorities`].
    fn authorities(&self) -> Option<PathBuf> {
        match self.list("lua_ssl_trusted_certificate").as_slice() {
            [] => None,
            [one] if one == "system" => None,
            [one] => Some(one.into()),
            _ => Some(PathBuf::from(self.text("prefix")).join(super::COMBINED_AUTHORITIES)),
        }
    }

    /// A whole number, if there is one; another one is a problem.
    fn bounded(&mut self, name: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let reason = format!("{text:?} is not a whole number from {} to {}", range.start(), range.end());
            self.problems.add(name, reason);
        }
        number
    }
}
