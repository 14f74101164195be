//! Transactions on top of a state that stays as it is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::quality::RandomState;
use jiff::Timestamp;

use super::State;
use super::hints::Hints;
use super::owners::Owners;
use crate::error::{StoreError, TooLarge};
use crate::record::{Amendment, Change, Committed, Content, Draft, Key, Op, Record, Revision};

/// The largest record in bytes. Above all a protection of the process; real documents have kilobytes.
pub(crate) const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// The most steps of a transaction.
pub(crate) const MAX_STEPS: usize = 1_000_000;

/// A state with transactions applied that nobody else sees yet.
#[derive(Debug)]
pub(crate) struct Overlay<'a> {
    base: &'a State,
    now: Timestamp,
    revision: Revision,
    /// What differs from the base; `None` is gone.
    records: Touched,
    /// Who may name what, in addition to the base's index. Only what [`Overlay::current`] confirms counts, so nothing
    /// needs to be taken out when a step is undone.
    hints: Hints,
    running: Running,
}

/// The new content of keys; `None` is gone.
pub(crate) type Touched = HashMap<Key, Option<Arc<Record>>, RandomState>;

/// The transaction that is being applied.
#[derive(Debug, Default)]
struct Running {
    changes: Vec<Change>,
    /// What `records` held before, to take the transaction back; not needed by the first one.
    undo: Vec<(Key, Option<Option<Arc<Record>>>)>,
    is_first: bool,
}

/// What the transactions of an overlay came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The revision of the last of them.
    pub(crate) revision: Revision,
    /// The new content of each key that was touched; `None` is gone.
    pub(crate) records: Touched,
    /// The owners of their secondary keys, and perhaps more, hashed as the state does.
    pub(super) owners: Option<Owners>,
}

