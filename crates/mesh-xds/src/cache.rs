//! Encoded resources by what they were made of, so that equal ones are made once and shared.

use std::collections::HashMap;
use std::sync::Arc;

use proto::Resource;

use crate::admin::Admin;
use crate::cluster::{Destination, Local};
use crate::external::External;
use crate::inbound::Inbound;
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::passthrough::Passthrough;
use crate::template;

/// Encodings that were needed lately. Owned by whoever builds proxies.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<Input, Entry>,
    raw: HashMap<String, Raw>,
    generation: u64,
}

#[derive(Debug)]
struct Entry {
    resource: Arc<Resource>,
    used: u64,
}

/// A resource in a user's words.
#[derive(Debug)]
struct Raw {
    parsed: Result<Arc<Resource>, String>,
    used: u64,
}

/// What determines a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Local(Local),
    Destination(Destination),
    External(External),
    Inbound(Inbound),
    Outbound(Outbound),
    Passthrough(Passthrough),
    Metrics(Metrics),
    Admin(Admin),
}

impl Input {
    fn encode(&self) -> Resource {
        match self {
            Self::Local(input) => input.encode(),
            Self::Destination(input) => input.encode(),
            Self::External(input) => input.encode(),
            Self::Inbound(input) => input.encode(),
            Self::Outbound(input) => input.encode(),
            Self::Passthrough(input) => input.encode(),
            Self::Metrics(input) => input.encode(),
            Self::Admin(input) => input.encode(),
        }
    }
}

impl Cache {
    /// The resource of `input`, encoded unless it is known.
    pub(crate) fn resource(&mut self, input: Input) -> Arc<Resource> {
        let generation = self.generation;
        let entry = self
            .entries
            .entry(input)
            .or_insert_with_key(|input| Entry { resource: Arc::new(input.encode()), used: generation });
        entry.used = generation;
        Arc::clone(&entry.resource)
    }

    /// The resource of a user's words, or what is wrong with them.
    pub(crate) fn raw(&mut self, text: &str) -> Result<Arc<Resource>, String> {
        if let Some(known) = self.raw.get_mut(text) {
            known.used = self.generation;
            return known.parsed.clone();
        }
        let parsed = template::resource(text).map(Arc::new);
        self.raw.insert(text.to_owned(), Raw { parsed: parsed.clone(), used: self.generation });
        parsed
    }

    /// Forgets what no build has used since the last sweep. To be called after each round in which every
    /// proxy was built, or now and then: what is forgotten too early is only encoded again.
    pub fn sweep(&mut self) {
        let generation = self.generation;
        self.entries.retain(|_, entry| entry.used == generation || Arc::strong_count(&entry.resource) > 1);
        self.raw.retain(|_, raw| raw.used == generation);
        self.generation += 1;
    }

    /// How many encodings are kept.
    pub fn len(&self) -> usize {
        self.entries.len() + self.raw.len()
    }

    /// Whether none are kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
