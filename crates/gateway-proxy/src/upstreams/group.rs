//! Upstreams and their targets in the engine's terms.

use std::sync::Arc;
use std::time::Duration;

use engine::balance::{Algorithm, Group, Target as Member};
use engine::health::{Active, Checks, ProbeKind, StatusSet, Thresholds};
use gateway_model::typed::{ActiveChecks, Target, Thresholds as Counts, Upstream};

use super::Resolved;

/// The group of an upstream, with its targets as they resolve now.
pub(super) fn group(
    document: &Upstream,
    targets: &[Arc<Target>],
    resolved: impl Fn(&str, u16, u32) -> Resolved,
) -> Group {
    let algorithm = match document.algorithm.as_deref() {
        Some("consistent-hashing") => Algorithm::ConsistentHashing,
        Some("least-connections") => Algorithm::LeastConnections,
        Some("latency") => Algorithm::Latency,
        _ => Algorithm::RoundRobin,
    };
    let members = targets.iter().map(|target| {
        let (name, port) = split_target(&target.target);
        let weight = target.weight.unwrap_or(100);
        let Resolved { addresses, source } = resolved(name, port, weight);
        Member { name: name.into(), port, weight, addresses, source }
    });
    Group {
        name: Arc::clone(&document.name),
        algorithm,
        slots: document.slots.unwrap_or(10_000),
        threshold: document.healthchecks.as_ref().map_or(0.0, |checks| checks.threshold),
        seed: engine::balance::hash(document.id.as_bytes()).into(),
        targets: members.collect(),
        checks: checks(document).map(Arc::new),
    }
}

/// `host:port`; the documents always have a port.
pub(crate) fn split_target(target: &str) -> (&str, u16) {
    let (host, port) = target.rsplit_once(':').unwrap_or((target, "8000"));
    (host, port.parse().unwrap_or(8000))
}

/// Whether these checks find out when an unhealthy target is well again.
pub(super) fn looks_after_unhealthy(checks: &Active) -> bool {
    !checks.unhealthy_interval.is_zero() && checks.thresholds.successes > 0
}

fn checks(document: &Upstream) -> Option<Checks> {
    let checks = document.healthchecks.as_ref()?;
    let checks = Checks {
        active: Some(active(&checks.active, document.host_header.as_deref())),
        passive: thresholds(&checks.passive.healthy, &checks.passive.unhealthy),
    };
    checks.any().then_some(checks)
}

fn active(checks: &ActiveChecks, host: Option<&str>) -> Active {
    let kind = match checks.kind.as_deref() {
        Some("https") => ProbeKind::Https,
        Some("tcp") => ProbeKind::Tcp,
        Some("grpc") => ProbeKind::Grpc,
        Some("grpcs") => ProbeKind::Grpcs,
        _ => ProbeKind::Http,
    };
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    let headers = checks
        .headers
        .iter()
        .flat_map(|(name, values)| values.iter().map(|value| (name.to_string(), value.to_string())));
    Active {
        kind,
        path: checks.http_path.as_deref().unwrap_or("/").to_owned(),
        host: host.map(str::to_owned),
        headers: headers.collect(),
        concurrency: checks.concurrency.unwrap_or(10).clamp(1, 1024) as usize,
        timeout: seconds(checks.timeout.unwrap_or(1.0)),
        healthy_interval: seconds(checks.healthy.interval),
        unhealthy_interval: seconds(checks.unhealthy.interval),
        sni: checks.https_sni.as_deref().map(str::to_owned),
        verify: checks.https_verify_certificate.unwrap_or(true),
        thresholds: thresholds(&checks.healthy, &checks.unhealthy),
    }
}

fn thresholds(healthy: &Counts, unhealthy: &Counts) -> Thresholds {
    let count = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
    Thresholds {
        successes: count(healthy.successes),
        http_failures: count(unhealthy.http_failures),
        tcp_failures: count(unhealthy.tcp_failures),
        timeouts: count(unhealthy.timeouts),
        healthy_statuses: healthy.http_statuses.iter().copied().collect::<StatusSet>(),
        unhealthy_statuses: unhealthy.http_statuses.iter().copied().collect::<StatusSet>(),
    }
}