impl Outcome {
    /// What another instance came to.
    pub(crate) fn elsewhere(revision: Revision, records: Touched) -> Self {
        Self { revision, records, owners: None }
    }
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a State, now: Timestamp) -> Self {
        Self {
            base,
            now,
            revision: base.revision,
            records: Touched::default(),
            hints: Hints::default(),
            running: Running::default(),
        }
    }

    /// Deletes what has expired. Call it before the first transaction.
    pub(crate) fn expire(&mut self) -> Option<Arc<Committed>> {
        for key in self.base.expired_by(self.now) {
            for gone in self.with_descendants(vec![key.clone()]) {
                self.delete(gone);
            }
        }
        let committed = self.accept();
        (!committed.changes.is_empty()).then_some(committed)
    }

    /// Applies all of `ops`, or none.
    pub(crate) fn transact(&mut self, ops: Vec<Op>) -> Result<Arc<Committed>, StoreError> {
        let steps = ops.iter().map(steps).sum();
        if steps > MAX_STEPS {
            return Err(StoreError::TooLarge(TooLarge::Transaction { steps, limit: MAX_STEPS }));
        }
        self.running.is_first = self.records.is_empty();
        for op in ops {
            if let Err(error) = self.step(op) {
                self.take_back();
                return Err(error);
            }
        }
        Ok(self.accept())
    }

    pub(crate) fn finish(self) -> Outcome {
        Outcome { revision: self.revision, records: self.records, owners: Some(self.hints.owners) }
    }

    fn accept(&mut self) -> Arc<Committed> {
        let Running { changes, .. } = std::mem::take(&mut self.running);
        if !changes.is_empty() {
            self.revision += 1;
        }
        Arc::new(Committed { revision: self.revision, changes })
    }

    fn take_back(&mut self) {
        let Running { undo, is_first, .. } = std::mem::take(&mut self.running);
        if is_first {
            self.records.clear();
        }
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
                self.delete_unless_in_use(self.with_descendants(vec![key]))
            }
            Op::Replace(content) => self.replace(content),
            Op::Amend(amendment) => self.amend(amendment),
        }
    }

    fn amend(&mut self, Amendment { since, drafts, gone }: Amendment) -> Result<(), StoreError> {
        if self.revision != since || !self.running.changes.is_empty() {
            let first = drafts.into_iter().map(|draft| draft.key).chain(gone).next();
            return Err(StoreError::Conflict(first.unwrap_or_else(|| Key::new("", "", ""))));
        }
        let kept = check_drafts(&drafts)?;
        let put_and_gone = gone.iter().find(|key| kept.contains(*key)).cloned();
        drop(kept);
        let put = self.put_unchecked(drafts);
        let going: HashSet<Key, RandomState> = gone.iter().cloned().collect();
        let doomed = self.with_descendants(gone);
        if let Some(key) = doomed.iter().find(|key| !going.contains(*key)) {
            return Err(self.missing_parent(key, &doomed));
        }
        if let Some(key) = put_and_gone.or_else(|| going.iter().find(|key| self.current(key).is_none()).cloned()) {
            return Err(StoreError::NotFound(key));
        }
        self.delete_unless_in_use(doomed)?;
        put.iter().try_for_each(|record| self.check_names(&record.draft))
    }

    fn replace(&mut self, Content { collections, drafts }: Content) -> Result<(), StoreError> {
        let kept = check_drafts(&drafts)?;
        let mut gone: Vec<Key> = Vec::new();
        for collection in &collections {
            gone.extend(self.keys(collection).filter(|key| !kept.contains(*key)).cloned());
        }
        // Mostly nothing goes, and then nobody asks any more what stays.
        let kept: HashSet<Key, RandomState> =
            if gone.is_empty() { HashSet::default() } else { kept.into_iter().cloned().collect() };
        // Puts first, since what names a record that goes may be among them.
        let put = self.put_unchecked(drafts);
        let doomed = self.with_descendants(gone);
        if let Some(key) = doomed.iter().find(|key| kept.contains(*key)) {
            return Err(self.missing_parent(key, &doomed));
        }
        self.delete_unless_in_use(doomed)?;
        put.iter().try_for_each(|record| self.check_names(&record.draft))
    }

    /// Why a record cannot stay while a parent among the `doomed` goes.
    fn missing_parent(&self, key: &Key, doomed: &[Key]) -> StoreError {
        let parent = self.current(key).and_then(|record| record.draft.parents.iter().find(|key| doomed.contains(key)));
        StoreError::MissingReference(parent.unwrap_or(key).clone())
    }

    /// Puts what is not there yet, and gives it back; what it names is to be checked when all is in place.
    fn put_unchecked(&mut self, drafts: Vec<Draft>) -> Vec<Arc<Record>> {
        let first = self.running.changes.len();
        self.records.reserve(drafts.len());
        self.running.changes.reserve(drafts.len());
        self.hints.reserve(&drafts);
        for draft in drafts {
            let current = self.current(&draft.key).cloned();
            if current.as_ref().is_none_or(|record| record.draft != draft) {
                self.set_draft(draft, current.as_deref());
            }
        }
        let put = self.running.changes[first..].iter().filter_map(|change| match change {
            Change::Put(record) => Some(Arc::clone(record)),
            Change::Delete(_) => None,
        });
        put.collect()
    }

    fn put(&mut self, draft: Draft, replaced: Option<&Record>) -> Result<(), StoreError> {
        check_size(&draft)?;
        self.check_names(&draft)?;
        self.set_draft(draft, replaced);
        Ok(())
    }

    fn set_draft(&mut self, draft: Draft, replaced: Option<&Record>) {
        self.hints.insert(&draft, self.base.index.hashes(&draft));
        let record = Arc::new(Record {
            version: replaced.map_or(1, |record| record.version + 1),
            created: replaced.map_or(self.now, |record| record.created),
            modified: self.now,
            revision: self.revision + 1,
            draft,
        });
        self.set(record.draft.key.clone(), Some(record.clone()));
        self.running.changes.push(Change::Put(record));
    }

    /// Everything the draft names must exist, and its secondary keys must be free.
    fn check_names(&self, draft: &Draft) -> Result<(), StoreError> {
        for named in draft.named() {
            if self.current(named).is_none() {
                return Err(StoreError::MissingReference(named.clone()));
            }
        }
        for (field, value) in &draft.unique {
            if let Some(owner) = self.other_owner(&draft.key, field, value) {
                let (owner, field, value) = (owner.clone(), field.clone(), value.clone());
                return Err(StoreError::NotUnique { field, value, owner });
            }
        }
        Ok(())
    }

    fn delete_unless_in_use(&mut self, doomed: Vec<Key>) -> Result<(), StoreError> {
        let set: HashSet<&Key, RandomState> = doomed.iter().collect();
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
        if self.running.is_first {
            self.records.insert(key, record);
        } else {
            let before = self.records.insert(key.clone(), record);
            self.running.undo.push((key, before));
        }
    }

    /// Those of the records that exist, and all below them; the deepest first.
    fn with_descendants(&self, keys: Vec<Key>) -> Vec<Key> {
        let mut found: Vec<Key> = keys.into_iter().filter(|key| self.current(key).is_some()).collect();
        let mut seen: HashSet<Key, RandomState> = found.iter().cloned().collect();
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

    /// The keys that a collection has now or had before, each once.
    fn keys<'b>(&'b self, collection: &'b Arc<str>) -> impl Iterator<Item = &'b Key> {
        let first = Key::new(collection.clone(), "", "");
        let inside = move |key: &&Key| key.collection == *collection;
        let base = self.base.records.range(first..).map(|(key, _)| key).take_while(inside);
        let mut own: Vec<&Key> = self.records.keys().filter(inside).collect();
        own.retain(|key| !self.base.records.contains_key(*key));
        own.sort_unstable();
        base.chain(own)
    }

    fn current(&self, key: &Key) -> Option<&Arc<Record>> {
        match self.records.get(key) {
            Some(entry) => entry.as_ref(),
            None => self.base.records.get(key),
        }
    }

    /// Who else of the collection has that secondary key: one at most, but while content is being replaced.
    fn other_owner(&self, key: &Key, field: &str, value: &str) -> Option<&Key> {
        let hash = self.base.index.hash(&key.collection, field, value);
        let mut others = self.base.index.owners(hash).chain(self.hints.owners.of(hash)).filter(|owner| *owner != key);
        others.find(|owner| {
            self.current(owner).is_some_and(|record| record.draft.has_unique(&key.collection, field, value))
        })
    }

    /// In no particular order, and perhaps some twice.
    fn children<'b>(&'b self, parent: &'b Key) -> impl Iterator<Item = &'b Key> {
        self.namers(parent).filter(|(_, draft)| draft.parents.contains(parent)).map(|(key, _)| key)
    }

    fn referrers<'b>(&'b self, key: &'b Key) -> impl Iterator<Item = &'b Key> {
        self.namers(key).filter(|(_, draft)| draft.references.contains(key)).map(|(by, _)| by)
    }

    /// All that may name it, with what they are now.
    fn namers<'b>(&'b self, key: &'b Key) -> impl Iterator<Item = (&'b Key, &'b Draft)> {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let namers = self.base.index.namers(key, all).chain(self.hints.namers(key));
        namers.filter_map(|by| self.current(by).map(|record| (by, &record.draft)))
    }
}

