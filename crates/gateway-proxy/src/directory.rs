//! Consumers and credentials in force.

use std::sync::Arc;

use gateway_model::typed::Consumer;

use crate::pdk::{Credential, Table};

/// Who may call, as of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub(crate) consumers: Table<Arc<str>, Arc<Consumer>>,
    pub(crate) consumers_by_name: Table<Arc<str>, Arc<Consumer>>,
    pub(crate) consumers_by_custom_id: Table<Arc<str>, Arc<Consumer>>,
    pub(crate) collections: Vec<(&'static str, Collection)>,
}

/// The credentials of one collection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collection {
    pub(crate) by_key: Table<Box<str>, Arc<Credential>>,
    pub(crate) by_consumer: Table<Arc<str>, Arc<[Arc<Credential>]>>,
}

impl Directory {
    /// The consumer with this id.
    pub fn consumer(&self, id: &str) -> Option<&Arc<Consumer>> {
        self.consumers.get(id)
    }

    /// The consumer with this id or, failing that, this user name.
    pub fn consumer_by_id_or_name(&self, text: &str) -> Option<&Arc<Consumer>> {
        self.consumer(text).or_else(|| self.consumers_by_name.get(text))
    }

    /// The consumer with this custom id.
    pub fn consumer_by_custom_id(&self, custom_id: &str) -> Option<&Arc<Consumer>> {
        self.consumers_by_custom_id.get(custom_id)
    }

    /// The credential that `key` stands for in `collection`, which must not have expired by `now_ms`.
    pub fn credential(&self, collection: &str, key: &str, now_ms: impl FnOnce() -> i64) -> Option<&Arc<Credential>> {
        let credential = self.collection(collection)?.by_key.get(key)?;
        credential.expires_ms.is_none_or(|at| at > now_ms()).then_some(credential)
    }

    /// The credentials of `collection` that belong to `consumer`; may include expired ones.
    pub fn credentials_of(&self, collection: &str, consumer: &str) -> &[Arc<Credential>] {
        self.collection(collection).and_then(|of| of.by_consumer.get(consumer)).map_or(&[], |credentials| credentials)
    }

    fn collection(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|(collection, _)| *collection == name).map(|(_, of)| of)
    }
}
