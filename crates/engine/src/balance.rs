//! Choosing an address of a group for one request.
//!
//! A [`Group`] (targets with weights and the addresses they resolved to) is built into an immutable [`Balancer`] once
//! per change and shared by all workers. What changes with every request (position, open requests, latency, health)
//! is in atomics, of which those that belong to an address outlive the next build for addresses that stay. Picking
//! takes no lock and allocates nothing.

mod build;
mod latency;
mod picked;
mod ring;
mod status;
mod wheel;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use smallvec::SmallVec;

use crate::health::{Checks, Health, Outcome};
use latency::Latency;
pub use picked::Picked;
pub use ring::hash;
pub(crate) use status::Probed;
pub use status::{AddressStatus, GroupStatus, MarkError, TargetStatus, Weights};

/// How an address is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// By turns, in proportion to the weights.
    RoundRobin,
    /// By a hash of something in the request: equal hashes get equal addresses.
    ConsistentHashing,
    /// The fewest open requests for its weight.
    LeastConnections,
    /// The lower of two random addresses' mean latencies.
    Latency,
}

/// An address a target resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpec {
    /// The address as text (IPv6 in brackets), or the host an SRV record names.
    pub name: Arc<str>,
    /// Where to connect.
    pub port: u16,
    /// Its share; 0: registered, but given nothing.
    pub weight: u32,
    /// The addresses behind the name, used by turns. None: not resolved, so not available.
    pub ips: SmallVec<[IpAddr; 1]>,
}

/// A named member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A host name or an address as text.
    pub name: Arc<str>,
    /// The configured port.
    pub port: u16,
    /// The configured weight.
    pub weight: u32,
    /// What it resolved to.
    pub addresses: Vec<AddressSpec>,
    /// Where the addresses are from (`A`, `SRV`), or why there are none.
    pub source: Arc<str>,
}

/// What a balancer is built from.
#[derive(Clone, Debug)]
pub struct Group {
    /// For log lines and events.
    pub name: Arc<str>,
    /// How an address is chosen.
    pub algorithm: Algorithm,
    /// Positions on the ring of consistent hashing; below 1000 counts as 1000, and so does more than 2^24.
    pub slots: u32,
    /// Per cent of the weight that must be available (more than that), else the whole group is not.
    pub threshold: f64,
    /// For the order of the wheel. The same seed gives the same order.
    pub seed: u64,
    /// The members, in the order they are to be listed.
    pub targets: Vec<Target>,
    /// None: nothing is ever unhealthy.
    pub checks: Option<Arc<Checks>>,
}

/// Why there is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too little of the group's weight is available.
    #[error("too few of the group's addresses are available")]
    Unhealthy,
    /// No address is available, or all have been tried.
    #[error("no address is available")]
    NoPeers,
}

/// An address changed its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEvent {
    /// The group's name.
    pub group: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The address's name.
    pub address: Arc<str>,
    /// The address's port.
    pub port: u16,
    /// The new state.
    pub healthy: bool,
}

/// Is told of every change of state, on the thread that found it out: it must not block.
pub type Listener = Arc<dyn Fn(&HealthEvent) + Send + Sync>;

/// The addresses already given to one request. Belongs to the balancer that filled it.
#[derive(Clone, Debug, Default)]
pub struct Tried(SmallVec<[u32; 6]>);

impl Tried {
    fn contains(&self, index: u32) -> bool {
        self.0.contains(&index)
    }
}

/// A group, ready to be picked from.
pub struct Balancer {
    name: Arc<str>,
    threshold: f64,
    checks: Option<Arc<Checks>>,
    targets: Vec<TargetEntry>,
    addresses: Vec<Address>,
    total_weight: u64,
    table: Table,
    shared: Arc<Shared>,
    /// Whether enough weight is available: bit 0, and above it the generation of health it was computed for.
    usable: AtomicU64,
}

