//! The table of routes.

mod edit;
mod shelf;

use std::fmt;
use std::sync::Arc;

use crate::expression::Captured;
use crate::matcher::Matcher;
use crate::place::Text;
use crate::rank::Rank;
use crate::request::Request;
use crate::spec::Flavor;
use crate::table::Table;
pub use edit::{Edit, Entry};
use shelf::Bucket;

/// All routes, indexed. Immutable: a changed router shares with the old one all that did not change.
///
/// A route is looked for by its host and by how its path begins; what both leave is ordered by rank and asked one by
/// one, so that a match costs the same however many routes there are.
pub struct Router<T> {
    flavor: Flavor,
    count: usize,
    exact: Table<Text, Arc<Bucket<T>>>,
    suffixes: Table<Text, Arc<Bucket<T>>>,
    prefixes: Table<Text, Arc<Bucket<T>>>,
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

impl<T> Router<T> {
    /// A router without routes.
    pub fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            count: 0,
            exact: Table::default(),
            suffixes: Table::default(),
            prefixes: Table::default(),
            any: Arc::default(),
        }
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How routes are ranked.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Begins a changed router; this one stays as it is.
    pub fn edit(&self) -> Edit<T> {
        Edit::new(self)
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
}

/// The best route so far.
struct Best<'a, T> {
    rank: Option<Rank>,
    found: Option<&'a Matcher<T>>,
    captured: Captured,
}

impl<T> Clone for Router<T> {
    fn clone(&self) -> Self {
        Self {
            flavor: self.flavor,
            count: self.count,
            exact: self.exact.clone(),
            suffixes: self.suffixes.clone(),
            prefixes: self.prefixes.clone(),
            any: Arc::clone(&self.any),
        }
    }
}

impl<T> fmt::Debug for Router<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("flavor", &self.flavor).finish_non_exhaustive()
    }
}
