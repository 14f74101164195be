//! The health of targets: how the proxy of this node sees it, and what somebody says of it to all nodes.

use engine::balance::{AddressStatus, GroupStatus, Weights};
use engine::health::Verdict;
use futures_util::future::BoxFuture;
use gateway_model::error::Fields;
use gateway_proxy::TargetMark;
use serde_json::{Value, json};

use super::InForce;
use crate::admin::{Address, BalancerHealth, Health, SetHealthError, TargetHealth};
use crate::dao::Dao;

/// The health of targets as the proxy sees it.
#[derive(Clone, Debug)]
pub(super) struct ProxyHealth {
    in_force: InForce,
    dao: Dao,
}

impl ProxyHealth {
    pub(super) fn new(in_force: InForce, dao: Dao) -> Self {
        Self { in_force, dao }
    }

    fn status(&self, upstream: &Fields) -> Option<GroupStatus> {
        self.in_force.config.load().upstream_status(text(upstream, "name"))
    }
}

impl Health for ProxyHealth {
    fn target<'a>(&'a self, upstream: &'a Fields, target: &'a Fields) -> BoxFuture<'a, TargetHealth> {
        Box::pin(async move {
            let (name, port) = split(text(target, "target"));
            let status = self.status(upstream);
            let checked = status.as_ref().is_some_and(|status| status.checked);
            let found =
                status.and_then(|status| status.targets.into_iter().find(|of| *of.name == *name && of.port == port));
            match found {
                None => TargetHealth { health: "DNS_ERROR", dns: "not in force".to_owned(), addresses: Vec::new() },
                Some(found) => TargetHealth {
                    health: found.health.as_str(),
                    dns: found.source.to_string(),
                    addresses: found.addresses.iter().map(|of| address(of, checked)).collect(),
                },
            }
        })
    }

    fn upstream<'a>(&'a self, upstream: &'a Fields) -> BoxFuture<'a, Option<BalancerHealth>> {
        Box::pin(async move {
            let status = self.status(upstream)?;
            let health = match (status.checked, status.healthy) {
                (false, _) => Verdict::ChecksOff,
                (true, true) => Verdict::Healthy,
                (true, false) => Verdict::Unhealthy,
            };
            Some(BalancerHealth { health: health.as_str(), details: details(&status) })
        })
    }

    fn set<'a>(
        &'a self,
        upstream: &'a Fields,
        target: &'a Fields,
        address: Option<&'a str>,
        healthy: bool,
    ) -> BoxFuture<'a, Result<(), SetHealthError>> {
        Box::pin(async move {
            let status = self.status(upstream);
            // Without checks nothing has a state: any mark is taken and has no effect.
            if status.as_ref().is_some_and(|status| !status.checked) {
                return Ok(());
            }
            let (name, port) = split(text(target, "target"));
            let is_here = status.is_some_and(|status| {
                status.targets.iter().any(|of| *of.name == *name && of.port == port && !of.addresses.is_empty())
            });
            // All nodes are told of an address, whether this one has it or not.
            if address.is_none() && !is_here {
                return Err(SetHealthError::NoAddress);
            }
            let mark = TargetMark {
                upstream: text(upstream, "id").into(),
                target: text(target, "target").into(),
                address: address.map(Into::into),
                healthy,
                at: self.dao.clock().now(),
            };
            Ok(self.dao.mark(text(target, "id"), &mark).await?)
        })
    }
}

fn address(address: &AddressStatus, checked: bool) -> Address {
    let health = match (checked, address.healthy) {
        (false, _) => Verdict::ChecksOff,
        (true, true) => Verdict::Healthy,
        (true, false) => Verdict::Unhealthy,
    };
    Address {
        ip: address.name.to_string(),
        port: address.port,
        weight: address.weight.into(),
        healthy: address.healthy,
        health: health.as_str(),
    }
}

fn details(status: &GroupStatus) -> Value {
    let weights = |weights: &Weights| json!({ "total": weights.total, "available": weights.available, "unavailable": weights.unavailable });
    let hosts: Vec<Value> = status
        .targets
        .iter()
        .map(|target| {
            let addresses: Vec<Value> = target
                .addresses
                .iter()
                .map(|of| json!({ "ip": &*of.name, "port": of.port, "weight": of.weight, "healthy": of.healthy }))
                .collect();
            json!({
                "host": &*target.name,
                "port": target.port,
                "dns": &*target.source,
                "nodeWeight": target.node_weight,
                "weight": weights(&target.weight),
                "addresses": addresses,
            })
        })
        .collect();
    json!({ "healthy": status.healthy, "weight": weights(&status.weight), "hosts": hosts })
}

fn text<'a>(document: &'a Fields, field: &str) -> &'a str {
    document.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `host:port`, the host perhaps in brackets.
fn split(target: &str) -> (&str, u16) {
    let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
    (host, port.parse().unwrap_or(8000))
}
