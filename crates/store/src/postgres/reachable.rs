//! Whether the database can be reached, for everybody to see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::failure::Failure;

#[derive(Debug, Default)]
pub(super) struct Reachable {
    there: AtomicBool,
    /// Why it is not, or was not when it was not.
    why: Mutex<Option<Arc<str>>>,
}

impl Reachable {
    pub(super) fn get(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Why it cannot be reached, if it cannot.
    pub(super) fn why(&self) -> Option<Arc<str>> {
        if self.get() { None } else { self.why.lock().clone() }
    }

    /// Which is no news.
    pub(super) fn is_there_first(&self) {
        self.there.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_there(&self) {
        if !self.there.swap(true, Ordering::Relaxed) {
            tracing::info!("The database can be reached again");
        }
    }

    pub(super) fn is_gone(&self, failure: &Failure) {
        let why = base::report(failure);
        *self.why.lock() = Some(why.as_str().into());
        if self.there.swap(false, Ordering::Relaxed) {
            tracing::warn!(error = %why, "The database cannot be reached; reading goes on, writing waits");
        }
    }
}
