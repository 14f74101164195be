//! `HealthCheck`: active checks of endpoints.

use std::time::Duration;

use crate::parse::reader::{Cursor, Object};
use crate::policy::{HealthCheck, HealthCheckHeader, HttpHealthCheck, TcpHealthCheck};

/// `conf`: the checks themselves, or the older `activeChecks` and `passiveChecks`.
pub(super) fn read(policy: &Object<'_, '_>) -> HealthCheck {
    let conf = policy.field("conf");
    if !conf.is_present() {
        conf.problem("has to be defined");
    }
    conf.section(|conf| {
        if conf.has("activeChecks") || conf.has("passiveChecks") {
            let active = conf.field("activeChecks").section(basics);
            HealthCheck { passive: conf.field("passiveChecks").object(passive), ..active }
        } else {
            today(conf)
        }
    })
}

/// The fields that both dialects have.
fn basics(conf: &Object<'_, '_>) -> HealthCheck {
    HealthCheck {
        interval: needed_duration(&conf.field("interval")),
        timeout: needed_duration(&conf.field("timeout")),
        unhealthy_threshold: threshold(&conf.field("unhealthyThreshold")),
        healthy_threshold: threshold(&conf.field("healthyThreshold")),
        ..HealthCheck::default()
    }
}

fn passive(conf: &Object<'_, '_>) -> (u32, Duration) {
    (threshold(&conf.field("unhealthyThreshold")), needed_duration(&conf.field("penaltyInterval")))
}

fn today(conf: &Object<'_, '_>) -> HealthCheck {
    HealthCheck {
        initial_jitter: optional_duration(&conf.field("initialJitter")),
        interval_jitter: optional_duration(&conf.field("intervalJitter")),
        interval_jitter_percent: conf.field("intervalJitterPercent").u32(),
        healthy_panic_threshold: panic_threshold(&conf.field("healthyPanicThreshold")),
        fail_traffic_on_panic: conf.field("failTrafficOnPanic").flag(),
        event_log_path: conf.field("eventLogPath").filled(),
        always_log_failures: conf.field("alwaysLogHealthCheckFailures").boolean(),
        no_traffic_interval: optional_duration(&conf.field("noTrafficInterval")),
        reuse_connection: conf.field("reuseConnection").boolean(),
        tcp: conf.field("tcp").object(tcp),
        http: conf.field("http").object(http),
        ..basics(conf)
    }
}

fn needed_duration(field: &Cursor<'_, '_>) -> Duration {
    if !field.is_present() {
        field.problem("must have a positive value");
    }
    optional_duration(field).unwrap_or_default()
}

fn optional_duration(field: &Cursor<'_, '_>) -> Option<Duration> {
    let duration = field.duration();
    if duration == Some(Duration::ZERO) {
        field.problem("must have a positive value");
    }
    duration
}

fn threshold(field: &Cursor<'_, '_>) -> u32 {
    match (field.is_present(), field.u32()) {
        (false, _) | (_, Some(0)) => {
            field.problem("must have a positive value");
            0
        }
        (true, threshold) => threshold.unwrap_or_default(),
    }
}

/// Percent, as hundredths of one.
fn panic_threshold(field: &Cursor<'_, '_>) -> Option<u32> {
    let percent = field.f64()?;
    if !(0.0..=100.0).contains(&percent) {
        field.problem("must be in range [0.0 - 100.0]");
        return None;
    }
    // Within [0, 10000].
    Some((percent * 100.0).round() as u32)
}

fn tcp(conf: &Object<'_, '_>) -> TcpHealthCheck {
    TcpHealthCheck {
        send: conf.field("send").bytes().unwrap_or_default(),
        receive: conf.field("receive").list(|fragment| fragment.bytes()),
    }
}

fn http(conf: &Object<'_, '_>) -> HttpHealthCheck {
    let path = conf.field("path");
    if path.raw().is_none_or(|path| path.as_str() == Some("")) {
        path.problem("has to be defined and cannot be empty");
    }
    HttpHealthCheck {
        path: path.text(),
        headers: conf.field("requestHeadersToAdd").list(|header| header.object(self::header).flatten()),
        expected_statuses: conf.field("expectedStatuses").list(expected_status),
        use_http1: conf.field("useHttp1").flag(),
    }
}

fn header(option: &Object<'_, '_>) -> Option<HealthCheckHeader> {
    let append = option.field("append").boolean().unwrap_or(true);
    let field = option.field("header");
    if !field.is_present() {
        field.problem("has to be defined");
    }
    field.object(|header| HealthCheckHeader {
        key: header.field("key").required(),
        value: header.field("value").text(),
        append,
    })
}

fn expected_status(field: &Cursor<'_, '_>) -> Option<u32> {
    let status = field.u32()?;
    if !(100..600).contains(&status) {
        field.problem("must be in range [100, 600)");
    }
    Some(status)
}
