//! What one proxy should have: immutable, shared between proxies wherever it is equal.

use std::cmp::Ordering;
use std::sync::Arc;

use proto::{Resource, TypeUrl, Version};

/// The resources of one type, sorted by name.
#[derive(Debug, Default)]
pub struct TypeSet {
    version: Option<Version>,
    resources: Box<[Arc<Resource>]>,
}

/// One difference between two sets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// New, or with another version than before.
    Put(&'a Arc<Resource>),
    /// No longer there.
    Gone(&'a Arc<Resource>),
}

impl TypeSet {
    /// A set of `resources`; of several with one name the last stays.
    pub fn new(mut resources: Vec<Arc<Resource>>) -> Self {
        resources.reverse();
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        resources.dedup_by(|later, earlier| later.name == earlier.name);
        Self::sorted(resources.into_boxed_slice())
    }

    fn sorted(resources: Box<[Arc<Resource>]>) -> Self {
        let mut identity = Vec::with_capacity(resources.len() * 8);
        for resource in &resources {
            identity.extend_from_slice(&resource.version.0.to_le_bytes());
        }
        Self { version: Some(Version::of(&identity)), resources }
    }

    /// Hash over the versions of all resources.
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
        Self::sorted(replaced.cloned().collect())
    }

    /// Calls `each` for every difference that leads from `self` to `newer`, by name. Resources that the two
    /// sets share are told by their address, so that the walk does not touch them.
    pub(crate) fn diff<'a>(&'a self, newer: &'a Self, mut each: impl FnMut(Change<'a>)) {
        if std::ptr::eq(self, newer) {
            return;
        }
        let (mut old, mut new) = (self.iter().peekable(), newer.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (Some(before), Some(after)) if Arc::ptr_eq(before, after) => {
                    old.next();
                    new.next();
                }
                (Some(before), Some(after)) => match before.name.cmp(&after.name) {
                    Ordering::Less => {
                        each(Change::Gone(before));
                        old.next();
                    }
                    Ordering::Greater => {
                        each(Change::Put(after));
                        new.next();
                    }
                    Ordering::Equal => {
                        if before.version != after.version {
                            each(Change::Put(after));
                        }
                        old.next();
                        new.next();
                    }
                },
                (Some(before), None) => {
                    each(Change::Gone(before));
                    old.next();
                }
                (None, Some(after)) => {
                    each(Change::Put(after));
                    new.next();
                }
                (None, None) => return,
            }
        }
    }
}

/// Everything one proxy should have.
///
/// The default view is *not ready*: a stream waits and sends nothing. A view is ready from the first
/// [`View::set`] on, so one that is deliberately empty is made by setting an empty set.
#[derive(Clone, Debug, Default)]
pub struct View {
    ready: bool,
    sets: [Arc<TypeSet>; TypeUrl::ALL.len()],
}

impl View {
    /// Whether there is anything to tell yet.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The set of one type.
    pub fn get(&self, kind: TypeUrl) -> &Arc<TypeSet> {
        &self.sets[kind as usize]
    }

    /// Replaces the set of one type.
    pub fn set(&mut self, kind: TypeUrl, set: Arc<TypeSet>) {
        self.ready = true;
        self.sets[kind as usize] = set;
    }
}
