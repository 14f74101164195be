//! Waiting on conditions.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const STEP: Duration = Duration::from_millis(20);

/// Asks `check` until it has a value; its last word is part of the error when time is up.
pub async fn wait_for<T, E, F>(what: &str, timeout: Duration, mut check: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, E>>,
    E: Display,
{
    let deadline = Instant::now() + timeout;
    loop {
        let last = match check().await {
            Ok(value) => return Ok(value),
            Err(last) => last,
        };
        if Instant::now() >= deadline {
            bail!("{what}: not within {timeout:?}; the last answer was: {last:#}");
        }
        #[expect(clippy::disallowed_methods, reason = "the one place where tests wait")]
        tokio::time::sleep(STEP).await;
    }
}
