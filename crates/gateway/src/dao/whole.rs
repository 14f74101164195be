//! All documents at once.

use std::sync::Arc;

use gateway_model::declarative::{Entity, Fact};
use gateway_model::error::DaoError;
use store::{Amendment, Change, Committed, Content, Draft, Key, Op, Record, Revision, StoreError};

use super::document::draft;
use super::write::{TtlValue, is_about};
use super::{Dao, failed, key};

/// All documents as they were put in place: what only differs from them in a few needs not be compared with the rest.
#[derive(Debug)]
pub(crate) struct Whole {
    /// In the order of the entities.
    records: Vec<Arc<Record>>,
    revision: Revision,
}

impl Whole {
    /// What none of the entities takes the place of.
    fn without(&self, entities: &[Entity]) -> Vec<Key> {
        let mut stays = vec![false; self.records.len()];
        for place in entities.iter().filter_map(Entity::place_before) {
            stays[place] = true;
        }
        self.records.iter().zip(stays).filter(|(_, stays)| !stays).map(|(record, _)| record.draft.key.clone()).collect()
    }

    /// The documents of entities that are as they were.
    fn same<'a>(&'a self, entities: &'a [Entity]) -> impl Iterator<Item = Draft> + 'a {
        let same = entities.iter().filter(|entity| entity.is_same());
        same.filter_map(Entity::place_before).map(|place| self.records[place].draft.clone())
    }
}

impl Dao {
    /// Makes these all documents there are; also where single writes are refused. Returns once they are in force, with
    /// what a later call may begin from, unless that is not sure. `before` is what the call before it returned; without
    /// it no entity may be as it was.
    ///
    /// What a store has to know of the entities is taken out of them.
    ///
    /// # Errors
    /// They clash with each other, or refer to what is not among them.
    pub(crate) async fn replace_all(
        &self,
        entities: &mut [Entity],
        before: Option<&Whole>,
    ) -> Result<Option<Whole>, DaoError> {
        let drafts = self.drafts(entities)?;
        let (outcome, begun) = match before {
            Some(before) => match self.amend(drafts.clone(), before.without(entities), before.revision).await {
                // Something else was written or has expired.
                Err(StoreError::Conflict(_)) => {
                    let all = drafts.into_iter().chain(before.same(entities)).collect();
                    (self.replace(all).await, None)
                }
                outcome => (outcome, Some(before)),
            },
            None => (self.replace(drafts).await, None),
        };
        match outcome {
            Ok(committed) => {
                self.wait_for(committed.revision).await;
                Ok(self.whole(entities, &committed, begun).await)
            }
            Err(error) => Err(self.explain_whole(entities, error).await),
        }
    }

    async fn amend(&self, drafts: Vec<Draft>, gone: Vec<Key>, since: Revision) -> Result<Arc<Committed>, StoreError> {
        self.store.commit(vec![Op::Amend(Amendment { since, drafts, gone })]).await
    }

    async fn replace(&self, drafts: Vec<Draft>) -> Result<Arc<Committed>, StoreError> {
        let collections = self.registry.entities().map(|entity| entity.name().into()).collect();
        self.store.commit(vec![Op::Replace(Content { collections, drafts })]).await
    }

    async fn explain_whole(&self, entities: &[Entity], error: StoreError) -> DaoError {
        let about = entities.iter().find(|entity| {
            let document = entity.document();
            is_about(&error, &draft(self.entity(entity.kind), &document, None))
        });
        match about {
            Some(entity) => self.explain(self.entity(entity.kind), &entity.document(), &[], error).await,
            None => failed(error),
        }
    }

