//! What somebody said of a target's health. It is no entity: nobody lists or exports it, and it goes with its target.

use gateway_model::error::{DaoError, Fields};
use gateway_proxy::TargetMark;
use store::{Draft, Key, Op, Query, StoreError};

use super::{Dao, failed, key};

/// How many addresses of one target are remembered; for another one the oldest is forgotten.
const MAX_ADDRESSES: usize = 256;

impl Dao {
    /// Writes down what was said of the target of this id, and returns once it is in force. It stands in place of what
    /// was said of it, or of the same address, before.
    ///
    /// # Errors
    /// The target has gone, or the store's failure.
    pub async fn mark(&self, target: &str, mark: &TargetMark) -> Result<(), DaoError> {
        let target = key("targets", target);
        let naming = Some(target.clone());
        let others = self.store.list(Query { naming, ..Query::all(TargetMark::COLLECTION) }).await.map_err(failed)?;
        let mut others = others.records;
        let name = match &mark.address {
            None => target.name.to_string(),
            Some(address) => {
                // What was said of all addresses still counts for the others.
                others.retain(|other| other.draft.key.name.len() > target.name.len());
                format!("{}/{address}", target.name)
            }
        };
        others.retain(|other| *other.draft.key.name != *name);
        others.sort_by_key(|other| other.modified);
        let kept = if mark.address.is_none() { 0 } else { MAX_ADDRESSES - 1 };
        let forgotten = others.len().saturating_sub(kept);
        let mut steps: Vec<Op> = Vec::with_capacity(forgotten + 1);
        steps.extend(others[..forgotten].iter().map(|other| Op::Delete(other.draft.key.clone(), None)));
        let body = serde_json::to_string(mark).expect("marks are JSON");
        let draft = Draft::new(Key::new(TargetMark::COLLECTION, "", name), body);
        steps.push(Op::Put(Draft { parents: vec![target], ..draft }, None));
        let committed = self.store.commit(steps).await.map_err(|error| match error {
            StoreError::MissingReference(key) => {
                DaoError::NotFound(Fields::from_iter([("id".to_owned(), key.name.as_ref().into())]))
            }
            error => failed(error),
        })?;
        self.wait_for(committed.revision).await;
        Ok(())
    }
}
