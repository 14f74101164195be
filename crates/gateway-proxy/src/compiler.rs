//! From documents to what requests are served with: incrementally, once per change, away from the workers.

mod chains;
mod documents;
mod plugins;
mod routes;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use engine::dns::Names;
use engine::health::probe::ProbeTls;
use engine::tls::client::Configurations;
use engine::tls::{Certificates, ServerIdentity};
use gateway_router::Router;

use crate::config::{Config, RouteRuntime, ServiceRuntime};
use crate::directory::Directory;
use crate::pdk::{Credential, Definition, Node, Table};
use crate::plan::Plugins;
use crate::references::References;
use crate::settings::Settings;
use crate::slots::Slots;
use crate::upstreams::{TargetMark, UpstreamRuntime, Upstreams};
use chains::Chains;
use documents::{Dirty, Documents, Map};
use plugins::Compiled;
use routes::{RouteChange, Routes};

type Id = Arc<str>;

/// A change of one document, as the store tells it. Documents are checked and complete.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// New or changed.
    Put {
        /// `services`, `keyauth_credentials`, …
        collection: &'a str,
        /// Its id.
        id: &'a str,
        /// JSON.
        document: &'a str,
        /// Unix time in milliseconds at which it vanishes.
        expires_ms: Option<i64>,
    },
    /// Gone.
    Delete {
        /// Its collection.
        collection: &'a str,
        /// Its id.
        id: &'a str,
    },
}

impl<'a> Change<'a> {
    fn collection(&self) -> &'a str {
        match self {
            Self::Put { collection, .. } | Self::Delete { collection, .. } => collection,
        }
    }

    fn id(&self) -> &'a str {
        match self {
            Self::Put { id, .. } | Self::Delete { id, .. } => id,
        }
    }

    fn document(&self) -> Option<&'a str> {
        match self {
            Self::Put { document, .. } => Some(document),
            Self::Delete { .. } => None,
        }
    }

    fn problem(&self, reason: impl fmt::Display) -> Problem {
        Problem { collection: self.collection().to_owned(), id: self.id().to_owned(), reason: reason.to_string() }
    }
}

/// A document that could not be put into force; everything else was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{collection} {id}: {reason}")]
pub struct Problem {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What a compiler works with.
#[derive(Debug)]
pub struct Surroundings {
    /// The node's settings.
    pub settings: Arc<Settings>,
    /// The node.
    pub node: Arc<Node>,
    /// The plugins that are enabled.
    pub definitions: Vec<Arc<dyn Definition>>,
    /// Name resolution.
    pub names: Arc<Names>,
    /// What the TLS listeners show; exchanged when certificates change.
    pub certificates: Arc<Certificates>,
    /// What they show to clients that name no known server.
    pub default_identity: ServerIdentity,
    /// How active health checks speak TLS.
    pub probe_tls: ProbeTls,
    /// Where references to secrets lead.
    pub references: References,
}

/// Keeps the documents and what was made of them.
pub struct Compiler {
    settings: Arc<Settings>,
    node: Arc<Node>,
    definitions: HashMap<&'static str, Arc<dyn Definition>>,
    collections: HashMap<&'static str, (&'static str, Arc<dyn Definition>)>,
    documents: Documents,
    directory: Arc<Directory>,
    plugins: Plugins,
    compiled: Map<Id, Compiled>,
    services: Slots<Id, ServiceRuntime>,
    upstreams: Upstreams,
    upstreams_by_name: Table<Id, Arc<UpstreamRuntime>>,
    tls: Arc<Configurations>,
    /// The authorities of the settings, shared by all services.
    trusted: Arc<str>,
    names: Arc<Names>,
    certificates: Arc<Certificates>,
    default_identity: ServerIdentity,
    references: References,
    chains: Chains,
    routes: Routes,
    router: Router<RouteRuntime>,
}

impl Compiler {
    /// A compiler without documents.
    pub fn new(surroundings: Surroundings) -> Self {
        let Surroundings { settings, node, definitions, names, certificates, default_identity, probe_tls, references } =
            surroundings;
        node.configure(&settings);
        let mut collections = HashMap::new();
        for definition in &definitions {
            for collection in definition.collections() {
                collections.insert(*collection, (*collection, Arc::clone(definition)));
            }
        }
        Self {
            router: Router::new(settings.router_flavor),
            upstreams: Upstreams::new(Arc::clone(&names), node.tasks.clone(), probe_tls),
            upstreams_by_name: Table::default(),
            tls: Arc::default(),
            trusted: settings.trusted_certificates.as_deref().unwrap_or_default().into(),
            names,
            certificates,
            default_identity,
            references,
            settings,
            node,
            definitions: definitions.into_iter().map(|definition| (definition.name(), definition)).collect(),
            collections,
            documents: Documents::default(),
            directory: Arc::default(),
            plugins: Plugins::default(),
            compiled: Map::default(),
            services: Slots::default(),
            chains: Chains::default(),
            routes: Routes::default(),
        }
    }

