//! A transaction that somebody waits for, and what happens when they have waited long enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::reachable::Reachable;
use crate::StoreError;
use crate::record::{Committed, Draft, Op};

/// How many transactions may wait for the server.
const QUEUE: usize = 4096;

/// How much they may have in memory, in KiB.
const QUEUE_KIB: u32 = 512 * 1024;

pub(super) type Answer = Result<Arc<Committed>, StoreError>;

#[derive(Debug)]
pub(super) struct Request {
    pub(super) ops: Vec<Op>,
    claim: Claim,
    done: oneshot::Sender<Answer>,
    _memory: OwnedSemaphorePermit,
}

impl Request {
    /// Claims it for being written; `false` when nobody waits for it any more.
    pub(super) fn take(&self) -> bool {
        !self.done.is_closed() && self.claim.take()
    }

    /// Says that it was not written after all, and can be tried again.
    pub(super) fn put_back(&self) {
        self.claim.put_back();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.done.is_closed()
    }

    pub(super) fn answer(self, answer: Answer) {
        // They may have stopped waiting.
        drop(self.done.send(answer));
    }
}

/// Whether the transaction may be in the hands of the server.
#[derive(Clone, Debug, Default)]
struct Claim(Arc<AtomicU8>);

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const ABANDONED: u8 = 2;

impl Claim {
    fn take(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn put_back(&self) {
        // It stays abandoned, if it is.
        self.0.compare_exchange(TAKEN, WAITING, Ordering::AcqRel, Ordering::Acquire).ok();
    }

    /// Whether it is certain that it was not and will not be taken.
    fn abandon(&self) -> bool {
        self.0.swap(ABANDONED, Ordering::AcqRel) != TAKEN
    }
}

/// Where transactions are handed in.
#[derive(Debug)]
pub(super) struct Queue {
    requests: mpsc::Sender<Request>,
    memory: Arc<Semaphore>,
    timeout: Duration,
    reachable: Arc<Reachable>,
}

/// Why a transaction was not even tried.
#[derive(Debug, thiserror::Error)]
enum NotTried {
    #[error("too many transactions wait for the database already; try again later")]
    Full,
    #[error("the database could not be reached within {limit:?}; nothing was changed{}", because(why.as_deref()))]
    TimedOut { limit: Duration, why: Option<Arc<str>> },
    #[error("the store has ended unexpectedly; restart the process")]
    Ended,
}

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(" ({why})")).unwrap_or_default()
}

/// Why it is not known whether a transaction has taken effect.
#[derive(Debug, thiserror::Error)]
#[error("the database has not answered within {0:?} whether it was done")]
struct NoAnswer(Duration);

impl Queue {
    /// A commit waits for `timeout` at most.
    pub(super) fn new(timeout: Duration, reachable: Arc<Reachable>) -> (Self, mpsc::Receiver<Request>) {
        let (requests, queue) = mpsc::channel(QUEUE);
        let memory = Arc::new(Semaphore::new(QUEUE_KIB as usize));
        (Self { requests, memory, timeout, reachable }, queue)
    }

    pub(super) fn hand_in(&self, ops: Vec<Op>) -> Result<Waiting, StoreError> {
        let memory = Arc::clone(&self.memory).try_acquire_many_owned(kib(&ops));
        let memory = memory.map_err(|_| unavailable(NotTried::Full))?;
        let (done, answer) = oneshot::channel();
        let claim = Claim::default();
        let request = Request { ops, claim: claim.clone(), done, _memory: memory };
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => unavailable(NotTried::Full),
            mpsc::error::TrySendError::Closed(_) => unavailable(NotTried::Ended),
        })?;
        Ok(Waiting { claim, answer, timeout: self.timeout, reachable: Arc::clone(&self.reachable) })
    }
}

/// A transaction that was handed in.
#[derive(Debug)]
pub(super) struct Waiting {
    claim: Claim,
    answer: oneshot::Receiver<Answer>,
    timeout: Duration,
    reachable: Arc<Reachable>,
}

impl Waiting {
    pub(super) async fn wait(self) -> Answer {
        let Self { claim, answer, timeout, reachable } = self;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable(NotTried::Ended)),
            Err(_) if claim.abandon() => Err(unavailable(NotTried::TimedOut { limit: timeout, why: reachable.why() })),
            Err(_) => Err(StoreError::InDoubt(Box::new(NoAnswer(timeout)))),
        }
    }
}

fn unavailable(error: NotTried) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// About how much memory they take; what is too large for all is as large as all.
fn kib(ops: &[Op]) -> u32 {
    let draft = |draft: &Draft| draft.body.len() + 256;
    let bytes: usize = ops
        .iter()
        .map(|op| match op {
            Op::Create(new) | Op::Put(new, _) => draft(new),
            Op::Delete(..) => 256,
            Op::Replace(content) => content.drafts.iter().map(draft).sum(),
            Op::Amend(amendment) => amendment.drafts.iter().map(draft).sum::<usize>() + amendment.gone.len() * 256,
        })
        .sum();
    u32::try_from(bytes / 1024).unwrap_or(QUEUE_KIB).min(QUEUE_KIB)
}
