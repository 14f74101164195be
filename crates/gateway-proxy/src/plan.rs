//! Which plugins a request meets: worked out for each route once per change, but for the consumer, who is only
//! known once a plugin has authenticated the request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gateway_model::typed::Protocol;

use crate::pdk::{Phases, Plugin};

/// A configured plugin, compiled.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: &'static str,
    pub(crate) plugin: Arc<dyn Plugin>,
    pub(crate) phases: Phases,
    protocols: u8,
}

impl Instance {
    pub(crate) fn new(name: &'static str, plugin: Arc<dyn Plugin>, protocols: &[Protocol]) -> Self {
        let protocols = protocols.iter().fold(0, |set, protocol| set | 1 << *protocol as u8);
        Self { name, phases: plugin.phases(), plugin, protocols }
    }

    pub(crate) fn serves(&self, protocol: Protocol) -> bool {
        self.protocols & (1 << protocol as u8) != 0
    }
}

type ByConsumer = HashMap<Arc<str>, Arc<Instance>>;

/// The configurations of one plugin that can apply to a route; the first that does, from the top, is used.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// For the consumer on the route and the service, on the route, on the service: merged, the closest wins.
    closest: ByConsumer,
    route_and_service: Option<Arc<Instance>>,
    consumer: Option<Arc<ByConsumer>>,
    /// On the route, else on the service, else global.
    general: Option<Arc<Instance>>,
}

impl Slot {
    /// The configuration for this consumer.
    pub(crate) fn pick(&self, consumer: Option<&str>) -> Option<&Arc<Instance>> {
        if let Some(id) = consumer {
            if let Some(instance) = self.closest.get(id) {
                return Some(instance);
            }
            if self.route_and_service.is_none()
                && let Some(instance) = self.consumer.as_ref().and_then(|by_consumer| by_consumer.get(id))
            {
                return Some(instance);
            }
        }
        self.route_and_service.as_ref().or(self.general.as_ref())
    }

    fn is_empty(&self) -> bool {
        self.closest.is_empty() && self.route_and_service.is_none() && self.consumer.is_none() && self.general.is_none()
    }
}

/// The plugins of a route in the order in which they run.
#[derive(Debug, Default)]
pub(crate) struct Chain(pub(crate) Box<[Slot]>);

/// What a plugin is put on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) route: Option<Arc<str>>,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) consumer: Option<Arc<str>>,
}

/// All configured plugins, by kind and scope.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    kinds: BTreeMap<Order, Kind>,
}

/// Order of execution: from high priorities to low, then from the last name to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order(std::cmp::Reverse<i32>, std::cmp::Reverse<&'static str>);

impl Order {
    pub(crate) fn new(priority: i32, name: &'static str) -> Self {
        Self(std::cmp::Reverse(priority), std::cmp::Reverse(name))
    }
}

/// One kind of plugin. Maps to small maps, so that a route finds its own without looking at others'.
#[derive(Debug, Default)]
struct Kind {
    global: Option<Arc<Instance>>,
    services: HashMap<Arc<str>, Arc<Instance>>,
    routes: HashMap<Arc<str>, Arc<Instance>>,
    routes_and_services: HashMap<(Arc<str>, Arc<str>), Arc<Instance>>,
    consumers: Arc<ByConsumer>,
    services_and_consumers: HashMap<Arc<str>, ByConsumer>,
    routes_and_consumers: HashMap<Arc<str>, ByConsumer>,
    all_three: HashMap<(Arc<str>, Arc<str>), ByConsumer>,
}

