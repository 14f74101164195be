//! What the node tells about itself.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::{Api, Call, body};
use crate::COMPATIBLE_VERSION;

const LOG_LEVELS: [&str; 8] = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];

/// Connections and requests of the proxy since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    pub accepted: u64,
    pub active: u64,
    pub handled: u64,
    pub reading: u64,
    pub waiting: u64,
    pub writing: u64,
    pub requests: u64,
}

/// A shared table of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMemory {
    pub name: &'static str,
    /// Bytes.
    pub capacity: u64,
    /// Bytes.
    pub allocated: u64,
}

/// The memory of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LuaMemory {
    pub pid: u32,
    /// Bytes.
    pub allocated: u64,
}

/// What only the node knows.
pub trait Node: Send + Sync + fmt::Debug {
    /// The machine's name.
    fn hostname(&self) -> String;
    /// The node's id, a UUID.
    fn id(&self) -> String;
    /// All settings by name, secrets masked.
    fn configuration(&self) -> Map<String, Value>;
    /// Connections of the proxy.
    fn connections(&self) -> Connections;
    /// Memory of workers.
    fn workers(&self) -> Vec<LuaMemory>;
    /// Tables shared by workers.
    fn shared_memory(&self) -> Vec<SharedMemory>;
    /// Tasks that wait and that run, those of timers.
    fn timers(&self) -> (u64, u64);
    /// The hash of the configuration of a node without a database.
    fn configuration_hash(&self) -> Option<String>;
    /// Whether the store can be used.
    fn database_reachable(&self) -> bool;
    /// The level of the log.
    fn log_level(&self) -> String;
    /// Changes the level of the log, for `timeout` seconds or, with 0, until it is changed again.
    fn set_log_level(&self, level: &str, timeout: u64);
    /// Metrics as text, when some plugin collects them.
    fn metrics(&self) -> Option<String>;
}

/// A node that does nothing, for tests and for looking at the Admin API alone.
#[derive(Debug)]
pub struct StaticNode {
    id: String,
    /// The level, and until when it counts.
    level: parking_lot::Mutex<(String, Option<Instant>)>,
}

const USUAL_LEVEL: &str = "notice";

impl Default for StaticNode {
    fn default() -> Self {
        Self { id: uuid::Uuid::new_v4().to_string(), level: parking_lot::Mutex::new((USUAL_LEVEL.to_owned(), None)) }
    }
}

impl Node for StaticNode {
    fn hostname(&self) -> String {
        "localhost".to_owned()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn configuration(&self) -> Map<String, Value> {
        Map::from_iter([("database".to_owned(), json!("sqlite"))])
    }

    fn connections(&self) -> Connections {
        Connections::default()
    }

    fn workers(&self) -> Vec<LuaMemory> {
        vec![LuaMemory { pid: std::process::id(), allocated: 0 }]
    }

    fn shared_memory(&self) -> Vec<SharedMemory> {
        SHARED_MEMORY.map(|(name, capacity)| SharedMemory { name, capacity, allocated: 0 }).to_vec()
    }

    fn timers(&self) -> (u64, u64) {
        (0, 0)
    }

    fn configuration_hash(&self) -> Option<String> {
        None
    }

    fn database_reachable(&self) -> bool {
        true
    }

    fn log_level(&self) -> String {
        let mut level = self.level.lock();
        if level.1.is_some_and(|end| end <= Instant::now()) {
            *level = (USUAL_LEVEL.to_owned(), None);
        }
        level.0.clone()
    }

    fn set_log_level(&self, level: &str, timeout: u64) {
        let end = (timeout > 0).then(|| Instant::now().checked_add(Duration::from_secs(timeout))).flatten();
        *self.level.lock() = (level.to_owned(), end);
    }

    fn metrics(&self) -> Option<String> {
        None
    }
}

/// The tables that `/status` names, and their usual size in bytes. Dashboards look for them.
pub const SHARED_MEMORY: [(&str, u64); 11] = [
    ("kong", 5 << 20),
    ("kong_locks", 8 << 20),
    ("kong_healthchecks", 5 << 20),
    ("kong_cluster_events", 5 << 20),
    ("kong_rate_limiting_counters", 12 << 20),
    ("kong_core_db_cache", 128 << 20),
    ("kong_core_db_cache_miss", 12 << 20),
    ("kong_db_cache", 128 << 20),
    ("kong_db_cache_miss", 12 << 20),
    ("kong_secrets", 5 << 20),
    ("prometheus_metrics", 5 << 20),
];

impl Api {
    /// `/`
    pub(super) async fn root(&self) -> Result<Answer, Answer> {
        let node = &self.parts.node;
        let dao = &self.parts.dao;
        let available: Map<String, Value> = dao
            .registry()
            .plugins()
            .map(|plugin| {
                let version = plugin.own_version().unwrap_or(COMPATIBLE_VERSION);
                (plugin.name().to_owned(), json!({ "version": version, "priority": plugin.priority() }))
            })
            .collect();
        let (pending, running) = node.timers();
        let workers: Vec<u32> = node.workers().iter().map(|worker| worker.pid).collect();
        let mut configuration = node.configuration();
        let loaded: Map<String, Value> = available.keys().map(|name| (name.clone(), json!(true))).collect();
        configuration.insert("loaded_plugins".to_owned(), Value::Object(loaded));
        configuration.insert("loaded_vaults".to_owned(), json!({ "env": true }));
        configuration.insert("log_level".to_owned(), node.log_level().into());
        Ok(Answer::ok(json!({
            "version": COMPATIBLE_VERSION,
            "tagline": "Welcome to kong",
            "edition": "community",
            "hostname": node.hostname(),
            "node_id": node.id(),
            "lua_version": "LuaJIT 2.1.0-20231117.1",
            "pids": { "master": std::process::id(), "workers": workers },
            "timers": { "running": running, "pending": pending },
            "plugins": { "available_on_server": available, "enabled_in_cluster": dao.used_plugins().await? },
            "configuration": configuration,
        })))
    }

