//! What is said to the server. Each is one round trip.

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query;
use sqlx::query::Query;

use super::Entry;
use crate::postgres::connect::{Session, ask};
use crate::postgres::failure::Failure;
use crate::postgres::frame;
use crate::state::overlay::Outcome;

/// About how many bytes go into a statement; one record may be more.
pub(super) const CHUNK: usize = 4 << 20;

/// How many records go into a statement.
const MAX_ROWS: usize = 5_000;

/// The revision, and what was logged since another one; a row at least.
pub(super) const LOOK: &str = "
    SELECT r.value, r.epoch, r.origin, l.revision, l.previous, l.author, l.nonce, l.content
    FROM store_revision r LEFT JOIN store_log l ON l.revision > $1
    ORDER BY l.revision, l.part";

const STORE: &str = "
    INSERT INTO store_record (id, collection, scope, name, version, revision, body, details)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[],
                         $7::bytea[], $8::bytea[])
    ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, revision = EXCLUDED.revision,
                                   body = EXCLUDED.body, details = EXCLUDED.details";

const REMOVE: &str = "DELETE FROM store_record WHERE id = ANY($1)";

const LOG: &str = "
    INSERT INTO store_log (revision, part, previous, author, nonce, content) VALUES ($1, $2, $3, $4, $5, $6)";

/// Everything at once. It does something only if nobody else has moved the revision since, which it waits for:
/// whatever it reads of the tables is then what they are.
const WRITE: &str = "
    WITH moved AS (
        UPDATE store_revision SET value = $10 WHERE value = $11 AND epoch = $12 AND origin = $13 RETURNING 1
    ), stored AS (
        INSERT INTO store_record (id, collection, scope, name, version, revision, body, details)
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[],
                             $7::bytea[], $8::bytea[])
        WHERE EXISTS (SELECT FROM moved)
        ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, revision = EXCLUDED.revision,
                                       body = EXCLUDED.body, details = EXCLUDED.details
    ), removed AS (
        DELETE FROM store_record WHERE id = ANY($9) AND EXISTS (SELECT FROM moved)
    ), logged AS (
        INSERT INTO store_log (revision, part, previous, author, nonce, content)
        SELECT $10, 0, $11, $14, $15, $16 WHERE EXISTS (SELECT FROM moved)
    )
    SELECT pg_notify($17, $10::text) FROM moved";

/// Some of what a group does to the table of records.
#[derive(Debug, Default)]
pub(super) struct Bulk<'a> {
    ids: Vec<[u8; 32]>,
    collections: Vec<&'a [u8]>,
    scopes: Vec<&'a [u8]>,
    names: Vec<&'a [u8]>,
    versions: Vec<i64>,
    revisions: Vec<i64>,
    bodies: Vec<&'a [u8]>,
    details: Vec<Vec<u8>>,
    removed: Vec<[u8; 32]>,
    bytes: usize,
}

impl<'a> Bulk<'a> {
    /// All that a group does, in portions.
    pub(super) fn of(outcome: &'a Outcome) -> Vec<Self> {
        let mut bulks: Vec<Self> = Vec::new();
        for (key, record) in &outcome.records {
            if bulks.last().is_none_or(Self::is_full) {
                bulks.push(Self::default());
            }
            let bulk = bulks.last_mut().expect("there is one now");
            let id = frame::id(key);
            let Some(record) = record else {
                bulk.removed.push(id);
                continue;
            };
            bulk.ids.push(id);
            bulk.collections.push(key.collection.as_bytes());
            bulk.scopes.push(key.scope.as_bytes());
            bulk.names.push(key.name.as_bytes());
            bulk.versions.push(record.version.cast_signed());
            bulk.revisions.push(record.revision.cast_signed());
            bulk.bodies.push(record.draft.body.as_bytes());
            let details = frame::details(record);
            bulk.bytes += record.draft.body.len() + details.len();
            bulk.details.push(details);
        }
        bulks
    }

    fn is_full(&self) -> bool {
        self.bytes >= CHUNK || self.ids.len() + self.removed.len() >= MAX_ROWS
    }

    fn bind_to(&self, statement: &'static str) -> Query<'_, Postgres, PgArguments> {
        let ids: Vec<&[u8]> = self.ids.iter().map(<[u8; 32]>::as_slice).collect();
        query(statement)
            .bind(ids)
            .bind(&self.collections)
            .bind(&self.scopes)
            .bind(&self.names)
            .bind(&self.versions)
            .bind(&self.revisions)
            .bind(&self.bodies)
            .bind(&self.details)
    }

    fn removed(&self) -> Vec<&[u8]> {
        self.removed.iter().map(<[u8; 32]>::as_slice).collect()
    }
}

/// A portion in a transaction.
pub(super) async fn store(session: &mut Session, bulk: &Bulk<'_>) -> Result<(), Failure> {
    let Session { connection, place, limit, .. } = session;
    if !bulk.ids.is_empty() {
        ask(place, *limit, bulk.bind_to(STORE).execute(&mut *connection)).await?;
    }
    if !bulk.removed.is_empty() {
        ask(place, *limit, query(REMOVE).bind(bulk.removed()).execute(connection)).await?;
    }
    Ok(())
}

/// A further part of an entry of the log, in a transaction.
pub(super) async fn log(session: &mut Session, entry: &Entry<'_>) -> Result<(), Failure> {
    let Session { connection, place, limit, .. } = session;
    let statement = query(LOG)
        .bind(entry.revision)
        .bind(entry.part)
        .bind(entry.position.revision)
        .bind(entry.nonce.author)
        .bind(entry.nonce.number)
        .bind(entry.content);
    ask(place, *limit, statement.execute(connection)).await.map(drop)
}

/// A portion, the entry of the log, and the new revision; `false` if somebody else was faster, and nothing was done.
pub(super) async fn write(session: &mut Session, bulk: &Bulk<'_>, entry: &Entry<'_>) -> Result<bool, Failure> {
    let channel = super::channel(session);
    let Session { connection, place, limit, .. } = session;
    let statement = bulk
        .bind_to(WRITE)
        .bind(bulk.removed())
        .bind(entry.revision)
        .bind(entry.position.revision)
        .bind(entry.position.epoch)
        .bind(entry.position.origin)
        .bind(entry.nonce.author)
        .bind(entry.nonce.number)
        .bind(entry.content)
        .bind(channel);
    // All of the answer is awaited: the commit comes after the rows.
    let rows = ask(place, *limit, statement.fetch_all(connection)).await?;
    Ok(!rows.is_empty())
}
