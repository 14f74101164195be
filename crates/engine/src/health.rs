//! Whether an address can be given traffic: what active probes and the traffic itself say about it, counted against
//! thresholds. The counters of an address are one atomic word, so that reporting from the request path is one
//! atomic operation, and none at all while nothing is wrong.

pub mod probe;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What happened to a request or a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// A probe without a status (a connection, a TLS handshake) succeeded.
    Connected,
    /// The connection was refused, reset or broken off, or what came back was no HTTP.
    ConnectFailed,
    /// Connecting, sending or waiting took too long.
    TimedOut,
}

/// A set of HTTP status codes below 1024.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet([u64; 16]);

impl StatusSet {
    /// Whether the code is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.get(usize::from(status / 64)).is_some_and(|word| word & (1 << (status % 64)) != 0)
    }
}

impl FromIterator<u16> for StatusSet {
    /// Codes of 1024 and more are left out.
    fn from_iter<I: IntoIterator<Item = u16>>(codes: I) -> Self {
        let mut set = Self::default();
        for code in codes {
            if let Some(word) = set.0.get_mut(usize::from(code / 64)) {
                *word |= 1 << (code % 64);
            }
        }
        set
    }
}

/// How many results in a row change an address's state. 0: results of this kind are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Good answers that make it healthy.
    pub successes: u8,
    /// Bad answers that make it unhealthy.
    pub http_failures: u8,
    /// Failed connections that make it unhealthy.
    pub tcp_failures: u8,
    /// Time-outs that make it unhealthy.
    pub timeouts: u8,
    /// Statuses that are a success.
    pub healthy_statuses: StatusSet,
    /// Statuses that are a failure. What is in neither set says nothing.
    pub unhealthy_statuses: StatusSet,
}

/// What an active probe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// `GET` over a plain connection.
    Http,
    /// `GET` over TLS.
    Https,
    /// A connection, nothing sent.
    Tcp,
    /// As `Tcp`.
    Grpc,
    /// A connection and a TLS handshake.
    Grpcs,
}

impl ProbeKind {
    /// Whether the probe speaks TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
}

/// Active checks of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// What is done.
    pub kind: ProbeKind,
    /// The request's path and query; starts with `/`.
    pub path: String,
    /// The Host header, where it is not the target's name.
    pub host: Option<String>,
    /// More header lines: name and value, without line breaks (such a line is left out).
    pub headers: Vec<(String, String)>,
    /// Probes at once in the group; at least 1.
    pub concurrency: usize,
    /// For the whole of one probe.
    pub timeout: Duration,
    /// Between the probes of a healthy address. Zero: not probed.
    pub healthy_interval: Duration,
    /// Between the probes of an unhealthy address. Zero: not probed.
    pub unhealthy_interval: Duration,
    /// The name asked for and verified in TLS, where it is not the target's name.
    pub sni: Option<String>,
    /// Whether the certificate is verified.
    pub verify: bool,
    /// When the state changes.
    pub thresholds: Thresholds,
}

/// The checks of one group. A group without any is always given traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Probes.
    pub active: Option<Active>,
    /// What is made of the results of traffic.
    pub passive: Thresholds,
}

impl Checks {
    /// Whether anything can ever change an address's state by itself.
    pub fn any(&self) -> bool {
        let probed =
            self.active.as_ref().is_some_and(|a| !a.healthy_interval.is_zero() || !a.unhealthy_interval.is_zero());
        let passive = &self.passive;
        probed || passive.tcp_failures != 0 || passive.timeouts != 0 || passive.http_failures != 0
    }
}

/// What is told about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody checks.
    ChecksOff,
    /// Given traffic.
    Healthy,
    /// Not given traffic.
    Unhealthy,
    /// The name could not be resolved, so there is no address.
    DnsError,
}

impl Verdict {
    /// The word for it in management interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChecksOff => "HEALTHCHECKS_OFF",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
            Self::DnsError => "DNS_ERROR",
        }
    }
}

/// The state of one address: healthy or not, and the four counters on the way to the other state, in one word.
/// Probes and traffic count together.
#[derive(Debug, Default)]
pub struct Health(AtomicU64);

const SUCCESS: Counter = Counter(0);
const HTTP: Counter = Counter(8);
const TCP: Counter = Counter(16);
const TIMEOUT: Counter = Counter(24);
const FAILURES: u64 = 0xffff_ff00;
const UNHEALTHY: u64 = 1 << 32;

impl Health {
    /// Whether it may be given traffic. A new one may.
    pub fn is_healthy(&self) -> bool {
        self.0.load(Ordering::Relaxed) & UNHEALTHY == 0
    }

    /// Counts a result. Answers the new state if this result changed it.
    ///
    /// A good result clears the counters of the bad ones and the other way round, but only where its own threshold
    /// is not 0: with `successes` 0, failures add up over any number of good answers.
    pub fn report(&self, thresholds: &Thresholds, outcome: Outcome) -> Option<bool> {
        let (counter, limit) = match outcome {
            Outcome::Status(code) if thresholds.healthy_statuses.contains(code) => (SUCCESS, thresholds.successes),
            Outcome::Status(code) if thresholds.unhealthy_statuses.contains(code) => (HTTP, thresholds.http_failures),
            Outcome::Status(_) => return None,
            Outcome::Connected => (SUCCESS, thresholds.successes),
            Outcome::ConnectFailed => (TCP, thresholds.tcp_failures),
            Outcome::TimedOut => (TIMEOUT, thresholds.timeouts),
        };
        if limit == 0 {
            return None;
        }
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let new = next(old, counter, limit)?;
            match self.0.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return ((old ^ new) & UNHEALTHY != 0).then_some(new & UNHEALTHY == 0),
                Err(current) => old = current,
            }
        }
    }

    /// Sets the state by hand and clears the counters. Whether this changed it.
    pub fn set(&self, healthy: bool) -> bool {
        let old = self.0.swap(if healthy { 0 } else { UNHEALTHY }, Ordering::Relaxed);
        (old & UNHEALTHY == 0) != healthy
    }
}

/// A byte of the word, by its shift.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counter(u32);

/// The word after one more result, or nothing if it stays as it is.
fn next(word: u64, counter: Counter, limit: u8) -> Option<u64> {
    let good = counter == SUCCESS;
    let healthy = word & UNHEALTHY == 0;
    let against = if good { FAILURES } else { 0xff };
    // More of what is known already changes nothing unless there are opposite results to clear.
    if good == healthy && word & against == 0 {
        return None;
    }
    let cleared = word & !against;
    let count = ((cleared >> counter.0) & 0xff).saturating_add(1).min(0xff);
    let counted = (cleared & !(0xff << counter.0)) | (count << counter.0);
    if count < u64::from(limit) {
        return Some(counted);
    }
    // The state is reached: the counters start again.
    Some(if good { 0 } else { UNHEALTHY })
}

#[cfg(test)]
mod tests;
