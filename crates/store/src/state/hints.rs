//! Who may name what, of records that are about to be written.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::owners::Owners;
use crate::record::{Draft, Key};

/// What the drafts of an overlay name. Nothing is ever taken out: what it says are hints, to be confirmed by what the
/// records say.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) owners: Owners,
    namers: HashMap<Key, Vec<Key>, RandomState>,
}

impl Hints {
    /// Makes room for the secondary keys of these.
    pub(super) fn reserve(&mut self, drafts: &[Draft]) {
        self.owners.reserve(drafts.iter().map(|draft| draft.unique.len()).sum());
    }

    /// Notes what a draft names; `unique` are the hashes of its secondary keys.
    pub(super) fn insert(&mut self, draft: &Draft, unique: impl IntoIterator<Item = u64>) {
        for hash in unique {
            self.owners.insert(hash, &draft.key);
        }
        for named in draft.named() {
            match self.namers.get_mut(named) {
                Some(namers) if namers.last() == Some(&draft.key) => {}
                Some(namers) => namers.push(draft.key.clone()),
                None => {
                    self.namers.insert(named.clone(), vec![draft.key.clone()]);
                }
            }
        }
    }

    /// Who may name that record, in no particular order, and perhaps some twice.
    pub(super) fn namers(&self, named: &Key) -> impl Iterator<Item = &Key> + use<'_> {
        self.namers.get(named).into_iter().flatten()
    }
}
