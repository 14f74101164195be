//! The session that records are written through, and the state that follows the database.

mod replica;
mod statements;

use std::sync::Arc;
use std::time::Instant;

use base::Clock;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row, query, raw_sql};

use super::connect::{Purpose, Session, ask, within};
use super::failure::Failure;
use super::{Settings, frame, schema};
use crate::record::{Committed, Key, Record};
use crate::shared::Shared;
use crate::state::State;
use crate::state::overlay::Outcome;
use replica::{Follow, Looked, Position, Replica};
use statements::{Bulk, CHUNK};

/// How many revisions of the log are kept at least while they are young, and at most while they are not.
const KEPT: i64 = 100_000;

/// A group of transactions that is to be written.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) outcome: &'a Outcome,
    /// What changed something, in order.
    pub(super) commits: &'a [Arc<Committed>],
}

/// What came of writing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// Nothing was written, since somebody else wrote in the meantime.
    Outrun,
}

/// Why a group was not written, as far as that is known.
#[derive(Debug)]
pub(super) struct NotWritten {
    pub(super) failure: Failure,
    /// By what to find out whether it was written after all.
    pub(super) doubt: Option<Nonce>,
}

/// What tells a group from all others in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonce {
    author: i64,
    number: i64,
}

/// What became of a group that was in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has taken effect, and is published.
    Effective,
    /// It has not, and cannot any more.
    Void,
    /// The log does not reach back to it.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Database {
    settings: Arc<Settings>,
    /// `None` after an error; whoever needs it connects again.
    session: Option<Session>,
    replica: Replica,
    nonce: Nonce,
}

impl Database {
    /// Connects, and loads what there is; `seed` tells instances apart.
    pub(super) async fn open(settings: Arc<Settings>, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, Failure> {
        let mut session = connect(&settings).await?;
        let started = Instant::now();
        let (state, position) = load_first(&settings, &mut session).await?;
        tracing::debug!(revision = position.revision, took = ?started.elapsed(), "Loaded the store");
        let patience = std::time::Duration::from_millis(seed % 200);
        let shared = Arc::new(Shared::patient(clock, state, patience));
        let nonce = Nonce { author: seed.cast_signed(), number: 0 };
        let mut database =
            Self { settings, session: Some(session), replica: Replica { shared, position, found: nonce }, nonce };
        database.look().await?;
        Ok(database)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.replica.shared
    }

    pub(super) fn revision(&self) -> u64 {
        self.replica.position.revision.cast_unsigned()
    }

    /// The channel that commits are announced on; known while there is a session.
    pub(super) fn channel(&self) -> Option<String> {
        self.session.as_ref().map(channel)
    }

    /// Connects if there is no session, and returns whether there was none.
    pub(super) async fn connect(&mut self) -> Result<bool, Failure> {
        if self.session.is_some() {
            return Ok(false);
        }
        self.session = Some(connect(&self.settings).await?);
        Ok(true)
    }

    /// Takes over what others have committed, and returns whether there was anything.
    pub(super) async fn look(&mut self) -> Result<bool, Failure> {
        let before = self.replica.position.revision;
        if self.follow(None).await? == Looked::Lost {
            self.reload().await?;
        }
        Ok(self.replica.position.revision != before)
    }

    /// Begins a transaction in which nobody else commits, and takes over what others have committed before.
    pub(super) async fn lock(&mut self) -> Result<(), Failure> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
                             SELECT true FROM store_revision FOR UPDATE; ";
        while self.follow(Some(BEGIN)).await? == Looked::Lost {
            self.reload().await?;
        }
        Ok(())
    }

    /// Ends a transaction in which nothing was written.
    pub(super) async fn unlock(&mut self) -> Result<(), Failure> {
        self.run("ROLLBACK").await
    }

