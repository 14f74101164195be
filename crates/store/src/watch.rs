//! Following what a store does.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};

use crate::record::{Committed, Record, Revision};

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum Event {
    /// Everything there is: first, and again when the watcher fell behind.
    Snapshot {
        /// State as of this revision.
        revision: Revision,
        /// Every record of every collection, sorted by key.
        records: Vec<Arc<Record>>,
    },
    /// One transaction after the last event, without gap.
    Changes(Arc<Committed>),
}

impl Event {
    /// The state one has after it.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Snapshot { revision, .. } => *revision,
            Self::Changes(committed) => committed.revision,
        }
    }
}

/// A stream of [`Event`]s that starts with a snapshot and never has a gap.
pub struct Watch {
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

impl Watch {
    /// For back ends: `events` starts with a snapshot, has no gap, and ends with the store.
    pub fn new(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self { events: Box::pin(events) }
    }

    /// The next event; `None` when the store is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.next().await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
