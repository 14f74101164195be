//! A worker's idle connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;

use super::Connection;

/// How long and how many connections to upstreams are kept, for each worker.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Idle connections of one worker to all upstreams.
    pub max_idle: usize,
    /// How long a connection may be idle.
    pub idle_timeout: Duration,
    /// Requests on one connection.
    pub max_requests: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { max_idle: 512, idle_timeout: Duration::from_secs(60), max_requests: 10_000 }
    }
}

/// Idle connections by the key of their endpoint.
#[derive(Debug)]
pub(crate) struct Pools {
    settings: PoolSettings,
    idle: RefCell<HashMap<PoolKey, Vec<Idle>, Hashed>>,
    /// Connections of HTTP/2, which requests share.
    shared: RefCell<HashMap<PoolKey, SendRequest<Bytes>, Hashed>>,
    count: Cell<usize>,
    now: Cell<u64>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: u64,
}

impl Pools {
    pub(crate) fn new(settings: PoolSettings) -> Self {
        Self { settings, idle: RefCell::default(), shared: RefCell::default(), count: Cell::new(0), now: Cell::new(0) }
    }

    /// The connection used last that is still open.
    pub(crate) fn take(&self, key: &PoolKey) -> Option<Box<Connection>> {
        let mut pools = self.idle.borrow_mut();
        let pool = pools.get_mut(key)?;
        while let Some(idle) = pool.pop() {
            self.count.set(self.count.get() - 1);
            if idle.connection.is_quiet() {
                return Some(idle.connection);
            }
        }
        None
    }

    pub(crate) fn give(&self, connection: Box<Connection>) {
        if connection.requests >= self.settings.max_requests || self.count.get() >= self.settings.max_idle {
            return;
        }
        self.count.set(self.count.get() + 1);
        let key = connection.endpoint.0.key;
        let idle = Idle { connection, since: self.now.get() };
        let mut pools = self.idle.borrow_mut();
        match pools.get_mut(&key) {
            Some(pool) => pool.push(idle),
            None => drop(pools.insert(key, vec![idle])),
        }
    }

    /// The connection of HTTP/2 for `key`.
    pub(crate) fn shared(&self, key: &PoolKey) -> Option<SendRequest<Bytes>> {
        self.shared.borrow().get(key).cloned()
    }

    /// Lets later requests use this connection.
    pub(crate) fn share(&self, key: &PoolKey, connection: SendRequest<Bytes>) {
        self.shared.borrow_mut().insert(*key, connection);
    }

    /// The shared connection is of no use any more.
    pub(crate) fn forget(&self, key: &PoolKey) {
        self.shared.borrow_mut().remove(key);
    }

    /// Closes what has been idle for too long; called at every tick of `length`.
    pub(crate) fn tick(&self, now: u64, length: Duration) {
        self.now.set(now);
        let limit = u64::try_from(self.settings.idle_timeout.as_millis() / length.as_millis()).unwrap_or(u64::MAX);
        let mut count = 0;
        self.idle.borrow_mut().retain(|_, pool| {
            // The oldest are in front.
            let old = pool.iter().take_while(|idle| now - idle.since > limit).count();
            pool.drain(..old);
            count += pool.len();
            !pool.is_empty()
        });
        self.count.set(count);
    }

    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
        self.count.set(0);
    }
}

/// What two connections have in common that can take each other's place; its hash is worked out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolKey {
    hash: u64,
    addr: SocketAddr,
    identity: Option<u64>,
    http2: bool,
}

impl PoolKey {
    pub(super) fn new(addr: SocketAddr, identity: Option<u64>, http2: bool) -> Self {
        // Addresses come from configuration and DNS; a connection to a colliding one is still told apart.
        let hash = foldhash::quality::FixedState::with_seed(0).hash_one((addr, identity, http2));
        Self { hash, addr, identity, http2 }
    }
}

impl Hash for PoolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The keys are hashed already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashed;

#[derive(Debug)]
pub(crate) struct Identity(u64);

impl BuildHasher for Hashed {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
