//! All documents at once.

use std::collections::HashMap;
use std::sync::Arc;

use gateway_model::declarative::Entity;
use gateway_model::error::DaoError;
use store::{Amendment, Change, Committed, Content, Draft, Key, Op, Record, Revision, StoreError};

use super::document::{draft, draft_of};
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
        let same = entities.iter().filter(|entity| entity.facts().is_none());
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

    /// What goes into the store, but for what is as it was. All keys of a kind share its name.
    pub(crate) fn drafts(&self, entities: &mut [Entity]) -> Result<Vec<Draft>, DaoError> {
        let kinds: HashMap<&str, Arc<str>> =
            self.registry.entities().map(|entity| (entity.name(), entity.name().into())).collect();
        let scope: Arc<str> = Arc::default();
        let key = |kind: &str, id: &str| match kinds.get(kind) {
            Some(kind) => Key::new(Arc::clone(kind), Arc::clone(&scope), id.to_ascii_lowercase()),
            None => key(kind, id),
        };
        let mut drafts = Vec::with_capacity(entities.iter().filter(|entity| entity.facts().is_some()).count());
        for entity in entities {
            let Some(facts) = entity.take_facts() else { continue };
            let ttl = facts.ttl.clone().map_or(TtlValue::Unsaid, TtlValue::Given);
            let expires = self.expiry(ttl)?;
            // Copied: what stays would keep the memory around it that was needed for reading alone.
            drafts.push(draft_of(entity.kind, facts.clone(), Arc::clone(&entity.body), expires, &key));
        }
        Ok(drafts)
    }

    /// The records of the entities, if all are as they were put.
    async fn whole(&self, entities: &[Entity], committed: &Committed, before: Option<&Whole>) -> Option<Whole> {
        let mut records = Vec::with_capacity(entities.len());
        for (record, entity) in known(entities, committed, before).into_iter().zip(entities) {
            let record = match record {
                Some(record) => record,
                None => self.store.get(&key(entity.kind, &entity.id())).await.ok()??,
            };
            if record.draft.body != entity.body {
                return None;
            }
            records.push(record);
        }
        Some(Whole { records, revision: committed.revision })
    }
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
