//! How long to wait before the next attempt.

use std::time::Duration;

/// An endless schedule of waits: each time twice as long, up to a limit, and shortened by a random part of
/// up to a half, so that many who failed together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Starts with about `first`, never waits longer than `limit`. Different `seed`s spread callers.
    pub fn new(first: Duration, limit: Duration, seed: u64) -> Self {
        // The generator has one state that it never leaves: zero.
        Self { first, limit, next: first.min(limit), random: seed | 1 }
    }

    /// Starts again with the first wait, after a success.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.limit);
    }

    /// The next wait.
    pub fn next_delay(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.limit);
        let half = whole / 2;
        whole - half.mul_f64(self.fraction())
    }

    /// From 0 to 1, by xorshift.
    fn fraction(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_delay())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_limit_and_start_again() {
        let mut backoff = Backoff::new(SECOND, 5 * SECOND, 42);
        for whole in [1, 2, 4, 5, 5] {
            let delay = backoff.next_delay();
            assert!(delay > whole * SECOND / 2 && delay <= whole * SECOND, "{delay:?} for {whole}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= SECOND);
    }

    #[test]
    fn seeds_spread_the_waits() {
        let schedule = |seed| Backoff::new(SECOND, 60 * SECOND, seed).take(5).collect::<Vec<_>>();
        assert_eq!(schedule(2), schedule(2));
        assert_ne!(schedule(2), schedule(4));
    }

    proptest! {
        #[test]
        fn no_schedule_panics_or_exceeds_its_limit(first: u64, limit: u64, seed: u64) {
            let (first, limit) = (Duration::from_nanos(first), Duration::from_nanos(limit));
            for delay in Backoff::new(first, limit, seed).take(70) {
                prop_assert!(delay <= limit);
            }
        }
    }
}
