//! The store in a PostgreSQL database, for several instances.

mod settings;

use std::sync::Arc;

use base::Clock;

use crate::{Store, StoreError};

pub use settings::{Endpoint, Settings, Tls, TlsMode};

/// What [`migrate`] did. The versions are equal when there was nothing to do; 0 is an empty database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema's version before.
    pub from: u32,
    /// And after.
    pub to: u32,
}

/// The state of a database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaStatus {
    /// There is none yet.
    Absent,
    /// [`migrate`] brings it up to date.
    Older {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// It is this program's.
    Current,
    /// It is a later program's.
    Newer {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// There are tables of the store's names that are another program's.
    Foreign,
}

/// Opens the store in a database that [`migrate`] has prepared.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses us, [`StoreError::Schema`] when the
/// schema is not this version's, and [`StoreError::Corrupt`] when the content is damaged.
pub async fn open(_settings: Settings, _clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    Err(unfinished())
}

/// Brings the schema up to date, all or nothing. Several may try at once.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses, and [`StoreError::Schema`] when the
/// schema is a later version's or another program's.
pub async fn migrate(_settings: &Settings) -> Result<Migrated, StoreError> {
    Err(unfinished())
}

/// How the schema is.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses.
pub async fn status(_settings: &Settings) -> Result<SchemaStatus, StoreError> {
    Err(unfinished())
}

/// Removes the store's tables with all that is in them. Nothing happens when there are none.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached or refuses, and [`StoreError::Schema`] when the
/// tables are another program's.
pub async fn reset(_settings: &Settings) -> Result<(), StoreError> {
    Err(unfinished())
}

/// SQL for `psql` that does what [`migrate`] does.
pub fn schema_sql() -> String {
    String::new()
}

fn unfinished() -> StoreError {
    StoreError::Unavailable("the PostgreSQL back end is not there yet".into())
}
