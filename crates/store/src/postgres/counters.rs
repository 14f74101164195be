//! Counters in the database. What comes in while a statement is under way goes into the next one together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Backoff, Clock};
use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions};
use sqlx::query::QueryAs;
use sqlx::{Postgres, query, query_as};
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::Settings;
use super::connect::{self, Purpose, ask, within};
use super::failure::{Failure, Place};
use super::writer::{FIRST_WAIT, LONGEST_WAIT};
use crate::{Increment, StoreError};

/// How many calls may wait.
const QUEUE: usize = 4096;

/// How many calls share a statement.
const MAX_BATCH: usize = 512;

/// How often counters that have ended are removed.
const CLEAR_EVERY: Duration = Duration::from_secs(60);

/// A call that somebody waits for.
#[derive(Debug)]
pub(super) struct Call {
    increments: Vec<Increment>,
    done: oneshot::Sender<Result<Vec<u64>, StoreError>>,
}

/// Where calls are handed in.
#[derive(Debug)]
pub(super) struct Counters {
    calls: mpsc::Sender<Call>,
    timeout: Duration,
}

/// Why nothing was counted, or perhaps nothing.
#[derive(Debug, thiserror::Error)]
enum NotCounted {
    #[error("too many wait for the database's counters already")]
    Full,
    #[error("the database's counters could not be reached within {0:?}")]
    TimedOut(Duration),
    #[error("the database could not be reached a moment ago")]
    Down,
    #[error("the key of a counter has {0} bytes, the limit is {limit}", limit = Increment::MAX_KEY)]
    LongKey(usize),
    #[error("the store has ended unexpectedly; restart the process")]
    Ended,
}

impl Counters {
    pub(super) fn new(settings: &Settings) -> (Self, mpsc::Receiver<Call>) {
        let (calls, queue) = mpsc::channel(QUEUE);
        let timeout = connect::limit(&settings.primary).saturating_add(settings.primary.connect_timeout);
        (Self { calls, timeout }, queue)
    }

    pub(super) async fn add(&self, increments: Vec<Increment>) -> Result<Vec<u64>, StoreError> {
        if increments.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(long) = increments.iter().find(|increment| increment.key.len() > Increment::MAX_KEY) {
            return Err(unavailable(NotCounted::LongKey(long.key.len())));
        }
        let (done, answer) = oneshot::channel();
        self.calls.try_send(Call { increments, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => unavailable(NotCounted::Full),
            mpsc::error::TrySendError::Closed(_) => unavailable(NotCounted::Ended),
        })?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|_| unavailable(NotCounted::Ended))?,
            Err(_) => Err(unavailable(NotCounted::TimedOut(self.timeout))),
        }
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// Counts until nobody can ask for it.
pub(super) async fn count(settings: Arc<Settings>, clock: Arc<dyn Clock>, seed: u64, mut queue: mpsc::Receiver<Call>) {
    let mut counting = Counting::new(&settings, clock, seed);
    let mut calls = Vec::with_capacity(MAX_BATCH);
    let mut ticks = tokio::time::interval_at(Instant::now() + CLEAR_EVERY, CLEAR_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            count = queue.recv_many(&mut calls, MAX_BATCH) => {
                if count == 0 {
                    return;
                }
                counting.start(std::mem::take(&mut calls)).await;
            }
            Some(finished) = counting.batches.join_next() => counting.note(finished.unwrap_or(true)),
            _ = ticks.tick() => counting.clear(),
        }
    }
}

#[derive(Debug)]
struct Counting {
    table: Table,
    /// As many as connections.
    slots: Arc<Semaphore>,
    /// Each says whether the database could be reached.
    batches: JoinSet<bool>,
    backoff: Backoff,
    /// Nothing is tried before, so that those who ask have their answer at once.
    down_until: Option<Instant>,
}

