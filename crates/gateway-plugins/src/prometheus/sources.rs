//! The node's own numbers.

use std::fmt::Debug;
use std::sync::atomic::Ordering;

use gateway_proxy::pdk::Node;

use super::State;
use super::exposition::Text;

const HEALTH_STATES: [&str; 4] = ["healthchecks_off", "healthy", "unhealthy", "dns_error"];

/// Tells what the node knows besides requests. Asked whenever metrics are read.
pub trait Sources: Debug + Send + Sync + 'static {
    /// Connections of clients.
    fn connections(&self) -> Connections;

    /// Requests since the start.
    fn requests(&self) -> u64;

    /// Whether the store can be used.
    fn datastore_reachable(&self) -> bool;

    /// Entities in the store, `None` to leave them out.
    fn entities(&self) -> Option<u64> {
        None
    }

    /// Calls `each` for every address of every target of every upstream. A target without addresses is told once,
    /// with an empty address and the state `dns_error`.
    fn targets(&self, each: &mut dyn FnMut(TargetHealth<'_>));
}

/// Connections of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Accepted since the start.
    pub accepted: u64,
    /// Served since the start.
    pub handled: u64,
    /// Open.
    pub active: u64,
    /// Of these, those whose request is being read.
    pub reading: u64,
    /// Those that are being answered.
    pub writing: u64,
    /// Those that wait for a request.
    pub waiting: u64,
}

/// How an address of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetHealth<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// The target: `host:port`.
    pub target: &'a str,
    /// `ip:port`, or nothing.
    pub address: &'a str,
    /// `healthchecks_off`, `healthy`, `unhealthy` or `dns_error`.
    pub state: &'a str,
}

pub(super) fn write(node: &Node, state: &State, text: &mut Text) {
    text.metric("kong_node_info", "gauge", "Kong Node metadata information");
    text.value("kong_node_info", &[("node_id", &node.id), ("version", node.version)], 1);
    text.metric("kong_nginx_metric_errors_total", "counter", "Number of nginx-lua-prometheus errors");
    text.value("kong_nginx_metric_errors_total", &[], 0);
    let Some(sources) = state.sources.read().clone() else { return };

    let name = "kong_datastore_reachable";
    text.metric(name, "gauge", "Datastore reachable from Kong, 0 is unreachable");
    text.value(name, &[], u8::from(sources.datastore_reachable()));
    if let Some(entities) = sources.entities() {
        text.metric("kong_db_entities_total", "gauge", "Total number of Kong db entities");
        text.value("kong_db_entities_total", &[], entities);
    }
    let name = "kong_nginx_connections_total";
    let connections = sources.connections();
    text.metric(name, "gauge", "Number of connections by subsystem");
    for (kind, count) in [
        ("accepted", connections.accepted),
        ("active", connections.active),
        ("handled", connections.handled),
        ("reading", connections.reading),
        ("total", sources.requests()),
        ("waiting", connections.waiting),
        ("writing", connections.writing),
    ] {
        text.value(name, &[("node_id", &node.id), ("subsystem", "http"), ("state", kind)], count);
    }
    text.metric("kong_nginx_requests_total", "gauge", "Number of requests total");
    let labels = [("node_id", &*node.id), ("subsystem", "http")];
    text.value("kong_nginx_requests_total", &labels, sources.requests());
    // Dashboards have a panel for them.
    text.metric("kong_nginx_timers", "gauge", "Number of Nginx timers");
    for kind in ["pending", "running"] {
        text.value("kong_nginx_timers", &[("state", kind)], 0);
    }
    if state.upstream_health.load(Ordering::Relaxed) {
        write_health(&*sources, text);
    }
}

fn write_health(sources: &dyn Sources, text: &mut Text) {
    let name = "kong_upstream_target_health";
    text.metric(
        name,
        "gauge",
        "Health status of targets of upstream. States = healthchecks_off|healthy|unhealthy|dns_error, value is 1 \
         when state is populated.",
    );
    sources.targets(&mut |health| {
        for state in HEALTH_STATES {
            let labels = [
                ("upstream", health.upstream),
                ("target", health.target),
                ("address", health.address),
                ("state", state),
                ("subsystem", "http"),
            ];
            text.value(name, &labels, u8::from(state == health.state));
        }
    });
}
