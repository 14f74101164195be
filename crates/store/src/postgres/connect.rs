//! Connections, and how sessions are set up.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, raw_sql};

use super::failure::{Failure, Place};
use super::settings::{Endpoint, TlsMode};

/// Where distributions keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How long a transaction may pause before the server ends it, since what it has locked stops everybody. Deciding on some
/// hundred thousand records takes seconds.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// How much later than the server we give up on a statement.
const GRACE: Duration = Duration::from_millis(500);

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Records, where what is acknowledged is durable.
    Records,
    /// Counters, which may lose the last moment.
    Counters,
    /// A role, which the server should give to somebody else soon after we are gone.
    Role,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) place: Place,
    /// How long a statement may take, as seen from here.
    pub(super) limit: Duration,
    /// What stands for the schema in the names of channels and locks of the database.
    pub(super) schema: i64,
}

impl Session {
    pub(super) async fn connect(endpoint: &Endpoint, purpose: Purpose) -> Result<Self, Failure> {
        let place = Place::of(endpoint);
        let limit = limit(endpoint);
        let connecting = async {
            let options = options(endpoint, &place).await?;
            let failed = |cause| Failure::connecting(&place, cause);
            let mut connection = options.connect().await.map_err(failed)?;
            let schema = set_up(&mut connection, endpoint, purpose).await.map_err(failed)?;
            Ok((connection, schema))
        };
        let connected = within(&place, endpoint.connect_timeout, connecting).await?;
        match connected {
            (connection, Some(schema)) => Ok(Self { connection, place, limit, schema }),
            (_, None) => Err(no_schema(endpoint, place)),
        }
    }

    /// Ends the session as it should be; failing that is no failure.
    pub(super) async fn close(self) {
        drop(tokio::time::timeout(self.limit, self.connection.close()).await);
    }
}

fn no_schema(endpoint: &Endpoint, place: Place) -> Failure {
    let what = match &endpoint.schema {
        Some(schema) => format!("there is no schema {schema}, or the user has no right to it; create it"),
        None => "none of the schemas of the user's search_path exists; name one".to_owned(),
    };
    Failure::Setup { place, what }
}

/// How long we wait for a statement: a bit longer than the server works on it.
pub(super) fn limit(endpoint: &Endpoint) -> Duration {
    endpoint.statement_timeout.saturating_add(GRACE)
}

/// What `work` comes to, if that is in time.
pub(super) async fn within<T>(
    place: &Place,
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Silent { place: place.clone(), limit }),
    }
}

/// As [`within`], for a statement.
pub(super) async fn ask<T>(
    place: &Place,
    limit: Duration,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    let statement = async { statement.await.map_err(|cause| Failure::asking(place, cause)) };
    within(place, limit, statement).await
}

/// How to connect.
pub(super) async fn options(endpoint: &Endpoint, place: &Place) -> Result<PgConnectOptions, Failure> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&endpoint.host)
        .port(endpoint.port)
        .username(&endpoint.user)
        .password(endpoint.password.expose())
        .database(&endpoint.database)
        .application_name("higuma")
        .ssl_mode(mode(endpoint))
        .disable_statement_logging();
    with_certificates(options, endpoint, place).await
}

fn mode(endpoint: &Endpoint) -> PgSslMode {
    // What goes through a file of this machine is not encrypted.
    let local = endpoint.host.starts_with('/');
    match endpoint.tls.mode {
        TlsMode::Disable => PgSslMode::Disable,
        _ if local => PgSslMode::Disable,
        TlsMode::VerifyNone => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

async fn with_certificates(
    mut options: PgConnectOptions,
    endpoint: &Endpoint,
    place: &Place,
) -> Result<PgConnectOptions, Failure> {
    let tls = &endpoint.tls;
    if matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull) {
        let system = || SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
        if let Some(path) = tls.ca.as_deref().or_else(system) {
            options = options.ssl_root_cert_from_pem(read(path, "the authorities", place).await?);
        }
    }
    if let (Some((certificate, key)), false) = (&tls.client, tls.mode == TlsMode::Disable) {
        options = options
            .ssl_client_cert_from_pem(read(certificate, "the client certificate", place).await?)
            .ssl_client_key_from_pem(read(key, "the client certificate's key", place).await?);
    }
    Ok(options)
}

async fn read(path: &Path, what: &str, place: &Place) -> Result<Vec<u8>, Failure> {
    tokio::fs::read(path).await.map_err(|error| Failure::Setup {
        place: place.clone(),
        what: format!("cannot read {what} from {}: {error}", path.display()),
    })
}

/// Sets the session up, and returns what stands for its schema; `None` when it has none.
pub(super) async fn set_up(
    connection: &mut PgConnection,
    endpoint: &Endpoint,
    purpose: Purpose,
) -> Result<Option<i64>, sqlx::Error> {
    let statements = format!("{}; {SCHEMA}", settings(endpoint, purpose).join("; "));
    let row = raw_sql(AssertSqlSafe(statements)).fetch_optional(connection).await?;
    row.map(|row| row.try_get(0)).transpose()
}

const SCHEMA: &str = "SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema()";

fn settings(endpoint: &Endpoint, purpose: Purpose) -> Vec<String> {
    let timeout = endpoint.statement_timeout.as_millis().clamp(1, i32::MAX as u128);
    let pause = MAX_PAUSE.min(endpoint.statement_timeout.max(Duration::from_secs(1)) * 4).as_millis();
    let mut settings = vec![
        format!("SET statement_timeout = {timeout}"),
        format!("SET idle_in_transaction_session_timeout = {pause}"),
        "SET default_transaction_isolation = 'read committed'".to_owned(),
        "SET client_min_messages = warning".to_owned(),
        // Each statement is planned once, perhaps while the tables are empty, and must not get worse as they grow.
        "SET enable_seqscan = off".to_owned(),
        "SET jit = off".to_owned(),
    ];
    match purpose {
        Purpose::Records => {}
        Purpose::Counters => settings.push("SET synchronous_commit = off".to_owned()),
        Purpose::Role => settings.extend(
            ["keepalives_idle = 1", "keepalives_interval = 1", "keepalives_count = 1", "user_timeout = 2000"]
                .map(|setting| format!("SET tcp_{setting}")),
        ),
    }
    if let Some(schema) = &endpoint.schema {
        settings.push(format!("SET search_path = \"{}\"", schema.replace('"', "\"\"")));
    }
    settings
}
