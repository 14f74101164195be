//! What the node tells about itself.

use std::fmt;
use std::fs;
use std::sync::Arc;

use arc_swap::ArcSwap;
use engine::balance::{AddressStatus, GroupStatus, MarkError, Weights};
use engine::health::Verdict;
use engine::worker::Workers;
use futures_util::future::BoxFuture;
use gateway_model::error::Fields;
use gateway_proxy::pdk::Node as PluginNode;
use serde_json::{Map, Value, json};

use super::{InForce, NodeError};
use crate::admin::{
    Address, BalancerHealth, Connections, Health, HealthError, LuaMemory, Node, SharedMemory, TargetHealth,
};
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
        log_level: Arc<dyn LogLevel>,
    ) -> Self {
        let facts = Self {
            node,
            workers,
            loader,
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

    /// The embedded database is part of the process.
    fn database_reachable(&self) -> bool {
        true
    }

    fn log_level(&self) -> String {
        self.log_level.get()
    }

    fn set_log_level(&self, level: &str, timeout: u64) {
        self.log_level.set(level, timeout);
    }

    fn metrics(&self) -> Option<String> {
        gateway_plugins::prometheus::metrics(&self.node)
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

/// The health of targets as the proxy sees it.
#[derive(Clone, Debug)]
pub(super) struct ProxyHealth(pub(super) InForce);

impl ProxyHealth {
    fn status(&self, upstream: &Fields) -> Option<GroupStatus> {
        self.0.config.load().upstream_status(text(upstream, "name"))
    }
}

impl Health for ProxyHealth {
    fn target<'a>(&'a self, upstream: &'a Fields, target: &'a Fields) -> BoxFuture<'a, TargetHealth> {
        Box::pin(async move {
            let (name, port) = split(text(target, "target"));
            let status = self.status(upstream);
            let checked = status.as_ref().is_some_and(|status| status.checked);
            let found =
                status.and_then(|status| status.targets.into_iter().find(|of| *of.name == *name && of.port == port));
            match found {
                None => TargetHealth { health: "DNS_ERROR", dns: "not in force".to_owned(), addresses: Vec::new() },
                Some(found) => TargetHealth {
                    health: found.health.as_str(),
                    dns: found.source.to_string(),
                    addresses: found.addresses.iter().map(|of| address(of, checked)).collect(),
                },
            }
        })
    }

    fn upstream<'a>(&'a self, upstream: &'a Fields) -> BoxFuture<'a, Option<BalancerHealth>> {
        Box::pin(async move {
            let status = self.status(upstream)?;
            let health = match (status.checked, status.healthy) {
                (false, _) => Verdict::ChecksOff,
                (true, true) => Verdict::Healthy,
                (true, false) => Verdict::Unhealthy,
            };
            Some(BalancerHealth { health: health.as_str(), details: details(&status) })
        })
    }

    fn set<'a>(
        &'a self,
        upstream: &'a Fields,
        target: &'a Fields,
        address: Option<&'a str>,
        healthy: bool,
    ) -> BoxFuture<'a, Result<(), HealthError>> {
        Box::pin(async move {
            let target = split(text(target, "target"));
            let address = address.map(split);
            // Without checks nothing has a state: any mark is taken and has no effect.
            if self.status(upstream).is_some_and(|status| !status.checked) {
                return Ok(());
            }
            let config = self.0.config.load();
            match config.mark_target(text(upstream, "name"), target, address, healthy) {
                Ok(()) | Err(MarkError::NoChecks) => Ok(()),
                // The reference tells all nodes, whether they have such an address or not.
                Err(MarkError::Unknown) if address.is_some() => Ok(()),
                Err(error) => Err(HealthError(error.to_string())),
            }
        })
    }
}

fn address(address: &AddressStatus, checked: bool) -> Address {
    let health = match (checked, address.healthy) {
        (false, _) => Verdict::ChecksOff,
        (true, true) => Verdict::Healthy,
        (true, false) => Verdict::Unhealthy,
    };
    Address {
        ip: address.name.to_string(),
        port: address.port,
        weight: address.weight.into(),
        healthy: address.healthy,
        health: health.as_str(),
    }
}

fn details(status: &GroupStatus) -> Value {
    let weights = |weights: &Weights| json!({ "total": weights.total, "available": weights.available, "unavailable": weights.unavailable });
    let hosts: Vec<Value> = status
        .targets
        .iter()
        .map(|target| {
            let addresses: Vec<Value> = target
                .addresses
                .iter()
                .map(|of| json!({ "ip": &*of.name, "port": of.port, "weight": of.weight, "healthy": of.healthy }))
                .collect();
            json!({
                "host": &*target.name,
                "port": target.port,
                "dns": &*target.source,
                "nodeWeight": target.node_weight,
                "weight": weights(&target.weight),
                "addresses": addresses,
            })
        })
        .collect();
    json!({ "healthy": status.healthy, "weight": weights(&status.weight), "hosts": hosts })
}

fn text<'a>(document: &'a Fields, field: &str) -> &'a str {
    document.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `host:port`, the host perhaps in brackets.
fn split(target: &str) -> (&str, u16) {
    let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
    (host, port.parse().unwrap_or(8000))
}
