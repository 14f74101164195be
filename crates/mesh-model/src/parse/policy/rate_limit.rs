//! `RateLimit`.

use std::time::Duration;

use crate::parse::reader::Object;
use crate::policy::RateLimit;

/// The shortest interval that Envoy's token buckets know.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

pub(super) fn read(policy: &Object<'_, '_>) -> RateLimit {
    let conf = policy.field("conf");
    if !conf.is_present() {
        conf.problem("must have conf");
    }
    conf.section(|conf| {
        let field = conf.field("http");
        if !field.is_present() {
            field.problem("http must be set");
        }
        field.section(http)
    })
}

fn http(http: &Object<'_, '_>) -> RateLimit {
    let field = http.field("requests");
    let requests = field.u32();
    if !field.is_present() || requests == Some(0) {
        field.problem("requests must be set");
    }
    let field = http.field("interval");
    let interval = field.duration();
    if !field.is_present() {
        field.problem("interval must be set");
    }
    if interval.is_some_and(|interval| interval < MIN_INTERVAL) {
        field.problem("interval must be at least 50ms");
    }
    let (status, headers) = http.field("onRateLimit").object(on_rate_limit).unwrap_or_default();
    RateLimit {
        requests: requests.unwrap_or_default(),
        interval: interval.unwrap_or_default(),
        status: status.unwrap_or(429),
        headers,
    }
}

type Refusal = (Option<u32>, Vec<(String, String, bool)>);

fn on_rate_limit(refusal: &Object<'_, '_>) -> Refusal {
    let field = refusal.field("status");
    let status = field.u32().filter(|status| *status != 0);
    if status.is_some_and(|status| !(100..600).contains(&status)) {
        field.problem("must be in inclusive range [100, 599]");
    }
    let mut index = 0_usize;
    let headers = refusal.field("headers").list(|header| {
        let position = index.to_string();
        index += 1;
        header.object(|header| {
            let (key, value) = (header.field("key").text(), header.field("value").text());
            for (name, text) in [("key", &key), ("value", &value)] {
                if text.is_empty() {
                    refusal.field("header").problem_at_key(&position, format!("{name} must be set"));
                }
            }
            (key, value, header.field("append").boolean().unwrap_or_default())
        })
    });
    (status, headers)
}
