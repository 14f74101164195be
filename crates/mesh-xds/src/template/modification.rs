//! Changes to generated resources, in users' words.

use std::sync::Arc;

use prost::Message;
use prost_reflect::DynamicMessage;
use prost_types::Any;
use proto::envoy::config::listener::v3::{Filter, Listener, filter};
use proto::envoy::config::route::v3::VirtualHost;
use proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_filter,
};
use proto::{Resource, TypeUrl, Version};
use serde_json::Value;

use super::merge::merge;
use super::{canonical, message};
use crate::sidecar::{Origin, Placed};
use crate::wire;

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "envoy.config.listener.v3.Listener";
const FILTER: &str = "envoy.config.listener.v3.Filter";
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const HTTP_FILTER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter";

/// Applies one modification to what was generated so far. Resources that it does not match stay as they are.
pub(crate) fn apply(modification: &Value, resources: &mut Vec<Placed>) -> Result<(), String> {
    let (target, change) = modification.as_object().and_then(|fields| fields.iter().next()).ok_or("must be set")?;
    let change = Change { fields: change };
    match target.as_str() {
        "cluster" => change.whole(TypeUrl::Cluster, CLUSTER, resources),
        "listener" => change.whole(TypeUrl::Listener, LISTENER, resources),
        "networkFilter" => {
            let edit = change.edit::<Filter>(FILTER)?;
            change.listeners(resources, |listener| {
                listener.filter_chains.iter_mut().try_for_each(|chain| edit.apply(&mut chain.filters))
            })
        }
        "httpFilter" => {
            let edit = change.edit::<HttpFilter>(HTTP_FILTER)?;
            change.managers(resources, |manager| edit.apply(&mut manager.http_filters))
        }
        "virtualHost" => {
            let edit = change.edit::<VirtualHost>(VIRTUAL_HOST)?;
            let configuration = change.matched("routeConfigurationName");
            change.managers(resources, |manager| match &mut manager.route_specifier {
                Some(RouteSpecifier::RouteConfig(routes)) if configuration.is_none_or(|name| name == routes.name) => {
                    edit.apply(&mut routes.virtual_hosts)
                }
                _ => Ok(()),
            })
        }
        other => Err(format!("{other}: is not one of cluster, listener, networkFilter, httpFilter, virtualHost")),
    }
}

/// `operation`, `match` and `value`.
#[derive(Debug)]
struct Change<'a> {
    fields: &'a Value,
}

impl<'a> Change<'a> {
    fn operation(&self) -> &'a str {
        self.fields.get("operation").and_then(Value::as_str).unwrap_or_default()
    }

    /// A condition, if there is one.
    fn matched(&self, field: &str) -> Option<&'a str> {
        self.fields.get("match")?.get(field)?.as_str().filter(|value| !value.is_empty())
    }

    fn value(&self, type_name: &str) -> Result<DynamicMessage, String> {
        let text = self.fields.get("value").and_then(Value::as_str).unwrap_or_default();
        message(type_name, text).map_err(|error| format!("value: {error}"))
    }

    fn concerns(&self, kind: TypeUrl, name: Option<&str>, placed: &Placed) -> bool {
        placed.resource.kind == kind
            && name.is_none_or(|name| name == &*placed.resource.name)
            && self.matched("origin").is_none_or(|origin| origin == placed.origin.as_str())
    }

    /// Adds, removes or patches whole resources.
    fn whole(&self, kind: TypeUrl, type_name: &str, resources: &mut Vec<Placed>) -> Result<(), String> {
        let name = self.matched("name");
        match self.operation() {
            "add" => {
                let resource = Arc::new(resource(kind, &self.value(type_name)?)?);
                resources.retain(|placed| placed.resource.kind != kind || placed.resource.name != resource.name);
                resources.push(Placed { origin: Origin::Modification, resource });
                Ok(())
            }
            "remove" => {
                resources.retain(|placed| !self.concerns(kind, name, placed));
                Ok(())
            }
            "patch" => {
                let patch = self.value(type_name)?;
                for placed in resources.iter_mut().filter(|placed| self.concerns(kind, name, placed)) {
                    placed.resource = Arc::new(resource(kind, &merged(&placed.resource.value, &patch)?)?);
                }
                Ok(())
            }
            other => Err(unknown(other)),
        }
    }

    fn listeners(
        &self,
        resources: &mut [Placed],
        mut edit: impl FnMut(&mut Listener) -> Result<(), String>,
    ) -> Result<(), String> {
        let name = self.matched("listenerName");
        for placed in resources.iter_mut().filter(|placed| self.concerns(TypeUrl::Listener, name, placed)) {
            let mut listener = Listener::decode(&*placed.resource.value).map_err(|error| error.to_string())?;
            edit(&mut listener)?;
            let resource = Resource::encode(TypeUrl::Listener, Arc::clone(&placed.resource.name), &listener);
            if resource != *placed.resource {
                placed.resource = Arc::new(resource);
            }
        }
        Ok(())
    }

    fn managers(
        &self,
        resources: &mut [Placed],
        mut edit: impl FnMut(&mut HttpConnectionManager) -> Result<(), String>,
    ) -> Result<(), String> {
        self.listeners(resources, |listener| {
            for filter in listener.filter_chains.iter_mut().flat_map(|chain| &mut chain.filters) {
                let Some(filter::ConfigType::TypedConfig(config)) = &mut filter.config_type else { continue };
                if config.type_url.rsplit('/').next() != Some(MANAGER) {
                    continue;
                }
                let mut manager =
                    HttpConnectionManager::decode(config.value.as_slice()).map_err(|error| error.to_string())?;
                edit(&mut manager)?;
                *config = wire::any(MANAGER, &manager);
            }
            Ok(())
        })
    }

    /// The change to a list of named messages.
    fn edit<T: Item>(&self, type_name: &str) -> Result<Edit<'a, T>, String> {
        let operation = self.operation();
        let known = ["add", "addFirst", "addLast", "addBefore", "addAfter", "patch", "remove"];
        if !known.contains(&operation) {
            return Err(unknown(operation));
        }
        let value = if operation == "remove" { None } else { Some(self.value(type_name)?) };
        let item = value.as_ref().map(decoded).transpose()?;
        Ok(Edit { operation, name: self.matched("name"), value, item })
    }
}

