//! From documents to what requests are served with: incrementally, once per change, away from the workers.

mod documents;
mod plugins;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use engine::dns::Names;
use engine::health::probe::ProbeTls;
use engine::tls::client::Configurations;
use engine::tls::{Certificates, ServerIdentity};
use gateway_model::typed::Route;
use gateway_router::Router;

use crate::config::{Config, RouteRuntime, ServiceRuntime};
use crate::directory::Directory;
use crate::pdk::{Credential, Definition, Node, Table};
use crate::plan::{Chain, Plugins};
use crate::references::References;
use crate::settings::Settings;
use crate::slots::Slots;
use crate::upstreams::{TargetMark, UpstreamRuntime, Upstreams};
use documents::{Dirty, Documents, Map};
use plugins::Compiled;

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

impl Change<'_> {
    fn collection(&self) -> &str {
        match self {
            Self::Put { collection, .. } | Self::Delete { collection, .. } => collection,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Put { id, .. } | Self::Delete { id, .. } => id,
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

/// What routes with the same plugins share: the route if plugins are put on it, and the service.
type ChainKey = (Option<Id>, Option<Id>);

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
    chains: Slots<ChainKey, Chain>,
    /// How many routes use a chain, and which one each uses.
    chain_users: Map<ChainKey, usize>,
    chain_of_route: Map<Id, ChainKey>,
    router: Router<Arc<RouteRuntime>>,
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
            chains: Slots::default(),
            chain_users: Map::default(),
            chain_of_route: Map::default(),
        }
    }

    /// Takes changes over, in any order, and tells what of them cannot be in force.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = Change<'a>>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut dirty = Dirty::default();
        for change in changes {
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
        self.compile_routes(&dirty, &mut problems);
        problems
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
            if was_enabled.is_some_and(|was| was != service.enabled)
                && let Some(routes) = self.documents.routes_of_service.get(&id)
            {
                dirty.routes.extend(routes.iter().cloned());
            }
            let tls = self.service_tls(service, problems);
            let runtime = ServiceRuntime::new(service, &self.settings, tls, &self.tls);
            self.services.put(id, Arc::new(runtime));
        }
    }

    fn compile_routes(&mut self, dirty: &Dirty, problems: &mut Vec<Problem>) {
        let mut changes = Vec::with_capacity(dirty.routes.len());
        for id in &dirty.routes {
            let route = self.documents.routes.get(id).cloned();
            let key = route.as_ref().map(|route| self.chain_key(route));
            self.use_chain(id, key.clone());
            let service = route.as_ref().and_then(|route| route.service.as_ref()).map(|service| Id::clone(&service.id));
            let enabled = service
                .as_ref()
                .and_then(|service| self.documents.services.get(service))
                .is_none_or(|service| service.enabled);
            match (route, key) {
                (Some(route), Some(key)) if enabled => {
                    let service = service.and_then(|service| self.services.number(&service));
                    let chain = self.chains.number(&key).expect("a chain in use has its place");
                    let runtime = Arc::new(RouteRuntime::new(route, service, chain, self.settings.router_flavor));
                    if runtime.is_http {
                        changes.push(gateway_router::Change::Put(runtime.spec(), runtime));
                    } else {
                        changes.push(gateway_router::Change::Remove(Arc::clone(id)));
                    }
                }
                _ => changes.push(gateway_router::Change::Remove(Arc::clone(id))),
            }
        }
        if changes.is_empty() {
            return;
        }
        let (router, refused) = self.router.apply(changes);
        self.router = router;
        problems.extend(refused.into_iter().map(|(id, error)| Problem {
            collection: "routes".to_owned(),
            id: id.to_string(),
            reason: error.to_string(),
        }));
    }

    fn chain_key(&self, route: &Route) -> ChainKey {
        let own = self.documents.plugins_of_route.contains_key(&route.id).then(|| Arc::clone(&route.id));
        (own, route.service.as_ref().map(|service| Arc::clone(&service.id)))
    }

    /// Makes the route a user of this chain and no other.
    fn use_chain(&mut self, route: &Id, key: Option<ChainKey>) {
        if self.chain_of_route.get(route) == key.as_ref() {
            return;
        }
        if let Some(key) = key.clone() {
            *self.chain_users.entry(key.clone()).or_default() += 1;
            if self.chains.number(&key).is_none() {
                let chain = self.plugins.chain(key.0.as_ref(), key.1.as_ref());
                self.chains.put(key, Arc::new(chain));
            }
        }
        let before = match key {
            Some(key) => self.chain_of_route.insert(Arc::clone(route), key),
            None => self.chain_of_route.remove(route),
        };
        if let Some(before) = before
            && let Some(users) = self.chain_users.get_mut(&before)
        {
            *users -= 1;
            if *users == 0 {
                self.chain_users.remove(&before);
                self.chains.remove(&before);
            }
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
