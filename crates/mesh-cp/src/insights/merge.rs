//! What several control planes know of one proxy, in one insight.

use jiff::Timestamp;
use serde_json::{Value, json};

/// `stored` with what `own` knows better: its subscriptions replace those of the same id, the others stay. Of more
/// than `limit` the oldest that are over go.
pub(super) fn merged(stored: Option<Value>, own: &Value, limit: usize) -> Value {
    let mut insight = match stored {
        Some(stored @ Value::Object(_)) => stored,
        _ => json!({}),
    };
    let own_subscriptions = own["subscriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_own = |one: &Value| own_subscriptions.iter().any(|own| own["id"] == one["id"]);
    let others = insight["subscriptions"].as_array().cloned().unwrap_or_default();
    let mut all: Vec<Value> = others.into_iter().filter(|one| !is_own(one)).collect();
    let known_elsewhere = all.iter().any(is_open);
    all.extend_from_slice(own_subscriptions);
    all.sort_by_key(connected);
    trim(&mut all, limit);
    insight["subscriptions"] = Value::Array(all);
    if !own["mTLS"].is_null() && regenerated(&own["mTLS"]) >= regenerated(&insight["mTLS"]) {
        insight["mTLS"] = own["mTLS"].clone();
    }
    // Who speaks to the proxy knows what its configuration lacks.
    if own_subscriptions.iter().any(is_open) || !known_elsewhere {
        for field in ["configurationProblems", "metadata"] {
            set_or_remove(&mut insight, field, &own[field]);
        }
    }
    insight
}

/// `insight` with the open subscriptions of the control plane `instance` ended; `None` if it has none.
pub(super) fn closed(insight: &Value, instance: &str, now: Timestamp) -> Option<Value> {
    let mut insight = insight.clone();
    let mut any = false;
    for subscription in insight["subscriptions"].as_array_mut().into_iter().flatten() {
        if is_open(subscription) && instance_of(subscription) == instance {
            subscription["disconnectTime"] = json!(now.to_string());
            any = true;
        }
    }
    any.then_some(insight)
}

/// The control planes that the proxy is connected to, as far as the insight knows.
pub(super) fn connected_to(insight: &Value) -> impl Iterator<Item = &str> {
    let subscriptions = insight["subscriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
    subscriptions.iter().filter(|one| is_open(one)).map(instance_of)
}

/// When the last of its connections ended; `None` if it has one, or never had.
pub(super) fn offline_since(insight: &Value) -> Option<Timestamp> {
    let subscriptions = insight["subscriptions"].as_array()?;
    if subscriptions.iter().any(is_open) {
        return None;
    }
    subscriptions.iter().filter_map(|one| one["disconnectTime"].as_str()?.parse().ok()).max()
}

fn is_open(subscription: &Value) -> bool {
    subscription.get("disconnectTime").is_none_or(Value::is_null)
}

fn instance_of(subscription: &Value) -> &str {
    subscription["controlPlaneInstanceId"].as_str().unwrap_or_default()
}

fn connected(subscription: &Value) -> Timestamp {
    time(&subscription["connectTime"])
}

fn regenerated(certificate: &Value) -> Timestamp {
    time(&certificate["lastCertificateRegeneration"])
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(Timestamp::MIN)
}

/// Open ones stay whatever their number.
fn trim(all: &mut Vec<Value>, limit: usize) {
    let mut surplus = all.len().saturating_sub(limit);
    all.retain(|one| {
        let drop = surplus > 0 && !is_open(one);
        surplus -= usize::from(drop);
        !drop
    });
}

fn set_or_remove(insight: &mut Value, field: &str, value: &Value) {
    if let Value::Object(fields) = insight {
        match value {
            Value::Null => drop(fields.remove(field)),
            value => drop(fields.insert(field.to_owned(), value.clone())),
        }
    }
}
