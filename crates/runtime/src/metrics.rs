//! Metrics in the text format of Prometheus.

mod process;

use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The type of what [`Metrics::render`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a process or of one control plane in it; clones share them.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// Without any metric.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what the operating system knows about this process: CPU time, memory, open files.
    pub fn register_process(&self) {
        self.0.lock().register_collector(Box::new(process::Collector));
    }

    /// Adds metrics: `metrics.register(|registry| registry.register("acks", "...", acks.clone()))`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.0.lock());
    }

    /// The current values, as [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.lock()).expect("a String takes every write");
        text
    }

    /// The answer to `GET /metrics`.
    pub fn response(&self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.render()).into_response()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn clones_share_what_is_rendered() {
        let metrics = Metrics::new();
        let acks = Counter::<u64>::default();
        metrics.clone().register(|registry| registry.register("acks", "Accepted responses", acks.clone()));
        acks.inc_by(3);
        let text = metrics.render();
        assert!(text.contains("acks_total 3"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_process_is_described() {
        let metrics = Metrics::new();
        metrics.register_process();
        let text = metrics.render();
        for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds "] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{name}{value}");
        }
    }
}
