//! What the node tells the collectors of metrics besides requests.

use std::sync::{Arc, Weak};

use engine::health::Verdict;
use engine::worker::Workers;
use gateway_plugins::prometheus::{Connections, Sources, TargetHealth};

use store::Backend;

use super::InForce;

/// The node's own numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) workers: Arc<Workers>,
    pub(super) in_force: InForce,
    /// Not kept open: the configuration in force leads back to here.
    pub(super) store: Weak<dyn Backend>,
}

impl Sources for Numbers {
    fn connections(&self) -> Connections {
        let counters = self.workers.counters();
        Connections {
            accepted: counters.accepted,
            handled: counters.handled,
            active: counters.active,
            reading: 0,
            writing: counters.busy,
            waiting: counters.active.saturating_sub(counters.busy),
        }
    }

    fn requests(&self) -> u64 {
        self.workers.counters().requests
    }

    fn datastore_reachable(&self) -> bool {
        self.store.upgrade().is_some_and(|store| store.reachable())
    }

    fn targets(&self, each: &mut dyn FnMut(TargetHealth<'_>)) {
        for (upstream, status) in self.in_force.config.load().upstreams() {
            for target in &status.targets {
                let name = format!("{}:{}", target.name, target.port);
                if target.addresses.is_empty() {
                    each(TargetHealth { upstream, target: &name, address: "", state: "dns_error" });
                }
                for of in &target.addresses {
                    let state = match (status.checked, of.healthy) {
                        (false, _) => Verdict::ChecksOff,
                        (true, true) => Verdict::Healthy,
                        (true, false) => Verdict::Unhealthy,
                    };
                    let address = format!("{}:{}", of.name, of.port);
                    let state = state.as_str().to_ascii_lowercase();
                    each(TargetHealth { upstream, target: &name, address: &address, state: &state });
                }
            }
        }
    }
}
