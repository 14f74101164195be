//! Who may connect: identities in client certificates against a TrafficPermission.

use mesh_model::Tags;
use mesh_model::tags::SERVICE;
use proto::envoy::config::listener::v3::Filter;
use proto::envoy::config::rbac::v3::permission::Rule;
use proto::envoy::config::rbac::v3::principal::{Authenticated, Identifier, Set};
use proto::envoy::config::rbac::v3::{Permission as Permitted, Policy, Principal, Rbac as Rules};
use proto::envoy::extensions::filters::http::rbac::v3::Rbac as HttpRbac;
use proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use proto::envoy::extensions::filters::network::rbac::v3::Rbac;
use proto::envoy::r#type::matcher::v3::StringMatcher;

use crate::{names, wire};

/// Who may pass an inbound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Whom the permission names; the connections of others are closed.
    Permitted(Permission),
    /// Nobody, as only other inbounds of the proxy have permissions: connections are closed.
    Closed,
    /// Nobody, as no inbound of the proxy has a permission: requests are answered with 403, and connections
    /// without requests closed.
    Refused,
}

/// The permission that applies to an inbound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Permission {
    pub(crate) name: String,
    pub(crate) sources: Vec<Tags>,
}

/// The filter that lets only permitted clients connect.
pub(super) fn filter(listener: &str, mesh: &str, access: &Access) -> Filter {
    let permission = match access {
        Access::Permitted(permission) if !permission.sources.is_empty() => Some(permission),
        Access::Permitted(_) | Access::Closed | Access::Refused => None,
    };
    let rules = Rules {
        policies: permission.iter().map(|permission| (permission.name.clone(), policy(mesh, permission))).collect(),
        ..Rules::default()
    };
    let config = Rbac { rules: Some(rules), stat_prefix: format!("{}.", names::metric(listener)), ..Rbac::default() };
    wire::network_filter("envoy.filters.network.rbac", "envoy.extensions.filters.network.rbac.v3.RBAC", &config)
}

/// The filter that answers every request with 403.
pub(super) fn refusal() -> HttpFilter {
    let config = HttpRbac { rules: Some(Rules::default()), ..HttpRbac::default() };
    wire::http_filter("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", &config)
}

fn policy(mesh: &str, permission: &Permission) -> Policy {
    Policy {
        permissions: vec![Permitted { rule: Some(Rule::Any(true)) }],
        principals: permission.sources.iter().map(|source| principal(mesh, source)).collect(),
        ..Policy::default()
    }
}

/// All tags of a source have to be in the certificate; `*` is any value, and of the service anybody.
fn principal(mesh: &str, source: &Tags) -> Principal {
    let mut names: Vec<_> = source.iter().filter_map(|(key, value)| tag(mesh, key, value)).map(authenticated).collect();
    let identifier = match names.len() {
        0 => Identifier::Any(true),
        1 => names.remove(0),
        _ => Identifier::AndIds(Set {
            ids: names.into_iter().map(|name| Principal { identifier: Some(name) }).collect(),
        }),
    };
    Principal { identifier: Some(identifier) }
}

fn tag(mesh: &str, key: &str, value: &str) -> Option<StringMatcher> {
    match (key, value) {
        (SERVICE, "*") => None,
        (SERVICE, service) => Some(wire::exact(names::spiffe(mesh, service))),
        (key, "*") => Some(wire::prefix(format!("kuma://{key}/"))),
        (key, value) => Some(wire::exact(format!("kuma://{key}/{value}"))),
    }
}

fn authenticated(name: StringMatcher) -> Identifier {
    Identifier::Authenticated(Authenticated { principal_name: Some(name) })
}
