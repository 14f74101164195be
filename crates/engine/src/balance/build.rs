//! From a group to its balancer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::ring::{self, Place};
use super::{Address, AddressState, Algorithm, Balancer, Group, Listener, Shared, Table, TargetEntry, wheel};

/// An address from one build to the next: target, address, port.
type Key = (Arc<str>, Arc<str>, u16);

impl Balancer {
    /// The first balancer of a group. `listener` goes on to those built from this one.
    pub fn new(group: &Group, listener: Option<Listener>, now: Instant) -> Arc<Self> {
        let shared = Shared { generation: AtomicU64::new(1), epoch: now, listener };
        Self::build(group, Arc::new(shared), &HashMap::new(), now)
    }

    /// The balancer of a changed group. Addresses that stay keep their health, latency and open requests.
    pub fn rebuild(&self, group: &Group, now: Instant) -> Arc<Self> {
        let states = self
            .addresses
            .iter()
            .map(|a| ((self.targets[a.target as usize].name.clone(), a.name.clone(), a.port), Arc::clone(&a.state)))
            .collect();
        Self::build(group, Arc::clone(&self.shared), &states, now)
    }

    fn build(group: &Group, shared: Arc<Shared>, states: &HashMap<Key, Arc<AddressState>>, now: Instant) -> Arc<Self> {
        let (targets, addresses, fresh) = entries(group, states);
        let mut balancer = Self {
            name: Arc::clone(&group.name),
            threshold: group.threshold,
            checks: group.checks.clone(),
            total_weight: addresses.iter().map(|a| u64::from(a.weight)).sum(),
            targets,
            addresses,
            table: Table::Ring { owners: Box::default() },
            shared,
            // Of generation 0, which is never the current one.
            usable: AtomicU64::new(0),
        };
        balancer.table = balancer.table_of(group);
        balancer.start_latencies(&fresh, now);
        Arc::new(balancer)
    }

    fn table_of<'a>(&'a self, group: &'a Group) -> Table {
        match group.algorithm {
            Algorithm::RoundRobin => {
                let weights: Vec<u32> = self.addresses.iter().map(|a| a.weight).collect();
                Table::Wheel { order: wheel::wheel(&weights, group.seed), position: AtomicU64::new(0) }
            }
            Algorithm::ConsistentHashing => {
                let place = |(index, address): (usize, &'a Address)| Place {
                    target: &group.targets[address.target as usize],
                    name: &address.name,
                    port: address.port,
                    weight: address.weight,
                    index: index as u32,
                };
                let places = self.addresses.iter().enumerate().map(place).collect();
                Table::Ring { owners: ring::ring(places, group.targets.len(), group.slots) }
            }
            Algorithm::LeastConnections => Table::Connections { position: AtomicU64::new(0) },
            Algorithm::Latency => Table::Latency { random: AtomicU64::new(group.seed) },
        }
    }

    /// New addresses start with the mean of all, so that they are neither flooded nor starved.
    fn start_latencies(&self, fresh: &[u32], now: Instant) {
        if !matches!(self.table, Table::Latency { .. }) || fresh.is_empty() {
            return;
        }
        let known: Vec<f32> = (0..self.addresses.len())
            .filter(|&i| self.is_available(i as u32))
            .map(|i| self.addresses[i].state.latency.mean())
            .collect();
        let mean = known.iter().sum::<f32>() / known.len().max(1) as f32;
        for &index in fresh {
            self.addresses[index as usize].state.latency.start(mean, self.shared.tick(now));
        }
    }
}

/// The tables of targets and addresses, and which of the addresses are new.
fn entries(group: &Group, states: &HashMap<Key, Arc<AddressState>>) -> (Vec<TargetEntry>, Vec<Address>, Vec<u32>) {
    let mut targets = Vec::with_capacity(group.targets.len());
    let mut addresses: Vec<Address> = Vec::new();
    let mut fresh = Vec::new();
    // Two targets of one name and different ports may share an address: it has one state.
    let mut created: HashMap<Key, Arc<AddressState>> = HashMap::new();
    for target in &group.targets {
        let start = addresses.len();
        for spec in &target.addresses {
            if addresses[start..].iter().any(|a| a.name == spec.name && a.port == spec.port) {
                continue;
            }
            let key = (target.name.clone(), spec.name.clone(), spec.port);
            let state = states.get(&key).map_or_else(
                || {
                    fresh.push(addresses.len() as u32);
                    Arc::clone(created.entry(key.clone()).or_default())
                },
                Arc::clone,
            );
            addresses.push(Address {
                name: spec.name.clone(),
                port: spec.port,
                weight: spec.weight,
                ips: spec.ips.clone(),
                target: targets.len() as u32,
                state,
            });
        }
        targets.push(TargetEntry {
            name: target.name.clone(),
            port: target.port,
            weight: target.weight,
            is_name: target.name.trim_matches(['[', ']']).parse::<IpAddr>().is_err(),
            source: target.source.clone(),
            range: start..addresses.len(),
        });
    }
    (targets, addresses, fresh)
}
