//! What to list, and the answer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::record::{Key, Record};

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
    /// Only records with one of these labels at least, unless there are none here.
    pub any_labels: BTreeMap<String, String>,
    /// Only records that name this one, as a parent or as a reference.
    pub naming: Option<Key>,
    /// Only what comes after this scope and name; found without going through what comes before.
    pub after: Option<(Arc<str>, Arc<str>)>,
    /// How many to skip.
    pub offset: usize,
    /// How many at most; 0 for all.
    pub limit: usize,
    /// Stop at the limit: [`Page::total`] is then 0 and the rest of the list costs nothing.
    pub uncounted: bool,
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

    /// Where the list begins.
    pub(crate) fn first(&self) -> Bound<Key> {
        let start = Key::new(self.collection.clone(), self.scope.clone().unwrap_or_default(), "");
        match &self.after {
            Some((scope, name)) => {
                let after = Key::new(self.collection.clone(), scope.clone(), name.clone());
                if after < start { Bound::Included(start) } else { Bound::Excluded(after) }
            }
            None => Bound::Included(start),
        }
    }

    /// Whether a record of the right collection and scope passes the filters.
    pub(crate) fn admits(&self, record: &Record) -> bool {
        let draft = &record.draft;
        self.name_contains.as_deref().is_none_or(|part| draft.key.name.contains(part))
            && self.labels.iter().all(|(label, value)| draft.labels.get(label) == Some(value))
            && (self.any_labels.is_empty()
                || self.any_labels.iter().any(|(label, value)| draft.labels.get(label) == Some(value)))
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The records.
    pub records: Vec<Arc<Record>>,
    /// How many match in all; 0 when the query is not to count.
    pub total: usize,
}