fn steps(op: &Op) -> usize {
    match op {
        Op::Replace(content) => content.drafts.len(),
        Op::Amend(amendment) => amendment.drafts.len() + amendment.gone.len(),
        Op::Create(_) | Op::Put(..) | Op::Delete(..) => 1,
    }
}

/// Checks the size of each, and that no two are of one key. What is returned are their keys.
fn check_drafts(drafts: &[Draft]) -> Result<HashSet<&Key, RandomState>, StoreError> {
    let mut keys = HashSet::with_capacity_and_hasher(drafts.len(), RandomState::default());
    for draft in drafts {
        check_size(draft)?;
        if !keys.insert(&draft.key) {
            return Err(StoreError::Exists(draft.key.clone()));
        }
    }
    Ok(keys)
}

fn check_size(draft: &Draft) -> Result<(), StoreError> {
    let key = |key: &Key| key.collection.len() + key.scope.len() + key.name.len();
    let pair = |(left, right): (&String, &String)| left.len() + right.len();
    let size = draft.body.len()
        + key(&draft.key)
        + draft.labels.iter().map(pair).sum::<usize>()
        + draft.unique.iter().map(|(field, value)| pair((field, value))).sum::<usize>()
        + draft.named().map(key).sum::<usize>();
    if size > MAX_RECORD_BYTES {
        let limit = MAX_RECORD_BYTES;
        return Err(StoreError::TooLarge(TooLarge::Record { key: draft.key.clone(), size, limit }));
    }
    Ok(())
}
