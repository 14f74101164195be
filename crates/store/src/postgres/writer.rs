//! The one task that commits: it decides groups of transactions on top of the state, writes them, publishes them,
//! in this order, and takes over what other instances have committed.

use std::sync::Arc;
use std::time::Duration;

use base::Backoff;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::database::{Database, Fate, Group, Nonce, NotWritten, Written};
use super::failure::Failure;
use super::listener::Hint;
use super::reachable::Reachable;
use super::request::{Answer, Request};
use crate::StoreError;
use crate::record::Committed;
use crate::state::overlay::Outcome;

/// The most transactions that are written together.
const MAX_GROUP: usize = 256;

/// How often the writer looks for what others have committed even if nobody says that they have.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// After how many groups the log is pruned; an idle instance does it once a minute.
const PRUNE_AFTER: u32 = 1024;
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// How long the writer waits before it connects again.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(50);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Writer {
    database: Database,
    reachable: Arc<Reachable>,
    hints: watch::Receiver<Hint>,
    /// Told to the listener after every connect.
    channel: watch::Sender<Option<String>>,
    backoff: Backoff,
    /// Whether others write too, so that it is better to lock than to try.
    contended: bool,
    /// How many gaps of the listener were looked into.
    gaps: u64,
    groups: u32,
    pruned: Instant,
}

/// A group that may have been written.
struct Doubt {
    nonce: Nonce,
    failure: Arc<Failure>,
}

