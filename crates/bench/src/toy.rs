//! A control plane without a control plane: the discovery server with ready-made views, to tell what the
//! protocol and its transport cost by themselves.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::put;
use base::{Clock as _, SystemClock};
use pki::tls::{Alpn, ClientAuth, KeyType, Role};
use proto::envoy::config::cluster::v3::Cluster;
use proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use proto::envoy::config::core::v3::address::Address as AddressKind;
use proto::envoy::config::core::v3::socket_address::PortSpecifier;
use proto::envoy::config::core::v3::{Address, SocketAddress};
use proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use proto::envoy::config::endpoint::v3::{ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints};
use proto::{Resource, TypeUrl};
use runtime::{Listener, Options, Tasks};
use tokio::sync::watch;
use xds::{Directory, Hello, Session, Status, StreamEvent, TypeSet, View};

use crate::mesh::Shape;

struct Toy {
    shape: Shape,
    views: watch::Sender<Arc<View>>,
}

struct ToySession(watch::Receiver<Arc<View>>);

impl Directory for Toy {
    type Session = ToySession;

    async fn open(&self, _: Hello) -> Result<ToySession, Status> {
        Ok(ToySession(self.views.subscribe()))
    }
}

impl Session for ToySession {
    fn views(&self) -> watch::Receiver<Arc<View>> {
        self.0.clone()
    }

    fn event(&self, _: StreamEvent<'_>) {}
}

/// Serves until it is told to stop: discovery on one port, and on the other `PUT /<service>/<address>`,
/// which changes the endpoints of a service.
pub(crate) async fn serve(shape: Shape, discovery: u16, control: u16) -> Result<()> {
    let toy = Arc::new(Toy { shape, views: watch::Sender::new(Arc::new(first_view(shape))) });
    let identity = pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &["localhost".to_owned()], SystemClock.now())?;
    let tls = pki::tls::server_config(&identity, ClientAuth::None, Alpn::Http)?;
    let tasks = Tasks::new();
    let bind = |port: u16| Listener::bind((Ipv4Addr::LOCALHOST, port).into(), "port");
    let streams = xds::router(toy.clone());
    let changes = Router::new().route("/{service}/{address}", put(change)).with_state(toy);
    let options = Options::default();
    tasks.spawn("discovery", runtime::serve::serve_https(bind(discovery)?, tls, streams, options, tasks.clone()));
    tasks.spawn("control", runtime::serve::serve_http(bind(control)?, changes, options, tasks.clone()));
    Ok(tasks.run(Duration::from_secs(1)).await?)
}

async fn change(State(toy): State<Arc<Toy>>, Path((service, address)): Path<(usize, String)>) {
    let assignment = Arc::new(assignment(toy.shape, service, &address));
    toy.views.send_modify(|view| {
        let changed = view.get(TypeUrl::Endpoint).with(&assignment);
        Arc::make_mut(view).set(TypeUrl::Endpoint, Arc::new(changed));
    });
}

fn first_view(shape: Shape) -> View {
    let set = |make: &dyn Fn(usize) -> Resource| {
        Arc::new(TypeSet::new((0..shape.services).map(|service| Arc::new(make(service))).collect()))
    };
    let mut view = View::default();
    view.set(TypeUrl::Cluster, set(&cluster));
    view.set(TypeUrl::Endpoint, set(&|service| assignment(shape, service, "127.0.0.1")));
    view
}

fn cluster(service: usize) -> Resource {
    let name = format!("svc-{service}");
    let by_eds = Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32));
    let cluster = Cluster { name: name.clone(), cluster_discovery_type: by_eds, ..Cluster::default() };
    Resource::encode(TypeUrl::Cluster, name, &cluster)
}

fn assignment(shape: Shape, service: usize, address: &str) -> Resource {
    let endpoints = (0..shape.instances).map(|instance| {
        let socket = SocketAddress {
            address: if instance == 0 { address.to_owned() } else { format!("127.0.0.{instance}") },
            port_specifier: Some(PortSpecifier::PortValue(8080)),
            ..SocketAddress::default()
        };
        let address = Some(Address { address: Some(AddressKind::SocketAddress(socket)) });
        let endpoint = Endpoint { address, ..Endpoint::default() };
        LbEndpoint { host_identifier: Some(HostIdentifier::Endpoint(endpoint)), ..LbEndpoint::default() }
    });
    let locality = LocalityLbEndpoints { lb_endpoints: endpoints.collect(), ..LocalityLbEndpoints::default() };
    let cluster_name = format!("svc-{service}");
    let assignment = ClusterLoadAssignment { cluster_name, endpoints: vec![locality], ..Default::default() };
    Resource::encode(TypeUrl::Endpoint, format!("svc-{service}"), &assignment)
}
