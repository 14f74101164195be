//! Changes of a router, one after the other.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::Router;
use super::shelf::{Bucket, Gone, Item};
use crate::matcher::Matcher;
use crate::place::{HostKey, Place};
use crate::spec::{RouteError, RouteSpec};

/// A route in a router, to take it out again.
pub struct Entry<T>(Arc<Matcher<T>>);

/// A router that is being changed.
///
/// New routes are put at the end of their lists at once; what is gone is taken out of its lists, and what is not in
/// order is sorted, once at the end, so that a list is gone through once however many of its routes change.
pub struct Edit<T> {
    next: Router<T>,
    /// Routes that were taken out, and that lists still have.
    gone: Vec<Entry<T>>,
    /// Where lists are that have to be put in order.
    unsettled: HashSet<Place, RandomState>,
}

impl<T> Edit<T> {
    pub(super) fn new(router: &Router<T>) -> Self {
        Self { next: router.clone(), gone: Vec::new(), unsettled: HashSet::default() }
    }

    /// Puts a route in, also beside another with its id. It is not put in if it cannot be matched.
    pub fn put(&mut self, spec: RouteSpec, payload: T) -> Result<Entry<T>, RouteError> {
        let matcher = Arc::new(Matcher::new(self.next.flavor, spec, payload)?);
        for (at, placement) in (0..).zip(&matcher.placements) {
            let Place { host, spot } = &placement.place;
            let item = Item { matcher: Arc::clone(&matcher), placement: at };
            if !self.next.bucket(host).add(spot, item) {
                self.unsettled.insert(placement.place.clone());
            }
        }
        self.next.count += 1;
        Ok(Entry(matcher))
    }

    /// Takes a route out that was put into this router, or into one that it was made of.
    pub fn remove(&mut self, entry: Entry<T>) {
        self.next.count -= 1;
        self.unsettled.extend(entry.0.placements.iter().map(|placement| placement.place.clone()));
        self.gone.push(entry);
    }

    /// The changed router.
    pub fn finish(self) -> Router<T> {
        let Self { mut next, gone, unsettled } = self;
        let addresses: Gone<T> = gone.iter().map(|entry| Arc::as_ptr(&entry.0)).collect();
        for place in unsettled {
            next.settle(&place, &addresses);
        }
        next
    }
}

impl<T> Router<T> {
    /// The routes of a host, to be changed.
    fn bucket(&mut self, host: &HostKey) -> &mut Bucket<T> {
        Arc::make_mut(match host {
            HostKey::Any => &mut self.any,
            HostKey::Exact(key) => self.exact.get_or_default(Arc::clone(key)),
            HostKey::Suffix(key) => self.suffixes.get_or_default(Arc::clone(key)),
            HostKey::Prefix(key) => self.prefixes.get_or_default(Arc::clone(key)),
        })
    }

    fn settle(&mut self, Place { host, spot }: &Place, gone: &Gone<T>) {
        let bucket = self.bucket(host);
        bucket.settle(spot, gone);
        if !bucket.is_empty() {
            return;
        }
        match host {
            HostKey::Any => {}
            HostKey::Exact(key) => drop(self.exact.remove(key)),
            HostKey::Suffix(key) => drop(self.suffixes.remove(key)),
            HostKey::Prefix(key) => drop(self.prefixes.remove(key)),
        }
    }
}

impl<T> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Edit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit").field("router", &self.next).finish_non_exhaustive()
    }
}
