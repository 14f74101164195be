//! The routes of one host: by how the path begins, then by a header field, then by rank.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::Best;
use crate::expression::Captured;
use crate::matcher::{Matcher, Placement};
use crate::place::{Label, Spot, Text};
use crate::rank::Rank;
use crate::request::{Request, lower};
use crate::table::Table;

/// The addresses of routes that are taken out.
pub(super) type Gone<T> = HashSet<*const Matcher<T>, RandomState>;

/// The routes of one host.
pub(super) struct Bucket<T> {
    /// By how the path begins.
    by_prefix: Table<Text, Shelf<T>>,
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

type ByValue<T> = Table<Box<[u8]>, List<T>>;

/// Routes, the highest rank first. Most lists have one.
#[derive(Default)]
enum List<T> {
    #[default]
    Empty,
    One(Item<T>),
    Many(Arc<Vec<Item<T>>>),
}

/// A route at one of its places.
pub(super) struct Item<T> {
    pub(super) matcher: Arc<Matcher<T>>,
    pub(super) placement: usize,
}

impl<T> Bucket<T> {
    pub(super) fn search<'a>(&'a self, request: &Request<'_>, best: &mut Best<'a, T>) {
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

    /// Puts a route in; `false` if its list has to be settled.
    pub(super) fn add(&mut self, spot: &Spot, item: Item<T>) -> bool {
        let Some(prefix) = &spot.prefix else { return self.rest.add(spot.header.as_deref(), item) };
        let shelf = self.by_prefix.get_or_default(Arc::clone(prefix));
        let is_new = shelf.is_empty();
        let is_settled = shelf.add(spot.header.as_deref(), item);
        if is_new {
            match self.lengths.binary_search_by_key(&prefix.len(), |known| known.length) {
                Ok(at) => {
                    self.lengths[at].count += 1;
                    self.lengths[at].ends |= end_of(prefix);
                }
                Err(at) => {
                    self.lengths.insert(at, Length { length: prefix.len(), count: 1, ends: end_of(prefix) });
                }
            }
        }
        is_settled
    }

    /// Takes what is gone out of a list and puts the rest in order.
    pub(super) fn settle(&mut self, spot: &Spot, gone: &Gone<T>) {
        let Some(prefix) = &spot.prefix else { return self.rest.settle(spot.header.as_deref(), gone) };
        let Some(shelf) = self.by_prefix.get_mut(prefix) else { return };
        shelf.settle(spot.header.as_deref(), gone);
        if !shelf.is_empty() {
            return;
        }
        self.by_prefix.remove(prefix);
        if let Ok(at) = self.lengths.binary_search_by_key(&prefix.len(), |known| known.length) {
            self.lengths[at].count -= 1;
            if self.lengths[at].count == 0 {
                self.lengths.remove(at);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
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
                    items.search(request, best);
                }
                false
            });
        }
        self.rest.search(request, best);
    }

    fn add(&mut self, label: Option<&Label>, item: Item<T>) -> bool {
        let Some(Label { name, value }) = label else { return self.rest.push(item) };
        let at = self.by_header.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.by_header.push((name.clone(), Table::default()));
            self.by_header.len() - 1
        });
        self.by_header[at].1.get_or_default(value.clone()).push(item)
    }

    fn settle(&mut self, label: Option<&Label>, gone: &Gone<T>) {
        let Some(Label { name, value }) = label else { return self.rest.settle(gone) };
        let Some(at) = self.by_header.iter().position(|(known, _)| known == name) else { return };
        let values = &mut self.by_header[at].1;
        let Some(items) = values.get_mut(value) else { return };
        items.settle(gone);
        if items.is_empty() {
            values.remove(value);
            if values.is_empty() {
                self.by_header.remove(at);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.by_header.is_empty() && self.rest.is_empty()
    }
}

impl<T> List<T> {
    fn items(&self) -> &[Item<T>] {
        match self {
            Self::Empty => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }

    /// Looks for a route that is better than the best so far.
    fn search<'a>(&'a self, request: &Request<'_>, best: &mut Best<'a, T>) {
        let mut captured = Captured::default();
        for item in self.items() {
            let placement = item.placement();
            if best.rank.is_some_and(|rank| rank >= placement.rank) {
                return;
            }
            if item.matcher.matches(placement, request, &mut captured) {
                *best = Best { rank: Some(placement.rank), found: Some(&item.matcher), captured };
                return;
            }
        }
    }

    /// Puts a route at the end; `false` if it belongs further to the front.
    fn push(&mut self, item: Item<T>) -> bool {
        let in_order = self.items().last().is_none_or(|last| last.rank() >= item.rank());
        *self = match std::mem::replace(self, Self::Empty) {
            Self::Empty => Self::One(item),
            Self::One(first) => Self::Many(Arc::new(vec![first, item])),
            Self::Many(mut items) => {
                Arc::make_mut(&mut items).push(item);
                Self::Many(items)
            }
        };
        in_order
    }

    fn settle(&mut self, gone: &Gone<T>) {
        let is_there = |item: &Item<T>| !gone.contains(&Arc::as_ptr(&item.matcher));
        *self = match std::mem::replace(self, Self::Empty) {
            Self::One(item) if is_there(&item) => Self::One(item),
            Self::Empty | Self::One(_) => Self::Empty,
            Self::Many(mut shared) => {
                let items = Arc::make_mut(&mut shared);
                if !gone.is_empty() {
                    items.retain(is_there);
                }
                items.sort_by_cached_key(|item| Reverse(item.rank()));
                match items.len() {
                    0 => Self::Empty,
                    1 => items.pop().map_or(Self::Empty, Self::One),
                    _ => Self::Many(shared),
                }
            }
        };
    }

    fn is_empty(&self) -> bool {
        self.items().is_empty()
    }
}

impl<T> Item<T> {
    fn placement(&self) -> &Placement {
        &self.matcher.placements[self.placement]
    }

    fn rank(&self) -> Rank {
        self.placement().rank
    }
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self { matcher: Arc::clone(&self.matcher), placement: self.placement }
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::One(item) => Self::One(item.clone()),
            Self::Many(items) => Self::Many(Arc::clone(items)),
        }
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
        Self { by_header: Vec::new(), rest: List::default() }
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self { by_header: self.by_header.clone(), rest: self.rest.clone() }
    }
}