    /// Takes changes over, in any order, and tells what of them cannot be in force.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = Change<'a>>) -> Vec<Problem> {
        self.apply_in_steps(changes, || {})
    }

    /// Like [`apply`](Self::apply), and calls `step` for every change when it is worked on.
    pub fn apply_in_steps<'a>(
        &mut self,
        changes: impl IntoIterator<Item = Change<'a>>,
        mut step: impl FnMut(),
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut dirty = Dirty::default();
        let changes = changes.into_iter();
        let mut routes = Vec::with_capacity(changes.size_hint().0);
        for change in changes {
            if change.collection() == "routes" {
                // What they are compiled with comes first, so that each is read and compiled at once.
                routes.push(RouteChange { id: change.id(), document: change.document() });
                continue;
            }
            step();
            let applied = match self.documents.apply(&change, &mut dirty) {
                Ok(false) if change.collection() == TargetMark::COLLECTION => self.apply_mark(&change),
                Ok(true) => Ok(()),
                Ok(false) => self.apply_to_directory(&change),
                Err(problem) => Err(problem),
            };
            problems.extend(applied.err());
        }
        if dirty.vaults {
            self.references.set_vaults(self.documents.vaults.values());
        }
        self.compile_plugins(&mut dirty);
        self.compile_services(&mut dirty, &mut problems);
        self.compile_upstreams(&mut dirty, &mut problems);
        self.upstreams.apply_marks();
        if dirty.names {
            self.compile_certificates(&mut problems);
        }
        self.compile_routes(&routes, dirty.routes, &mut problems, step);
        problems
    }

    /// The collection and the id of every document there is something made of.
    pub fn known(&self) -> impl Iterator<Item = (&'static str, &Arc<str>)> {
        let routes = self.routes.ids().map(|id| ("routes", id));
        let marks = self.upstreams.marks().map(|id| (TargetMark::COLLECTION, id));
        self.documents.ids().chain(routes).chain(marks).chain(self.directory.ids())
    }

    /// The configuration as of now.
    pub fn config(&self, revision: u64) -> Config {
        let global = self.plugins.global();
        Config {
            revision,
            settings: Arc::clone(&self.settings),
            node: Arc::clone(&self.node),
            router: self.router.clone(),
            services: self.services.places(),
            chains: self.chains.places(),
            rewrite: global.iter().filter(|instance| instance.phases.rewrite).cloned().collect(),
            global: global.into(),
            directory: Arc::clone(&self.directory),
            has_upstreams: !self.upstreams_by_name.is_empty(),
            upstreams: self.upstreams_by_name.clone(),
            names: Arc::clone(&self.names),
            tls: Arc::clone(&self.tls),
        }
    }

    fn apply_mark(&mut self, change: &Change<'_>) -> Result<(), Problem> {
        match change {
            Change::Put { id, document, .. } => {
                self.upstreams.put_mark(id, serde_json::from_str(document).map_err(|error| change.problem(error))?);
            }
            Change::Delete { id, .. } => self.upstreams.remove_mark(id),
        }
        Ok(())
    }

    fn apply_to_directory(&mut self, change: &Change<'_>) -> Result<(), Problem> {
        let directory = Arc::make_mut(&mut self.directory);
        if change.collection() == "consumers" {
            match change {
                Change::Put { document, .. } => {
                    directory.put_consumer(serde_json::from_str(document).map_err(|error| change.problem(error))?);
                }
                Change::Delete { id, .. } => directory.remove_consumer(id),
            }
            return Ok(());
        }
        // What no plugin in use knows has no effect on requests: tags, vaults, keys.
        let Some((collection, definition)) = self.collections.get(change.collection()) else { return Ok(()) };
        match change {
            Change::Put { id, document, expires_ms, .. } => {
                let document: serde_json::Value =
                    serde_json::from_str(document).map_err(|error| change.problem(error))?;
                let parsed = definition.credential(collection, &document).map_err(|reason| change.problem(reason))?;
                let consumer = document.pointer("/consumer/id").and_then(serde_json::Value::as_str).map(Id::from);
                directory.put_credential(
                    collection,
                    Credential {
                        id: (*id).into(),
                        consumer,
                        expires_ms: *expires_ms,
                        key: parsed.key,
                        value: parsed.value,
                    },
                );
            }
            Change::Delete { id, .. } => directory.remove_credential(collection, id),
        }
        Ok(())
    }

    fn compile_services(&mut self, dirty: &mut Dirty, problems: &mut Vec<Problem>) {
        for id in std::mem::take(&mut dirty.services) {
            let Some(service) = self.documents.services.get(&id) else {
                self.services.remove(&id);
                continue;
            };
            let was_enabled = self
                .services
                .number(&id)
                .and_then(|number| self.services.places()[number].as_ref().map(|runtime| runtime.document.enabled));
            // Routes of a service that is switched off are not in the router.
            if was_enabled.is_some_and(|was| was != service.enabled) {
                dirty.routes.extend(self.routes.of_service(&id).cloned());
            }
            let tls = self.service_tls(service, problems);
            let runtime = ServiceRuntime::new(service, &self.settings, tls, &self.tls);
            self.services.put(id, Arc::new(runtime));
        }
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