fn unknown(operation: &str) -> String {
    format!("operation: {operation:?} is not known here")
}

fn resource(kind: TypeUrl, message: &DynamicMessage) -> Result<Resource, String> {
    let name = message.get_field_by_name("name").and_then(|name| name.as_str().map(str::to_owned));
    let name = name.filter(|name| !name.is_empty()).ok_or("value: name: must be set")?;
    let value = bytes::Bytes::from(canonical::encode(message));
    Ok(Resource { kind, name: name.into(), version: Version::of(&value), value })
}

/// The message of these bytes with `patch` on top of it.
fn merged(bytes: &[u8], patch: &DynamicMessage) -> Result<DynamicMessage, String> {
    use prost_reflect::ReflectMessage as _;
    let mut message = DynamicMessage::decode(patch.descriptor(), bytes).map_err(|error| error.to_string())?;
    merge(&mut message, patch);
    Ok(message)
}

fn decoded<T: Message + Default>(message: &DynamicMessage) -> Result<T, String> {
    T::decode(canonical::encode(message).as_slice()).map_err(|error| error.to_string())
}

/// A change to a list of named messages.
#[derive(Debug)]
struct Edit<'a, T> {
    operation: &'a str,
    /// Which ones, or next to which one.
    name: Option<&'a str>,
    value: Option<DynamicMessage>,
    item: Option<T>,
}

impl<T: Item> Edit<'_, T> {
    fn apply(&self, list: &mut Vec<T>) -> Result<(), String> {
        let matches = |item: &T| self.name.is_none_or(|name| name == item.name());
        let Some((value, item)) = self.value.as_ref().zip(self.item.as_ref()) else {
            list.retain(|item| !matches(item));
            return Ok(());
        };
        let next_to = || list.iter().position(matches);
        match self.operation {
            "addFirst" => list.insert(0, item.clone()),
            "addBefore" => {
                if let Some(index) = next_to() {
                    list.insert(index, item.clone());
                }
            }
            "addAfter" => {
                if let Some(index) = next_to() {
                    list.insert(index + 1, item.clone());
                }
            }
            "patch" => {
                for old in list.iter_mut().filter(|item| matches(item)) {
                    old.patch(item, value)?;
                }
            }
            _ => list.push(item.clone()),
        }
        Ok(())
    }
}

/// A named message in a list.
trait Item: Message + Default + Clone {
    fn name(&self) -> &str;

    fn patch(&mut self, patch: &Self, value: &DynamicMessage) -> Result<(), String>;
}

impl Item for Filter {
    fn name(&self) -> &str {
        &self.name
    }

    fn patch(&mut self, patch: &Self, value: &DynamicMessage) -> Result<(), String> {
        use filter::ConfigType::TypedConfig;
        if let (Some(TypedConfig(old)), Some(TypedConfig(new))) = (&mut self.config_type, &patch.config_type) {
            patch_config(old, new, value)?;
        }
        Ok(())
    }
}

impl Item for HttpFilter {
    fn name(&self) -> &str {
        &self.name
    }

    fn patch(&mut self, patch: &Self, value: &DynamicMessage) -> Result<(), String> {
        use http_filter::ConfigType::TypedConfig;
        if let (Some(TypedConfig(old)), Some(TypedConfig(new))) = (&mut self.config_type, &patch.config_type) {
            patch_config(old, new, value)?;
        }
        Ok(())
    }
}

impl Item for VirtualHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn patch(&mut self, _: &Self, value: &DynamicMessage) -> Result<(), String> {
        *self = decoded(&merged(&self.encode_to_vec(), value)?)?;
        Ok(())
    }
}

/// Filters are patched inside of their configurations, which have to be of one type.
fn patch_config(old: &mut Any, new: &Any, value: &DynamicMessage) -> Result<(), String> {
    use prost_reflect::ReflectMessage as _;
    if old.type_url != new.type_url {
        return Err(format!("value: typedConfig: the filter's is {}, not {}", old.type_url, new.type_url));
    }
    let patch = canonical::content(value.descriptor().parent_pool(), new).ok_or("value: typedConfig: is unknown")?;
    old.value = canonical::encode(&merged(&old.value, &patch)?);
    Ok(())
}
