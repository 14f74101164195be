//! The table of routes.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use foldhash::quality::RandomState;
use indexmap::IndexMap;

use crate::expression::Captured;
use crate::matcher::{Matcher, Placement};
use crate::place::{HostKey, Label, Spot};
use crate::rank::Rank;
use crate::request::{Request, lower};
use crate::spec::{Change, Flavor, RouteError, RouteSpec};
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
    by_prefix: Table<Box<[u8]>, Shelf<T>>,
    /// Which lengths the keys of `by_prefix` have, in order.
    lengths: Vec<Length>,
    /// Those without anything that the path must begin with.
    rest: Shelf<T>,
}

/// Beginnings of the path that are equally long.
#[derive(Clone)]
struct Length {
    length: usize,
    /// How many there are.
    count: usize,
    /// In which characters they end, as far as the lowest six bits tell, and perhaps some that are gone: most others
    /// are told apart by it.
    ends: u64,
}

/// The routes of one beginning of the path.
struct Shelf<T> {
    /// By the name of a field and its value in lower case.
    by_header: Vec<(Box<str>, ByValue<T>)>,
    /// Those that want no field, or not with a value known beforehand.
    rest: List<T>,
}

/// Ids of routes that are taken out, be it for a changed one.
type Gone = HashSet<Arc<str>, RandomState>;

