//! Counts that every user of a store shares, apart from its records: no revision, no watcher, no transaction.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use base::Clock;

/// How many counters one process keeps before those that have ended are cleared away.
const CLEARED_ABOVE: usize = 1024;

/// What is added to one counter. The counter begins at 0 and begins again after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increment {
    /// Which counter; at most [`Increment::MAX_KEY`] bytes.
    pub key: Arc<str>,
    /// How much; 0 only reads.
    pub by: u64,
    /// When the counter ends, unless it exists and ends at another time.
    pub expires: Timestamp,
}

impl Increment {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 512;
}

/// The counters of a store that one process has for itself. They do not outlive it.
#[derive(Debug)]
pub(crate) struct Counters {
    clock: Arc<dyn Clock>,
    counts: Mutex<Counts>,
}

type Counts = std::collections::HashMap<Arc<str>, (u64, Timestamp), foldhash::fast::RandomState>;

impl Counters {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// Adds in order, and returns what each counter came to.
    pub(crate) fn add(&self, increments: Vec<Increment>) -> Vec<u64> {
        let now = self.clock.now();
        let mut counts = self.counts.lock();
        if counts.len() >= CLEARED_ABOVE && counts.len() == counts.capacity() {
            counts.retain(|_, (_, expires)| *expires > now);
        }
        increments.into_iter().map(|increment| add(&mut counts, increment, now)).collect()
    }
}

fn add(counts: &mut Counts, Increment { key, by, expires }: Increment, now: Timestamp) -> u64 {
    match counts.entry(key) {
        Entry::Occupied(entry) => {
            let (count, ends) = entry.into_mut();
            if *ends <= now {
                (*count, *ends) = (0, expires);
            }
            *count = count.saturating_add(by);
            *count
        }
        Entry::Vacant(_) if by == 0 => 0,
        Entry::Vacant(entry) => entry.insert((by, expires)).0,
    }
}
