//! Transactions on top of a state that stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::State;
use super::index::{Index, UniqueKey, unique_keys};
use crate::error::{StoreError, TooLarge};
use crate::record::{Change, Committed, Draft, Key, Op, Record, Revision};

/// The largest record in bytes. Above all a protection of the process; real documents have kilobytes.
pub(crate) const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// The most steps of a transaction.
pub(crate) const MAX_STEPS: usize = 100_000;

/// A state with transactions applied that nobody else sees yet.
#[derive(Debug)]
pub(crate) struct Overlay<'a> {
    base: &'a State,
    now: Timestamp,
    revision: Revision,
    /// What differs from the base; `None` is gone.
    records: BTreeMap<Key, Option<Arc<Record>>>,
    /// Who may name what, in addition to the base's index. Entries are hints like those of the base: only what
    /// [`Overlay::current`] confirms counts, so nothing needs to be taken out when a step is undone.
    index: Index,
    running: Running,
}

/// The transaction that is being applied.
#[derive(Debug, Default)]
struct Running {
    changes: Vec<Change>,
    /// What `records` held before, to take the transaction back.
    undo: Vec<(Key, Option<Option<Arc<Record>>>)>,
}

/// What the transactions of an overlay came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The revision of the last of them.
    pub(crate) revision: Revision,
    /// The new content of each key that was touched; `None` is gone.
    pub(crate) records: BTreeMap<Key, Option<Arc<Record>>>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a State, now: Timestamp) -> Self {
        Self {
            base,
            now,
            revision: base.revision,
            records: BTreeMap::new(),
            index: Index::default(),
            running: Running::default(),
        }
    }

    /// Deletes what has expired. Call it before the first transaction.
    pub(crate) fn expire(&mut self) -> Option<Arc<Committed>> {
        for key in self.base.expired_by(self.now) {
            for gone in self.with_descendants(key) {
                self.delete(gone);
            }
        }
        let committed = self.accept();
        (!committed.changes.is_empty()).then_some(committed)
    }

    /// Applies all of `ops`, or none.
    pub(crate) fn transact(&mut self, ops: Vec<Op>) -> Result<Arc<Committed>, StoreError> {
        if ops.len() > MAX_STEPS {
            return Err(StoreError::TooLarge(TooLarge::Transaction { steps: ops.len(), limit: MAX_STEPS }));
        }
        for op in ops {
            if let Err(error) = self.step(op) {
                self.take_back();
                return Err(error);
            }
        }
        Ok(self.accept())
    }

    pub(crate) fn finish(self) -> Outcome {
        Outcome { revision: self.revision, records: self.records }
    }

    fn accept(&mut self) -> Arc<Committed> {
        let Running { changes, .. } = std::mem::take(&mut self.running);
        if !changes.is_empty() {
            self.revision += 1;
        }
        Arc::new(Committed { revision: self.revision, changes })
    }

    fn take_back(&mut self) {
        let Running { undo, .. } = std::mem::take(&mut self.running);
        for (key, before) in undo.into_iter().rev() {
            match before {
                Some(entry) => self.records.insert(key, entry),
                None => self.records.remove(&key),
            };
        }
    }

    fn step(&mut self, op: Op) -> Result<(), StoreError> {
        match op {
            Op::Create(draft) => match self.current(&draft.key) {
                Some(_) => Err(StoreError::Exists(draft.key)),
                None => self.put(draft, None),
            },
            Op::Put(draft, expected) => {
                let current = self.current(&draft.key).cloned();
                let version = current.as_ref().map(|record| record.version);
                if expected.is_some() && expected != version {
                    return Err(StoreError::Conflict(draft.key));
                }
                match current {
                    Some(record) if record.draft == draft => Ok(()),
                    current => self.put(draft, current.as_deref()),
                }
            }
            Op::Delete(key, expected) => {
                let Some(record) = self.current(&key) else { return Err(StoreError::NotFound(key)) };
                if expected.is_some_and(|version| version != record.version) {
                    return Err(StoreError::Conflict(key));
                }
                self.delete_unless_in_use(&key)
            }
        }
    }

    fn put(&mut self, draft: Draft, replaced: Option<&Record>) -> Result<(), StoreError> {
        check_size(&draft)?;
        self.check_names(&draft)?;
        self.index.insert(&draft);
        let record = Arc::new(Record {
            version: replaced.map_or(1, |record| record.version + 1),
            created: replaced.map_or(self.now, |record| record.created),
            modified: self.now,
            revision: self.revision + 1,
            draft,
        });
        self.set(record.draft.key.clone(), Some(record.clone()));
        self.running.changes.push(Change::Put(record));
        Ok(())
    }

    /// Everything the draft names must exist, and its secondary keys must be free.
    fn check_names(&self, draft: &Draft) -> Result<(), StoreError> {
        for named in draft.parent.iter().chain(&draft.references) {
            if self.current(named).is_none() {
                return Err(StoreError::MissingReference(named.clone()));
            }
        }
        for unique in unique_keys(draft) {
            if let Some(owner) = self.owner(&unique).filter(|owner| **owner != draft.key) {
                let owner = owner.clone();
                let (_, field, value) = unique;
                return Err(StoreError::NotUnique { field, value, owner });
            }
        }
        Ok(())
    }

    fn delete_unless_in_use(&mut self, key: &Key) -> Result<(), StoreError> {
        let doomed = self.with_descendants(key);
        let set: BTreeSet<&Key> = doomed.iter().collect();
        for key in &doomed {
            // The smallest, since the order in which they come depends on what is in the base already.
            if let Some(by) = self.referrers(key).filter(|by| !set.contains(by)).min() {
                return Err(StoreError::InUse { key: key.clone(), by: by.clone() });
            }
        }
        for key in doomed {
            self.delete(key);
        }
        Ok(())
    }

    fn delete(&mut self, key: Key) {
        self.set(key.clone(), None);
        self.running.changes.push(Change::Delete(key));
    }

    fn set(&mut self, key: Key, record: Option<Arc<Record>>) {
        let before = self.records.insert(key.clone(), record);
        self.running.undo.push((key, before));
    }

    /// The record, if it exists, and all below it; the deepest first.
    fn with_descendants(&self, key: &Key) -> Vec<Key> {
        let mut found: Vec<Key> = self.current(key).map(|record| record.draft.key.clone()).into_iter().collect();
        let mut seen: BTreeSet<Key> = found.iter().cloned().collect();
        let mut next = 0;
        while let Some(parent) = found.get(next).cloned() {
            let children: BTreeSet<&Key> = self.children(&parent).collect();
            // Parents may form a circle, since a record's parent can be changed to any record.
            found.extend(children.into_iter().filter(|child| seen.insert((*child).clone())).cloned());
            next += 1;
        }
        found.reverse();
        found
    }

    fn current(&self, key: &Key) -> Option<&Arc<Record>> {
        match self.records.get(key) {
            Some(entry) => entry.as_ref(),
            None => self.base.records.get(key),
        }
    }

    fn owner(&self, unique: &UniqueKey) -> Option<&Key> {
        let (_, field, value) = unique;
        self.base.index.owners.of(unique).chain(self.index.owners.of(unique)).find(|key| {
            self.current(key).is_some_and(|record| record.draft.unique.iter().any(|(f, v)| f == field && v == value))
        })
    }

    /// In no particular order, and perhaps some twice.
    fn children(&self, parent: &Key) -> impl Iterator<Item = &Key> {
        self.base
            .index
            .children
            .of(parent)
            .chain(self.index.children.of(parent))
            .filter(|key| self.current(key).is_some_and(|record| record.draft.parent.as_ref() == Some(parent)))
    }

    fn referrers(&self, key: &Key) -> impl Iterator<Item = &Key> {
        self.base
            .index
            .referrers
            .of(key)
            .chain(self.index.referrers.of(key))
            .filter(|by| self.current(by).is_some_and(|record| record.draft.references.contains(key)))
    }
}

fn check_size(draft: &Draft) -> Result<(), StoreError> {
    let key = |key: &Key| key.collection.len() + key.scope.len() + key.name.len();
    let pair = |(left, right): (&String, &String)| left.len() + right.len();
    let size = draft.body.len()
        + key(&draft.key)
        + draft.labels.iter().map(pair).sum::<usize>()
        + draft.unique.iter().map(|(field, value)| pair((field, value))).sum::<usize>()
        + draft.parent.iter().chain(&draft.references).map(key).sum::<usize>();
    if size > MAX_RECORD_BYTES {
        let limit = MAX_RECORD_BYTES;
        return Err(StoreError::TooLarge(TooLarge::Record { key: draft.key.clone(), size, limit }));
    }
    Ok(())
}
