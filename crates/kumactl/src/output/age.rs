//! How long ago, in one number and one letter.

use jiff::Timestamp;
use serde_json::Value;

/// Shown for a time that never came.
const NEVER: &str = "never";

/// `45s`, `5m`, `2h`, `3d`, `1y`: rounded down to the largest unit. Times ahead of ours, from a clock that is, are `0s`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    match () {
        () if minutes == 0 => format!("{seconds}s"),
        () if hours == 0 => format!("{minutes}m"),
        () if days == 0 => format!("{hours}h"),
        () if days < 365 => format!("{days}d"),
        () => format!("{}y", days / 365),
    }
}

/// The age of an RFC 3339 time in a resource; `never` when it is absent.
pub(crate) fn age_of(time: &Value, now: Timestamp) -> String {
    timestamp(time).map_or_else(|| NEVER.to_owned(), |since| age(since, now))
}

/// A time in a resource. The zero time of the wire counts as absent.
pub(crate) fn timestamp(time: &Value) -> Option<Timestamp> {
    let time: Timestamp = time.as_str()?.parse().ok()?;
    (time.as_second() > 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rounded_down() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let cases = [
            ("2026-03-01T12:00:00Z", "0s"),
            ("2026-03-01T13:00:00Z", "0s"),
            ("2026-03-01T11:59:01Z", "59s"),
            ("2026-03-01T11:59:00Z", "1m"),
            ("2026-03-01T11:00:01Z", "59m"),
            ("2026-03-01T11:00:00Z", "1h"),
            ("2026-02-28T12:00:00Z", "1d"),
            ("2025-03-02T12:00:00Z", "364d"),
            ("2025-03-01T12:00:00Z", "1y"),
            ("0001-01-01T00:00:00Z", "never"),
            ("yesterday", "never"),
        ];
        for (time, expected) in cases {
            assert_eq!(age_of(&time.into(), now), expected, "{time}");
        }
        assert_eq!(age_of(&Value::Null, now), "never");
    }
}