impl Counting {
    fn new(settings: &Arc<Settings>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let most = settings.max_connections.max(1);
        Self {
            table: Table { settings: Arc::clone(settings), clock, pool: Arc::default() },
            slots: Arc::new(Semaphore::new(most as usize)),
            batches: JoinSet::new(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed.rotate_left(31)),
            down_until: None,
        }
    }

    async fn start(&mut self, calls: Vec<Call>) {
        if self.down_until.is_some_and(|until| Instant::now() < until) {
            for call in calls {
                drop(call.done.send(Err(unavailable(NotCounted::Down))));
            }
            return;
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("nobody closes it");
        let table = self.table.clone();
        self.batches.spawn(async move {
            let reached = table.run(calls).await;
            drop(slot);
            reached
        });
    }

    fn note(&mut self, reached: bool) {
        if reached {
            self.backoff.reset();
            self.down_until = None;
        } else {
            self.down_until = Some(Instant::now() + self.backoff.next_delay());
        }
    }

    fn clear(&mut self) {
        if self.down_until.is_none() {
            let table = self.table.clone();
            self.batches.spawn(async move { table.clear().await.is_ok() });
        }
    }
}

/// The table, and the connections to it.
#[derive(Clone, Debug)]
struct Table {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    pool: Arc<OnceCell<PgPool>>,
}

const ADD: &str = "
    INSERT INTO store_counter AS counter (key, value, expires)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[])
    ON CONFLICT (key) DO UPDATE SET
        value = CASE WHEN counter.expires <= $4 THEN EXCLUDED.value
                     WHEN counter.value > 9223372036854775807 - EXCLUDED.value THEN 9223372036854775807
                     ELSE counter.value + EXCLUDED.value END,
        expires = CASE WHEN counter.expires <= $4 THEN EXCLUDED.expires ELSE counter.expires END
    RETURNING key, value";

const READ: &str = "SELECT key, value FROM store_counter WHERE key = ANY($1) AND expires > $2";

const CLEAR: &str = "
    DELETE FROM store_counter WHERE key IN (
        SELECT key FROM store_counter WHERE expires <= $1 ORDER BY expires LIMIT 20000 FOR UPDATE SKIP LOCKED)";

impl Table {
    /// Answers the calls, and returns whether the database could be reached.
    async fn run(&self, calls: Vec<Call>) -> bool {
        match self.add(&calls).await {
            Ok(totals) => {
                answer(calls, totals);
                true
            }
            Err(failure) => {
                let failure = Arc::new(failure);
                for call in calls {
                    drop(call.done.send(Err(unavailable(Arc::clone(&failure)))));
                }
                failure.is_refusal()
            }
        }
    }

    /// What each counter has after all of the calls.
    async fn add(&self, calls: &[Call]) -> Result<BTreeMap<Arc<str>, u64>, Failure> {
        // In order of keys, so that two statements at a time do not wait for each other.
        let mut sums: BTreeMap<&Arc<str>, (u64, Timestamp)> = BTreeMap::new();
        for increment in calls.iter().flat_map(|call| &call.increments) {
            let (sum, expires) = sums.entry(&increment.key).or_insert((0, increment.expires));
            // The counter begins with the first that adds something.
            if *sum == 0 {
                *expires = increment.expires;
            }
            *sum = sum.saturating_add(increment.by);
        }
        let (read, added): (Vec<_>, Vec<_>) = sums.into_iter().partition(|(_, (sum, _))| *sum == 0);
        let now = self.clock.now().as_microsecond();
        let mut totals = BTreeMap::new();
        if !added.is_empty() {
            let keys: Vec<&[u8]> = added.iter().map(|(key, _)| key.as_bytes()).collect();
            let sums: Vec<i64> = added.iter().map(|(_, (sum, _))| i64::try_from(*sum).unwrap_or(i64::MAX)).collect();
            let ends: Vec<i64> = added.iter().map(|(_, (_, expires))| expires.as_microsecond()).collect();
            let rows = self.ask(|| query_as(ADD).bind(keys.clone()).bind(sums.clone()).bind(ends.clone()).bind(now));
            collect(&mut totals, added.iter().map(|(key, _)| *key), rows.await?);
        }
        if !read.is_empty() {
            let keys: Vec<&[u8]> = read.iter().map(|(key, _)| key.as_bytes()).collect();
            let rows = self.ask(|| query_as(READ).bind(keys.clone()).bind(now));
            collect(&mut totals, read.iter().map(|(key, _)| *key), rows.await?);
        }
        Ok(totals)
    }

