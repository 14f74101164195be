//! Why the server could not be used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::settings::Endpoint;
use crate::{SchemaMismatch, StoreError};

/// A database as messages name it; never with its password.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<str>);

impl Place {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let Endpoint { host, port, database, user, .. } = endpoint;
        Self(format!("PostgreSQL at {host}:{port} (database {database}, user {user})").into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something that needs the server did not work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot connect to {place}{hint}")]
    Connect {
        place: Place,
        hint: &'static str,
        #[source]
        cause: sqlx::Error,
    },
    #[error("{place} did not answer within {limit:?}")]
    Silent { place: Place, limit: Duration },
    #[error("{place} did not do what it was asked{hint}")]
    Statement {
        place: Place,
        hint: &'static str,
        #[source]
        cause: sqlx::Error,
    },
    #[error("{place}: {what}")]
    Setup { place: Place, what: String },
    #[error("{place}")]
    Schema {
        place: Place,
        #[source]
        mismatch: SchemaMismatch,
    },
    /// What is stored is not what this program writes.
    #[error("{place}: {what}")]
    Content { place: Place, what: String },
}

impl Failure {
    pub(super) fn connecting(place: &Place, cause: sqlx::Error) -> Self {
        let hint = connect_hint(&cause);
        Self::Connect { place: place.clone(), hint, cause }
    }

    pub(super) fn asking(place: &Place, cause: sqlx::Error) -> Self {
        let hint = statement_hint(&cause);
        Self::Statement { place: place.clone(), hint, cause }
    }

    pub(super) fn content(place: &Place, what: impl Into<String>) -> Self {
        Self::Content { place: place.clone(), what: what.into() }
    }

    /// Whether the server has said no to a statement, and thus undone it. Everything else may have happened, or
    /// may still.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Statement { cause: sqlx::Error::Database(error), .. } = self else { return false };
        // A session that is ended may have ended after the commit.
        matches!(error.downcast_ref::<PgDatabaseError>().severity(), PgSeverity::Error)
    }

    /// Whether trying again is in vain, until somebody does something about it.
    pub(super) fn is_lasting(&self) -> bool {
        const TRANSIENT: [&str; 4] = [
            "40", // somebody else was in the way
            "57", // it took too long, or an operator intervened
            "55", // not in this state
            "25", // a server that is a standby for the moment
        ];
        match self {
            Self::Statement { cause: sqlx::Error::Database(error), .. } => {
                !error.code().is_some_and(|code| TRANSIENT.iter().any(|class| code.starts_with(class)))
            }
            Self::Statement { .. } | Self::Connect { .. } | Self::Silent { .. } => false,
            Self::Setup { .. } | Self::Schema { .. } | Self::Content { .. } => true,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Schema { mismatch, .. } => Self::Schema(mismatch),
            Failure::Content { place, what } => Self::Corrupt(format!("{place}: {what}")),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// What to look at, by what the server or the connection says.
fn connect_hint(cause: &sqlx::Error) -> &'static str {
    if let sqlx::Error::Database(error) = cause {
        return match error.code().as_deref() {
            Some("28P01") => "; check the user and the password",
            Some("28000") => "; the server does not let us in: check the user, the TLS mode and the client certificate",
            Some("3D000") => "; check the name of the database",
            Some("53300") => {
                "; the server has no connection left for us: use smaller pools, or raise its max_connections"
            }
            _ => "",
        };
    }
    let text = base::report(cause);
    if text.contains("server does not support TLS") {
        "; the TLS mode wants an encrypted connection, which the server does not offer"
    } else if text.contains("UnknownIssuer") || text.contains("SelfSigned") || text.contains("BadSignature") {
        "; no authority that is trusted (CA certificate) vouches for the server's certificate"
    } else if text.contains("not valid for") || text.contains("NotValidForName") {
        "; the server's certificate is for another host name"
    } else if text.contains("received fatal alert") {
        "; the server wants a client certificate that it trusts"
    } else {
        ""
    }
}

fn statement_hint(cause: &sqlx::Error) -> &'static str {
    let sqlx::Error::Database(error) = cause else { return "" };
    match error.code().as_deref() {
        Some("53100") => "; its disk is full",
        Some("25006") => "; it is read-only, as a standby is",
        Some("42501") => "; the user lacks a right",
        Some("42P01" | "42703") => "; its schema is not what it was, run the migrations",
        _ => "",
    }
}
