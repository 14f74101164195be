//! response-ratelimiting: upstreams say in their answers what a request costs.

mod counters;
mod schema;

#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Context, Definition, Environment, Headers, Phases, Plugin, RequestBody, ResponseHead,
};
use runtime::tasks::Tasks;
use serde::Deserialize;
use serde_json::Value;

use crate::rate_limiting::period::Period;
use crate::redis_server::Settings;
use crate::shared_counters::{Counter, Names, SharedCounters, Unavailable};
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
        let by = match config.limit_by.as_deref() {
            None | Some("consumer") => By::Consumer,
            Some("credential") => By::Credential,
            Some("ip") => By::Address,
            Some(other) => return Err(format!("limit_by: {other} is unknown")),
        };
        let policy = config.policy(environment)?;
        Ok(Arc::new(Compiled {
            header: config.header_name.unwrap_or_else(|| "x-kong-limit".to_owned()),
            by,
            policy,
            fault_tolerant: config.fault_tolerant,
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
    policy: Option<String>,
    fault_tolerant: bool,
    redis: Settings,
    block_on_first_violation: bool,
    hide_client_headers: bool,
    limits: BTreeMap<String, BTreeMap<String, Option<f64>>>,
}

impl Config {
    fn policy(&self, environment: &Environment) -> Result<Policy, String> {
        let node = &environment.node;
        let shared = |counters| {
            let names = Names::new("response-ratelimit", environment);
            Policy::Shared(Shared { counters, names, tasks: node.tasks.clone() })
        };
        match self.policy.as_deref() {
            None | Some("local") => Ok(Policy::Local(node.shared(Counters::default).scope(environment))),
            Some("cluster") => SharedCounters::database(node).map(shared),
            Some("redis") => SharedCounters::redis(&self.redis, node).map(shared),
            Some(other) => Err(format!("policy: {other} is unknown")),
        }
    }
}

#[derive(Debug)]
struct Compiled {
    header: String,
    by: By,
    policy: Policy,
    fault_tolerant: bool,
    block: bool,
    hide_headers: bool,
    limits: Vec<Limit>,
    plugin: Arc<str>,
}

/// Where answers are counted.
#[derive(Debug)]
enum Policy {
    /// On the node.
    Local(Arc<Scope>),
    /// By several nodes together.
    Shared(Shared),
}

#[derive(Debug)]
struct Shared {
    counters: SharedCounters,
    names: Names,
    tasks: Tasks,
}

impl Shared {
    /// The counters of a limit.
    fn name<'a>(&self, caller: &'a [u8], limit: &'a Limit, now: i64) -> impl Iterator<Item = Counter> {
        limit.periods.iter().map(move |allowance| {
            let period = allowance.period;
            self.names.counter(caller, period, period.start(now), Some(&limit.name))
        })
    }

    /// A caller's counters for each limit.
    async fn look(&self, caller: &[u8], limits: &[Limit], now: i64) -> Result<Vec<Entry>, Unavailable> {
        let counters: Vec<Counter> = limits.iter().flat_map(|limit| self.name(caller, limit, now)).collect();
        let mut values = self.counters.read(&counters).await?.into_iter();
        let entry = |limit: &Limit| {
            let periods = limit.periods.iter().map(|allowance| allowance.period);
            Entry::of(periods.zip(&mut values), now)
        };
        Ok(limits.iter().map(entry).collect())
    }

    /// Counts what the upstream said, without anybody waiting for it.
    fn add(&self, caller: &[u8], limit: &Limit, amount: f64, now: i64) {
        let counters = self.counters.clone();
        let names = self.name(caller, limit, now).collect();
        self.tasks.spawn_detached("response-ratelimiting", async move {
            // What is away is in the log.
            let _counted = counters.add(names, amount).await.is_ok();
        });
    }
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
        let allowances = Period::ALL.into_iter().filter_map(|period| {
            let word = period.word();
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
    caller: Vec<u8>,
    /// For each limit, if that was to be learned.
    entries: Option<Vec<Entry>>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: true, body_filter: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let now = context.now_ms().div_euclid(1000);
        let caller = self.by.identify(context);
        match &self.policy {
            Policy::Local(scope) => {
                let entries = self.limits.iter().map(|limit| scope.look(&local_key(&caller, limit))).collect();
                self.judge(Seen { plugin: Arc::clone(&self.plugin), now, caller, entries: Some(entries) }, context)
                    .map_or(Access::Continue, Access::Respond)
            }
            Policy::Shared(shared) => Access::Wait(Box::pin(async move {
                let entries = match shared.look(&caller, &self.limits, now).await {
                    Ok(entries) => Some(entries),
                    Err(Unavailable) if self.fault_tolerant => None,
                    Err(Unavailable) => return Some(Box::new(Answer::error(500, "An unexpected error occurred"))),
                };
                self.judge(Seen { plugin: Arc::clone(&self.plugin), now, caller, entries }, context)
            })),
        }
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        let Some(seen) = context.kept::<Seen>().filter(|seen| seen.plugin == self.plugin) else {
            return;
        };
        let costs = costs(&response.headers, &self.header);
        response.headers.remove(&self.header);
        let mut exceeded = false;
        for (limit, entry) in self.limits.iter().zip(seen.entries.iter().flatten()) {
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
        for limit in &self.limits {
            if let Some((_, cost)) = costs.iter().rev().find(|(name, cost)| *name == limit.name && *cost != 0.0) {
                match &self.policy {
                    Policy::Local(scope) => scope.add(&local_key(&seen.caller, limit), *cost, seen.now),
                    Policy::Shared(shared) => shared.add(&seen.caller, limit, *cost, seen.now),
                }
            }
        }
    }

    fn body_filter(&self, context: &mut Context, part: &mut Vec<u8>, _: bool) {
        if context.kept::<Refused>().is_some() {
            part.clear();
        }
    }
}

impl Compiled {
    /// Tells the client what is left, or refuses the request.
    fn judge(&self, seen: Seen, context: &mut Context) -> Option<Box<Answer>> {
        for (limit, entry) in self.limits.iter().zip(seen.entries.iter().flatten()) {
            let left = limit.left(entry, seen.now);
            if self.block && left == 0.0 {
                let refusal = format!("API rate limit exceeded for '{}'", limit.name);
                return Some(Box::new(Answer::error(429, refusal)));
            }
            context.response_headers.set(&limit.remaining_field, Short::of(left).as_bytes());
        }
        context.keep(seen);
        None
    }
}

/// Where a caller's counters for a limit are.
fn local_key(caller: &[u8], limit: &Limit) -> Box<[u8]> {
    [caller, &[0], limit.name.as_bytes()].concat().into()
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
