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
