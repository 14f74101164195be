//! The tables, and how databases of earlier versions get them.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, query_scalar, raw_sql};

use super::connect::{Purpose, Session, ask};
use super::failure::Failure;
use super::{Endpoint, Migrated, SchemaStatus};
use crate::SchemaMismatch;

/// Each entry takes the schema from the version before to its own, counted from 1. Entries are only ever added.
///
/// Text is kept as its bytes: a database's own text has no NUL and may have another encoding.
const MIGRATIONS: &[&str] = &["
    -- One row, locked by whoever commits. The epoch moves when a commit is in doubt, so that it cannot take effect
    -- later; the origin tells a database from one that was set up anew.
    CREATE TABLE store_revision (
        value bigint NOT NULL,
        epoch bigint NOT NULL,
        origin bigint NOT NULL
    );
    INSERT INTO store_revision VALUES (0, 0, (random() * 9e18)::bigint);
    -- The id is the SHA-256 of the key's parts, each after its length.
    CREATE TABLE store_record (
        id bytea PRIMARY KEY,
        collection bytea NOT NULL,
        scope bytea NOT NULL,
        name bytea NOT NULL,
        version bigint NOT NULL,
        revision bigint NOT NULL,
        body bytea NOT NULL,
        details bytea NOT NULL
    );
    -- What was committed together, for those who follow; kept for a while.
    CREATE TABLE store_log (
        revision bigint NOT NULL,
        part integer NOT NULL,
        previous bigint NOT NULL,
        author bigint NOT NULL,
        nonce bigint NOT NULL,
        written timestamptz NOT NULL DEFAULT now(),
        content bytea NOT NULL,
        PRIMARY KEY (revision, part)
    );
    ALTER TABLE store_log ALTER COLUMN content SET STORAGE EXTERNAL;
    -- Times in microseconds since 1970.
    CREATE TABLE store_counter (
        key bytea PRIMARY KEY,
        value bigint NOT NULL,
        expires bigint NOT NULL
    ) WITH (fillfactor = 70);
    CREATE INDEX store_counter_expires ON store_counter (expires);
    -- Who was in a role and did not give it up may still believe to be.
    CREATE TABLE store_role (
        role bytea PRIMARY KEY,
        held boolean NOT NULL
    );
"];

/// The tables; the one with the version last.
const TABLES: [&str; 6] =
    ["store_revision", "store_record", "store_log", "store_counter", "store_role", "store_schema"];

const VERSION_TABLE: &str = "CREATE TABLE store_schema (version integer NOT NULL)";

/// One migration at a time, in each schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('store migration ' || current_schema(), 0))";

fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("it is a short list")
}

pub(super) async fn migrate(endpoint: &Endpoint) -> Result<Migrated, Failure> {
    changed(endpoint, async |connection, from| {
        let to = known();
        if from == to {
            return Ok(Migrated { from, to });
        }
        if from == 0 {
            raw_sql(VERSION_TABLE).execute(&mut *connection).await?;
            raw_sql("INSERT INTO store_schema VALUES (0)").execute(&mut *connection).await?;
        }
        for migration in &MIGRATIONS[from as usize..] {
            raw_sql(*migration).execute(&mut *connection).await?;
        }
        let update = format!("UPDATE store_schema SET version = {to}");
        raw_sql(AssertSqlSafe(update)).execute(connection).await?;
        Ok(Migrated { from, to })
    })
    .await
}

pub(super) async fn reset(endpoint: &Endpoint) -> Result<(), Failure> {
    let mut session = Session::connect(endpoint, Purpose::Records).await?;
    let Session { connection, place, limit, .. } = &mut session;
    let resetting = async {
        raw_sql("BEGIN").execute(&mut *connection).await?;
        raw_sql(LOCK).execute(&mut *connection).await?;
        let status = found(connection).await?;
        if status != SchemaStatus::Foreign {
            let drop = format!("DROP TABLE IF EXISTS {}; COMMIT", TABLES.join(", "));
            raw_sql(AssertSqlSafe(drop)).execute(&mut *connection).await?;
        }
        Ok(status)
    };
    let status = ask(place, *limit, resetting).await?;
    if status == SchemaStatus::Foreign {
        return Err(Failure::Schema { place: place.clone(), mismatch: SchemaMismatch::Foreign });
    }
    session.close().await;
    Ok(())
}

pub(super) async fn status(endpoint: &Endpoint) -> Result<SchemaStatus, Failure> {
    let mut session = Session::connect(endpoint, Purpose::Records).await?;
    let status = status_of(&mut session).await?;
    session.close().await;
    Ok(status)
}

