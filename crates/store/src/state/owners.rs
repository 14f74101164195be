//! From a secondary key to its owner.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::record::Key;

/// Who may have a secondary key, by its hash. As keys are not compared these are hints, to be confirmed by what the
/// records say.
#[derive(Debug, Default)]
pub(super) struct Owners {
    first: HashMap<u64, Key, RandomState>,
    /// Further ones with the same hash: while a key goes from one to another, and in the rare case that two are alike.
    further: HashMap<u64, Vec<Key>, RandomState>,
    len: usize,
}

impl Owners {
    /// How many owners of secondary keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn reserve(&mut self, additional: usize) {
        self.first.reserve(additional);
    }

    pub(super) fn of(&self, hash: u64) -> impl Iterator<Item = &Key> + use<'_> {
        self.first.get(&hash).into_iter().chain(self.further.get(&hash).into_iter().flatten())
    }

    pub(super) fn insert(&mut self, hash: u64, owner: &Key) {
        let first = self.first.entry(hash).or_insert_with(|| {
            self.len += 1;
            owner.clone()
        });
        if first == owner {
            return;
        }
        let further = self.further.entry(hash).or_default();
        if !further.contains(owner) {
            further.push(owner.clone());
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, hash: u64, owner: &Key) {
        let Some(first) = self.first.get_mut(&hash) else { return };
        match self.further.get_mut(&hash) {
            None if first == owner => {
                self.first.remove(&hash);
                self.len -= 1;
            }
            None => {}
            Some(further) => {
                if first == owner {
                    *first = further.pop().expect("further owners are at least one");
                    self.len -= 1;
                } else if let Some(place) = further.iter().position(|other| other == owner) {
                    further.swap_remove(place);
                    self.len -= 1;
                }
                if further.is_empty() {
                    self.further.remove(&hash);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn owners_are_what_was_put_in_and_not_taken_out(steps in prop::collection::vec((any::<bool>(), 0..3_u64, 0..3_u8), 0..40)) {
            let mut owners = Owners::default();
            let mut expected = BTreeSet::new();
            for (puts, hash, owner) in steps {
                let owner = Key::new("", "", owner.to_string());
                if puts {
                    owners.insert(hash, &owner);
                    expected.insert((hash, owner));
                } else {
                    owners.remove(hash, &owner);
                    expected.remove(&(hash, owner));
                }
                prop_assert_eq!(owners.len(), expected.len());
                let all: BTreeSet<(u64, Key)> =
                    (0..3).flat_map(|hash| owners.of(hash).map(move |owner| (hash, owner.clone()))).collect();
                prop_assert_eq!(&all, &expected);
            }
        }
    }
}
