//! Which policy applies: legacy source and destination matching, one winner, no merging.

use crate::Dataplane;
use crate::context::Policies;
use crate::policy::{Connection, Named, Selected};
use crate::tags::{SERVICE, Tags};

/// How specific a selector is: more tags win, then more exact ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    total: usize,
    exact: usize,
}

impl std::ops::Add for Rank {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { total: self.total + other.total, exact: self.exact + other.exact }
    }
}

/// The rank of `selector` if it matches `tags`: every tag it names is there, with its value or any for `*`.
pub fn rank(selector: &Tags, tags: &Tags) -> Option<Rank> {
    let mut rank = Rank::default();
    for (key, wanted) in selector {
        let value = tags.get(key)?;
        if wanted != "*" {
            if wanted != value {
                return None;
            }
            rank.exact += 1;
        }
        rank.total += 1;
    }
    Some(rank)
}

/// The best rank of any of `selectors` on any of `tags`.
fn best_rank<'a>(selectors: &[Tags], tags: impl Iterator<Item = &'a Tags>) -> Option<Rank> {
    tags.flat_map(|tags| selectors.iter().filter_map(move |selector| rank(selector, tags))).max()
}

/// The policy for traffic from `dataplane` to `service`. A destination is known by its service alone.
pub fn outbound<'a, C>(
    policies: &'a Policies<Connection<C>>,
    dataplane: &Dataplane,
    service: &str,
) -> Option<&'a Named<std::sync::Arc<Connection<C>>>> {
    let destination = Tags::from([(SERVICE.to_owned(), service.to_owned())]);
    best(policies, |policy| {
        let source = best_rank(&policy.sources, dataplane.source_tags())?;
        let target = best_rank(&policy.destinations, std::iter::once(&destination))?;
        Some(source + target)
    })
}

/// The policy for traffic into an inbound with these tags.
pub fn inbound<'a, C>(
    policies: &'a Policies<Connection<C>>,
    tags: &Tags,
) -> Option<&'a Named<std::sync::Arc<Connection<C>>>> {
    best(policies, |policy| best_rank(&policy.destinations, std::iter::once(tags)))
}

/// Every policy for traffic into an inbound with these tags, the most specific source first.
pub fn inbound_all<'a, C>(
    policies: &'a Policies<Connection<C>>,
    tags: &Tags,
) -> Vec<&'a Named<std::sync::Arc<Connection<C>>>> {
    let mut all: Vec<_> = policies
        .iter()
        .filter(|named| best_rank(&named.policy.destinations, std::iter::once(tags)).is_some())
        .map(|named| (named.policy.sources.iter().map(own_rank).max().unwrap_or_default(), named))
        .collect();
    all.sort_by(|(a, _), (b, _)| b.cmp(a));
    all.into_iter().map(|(_, named)| named).collect()
}

/// The policy on a proxy.
pub fn dataplane<'a, C>(
    policies: &'a Policies<Selected<C>>,
    dataplane: &Dataplane,
) -> Option<&'a Named<std::sync::Arc<Selected<C>>>> {
    best(policies, |policy| {
        if policy.selectors.is_empty() {
            return Some(Rank::default());
        }
        best_rank(&policy.selectors, dataplane.source_tags())
    })
}

fn own_rank(selector: &Tags) -> Rank {
    Rank { total: selector.len(), exact: selector.values().filter(|value| *value != "*").count() }
}

/// Highest rank, then latest creation; among equals the first by name, which is the order of the list.
fn best<P>(policies: &[Named<P>], mut rank: impl FnMut(&P) -> Option<Rank>) -> Option<&Named<P>> {
    let mut winner: Option<(Rank, &Named<P>)> = None;
    for candidate in policies {
        let Some(rank) = rank(&candidate.policy) else { continue };
        let better = winner.is_none_or(|(best, named)| (rank, candidate.created) > (best, named.created));
        if better {
            winner = Some((rank, candidate));
        }
    }
    winner.map(|(_, named)| named)
}

#[cfg(test)]
mod tests;
