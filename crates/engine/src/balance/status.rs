//! What management interfaces ask of a balancer: its state, and setting an address's state by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Address, Balancer};
use crate::health::{Outcome, Verdict};

/// Weights of a group or target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// All.
    pub total: u64,
    /// Of healthy addresses.
    pub available: u64,
    /// Of unhealthy ones.
    pub unavailable: u64,
}

impl Weights {
    /// Whether more than `threshold` per cent are available.
    pub(super) fn usable(self, threshold: f64) -> bool {
        self.total > 0 && self.available as f64 / self.total as f64 * 100.0 > threshold
    }

    fn add(&mut self, weight: u32, healthy: bool) {
        let weight = u64::from(weight);
        self.total += weight;
        *(if healthy { &mut self.available } else { &mut self.unavailable }) += weight;
    }
}

/// The state of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Whether it is given traffic.
    pub healthy: bool,
    /// Whether anything checks it.
    pub checked: bool,
    /// Of all targets.
    pub weight: Weights,
    /// In the order of the group.
    pub targets: Vec<TargetStatus>,
}

/// The state of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// As configured.
    pub name: Arc<str>,
    /// As configured.
    pub port: u16,
    /// As configured.
    pub node_weight: u32,
    /// Where the addresses are from, or why there are none.
    pub source: Arc<str>,
    /// Of its addresses.
    pub weight: Weights,
    /// Healthy if one address is.
    pub health: Verdict,
    /// Those it resolved to.
    pub addresses: Vec<AddressStatus>,
}

/// The state of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressStatus {
    /// The address as text, or the host of an SRV record.
    pub name: Arc<str>,
    /// Where connections go.
    pub port: u16,
    /// Its share.
    pub weight: u32,
    /// Whether it is given traffic.
    pub healthy: bool,
}

/// Why a state could not be set by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// The group has no checks, so no states.
    #[error("the group has no health checks")]
    NoChecks,
    /// There is no such address.
    #[error("no such address in the group")]
    Unknown,
}

impl Balancer {
    /// The state of everything.
    pub fn status(&self) -> GroupStatus {
        let targets = self.targets.iter().map(|t| self.target_status(t)).collect();
        GroupStatus { healthy: self.is_usable(), checked: self.checks.is_some(), weight: self.weights(), targets }
    }

    /// Sets the state of one address of the target, or of all.
    pub fn mark(&self, target: &str, port: u16, address: Option<(&str, u16)>, healthy: bool) -> Result<(), MarkError> {
        if self.checks.is_none() {
            return Err(MarkError::NoChecks);
        }
        let mut found = false;
        for entry in self.targets.iter().filter(|t| &*t.name == target && t.port == port) {
            for index in entry.range.clone() {
                let candidate = &self.addresses[index];
                if address.is_some_and(|(name, port)| &*candidate.name != name || candidate.port != port) {
                    continue;
                }
                found = true;
                if candidate.state.health.set(healthy) {
                    self.changed(index as u32, healthy);
                }
            }
        }
        if found { Ok(()) } else { Err(MarkError::Unknown) }
    }

    pub(super) fn weights(&self) -> Weights {
        if self.checks.is_none() {
            return Weights { total: self.total_weight, available: self.total_weight, unavailable: 0 };
        }
        self.sum(&self.addresses)
    }

    fn sum(&self, addresses: &[Address]) -> Weights {
        let mut weights = Weights::default();
        for address in addresses {
            weights.add(address.weight, self.is_healthy(address));
        }
        weights
    }

    fn target_status(&self, target: &super::TargetEntry) -> TargetStatus {
        let addresses = &self.addresses[target.range.clone()];
        let health = if addresses.is_empty() {
            Verdict::DnsError
        } else if self.checks.is_none() {
            Verdict::ChecksOff
        } else if addresses.iter().any(|a| self.is_healthy(a)) {
            Verdict::Healthy
        } else {
            Verdict::Unhealthy
        };
        TargetStatus {
            name: target.name.clone(),
            port: target.port,
            node_weight: target.weight,
            source: target.source.clone(),
            weight: self.sum(addresses),
            health,
            addresses: addresses
                .iter()
                .map(|a| AddressStatus {
                    name: a.name.clone(),
                    port: a.port,
                    weight: a.weight,
                    healthy: self.is_healthy(a),
                })
                .collect(),
        }
    }
}

/// An address as a prober sees it.
#[derive(Clone, Debug)]
pub(crate) struct Probed {
    pub(crate) index: u32,
    pub(crate) socket: SocketAddr,
    pub(crate) target: Arc<str>,
}

impl Balancer {
    /// The addresses with weight that are in this state.
    pub(crate) fn probed(&self, healthy: bool) -> Vec<Probed> {
        let wanted = |a: &Address| a.weight > 0 && a.state.health.is_healthy() == healthy;
        (self.addresses.iter().enumerate())
            .filter(|(_, a)| wanted(a))
            .filter_map(|(index, a)| {
                let socket = SocketAddr::new(*a.ips.first()?, a.port);
                Some(Probed { index: index as u32, socket, target: self.targets[a.target as usize].name.clone() })
            })
            .collect()
    }

    /// Counts the result of a probe.
    pub(crate) fn probe_result(&self, index: u32, outcome: Outcome) {
        self.report(index, true, outcome);
    }
}
