//! What a stream knows about one type.

use std::sync::Arc;

use proto::{Resource, TypeUrl, Version};

use super::{MAX_NAMES, Outcome, too_many_names};
use crate::status::Status;
use crate::view::TypeSet;

/// One type of one stream.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) kind: TypeUrl,
    /// Whether the client has ever asked for this type.
    pub(super) started: bool,
    pub(super) subscription: Subscription,
    /// What the client had before this stream (delta, wildcard), until the first response.
    pub(super) known: Vec<(Arc<str>, Option<Version>)>,
    /// The set the client was brought up to: of what it subscribes to, it was sent what is in here, and
    /// everything in `gone` beyond.
    pub(super) sent: Arc<TypeSet>,
    /// What the client still has although it is no longer in the view.
    pub(super) gone: Vec<Gone>,
    /// Endpoints only: the set of the view whose clusters are unacknowledged. The client waits for the
    /// endpoints of each of them, also of those that the view has lost in the meantime.
    pub(super) warming: Arc<TypeSet>,
    /// Names to be sent whatever was sent before.
    pub(super) owed: Vec<Arc<str>>,
    /// Whether everything is to be sent whatever was sent before.
    pub(super) owes_all: bool,
    /// Whether a response is due even if there is nothing to tell.
    pub(super) owes_answer: bool,
    /// Of the last response.
    nonce: Option<Version>,
    /// Whether the last response is neither acknowledged nor rejected.
    pub(super) awaiting: bool,
    /// Whether the last response was rejected.
    rejected: bool,
}

/// What waits for its removal.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) name: Arc<str>,
    /// Absent when the client brought it from an earlier stream.
    pub(super) resource: Option<Arc<Resource>>,
}

impl Channel {
    pub(super) fn new(kind: TypeUrl) -> Self {
        Self {
            kind,
            started: false,
            subscription: Subscription::default(),
            known: Vec::new(),
            sent: Arc::default(),
            gone: Vec::new(),
            warming: Arc::default(),
            owed: Vec::new(),
            owes_all: false,
            owes_answer: false,
            nonce: None,
            awaiting: false,
            rejected: false,
        }
    }

    /// Whether a response may have to be sent to bring the client to `set`.
    pub(super) fn is_due(&self, set: &Arc<TypeSet>) -> bool {
        self.started && (!Arc::ptr_eq(&self.sent, set) || self.is_owed())
    }

    /// Whether something is to be sent that the client waits for by now.
    pub(super) fn is_owed(&self) -> bool {
        self.owes_all || self.owes_answer || !self.owed.is_empty()
    }

    /// Whether the client has applied all that was sent.
    pub(super) fn is_settled(&self) -> bool {
        !self.awaiting && !self.rejected
    }

    pub(super) fn note_sent(&mut self, nonce: Version) {
        self.nonce = Some(nonce);
        self.awaiting = true;
    }

    /// Whether a request with that nonce follows the last response.
    pub(super) fn is_current(&self, nonce: &str) -> bool {
        self.nonce.is_some() && Version::parse(nonce) == self.nonce
    }

    /// Notes an answer to the last response; a second one says nothing new.
    pub(super) fn answered<'a>(&mut self, error: Option<&'a str>) -> Outcome<'a> {
        let Some(version) = self.nonce.filter(|_| self.awaiting) else { return Outcome::Nothing };
        self.awaiting = false;
        self.rejected = error.is_some();
        match error {
            None => Outcome::Acked { kind: self.kind, version },
            Some(message) => Outcome::Nacked { kind: self.kind, version, message },
        }
    }

    /// The name as the view shares it, so that a subscription costs a pointer.
    pub(super) fn shared_name(&self, name: &str) -> Arc<str> {
        self.sent.get(name).map_or_else(|| Arc::from(name), |resource| resource.name.clone())
    }

    /// What to answer to a client that asks for `name`.
    pub(super) fn find<'a>(&'a self, name: &str, set: &'a TypeSet) -> Option<&'a Arc<Resource>> {
        set.get(name).or_else(|| self.warming.get(name))
    }

    pub(super) fn check_limit(&self) -> Result<(), Status> {
        let names = self.subscription.names.len().max(self.owed.len());
        if names > MAX_NAMES { Err(too_many_names(self.kind)) } else { Ok(()) }
    }

    /// The end of every composition: the client is at `set`, nothing is owed.
    pub(super) fn reached(&mut self, set: &Arc<TypeSet>) {
        // The subscribed names are the resources' own: one allocation a name for all streams.
        self.subscription.adopt(set);
        self.sent = set.clone();
        self.known = Vec::new();
        self.owed = Vec::new();
        self.owes_all = false;
        self.owes_answer = false;
    }
}

/// What the client wants of a type.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub(super) wildcard: bool,
    /// Sorted.
    names: Vec<Arc<str>>,
    /// Hash of the names as the client last listed them (state of the world).
    pub(super) fingerprint: u64,
    /// Whether names were added since they were last adopted.
    fresh: bool,
}

impl Subscription {
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.has_name(name)
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|known| (**known).cmp(name))
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Adds names, in any order and known or not.
    pub(super) fn add(&mut self, names: &[Arc<str>]) {
        if names.is_empty() {
            return;
        }
        self.names.reserve_exact(names.len());
        self.names.extend_from_slice(names);
        self.names.sort_unstable();
        self.names.dedup();
        self.fresh = true;
    }

    /// Drops the names that `gone` says; returns whether there was one.
    pub(super) fn drop_names(&mut self, gone: impl Fn(&str) -> bool) -> bool {
        let before = self.names.len();
        self.names.retain(|name| !gone(name));
        self.names.len() < before
    }

    fn adopt(&mut self, set: &TypeSet) {
        if !std::mem::take(&mut self.fresh) {
            return;
        }
        for name in &mut self.names {
            if let Some(resource) = set.get(name) {
                *name = resource.name.clone();
            }
        }
        self.names.shrink_to_fit();
    }
}
