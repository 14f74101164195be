//! Waiting on purpose.

use std::time::Duration;

use base::Backoff;

/// Waits, between attempts and while connections drain.
#[expect(clippy::disallowed_methods, reason = "the one place that waits; everything else waits for events")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Pauses that grow from `first` to `longest` and differ between launchers.
pub(crate) fn backoff(first: Duration, longest: Duration) -> Backoff {
    Backoff::new(first, longest, u64::from_le_bytes(pki::random_bytes()))
}
