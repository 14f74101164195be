//! Plugins: compiled when their configuration changes, and put into the chains of the routes they concern.

use std::borrow::Cow;
use std::sync::Arc;

use gateway_model::typed::Plugin as Document;
use tracing::error;

use super::documents::Dirty;
use super::{Compiler, Id};
use crate::pdk::{Access, Answer, Context, Definition, Environment, Phases, Plugin, RequestBody};
use crate::plan::{Instance, Order, Scope};
use crate::references::any_in;

/// Where a compiled plugin was put.
#[derive(Debug)]
pub(super) struct Compiled {
    order: Order,
    scope: Scope,
}

impl Compiler {
    /// Compiles what changed, exchanges the chains it concerns, and marks routes that need another chain.
    pub(super) fn compile_plugins(&mut self, dirty: &mut Dirty) {
        if dirty.plugins.is_empty() {
            return;
        }
        let mut scopes = Vec::new();
        // All go before any comes: two plugins may have changed places.
        for id in dirty.plugins.keys() {
            if let Some(compiled) = self.compiled.remove(id) {
                self.plugins.remove(compiled.order, &compiled.scope);
                scopes.push(compiled.scope);
            }
        }
        for id in dirty.plugins.keys() {
            let Some(document) = self.documents.plugins.get(id).filter(|document| document.enabled) else { continue };
            let Some(definition) = self.definitions.get(&*document.name) else {
                error!(plugin = &*document.name, id = &**id, "No such plugin is enabled on this node");
                continue;
            };
            let scope = Scope {
                route: document.route.as_ref().map(|of| Arc::clone(&of.id)),
                service: document.service.as_ref().map(|of| Arc::clone(&of.id)),
                consumer: document.consumer.as_ref().map(|of| Arc::clone(&of.id)),
            };
            let instance = self.instance(document, definition.as_ref());
            let order = Order::new(definition.priority(), definition.name());
            self.plugins.put(order, &scope, Arc::new(instance));
            self.compiled.insert(Arc::clone(id), Compiled { order, scope: scope.clone() });
            scopes.push(scope);
        }
        self.chains.renew(&self.plugins, |key| scopes.iter().any(|scope| concerns(scope, key)));
        let before = dirty.plugins.values().flatten().filter_map(|old| old.route.as_ref()).map(|route| &route.id);
        let touched = before.chain(scopes.iter().filter_map(|scope| scope.route.as_ref()));
        dirty.routes.extend(touched.cloned());
    }

    fn instance(&self, document: &Document, definition: &dyn Definition) -> Instance {
        let id_of = |of: &Option<gateway_model::typed::Ref>| of.as_ref().map(|of| Arc::clone(&of.id));
        let environment = Environment {
            node: Arc::clone(&self.node),
            plugin: Arc::clone(&document.id),
            instance_name: document.instance_name.clone(),
            service: id_of(&document.service),
            route: id_of(&document.route),
            consumer: id_of(&document.consumer),
        };
        let mut config = Cow::Borrowed(&document.config);
        let compiled = if any_in(&document.config) {
            self.references.resolve(config.to_mut()).and_then(|()| definition.compile(&config, &environment))
        } else {
            definition.compile(&config, &environment)
        };
        let plugin = compiled.unwrap_or_else(|reason| {
            error!(
                plugin = definition.name(),
                id = &*document.id,
                reason,
                "Plugin refuses requests: it has no use for its configuration"
            );
            Arc::new(Refusing)
        });
        Instance::new(definition.name(), plugin, &document.protocols)
    }
}

/// Whether a plugin of this scope can be in this chain.
fn concerns(scope: &Scope, (route, service): &(Option<Id>, Option<Id>)) -> bool {
    let fits = |of: &Option<Id>, here: &Option<Id>| of.is_none() || of == here;
    fits(&scope.route, route) && fits(&scope.service, service)
}

/// Stands where a plugin could not be compiled: an API must not lose its guard over a mistake.
#[derive(Debug)]
struct Refusing;

impl Plugin for Refusing {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, _: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        Access::respond(Answer::error(500, "An unexpected error occurred"))
    }
}
