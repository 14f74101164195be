//! Why a resource could not be read or written.

use base::Problems;
use store::StoreError;

/// Why a resource could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// There is no such resource.
    #[error("the resource is not found")]
    NotFound,
    /// The mesh it should be in does not exist.
    #[error("the mesh is not found")]
    MeshNotFound,
    /// It breaks rules; each problem names the field.
    #[error("the resource is not valid")]
    Invalid(#[source] Problems),
    /// Somebody else changed it at the same time, again and again.
    #[error("the resource was changed by somebody else")]
    Conflict(#[source] StoreError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// What belongs to a new mesh could not be made.
    #[error("the defaults of the mesh could not be made: {0}")]
    Defaults(String),
}

impl ResourceError {
    /// One problem at one field.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        let mut problems = Problems::default();
        problems.add(path, message);
        Self::Invalid(problems)
    }
}

impl From<StoreError> for ResourceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            StoreError::MissingReference(_) => Self::MeshNotFound,
            StoreError::TooLarge(limit) => Self::invalid("", limit.to_string()),
            StoreError::Exists(_) | StoreError::Conflict(_) => Self::Conflict(error),
            other => Self::Store(other),
        }
    }
}

impl From<Problems> for ResourceError {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}
