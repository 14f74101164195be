//! What to list, and the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::Record;

/// What to list. Order is by scope, then name, both by their bytes.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The collection.
    pub collection: Arc<str>,
    /// Only this scope.
    pub scope: Option<Arc<str>>,
    /// Only names that contain this, to the letter.
    pub name_contains: Option<String>,
    /// Only records with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// How many to skip.
    pub offset: usize,
    /// How many at most; 0 for all.
    pub limit: usize,
}

impl Query {
    /// All of a collection.
    pub fn all(collection: impl Into<Arc<str>>) -> Self {
        Self { collection: collection.into(), ..Self::default() }
    }

    /// All of a collection's scope.
    pub fn scoped(collection: impl Into<Arc<str>>, scope: impl Into<Arc<str>>) -> Self {
        Self { scope: Some(scope.into()), ..Self::all(collection) }
    }

    /// Whether a record of the right collection and scope passes the filters.
    pub(crate) fn admits(&self, record: &Record) -> bool {
        let draft = &record.draft;
        self.name_contains.as_deref().is_none_or(|part| draft.key.name.contains(part))
            && self.labels.iter().all(|(label, value)| draft.labels.get(label) == Some(value))
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The records.
    pub records: Vec<Arc<Record>>,
    /// How many match in all.
    pub total: usize,
}
