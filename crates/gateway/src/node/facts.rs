//! What the node tells about itself.

use std::fmt;
use std::fs;
use std::sync::Arc;

use arc_swap::ArcSwap;
use engine::worker::Workers;
use gateway_proxy::pdk::Node as PluginNode;
use serde_json::{Map, Value};
use store::Store;

use super::NodeError;
use crate::admin::{Connections, LuaMemory, Node, SharedMemory};
use crate::conf::{Conf, Database};
use crate::declarative::Loader;

/// How much is logged, changeable while the node runs.
pub trait LogLevel: Send + Sync + fmt::Debug {
    /// The level: `debug`, `info`, `notice`, `warn`, `error`, `crit`, `alert` or `emerg`.
    fn get(&self) -> String;
    /// Changes it, for so many seconds or, with 0, for good.
    fn set(&self, level: &str, seconds: u64);
}

/// The node as the Admin API shows it.
#[derive(Debug)]
pub(super) struct Facts {
    node: Arc<PluginNode>,
    workers: Arc<Workers>,
    loader: Arc<Loader>,
    store: Store,
    has_database: bool,
    configuration: ArcSwap<Map<String, Value>>,
    log_level: Arc<dyn LogLevel>,
}

impl Facts {
    pub(super) fn new(
        conf: &Conf,
        node: Arc<PluginNode>,
        workers: Arc<Workers>,
        loader: Arc<Loader>,
        store: Store,
        log_level: Arc<dyn LogLevel>,
    ) -> Self {
        let facts = Self {
            node,
            workers,
            loader,
            store,
            has_database: conf.database != Database::Off,
            configuration: ArcSwap::default(),
            log_level,
        };
        facts.set_configuration(conf);
        facts
    }

    /// Shows these settings from now on.
    pub(super) fn set_configuration(&self, conf: &Conf) {
        if let Value::Object(shown) = conf.shown() {
            self.configuration.store(Arc::new(shown));
        }
    }
}

impl Node for Facts {
    fn hostname(&self) -> String {
        self.node.hostname.clone()
    }

    fn id(&self) -> String {
        self.node.id.clone()
    }

    fn configuration(&self) -> Map<String, Value> {
        (**self.configuration.load()).clone()
    }

    fn connections(&self) -> Connections {
        let counters = self.workers.counters();
        Connections {
            accepted: counters.accepted,
            active: counters.active,
            handled: counters.handled,
            reading: 0,
            waiting: counters.active.saturating_sub(counters.busy),
            writing: counters.busy,
            requests: counters.requests,
        }
    }

    /// The workers are threads of one process and share its memory.
    fn workers(&self) -> Vec<LuaMemory> {
        vec![LuaMemory { pid: std::process::id(), allocated: resident_bytes() }]
    }

    fn shared_memory(&self) -> Vec<SharedMemory> {
        Vec::new()
    }

    fn timers(&self) -> (u64, u64) {
        (0, 0)
    }

    fn configuration_hash(&self) -> Option<String> {
        (!self.has_database).then(|| self.loader.hash())
    }

    fn database_reachable(&self) -> bool {
        self.store.reachable()
    }

    fn log_level(&self) -> String {
        self.log_level.get()
    }

    fn set_log_level(&self, level: &str, timeout: u64) {
        self.log_level.set(level, timeout);
    }

    fn metrics(&self) -> Option<String> {
        Some(gateway_plugins::prometheus::metrics(&self.node))
    }
}

/// The node's id: as set, or one made once and kept in the prefix.
pub(super) fn node_id(conf: &Conf) -> Result<String, NodeError> {
    if let Some(id) = &conf.node_id {
        return match uuid::Uuid::try_parse(id) {
            Ok(id) => Ok(id.to_string()),
            Err(_) => Err(NodeError::setting("node_id", format!("{id:?} is not a UUID"))),
        };
    }
    let path = conf.prefix.join("kong.id");
    if let Ok(text) = fs::read_to_string(&path)
        && let Ok(id) = uuid::Uuid::try_parse(text.trim())
    {
        return Ok(id.to_string());
    }
    let id = uuid::Uuid::new_v4().to_string();
    match fs::write(&path, &id) {
        Ok(()) => Ok(id),
        Err(source) => Err(NodeError::File { path, source }),
    }
}

pub(super) fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// The memory of the process; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
