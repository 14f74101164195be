//! Consumers and credentials in force, and the names of upstreams.

use std::sync::Arc;

use gateway_model::typed::Consumer;

use crate::pdk::{Credential, Table};

/// Who may call, as of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    consumers: Table<Arc<str>, Arc<Consumer>>,
    consumers_by_name: Table<Arc<str>, Arc<Consumer>>,
    consumers_by_custom_id: Table<Arc<str>, Arc<Consumer>>,
    collections: Vec<(&'static str, Collection)>,
    upstreams: Table<Arc<str>, ()>,
}

/// The credentials of one collection.
#[derive(Clone, Debug, Default)]
struct Collection {
    by_id: Table<Arc<str>, Arc<Credential>>,
    by_key: Table<Box<str>, Arc<Credential>>,
    by_consumer: Table<Arc<str>, Arc<[Arc<Credential>]>>,
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

    /// The credential of `collection` with this id; it may have expired.
    pub fn credential_by_id(&self, collection: &str, id: &str) -> Option<&Arc<Credential>> {
        self.collection(collection)?.by_id.get(id)
    }

    /// The credentials of `collection` that belong to `consumer`, by id; may include expired ones.
    pub fn credentials_of(&self, collection: &str, consumer: &str) -> &[Arc<Credential>] {
        self.collection(collection).and_then(|of| of.by_consumer.get(consumer)).map_or(&[], |credentials| credentials)
    }

    /// Whether there is an upstream with this name.
    pub fn has_upstream(&self, name: &str) -> bool {
        self.upstreams.get(name).is_some()
    }

    /// Puts the name of an upstream in.
    pub fn put_upstream(&mut self, name: &Arc<str>) {
        self.upstreams.insert(Arc::clone(name), ());
    }

    /// Takes the name of an upstream out.
    pub fn remove_upstream(&mut self, name: &str) {
        self.upstreams.remove(name);
    }

    /// Puts a consumer in, in place of the one with its id.
    pub fn put_consumer(&mut self, consumer: Consumer) {
        self.remove_consumer(&consumer.id);
        let consumer = Arc::new(consumer);
        if let Some(name) = &consumer.username {
            self.consumers_by_name.insert(Arc::clone(name), Arc::clone(&consumer));
        }
        if let Some(custom_id) = &consumer.custom_id {
            self.consumers_by_custom_id.insert(Arc::clone(custom_id), Arc::clone(&consumer));
        }
        self.consumers.insert(Arc::clone(&consumer.id), consumer);
    }

    /// Takes the consumer with this id out; its credentials stay.
    pub fn remove_consumer(&mut self, id: &str) {
        let Some(consumer) = self.consumers.remove(id) else { return };
        if let Some(name) = &consumer.username {
            self.consumers_by_name.remove(name);
        }
        if let Some(custom_id) = &consumer.custom_id {
            self.consumers_by_custom_id.remove(custom_id);
        }
    }

    /// Puts a credential in, in place of the one with its id. It is found by its key unless that is empty.
    pub fn put_credential(&mut self, collection: &'static str, credential: Credential) {
        self.remove_credential(collection, &credential.id);
        let credential = Arc::new(credential);
        let of = self.collection_mut(collection);
        of.by_id.insert(Arc::clone(&credential.id), Arc::clone(&credential));
        if !credential.key.is_empty() {
            of.by_key.insert(credential.key.clone(), Arc::clone(&credential));
        }
        if let Some(consumer) = &credential.consumer {
            let others = of.by_consumer.get(consumer).map_or(&[][..], |credentials| credentials);
            let mut all = others.to_vec();
            all.insert(all.partition_point(|other| other.id < credential.id), Arc::clone(&credential));
            of.by_consumer.insert(Arc::clone(consumer), all.into());
        }
    }

    /// Takes the credential with this id out.
    pub fn remove_credential(&mut self, collection: &'static str, id: &str) {
        let of = self.collection_mut(collection);
        let Some(credential) = of.by_id.remove(id) else { return };
        if of.by_key.get(&credential.key).is_some_and(|found| found.id == credential.id) {
            of.by_key.remove(&credential.key);
        }
        let Some(consumer) = &credential.consumer else { return };
        let left: Arc<[_]> =
            self.credentials_of(collection, consumer).iter().filter(|other| *other.id != *id).cloned().collect();
        let of = self.collection_mut(collection);
        if left.is_empty() {
            of.by_consumer.remove(consumer);
        } else {
            of.by_consumer.insert(Arc::clone(consumer), left);
        }
    }

    /// The collection and the id of every consumer and every credential.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&'static str, &Arc<str>)> {
        let consumers = self.consumers.iter().map(|(id, _)| ("consumers", id));
        let credentials =
            self.collections.iter().flat_map(|(name, of)| of.by_id.iter().map(move |(id, _)| (*name, id)));
        consumers.chain(credentials)
    }

    fn collection_mut(&mut self, name: &'static str) -> &mut Collection {
        let at = self.collections.iter().position(|(collection, _)| *collection == name).unwrap_or_else(|| {
            self.collections.push((name, Collection::default()));
            self.collections.len() - 1
        });
        &mut self.collections[at].1
    }

    fn collection(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|(collection, _)| *collection == name).map(|(_, of)| of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(id: &str, key: &str, consumer: &str) -> Credential {
        Credential {
            id: id.into(),
            consumer: Some(consumer.into()),
            expires_ms: None,
            key: key.into(),
            value: Arc::new(()),
        }
    }

    #[test]
    fn a_changed_credential_is_found_by_its_new_key_and_consumer_only() {
        let mut directory = Directory::default();
        directory.put_credential("keys", credential("1", "old", "ann"));
        directory.put_credential("keys", credential("2", "other", "ann"));
        directory.put_credential("keys", credential("1", "new", "bob"));
        assert!(directory.credential("keys", "old", || 0).is_none());
        assert_eq!(&*directory.credential("keys", "new", || 0).unwrap().id, "1");
        let ids = |consumer: &str| -> Vec<Arc<str>> {
            directory.credentials_of("keys", consumer).iter().map(|credential| Arc::clone(&credential.id)).collect()
        };
        assert_eq!((ids("ann"), ids("bob")), (vec!["2".into()], vec!["1".into()]));
    }

    #[test]
    fn an_expired_credential_is_unknown() {
        let mut directory = Directory::default();
        directory.put_credential("keys", Credential { expires_ms: Some(10), ..credential("1", "key", "ann") });
        assert!(directory.credential("keys", "key", || 9).is_some());
        assert!(directory.credential("keys", "key", || 10).is_none());
    }

    #[test]
    fn a_renamed_consumer_is_not_found_by_its_old_name() {
        let mut directory = Directory::default();
        let ann =
            Consumer { id: "1".into(), username: Some("ann".into()), custom_id: None, created_at: None, tags: None };
        directory.put_consumer(ann.clone());
        directory.put_consumer(Consumer { username: Some("anna".into()), custom_id: Some("7".into()), ..ann });
        assert!(directory.consumer_by_id_or_name("ann").is_none());
        assert!(directory.consumer_by_id_or_name("anna").is_some() && directory.consumer_by_custom_id("7").is_some());
    }
}