    /// Writes a group that was decided on top of the state as it is; `is_locked` after [`Self::lock`].
    ///
    /// Afterwards, what was written is to be published.
    pub(super) async fn write(&mut self, group: &Group<'_>, is_locked: bool) -> Result<Written, NotWritten> {
        self.nonce.number += 1;
        let nonce = self.nonce;
        let before = |failure| NotWritten { failure, doubt: None };
        let mut session = self.take_session().map_err(before)?;
        let parts = frame::encode(group.commits.iter().map(|commit| &**commit), CHUNK);
        let mut bulks = Bulk::of(group.outcome);
        let is_small = bulks.len() <= 1 && parts.len() == 1;
        if !is_small && !is_locked {
            // What does not go into one statement needs a transaction, and the lock that comes with it.
            self.session = Some(session);
            return Ok(Written::Outrun);
        }
        let last = if is_small { bulks.pop().unwrap_or_default() } else { Bulk::default() };
        let revision = group.outcome.revision.cast_signed();
        for bulk in &bulks {
            statements::store(&mut session, bulk).await.map_err(before)?;
        }
        for (part, number) in parts.iter().zip(0_i32..).skip(1) {
            let entry = Entry { revision, part: number, content: part, position: self.replica.position, nonce };
            statements::log(&mut session, &entry).await.map_err(before)?;
        }
        let entry = Entry { revision, part: 0, content: &parts[0], position: self.replica.position, nonce };
        let written = statements::write(&mut session, &last, &entry).await;
        let written = match (written, is_locked) {
            (Ok(true), true) => self.end(&mut session).await.map(|()| true),
            (Ok(false), true) => {
                let what = "the revision changed although it was locked".to_owned();
                return Err(before(Failure::content(&session.place, what)));
            }
            (Err(failure), true) => return Err(before(failure)),
            (written, false) => written,
        };
        match written {
            Ok(true) => {
                self.replica.position.revision = revision;
                self.session = Some(session);
                Ok(Written::Done)
            }
            Ok(false) => {
                self.session = Some(session);
                Ok(Written::Outrun)
            }
            Err(failure) => {
                let doubt = (!failure.is_refusal()).then_some(nonce);
                Err(NotWritten { failure, doubt })
            }
        }
    }

    /// Finds out whether a group was written. What is found is published; what is not can no longer be written.
    pub(super) async fn resolve(&mut self, nonce: Nonce) -> Result<Fate, Failure> {
        // A statement that is still under way finds another epoch, and a transaction that is still open holds the
        // lock until it has ended.
        const FENCE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
                             UPDATE store_revision SET epoch = epoch + 1; ";
        if self.replica.found == nonce {
            return Ok(Fate::Effective);
        }
        let looked = self.follow(Some(FENCE)).await?;
        let ended = if looked == Looked::Lost { self.reload().await } else { self.run("COMMIT").await };
        if self.replica.found == nonce {
            return Ok(Fate::Effective);
        }
        ended?;
        Ok(if looked == Looked::Lost { Fate::Unknown } else { Fate::Void })
    }

    /// Removes a part of the log that nobody needs.
    pub(super) async fn prune(&mut self) -> Result<(), Failure> {
        const PRUNE: &str = "
            DELETE FROM store_log WHERE revision <= (
                SELECT max(revision) FROM (SELECT revision, written FROM store_log ORDER BY revision LIMIT 4000) oldest
                WHERE revision <= $1 OR written < now() - interval '10 minutes')";
        let mut session = self.take_session()?;
        let oldest = query(PRUNE).bind(self.replica.position.revision - KEPT);
        ask(&session.place, session.limit, oldest.execute(&mut session.connection)).await?;
        self.session = Some(session);
        Ok(())
    }

    pub(super) async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }

    /// Runs `begin`, and takes over what was committed since.
    async fn follow(&mut self, begin: Option<&'static str>) -> Result<Looked, Failure> {
        let mut session = self.take_session()?;
        let Session { connection, place, limit, .. } = &mut session;
        let mut follow = Follow::new(&mut self.replica, place.clone());
        let since = follow.since();
        let mut rows = match begin {
            None => query(statements::LOOK).bind(since).fetch(connection),
            Some(begin) => {
                let look = statements::LOOK.replace("$1", &since.to_string());
                raw_sql(AssertSqlSafe(format!("{begin}{look}"))).fetch(connection)
            }
        };
        while let Some(row) = ask(place, *limit, rows.try_next()).await? {
            // The row that was locked has nothing to say.
            if row.len() == 1 {
                continue;
            }
            follow.row(&row)?;
            if follow.is_lost() {
                // The rest would be read for nothing: the session is given up.
                return Ok(Looked::Lost);
            }
        }
        drop(rows);
        let looked = follow.finish()?;
        if looked != Looked::Lost {
            self.session = Some(session);
        }
        Ok(looked)
    }

    /// Starts over with all there is.
    async fn reload(&mut self) -> Result<(), Failure> {
        let mut session = connect(&self.settings).await?;
        let (state, position) = load(&mut session).await?;
        let known = self.replica.position;
        if position.origin != known.origin || position.revision < known.revision {
            let (was, is) = (known.revision, position.revision);
            tracing::warn!(was, is, "The database is another one or was set back, starting over with what it has");
        } else {
            tracing::info!(from = known.revision, to = position.revision, "Far behind the database, loaded all of it");
        }
        self.replica.replace(state, position);
        self.session = Some(session);
        Ok(())
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Failure> {
        let mut session = self.take_session()?;
        let Session { connection, place, limit, .. } = &mut session;
        ask(place, *limit, raw_sql(statement).execute(connection)).await?;
        self.session = Some(session);
        Ok(())
    }

    async fn end(&self, session: &mut Session) -> Result<(), Failure> {
        let Session { connection, place, limit, .. } = session;
        ask(place, *limit, raw_sql("COMMIT").execute(connection)).await.map(drop)
    }

    /// The session, which is lost unless it is put back.
    fn take_session(&mut self) -> Result<Session, Failure> {
        self.session.take().ok_or_else(|| Failure::Setup {
            place: super::failure::Place::of(&self.settings.primary),
            what: "there is no connection".to_owned(),
        })
    }
}

