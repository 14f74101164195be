//! `FaultInjection`.

use std::time::Duration;

use crate::parse::reader::{Cursor, Object};
use crate::policy::{Abort, Bandwidth, Delay, FaultInjection};

pub(super) fn read(policy: &Object<'_, '_>) -> FaultInjection {
    let conf = policy.field("conf");
    let result = conf.section(|conf| FaultInjection {
        delay: filled(&conf.field("delay")).and_then(|field| field.object(delay)),
        abort: filled(&conf.field("abort")).and_then(|field| field.object(abort)),
        response_bandwidth: filled(&conf.field("responseBandwidth")).and_then(|field| field.object(bandwidth)),
    });
    if result == FaultInjection::default() {
        conf.problem("must have at least one of the faults configured");
    }
    result
}

/// An empty section is no fault.
fn filled<'v, 'p>(field: &Cursor<'v, 'p>) -> Option<Cursor<'v, 'p>> {
    let is_empty = field.raw().and_then(serde_json::Value::as_object).is_some_and(serde_json::Map::is_empty);
    (!is_empty).then_some(*field)
}

fn delay(delay: &Object<'_, '_>) -> Delay {
    let ppm = percentage(&delay.field("percentage"));
    let field = delay.field("value");
    if !field.is_present() {
        field.problem("cannot be empty");
    }
    let value = field.duration();
    if value == Some(Duration::ZERO) {
        field.problem("has to be greater than 0");
    }
    Delay { ppm, value: value.unwrap_or_default() }
}

fn abort(abort: &Object<'_, '_>) -> Abort {
    let ppm = percentage(&abort.field("percentage"));
    let field = abort.field("httpStatus");
    if !field.is_present() {
        field.problem("cannot be empty");
    }
    let status = field.u32();
    if status.is_some_and(|status| !is_registered_status(status)) {
        field.problem("http status code is incorrect");
    }
    // Envoy aborts with final statuses only.
    if status.is_some_and(|status| (100..200).contains(&status)) {
        field.problem("must be in inclusive range [200, 599]");
    }
    Abort { ppm, status: status.unwrap_or_default() }
}

fn bandwidth(bandwidth: &Object<'_, '_>) -> Bandwidth {
    let ppm = percentage(&bandwidth.field("percentage"));
    let field = bandwidth.field("limit");
    if !field.is_present() {
        field.problem("cannot be empty");
    }
    let kbps = field.string().map(parse_limit);
    if kbps == Some(None) {
        field.problem("has to be in kbps/mbps/gbps units");
    }
    Bandwidth { ppm, kbps: kbps.flatten().unwrap_or_default() }
}

/// Kilobits a second of `50 mbps`, `1gbps`.
fn parse_limit(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "kbps" => 1,
        "mbps" => 1_000,
        "gbps" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|limit| *limit > 0)
}

/// Percent, as millionths.
fn percentage(field: &Cursor<'_, '_>) -> u32 {
    if !field.is_present() {
        field.problem("cannot be empty");
    }
    let percent = field.f64().unwrap_or_default();
    if !(0.0..=100.0).contains(&percent) {
        field.problem("has to be in [0.0 - 100.0] range");
        return 0;
    }
    // Within [0, 1000000].
    (percent * 10_000.0).round() as u32
}

/// Whether the registry of HTTP statuses has it.
const fn is_registered_status(status: u32) -> bool {
    matches!(
        status,
        100..=103 | 200..=208 | 226 | 300..=305 | 307..=308 | 400..=418 | 421..=426 | 428..=429 | 431 | 451
            | 500..=508 | 510..=511
    )
}