    /// What goes into the store, but for what is as it was. What a store has to know of the entities is taken out of them.
    ///
    /// # Errors
    /// One of them lives for no time that there is.
    pub(crate) fn drafts(&self, entities: &mut [Entity]) -> Result<Vec<Draft>, DaoError> {
        let mut keys = Keys::default();
        let mut drafts = Vec::with_capacity(entities.iter().filter(|entity| !entity.is_same()).count());
        for entity in entities.iter_mut().filter(|entity| !entity.is_same()) {
            let ttl = entity.ttl().cloned().map_or(TtlValue::Unsaid, TtlValue::Given);
            let expires = self.expiry(ttl)?;
            let mut draft = Draft::new(keys.of(entity.kind, entity.id()), Arc::clone(&entity.body));
            draft.expires = expires;
            entity.take_facts(&mut |fact| match fact {
                Fact::Tag(tag) => drop(draft.labels.insert(tag, String::new())),
                Fact::Unique(field, value) => push(&mut draft.unique, (field.to_owned(), value.to_owned())),
                Fact::Parent(kind, id) => push(&mut draft.parents, keys.referred(kind, id)),
                Fact::Reference(kind, id) => push(&mut draft.references, keys.referred(kind, id)),
            });
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// The records of the entities, if all are as they were put.
    async fn whole(&self, entities: &[Entity], committed: &Committed, before: Option<&Whole>) -> Option<Whole> {
        let mut records = Vec::with_capacity(entities.len());
        for (record, entity) in known(entities, committed, before).into_iter().zip(entities) {
            let record = match record {
                Some(record) => record,
                None => self.store.get(&key(entity.kind, entity.id())).await.ok()??,
            };
            if !Arc::ptr_eq(&record.draft.body, &entity.body) && record.draft.body != entity.body {
                return None;
            }
            records.push(record);
        }
        Some(Whole { records, revision: committed.revision })
    }
}

/// Keys of many documents: those of a kind share its name, and those for the same document the id as well.
#[derive(Default)]
struct Keys {
    scope: Arc<str>,
    kinds: Vec<(&'static str, Arc<str>)>,
    /// The keys asked for last of what others refer to, one of each kind: many refer to the same in a row.
    referred: Vec<(&'static str, Key)>,
}

impl Keys {
    fn of(&mut self, kind: &'static str, id: &str) -> Key {
        // There are few kinds, and most of the documents are of the same.
        let known = self.kinds.iter().find(|(name, _)| *name == kind).map(|(_, shared)| Arc::clone(shared));
        let collection = known.unwrap_or_else(|| {
            let shared: Arc<str> = kind.into();
            self.kinds.push((kind, Arc::clone(&shared)));
            shared
        });
        let lower = !id.bytes().any(|byte| byte.is_ascii_uppercase());
        let name = if lower { id.into() } else { id.to_ascii_lowercase().into() };
        Key { collection, scope: Arc::clone(&self.scope), name }
    }

    /// As [`Self::of`], for a document that others refer to.
    fn referred(&mut self, kind: &'static str, id: &str) -> Key {
        let last = self.referred.iter().position(|(name, _)| *name == kind);
        if let Some((_, key)) = last.map(|at| &self.referred[at]).filter(|(_, key)| *key.name == *id) {
            return key.clone();
        }
        let key = self.of(kind, id);
        match last {
            Some(at) => self.referred[at].1 = key.clone(),
            None => self.referred.push((kind, key.clone())),
        }
        key
    }
}

/// Adds to a list that mostly stays at one, and is kept.
fn push<T>(list: &mut Vec<T>, item: T) {
    list.reserve_exact(1);
    list.push(item);
}

/// The records of entities that were written now or before.
fn known(entities: &[Entity], committed: &Committed, before: Option<&Whole>) -> Vec<Option<Arc<Record>>> {
    // They come in the order of what was put, and with the very texts.
    let put = committed.changes.iter().filter_map(|change| match change {
        Change::Put(record) => Some(record),
        Change::Delete(_) => None,
    });
    let mut put = put.peekable();
    let record = |entity: &Entity| match put.next_if(|record| Arc::ptr_eq(&record.draft.body, &entity.body)) {
        Some(record) => Some(Arc::clone(record)),
        None => before?.records.get(entity.place_before()?).cloned(),
    };
    entities.iter().map(record).collect()
}