type List<T> = Arc<Vec<Item<T>>>;
type ByValue<T> = Table<Box<[u8]>, List<T>>;

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
        let changes = changes.into_iter();
        let mut latest: IndexMap<Arc<str>, Option<(RouteSpec, T)>, RandomState> =
            IndexMap::with_capacity_and_hasher(changes.size_hint().0, RandomState::default());
        for change in changes {
            match change {
                Change::Remove(id) => latest.insert(id, None),
                Change::Put(spec, payload) => latest.insert(Arc::clone(&spec.id), Some((spec, payload))),
            };
        }
        let (mut gone, mut refused) = (Gone::default(), Vec::new());
        let mut edits: HashMap<HostKey, HashMap<Spot, Vec<Item<T>>, RandomState>, RandomState> = HashMap::default();
        for (id, put) in latest {
            if let Some(old) = next.matchers.remove(&id) {
                for Placement { place, .. } in &old.placements {
                    edits.entry(place.host.clone()).or_default().entry(place.spot.clone()).or_default();
                }
                gone.insert(Arc::clone(&id));
            }
            let Some((spec, payload)) = put else { continue };
            match Matcher::new(self.flavor, spec, payload) {
                Err(error) => refused.push((id, error)),
                Ok(matcher) => {
                    let matcher = Arc::new(matcher);
                    for (at, Placement { rank, place, .. }) in matcher.placements.iter().enumerate() {
                        let item = Item { rank: *rank, matcher: Arc::clone(&matcher), placement: at };
                        let of_host = edits.entry(place.host.clone()).or_default();
                        of_host.entry(place.spot.clone()).or_default().push(item);
                    }
                    next.matchers.insert(id, matcher);
                }
            }
        }
        for (host, spots) in edits {
            next.change_bucket(host, |bucket| {
                for (spot, added) in spots {
                    bucket.edit(spot, added, &gone);
                }
            });
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

    fn change_bucket(&mut self, host: HostKey, change: impl FnOnce(&mut Bucket<T>)) {
        let (buckets, key) = match host {
            HostKey::Any => return change(Arc::make_mut(&mut self.any)),
            HostKey::Exact(key) => (&mut self.exact, key),
            HostKey::Suffix(key) => (&mut self.suffixes, key),
            HostKey::Prefix(key) => (&mut self.prefixes, key),
        };
        let mut bucket = buckets.remove(&key).unwrap_or_default();
        change(Arc::make_mut(&mut bucket));
        if !bucket.is_empty() {
            buckets.insert(key, bucket);
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
        for Length { length, ends, .. } in &self.lengths {
            let Some(beginning) = request.path.get(..*length) else { break };
            if ends & end_of(beginning) != 0
                && let Some(shelf) = self.by_prefix.get(beginning)
            {
                shelf.search(request, best);
            }
        }
        self.rest.search(request, best);
    }

    fn edit(&mut self, spot: Spot, added: Vec<Item<T>>, gone: &Gone) {
        let Some(prefix) = spot.prefix else { return self.rest.edit(spot.header, added, gone) };
        let known = self.by_prefix.remove(&prefix);
        let was_there = known.is_some();
        let mut shelf = known.unwrap_or_default();
        shelf.edit(spot.header, added, gone);
        let found = self.lengths.binary_search_by_key(&prefix.len(), |known| known.length);
        match (was_there, !shelf.is_empty(), found) {
            (false, true, Ok(at)) => {
                self.lengths[at].count += 1;
                self.lengths[at].ends |= end_of(&prefix);
            }
            (false, true, Err(at)) => {
                self.lengths.insert(at, Length { length: prefix.len(), count: 1, ends: end_of(&prefix) });
            }
            (true, false, Ok(at)) if self.lengths[at].count > 1 => self.lengths[at].count -= 1,
            (true, false, Ok(at)) => {
                self.lengths.remove(at);
            }
            _ => {}
        }
        if !shelf.is_empty() {
            self.by_prefix.insert(prefix, shelf);
        }
    }

    fn is_empty(&self) -> bool {
        self.by_prefix.is_empty() && self.rest.is_empty()
    }
}

/// A bit for the last character of a beginning; all for the empty one.
fn end_of(beginning: &[u8]) -> u64 {
    beginning.last().map_or(u64::MAX, |last| 1 << (last & 63))
}

impl<T> Shelf<T> {
    fn search<'a>(&'a self, request: &Request<'_>, best: &mut Best<'a, T>) {
        for (name, values) in &self.by_header {
            request.headers.any(name, &mut |value| {
                if let Some(items) = values.get(&*lower(value)) {
                    search(items, request, best);
                }
                false
            });
        }
        search(&self.rest, request, best);
    }

    fn edit(&mut self, label: Option<Label>, added: Vec<Item<T>>, gone: &Gone) {
        let Some(Label { name, value }) = label else { return edit(&mut self.rest, added, gone) };
        let at = self.by_header.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.by_header.push((name, Table::default()));
            self.by_header.len() - 1
        });
        let values = &mut self.by_header[at].1;
        let mut items = values.remove(&value).unwrap_or_default();
        edit(&mut items, added, gone);
        if !items.is_empty() {
            values.insert(value, items);
        } else if values.is_empty() {
            self.by_header.remove(at);
        }
    }

    fn is_empty(&self) -> bool {
        self.by_header.is_empty() && self.rest.is_empty()
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

/// Takes from a list what is gone or changed, and sorts in what is new.
fn edit<T>(items: &mut List<T>, added: Vec<Item<T>>, gone: &Gone) {
    let items = Arc::make_mut(items);
    if !gone.is_empty() {
        items.retain(|item| !gone.contains(&item.matcher.id));
    }
    if !added.is_empty() {
        items.extend(added);
        items.sort_by_key(|item| Reverse(item.rank));
    }
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self { rank: self.rank, matcher: Arc::clone(&self.matcher), placement: self.placement }
    }
}

impl<T> Default for Bucket<T> {
    fn default() -> Self {
        Self { by_prefix: Table::default(), lengths: Vec::new(), rest: Shelf::default() }
    }
}

impl<T> Clone for Bucket<T> {
    fn clone(&self) -> Self {
        Self { by_prefix: self.by_prefix.clone(), lengths: self.lengths.clone(), rest: self.rest.clone() }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { by_header: Vec::new(), rest: Arc::default() }
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self { by_header: self.by_header.clone(), rest: Arc::clone(&self.rest) }
    }
}

impl<T> fmt::Debug for Router<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("flavor", &self.flavor).finish_non_exhaustive()
    }
}
