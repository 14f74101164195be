//! Roles that one instance at a time has. A lock of a session stands for a role: the server gives it to somebody else
//! when the session is over.
//!
//! Whoever had the role finds out only a moment later that its session is over. So whoever gets a role that was not
//! given up waits until that moment has passed.

use std::sync::Arc;
use std::time::Duration;

use base::Backoff;
use sqlx::{query, query_scalar};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::Settings;
use super::connect::{Purpose, Session, ask};
use super::failure::Failure;
use super::writer::{FIRST_WAIT, LONGEST_WAIT};
use crate::{Leadership, StoreError};

/// How often those who wait ask.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// How often the holder makes sure that its session is there, and how long that may take.
const CHECK_EVERY: Duration = Duration::from_millis(400);
const CHECK_LIMIT: Duration = Duration::from_millis(1000);

/// By then, a holder whose session is over knows.
const HANDOVER: Duration = Duration::from_millis(2000);

/// How long the end waits for roles that were given up.
const FAREWELL: Duration = Duration::from_millis(500);

/// Somebody waits for a role.
#[derive(Debug)]
pub(super) struct Candidate {
    role: String,
    elected: oneshot::Sender<Leadership>,
}

/// Where candidates are handed in.
#[derive(Debug)]
pub(super) struct Roles(mpsc::Sender<Candidate>);

#[derive(Debug, thiserror::Error)]
#[error("the store has ended unexpectedly; restart the process")]
struct Ended;

impl Roles {
    pub(super) fn new() -> (Self, mpsc::Receiver<Candidate>) {
        let (candidates, queue) = mpsc::channel(16);
        (Self(candidates), queue)
    }

    pub(super) async fn lead(&self, role: &str) -> Result<Leadership, StoreError> {
        let ended = || StoreError::Unavailable(Box::new(Ended));
        let (elected, election) = oneshot::channel();
        self.0.send(Candidate { role: role.to_owned(), elected }).await.map_err(|_| ended())?;
        election.await.map_err(|_| ended())
    }
}

/// Sees to the candidates until nobody can become one.
pub(super) async fn elect(settings: Arc<Settings>, seed: u64, mut queue: mpsc::Receiver<Candidate>) {
    let mut terms = JoinSet::new();
    loop {
        tokio::select! {
            candidate = queue.recv() => match candidate {
                Some(candidate) => {
                    let settings = Arc::clone(&settings);
                    terms.spawn(async move { stand(&settings, seed, candidate).await });
                }
                None => break,
            },
            Some(_) = terms.join_next() => {}
        }
    }
    // What was given up with the handles is said to be, so that others need not wait.
    drop(tokio::time::timeout(FAREWELL, async { while terms.join_next().await.is_some() {} }).await);
}

/// Waits for the role, and keeps it as long as it is wanted.
async fn stand(settings: &Settings, seed: u64, Candidate { role, mut elected }: Candidate) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed.rotate_left(47));
    let session = loop {
        let obtaining = obtain(settings, &role);
        let failure = tokio::select! {
            // Nobody waits for it any more.
            () = elected.closed() => return,
            session = obtaining => match session {
                Ok(session) => break session,
                Err(failure) => failure,
            },
        };
        tracing::debug!(role, error = %base::report(&failure), "The role cannot be had at the moment");
        tokio::time::sleep_until(Instant::now() + backoff.next_delay()).await;
    };
    let (held, receiver) = watch::channel(());
    let (guard, given_up) = oneshot::channel::<()>();
    if elected.send(Leadership::new(receiver, guard)).is_ok() {
        tracing::info!(role, "This instance has the role");
    }
    hold(session, &role, given_up).await;
    drop(held);
}

/// A session that has the role.
async fn obtain(settings: &Settings, role: &str) -> Result<Session, Failure> {
    const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended(concat('store role ', $1, ' ', $2), 0))";
    const WAS_HELD: &str = "SELECT held FROM store_role WHERE role = $1";
    let mut session = Session::connect(&settings.primary, Purpose::Role).await?;
    let mut ticks = interval(ASK_EVERY);
    loop {
        ticks.tick().await;
        let Session { connection, place, limit, schema } = &mut session;
        let lock = query_scalar(LOCK).bind(*schema).bind(escaped(role));
        if ask(place, *limit, lock.fetch_one(connection)).await? {
            break;
        }
    }
    let Session { connection, place, limit, .. } = &mut session;
    let was_held = query_scalar(WAS_HELD).bind(role.as_bytes()).fetch_optional(connection);
    if ask(place, *limit, was_held).await? == Some(true) {
        let handover = Instant::now() + HANDOVER;
        while Instant::now() < handover {
            ticks.tick().await;
            check(&mut session).await?;
        }
    }
    note(&mut session, role, true).await?;
    Ok(session)
}

/// Returns when the role is given up or lost.
async fn hold(mut session: Session, role: &str, mut given_up: oneshot::Receiver<()>) {
    let mut ticks = interval(CHECK_EVERY);
    loop {
        tokio::select! {
            // The guard is dropped.
            _ = &mut given_up => break,
            _ = ticks.tick() => {}
        }
        if let Err(failure) = check(&mut session).await {
            tracing::warn!(role, error = %base::report(&failure), "This instance has lost the role");
            return;
        }
    }
    if let Err(failure) = note(&mut session, role, false).await {
        tracing::debug!(role, error = %base::report(&failure), "Others do not know that the role was given up");
    }
    session.close().await;
}

async fn check(session: &mut Session) -> Result<(), Failure> {
    let Session { connection, place, .. } = session;
    ask(place, CHECK_LIMIT, query("SELECT 1").execute(connection)).await.map(drop)
}

async fn note(session: &mut Session, role: &str, held: bool) -> Result<(), Failure> {
    const NOTE: &str = "INSERT INTO store_role VALUES ($1, $2) ON CONFLICT (role) DO UPDATE SET held = EXCLUDED.held";
    let Session { connection, place, limit, .. } = session;
    ask(place, *limit, query(NOTE).bind(role.as_bytes()).bind(held).execute(connection)).await.map(drop)
}

/// The role as a text that any database takes.
fn escaped(role: &str) -> String {
    role.escape_default().to_string()
}

fn interval(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
