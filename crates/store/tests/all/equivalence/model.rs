//! The semantics as plainly as possible: a map that is searched, and copied to undo.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use store::{Change, Committed, Draft, Key, Op, Record, Revision, StoreError};

#[derive(Clone, Default)]
pub(super) struct Model {
    revision: Revision,
    records: BTreeMap<Key, Arc<Record>>,
}

impl Model {
    pub(super) fn list(&self, now: Timestamp) -> Vec<Arc<Record>> {
        self.records.values().filter(|record| !record.expired(now)).cloned().collect()
    }

    pub(super) fn commit(&mut self, ops: Vec<Op>, now: Timestamp) -> Result<Arc<Committed>, StoreError> {
        self.expire(now);
        let before = self.clone();
        let mut changes = Vec::new();
        for op in ops {
            if let Err(error) = self.step(op, now, &mut changes) {
                *self = before;
                return Err(error);
            }
        }
        self.revision += u64::from(!changes.is_empty());
        Ok(Arc::new(Committed { revision: self.revision, changes }))
    }

    fn expire(&mut self, now: Timestamp) {
        let expired: Vec<Key> =
            self.records.iter().filter(|(_, record)| record.expired(now)).map(|(key, _)| key.clone()).collect();
        self.revision += u64::from(!expired.is_empty());
        for key in expired {
            for gone in self.family(&key) {
                self.records.remove(&gone);
            }
        }
    }

    fn step(&mut self, op: Op, now: Timestamp, changes: &mut Vec<Change>) -> Result<(), StoreError> {
        match op {
            Op::Create(draft) if self.records.contains_key(&draft.key) => Err(StoreError::Exists(draft.key)),
            Op::Create(draft) => self.put(draft, now, changes),
            Op::Put(draft, expected) => {
                let current = self.records.get(&draft.key);
                if expected.is_some() && expected != current.map(|record| record.version) {
                    return Err(StoreError::Conflict(draft.key));
                }
                if current.is_some_and(|record| record.draft == draft) {
                    return Ok(());
                }
                self.put(draft, now, changes)
            }
            Op::Delete(key, expected) => {
                let Some(record) = self.records.get(&key) else { return Err(StoreError::NotFound(key)) };
                if expected.is_some_and(|version| version != record.version) {
                    return Err(StoreError::Conflict(key));
                }
                let family = self.family(&key);
                for gone in &family {
                    let mut others = self.records.values().filter(|record| !family.contains(&record.draft.key));
                    if let Some(by) = others.find(|record| record.draft.references.contains(gone)) {
                        return Err(StoreError::InUse { key: gone.clone(), by: by.draft.key.clone() });
                    }
                }
                for gone in family {
                    self.records.remove(&gone);
                    changes.push(Change::Delete(gone));
                }
                Ok(())
            }
            Op::Replace(_) | Op::Amend(_) => unreachable!("the actions have none"),
        }
    }

    fn put(&mut self, draft: Draft, now: Timestamp, changes: &mut Vec<Change>) -> Result<(), StoreError> {
        for named in draft.parents.iter().chain(&draft.references) {
            if !self.records.contains_key(named) {
                return Err(StoreError::MissingReference(named.clone()));
            }
        }
        for (field, value) in &draft.unique {
            let mut others = self
                .records
                .values()
                .filter(|record| record.draft.key.collection == draft.key.collection && record.draft.key != draft.key);
            if let Some(owner) = others.find(|other| other.draft.unique.iter().any(|(f, v)| f == field && v == value)) {
                let owner = owner.draft.key.clone();
                return Err(StoreError::NotUnique { field: field.clone(), value: value.clone(), owner });
            }
        }
        let before = self.records.get(&draft.key);
        let record = Arc::new(Record {
            version: before.map_or(0, |record| record.version) + 1,
            revision: self.revision + 1,
            created: before.map_or(now, |record| record.created),
            modified: now,
            draft,
        });
        self.records.insert(record.draft.key.clone(), record.clone());
        changes.push(Change::Put(record));
        Ok(())
    }

    /// The record and all below it, the deepest level first and each level backwards.
    fn family(&self, key: &Key) -> Vec<Key> {
        let mut family: Vec<Key> = self.records.keys().filter(|other| *other == key).cloned().collect();
        let mut next = 0;
        while next < family.len() {
            for (child, record) in &self.records {
                if record.draft.parents.contains(&family[next]) && !family.contains(child) {
                    family.push(child.clone());
                }
            }
            next += 1;
        }
        family.reverse();
        family
    }
}
