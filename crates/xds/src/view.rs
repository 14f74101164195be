//! What one proxy should have: immutable, shared between proxies wherever it is equal.

use std::cmp::Ordering;
use std::sync::Arc;

use proto::{Resource, TypeUrl, Version};
use xxhash_rust::xxh3::Xxh3;

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
        let mut hasher = Xxh3::new();
        for resource in &resources {
            hasher.update(&(resource.name.len() as u64).to_le_bytes());
            hasher.update(resource.name.as_bytes());
            hasher.update(&resource.version.0.to_le_bytes());
        }
        Self { version: Some(Version(hasher.digest())), resources }
    }

    /// Hash over the names and versions of all resources.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> TypeSet {
        let resource = |text: &&str| {
            let (name, value) = text.split_once('=').unwrap();
            let value = bytes::Bytes::from(value.to_owned());
            Arc::new(Resource { kind: TypeUrl::Endpoint, name: name.into(), version: Version::of(&value), value })
        };
        TypeSet::new(texts.iter().map(resource).collect())
    }

    #[test]
    fn of_several_with_one_name_the_last_stays() {
        let set = set(&["b=1", "a=1", "b=2"]);
        let texts: Vec<&[u8]> = set.iter().map(|resource| &*resource.value).collect();
        assert_eq!(texts, [b"1", b"2"]);
        assert_eq!(set.get("b").unwrap().value, "2");
        assert!(set.get("c").is_none());
    }

    #[test]
    fn the_version_tells_contents_apart() {
        let sets = [set(&[]), set(&["a=1"]), set(&["b=1"]), set(&["a=2"]), set(&["a=1", "b=1"])];
        for (i, one) in sets.iter().enumerate() {
            for (j, other) in sets.iter().enumerate() {
                assert_eq!(one.version() == other.version(), i == j);
            }
        }
        let b = set(&["b=2"]);
        let replaced = set(&["a=1", "b=1"]).with(b.get("b").unwrap());
        assert_eq!(replaced.version(), set(&["b=2", "a=1"]).version());
    }

    #[test]
    fn differences_are_found() {
        let (old, new) = (set(&["a=1", "b=1", "d=1", "e=1"]), set(&["b=1", "c=1", "d=2"]));
        let mut found = Vec::new();
        old.diff(&new, |change| {
            found.push(match change {
                Change::Put(resource) => format!("+{}", resource.name),
                Change::Gone(resource) => format!("-{}", resource.name),
            });
        });
        assert_eq!(found, ["-a", "+c", "+d", "-e"]);
    }
}
