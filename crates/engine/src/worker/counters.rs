//! Counters of a worker: written by one thread, read by any.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sums over all workers at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections accepted and not closed at once for the limit's sake.
    pub handled: u64,
    /// Open connections.
    pub active: u64,
    /// Requests read.
    pub requests: u64,
    /// Connections on which a request is being answered.
    pub busy: u64,
    /// Connections made to upstreams.
    pub connects: u64,
}

#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    pub(crate) accepted: Counter,
    pub(crate) handled: Counter,
    pub(crate) active: Counter,
    pub(crate) requests: Counter,
    pub(crate) busy: Counter,
    pub(crate) connects: Counter,
}

impl WorkerCounters {
    pub(crate) fn add_to(&self, sums: &mut Counters) {
        sums.accepted += self.accepted.get();
        sums.handled += self.handled.get();
        sums.active += self.active.get();
        sums.requests += self.requests.get();
        sums.busy += self.busy.get();
        sums.connects += self.connects.get();
    }
}

/// A number that one thread changes; so a plain load and store do, without a locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn up(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
