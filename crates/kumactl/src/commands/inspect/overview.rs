//! What all overviews have: subscriptions, one for each time a proxy or zone connected.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::{age_of, timestamp};
use crate::output::resource::items;

/// The subscriptions of an insight.
pub(super) struct Subscriptions<'a>(&'a [Value]);

impl<'a> Subscriptions<'a> {
    pub(super) fn of(insight: &'a Value) -> Self {
        Self(items(&insight["subscriptions"]))
    }

    /// Whether one of them is still open.
    pub(super) fn is_online(&self) -> bool {
        self.0.iter().any(|subscription| {
            timestamp(&subscription["connectTime"]).is_some() && timestamp(&subscription["disconnectTime"]).is_none()
        })
    }

    /// The cells CONNECTED AGO, UPDATED AGO, UPDATES, ERRORS.
    pub(super) fn cells(&self, now: Timestamp) -> [String; 4] {
        let latest = |pointer: &str| {
            let times = self.0.iter().filter_map(|subscription| subscription.pointer(pointer));
            times.filter(|time| timestamp(time).is_some()).max_by_key(|time| timestamp(time))
        };
        let ago = |time: Option<&Value>| age_of(time.unwrap_or(&Value::Null), now);
        [
            ago(latest("/connectTime")),
            ago(latest("/status/lastUpdateTime")),
            self.sum("responsesSent").to_string(),
            self.sum("responsesRejected").to_string(),
        ]
    }

    /// A part of the last subscription's `version`; empty when it is unknown.
    pub(super) fn version(&self, program: &str) -> &'a Value {
        self.0.last().map_or(&Value::Null, |last| &last["version"][program])
    }

    fn sum(&self, counter: &str) -> u64 {
        let counts = self.0.iter().map(|subscription| number(&subscription["status"]["total"][counter]));
        counts.fold(0, u64::saturating_add)
    }
}

/// A counter: 64 bit numbers are texts on the wire.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// `Online` or `Offline`
pub(super) fn status(online: bool) -> String {
    if online { "Online".into() } else { "Offline".into() }
}
