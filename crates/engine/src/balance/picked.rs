//! The address a request was given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Address, Balancer, Table};
use crate::health::Outcome;

/// An address for one attempt. Dropping it ends the attempt: it counts as an open request until then.
#[derive(Debug)]
pub struct Picked {
    balancer: Arc<Balancer>,
    socket: SocketAddr,
    index: u32,
    counted: bool,
}

impl Picked {
    pub(super) fn new(balancer: Arc<Balancer>, index: u32) -> Self {
        let address = &balancer.addresses[index as usize];
        let ip = match address.ips.as_slice() {
            [only] => *only,
            several => several[address.state.turn.fetch_add(1, Ordering::Relaxed) as usize % several.len()],
        };
        let socket = SocketAddr::new(ip, address.port);
        let counted = matches!(balancer.table, Table::Connections { .. });
        if counted {
            address.state.open.fetch_add(1, Ordering::Relaxed);
        }
        Self { balancer, socket, index, counted }
    }

    /// Where to connect.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// The target's configured name: a host name or an address as text.
    pub fn target(&self) -> &Arc<str> {
        &self.balancer.targets[self.address().target as usize].name
    }

    /// The target's configured port.
    pub fn target_port(&self) -> u16 {
        self.balancer.targets[self.address().target as usize].port
    }

    /// The target's name if it is a host name: what a request to it says in Host.
    pub fn host_name(&self) -> Option<&Arc<str>> {
        let target = &self.balancer.targets[self.address().target as usize];
        target.is_name.then_some(&target.name)
    }

    /// The balancer it is from.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// Tells the passive health check how the attempt went.
    pub fn report(&self, outcome: Outcome) {
        self.balancer.report(self.index, false, outcome);
    }

    /// Ends a request that was answered after `latency` (connecting and waiting for the answer).
    pub fn done(self, latency: Duration, now: Instant) {
        if matches!(self.balancer.table, Table::Latency { .. }) {
            let tick = self.balancer.shared.tick(now);
            self.address().state.latency.observe(latency.as_secs_f32(), tick);
        }
    }

    fn address(&self) -> &Address {
        &self.balancer.addresses[self.index as usize]
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        if self.counted {
            self.address().state.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
