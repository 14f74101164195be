//! The endpoints: which paths there are, what they can be asked for and what answers.

use std::collections::HashMap;

use gateway_model::entity::EntitySchema;
use gateway_model::registry::Registry;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Listed, but there is nothing.
    Absent,
    /// Documents that are only there with WebAssembly.
    Wasm,
    /// Lists that are only there with WebAssembly.
    Filters,
    Root,
    Endpoints,
    Status,
    StatusDns,
    Timers,
    Cache,
    CacheKey,
    Config,
    Clustering,
    LogLevel,
    SetLogLevel,
    Metrics,
    Tags,
    Tag,
    PluginsEnabled,
    PluginConfigSchema,
    Schema,
    SchemaOfPlugin,
    SchemaOfVault,
    SchemaOfFilter,
    Validate,
    ValidatePlugin,
    ValidateVault,
    Collection(&'static str),
    Entity(&'static str),
    Foreign {
        child: &'static str,
        field: &'static str,
        parent: &'static str,
    },
    Children {
        parent: &'static str,
        child: &'static str,
        field: &'static str,
    },
    Child {
        parent: &'static str,
        child: &'static str,
        field: &'static str,
    },
    Targets,
    AllTargets,
    Target,
    UpstreamHealth,
    SetHealth {
        healthy: bool,
    },
    /// What a plugin brings.
    Plugin,
}

/// A path that is served.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// With placeholders: `/services/{services}`.
    pub(super) pattern: String,
    /// Without `HEAD` and `OPTIONS`.
    pub(super) methods: Vec<&'static str>,
    pub(super) action: Action,
}

const COLLECTION: &[&str] = &["GET", "POST"];
const SINGLE: &[&str] = &["DELETE", "GET", "PATCH", "PUT"];
const READ: &[&str] = &["GET"];

/// Those that do not depend on the kinds of documents.
const FIXED: &[(&str, &[&str], Action)] = &[
    ("/", READ, Action::Root),
    ("/cache", &["DELETE"], Action::Cache),
    ("/cache/{key}", &["DELETE", "GET"], Action::CacheKey),
    ("/clustering/data-planes", READ, Action::Clustering),
    ("/clustering/status", READ, Action::Clustering),
    ("/config", COLLECTION, Action::Config),
    ("/debug/cluster/log-level/{log_level}", &["PUT"], Action::SetLogLevel),
    ("/debug/node/log-level", READ, Action::LogLevel),
    ("/debug/node/log-level/{log_level}", &["PUT"], Action::SetLogLevel),
    ("/endpoints", READ, Action::Endpoints),
    ("/plugins/enabled", READ, Action::PluginsEnabled),
    ("/plugins/schema/{name}", READ, Action::PluginConfigSchema),
    ("/routes/{routes}/filters/all", READ, Action::Filters),
    ("/routes/{routes}/filters/disabled", READ, Action::Filters),
    ("/routes/{routes}/filters/enabled", READ, Action::Filters),
    ("/schemas/filters/{name}", READ, Action::SchemaOfFilter),
    ("/schemas/plugins/validate", &["POST"], Action::ValidatePlugin),
    ("/schemas/plugins/{name}", READ, Action::SchemaOfPlugin),
    ("/schemas/vaults/validate", &["POST"], Action::ValidateVault),
    ("/schemas/vaults/{name}", READ, Action::SchemaOfVault),
    ("/schemas/{db_entity_name}/validate", &["POST"], Action::Validate),
    ("/schemas/{name}", READ, Action::Schema),
    ("/status", READ, Action::Status),
    ("/status/dns", READ, Action::StatusDns),
    ("/tags", COLLECTION, Action::Tags),
    ("/tags/{tags}", SINGLE, Action::Tag),
    ("/timers", READ, Action::Timers),
    ("/upstreams/{upstreams}/health", READ, Action::UpstreamHealth),
    ("/upstreams/{upstreams}/targets/all", READ, Action::AllTargets),
    ("/upstreams/{upstreams}/targets/{targets}/healthy", &["PUT"], Action::SetHealth { healthy: true }),
    ("/upstreams/{upstreams}/targets/{targets}/unhealthy", &["PUT"], Action::SetHealth { healthy: false }),
    ("/upstreams/{upstreams}/targets/{targets}/{address}/healthy", &["PUT"], Action::SetHealth { healthy: true }),
    ("/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", &["PUT"], Action::SetHealth { healthy: false }),
];

/// Those of one plugin each.
const OF_PLUGINS: &[(&str, &str, &[&str], Action)] = &[
    ("acme", "/acme", &["PATCH", "POST"], Action::Plugin),
    ("acme", "/acme/certificates", READ, Action::Plugin),
    ("acme", "/acme/certificates/{certificates}", READ, Action::Plugin),
    ("prometheus", "/metrics", READ, Action::Metrics),
    ("proxy-cache", "/proxy-cache", &["DELETE"], Action::Plugin),
    ("proxy-cache", "/proxy-cache/{cache_key}", &["DELETE", "GET"], Action::Plugin),
    ("proxy-cache", "/proxy-cache/{plugin_id}/caches/{cache_key}", &["DELETE", "GET"], Action::Plugin),
];