/// Fails unless the schema is this version's.
pub(super) async fn check(session: &mut Session) -> Result<(), Failure> {
    let status = status_of(session).await?;
    match mismatch(status) {
        None => Ok(()),
        Some(mismatch) => Err(Failure::Schema { place: session.place.clone(), mismatch }),
    }
}

async fn status_of(session: &mut Session) -> Result<SchemaStatus, Failure> {
    let Session { connection, place, limit, .. } = session;
    ask(place, *limit, found(connection)).await
}

/// Runs `change` with the schema's version in a transaction, one at a time; unless the schema cannot be changed.
async fn changed<T>(
    endpoint: &Endpoint,
    change: impl AsyncFnOnce(&mut PgConnection, u32) -> Result<T, sqlx::Error>,
) -> Result<T, Failure> {
    let mut session = Session::connect(endpoint, Purpose::Records).await?;
    let Session { connection, place, limit, .. } = &mut session;
    // Those who start together wait for the first of them, which may take longer than a statement should.
    let lock = format!("BEGIN; SET LOCAL statement_timeout = 0; {LOCK}");
    let status = ask(place, *limit * 10, async {
        raw_sql(AssertSqlSafe(lock)).execute(&mut *connection).await?;
        found(connection).await
    })
    .await?;
    let from = match status {
        SchemaStatus::Absent => 0,
        SchemaStatus::Older { found, .. } => found,
        SchemaStatus::Current => known(),
        SchemaStatus::Newer { found, known } => {
            let mismatch = SchemaMismatch::Newer { found, known };
            return Err(Failure::Schema { place: place.clone(), mismatch });
        }
        SchemaStatus::Foreign => {
            return Err(Failure::Schema { place: place.clone(), mismatch: SchemaMismatch::Foreign });
        }
    };
    let result = ask(place, *limit * 10, async {
        let result = change(connection, from).await?;
        raw_sql("COMMIT").execute(&mut *connection).await?;
        Ok(result)
    })
    .await?;
    session.close().await;
    Ok(result)
}

fn mismatch(status: SchemaStatus) -> Option<SchemaMismatch> {
    match status {
        SchemaStatus::Current => None,
        SchemaStatus::Absent => Some(SchemaMismatch::Absent),
        SchemaStatus::Older { found, known } => Some(SchemaMismatch::Older { found, known }),
        SchemaStatus::Newer { found, known } => Some(SchemaMismatch::Newer { found, known }),
        SchemaStatus::Foreign => Some(SchemaMismatch::Foreign),
    }
}

async fn found(connection: &mut PgConnection) -> Result<SchemaStatus, sqlx::Error> {
    let tables: Vec<String> = query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
           AND relkind IN ('r', 'v', 'm', 'p', 'f') AND relname = ANY($1)",
    )
    .bind(&TABLES[..])
    .fetch_all(&mut *connection)
    .await?;
    if tables.is_empty() {
        return Ok(SchemaStatus::Absent);
    }
    let ours: bool = query_scalar(
        "SELECT EXISTS (SELECT FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
           AND relname = 'store_schema' AND attname = 'version' AND atttypid = 'integer'::regtype)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !ours {
        return Ok(SchemaStatus::Foreign);
    }
    let version: Option<i32> = query_scalar("SELECT version FROM store_schema").fetch_optional(connection).await?;
    let known = known();
    Ok(match version.and_then(|version| u32::try_from(version).ok()) {
        None => SchemaStatus::Foreign,
        Some(found) if found < known => SchemaStatus::Older { found, known },
        Some(found) if found > known => SchemaStatus::Newer { found, known },
        Some(_) => SchemaStatus::Current,
    })
}

pub(super) fn sql() -> String {
    let known = known();
    let mut sql = format!(
        "-- Brings the tables of the store to version {known}. May be run any number of times.\n\
         BEGIN;\nSET LOCAL client_min_messages = warning;\n{LOCK};\n\
         {};\n\
         INSERT INTO store_schema SELECT 0 WHERE NOT EXISTS (SELECT FROM store_schema);\n\
         DO $migrations$\nBEGIN\n\
         IF (SELECT version FROM store_schema) > {known} THEN\n    \
         RAISE EXCEPTION 'the schema is that of a later version';\nEND IF;\n",
        VERSION_TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
    );
    for (migration, version) in MIGRATIONS.iter().zip(1..) {
        write!(
            sql,
            "IF (SELECT version FROM store_schema) < {version} THEN{migration}    \
             UPDATE store_schema SET version = {version};\nEND IF;\n"
        )
        .expect("a string takes everything");
    }
    sql + "END\n$migrations$;\nCOMMIT;\n"
}
