//! Redis servers as plugins use them: scripts, run over a connection for each worker.
//!
//! Workers share nothing but the [`Server`]'s settings: each has a connection of its own, opened when it is first
//! needed, over which any number of scripts are under way. The connections close with the last plugin that has the
//! server.

mod link;
mod trust;

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Secret;
use engine::tls::Alpn;
use engine::tls::client::{Configurations, Settings as TlsSettings, Verify, server_name};
use gateway_proxy::pdk::Node;
use parking_lot::Mutex;
use redis::{FromRedisValue, ScriptInvocation};
use serde::Deserialize;

pub(crate) use link::Link;
use link::{Dialer, Tls};
pub use trust::trust_authorities;

/// How many certificates may stand between the server's and an authority's.
const VERIFY_DEPTH: usize = 1;

/// The record `redis` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Settings {
    host: Option<String>,
    port: Option<u16>,
    /// In milliseconds.
    timeout: Option<u64>,
    username: Option<String>,
    password: Option<Secret>,
    database: Option<i64>,
    ssl: Option<bool>,
    ssl_verify: Option<bool>,
    server_name: Option<String>,
}

impl Settings {
    fn host(&self) -> Result<&str, String> {
        self.host.as_deref().ok_or_else(|| "redis.host: required".to_owned())
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(6379)
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.unwrap_or(2000).max(1))
    }

    fn tls(&self, node: &Node) -> Result<Option<Tls>, String> {
        if self.ssl != Some(true) {
            return Ok(None);
        }
        let verify = if self.ssl_verify == Some(true) {
            let authorities = trust::authorities(node).ok_or("redis.ssl_verify: there is no trusted authority")?;
            Verify::On { authorities, depth: VERIFY_DEPTH }
        } else {
            Verify::Off
        };
        let name = self.server_name.as_deref().map_or_else(|| self.host(), Ok)?;
        let name = server_name(name).map_err(|error| format!("redis.server_name: {error}"))?;
        let settings = TlsSettings { verify, identity: None, alpn: Alpn::None };
        let config = Configurations::default().get(&settings).map_err(|error| format!("redis.ssl_verify: {error}"))?;
        Ok(Some(Tls { name, config }))
    }

    fn login(&self) -> redis::RedisConnectionInfo {
        let login = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let login = login.set_db(self.database.unwrap_or(0));
        let Some(password) = self.password.as_ref().filter(|password| !password.expose().is_empty()) else {
            return login;
        };
        let login = login.set_password(password.expose());
        match self.username.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => login.set_username(name),
            None => login,
        }
    }
}

/// The node's servers: equal settings are one server.
#[derive(Debug, Default)]
pub(crate) struct Servers(Mutex<Vec<Weak<Server>>>);

impl Servers {
    /// The server of these settings; an error if they cannot work.
    pub(crate) fn get(&self, settings: &Settings, node: &Node) -> Result<Arc<Server>, String> {
        let mut servers = self.0.lock();
        servers.retain(|server| server.strong_count() > 0);
        if let Some(server) = servers.iter().filter_map(Weak::upgrade).find(|server| server.settings == *settings) {
            return Ok(server);
        }
        let server = Arc::new(Server::new(settings, node)?);
        servers.push(Arc::downgrade(&server));
        Ok(server)
    }
}

/// A server.
pub(crate) struct Server {
    number: u64,
    settings: Settings,
    dialer: Arc<Dialer>,
    /// Those of all workers; they close with the server.
    links: Mutex<Vec<Arc<Link>>>,
}

/// Why a script has no answer; it may have been run all the same. The details are in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Redis server is not available")]
pub(crate) struct Unavailable;

thread_local! {
    /// This worker's link to each server, by the server's number.
    static LINKS: RefCell<Vec<(u64, Weak<Link>)>> = const { RefCell::new(Vec::new()) };
}

impl Server {
    fn new(settings: &Settings, node: &Node) -> Result<Self, String> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let dialer = Dialer::new(
            settings.host()?.to_owned(),
            settings.port(),
            settings.timeout(),
            settings.login(),
            settings.tls(node)?,
        );
        Ok(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            settings: settings.clone(),
            dialer: Arc::new(dialer),
            links: Mutex::default(),
        })
    }

    /// Runs a script over this worker's connection, within the configured time.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        self.worker_link().run(script).await
    }

    /// A connection of its own for a task that moves between threads.
    pub(crate) fn link(&self) -> Link {
        Link::new(Arc::clone(&self.dialer))
    }

    fn worker_link(&self) -> Arc<Link> {
        LINKS.with_borrow_mut(|links| {
            let known = links.iter().find(|(number, _)| *number == self.number);
            if let Some(link) = known.and_then(|(_, link)| link.upgrade()) {
                return link;
            }
            links.retain(|(_, link)| link.strong_count() > 0);
            let link = Arc::new(self.link());
            links.push((self.number, Arc::downgrade(&link)));
            self.links.lock().push(Arc::clone(&link));
            link
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}