/// What outlives a build.
struct Shared {
    /// Goes up with every change of an address's state.
    generation: AtomicU64,
    /// Zero of the clock of the latencies.
    epoch: Instant,
    listener: Option<Listener>,
}

struct TargetEntry {
    name: Arc<str>,
    port: u16,
    weight: u32,
    is_name: bool,
    source: Arc<str>,
    /// Its addresses in the balancer's list.
    range: std::ops::Range<usize>,
}

struct Address {
    name: Arc<str>,
    port: u16,
    weight: u32,
    ips: SmallVec<[IpAddr; 1]>,
    target: u32,
    state: Arc<AddressState>,
}

/// What is known of an address from one build to the next.
#[derive(Debug, Default)]
struct AddressState {
    health: Health,
    open: AtomicU32,
    turn: AtomicU32,
    latency: Latency,
}

enum Table {
    Wheel { order: Box<[u32]>, position: AtomicU64 },
    Ring { owners: Box<[u32]> },
    Connections { position: AtomicU64 },
    Latency { random: AtomicU64 },
}

impl Balancer {
    /// The group's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The group's checks.
    pub fn checks(&self) -> Option<&Arc<Checks>> {
        self.checks.as_ref()
    }

    /// Chooses an address for the first or, with what was `tried` before, the next attempt of a request.
    ///
    /// `hash` (see [`hash`]) is only looked at by consistent hashing, where none counts as that of nothing.
    pub fn pick(self: &Arc<Self>, hash: Option<u32>, tried: &mut Tried, now: Instant) -> Result<Picked, Unavailable> {
        if !self.is_usable() {
            return Err(Unavailable::Unhealthy);
        }
        let index = match &self.table {
            Table::Wheel { order, position } => self.next_on_wheel(order, position),
            Table::Ring { owners } => self.owner_on_ring(owners, hash),
            Table::Connections { position } => self.least_connections(position, tried),
            Table::Latency { random } => self.lower_latency(random, tried, now),
        }
        .ok_or(Unavailable::NoPeers)?;
        tried.0.push(index);
        Ok(Picked::new(Arc::clone(self), index))
    }

    /// Whether enough of the group's weight is available.
    pub fn is_usable(&self) -> bool {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let known = self.usable.load(Ordering::Relaxed);
        if known >> 1 == generation & (u64::MAX >> 1) {
            return known & 1 == 1;
        }
        let usable = self.weights().usable(self.threshold);
        self.usable.store((generation << 1) | u64::from(usable), Ordering::Relaxed);
        usable
    }

    fn next_on_wheel(&self, order: &[u32], position: &AtomicU64) -> Option<u32> {
        let size = order.len() as u64;
        // From one place on, whatever place others take meanwhile: so each address is looked at.
        let start = position.fetch_add(1, Ordering::Relaxed);
        let (skipped, index) = (0..size)
            .map(|step| (step, order[(start.wrapping_add(step) % size) as usize]))
            .find(|&(_, index)| self.is_available(index))?;
        if skipped > 0 {
            position.fetch_add(skipped, Ordering::Relaxed);
        }
        Some(index)
    }

    fn owner_on_ring(&self, owners: &[u32], hash: Option<u32>) -> Option<u32> {
        let size = owners.len();
        let start = hash.unwrap_or_else(|| ring::hash(b"")) as usize % size.max(1);
        // Downwards from the position, round the end once.
        let (below, above) = (owners.get(..=start)?, &owners[start + 1..]);
        below.iter().rev().chain(above.iter().rev()).copied().find(|&index| self.is_available(index))
    }

    fn least_connections(&self, position: &AtomicU64, tried: &mut Tried) -> Option<u32> {
        // Equals are taken by turns: every scan starts one further.
        let start = position.fetch_add(1, Ordering::Relaxed);
        self.least_loaded(start, tried).or_else(|| {
            // All have failed this request: they get their second chance.
            tried.0.clear();
            self.least_loaded(start, tried)
        })
    }

