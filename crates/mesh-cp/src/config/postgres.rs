//! `store.postgres`: where the database is.

use std::path::PathBuf;
use std::time::Duration;

use base::Secret;
use store::postgres::{Endpoint, Settings, Tls, TlsMode};

use super::reader::Reader;

/// How long one statement may take. The reference has no such key.
const STATEMENT: Duration = Duration::from_secs(30);

pub(super) fn settings(reader: &mut Reader<'_>) -> Settings {
    // One driver does what all of them did.
    reader.one_of("store.postgres.driverName", &["pgx", "postgres"], "");
    let connect = connection_timeout(reader);
    let primary = Endpoint {
        host: required(reader, "store.postgres.host"),
        port: port(reader, "store.postgres.port"),
        user: required(reader, "store.postgres.user"),
        password: Secret::new(reader.text("store.postgres.password")),
        database: required(reader, "store.postgres.dbName"),
        schema: None,
        tls: tls(reader),
        connect_timeout: connect,
        statement_timeout: STATEMENT,
    };
    Settings {
        replica: replica(reader, &primary),
        primary,
        idle_timeout: reader.positive_duration("store.postgres.maxConnectionIdleTime"),
        commit_timeout: connect,
        max_connections: connections(reader),
    }
}

fn required(reader: &mut Reader<'_>, path: &str) -> String {
    let text = reader.text(path);
    if text.is_empty() {
        reader.problem(path, "cannot be empty", "");
    }
    text
}

fn port(reader: &mut Reader<'_>, path: &str) -> u16 {
    let before = reader.problem_count();
    let port = reader.port(path);
    if port == 0 && reader.problem_count() == before {
        reader.problem(path, "must be a port from 1 to 65535", "");
    }
    port
}

/// Whole seconds.
fn connection_timeout(reader: &mut Reader<'_>) -> Duration {
    const LONGEST: usize = 3600;
    let path = "store.postgres.connectionTimeout";
    let before = reader.problem_count();
    let seconds = reader.count(path);
    if reader.problem_count() == before && !(1..=LONGEST).contains(&seconds) {
        reader.problem(path, format!("must be from 1 to {LONGEST} seconds, not {seconds}"), "");
    }
    Duration::from_secs(seconds.clamp(1, LONGEST) as u64)
}

fn connections(reader: &mut Reader<'_>) -> u32 {
    const MOST: usize = 10_000;
    let path = "store.postgres.maxOpenConnections";
    let before = reader.problem_count();
    let count = reader.count(path);
    if reader.problem_count() == before && !(1..=MOST).contains(&count) {
        reader.problem(path, format!("must be from 1 to {MOST}, not {count}"), "");
    }
    u32::try_from(count).unwrap_or(1).max(1)
}

fn tls(reader: &mut Reader<'_>) -> Tls {
    let words = ["disable", "verifyNone", "verifyCa", "verifyFull"];
    let mode = match reader.one_of("store.postgres.tls.mode", &words, "").as_str() {
        "verifyNone" => TlsMode::VerifyNone,
        "verifyCa" => TlsMode::VerifyCa,
        "verifyFull" => TlsMode::VerifyFull,
        _ => return Tls::OFF,
    };
    let ca = reader.path("store.postgres.tls.caPath");
    let (cert_key, key_key) = ("store.postgres.tls.certPath", "store.postgres.tls.keyPath");
    let client = match (reader.path(cert_key), reader.path(key_key)) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (cert, _) => {
            let (missing, present) = if cert.is_none() { (cert_key, key_key) } else { (key_key, cert_key) };
            reader.problem(missing, format!("must be set too, as {present} is"), "certificate and key go together");
            None
        }
    };
    let files = client.iter().flat_map(|(cert, key)| [(cert_key, cert), (key_key, key)]);
    let files: Vec<(&str, &PathBuf)> = ca.iter().map(|ca| ("store.postgres.tls.caPath", ca)).chain(files).collect();
    for (path, file) in files {
        if let Err(error) = std::fs::File::open(file) {
            reader.problem(path, format!("{} cannot be read: {error}", file.display()), "");
        }
    }
    Tls { mode, ca, client }
}

/// The replica has the same users and databases. `ratio` is the share of reads that it is to have; here it has all
/// or none, since what is read from a database is read once.
fn replica(reader: &mut Reader<'_>, primary: &Endpoint) -> Option<Endpoint> {
    let host = reader.some_text("store.postgres.readReplica.host")?;
    let port = port(reader, "store.postgres.readReplica.port");
    let path = "store.postgres.readReplica.ratio";
    let ratio = reader.count(path);
    if ratio > 100 {
        reader.problem(path, format!("must be a percentage from 0 to 100, not {ratio}"), "");
    }
    (ratio > 0).then(|| Endpoint { host, port, ..primary.clone() })
}
