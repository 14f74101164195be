//! The state-of-the-world protocol: every request repeats all names, and a response for clusters or
//! listeners carries all of them. For the other types a response may carry some, and nothing is removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::{Resource, TypeUrl};
use xxhash_rust::xxh3::Xxh3;

use super::channel::{Channel, Gone};
use super::{Outcome, Stream};
use crate::request::SotwRequest;
use crate::response::{Response, Variant};
use crate::status::Status;
use crate::view::{Change, TypeSet};

impl Stream {
    /// Takes a request. An error ends the stream.
    pub fn receive_sotw<'a>(&mut self, request: &SotwRequest<'a>) -> Result<Outcome<'a>, Status> {
        let Some(channel) = self.open(request.type_url) else { return Ok(Outcome::Nothing) };
        if request.nonce.is_empty() {
            channel.started = true;
            channel.list(request)?;
            channel.owes_all = true;
            return Ok(Outcome::Nothing);
        }
        // Whoever answers an older response answers the newer one too, with the names of then.
        if !channel.is_current(request.nonce) {
            return Ok(Outcome::Nothing);
        }
        channel.list(request)?;
        let outcome = channel.answered(request.error);
        self.note_answer(outcome);
        Ok(outcome)
    }
}

impl Channel {
    /// Takes over the names of a request; those that are new become owed.
    fn list(&mut self, request: &SotwRequest<'_>) -> Result<(), Status> {
        let fingerprint = fingerprint(request);
        if fingerprint == self.subscription.fingerprint {
            return Ok(());
        }
        let listed: BTreeSet<&str> = request.names().collect();
        let named_before = !self.subscription.names().is_empty();
        self.subscription.fingerprint = fingerprint;
        let wildcard = listed.contains("*") || (listed.is_empty() && self.kind.is_wildcard() && !named_before);
        self.owes_all |= wildcard && !self.subscription.wildcard;
        self.subscription.wildcard = wildcard;
        self.subscription.drop_names(|name| !listed.contains(name));
        self.owed.retain(|name| listed.contains(&**name));
        let new = listed.iter().filter(|name| **name != "*" && !self.subscription.has_name(name));
        let mut new: Vec<Arc<str>> = new.map(|name| self.shared_name(name)).collect();
        self.subscription.add(&new);
        self.owed.append(&mut new);
        self.check_limit()
    }

    /// All that changed since the last response and what is owed; clusters and listeners in full.
    pub(super) fn compose_sotw(&mut self, set: &Arc<TypeSet>) -> Option<Response> {
        let mut changed: Vec<Arc<Resource>> = Vec::new();
        let mut gone: Vec<Gone> = Vec::new();
        self.sent.diff(set, |change| match change {
            Change::Put(resource) if self.subscription.wants(&resource.name) => changed.push(resource.clone()),
            Change::Gone(resource) if self.subscription.wants(&resource.name) => {
                gone.push(Gone { name: resource.name.clone(), resource: Some(resource.clone()) });
            }
            _ => {}
        });
        let resources = if self.kind.is_wildcard() {
            if changed.is_empty() && gone.is_empty() && !self.is_owed() {
                self.reached(set);
                return None;
            }
            if self.kind == TypeUrl::Cluster {
                self.gone.extend(gone);
                self.gone.retain(|gone| set.get(&gone.name).is_none());
            }
            self.in_full(set)
        } else {
            let names = if self.owes_all { self.subscription.names() } else { &self.owed };
            changed.extend(names.iter().filter_map(|name| self.find(name, set)).cloned());
            changed
        };
        self.reached(set);
        // An empty response would say nothing for the types that are subscribed to by name.
        if resources.is_empty() && !self.kind.is_wildcard() {
            return None;
        }
        Some(Response::new(Variant::Sotw, self.kind, resources, Vec::new()))
    }

    pub(super) fn compose_removal_sotw(&mut self, set: &TypeSet) -> Option<Response> {
        self.gone = Vec::new();
        Some(Response::new(Variant::Sotw, self.kind, self.in_full(set), Vec::new()))
    }

    fn in_full(&self, set: &TypeSet) -> Vec<Arc<Resource>> {
        let lingering = self.gone.iter().filter_map(|gone| gone.resource.as_ref());
        let wanted = set.iter().filter(|resource| self.subscription.wants(&resource.name));
        wanted.chain(lingering).cloned().collect()
    }
}

/// Tells whether the names are those of the request before without keeping them twice.
fn fingerprint(request: &SotwRequest<'_>) -> u64 {
    let mut hasher = Xxh3::new();
    for name in request.names() {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    hasher.digest()
}