    fn least_loaded(&self, start: u64, tried: &Tried) -> Option<u32> {
        let size = self.addresses.len();
        let start = (start % (size.max(1) as u64)) as usize;
        let mut best: Option<(u64, u64, u32)> = None;
        for index in (start..size).chain(0..start).map(|i| i as u32) {
            if !self.is_available(index) || tried.contains(index) {
                continue;
            }
            let address = &self.addresses[index as usize];
            let load = u64::from(address.state.open.load(Ordering::Relaxed)) + 1;
            let weight = u64::from(address.weight);
            // load / weight < best load / best weight; both factors have at most 33 bits and 32 bits.
            let better =
                best.is_none_or(|(l, w, _)| u128::from(load) * u128::from(w) < u128::from(l) * u128::from(weight));
            if better {
                best = Some((load, weight, index));
            }
        }
        best.map(|(_, _, index)| index)
    }

    fn lower_latency(&self, random: &AtomicU64, tried: &Tried, now: Instant) -> Option<u32> {
        let all = || (0..self.addresses.len() as u32).filter(|&index| self.is_available(index));
        if all().nth(1).is_none() {
            // The only one is tried again and again.
            return all().next();
        }
        let open = || all().filter(|&index| !tried.contains(index));
        let count = open().count() as u64;
        if count < 2 {
            return open().next();
        }
        let word = splitmix(random.fetch_add(1, Ordering::Relaxed));
        let first = (word >> 32) % count;
        let second = (first + 1 + (word & 0xffff_ffff) % (count - 1)) % count;
        // Health may change between two walks, so that there are fewer than there were.
        let first = open().nth(first as usize).or_else(|| open().next())?;
        let second = open().nth(second as usize).unwrap_or(first);
        let tick = self.shared.tick(now);
        let score = |index: u32| {
            let address = &self.addresses[index as usize];
            address.state.latency.decayed(tick) / address.weight as f32
        };
        Some(if score(second) < score(first) { second } else { first })
    }

    fn is_available(&self, index: u32) -> bool {
        let address = &self.addresses[index as usize];
        address.weight > 0 && !address.ips.is_empty() && self.is_healthy(address)
    }

    fn is_healthy(&self, address: &Address) -> bool {
        self.checks.is_none() || address.state.health.is_healthy()
    }

    fn report(&self, index: u32, active: bool, outcome: Outcome) {
        let Some(checks) = &self.checks else { return };
        let thresholds = match (&checks.active, active) {
            (Some(active), true) => &active.thresholds,
            (None, true) => return,
            (_, false) => &checks.passive,
        };
        if let Some(healthy) = self.addresses[index as usize].state.health.report(thresholds, outcome) {
            self.changed(index, healthy);
        }
    }

    fn changed(&self, index: u32, healthy: bool) {
        self.shared.generation.fetch_add(1, Ordering::Release);
        let address = &self.addresses[index as usize];
        let event = HealthEvent {
            group: Arc::clone(&self.name),
            target: Arc::clone(&self.targets[address.target as usize].name),
            address: Arc::clone(&address.name),
            port: address.port,
            healthy,
        };
        let (group, target, name, port) = (&*event.group, &*event.target, &*event.address, event.port);
        if healthy {
            tracing::info!(group, target, address = name, port, "Address is healthy");
        } else {
            tracing::warn!(group, target, address = name, port, "Address is unhealthy");
        }
        if let Some(listener) = &self.shared.listener {
            listener(&event);
        }
    }
}

impl Shared {
    /// Hundredths of a second since the epoch; goes round after more than a year.
    fn tick(&self, now: Instant) -> u32 {
        (now.saturating_duration_since(self.epoch).as_millis() / 10) as u32
    }
}

impl fmt::Debug for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer")
            .field("name", &self.name)
            .field("addresses", &self.addresses.len())
            .finish_non_exhaustive()
    }
}

/// A well mixed word of a counter.
fn splitmix(seed: u64) -> u64 {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests;
