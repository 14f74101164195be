//! Where the server is, and how it is spoken to.

use std::path::PathBuf;
use std::time::Duration;

use base::Secret;

/// A database, and how much of it one instance may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything is written, and read unless there is a `replica`.
    pub primary: Endpoint,
    /// Where the content is loaded from at start and after having been away for long.
    pub replica: Option<Endpoint>,
    /// How long the connections may be without use.
    pub idle_timeout: Duration,
    /// How long a commit waits for the server before it is refused, in all.
    pub commit_timeout: Duration,
    /// The most connections for counters; records, notifications and each role have one besides.
    pub max_connections: u32,
}

impl Settings {
    /// One database in the clear, with the bounds of a small program.
    pub fn plain(host: &str, port: u16, user: &str, password: &str, database: &str) -> Self {
        let primary = Endpoint {
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            password: Secret::new(password),
            database: database.to_owned(),
            schema: None,
            tls: Tls::OFF,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
        };
        Self {
            primary,
            replica: None,
            idle_timeout: Duration::from_secs(60),
            commit_timeout: Duration::from_secs(10),
            max_connections: 4,
        }
    }
}

/// A database on a server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name or address; a path is the folder of the server's socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are.
    pub user: String,
    /// Proves it; empty for none.
    pub password: Secret,
    /// The database.
    pub database: String,
    /// The schema within the database; `None` for the user's default one. It must exist.
    pub schema: Option<String>,
    /// How the connection is protected.
    pub tls: Tls,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What is asked for.
    pub mode: TlsMode,
    /// Authorities in PEM; `None` for the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key in PEM, when the server wants one.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// No protection.
    pub const OFF: Self = Self { mode: TlsMode::Disable, ca: None, client: None };
}

/// How much protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// In the clear.
    Disable,
    /// Encrypted, without looking who answers. A server that cannot do TLS is refused.
    VerifyNone,
    /// Encrypted, with a server that an authority vouches for.
    VerifyCa,
    /// The same, and the certificate must be for the host's name.
    VerifyFull,
}
