//! Why a store refuses.

use crate::record::Key;

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such record.
    #[error("{0} not found")]
    NotFound(Key),
    /// The key is taken.
    #[error("{0} already exists")]
    Exists(Key),
    /// The record is at another version than expected, or gone.
    #[error("{0} was changed in the meantime")]
    Conflict(Key),
    /// A secondary key is taken by another record.
    #[error("{field} {value:?} is taken by {owner}")]
    NotUnique {
        /// Name of the secondary key.
        field: String,
        /// Its value.
        value: String,
        /// Who has it.
        owner: Key,
    },
    /// A parent or a referred record does not exist.
    #[error("{0} does not exist")]
    MissingReference(Key),
    /// The record is referred to.
    #[error("{key} is in use by {by}")]
    InUse {
        /// What was to be deleted.
        key: Key,
        /// Who refers to it.
        by: Key,
    },
    /// A record or a transaction is larger than any store takes; nothing was changed.
    #[error(transparent)]
    TooLarge(TooLarge),
    /// The back end cannot be reached or cannot write; nothing was changed.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The back end went away while the transaction was being committed, and did not come back in time to tell:
    /// everything was changed, or nothing. Watchers will see which.
    #[error("the store became unavailable during the commit, which may have taken effect")]
    InDoubt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database has not the schema that this version works with.
    #[error(transparent)]
    Schema(#[from] SchemaMismatch),
    /// The stored data or its schema is not what this version understands.
    #[error("the store's content is not usable: {0}")]
    Corrupt(String),
}

/// Which limit a write exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// The record's document, labels and keys together.
    #[error("{key} has {size} bytes, the limit is {limit}")]
    Record {
        /// The record.
        key: Key,
        /// Its size in bytes.
        size: usize,
        /// The largest size in bytes.
        limit: usize,
    },
    /// The number of steps.
    #[error("the transaction has {steps} steps, the limit is {limit}; split it")]
    Transaction {
        /// How many it has.
        steps: usize,
        /// How many it may have.
        limit: usize,
    },
}

/// How the schema of a database differs from what this version works with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaMismatch {
    /// There is none yet.
    #[error("the database has no schema yet; run the migrations")]
    Absent,
    /// It is that of an earlier version.
    #[error("the database has schema version {found}, this program needs version {known}; run the migrations")]
    Older {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// It is that of a later version.
    #[error("the database has schema version {found}, this program understands up to {known}; use a later program")]
    Newer {
        /// The database's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// There are tables of the store's names that no version made.
    #[error("the database has tables of the store's names that are another program's; use another database or schema")]
    Foreign,
}
