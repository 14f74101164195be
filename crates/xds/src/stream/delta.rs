//! The delta protocol: requests say what changes in the subscription, responses what changes in the
//! resources.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::{Resource, TypeUrl};

use super::channel::{Channel, Gone};
use super::{Outcome, Stream};
use crate::request::DeltaRequest;
use crate::response::{Response, Variant};
use crate::status::Status;
use crate::view::{Change, TypeSet};

impl Stream {
    /// Takes a request. An error ends the stream.
    pub fn receive_delta<'a>(&mut self, request: &DeltaRequest<'a>) -> Result<Outcome<'a>, Status> {
        let Some(channel) = self.open(request.type_url) else { return Ok(Outcome::Nothing) };
        if !channel.started {
            channel.start_delta(request);
        }
        // A stale nonce says nothing about the last response, but subscriptions always count.
        channel.subscribe(request)?;
        channel.unsubscribe(request);
        if !channel.is_current(request.nonce) {
            return Ok(Outcome::Nothing);
        }
        let outcome = channel.answered(request.error);
        self.note_answer(outcome);
        Ok(outcome)
    }
}

impl Channel {
    fn start_delta(&mut self, request: &DeltaRequest<'_>) {
        self.started = true;
        // Naming nothing in the first request means everything, for the types where that is usual.
        if self.kind.is_wildcard() && request.subscribe().next().is_none() {
            self.subscription.wildcard = true;
            self.owes_answer = true;
        }
        if self.kind.is_wildcard() {
            self.known = request.initial_versions().map(|(name, version)| (self.shared_name(name), version)).collect();
            self.known.sort_unstable();
        }
    }

    /// Every subscribed name is answered, even one that was subscribed to before: the client says by it
    /// that it does not have the resource.
    fn subscribe(&mut self, request: &DeltaRequest<'_>) -> Result<(), Status> {
        let mut names = Vec::new();
        for name in request.subscribe() {
            if name == "*" {
                // With initial versions the client has told what it has; without, it has nothing.
                self.owes_all |= self.subscription.wildcard || self.known.is_empty();
                self.owes_answer = true;
                self.subscription.wildcard = true;
            } else {
                names.push(self.shared_name(name));
            }
        }
        if !names.is_empty() {
            self.subscription.add(&names);
            self.owed.append(&mut names);
        }
        self.check_limit()
    }

    fn unsubscribe(&mut self, request: &DeltaRequest<'_>) {
        let gone: BTreeSet<&str> = request.unsubscribe().collect();
        if gone.is_empty() {
            return;
        }
        if gone.contains("*") {
            self.subscription.wildcard = false;
        }
        self.subscription.drop_names(|name| gone.contains(name));
        if self.subscription.wildcard {
            // Still wanted through the wildcard: the client asks to be told what it has.
            let names = gone.iter().filter(|name| **name != "*").map(|name| self.shared_name(name));
            let names: Vec<Arc<str>> = names.collect();
            self.owed.extend(names);
        } else {
            self.owed.retain(|name| !gone.contains(&**name));
            self.gone.retain(|gone| self.subscription.has_name(&gone.name));
        }
    }

    /// All that changed since the last response, and what is owed.
    pub(super) fn compose_delta(&mut self, set: &Arc<TypeSet>) -> Option<Response> {
        let mut resources: Vec<Arc<Resource>> = Vec::new();
        let mut gone: Vec<Gone> = Vec::new();
        if self.owes_all {
            resources.extend(set.iter().filter(|resource| self.subscription.wants(&resource.name)).cloned());
        }
        if self.known.is_empty() {
            let all = self.owes_all;
            self.sent.diff(set, |change| match change {
                Change::Put(resource) if !all && self.subscription.wants(&resource.name) => {
                    resources.push(resource.clone());
                }
                Change::Gone(resource) if self.subscription.wants(&resource.name) => {
                    gone.push(Gone { name: resource.name.clone(), resource: None });
                }
                _ => {}
            });
        } else {
            self.diff_known(set, &mut resources, &mut gone);
        }
        let mut removed = self.defer(gone, set);
        for name in &self.owed {
            match self.find(name, set) {
                Some(resource) => resources.push(resource.clone()),
                None if is_removable(self.kind) => removed.push(name.clone()),
                // Envoy would stop waiting for a route or secret and never serve what needs it.
                None => {}
            }
        }
        let silent = resources.is_empty() && removed.is_empty() && !self.owes_answer;
        self.reached(set);
        (!silent).then(|| Response::new(Variant::Delta, self.kind, resources, removed))
    }

    /// As `diff`, from what the client said that it has.
    fn diff_known(&self, set: &TypeSet, resources: &mut Vec<Arc<Resource>>, gone: &mut Vec<Gone>) {
        for resource in set.iter().filter(|resource| self.subscription.wants(&resource.name)) {
            let known = self.known.binary_search_by(|(name, _)| name.cmp(&resource.name));
            let version = known.ok().and_then(|index| self.known.get(index)?.1);
            if version != Some(resource.version) {
                resources.push(resource.clone());
            }
        }
        let unknown = self.known.iter().filter(|(name, _)| set.get(name).is_none());
        gone.extend(unknown.map(|(name, _)| Gone { name: name.clone(), resource: None }));
    }

    /// Sorts what is gone into what is told now, which is returned, later or never.
    fn defer(&mut self, gone: Vec<Gone>, set: &TypeSet) -> Vec<Arc<str>> {
        match self.kind {
            TypeUrl::Cluster | TypeUrl::Endpoint => {
                self.gone.extend(gone);
                self.gone.retain(|gone| set.get(&gone.name).is_none());
                Vec::new()
            }
            TypeUrl::Listener => gone.into_iter().map(|gone| gone.name).collect(),
            TypeUrl::Secret | TypeUrl::Route => Vec::new(),
        }
    }

    pub(super) fn compose_removal_delta(&mut self) -> Option<Response> {
        let removed = self.gone.drain(..).map(|gone| gone.name).collect();
        Some(Response::new(Variant::Delta, self.kind, Vec::new(), removed))
    }
}

/// Whether the client may be told that there is no such resource. Not for routes and secrets: Envoy gives
/// up waiting for what it was told does not exist, and a listener that needs it never opens.
fn is_removable(kind: TypeUrl) -> bool {
    matches!(kind, TypeUrl::Cluster | TypeUrl::Listener | TypeUrl::Endpoint)
}
