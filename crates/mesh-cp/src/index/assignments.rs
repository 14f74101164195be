//! Endpoint assignments of one mesh, each encoded once, and the sets that proxies share.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};

use mesh_model::MeshContext;
use mesh_model::tags::SERVICE;
use mesh_xds::EndpointsKey;
use proto::{Resource, Version};
use xds::TypeSet;

#[derive(Debug, Default)]
pub(super) struct Assignments {
    by_service: HashMap<String, HashMap<EndpointsKey, Arc<Resource>>>,
    sets: HashMap<Version, Weak<TypeSet>>,
}

/// The assignments that a change replaced.
#[derive(Debug, Default)]
pub(super) struct Swap(Vec<Arc<Resource>>);

impl Swap {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `set` with the replaced assignments; `None` if it has none of them.
    pub(super) fn apply(&self, set: &TypeSet) -> Option<Arc<TypeSet>> {
        let mut changed: Option<TypeSet> = None;
        for resource in &self.0 {
            let current = changed.as_ref().unwrap_or(set);
            if current.get(&resource.name).is_some_and(|old| old.version != resource.version) {
                changed = Some(current.with(resource));
            }
        }
        changed.map(Arc::new)
    }
}

impl Assignments {
    /// The assignment of `key`, encoded unless it is known. The key comes back as the one that all who use it
    /// share.
    pub(super) fn get(&mut self, context: &MeshContext, key: EndpointsKey) -> (EndpointsKey, Arc<Resource>) {
        let service = key.tags.get(SERVICE).map_or("", String::as_str);
        if let Some((key, known)) = self.by_service.get(service).and_then(|keys| keys.get_key_value(&key)) {
            return (key.clone(), Arc::clone(known));
        }
        let encoded = Arc::new(mesh_xds::endpoints(context, &key));
        let keys = self.by_service.entry(service.to_owned()).or_default();
        keys.insert(key.clone(), Arc::clone(&encoded));
        (key, encoded)
    }

    /// Encodes the assignments of `services` anew.
    pub(super) fn refresh(&mut self, context: &MeshContext, services: &BTreeSet<Arc<str>>) -> Swap {
        let mut swap = Vec::new();
        for service in services {
            for (key, known) in self.by_service.get_mut(&**service).into_iter().flatten() {
                let encoded = mesh_xds::endpoints(context, key);
                if encoded.version != known.version {
                    *known = Arc::new(encoded);
                    swap.push(Arc::clone(known));
                }
            }
        }
        Swap(swap)
    }

    /// The one set of that content.
    pub(super) fn intern(&mut self, set: TypeSet) -> Arc<TypeSet> {
        if let Some(known) = self.sets.get(&set.version()).and_then(Weak::upgrade) {
            return known;
        }
        let set = Arc::new(set);
        self.sets.insert(set.version(), Arc::downgrade(&set));
        set
    }

    /// Forgets what nobody uses.
    pub(super) fn sweep<'a>(&mut self, used: impl Iterator<Item = &'a EndpointsKey>) {
        let used: HashSet<&EndpointsKey> = used.collect();
        for keys in self.by_service.values_mut() {
            keys.retain(|key, _| used.contains(key));
        }
        self.by_service.retain(|_, keys| !keys.is_empty());
        self.sets.retain(|_, set| set.strong_count() > 0);
    }
}
