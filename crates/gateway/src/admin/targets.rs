//! Targets of upstreams and their health.

use std::fmt;

use futures_util::future::BoxFuture;
use gateway_model::error::{DaoError, Fields};
use serde_json::{Value, json};

use super::answer::Answer;
use super::crud::{into_fields, list};
use super::{Api, Call};
use crate::dao::{Page, PageQuery};

/// What the balancer of an upstream knows of its targets.
pub trait Health: Send + Sync + fmt::Debug {
    /// The state of a target; `target` is its document.
    fn target<'a>(&'a self, upstream: &'a Fields, target: &'a Fields) -> BoxFuture<'a, TargetHealth>;

    /// The state of an upstream as a whole; none when it has no balancer.
    fn upstream<'a>(&'a self, upstream: &'a Fields) -> BoxFuture<'a, Option<BalancerHealth>>;

    /// Says of a target, or of one of its addresses (`ip:port`), how it is from now on.
    fn set<'a>(
        &'a self,
        upstream: &'a Fields,
        target: &'a Fields,
        address: Option<&'a str>,
        healthy: bool,
    ) -> BoxFuture<'a, Result<(), SetHealthError>>;
}

/// Why health cannot be set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetHealthError {
    /// The target leads nowhere at present.
    #[error("no such address in the group")]
    NoAddress,
    /// It cannot be written down.
    #[error(transparent)]
    Dao(#[from] DaoError),
}

/// The state of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetHealth {
    /// `HEALTHY`, `UNHEALTHY`, `HEALTHCHECKS_OFF` or `DNS_ERROR`.
    pub health: &'static str,
    /// What its name led to: a kind of DNS record, or an error.
    pub dns: String,
    /// What its name led to.
    pub addresses: Vec<Address>,
}

/// An address of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub ip: String,
    pub port: u16,
    pub weight: u64,
    pub healthy: bool,
    /// As in [`TargetHealth::health`].
    pub health: &'static str,
}

/// The state of an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct BalancerHealth {
    /// As in [`TargetHealth::health`].
    pub health: &'static str,
    /// What is shown as `details`.
    pub details: Value,
}

/// Of a node without a proxy: nothing is known, and everything can be set.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHealth;

