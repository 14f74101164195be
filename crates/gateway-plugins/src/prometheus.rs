//! prometheus: how many requests there were, how long they took and how large they were.
//!
//! Requests add to atomic numbers that each worker finds in a map of its own; the lists of all series are only locked
//! when a worker meets a new one, and when they are read.

mod exposition;
mod schema;
mod series;
mod sources;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_proxy::pdk::{Context, Definition, Environment, Node, Outcome, Phases, Plugin};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use schema::schema;
use series::Series;
pub use sources::{Connections, Sources, TargetHealth};

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Prometheus;

impl Definition for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn priority(&self) -> i32 {
        13
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let state = state(&environment.node);
        if config.upstream_health_metrics == Some(true) {
            state.upstream_health.store(true, Ordering::Relaxed);
        }
        let wanted = Wanted {
            statuses: config.status_code_metrics == Some(true),
            latencies: config.latency_metrics == Some(true),
            bandwidth: config.bandwidth_metrics == Some(true),
            consumers: config.per_consumer == Some(true),
        };
        Ok(Arc::new(Compiled { wanted, state }))
    }
}

#[derive(Deserialize)]
struct Config {
    per_consumer: Option<bool>,
    status_code_metrics: Option<bool>,
    latency_metrics: Option<bool>,
    bandwidth_metrics: Option<bool>,
    upstream_health_metrics: Option<bool>,
}

/// What a plugin counts.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    statuses: bool,
    latencies: bool,
    bandwidth: bool,
    consumers: bool,
}

/// What the node knows, whatever plugins there are.
#[derive(Default)]
struct State {
    upstream_health: AtomicBool,
    sources: RwLock<Option<Arc<dyn Sources>>>,
    series: Arc<Series>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("upstream_health", &self.upstream_health).finish_non_exhaustive()
    }
}

fn state(node: &Node) -> Arc<State> {
    node.shared(State::default)
}

#[derive(Debug)]
struct Compiled {
    wanted: Wanted,
    state: Arc<State>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        let Wanted { statuses, latencies, bandwidth, .. } = self.wanted;
        Phases { log: statuses || latencies || bandwidth, ..Phases::default() }
    }

    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        series::count(&self.state.series, self.wanted, context, outcome);
    }
}

/// Where the node's own numbers come from; until this is called they are left out.
pub fn set_sources(node: &Node, sources: Arc<dyn Sources>) {
    *state(node).sources.write() = Some(sources);
}

/// All metrics in the text format, `text/plain; version=0.0.4`: those of the node, and of requests what plugins counted.
pub fn metrics(node: &Node) -> String {
    let state = state(node);
    let mut text = exposition::Text::default();
    sources::write(node, &state, &mut text);
    state.series.write(&mut text);
    text.finish()
}
