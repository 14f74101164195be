//! What is stored, and what a transaction is made of.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

/// A monotonic number of accepted transactions; the change id of a write.
pub type Revision = u64;

/// Who a record is.
#[derive(Clone, Debug)]
pub struct Key {
    /// The collection.
    pub collection: Arc<str>,
    /// What the name is unique within; empty for records of no scope.
    pub scope: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of these three parts.
    pub fn new(collection: impl Into<Arc<str>>, scope: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { collection: collection.into(), scope: scope.into(), name: name.into() }
    }
}

// Keys of a collection mostly share its name, and comparing pointers is cheaper.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        same(&self.name, &other.name) && same(&self.scope, &other.scope) && same(&self.collection, &other.collection)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.collection, &self.scope, &self.name).hash(state);
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let cmp = |a: &Arc<str>, b: &Arc<str>| if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) };
        cmp(&self.collection, &other.collection)
            .then_with(|| cmp(&self.scope, &other.scope))
            .then_with(|| cmp(&self.name, &other.name))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `collection/scope/name`, or `collection/name` without scope. For readers, not for parsing.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.collection)?;
        if !self.scope.is_empty() {
            write!(f, "{}/", self.scope)?;
        }
        f.write_str(&self.name)
    }
}

/// What a caller writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Who it is.
    pub key: Key,
    /// The document, JSON. Kept to the byte; the store does not look into it.
    pub body: Arc<str>,
    /// Labels or tags to filter by.
    pub labels: BTreeMap<String, String>,
    /// Secondary keys, unique within the collection: `("username", "bob")`.
    pub unique: Vec<(String, String)>,
    /// Deleting any of these records deletes it too. They must exist when it is written.
    pub parents: Vec<Key>,
    /// These records cannot be deleted as long as it exists. They must exist when it is written.
    pub references: Vec<Key>,
    /// When it vanishes by itself, with what has it as parent. Expiry does not ask who refers to it.
    pub expires: Option<Timestamp>,
}

impl Draft {
    /// A draft of nothing but a document.
    pub fn new(key: Key, body: impl Into<Arc<str>>) -> Self {
        Self {
            key,
            body: body.into(),
            labels: BTreeMap::new(),
            unique: Vec::new(),
            parents: Vec::new(),
            references: Vec::new(),
            expires: None,
        }
    }

    /// Whether it has this secondary key.
    pub(crate) fn has_unique(&self, collection: &str, field: &str, value: &str) -> bool {
        *self.key.collection == *collection && self.unique.iter().any(|(f, v)| f == field && v == value)
    }

    /// Every record that it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Key> {
        self.parents.iter().chain(&self.references)
    }
}

/// What is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// As written.
    pub draft: Draft,
    /// 1 at creation, one more with every update.
    pub version: u64,
    /// The transaction that wrote it last.
    pub revision: Revision,
    /// First write.
    pub created: Timestamp,
    /// Last write.
    pub modified: Timestamp,
}

impl Record {
    /// Whether it has vanished by `now`.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.draft.expires.is_some_and(|at| at <= now)
    }
}

/// One step of a transaction. Each step sees the steps before it, and is checked when it is its turn.
#[derive(Clone, Debug)]
pub enum Op {
    /// Fails with [`StoreError::Exists`](crate::StoreError::Exists) when the key is taken.
    Create(Draft),
    /// Creates or replaces; with `Some(version)` replaces only that version. Writing what is there already
    /// changes nothing.
    Put(Draft, Option<u64>),
    /// Deletes, and what has it as parent; fails when absent or referred to from outside of what is deleted.
    /// With `Some(version)` only that version.
    Delete(Key, Option<u64>),
    /// See [`Content`].
    Replace(Content),
    /// See [`Amendment`].
    Amend(Amendment),
}

/// All that some collections hold from now on. It is applied as the difference to what is there: what is not among
/// the drafts is deleted as by [`Op::Delete`], what is there already stays untouched, the rest is put. The drafts
/// may name each other in any order.
#[derive(Clone, Debug)]
pub struct Content {
    /// The collections.
    pub collections: Vec<Arc<str>>,
    /// Their records. No two have the same key; those of other collections are put.
    pub drafts: Vec<Draft>,
}

/// The difference between what is there and what shall be, for who knows what is there. As with [`Content`], all of it
/// is checked at its end: what names each other may come in any order, and secondary keys may be swapped.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// Fails with [`StoreError::Conflict`](crate::StoreError::Conflict) if anything was committed after this revision.
    pub since: Revision,
    /// What is new or changed. No two have the same key.
    pub drafts: Vec<Draft>,
    /// What goes. It must be there, and all that has it as parent must be named as well.
    pub gone: Vec<Key>,
}

/// What a transaction did, in order; cascades included, the dependent record before what it depends on.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Created (`version == 1`) or replaced.
    Put(Arc<Record>),
    /// Gone.
    Delete(Key),
}

impl Change {
    /// The record that changed.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(record) => &record.draft.key,
            Self::Delete(key) => key,
        }
    }
}

/// An accepted transaction. One that changed nothing keeps the revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its revision.
    pub revision: Revision,
    /// What it did.
    pub changes: Vec<Change>,
}