impl Health for NoHealth {
    fn target<'a>(&'a self, _upstream: &'a Fields, _target: &'a Fields) -> BoxFuture<'a, TargetHealth> {
        Box::pin(async { TargetHealth { health: "HEALTHCHECKS_OFF", dns: String::new(), addresses: Vec::new() } })
    }

    fn upstream<'a>(&'a self, _upstream: &'a Fields) -> BoxFuture<'a, Option<BalancerHealth>> {
        Box::pin(async { None })
    }

    fn set<'a>(
        &'a self,
        _upstream: &'a Fields,
        _target: &'a Fields,
        _address: Option<&'a str>,
        _healthy: bool,
    ) -> BoxFuture<'a, Result<(), SetHealthError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Api {
    /// `/upstreams/{upstreams}/targets`: the newest first
    pub(super) async fn targets(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let owner = self.owner(call, self.entity("upstreams")).await?;
        if !call.reads() {
            let entity = self.entity("targets");
            let mut given = self.given(call, entity, None)?;
            given.insert("upstream".to_owned(), json!({ "id": owner }));
            return Ok(Answer::json(201, self.parts.dao.insert(entity, given).await?.into()));
        }
        let page = self.newest(call, &owner).await?;
        Ok(Answer::ok(list(call, page, "")))
    }

    /// `/upstreams/{upstreams}/targets/all`: in the order of ids
    pub(super) async fn all_targets(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let owner = self.owner(call, self.entity("upstreams")).await?;
        let parent = Some(("upstreams", owner));
        let query = PageQuery { size: call.query.size()?, offset: call.query.offset(), tags: None, parent };
        let page = self.parts.dao.page(self.entity("targets"), query).await?;
        Ok(Answer::ok(list(call, page, "")))
    }

    /// `/upstreams/{upstreams}/targets/{targets}`; replacing one is changing it
    pub(super) async fn target(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let owner = self.owner(call, self.entity("upstreams")).await?;
        let target = self.parts.dao.target(&owner, call.segment(1)).await?.ok_or_else(Answer::not_found)?;
        self.existing(call, self.entity("targets"), target, None).await
    }

    /// `/upstreams/{upstreams}/health`
    pub(super) async fn upstream_health(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let owner = self.owner(call, self.entity("upstreams")).await?;
        let upstream = self.upstream(&owner).await?;
        let health = &self.parts.health;
        let node_id = Value::from(self.parts.node.id());
        if call.query.get("balancer_health") == Some("1") {
            let state = health.upstream(&upstream).await;
            let state = state.unwrap_or(BalancerHealth { health: "HEALTHCHECKS_OFF", details: json!({}) });
            let data = json!({
                "id": owner,
                "health": state.health,
                "balancer_health": state.health,
                "details": state.details,
            });
            return Ok(Answer::ok(json!({ "data": data, "next": null, "node_id": node_id })));
        }
        let mut page = self.newest(call, &owner).await?;
        for target in &mut page.rows {
            let state = health.target(&upstream, target).await;
            target.extend(shown(&state, target));
        }
        let mut answer = into_fields(list(call, page, ""));
        answer.insert("node_id".to_owned(), node_id);
        Ok(Answer::ok(answer.into()))
    }

    /// `/upstreams/{upstreams}/targets/{targets}/healthy` and its like
    pub(super) async fn set_health(&self, call: &Call<'_>, healthy: bool) -> Result<Answer, Answer> {
        let owner = self.owner(call, self.entity("upstreams")).await?;
        let target = self.parts.dao.target(&owner, call.segment(1)).await?.ok_or_else(Answer::not_found)?;
        let upstream = self.upstream(&owner).await?;
        let address = call.segments.get(2).map(String::as_str);
        let done = self.parts.health.set(&upstream, &target, address, healthy).await;
        done.map_err(|error| match error {
            SetHealthError::NoAddress => Answer::message(400, error.to_string()),
            SetHealthError::Dao(error) => error.into(),
        })?;
        Ok(Answer::empty(204))
    }

    async fn upstream(&self, id: &str) -> Result<Fields, Answer> {
        let by = crate::dao::By::Id(id);
        self.parts.dao.select(self.entity("upstreams"), by).await?.ok_or_else(Answer::not_found)
    }

    /// A part of the targets, the newest first; the offset is how many came before.
    async fn newest(&self, call: &Call<'_>, upstream: &str) -> Result<Page, Answer> {
        let size = call.query.size()?;
        let start = match call.query.offset() {
            Some(offset) => {
                offset.parse::<usize>().map_err(|_| DaoError::InvalidOffset { offset, reason: "bad offset string" })?
            }
            None => 0,
        };
        let targets = self.parts.dao.targets(upstream).await?;
        let end = start.saturating_add(size);
        let offset = (end < targets.len()).then(|| end.to_string());
        let rows = targets.into_iter().skip(start).take(size).collect();
        Ok(Page { rows, offset })
    }
}

/// What health adds to a target.
fn shown(state: &TargetHealth, target: &Fields) -> Fields {
    let address = target.get("target").and_then(Value::as_str).unwrap_or_default();
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let (mut available, mut unavailable) = (0, 0);
    for address in &state.addresses {
        let weight = if address.healthy { &mut available } else { &mut unavailable };
        *weight += address.weight;
    }
    let addresses: Vec<Value> = state
        .addresses
        .iter()
        .map(|each| json!({ "ip": each.ip, "port": each.port, "weight": each.weight, "health": each.health }))
        .collect();
    let data = json!({
        "host": host,
        "port": port.parse::<u16>().ok(),
        "dns": state.dns,
        "nodeWeight": target.get("weight"),
        "weight": { "total": available + unavailable, "available": available, "unavailable": unavailable },
        "addresses": addresses,
    });
    into_fields(json!({ "health": state.health, "data": data }))
}
