//! rate-limiting: so many requests in a second, minute, hour, day, month or year.

mod counters;
pub(crate) mod period;
mod schema;
mod shared;
mod synced;

#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{Access, Answer, Context, Definition, Environment, Headers, Phases, Plugin, RequestBody};
use gateway_router::path::normalize;
use serde::Deserialize;
use serde_json::Value;
use smallvec::SmallVec;

use crate::redis_server::Settings;
use crate::shared_counters::Unavailable;
use crate::text::Short;

use counters::{Counters, Limit, Scope, Verdict};
use period::Period;
pub(crate) use schema::schema;
use shared::Shared;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct RateLimiting;

impl Definition for RateLimiting {
    fn name(&self) -> &'static str {
        "rate-limiting"
    }

    fn priority(&self) -> i32 {
        910
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let limits = Period::ALL.into_iter().filter_map(|period| {
            // Larger ones are no limit, and would be long texts.
            let limit = config.limit(period)?.min(1e15);
            Some(Limit { period, limit })
        });
        Ok(Arc::new(Compiled {
            limits: limits.collect(),
            by: config.by()?,
            policy: config.policy(environment)?,
            fault_tolerant: config.fault_tolerant,
            hide_headers: config.hide_client_headers,
            status: crate::error_status(config.error_code.unwrap_or(429.0)),
            message: config.error_message.unwrap_or_default(),
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    second: Option<f64>,
    minute: Option<f64>,
    hour: Option<f64>,
    day: Option<f64>,
    month: Option<f64>,
    year: Option<f64>,
    limit_by: Option<String>,
    header_name: Option<String>,
    path: Option<String>,
    policy: Option<String>,
    sync_rate: f64,
    fault_tolerant: bool,
    redis: Settings,
    hide_client_headers: bool,
    error_code: Option<f64>,
    error_message: Option<String>,
}

impl Config {
    fn limit(&self, period: Period) -> Option<f64> {
        match period {
            Period::Second => self.second,
            Period::Minute => self.minute,
            Period::Hour => self.hour,
            Period::Day => self.day,
            Period::Month => self.month,
            Period::Year => self.year,
        }
    }

    fn policy(&self, environment: &Environment) -> Result<Policy, String> {
        match self.policy.as_deref() {
            None | Some("local") => Ok(Policy::Local(environment.node.shared(Counters::default).scope(environment))),
            Some("cluster") => Shared::database(environment).map(Policy::Shared),
            Some("redis") => Shared::redis(&self.redis, self.sync_rate, environment).map(Policy::Shared),
            Some(other) => Err(format!("policy: {other} is unknown")),
        }
    }

    fn by(&self) -> Result<By, String> {
        let needed = |value: &Option<String>, field| value.clone().ok_or_else(|| format!("{field}: required"));
        match self.limit_by.as_deref() {
            None | Some("consumer") => Ok(By::Consumer),
            Some("credential") => Ok(By::Credential),
            Some("ip") => Ok(By::Address),
            Some("service") => Ok(By::Service),
            Some("header") => needed(&self.header_name, "header_name").map(|name| By::Header(name.replace('_', "-"))),
            Some("path") => needed(&self.path, "path").map(By::Path),
            Some(other) => Err(format!("limit_by: {other} is unknown")),
        }
    }
}

#[derive(Debug)]
struct Compiled {
    limits: SmallVec<[Limit; 6]>,
    by: By,
    policy: Policy,
    fault_tolerant: bool,
    hide_headers: bool,
    /// `None` if what is configured cannot stand for an error.
    status: Option<u16>,
    message: String,
}

/// Where requests are counted.
#[derive(Debug)]
enum Policy {
    /// On the node.
    Local(Arc<Scope>),
    /// By several nodes together.
    Shared(Shared),
}

/// What requests are counted by. Where it is missing the client's address stands in.
#[derive(Debug)]
enum By {
    /// Failing that, the credential.
    Consumer,
    Credential,
    Address,
    Service,
    Header(String),
    /// All requests for this path together.
    Path(String),
}

impl By {
    fn identify<'a>(&'a self, context: &'a Context) -> Option<&'a [u8]> {
        let consumer = || context.consumer.as_ref().map(|consumer| consumer.id.as_bytes());
        let credential = || context.credential.as_ref().map(|credential| credential.id.as_bytes());
        match self {
            Self::Consumer => consumer().or_else(credential),
            Self::Credential => credential(),
            Self::Address => None,
            Self::Service => context.service.as_ref().map(|service| service.id.as_bytes()),
            Self::Header(name) => context.request.headers.get(name),
            Self::Path(path) => (*normalize(context.request.path()) == *path.as_bytes()).then_some(path.as_bytes()),
        }
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let now = context.now_ms().div_euclid(1000);
        let scope = match &self.policy {
            Policy::Local(scope) => scope,
            Policy::Shared(shared) => return self.count_together(shared, context, now),
        };
        let verdict = match self.by.identify(context) {
            Some(identifier) => scope.count(identifier, &self.limits, now),
            None => scope.count(Short::of(context.client.ip).as_bytes(), &self.limits, now),
        };
        match self.judge(&verdict, context, now) {
            Some(answer) => Access::Respond(answer),
            None => Access::Continue,
        }
    }
}

impl Compiled {
    fn count_together<'a>(&'a self, shared: &'a Shared, context: &'a mut Context, now: i64) -> Access<'a> {
        let identifier: SmallVec<[u8; 64]> = match self.by.identify(context) {
            Some(identifier) => identifier.into(),
            None => Short::of(context.client.ip).as_bytes().into(),
        };
        if let Some(verdict) = shared.count_at_once(&identifier, &self.limits, now) {
            return self.judge(&verdict, context, now).map_or(Access::Continue, Access::Respond);
        }
        Access::Wait(Box::pin(async move {
            match shared.count(&identifier, &self.limits, now).await {
                Ok(verdict) => self.judge(&verdict, context, now),
                Err(Unavailable) if self.fault_tolerant => None,
                Err(Unavailable) => Some(Box::new(Answer::error(500, "An unexpected error occurred"))),
            }
        }))
    }

    /// Tells the client what is left, and refuses the request if nothing was.
    fn judge(&self, verdict: &Verdict, context: &mut Context, now: i64) -> Option<Box<Answer>> {
        if !self.hide_headers {
            self.tell(verdict, now, &mut context.response_headers);
        }
        verdict.exceeded.then(|| crate::refusal(self.status, &*self.message))
    }

    /// Each limit in fields of its own, and the one that is nearest in the fields of the standard to be.
    fn tell(&self, verdict: &Verdict, now: i64, headers: &mut Headers) {
        let mut nearest: Option<(&Limit, f64, i64)> = None;
        for (limit, (remaining, start)) in self.limits.iter().zip(verdict.remaining(&self.limits)) {
            set_number(headers, limit.period.limit_field(), limit.limit);
            set_number(headers, limit.period.remaining_field(), remaining);
            let nearer = nearest.is_none_or(|(other, least, _)| {
                remaining < least || remaining == least && limit.period.seconds() > other.period.seconds()
            });
            if nearer {
                nearest = Some((limit, remaining, start));
            }
        }
        let Some((limit, remaining, start)) = nearest else { return };
        #[expect(clippy::cast_precision_loss, reason = "a year of seconds is far below 2^52")]
        let reset = (limit.period.seconds() - (now - start)).max(1) as f64;
        set_number(headers, "RateLimit-Limit", limit.limit);
        set_number(headers, "RateLimit-Remaining", remaining);
        set_number(headers, "RateLimit-Reset", reset);
        if verdict.exceeded {
            set_number(headers, "Retry-After", reset);
        }
    }
}

/// Writes a number without a fraction where it has none. As a whole number it is written far quicker.
fn set_number(headers: &mut Headers, name: &str, number: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "limits are below 2^53; what was cut is noticed")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "the same")]
    if whole as f64 == number {
        headers.set(name, itoa::Buffer::new().format(whole));
    } else {
        headers.set(name, Short::of(number).as_bytes());
    }
}
