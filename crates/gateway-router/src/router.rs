//! The table of routes.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use crate::expression::Captured;
use crate::matcher::{HostKey, Matcher, Placement};
use crate::rank::Rank;
use crate::request::Request;
use crate::spec::{Change, Flavor, RouteError};
use crate::table::Table;

/// All routes, indexed. Immutable: a changed router shares with the old one all that did not change.
///
/// A route is looked for by its host and by how its path begins; what both leave is ordered by rank and asked one by
/// one, so that a match costs the same however many routes there are.
#[derive(Clone)]
pub struct Router<T> {
    flavor: Flavor,
    matchers: Table<Arc<str>, Arc<Matcher<T>>>,
    exact: Table<Box<[u8]>, Arc<Bucket<T>>>,
    suffixes: Table<Box<[u8]>, Arc<Bucket<T>>>,
    prefixes: Table<Box<[u8]>, Arc<Bucket<T>>>,
    any: Arc<Bucket<T>>,
}

/// A route that matches a request.
#[derive(Debug)]
pub struct Matched<'a, T> {
    /// What was put in with it.
    pub payload: &'a T,
    /// What was matched of the path.
    pub captured: Captured,
}

/// The routes of one host.
struct Bucket<T> {
    /// By how the path begins.
    by_prefix: Table<Box<[u8]>, Arc<[Item<T>]>>,
    /// Which lengths the keys of `by_prefix` have, and how many of each.
    lengths: Vec<(usize, usize)>,
    /// Those without anything that the path must begin with.
    rest: Arc<[Item<T>]>,
}

/// A route at one of its places; the highest rank first in every list.
struct Item<T> {
    rank: Rank,
    matcher: Arc<Matcher<T>>,
    placement: usize,
}

impl<T> Router<T> {
    /// A router without routes.
    pub fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            matchers: Table::default(),
            exact: Table::default(),
            suffixes: Table::default(),
            prefixes: Table::default(),
            any: Arc::default(),
        }
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.matchers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.matchers.is_empty()
    }

    /// How routes are ranked.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// A router with these changes; routes that cannot be matched are left out of it and told.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change<T>>) -> (Self, Vec<(Arc<str>, RouteError)>) {
        let mut next = Self {
            flavor: self.flavor,
            matchers: self.matchers.clone(),
            exact: self.exact.clone(),
            suffixes: self.suffixes.clone(),
            prefixes: self.prefixes.clone(),
            any: Arc::clone(&self.any),
        };
        let mut refused = Vec::new();
        for change in changes {
            match change {
                Change::Remove(id) => next.remove(&id),
                Change::Put(spec, payload) => {
                    let id = Arc::clone(&spec.id);
                    next.remove(&id);
                    match Matcher::new(self.flavor, spec, payload) {
                        Ok(matcher) => next.insert(matcher),
                        Err(error) => refused.push((id, error)),
                    }
                }
            }
        }
        (next, refused)
    }

    /// The route for a request.
    pub fn find<'a>(&'a self, request: &Request<'_>) -> Option<Matched<'a, T>> {
        let mut best = Best { rank: None, found: None, captured: Captured::default() };
        let host = request.host;
        if !host.is_empty() {
            if let Some(bucket) = self.exact.get(host) {
                bucket.search(request, &mut best);
            }
            if !self.suffixes.is_empty() {
                for (at, _) in host.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
                    if let Some(bucket) = self.suffixes.get(&host[at..]) {
                        bucket.search(request, &mut best);
                    }
                }
            }
            if !self.prefixes.is_empty() {
                for (at, _) in host.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
                    if let Some(bucket) = self.prefixes.get(&host[..=at]) {
                        bucket.search(request, &mut best);
                    }
                }
            }
        }
        self.any.search(request, &mut best);
        best.found.map(|matcher| Matched { payload: &matcher.payload, captured: best.captured })
    }

    fn insert(&mut self, matcher: Matcher<T>) {
        let matcher = Arc::new(matcher);
        for (at, placement) in matcher.placements.iter().enumerate() {
            let item = Item { rank: placement.rank, matcher: Arc::clone(&matcher), placement: at };
            self.change_bucket(&placement.host, |bucket| bucket.insert(placement, item));
        }
        self.matchers.insert(Arc::clone(&matcher.spec.id), matcher);
    }

    fn remove(&mut self, id: &str) {
        let Some(matcher) = self.matchers.remove(id) else { return };
        for placement in &matcher.placements {
            self.change_bucket(&placement.host, |bucket| bucket.remove(placement, id));
        }
    }

    fn change_bucket(&mut self, host: &HostKey, change: impl FnOnce(&mut Bucket<T>)) {
        let (buckets, key) = match host {
            HostKey::Any => return change(Arc::make_mut(&mut self.any)),
            HostKey::Exact(key) => (&mut self.exact, key),
            HostKey::Suffix(key) => (&mut self.suffixes, key),
            HostKey::Prefix(key) => (&mut self.prefixes, key),
        };
        let mut bucket = buckets.remove(key).unwrap_or_default();
        change(Arc::make_mut(&mut bucket));
        if !bucket.is_empty() {
            buckets.insert(key.clone(), bucket);
        }
    }
}

