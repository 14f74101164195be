//! A timeout between two signs of life.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Runs from the first time something has to wait until the next sign of life. What never waits pays nothing.
///
/// One that is used again is cheap: its entry among the runtime's timers only moves.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Timer {
    /// Ready once `limit` has passed since the first call after [`Self::stop`].
    pub(crate) fn poll_over(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        if !self.running {
            self.running = true;
            let deadline = Instant::now() + limit;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(deadline),
                None => self.sleep = Some(Box::pin(sleep_until(deadline))),
            }
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    /// A sign of life.
    pub(crate) fn stop(&mut self) {
        self.running = false;
    }
}
