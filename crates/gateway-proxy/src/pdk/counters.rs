//! Counters that all nodes of one database share, for plugins on workers.
//!
//! Workers ask over a channel; whoever has the database takes everything that was asked meanwhile as one [`Batch`], so
//! that any number of concurrent requests costs one round trip.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::Node;

/// How many askers may wait; further ones are refused.
const MAX_WAITING: usize = 8192;

/// How many askers are answered with one batch at most.
const MAX_BATCH: usize = 1024;

/// What is added to one counter. The counter begins at 0 and begins again after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increment {
    /// Which counter; at most 512 bytes.
    pub key: Arc<str>,
    /// How much; 0 only reads.
    pub by: u64,
    /// When the counter ends, unless it exists and ends at another time.
    pub expires: Timestamp,
}

/// The counters cannot be reached, or too many wait for them already. It may have been counted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared counters are not available")]
pub struct CountersUnavailable;

/// The shared counters. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Counters {
    additions: mpsc::Sender<Addition>,
}

impl Counters {
    /// The counters, and where what is added to them arrives.
    pub fn new() -> (Self, Additions) {
        let (additions, receiver) = mpsc::channel(MAX_WAITING);
        (Self { additions }, Additions { receiver })
    }

    /// The counters of this node; none when it shares a database with nobody. For
    /// [`Definition::compile`](super::Definition::compile), not for requests.
    pub fn of(node: &Node) -> Option<Self> {
        node.shared(Slot::default).0.get().cloned()
    }

    /// Makes these the counters of `node`, before any plugin is compiled. Only the first ones count.
    pub fn offer(self, node: &Node) {
        node.shared(Slot::default).0.get_or_init(|| self);
    }

    /// Adds, and tells what each counter came to, in the order of `increments`.
    ///
    /// # Errors
    /// The database is away, answers too slowly, or too many wait for it.
    pub async fn add(&self, increments: Vec<Increment>) -> Result<Vec<u64>, CountersUnavailable> {
        let (answer, answered) = oneshot::channel();
        self.additions.try_send(Addition { increments, answer }).map_err(|_| CountersUnavailable)?;
        answered.await.map_err(|_| CountersUnavailable)?
    }
}

/// The counters of a node, if it has any.
#[derive(Debug, Default)]
struct Slot(OnceLock<Counters>);

#[derive(Debug)]
struct Addition {
    increments: Vec<Increment>,
    answer: oneshot::Sender<Result<Vec<u64>, CountersUnavailable>>,
}

/// What workers add, for whoever has the database.
#[derive(Debug)]
pub struct Additions {
    receiver: mpsc::Receiver<Addition>,
}

impl Additions {
    /// Everything that waits, once there is something; `None` when nobody can ask any more.
    pub async fn next(&mut self) -> Option<Batch> {
        let mut waiting = Vec::new();
        if self.receiver.recv_many(&mut waiting, MAX_BATCH).await == 0 {
            return None;
        }
        Some(Batch::new(waiting))
    }
}

/// What several askers add, each counter once.
#[derive(Debug)]
pub struct Batch {
    increments: Vec<Increment>,
    askers: Vec<Asker>,
}

#[derive(Debug)]
struct Asker {
    /// For each of its increments: where the counter is in the batch, and what was added up to and with this asker.
    parts: Vec<(usize, u64)>,
    answer: oneshot::Sender<Result<Vec<u64>, CountersUnavailable>>,
}

impl Batch {
    fn new(waiting: Vec<Addition>) -> Self {
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        let mut increments: Vec<Increment> = Vec::new();
        let mut askers = Vec::with_capacity(waiting.len());
        for addition in waiting {
            let mut parts = Vec::with_capacity(addition.increments.len());
            for increment in addition.increments {
                let place = match places.entry(Arc::clone(&increment.key)) {
                    Entry::Occupied(entry) => {
                        let same: &mut Increment = &mut increments[*entry.get()];
                        same.by = same.by.saturating_add(increment.by);
                        *entry.get()
                    }
                    Entry::Vacant(entry) => {
                        increments.push(increment);
                        *entry.insert(increments.len() - 1)
                    }
                };
                parts.push((place, increments[place].by));
            }
            askers.push(Asker { parts, answer: addition.answer });
        }
        Self { increments, askers }
    }

    /// What is to be added; no two have the same key.
    pub fn increments(&self) -> &[Increment] {
        &self.increments
    }

    /// Tells all askers what the counters came to, in the order of [`increments`](Self::increments); `None` when that
    /// is not known.
    pub fn answer(self, counts: Option<&[u64]>) {
        let counts = counts.filter(|counts| counts.len() == self.increments.len());
        for asker in self.askers {
            let answer = counts.ok_or(CountersUnavailable).map(|counts| {
                // Those who asked later in the batch are not counted yet for this one.
                let count = |(place, added): &(usize, u64)| {
                    counts[*place].saturating_sub(self.increments[*place].by.saturating_sub(*added))
                };
                asker.parts.iter().map(count).collect()
            });
            // An asker that is gone wants no answer.
            let _gone = asker.answer.send(answer).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increment(key: &str, by: u64) -> Increment {
        Increment { key: key.into(), by, expires: Timestamp::UNIX_EPOCH }
    }

    #[tokio::test]
    async fn what_is_asked_at_once_is_one_batch_and_everybody_gets_his_own_count() {
        let (counters, mut additions) = Counters::new();
        let answers = async {
            tokio::join!(
                counters.add(vec![increment("a", 2), increment("b", 1)]),
                counters.add(vec![increment("a", 3)]),
                counters.add(vec![increment("c", 0), increment("a", 1), increment("a", 1)]),
            )
        };
        let database = async {
            let batch = additions.next().await.unwrap();
            assert_eq!(batch.increments(), [increment("a", 7), increment("b", 1), increment("c", 0)]);
            batch.answer(Some(&[107, 1, 9]));
        };
        let ((first, second, third), ()) = tokio::join!(answers, database);
        assert_eq!((first, second, third), (Ok(vec![102, 1]), Ok(vec![105]), Ok(vec![9, 106, 107])));
    }

    #[tokio::test]
    async fn without_the_database_askers_are_refused() {
        let (counters, mut additions) = Counters::new();
        let database = async { additions.next().await.unwrap().answer(None) };
        let (refused, ()) = tokio::join!(counters.add(vec![increment("a", 1)]), database);
        assert_eq!(refused, Err(CountersUnavailable));
        drop(additions);
        assert_eq!(counters.add(vec![increment("a", 1)]).await, Err(CountersUnavailable));
    }
}
