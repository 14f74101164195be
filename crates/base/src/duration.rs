//! Durations as Go writes them: `1h30m`, `0.2s`, `500ms`. Users' files and variables hold them in this form.

use std::time::Duration;

/// The longest duration that can be written, as in Go: 2^63 - 1 nanoseconds, about 292 years.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Longer texts are not read.
const MAX_LENGTH: usize = 128;

/// Reads a duration that is not negative. `None` when it is not one: no unit, an unknown unit (there are
/// no days), a minus sign, or more than about 292 years.
pub fn parse(text: &str) -> Option<Duration> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (nanos, tail) = parse_part(rest)?;
        total = total.checked_add(nanos).filter(|total| *total <= MAX_NANOS)?;
        rest = tail;
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// Writes a duration as Go does: `1h0m0s`, `1m30s`, `1.5s`, `500ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < MICROSECOND {
        return format!("{nanos}ns");
    }
    if nanos < MILLISECOND {
        return format!("{}µs", decimal(nanos, MICROSECOND));
    }
    if nanos < SECOND {
        return format!("{}ms", decimal(nanos, MILLISECOND));
    }
    let seconds = decimal(nanos % MINUTE, SECOND);
    match (nanos / HOUR, nanos % HOUR / MINUTE) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

const MICROSECOND: u128 = 1_000;
const MILLISECOND: u128 = 1_000 * MICROSECOND;
const SECOND: u128 = 1_000 * MILLISECOND;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;

/// The nanoseconds of the first `number unit`, and what follows it.
fn parse_part(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let unit = unit_nanos(unit)?;

    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos = whole.checked_mul(unit)?.checked_add(fraction_nanos(fraction, unit))?;
    Some((nanos, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter are two characters.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// What is below a nanosecond is cut off.
fn fraction_nanos(digits: &str, unit: u128) -> u128 {
    // An hour has 13 digits of nanoseconds; more digits than 18 cannot add one.
    let (mut value, mut scale) = (0_u128, 1_u128);
    for digit in digits.bytes().take(18) {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    value * unit / scale
}

/// `nanos / unit` with as many decimals as it takes.
fn decimal(nanos: u128, unit: u128) -> String {
    let (whole, fraction) = (nanos / unit, nanos % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let text = format!("{whole}.{fraction:0width$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("0.2s", 200_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("500ms", 500_000_000),
            ("1us", 1_000),
            ("1µs", 1_000),
            ("1μs", 1_000),
            ("7ns", 7),
            ("1h0m0s", 3_600_000_000_000),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "+", "-5s", "5", "1d", "s", ".s", ".", "5 s", "1h-2m", "5S", "99999999h", "1s x", "3µ"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"1s".repeat(100)), None);
    }

    #[test]
    fn writes_as_go_writes() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (500_000_000, "500ms"),
            (3_300_000_000, "3.3s"),
            (5_000_000_000, "5s"),
            (90_000_000_000, "1m30s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Some(duration));
        }

        #[test]
        fn no_text_panics(text in "[-+.0-9nuµmsh]{0,24}|.*") {
            parse(&text);
        }
    }
}
