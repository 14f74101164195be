//! One of all instances doing what only one may do.

use std::any::Any;
use std::fmt;

use tokio::sync::watch;

/// Being the one instance that has a role. Dropping it gives the role up.
pub struct Leadership {
    /// Closed when the role is lost.
    held: watch::Receiver<()>,
    #[expect(dead_code, reason = "what is to be dropped to give the role up")]
    guard: Box<dyn Any + Send + Sync>,
}

impl Leadership {
    /// For back ends: `held` closes when the role is lost, and dropping `guard` gives it up.
    pub fn new(held: watch::Receiver<()>, guard: impl Any + Send + Sync) -> Self {
        Self { held, guard: Box::new(guard) }
    }

    /// Of the only instance there can be: it is never lost.
    pub(crate) fn sole() -> Self {
        let (held, receiver) = watch::channel(());
        Self::new(receiver, held)
    }

    /// Waits until the role is lost. What it stands for must stop then.
    pub async fn lost(&mut self) {
        while self.held.changed().await.is_ok() {}
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership").finish_non_exhaustive()
    }
}
