//! What one proxy should have: immutable, shared between proxies wherever it is equal.

use std::sync::Arc;

use proto::{Resource, TypeUrl, Version};

/// The resources of one type, sorted by name.
#[derive(Debug, Default)]
pub struct TypeSet {
    version: Option<Version>,
    resources: Box<[Arc<Resource>]>,
}

impl TypeSet {
    /// A set of `resources`; of several with one name the last stays.
    pub fn new(mut resources: Vec<Arc<Resource>>) -> Self {
        resources.reverse();
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        resources.dedup_by(|later, earlier| later.name == earlier.name);
        let mut identity = Vec::with_capacity(resources.len() * 8);
        for resource in &resources {
            identity.extend_from_slice(&resource.version.0.to_le_bytes());
        }
        let version = Some(Version::of(&identity));
        Self { version, resources: resources.into_boxed_slice() }
    }

    /// Hash over the versions of all resources; the version of the set in the state-of-the-world protocol.
    pub fn version(&self) -> Version {
        self.version.unwrap_or_else(|| Version::of(&[]))
    }

    /// The resource of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        let index = self.resources.binary_search_by(|resource| (*resource.name).cmp(name)).ok()?;
        self.resources.get(index)
    }

    /// All resources, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Resource>> {
        self.resources.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The same set with `resource` in place of the one of its name. The set must have one.
    #[must_use]
    pub fn with(&self, resource: &Arc<Resource>) -> Self {
        let replaced = self.resources.iter().map(|old| if old.name == resource.name { resource } else { old });
        Self::new(replaced.cloned().collect())
    }
}

/// Everything one proxy should have.
#[derive(Clone, Debug, Default)]
pub struct View {
    sets: [Arc<TypeSet>; TypeUrl::ALL.len()],
}

impl View {
    /// The set of one type.
    pub fn get(&self, kind: TypeUrl) -> &Arc<TypeSet> {
        &self.sets[kind as usize]
    }

    /// Replaces the set of one type.
    pub fn set(&mut self, kind: TypeUrl, set: Arc<TypeSet>) {
        self.sets[kind as usize] = set;
    }
}
