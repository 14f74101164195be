//! `CircuitBreaker`: connection limits and outlier detection.

use crate::parse::reader::{Cursor, Object};
use crate::policy::{CircuitBreaker, Detector, Detectors, Thresholds};

pub(super) fn read(policy: &Object<'_, '_>) -> CircuitBreaker {
    let field = policy.field("conf");
    let result = field.section(conf);
    if result.detectors == Detectors::default() && result.thresholds.is_none() {
        field.problem("must have at least one of the detector or threshold configured");
    }
    result
}

fn conf(conf: &Object<'_, '_>) -> CircuitBreaker {
    let detectors = conf.field("detectors");
    let thresholds = conf.field("thresholds");
    let result = CircuitBreaker {
        interval: conf.field("interval").positive_duration(),
        base_ejection_time: conf.field("baseEjectionTime").positive_duration(),
        max_ejection_percent: percent(&conf.field("maxEjectionPercent")),
        split_external_and_local_errors: conf.field("splitExternalAndLocalErrors").flag(),
        detectors: detectors.section(self::detectors),
        thresholds: thresholds.object(self::thresholds).filter(|thresholds| *thresholds != Thresholds::default()),
    };
    let has_detectors = result.detectors != Detectors::default();
    if detectors.is_present() && !has_detectors && result.thresholds.is_some() {
        detectors.problem("can't be empty");
    }
    if thresholds.is_present() && result.thresholds.is_none() && has_detectors {
        thresholds.problem("can't be empty");
    }
    result
}

fn percent(field: &Cursor<'_, '_>) -> Option<u32> {
    let percent = field.u32();
    if percent.is_some_and(|percent| percent > 100) {
        field.problem("has to be in [0.0 - 100.0] range");
    }
    percent
}

fn detectors(detectors: &Object<'_, '_>) -> Detectors {
    let errors =
        |name| detectors.field(name).object(|errors| Detector { consecutive: errors.field("consecutive").u32() });
    Detectors {
        total_errors: errors("totalErrors"),
        gateway_errors: errors("gatewayErrors"),
        local_errors: errors("localErrors"),
        standard_deviation: detectors.field("standardDeviation").object(|deviation| {
            let (volume, hosts) = (deviation.field("requestVolume").u32(), deviation.field("minimumHosts").u32());
            (volume, hosts, factor(&deviation.field("factor")))
        }),
        failure: detectors.field("failure").object(|failure| {
            let (volume, hosts) = (failure.field("requestVolume").u32(), failure.field("minimumHosts").u32());
            (volume, hosts, percent(&failure.field("threshold")))
        }),
    }
}

/// A factor in thousandths.
fn factor(field: &Cursor<'_, '_>) -> Option<u32> {
    let factor = field.f64()?;
    if !(0.0..=1_000_000.0).contains(&factor) {
        field.problem("must be in inclusive range [0, 1000000]");
        return None;
    }
    // Within [0, 10^9].
    Some((factor * 1000.0).round() as u32)
}

fn thresholds(thresholds: &Object<'_, '_>) -> Thresholds {
    Thresholds {
        max_connections: thresholds.field("maxConnections").u32(),
        max_pending_requests: thresholds.field("maxPendingRequests").u32(),
        max_retries: thresholds.field("maxRetries").u32(),
        max_requests: thresholds.field("maxRequests").u32(),
    }
}