impl Plugins {
    /// Puts an instance in place of the one with this order and scope.
    pub(crate) fn put(&mut self, order: Order, scope: &Scope, instance: Arc<Instance>) {
        let kind = self.kinds.entry(order).or_default();
        match (scope.route.clone(), scope.service.clone(), scope.consumer.clone()) {
            (None, None, None) => kind.global = Some(instance),
            (None, Some(service), None) => drop(kind.services.insert(service, instance)),
            (Some(route), None, None) => drop(kind.routes.insert(route, instance)),
            (Some(route), Some(service), None) => drop(kind.routes_and_services.insert((route, service), instance)),
            (None, None, Some(consumer)) => drop(Arc::make_mut(&mut kind.consumers).insert(consumer, instance)),
            (None, Some(service), Some(consumer)) => {
                kind.services_and_consumers.entry(service).or_default().insert(consumer, instance);
            }
            (Some(route), None, Some(consumer)) => {
                kind.routes_and_consumers.entry(route).or_default().insert(consumer, instance);
            }
            (Some(route), Some(service), Some(consumer)) => {
                kind.all_three.entry((route, service)).or_default().insert(consumer, instance);
            }
        }
    }

    /// Takes the instance with this order and scope away.
    pub(crate) fn remove(&mut self, order: Order, scope: &Scope) {
        let Some(kind) = self.kinds.get_mut(&order) else { return };
        match (&scope.route, &scope.service, &scope.consumer) {
            (None, None, None) => kind.global = None,
            (None, Some(service), None) => drop(kind.services.remove(service)),
            (Some(route), None, None) => drop(kind.routes.remove(route)),
            (Some(route), Some(service), None) => {
                kind.routes_and_services.remove(&(route.clone(), service.clone()));
            }
            (None, None, Some(consumer)) => drop(Arc::make_mut(&mut kind.consumers).remove(consumer)),
            (None, Some(service), Some(consumer)) => remove_nested(&mut kind.services_and_consumers, service, consumer),
            (Some(route), None, Some(consumer)) => remove_nested(&mut kind.routes_and_consumers, route, consumer),
            (Some(route), Some(service), Some(consumer)) => {
                remove_nested(&mut kind.all_three, &(route.clone(), service.clone()), consumer);
            }
        }
    }

    /// The chain of a route and a service. Without route: that of the routes of the service on which no plugin is.
    pub(crate) fn chain(&self, route: Option<&Arc<str>>, service: Option<&Arc<str>>) -> Chain {
        let slots = self.kinds.values().map(|kind| kind.slot(route, service)).filter(|slot| !slot.is_empty());
        Chain(slots.collect())
    }

    /// The plugins on nothing, which also see requests that no route matched.
    pub(crate) fn global(&self) -> Vec<Arc<Instance>> {
        self.kinds.values().filter_map(|kind| kind.global.clone()).collect()
    }
}

impl Kind {
    fn slot(&self, route: Option<&Arc<str>>, service: Option<&Arc<str>>) -> Slot {
        let both = route.cloned().zip(service.cloned());
        let mut closest = ByConsumer::new();
        // From the farthest to the closest: later ones replace earlier ones.
        let by_service = service.and_then(|service| self.services_and_consumers.get(service));
        let by_route = route.and_then(|route| self.routes_and_consumers.get(route));
        let by_both = both.as_ref().and_then(|both| self.all_three.get(both));
        for instances in [by_service, by_route, by_both].into_iter().flatten() {
            closest.extend(instances.iter().map(|(consumer, instance)| (consumer.clone(), Arc::clone(instance))));
        }
        Slot {
            closest,
            route_and_service: both.and_then(|both| self.routes_and_services.get(&both)).cloned(),
            consumer: (!self.consumers.is_empty()).then(|| Arc::clone(&self.consumers)),
            general: route
                .and_then(|route| self.routes.get(route))
                .or_else(|| service.and_then(|service| self.services.get(service)))
                .or(self.global.as_ref())
                .cloned(),
        }
    }
}

fn remove_nested<K: Eq + std::hash::Hash>(map: &mut HashMap<K, ByConsumer>, key: &K, consumer: &Arc<str>) {
    if let Some(instances) = map.get_mut(key) {
        instances.remove(consumer);
        if instances.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