/// All endpoints, found by path.
#[derive(Debug)]
pub(super) struct Table {
    endpoints: Vec<Endpoint>,
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    words: HashMap<String, Self>,
    placeholder: Option<Box<Self>>,
    endpoint: Option<usize>,
}

impl Table {
    /// The endpoints of the documents that `registry` knows, and all others.
    pub(super) fn new(registry: &Registry) -> Self {
        let mut table = Self { endpoints: Vec::new(), root: Node::default() };
        for (pattern, methods, action) in FIXED {
            table.add((*pattern).to_owned(), methods, *action);
        }
        for (plugin, pattern, methods, action) in OF_PLUGINS {
            if registry.plugin(plugin).is_some() {
                table.add((*pattern).to_owned(), methods, *action);
            }
        }
        for entity in registry.entities().filter(|entity| entity.has_admin_api()) {
            table.add_entity(entity, registry);
        }
        table.endpoints.sort_by(|a, b| a.pattern.split('/').cmp(b.pattern.split('/')));
        for (at, endpoint) in table.endpoints.iter().enumerate() {
            table.root.insert(&endpoint.pattern, at);
        }
        table
    }

    /// The endpoint of a path's segments, and the segments that stand for its placeholders.
    pub(super) fn find(&self, segments: &[String]) -> Option<(&Endpoint, Vec<String>)> {
        let mut values = Vec::new();
        let at = self.root.find(segments, &mut values)?;
        Some((&self.endpoints[at], values))
    }

    /// Every endpoint, sorted.
    pub(super) fn patterns(&self) -> Vec<&str> {
        self.endpoints.iter().map(|endpoint| endpoint.pattern.as_str()).collect()
    }

    fn add(&mut self, pattern: String, methods: &[&'static str], action: Action) {
        // What is said first counts: special answers before those that all kinds have.
        if self.endpoints.iter().all(|other| other.pattern != pattern) {
            self.endpoints.push(Endpoint { pattern, methods: methods.to_vec(), action });
        }
    }

    fn add_entity(&mut self, entity: &EntitySchema, registry: &Registry) {
        let name = entity.name();
        let top = format!("/{}", entity.collection());
        let single = format!("{top}/{{{name}}}");
        self.add(top.clone(), COLLECTION, special(name).unwrap_or(Action::Collection(name)));
        self.add(single.clone(), SINGLE, special(name).unwrap_or(Action::Entity(name)));
        for foreign in entity.foreign_fields() {
            let Some(parent) = registry.entity(foreign.reference).filter(|parent| parent.has_admin_api()) else {
                continue;
            };
            let field = foreign.name;
            let owner = Action::Foreign { child: name, field, parent: parent.name() };
            let hidden = name == "snis" || name == "targets";
            let owner = if hidden { Action::Absent } else { special(name).unwrap_or(owner) };
            self.add(format!("{single}/{field}"), SINGLE, owner);

            let below = format!("/{}/{{{}}}/{}", parent.collection(), parent.name(), entity.nested_collection());
            let (all, one) = match name {
                "targets" => (Action::Targets, Action::Target),
                _ => (
                    Action::Children { parent: parent.name(), child: name, field },
                    Action::Child { parent: parent.name(), child: name, field },
                ),
            };
            let wasm = (name == "filter_chains").then_some(Action::Wasm);
            self.add(below.clone(), COLLECTION, wasm.unwrap_or(all));
            self.add(format!("{below}/{{{name}}}"), SINGLE, wasm.unwrap_or(one));
        }
    }
}

/// What answers in place of the documents of a kind.
fn special(entity: &str) -> Option<Action> {
    match entity {
        "targets" => Some(Action::Absent),
        "filter_chains" => Some(Action::Wasm),
        _ => None,
    }
}

impl Node {
    fn insert(&mut self, pattern: &str, endpoint: usize) {
        let mut node = self;
        for word in pattern.split('/').filter(|word| !word.is_empty()) {
            node = if word.starts_with('{') {
                node.placeholder.get_or_insert_default()
            } else {
                node.words.entry(word.to_owned()).or_default()
            };
        }
        node.endpoint = Some(endpoint);
    }

    /// Words before placeholders; another way is tried where one leads nowhere.
    fn find(&self, segments: &[String], values: &mut Vec<String>) -> Option<usize> {
        let Some((first, rest)) = segments.split_first() else { return self.endpoint };
        if let Some(found) = self.words.get(first).and_then(|node| node.find(rest, values)) {
            return Some(found);
        }
        let node = self.placeholder.as_ref()?;
        values.push(first.clone());
        let found = node.find(rest, values);
        if found.is_none() {
            values.pop();
        }
        found
    }
}
