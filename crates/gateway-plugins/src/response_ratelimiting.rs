//! response-ratelimiting: upstreams say in their answers what a request costs.

mod counters;
mod schema;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Context, Definition, Environment, Headers, Phases, Plugin, RequestBody, ResponseHead,
};
use serde::Deserialize;
use serde_json::Value;

use crate::rate_limiting::period::Period;
use crate::text::Short;

use counters::{Counters, Entry, Scope};
pub(crate) use schema::schema;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct ResponseRateLimiting;

impl Definition for ResponseRateLimiting {
    fn name(&self) -> &'static str {
        "response-ratelimiting"
    }

    fn priority(&self) -> i32 {
        900
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        if config.policy != "local" {
            tracing::warn!(
                plugin = &*environment.plugin,
                policy = config.policy,
                "Rate limits are counted on each node by itself: there is no shared store"
            );
        }
        let by = match config.limit_by.as_deref() {
            None | Some("consumer") => By::Consumer,
            Some("credential") => By::Credential,
            Some("ip") => By::Address,
            Some(other) => return Err(format!("limit_by: {other} is unknown")),
        };
        Ok(Arc::new(Compiled {
            header: config.header_name.unwrap_or_else(|| "x-kong-limit".to_owned()),
            by,
            scope: environment.node.shared(Counters::default).scope(environment),
            block: config.block_on_first_violation,
            hide_headers: config.hide_client_headers,
            limits: config.limits.into_iter().map(|(name, periods)| Limit::new(name, &periods)).collect(),
            // Plugins at several places may see the same request.
            plugin: Arc::clone(&environment.plugin),
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    header_name: Option<String>,
    limit_by: Option<String>,
    policy: String,
    block_on_first_violation: bool,
    hide_client_headers: bool,
    limits: BTreeMap<String, BTreeMap<String, Option<f64>>>,
}

#[derive(Debug)]
struct Compiled {
    header: String,
    by: By,
    scope: Arc<Scope>,
    block: bool,
    hide_headers: bool,
    limits: Vec<Limit>,
    plugin: Arc<str>,
}

/// What is counted under one name.
#[derive(Debug)]
struct Limit {
    name: String,
    /// `X-RateLimit-Remaining-video`
    remaining_field: String,
    periods: Vec<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    period: Period,
    limit: f64,
    /// `X-RateLimit-Limit-video-day`
    limit_field: String,
    /// `X-RateLimit-Remaining-video-day`
    remaining_field: String,
}

impl Limit {
    fn new(name: String, periods: &BTreeMap<String, Option<f64>>) -> Self {
        const NAMES: [&str; 6] = ["second", "minute", "hour", "day", "month", "year"];
        let allowances = Period::ALL.into_iter().zip(NAMES).filter_map(|(period, word)| {
            // Larger ones are no limit, and would be long texts.
            let limit = periods.get(word).copied().flatten()?.min(1e15);
            let limit_field = format!("X-RateLimit-Limit-{name}-{word}");
            let remaining_field = format!("X-RateLimit-Remaining-{name}-{word}");
            Some(Allowance { period, limit, limit_field, remaining_field })
        });
        let periods = allowances.collect();
        Self { remaining_field: format!("X-RateLimit-Remaining-{name}"), name, periods }
    }

    /// What is left in the period where least is left; less than nothing when too much was used.
    fn left(&self, entry: &Entry, now: i64) -> f64 {
        let left = self.periods.iter().map(|allowance| allowance.limit - entry.used(allowance.period, now));
        left.fold(f64::INFINITY, f64::min)
    }
}

/// Whose requests are counted together. Where nobody is known the client's address stands in.
#[derive(Debug)]
enum By {
    /// Failing that, the credential.
    Consumer,
    Credential,
    Address,
}

impl By {
    fn identify(&self, context: &Context) -> Vec<u8> {
        let consumer = || context.consumer.as_ref().map(|consumer| consumer.id.as_bytes().to_vec());
        let credential = || context.credential.as_ref().map(|credential| credential.id.as_bytes().to_vec());
        let known = match self {
            Self::Consumer => consumer().or_else(credential),
            Self::Credential => credential(),
            Self::Address => None,
        };
        known.unwrap_or_else(|| Short::of(context.client.ip).as_bytes().to_vec())
    }
}

/// What the access phase saw, for the header filter.
#[derive(Debug)]
struct Seen {
    plugin: Arc<str>,
    now: i64,
    /// For each limit.
    entries: Vec<(Box<[u8]>, Entry)>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: true, body_filter: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let now = context.now_ms().div_euclid(1000);
        let caller = self.by.identify(context);
        let entries: Vec<_> = self
            .limits
            .iter()
            .map(|limit| {
                let key: Box<[u8]> = [&caller[..], &[0], limit.name.as_bytes()].concat().into();
                let entry = self.scope.look(&key);
                (key, entry)
            })
            .collect();
        for (limit, (_, entry)) in self.limits.iter().zip(&entries) {
            let left = limit.left(entry, now);
            if self.block && left == 0.0 {
                return Access::respond(Answer::error(429, format!("API rate limit exceeded for '{}'", limit.name)));
            }
            context.response_headers.set(&limit.remaining_field, Short::of(left).as_bytes());
        }
        context.keep(Seen { plugin: Arc::clone(&self.plugin), now, entries });
        Access::Continue
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        let Some(seen) = context.kept::<Seen>().filter(|seen| seen.plugin == self.plugin) else {
            return;
        };
        let costs = costs(&response.headers, &self.header);
        response.headers.remove(&self.header);
        let mut exceeded = false;
        for (limit, (_, entry)) in self.limits.iter().zip(&seen.entries) {
            let cost = costs.iter().rev().find(|(name, _)| *name == limit.name).map_or(0.0, |(_, cost)| *cost);
            for allowance in &limit.periods {
                let left = allowance.limit - entry.used(allowance.period, seen.now);
                exceeded |= left <= 0.0 && cost > 0.0;
                if !self.hide_headers {
                    let after = (left - cost).max(0.0);
                    response.headers.set(&allowance.limit_field, Short::of(allowance.limit).as_bytes());
                    response.headers.set(&allowance.remaining_field, Short::of(after).as_bytes());
                }
            }
        }
        if exceeded {
            response.status = 429;
            response.reason = None;
            response.headers.set("Content-Length", "0");
            context.keep(Refused);
            return;
        }
        for (limit, (key, _)) in self.limits.iter().zip(&seen.entries) {
            if let Some((_, cost)) = costs.iter().rev().find(|(name, cost)| *name == limit.name && *cost != 0.0) {
                self.scope.add(key, *cost, seen.now);
            }
        }
    }

    fn body_filter(&self, context: &mut Context, part: &mut Vec<u8>, _: bool) {
        if context.kept::<Refused>().is_some() {
            part.clear();
        }
    }
}

/// Marks an answer that the client does not get.
struct Refused;

/// `video=1, image=2` in all fields of this name: what an answer counts for. What is no number counts for nothing.
fn costs(headers: &Headers, field: &str) -> Vec<(String, f64)> {
    let lines = headers.get_all(field).filter_map(|line| std::str::from_utf8(line).ok());
    lines
        .flat_map(|line| line.split(','))
        .filter_map(|cost| {
            let (name, amount) = cost.split_once('=')?;
            let amount: f64 = amount.trim().parse().ok()?;
            (amount.abs() < 1e15).then(|| (name.trim().to_owned(), amount))
        })
        .collect()
}