/// An entry of the log, or a part of it.
#[derive(Debug)]
struct Entry<'a> {
    revision: i64,
    part: i32,
    content: &'a [u8],
    /// Where it follows.
    position: Position,
    nonce: Nonce,
}

fn channel(session: &Session) -> String {
    format!("store_{}", session.schema)
}

async fn connect(settings: &Settings) -> Result<Session, Failure> {
    let mut session = Session::connect(&settings.primary, Purpose::Records).await?;
    schema::check(&mut session).await?;
    Ok(session)
}

/// Loads from the replica if there is one and it has something, else through `session`.
async fn load_first(settings: &Settings, session: &mut Session) -> Result<(State, Position), Failure> {
    if let Some(replica) = &settings.replica {
        let loading = async {
            let mut session = Session::connect(replica, Purpose::Records).await?;
            let loaded = load(&mut session).await?;
            session.close().await;
            Ok::<_, Failure>(loaded)
        };
        match loading.await {
            Ok(loaded) => return Ok(loaded),
            Err(failure) => {
                let error = base::report(&failure);
                tracing::warn!(error = %error, "Cannot load from the read-only replica, loading from the primary");
            }
        }
    }
    load(session).await
}

/// Everything, as of one moment. The session is as before.
async fn load(session: &mut Session) -> Result<(State, Position), Failure> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
                         SELECT value, epoch, origin FROM store_revision";
    const ALL: &str = "SELECT collection, scope, name, version, revision, body, details FROM store_record";
    let Session { connection, place, limit, .. } = session;
    let head = ask(place, *limit, raw_sql(BEGIN).fetch_one(&mut *connection)).await?;
    let position = Position::of(&head).map_err(|cause| Failure::asking(place, cause))?;
    let mut records = Vec::new();
    let mut names = Names::default();
    {
        let mut rows = query(ALL).fetch(&mut *connection);
        // The server may take its time for the whole, but not between two rows.
        while let Some(row) = ask(place, *limit, rows.try_next()).await? {
            let record = names.record(&row).map_err(|what| Failure::content(place, what))?;
            records.push(record);
        }
    }
    within(place, *limit, async {
        raw_sql("COMMIT").execute(connection).await.map_err(|cause| Failure::asking(place, cause))
    })
    .await?;
    Ok((State::restore(position.revision.cast_unsigned(), records), position))
}

/// Shares the names that many records have.
#[derive(Debug, Default)]
struct Names {
    collection: Option<Arc<str>>,
    scope: Option<Arc<str>>,
}

impl Names {
    fn record(&mut self, row: &sqlx::postgres::PgRow) -> Result<Record, String> {
        let bytes = |column: usize| row.try_get::<&[u8], _>(column).map_err(|error| error.to_string());
        let text = |column: usize, name: &str| {
            bytes(column)
                .and_then(|bytes| std::str::from_utf8(bytes).map_err(|error| format!("column {name}: {error}")))
        };
        let number = |column: usize| row.try_get::<i64, _>(column).map_err(|error| error.to_string());
        let key = Key {
            collection: shared(&mut self.collection, text(0, "collection")?),
            scope: shared(&mut self.scope, text(1, "scope")?),
            name: text(2, "name")?.into(),
        };
        let (version, revision) = (number(3)?.cast_unsigned(), number(4)?.cast_unsigned());
        let named = |what: String| format!("{key}: {what}");
        let body = text(5, "body").map_err(named)?;
        frame::record(key.clone(), body, version, revision, bytes(6)?)
            .map_err(|error| format!("{key}: column details: {error}"))
    }
}

fn shared(last: &mut Option<Arc<str>>, text: &str) -> Arc<str> {
    match last {
        Some(known) if **known == *text => known.clone(),
        _ => last.insert(text.into()).clone(),
    }
}
