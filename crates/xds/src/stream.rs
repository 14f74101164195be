//! One discovery stream as a state machine: requests and views in, responses out, no I/O.
//!
//! What a stream does, for whoever drives it: hand every request to [`Stream::receive_delta`] or
//! [`Stream::receive_sotw`], and after each of them and after each new view take responses from
//! [`Stream::next`] until there is none.
//!
//! The order in which types are sent never breaks traffic. Clusters go first, with their endpoints in the
//! same breath (Envoy lets a changed cluster wait for endpoints even if those are what it already has),
//! then secrets. Listeners and routes may refer to the new clusters, so they wait until the clusters are
//! acknowledged, which Envoy does when they are warm. Clusters that are no more leave last, when the
//! listeners and routes that do without them are acknowledged.

mod channel;
mod delta;
mod sotw;

use std::sync::Arc;

use proto::{TypeUrl, Version};

use crate::response::{Response, Variant};
use crate::status::{Code, Status};
use crate::view::{Change, View};
use channel::Channel;

/// How many names one stream may subscribe to for one type.
pub const MAX_NAMES: usize = 50_000;
/// How many clusters may wait for their removal. Beyond, they are removed without waiting, so that a
/// listener that is rejected for ever does not make the list grow for ever.
const MAX_GONE: usize = 4096;

/// What a request meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Nothing to note: a subscription, a stale answer or a type that is not served.
    Nothing,
    /// The client applied the response with this nonce.
    Acked {
        /// Its type.
        kind: TypeUrl,
        /// Its nonce.
        version: Version,
    },
    /// The client rejected at least a part of the response with this nonce.
    Nacked {
        /// Its type.
        kind: TypeUrl,
        /// Its nonce.
        version: Version,
        /// The client's words.
        message: &'a str,
    },
}

/// The state of one stream.
#[derive(Debug)]
pub struct Stream {
    variant: Variant,
    channels: [Channel; TypeUrl::ALL.len()],
}

impl Stream {
    /// A stream on which nothing has happened.
    pub fn new(variant: Variant) -> Self {
        Self { variant, channels: TypeUrl::ALL.map(Channel::new) }
    }

    /// The next response to send, if there is one to send now.
    pub fn next(&mut self, view: &View) -> Option<Response> {
        if !view.is_ready() {
            return None;
        }
        TypeUrl::ALL.into_iter().find_map(|kind| self.update(kind, view)).or_else(|| self.remove(view))
    }

    fn channel(&mut self, kind: TypeUrl) -> &mut Channel {
        &mut self.channels[kind as usize]
    }

    /// What was added or changed, and what can leave at once.
    fn update(&mut self, kind: TypeUrl, view: &View) -> Option<Response> {
        let set = view.get(kind);
        let hold = matches!(kind, TypeUrl::Listener | TypeUrl::Route) && self.channel(TypeUrl::Cluster).awaiting;
        let channel = &mut self.channels[kind as usize];
        if hold || !channel.is_due(set) || (channel.awaiting && !channel.is_owed()) {
            return None;
        }
        let before = channel.sent.clone();
        let response = match self.variant {
            Variant::Delta => channel.compose_delta(set),
            Variant::Sotw => channel.compose_sotw(set),
        }?;
        channel.note_sent(response.nonce);
        if kind == TypeUrl::Cluster {
            self.channel(TypeUrl::Endpoint).warming = view.get(TypeUrl::Endpoint).clone();
            match self.variant {
                Variant::Delta => response.resources.iter().for_each(|cluster| self.warm(&cluster.name)),
                // The response repeats the clusters that did not change.
                Variant::Sotw => before.diff(set, |change| {
                    if let Change::Put(cluster) = change {
                        self.warm(&cluster.name);
                    }
                }),
            }
        }
        Some(response)
    }

    /// Makes the endpoints of a changed cluster due.
    fn warm(&mut self, cluster: &Arc<str>) {
        let endpoints = self.channel(TypeUrl::Endpoint);
        if endpoints.subscription.has_name(cluster) {
            endpoints.owed.push(cluster.clone());
        }
    }

    /// What had to wait for the listeners and routes that do without it.
    fn remove(&mut self, view: &View) -> Option<Response> {
        let users_settled = self.users_settled(view);
        let clusters = self.channel(TypeUrl::Cluster);
        if clusters.awaiting {
            return None;
        }
        if !clusters.gone.is_empty() {
            if !users_settled && clusters.gone.len() <= MAX_GONE {
                return None;
            }
            return self.send_removal(TypeUrl::Cluster, view);
        }
        let endpoints = self.channel(TypeUrl::Endpoint);
        if endpoints.gone.is_empty() || endpoints.awaiting {
            return None;
        }
        self.send_removal(TypeUrl::Endpoint, view)
    }

    /// Whether listeners and routes are as in the view. A listener whose route the client has not even asked
    /// for is not in use yet; the one before it is.
    fn users_settled(&self, view: &View) -> bool {
        let [listeners, routes] = [TypeUrl::Listener, TypeUrl::Route].map(|kind| &self.channels[kind as usize]);
        listeners.is_settled()
            && routes.is_settled()
            && (!listeners.started
                || view.get(TypeUrl::Route).iter().all(|route| routes.subscription.wants(&route.name)))
    }

    fn send_removal(&mut self, kind: TypeUrl, view: &View) -> Option<Response> {
        let variant = self.variant;
        let channel = self.channel(kind);
        let response = match variant {
            Variant::Delta => channel.compose_removal_delta(),
            Variant::Sotw => channel.compose_removal_sotw(view.get(kind)),
        }?;
        channel.note_sent(response.nonce);
        Some(response)
    }

    /// Whoever answers clusters has warmed them.
    fn note_answer(&mut self, outcome: Outcome<'_>) {
        if let Outcome::Acked { kind: TypeUrl::Cluster, .. } | Outcome::Nacked { kind: TypeUrl::Cluster, .. } = outcome
        {
            self.channel(TypeUrl::Endpoint).warming = Arc::default();
        }
    }

    /// The channel of a request, if its type is one that is served.
    fn open(&mut self, type_url: &str) -> Option<&mut Channel> {
        let Some(kind) = TypeUrl::parse(type_url) else {
            tracing::debug!(type_url, "Ignored a request for a type that is not served");
            return None;
        };
        Some(self.channel(kind))
    }
}

fn too_many_names(kind: TypeUrl) -> Status {
    Status::new(
        Code::ResourceExhausted,
        format!("more than {MAX_NAMES} resource names of type {} are subscribed to", kind.as_str()),
    )
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
