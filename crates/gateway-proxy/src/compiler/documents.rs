//! The entities as they are now, and what a change touches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::quality::RandomState;
use gateway_model::typed::{CaCertificate, Certificate, Plugin, Service, Sni, Target, Upstream};
use serde::de::DeserializeOwned;

use super::{Change, Problem};
use crate::references::{Vault, any_in};

type Id = Arc<str>;

/// Ids are hashed a dozen times for each document.
pub(super) type Map<K, V> = HashMap<K, V, RandomState>;
pub(super) type Set<K> = HashSet<K, RandomState>;

/// Documents by id, but for routes.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) services: Map<Id, Arc<Service>>,
    pub(super) plugins: Map<Id, Arc<Plugin>>,
    pub(super) upstreams: Map<Id, Arc<Upstream>>,
    pub(super) targets: Map<Id, Arc<Target>>,
    pub(super) certificates: Map<Id, Arc<Certificate>>,
    pub(super) ca_certificates: Map<Id, Arc<CaCertificate>>,
    pub(super) snis: Map<Id, Arc<Sni>>,
    pub(super) vaults: Map<Id, Arc<Vault>>,
    pub(super) targets_of_upstream: Map<Id, Set<Id>>,
    pub(super) plugins_of_route: Map<Id, Set<Id>>,
}

/// Ids of what has to be compiled again.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) services: Set<Id>,
    /// Not those that changed, which are compiled anyway.
    pub(super) routes: Set<Id>,
    /// With the document that was in force.
    pub(super) plugins: Map<Id, Option<Arc<Plugin>>>,
    /// With the name that was in force.
    pub(super) upstreams: Map<Id, Option<Arc<str>>>,
    /// Certificates or server names changed.
    pub(super) names: bool,
    /// Certificates or authorities changed, and with them what their users are compiled from.
    pub(super) certificates: bool,
    /// Vaults changed, and perhaps what references stand for.
    pub(super) vaults: bool,
}

impl Documents {
    /// Takes over a change of a core entity. `false` if the collection is none of these.
    pub(super) fn apply(&mut self, change: &Change<'_>, dirty: &mut Dirty) -> Result<bool, Problem> {
        let id: Id = change.id().into();
        match change.collection() {
            "services" => {
                replace(&mut self.services, change, &id)?;
                dirty.services.insert(id);
            }
            "plugins" => {
                let (old, new) = replace(&mut self.plugins, change, &id)?;
                let route = |plugin: &Option<Arc<Plugin>>| {
                    plugin.as_ref().and_then(|plugin| plugin.route.as_ref()).map(|of| Arc::clone(&of.id))
                };
                relink(&mut self.plugins_of_route, &id, route(&old), route(&new));
                dirty.plugins.entry(id).or_insert(old);
            }
            "upstreams" => {
                let (old, _) = replace(&mut self.upstreams, change, &id)?;
                let name = old.map(|upstream| Arc::clone(&upstream.name));
                dirty.upstreams.entry(id).or_insert(name);
            }
            "targets" => {
                let (old, new) = replace(&mut self.targets, change, &id)?;
                let of = |target: &Option<Arc<Target>>| target.as_ref().map(|target| Arc::clone(&target.upstream.id));
                for upstream in [of(&old), of(&new)].into_iter().flatten() {
                    let name = self.upstreams.get(&upstream).map(|upstream| Arc::clone(&upstream.name));
                    dirty.upstreams.entry(upstream).or_insert(name);
                }
                relink(&mut self.targets_of_upstream, &id, of(&old), of(&new));
            }
            "certificates" => {
                replace(&mut self.certificates, change, &id)?;
                self.touch_certificates(dirty);
            }
            "ca_certificates" => {
                replace(&mut self.ca_certificates, change, &id)?;
                self.touch_certificates(dirty);
            }
            "snis" => {
                replace(&mut self.snis, change, &id)?;
                dirty.names = true;
            }
            "vaults" => {
                replace(&mut self.vaults, change, &id)?;
                dirty.vaults = true;
                for plugin in self.plugins.values().filter(|plugin| any_in(&plugin.config)) {
                    dirty.plugins.entry(Arc::clone(&plugin.id)).or_insert(Some(Arc::clone(plugin)));
                }
                self.touch_certificates(dirty);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The collection and the id of every document.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&'static str, &Id)> {
        fn of<'a, T>(
            collection: &'static str,
            documents: &'a Map<Id, Arc<T>>,
        ) -> impl Iterator<Item = (&'static str, &'a Id)> {
            documents.keys().map(move |id| (collection, id))
        }
        of("services", &self.services)
            .chain(of("plugins", &self.plugins))
            .chain(of("upstreams", &self.upstreams))
            .chain(of("targets", &self.targets))
            .chain(of("certificates", &self.certificates))
            .chain(of("ca_certificates", &self.ca_certificates))
            .chain(of("snis", &self.snis))
            .chain(of("vaults", &self.vaults))
    }

    /// Certificates serve listeners, but also services and upstreams as client certificates and authorities.
    fn touch_certificates(&self, dirty: &mut Dirty) {
        if dirty.certificates {
            return;
        }
        dirty.names = true;
        dirty.certificates = true;
        let uses = |service: &Service| service.client_certificate.is_some() || service.ca_certificates.is_some();
        dirty.services.extend(self.services.values().filter(|service| uses(service)).map(|of| Arc::clone(&of.id)));
        for upstream in self.upstreams.values().filter(|upstream| upstream.client_certificate.is_some()) {
            dirty.upstreams.entry(Arc::clone(&upstream.id)).or_insert(Some(Arc::clone(&upstream.name)));
        }
    }
}

type Replaced<T> = (Option<Arc<T>>, Option<Arc<T>>);

/// Puts the change's document into the map, and gives what was there and what is there.
fn replace<T: DeserializeOwned>(
    map: &mut Map<Id, Arc<T>>,
    change: &Change<'_>,
    id: &Id,
) -> Result<Replaced<T>, Problem> {
    match change {
        Change::Put { document, .. } => {
            let new: Arc<T> = Arc::new(serde_json::from_str(document).map_err(|error| change.problem(error))?);
            let old = map.insert(Arc::clone(id), Arc::clone(&new));
            Ok((old, Some(new)))
        }
        Change::Delete { .. } => Ok((map.remove(id), None)),
    }
}

/// Moves `child` from one parent's set to another's.
fn relink(sets: &mut Map<Id, Set<Id>>, child: &Id, old: Option<Id>, new: Option<Id>) {
    if old == new {
        return;
    }
    if let Some(old) = old
        && let Some(set) = sets.get_mut(&old)
    {
        set.remove(child);
        if set.is_empty() {
            sets.remove(&old);
        }
    }
    if let Some(new) = new {
        sets.entry(new).or_default().insert(Arc::clone(child));
    }
}
