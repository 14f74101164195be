//! The routes of one host: by how the path begins, then by a header field, then by rank.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::Best;
use crate::expression::Captured;
use crate::matcher::Matcher;
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

/// The routes of one beginning of the path. There may be a hundred thousand of these: what is rare takes no room.
enum Shelf<T> {
    /// Those that want no field, or not with a value known beforehand.
    Plain(List<T>),
    Labelled(Arc<Labelled<T>>),
}

/// Routes of one beginning of the path, some of which want a field.
struct Labelled<T> {
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
    One(Arc<Matcher<T>>, u32),
    Many(Arc<Vec<Item<T>>>),
}

/// A route at one of its places.
pub(super) struct Item<T> {
    pub(super) matcher: Arc<Matcher<T>>,
    pub(super) placement: u32,
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
        match self {
            Self::Plain(items) => items.search(request, best),
            Self::Labelled(labelled) => labelled.search(request, best),
        }
    }

    fn add(&mut self, label: Option<&Label>, item: Item<T>) -> bool {
        match (self, label) {
            (Self::Plain(items), None) => items.push(item),
            (Self::Labelled(labelled), None) => Arc::make_mut(labelled).rest.push(item),
            (shelf, Some(label)) => shelf.labelled().list(label).push(item),
        }
    }

    fn settle(&mut self, label: Option<&Label>, gone: &Gone<T>) {
        match (&mut *self, label) {
            (Self::Plain(items), _) => items.settle(gone),
            (Self::Labelled(labelled), None) => Arc::make_mut(labelled).rest.settle(gone),
            (Self::Labelled(shared), Some(label)) => {
                let labelled = Arc::make_mut(shared);
                labelled.settle(label, gone);
                if labelled.by_header.is_empty() {
                    *self = Self::Plain(std::mem::take(&mut labelled.rest));
                }
            }
        }
    }

    fn labelled(&mut self) -> &mut Labelled<T> {
        if let Self::Plain(items) = self {
            let labelled = Labelled { by_header: Vec::new(), rest: std::mem::take(items) };
            *self = Self::Labelled(Arc::new(labelled));
        }
        match self {
            Self::Labelled(labelled) => Arc::make_mut(labelled),
            Self::Plain(_) => unreachable!("it has just become labelled"),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(List::Empty))
    }
}

impl<T> Labelled<T> {
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

    /// The routes that want this field with this value.
    fn list(&mut self, Label { name, value }: &Label) -> &mut List<T> {
        let at = self.by_header.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.by_header.push((name.clone(), Table::default()));
            self.by_header.len() - 1
        });
        self.by_header[at].1.get_or_default(value.clone())
    }

    fn settle(&mut self, Label { name, value }: &Label, gone: &Gone<T>) {
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
}

impl<T> List<T> {
    fn search<'a>(&'a self, request: &Request<'_>, best: &mut Best<'a, T>) {
        let mut captured = Captured::default();
        match self {
            Self::Empty => {}
            Self::One(matcher, placement) => {
                best.beaten_by(matcher, *placement, request, &mut captured);
            }
            Self::Many(items) => {
                for Item { matcher, placement } in items.iter() {
                    if best.beaten_by(matcher, *placement, request, &mut captured) {
                        return;
                    }
                }
            }
        }
    }

    /// Puts a route at the end; `false` if it belongs further to the front.
    fn push(&mut self, item: Item<T>) -> bool {
        let rank = item.rank();
        let last = match std::mem::take(self) {
            Self::Empty => {
                *self = Self::One(item.matcher, item.placement);
                return true;
            }
            Self::One(matcher, placement) => {
                let first = Item { matcher, placement };
                let last = first.rank();
                *self = Self::Many(Arc::new(vec![first, item]));
                Some(last)
            }
            Self::Many(mut shared) => {
                let items = Arc::make_mut(&mut shared);
                let last = items.last().map(Item::rank);
                items.push(item);
                *self = Self::Many(shared);
                last
            }
        };
        last.is_none_or(|last| last >= rank)
    }

    fn settle(&mut self, gone: &Gone<T>) {
        let is_there = |matcher: &Arc<Matcher<T>>| !gone.contains(&Arc::as_ptr(matcher));
        *self = match std::mem::take(self) {
            Self::One(matcher, placement) if is_there(&matcher) => Self::One(matcher, placement),
            Self::Empty | Self::One(..) => Self::Empty,
            Self::Many(mut shared) => {
                let items = Arc::make_mut(&mut shared);
                if !gone.is_empty() {
                    items.retain(|item| is_there(&item.matcher));
                }
                items.sort_by_cached_key(|item| Reverse(item.rank()));
                match items.len() {
                    0 | 1 => items.pop().map_or(Self::Empty, |item| Self::One(item.matcher, item.placement)),
                    _ => Self::Many(shared),
                }
            }
        };
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl<'a, T> Best<'a, T> {
    /// Looks whether a route is better than the best so far. Whether those of lower ranks need not be asked any more.
    fn beaten_by(
        &mut self,
        matcher: &'a Matcher<T>,
        placement: u32,
        request: &Request<'_>,
        captured: &mut Captured,
    ) -> bool {
        let placement = &matcher.placements[placement as usize];
        if self.rank.is_some_and(|rank| rank >= placement.rank) {
            return true;
        }
        if !matcher.matches(placement, request, captured) {
            return false;
        }
        *self = Best { rank: Some(placement.rank), found: Some(matcher), captured: std::mem::take(captured) };
        true
    }
}

impl<T> Item<T> {
    fn rank(&self) -> Rank {
        self.matcher.placements[self.placement as usize].rank
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
            Self::One(matcher, placement) => Self::One(Arc::clone(matcher), *placement),
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
        Self::Plain(List::Empty)
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Plain(items) => Self::Plain(items.clone()),
            Self::Labelled(labelled) => Self::Labelled(Arc::clone(labelled)),
        }
    }
}

impl<T> Clone for Labelled<T> {
    fn clone(&self) -> Self {
        Self { by_header: self.by_header.clone(), rest: self.rest.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_takes_little_room() {
        assert_eq!(size_of::<Shelf<()>>(), 16);
    }
}
