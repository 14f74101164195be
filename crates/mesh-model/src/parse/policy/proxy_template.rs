//! `ProxyTemplate`.

use serde_json::Value;

use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::{self, Rules};
use crate::policy::{ProxyTemplate, RawResource, Selected};

/// What can be imported: the resources that a proxy of each sort has without a template.
const PROFILES: [&str; 3] = ["default-proxy", "egress-proxy", "ingress-proxy"];

pub(in crate::parse) fn read(template: &Object<'_, '_>) -> Selected<ProxyTemplate> {
    Selected {
        selectors: tags::optional_selectors(&template.field("selectors"), Rules::SERVICE_AND_MORE),
        conf: template.field("conf").section(conf),
    }
}

fn conf(conf: &Object<'_, '_>) -> ProxyTemplate {
    ProxyTemplate {
        imports: conf.field("imports").list(import),
        resources: conf.field("resources").list(|resource| resource.object(raw_resource)),
        modifications: conf.field("modifications").list(|item| {
            item.object(modification);
            item.raw().cloned()
        }),
    }
}

fn import(field: &Cursor<'_, '_>) -> Option<String> {
    let profile = field.required();
    if !profile.is_empty() && !PROFILES.contains(&profile.as_str()) {
        field.problem(format!("profile not found. Available profiles: {}", PROFILES.join(",")));
    }
    Some(profile)
}

fn raw_resource(resource: &Object<'_, '_>) -> RawResource {
    RawResource {
        name: resource.field("name").required(),
        version: resource.field("version").required(),
        resource: resource.field("resource").required(),
    }
}

/// What a modification of one sort of resource may say.
struct Target {
    field: &'static str,
    operations: &'static [&'static str],
    /// Fields of `match` that hold text.
    matches: &'static [&'static str],
    /// The field of `match` that holds tags.
    tags: Option<&'static str>,
}

const RESOURCE_OPERATIONS: &[&str] = &["add", "patch", "remove"];
const FILTER_OPERATIONS: &[&str] = &["addFirst", "addLast", "addBefore", "addAfter", "patch", "remove"];

const TARGETS: [Target; 5] = [
    Target { field: "cluster", operations: RESOURCE_OPERATIONS, matches: &["origin", "name"], tags: None },
    Target { field: "listener", operations: RESOURCE_OPERATIONS, matches: &["origin", "name"], tags: Some("tags") },
    Target {
        field: "networkFilter",
        operations: FILTER_OPERATIONS,
        matches: &["origin", "name", "listenerName"],
        tags: Some("listenerTags"),
    },
    Target {
        field: "httpFilter",
        operations: FILTER_OPERATIONS,
        matches: &["origin", "name", "listenerName"],
        tags: Some("listenerTags"),
    },
    Target {
        field: "virtualHost",
        operations: RESOURCE_OPERATIONS,
        matches: &["origin", "name", "routeConfigurationName"],
        tags: None,
    },
];

fn modification(modification: &Object<'_, '_>) {
    let count = TARGETS
        .iter()
        .filter(|target| modification.field(target.field).object(|one| check(one, target)).is_some())
        .count();
    if count > 1 {
        let message = "must have only one type defined: cluster, listener, networkFilter, httpFilter, virtualHost";
        modification.here().problem(message);
    }
}

fn check(one: &Object<'_, '_>, target: &Target) {
    let field = one.field("operation");
    let operation = field.text();
    if !target.operations.contains(&operation.as_str()) {
        let known: Vec<_> = target.operations.iter().map(|operation| format!("{operation:?}")).collect();
        field.problem(format!("invalid operation. Available operations: {}", known.join(", ")));
    }
    let matched_name = check_match(&one.field("match"), target);
    let problem = match operation.as_str() {
        "addBefore" => "cannot be empty. You need to pick a filter before which this one will be added",
        "addAfter" => "cannot be empty. You need to pick a filter after which this one will be added",
        "patch" if target.operations.len() == FILTER_OPERATIONS.len() => "cannot be empty",
        _ => "",
    };
    if matched_name.is_none() && !problem.is_empty() {
        one.field("match").problem_at("name", problem);
    }
    if operation == "add" {
        match target.field {
            "virtualHost" if matched_name.is_some() => one.field("match").problem_at("name", "cannot be defined"),
            "cluster" | "listener" if one.has("match") => one.field("match").problem("cannot be defined"),
            _ => {}
        }
    }
    let value = one.field("value");
    if value.raw().is_none_or(|value| *value == Value::String(String::new())) && operation != "remove" {
        value.problem("native Envoy resource is not valid: it is empty");
    }
    value.string();
}

/// The name that is matched, if one is.
fn check_match(field: &Cursor<'_, '_>, target: &Target) -> Option<String> {
    field
        .object(|matches| {
            for name in target.matches {
                matches.field(name).string();
            }
            if let Some(name) = target.tags {
                tags::raw_tags(&matches.field(name));
            }
            matches.field("name").filled()
        })
        .flatten()
}