    /// `/status`
    pub(super) fn status(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let unit = Unit::read(call.query.get("unit").unwrap_or("m"), call.query.get("scale"))?;
        status(&*self.parts.node, unit)
    }

    /// `/timers`
    pub(super) fn timers(&self) -> Answer {
        let (pending, running) = self.parts.node.timers();
        Answer::ok(json!({
            "worker": { "id": 0, "count": self.parts.node.workers().len() },
            "stats": {
                "flamegraph": { "running": "", "elapsed_time": "", "pending": "" },
                "sys": { "total": running + pending, "runs": 0, "running": running, "pending": pending, "waiting": 0 },
                "timers": {},
            },
        }))
    }

    /// `/debug/node/log-level/{log_level}` and the cluster's
    pub(super) fn set_log_level(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        const USUAL_TIMEOUT: f64 = 60.0;
        if self.parts.dao.is_read_only() {
            return Err(Answer::message(405, "cannot change log level when not using a database"));
        }
        let mut given = call.query.fields();
        given.extend(body::document(call.headers, &call.body, None, None)?);
        let timeout = match given.get("timeout") {
            None | Some(Value::Null) => USUAL_TIMEOUT,
            Some(Value::String(text)) => text.parse().unwrap_or(USUAL_TIMEOUT),
            Some(value) => value.as_f64().unwrap_or(USUAL_TIMEOUT),
        };
        let level = call.segment(0);
        if !LOG_LEVELS.contains(&level) {
            return Err(Answer::message(400, format!("unknown log level: {level}")));
        }
        // A part of a second is a whole one.
        let timeout = timeout.ceil();
        if timeout < 0.0 {
            return Err(Answer::message(400, "timeout must be greater than or equal to 0"));
        }
        if self.parts.node.log_level() == level {
            return Ok(Answer::message(200, format!("log level is already {level}")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative and saturates"
        )]
        self.parts.node.set_log_level(level, timeout as u64);
        Ok(Answer::message(200, "log level changed"))
    }
}

/// How bytes are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    name: char,
    decimals: usize,
}

impl Unit {
    fn read(unit: &str, scale: Option<&str>) -> Result<Self, Answer> {
        const MOST_DECIMALS: f64 = 20.0;
        let name = match unit {
            "b" | "B" => 'b',
            "k" | "K" => 'k',
            "m" | "M" => 'm',
            "g" | "G" => 'g',
            other => {
                let text = format!("invalid unit '{other}' (expected 'k/K', 'm/M', or 'g/G')");
                return Err(Answer::message(400, text));
            }
        };
        let scale = scale.and_then(|scale| scale.parse::<f64>().ok()).unwrap_or(2.0);
        if scale < 0.0 {
            return Err(Answer::message(400, "scale must be equal or greater than 0"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small and not negative")]
        let decimals = scale.min(MOST_DECIMALS) as usize;
        Ok(Self { name, decimals })
    }

    fn show(self, bytes: u64) -> Value {
        let (shift, suffix) = match self.name {
            'b' => return bytes.into(),
            'k' => (10, "KiB"),
            'g' => (30, "GiB"),
            _ => (20, "MiB"),
        };
        let value = bytes as f64 / f64::from(1u32 << shift);
        format!("{value:.*} {suffix}", self.decimals).into()
    }
}

/// The answer of `/status`, which the status listener has too.
pub(super) fn status(node: &dyn Node, unit: Unit) -> Result<Answer, Answer> {
    let workers = node
        .workers()
        .into_iter()
        .map(|worker| json!({ "pid": worker.pid, "http_allocated_gc": unit.show(worker.allocated) }));
    let shared = node.shared_memory().into_iter().map(|table| {
        let size = json!({ "capacity": unit.show(table.capacity), "allocated_slabs": unit.show(table.allocated) });
        (table.name.to_owned(), size)
    });
    let connections = node.connections();
    let mut answer = json!({
        "memory": {
            "workers_lua_vms": workers.collect::<Vec<_>>(),
            "lua_shared_dicts": shared.collect::<Map<_, _>>(),
        },
        "server": {
            "connections_accepted": connections.accepted,
            "connections_active": connections.active,
            "connections_handled": connections.handled,
            "connections_reading": connections.reading,
            "connections_waiting": connections.waiting,
            "connections_writing": connections.writing,
            "total_requests": connections.requests,
        },
    });
    match node.configuration_hash() {
        Some(hash) => answer["configuration_hash"] = hash.into(),
        None => answer["database"] = json!({ "reachable": node.database_reachable() }),
    }
    Ok(Answer::ok(answer))
}
