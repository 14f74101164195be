//! Health of targets that somebody has set by hand, on this node or another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::balance::{Balancer, MarkError};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::group::split_target;

type Id = Arc<str>;

/// What somebody said of a target, as a document of the store: from then on it is so, until checks find otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetMark {
    /// The id of the upstream.
    pub upstream: Arc<str>,
    /// `host:port`, as the target's document has it.
    pub target: Box<str>,
    /// Only this address of it, `ip:port`.
    pub address: Option<Box<str>>,
    /// How it is.
    pub healthy: bool,
    /// When it was said. Saying the same again counts again.
    pub at: Timestamp,
}

impl TargetMark {
    /// The collection of these documents.
    pub const COLLECTION: &'static str = "target_marks";

    fn put_on(&self, balancer: &Balancer) -> Result<(), MarkError> {
        let (name, port) = split_target(&self.target);
        balancer.mark(name, port, self.address.as_deref().map(split_target), self.healthy)
    }
}

/// Marks of one upstream that nobody could be found for yet: the names of its targets may lead nowhere for now. That
/// of a target stands before those of its addresses.
pub(super) type Pending = Arc<Mutex<BTreeMap<Id, Arc<TargetMark>>>>;

/// Puts marks on whom they are about, and keeps those that are about nobody there is.
pub(super) fn settle(pending: &Pending, balancer: &Balancer) {
    pending.lock().retain(|_, mark| mark.put_on(balancer) == Err(MarkError::Unknown));
}

/// All marks there are.
#[derive(Debug, Default)]
pub(super) struct Marks {
    of_upstream: HashMap<Id, BTreeMap<Id, Arc<TargetMark>>>,
    upstream_of: HashMap<Id, Id>,
    /// Those that are not on their targets yet.
    fresh: Vec<(Id, Arc<TargetMark>)>,
}

impl Marks {
    /// A mark was made. One that was known is not put on again: checks may have found otherwise since.
    pub(super) fn put(&mut self, id: &str, mark: TargetMark) {
        let of = self.of_upstream.entry(Arc::clone(&mark.upstream)).or_default();
        if of.get(id).is_some_and(|known| **known == mark) {
            return;
        }
        let (id, mark) = (Id::from(id), Arc::new(mark));
        of.insert(Arc::clone(&id), Arc::clone(&mark));
        self.upstream_of.insert(Arc::clone(&id), Arc::clone(&mark.upstream));
        self.fresh.push((id, mark));
    }

    /// A mark went, with its target or for one of all addresses. Gives the upstream it was about.
    pub(super) fn remove(&mut self, id: &str) -> Option<Id> {
        let upstream = self.upstream_of.remove(id)?;
        self.fresh.retain(|(fresh, _)| **fresh != *id);
        if let Some(of) = self.of_upstream.get_mut(&upstream) {
            of.remove(id);
            if of.is_empty() {
                self.of_upstream.remove(&upstream);
            }
        }
        Some(upstream)
    }

    /// Their ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.upstream_of.keys()
    }

    /// What an upstream begins with. Where active checks look after unhealthy targets, they are asked rather than
    /// what somebody said some time ago.
    pub(super) fn first(&mut self, upstream: &Id, looked_after: bool) -> Pending {
        self.fresh.retain(|(_, mark)| mark.upstream != *upstream);
        let of = self.of_upstream.get(upstream).filter(|_| !looked_after);
        Arc::new(Mutex::new(of.cloned().unwrap_or_default()))
    }

    /// What is to be put on targets of upstreams that were there before.
    pub(super) fn take_fresh(&mut self) -> Vec<(Id, Arc<TargetMark>)> {
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(upstream: &str, at: i64) -> TargetMark {
        let at = Timestamp::from_second(at).unwrap();
        TargetMark { upstream: upstream.into(), target: "a:1".into(), address: None, healthy: false, at }
    }

    fn fresh(marks: &mut Marks) -> Vec<String> {
        marks.take_fresh().into_iter().map(|(id, _)| id.to_string()).collect()
    }

    #[test]
    fn what_is_known_is_not_said_again() {
        let mut marks = Marks::default();
        marks.put("1", mark("u", 1));
        marks.put("2", mark("u", 1));
        assert_eq!(fresh(&mut marks), ["1", "2"]);
        marks.put("1", mark("u", 1));
        assert!(fresh(&mut marks).is_empty(), "as after falling behind");
        marks.put("1", mark("u", 2));
        assert_eq!(fresh(&mut marks), ["1"]);
        marks.put("2", mark("u", 2));
        assert_eq!(marks.remove("2").as_deref(), Some("u"));
        assert!(fresh(&mut marks).is_empty());
        assert_eq!(marks.remove("2"), None);
    }

    #[test]
    fn an_upstream_begins_with_its_marks_unless_it_is_looked_after() {
        let mut marks = Marks::default();
        for (id, upstream) in [("1", "u"), ("2", "v"), ("1/x", "u")] {
            marks.put(id, mark(upstream, 1));
        }
        let first: Vec<Id> = marks.first(&"u".into(), false).lock().keys().cloned().collect();
        assert_eq!(first, ["1".into(), "1/x".into()], "a target before its addresses");
        assert!(marks.first(&"u".into(), true).lock().is_empty());
        assert!(marks.first(&"w".into(), false).lock().is_empty());
        assert_eq!(fresh(&mut marks), ["2"], "what an upstream begins with is done");
    }
}
