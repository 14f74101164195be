//! Where the endpoints of a cluster are.

use std::collections::BTreeMap;

use mesh_model::context::Endpoint;
use mesh_model::tags::{SERVICE, ZONE, service};
use mesh_model::{MeshContext, Tags};
use proto::envoy::config::core::v3::{Locality, Metadata};
use proto::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint as Host, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use proto::{Resource, TypeUrl};

use crate::{EndpointsKey, wire};

/// The endpoints of a cluster, in localities by zone. Endpoints whose address is a host name are left out,
/// because Envoy refuses the whole assignment for one of them: names are to be resolved before.
pub fn endpoints(mesh: &MeshContext, key: &EndpointsKey) -> Resource {
    let members = mesh.services.get(service(&key.tags)).map_or(&[][..], |service| &service.endpoints);
    let mut zones: BTreeMap<Option<&str>, Vec<LbEndpoint>> = BTreeMap::new();
    for endpoint in members.iter().filter(|endpoint| selected(&key.tags, endpoint) && wire::is_ip(&endpoint.address)) {
        let zone = endpoint.tags.get(ZONE).map(String::as_str);
        zones.entry(zone).or_default().push(lb_endpoint(endpoint));
    }
    let assignment = ClusterLoadAssignment {
        cluster_name: key.cluster.to_string(),
        endpoints: zones.into_iter().map(|(zone, members)| locality(zone, members)).collect(),
        ..ClusterLoadAssignment::default()
    };
    Resource::encode(TypeUrl::Endpoint, std::sync::Arc::clone(&key.cluster), &assignment)
}

fn selected(tags: &Tags, endpoint: &Endpoint) -> bool {
    tags.iter().all(|(key, value)| endpoint.tags.get(key).is_some_and(|own| own == value || value == "*"))
}

fn locality(zone: Option<&str>, members: Vec<LbEndpoint>) -> LocalityLbEndpoints {
    LocalityLbEndpoints {
        locality: zone.map(|zone| Locality { zone: zone.to_owned(), ..Locality::default() }),
        lb_endpoints: members,
        ..LocalityLbEndpoints::default()
    }
}

fn lb_endpoint(endpoint: &Endpoint) -> LbEndpoint {
    let host = Host { address: Some(wire::address(&endpoint.address, endpoint.port)), ..Host::default() };
    LbEndpoint {
        metadata: metadata(&endpoint.tags),
        load_balancing_weight: Some(1),
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(host)),
        ..LbEndpoint::default()
    }
}

/// The tags, for subsets and for the choice of a transport socket; the service is known anyway.
pub(crate) fn metadata(tags: &Tags) -> Option<Metadata> {
    let tags = wire::text_struct(tags.iter().filter(|(key, _)| *key != SERVICE));
    if tags.fields.is_empty() {
        return None;
    }
    let filter_metadata = [("envoy.lb".to_owned(), tags.clone()), ("envoy.transport_socket_match".to_owned(), tags)];
    Some(Metadata { filter_metadata: filter_metadata.into(), ..Metadata::default() })
}
