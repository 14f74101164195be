//! Waiting on purpose.

use std::time::Duration;

/// Waits, between attempts and while connections drain.
#[expect(clippy::disallowed_methods, reason = "the one place that waits; everything else waits for events")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Pauses that double from `first` to `longest`, each shortened at random by up to a half so that
/// launchers that failed together do not return together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        // Zero is the one state the generator never leaves.
        let random = u64::from_le_bytes(pki::random_bytes()) | 1;
        Self { next: first.min(longest), longest, random }
    }

    /// The next pause.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = u32::try_from(self.random % 1000).expect("below 1000");
        pause - pause / 2 * share / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_vary() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        let pauses: Vec<Duration> = (0..20).map(|_| backoff.next_pause()).collect();
        let mut nominal = Duration::from_millis(100);
        for pause in &pauses {
            assert!(*pause <= nominal && *pause >= nominal / 2, "{pause:?} for {nominal:?}");
            nominal = (nominal * 2).min(Duration::from_secs(3));
        }
        let last: std::collections::BTreeSet<_> = pauses[10..].iter().collect();
        assert!(last.len() > 1, "no jitter: {pauses:?}");
    }
}