    /// The rows of a statement. A connection that has broken while it was not used is replaced; if it broke during
    /// the statement, that may count twice.
    async fn ask<'q>(
        &self,
        statement: impl Fn() -> QueryAs<'q, Postgres, (Vec<u8>, i64), PgArguments>,
    ) -> Result<Vec<(Vec<u8>, i64)>, Failure> {
        let endpoint = &self.settings.primary;
        let (place, limit) = (Place::of(endpoint), connect::limit(endpoint));
        let pool = self.pool(&place).await?;
        let mut is_second = false;
        loop {
            let acquiring = async { pool.acquire().await.map_err(|cause| Failure::connecting(&place, cause)) };
            let mut connection = within(&place, endpoint.connect_timeout, acquiring).await?;
            match ask(&place, limit, statement().fetch_all(&mut *connection)).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => {
                    // In whatever state it is.
                    drop(connection.detach());
                    if is_second || failure.is_refusal() || matches!(failure, Failure::Silent { .. }) {
                        return Err(failure);
                    }
                    is_second = true;
                }
            }
        }
    }

    async fn clear(&self) -> Result<(), Failure> {
        let endpoint = &self.settings.primary;
        let place = Place::of(endpoint);
        let pool = self.pool(&place).await?;
        let statement = query(CLEAR).bind(self.clock.now().as_microsecond());
        ask(&place, connect::limit(endpoint), statement.execute(pool)).await.map(drop)
    }

    async fn pool(&self, place: &Place) -> Result<&PgPool, Failure> {
        self.pool.get_or_try_init(|| pool(&self.settings, place)).await
    }
}

async fn pool(settings: &Arc<Settings>, place: &Place) -> Result<PgPool, Failure> {
    let endpoint = &settings.primary;
    let options = connect::options(endpoint, place).await?;
    let settings = Arc::clone(settings);
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections.max(1))
        .acquire_timeout(endpoint.connect_timeout)
        .idle_timeout(settings.idle_timeout)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let settings = Arc::clone(&settings);
            Box::pin(async move { connect::set_up(connection, &settings.primary, Purpose::Counters).await.map(drop) })
        })
        .connect_lazy_with(options))
}

fn collect<'a>(
    totals: &mut BTreeMap<Arc<str>, u64>,
    keys: impl Iterator<Item = &'a Arc<str>>,
    rows: Vec<(Vec<u8>, i64)>,
) {
    let rows: BTreeMap<Vec<u8>, i64> = rows.into_iter().collect();
    for key in keys {
        let total = rows.get(key.as_bytes()).copied().unwrap_or_default();
        totals.insert(Arc::clone(key), u64::try_from(total).unwrap_or_default());
    }
}

/// Tells each what it came to, as if they had come one after the other.
fn answer(calls: Vec<Call>, mut totals: BTreeMap<Arc<str>, u64>) {
    // From the last one backwards, each takes away what it has added.
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls.into_iter().rev() {
        let mut counts: Vec<u64> = call
            .increments
            .iter()
            .rev()
            .map(|increment| {
                let total = totals.get_mut(&increment.key).expect("every key has a total");
                let count = *total;
                *total = total.saturating_sub(increment.by);
                count
            })
            .collect();
        counts.reverse();
        answers.push((call.done, counts));
    }
    for (done, counts) in answers.into_iter().rev() {
        drop(done.send(Ok(counts)));
    }
}