impl Writer {
    pub(super) fn new(
        database: Database,
        reachable: Arc<Reachable>,
        hints: watch::Receiver<Hint>,
        channel: watch::Sender<Option<String>>,
        seed: u64,
    ) -> Self {
        reachable.is_there_first();
        channel.send_replace(database.channel());
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed);
        let pruned = Instant::now();
        Self { database, reachable, hints, channel, backoff, contended: false, gaps: 0, groups: 0, pruned }
    }

    /// Works until nobody can ask for anything.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut group = Vec::with_capacity(MAX_GROUP);
        loop {
            let hint = async {
                // Its sender is gone only when everything ends.
                if self.hints.changed().await.is_err() {
                    std::future::pending().await
                }
            };
            tokio::select! {
                biased;
                () = hint => self.heed().await,
                count = queue.recv_many(&mut group, MAX_GROUP) => {
                    if count == 0 {
                        break;
                    }
                    let started = Instant::now();
                    let count = self.commit(std::mem::take(&mut group), &mut queue).await;
                    gather(&queue, count, started.elapsed()).await;
                }
                _ = ticks.tick() => self.look_around().await,
            }
        }
        self.database.close().await;
    }

    async fn heed(&mut self) {
        let Hint { revision, gaps } = *self.hints.borrow_and_update();
        if gaps != self.gaps || revision > self.database.revision() {
            self.gaps = gaps;
            self.look().await;
        }
    }

    async fn look_around(&mut self) {
        self.look().await;
        if self.pruned.elapsed() >= PRUNE_EVERY {
            self.prune().await;
        }
    }

    async fn prune(&mut self) {
        (self.groups, self.pruned) = (0, Instant::now());
        if let Err(failure) = self.database.prune().await {
            tracing::debug!(error = %base::report(&failure), "The log could not be pruned");
        }
    }

    /// Takes over what is new, if that is possible at the moment.
    async fn look(&mut self) {
        if let Err(failure) = self.try_look().await {
            self.reachable.is_gone(&failure);
        }
    }

    async fn try_look(&mut self) -> Result<bool, Failure> {
        let is_new = self.connect().await?;
        let news = match self.database.look().await {
            // A session that was lost while nobody used it is no reason to wait.
            Err(_) if !is_new => {
                self.connect().await?;
                self.database.look().await
            }
            looked => looked,
        }?;
        self.reached();
        Ok(news)
    }

    async fn connect(&mut self) -> Result<bool, Failure> {
        let is_new = self.database.connect().await?;
        if is_new {
            self.channel.send_if_modified(|known| {
                let channel = self.database.channel();
                let differs = *known != channel;
                *known = channel;
                differs
            });
        }
        Ok(is_new)
    }

    fn reached(&mut self) {
        self.reachable.is_there();
        self.backoff.reset();
    }

    /// Answers a group, once it is written or it is clear that it will not be. The queue is only looked at to find
    /// out whether it still matters. Returns how many were answered.
    async fn commit(&mut self, mut group: Vec<Request>, queue: &mut mpsc::Receiver<Request>) -> usize {
        let count = group.len();
        loop {
            group.retain(|request| !request.is_abandoned());
            if group.is_empty() {
                break;
            }
            match self.attempt(&mut group).await {
                Ok(()) => break,
                Err(failure) if failure.is_lasting() => {
                    tracing::error!(error = %base::report(&failure), "Cannot write to the database");
                    self.reachable.is_gone(&failure);
                    let failure = Arc::new(failure);
                    group.drain(..).for_each(|request| request.answer(Err(unavailable(&failure))));
                    break;
                }
                Err(failure) => {
                    self.reachable.is_gone(&failure);
                    if queue.is_closed() {
                        break;
                    }
                    tokio::time::sleep_until(Instant::now() + self.backoff.next_delay()).await;
                }
            }
        }
        self.groups += 1;
        if self.groups >= PRUNE_AFTER {
            self.prune().await;
        }
        count
    }

    /// One attempt at a group. What is answered is taken out of it; the rest can be tried again.
    async fn attempt(&mut self, group: &mut Vec<Request>) -> Result<(), Failure> {
        if self.is_nothing(group) {
            return Ok(());
        }
        if self.connect().await? {
            self.database.look().await?;
            self.reached();
        }
        let mut is_locked = false;
        loop {
            if self.contended && !is_locked {
                let before = self.database.revision();
                self.database.lock().await?;
                is_locked = true;
                // As soon as nobody else writes any more, trying is cheaper.
                self.contended = self.database.revision() != before;
            }
            group.retain(Request::take);
            let (outcome, decided) = self.decide(group);
            if outcome.records.is_empty() {
                if self.is_final(group, is_locked).await? {
                    self.answer(group, decided.answers);
                    return Ok(());
                }
                group.iter().for_each(Request::put_back);
                continue;
            }
            let written = self.database.write(&Group { outcome: &outcome, commits: &decided.commits }, is_locked).await;
            match written {
                Ok(Written::Done) => {
                    self.database.shared().publish(outcome, decided.commits);
                    self.answer(group, decided.answers);
                    return Ok(());
                }
                Ok(Written::Outrun) => {
                    group.iter().for_each(Request::put_back);
                    self.contended = true;
                }
                Err(NotWritten { failure, doubt: None }) => {
                    group.iter().for_each(Request::put_back);
                    return Err(failure);
                }
                Err(NotWritten { failure, doubt: Some(nonce) }) => {
                    let doubt = Doubt { nonce, failure: Arc::new(failure) };
                    if !self.settle(group, decided.answers, doubt).await {
                        return Ok(());
                    }
                    is_locked = false;
                }
            }
        }
    }

    /// Answers a group that only wants to have deleted what has expired, if nothing has. That needs no database.
    fn is_nothing(&self, group: &mut Vec<Request>) -> bool {
        if !group.iter().all(|request| request.ops.is_empty()) {
            return false;
        }
        let (outcome, decided) = self.decide(group);
        let is_nothing = outcome.records.is_empty();
        if is_nothing {
            group.drain(..).zip(decided.answers).for_each(|(request, answer)| request.answer(answer));
        }
        is_nothing
    }

    /// Runs the group on top of the state.
    fn decide(&self, group: &[Request]) -> (Outcome, Decided) {
        let (outcome, (expired, answers)) = self.database.shared().attempt(|overlay| {
            let expired = overlay.expire();
            // Copies, since others may be faster and then everything is decided anew.
            let answers: Vec<_> = group.iter().map(|request| overlay.transact(request.ops.clone())).collect();
            (expired, answers)
        });
        let accepted = answers.iter().filter_map(|answer| answer.as_ref().ok().cloned());
        let commits = expired.into_iter().chain(accepted).filter(|commit| !commit.changes.is_empty()).collect();
        (outcome, Decided { commits, answers })
    }

    /// Whether a group that changes nothing was decided on what is in the database now.
    async fn is_final(&mut self, group: &[Request], is_locked: bool) -> Result<bool, Failure> {
        if is_locked {
            // If that fails, the session is over and with it the transaction.
            if let Err(failure) = self.database.unlock().await {
                tracing::debug!(error = %base::report(&failure), "A transaction of no steps was not ended properly");
            }
            return Ok(true);
        }
        let looked = self.try_look().await;
        if looked.is_err() {
            group.iter().for_each(Request::put_back);
        }
        Ok(!looked?)
    }

    /// Finds out what became of a group that was in doubt, and answers it. Returns whether there are some that should
    /// be tried again, since nothing has become of them.
    async fn settle(&mut self, group: &mut Vec<Request>, answers: Vec<Answer>, doubt: Doubt) -> bool {
        let fate = loop {
            // When nobody waits for it any more, watchers will see it in the log.
            if group.iter().all(Request::is_abandoned) {
                group.clear();
                return false;
            }
            match self.resolve(doubt.nonce).await {
                Ok(fate) => break fate,
                Err(failure) => {
                    self.reachable.is_gone(&failure);
                    tokio::time::sleep_until(Instant::now() + self.backoff.next_delay()).await;
                }
            }
        };
        self.reached();
        match fate {
            Fate::Effective => self.answer(group, answers),
            Fate::Void => {
                tracing::debug!(error = %base::report(&doubt.failure), "A commit was lost on its way, trying again");
                group.retain(|request| !request.is_abandoned());
                group.iter().for_each(Request::put_back);
            }
            Fate::Unknown => {
                for request in group.drain(..) {
                    request.answer(Err(StoreError::InDoubt(Box::new(Arc::clone(&doubt.failure)))));
                }
            }
        }
        !group.is_empty()
    }

    async fn resolve(&mut self, nonce: Nonce) -> Result<Fate, Failure> {
        self.connect().await?;
        self.database.resolve(nonce).await
    }

    fn answer(&mut self, group: &mut Vec<Request>, answers: Vec<Answer>) {
        self.reachable.is_there();
        for (request, answer) in group.drain(..).zip(answers) {
            request.answer(answer);
        }
    }
}

/// What a group comes to.
struct Decided {
    /// What changes something, in order.
    commits: Vec<Arc<Committed>>,
    /// As many as requests.
    answers: Vec<Answer>,
}

/// Gives those who were answered together, and go on at once, a moment to come back together: else the first of them
/// goes alone, and the others wait for it.
async fn gather(queue: &mpsc::Receiver<Request>, count: usize, took: Duration) {
    const LIMIT: Duration = Duration::from_micros(400);
    let (started, limit) = (Instant::now(), LIMIT.min(took / 8));
    while queue.len() < count && started.elapsed() < limit {
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
}

fn unavailable(failure: &Arc<Failure>) -> StoreError {
    StoreError::Unavailable(Box::new(Arc::clone(failure)))
}