/// The best route so far.
struct Best<'a, T> {
    rank: Option<Rank>,
    found: Option<&'a Matcher<T>>,
    captured: Captured,
}

impl<T> Bucket<T> {
    fn search<'a>(&'a self, request: &Request<'_>, best: &mut Best<'a, T>) {
        for (length, _) in self.lengths.iter().take_while(|(length, _)| *length <= request.path.len()) {
            if let Some(items) = self.by_prefix.get(&request.path[..*length]) {
                search(items, request, best);
            }
        }
        search(&self.rest, request, best);
    }

    fn insert(&mut self, placement: &Placement, item: Item<T>) {
        let Some(prefix) = &placement.prefix else {
            self.rest = with(&self.rest, item);
            return;
        };
        let items = match self.by_prefix.get(prefix) {
            Some(items) => with(items, item),
            None => {
                match self.lengths.binary_search_by_key(&prefix.len(), |(length, _)| *length) {
                    Ok(at) => self.lengths[at].1 += 1,
                    Err(at) => self.lengths.insert(at, (prefix.len(), 1)),
                }
                Arc::new([item])
            }
        };
        self.by_prefix.insert(prefix.clone(), items);
    }

    fn remove(&mut self, placement: &Placement, id: &str) {
        let Some(prefix) = &placement.prefix else {
            self.rest = without(&self.rest, id);
            return;
        };
        let Some(items) = self.by_prefix.get(prefix) else { return };
        let items = without(items, id);
        if !items.is_empty() {
            self.by_prefix.insert(prefix.clone(), items);
            return;
        }
        self.by_prefix.remove(prefix);
        if let Ok(at) = self.lengths.binary_search_by_key(&prefix.len(), |(length, _)| *length) {
            self.lengths[at].1 -= 1;
            if self.lengths[at].1 == 0 {
                self.lengths.remove(at);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.by_prefix.is_empty() && self.rest.is_empty()
    }
}

/// Looks for a route that is better than the best so far.
fn search<'a, T>(items: &'a [Item<T>], request: &Request<'_>, best: &mut Best<'a, T>) {
    let mut captured = Captured::default();
    for item in items {
        if best.rank.is_some_and(|rank| rank >= item.rank) {
            return;
        }
        let placement = &item.matcher.placements[item.placement];
        if item.matcher.matches(placement, request, &mut captured) {
            *best = Best { rank: Some(item.rank), found: Some(&item.matcher), captured };
            return;
        }
    }
}

fn with<T>(items: &Arc<[Item<T>]>, item: Item<T>) -> Arc<[Item<T>]> {
    let at = items.partition_point(|other| Reverse(other.rank) <= Reverse(item.rank));
    items[..at].iter().cloned().chain([item]).chain(items[at..].iter().cloned()).collect()
}

fn without<T>(items: &Arc<[Item<T>]>, id: &str) -> Arc<[Item<T>]> {
    items.iter().filter(|item| *item.matcher.spec.id != *id).cloned().collect()
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self { rank: self.rank, matcher: Arc::clone(&self.matcher), placement: self.placement }
    }
}

impl<T> Default for Bucket<T> {
    fn default() -> Self {
        Self { by_prefix: Table::default(), lengths: Vec::new(), rest: Arc::new([]) }
    }
}

impl<T> Clone for Bucket<T> {
    fn clone(&self) -> Self {
        Self { by_prefix: self.by_prefix.clone(), lengths: self.lengths.clone(), rest: Arc::clone(&self.rest) }
    }
}

impl<T> fmt::Debug for Router<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("flavor", &self.flavor).finish_non_exhaustive()
    }
}
