use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base::{Clock, SystemClock};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use pki::CertificateInfo;
use pki::jwt::DataplaneClaims;
use pki::tls::{self, KeyType, Role};
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use testkit::link::Link;
use tower::ServiceExt as _;

use super::registration::{Denied, Deregistered, Registrar};
use super::{DpServer, Settings};
use crate::index::{Index, ProxyId};
use crate::insights::Insights;
use crate::resources::{self, Document, Resources};
use crate::several;
use crate::tokens::Tokens;

struct World {
    tokens: Tokens,
    router: Router,
}

/// A control plane with the mesh `default` and the Dataplane `known` in it; its certificate is for
/// `cp.example.com`.
async fn world() -> World {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resources = Resources::new(store::memory::open(Arc::clone(&clock)), resources::Settings::default());
    let kind = |name| mesh_model::Kind::by_name(name).unwrap();
    let labels = Default::default();
    resources.put(kind("Mesh"), "", "default", &labels, &json!({})).await.unwrap();
    let networking = dataplane()["networking"].clone();
    let body = json!({ "networking": networking });
    resources.put(kind("Dataplane"), "default", "known", &labels, &body).await.unwrap();
    let tasks = Tasks::new();
    let insights = Arc::new(Insights::new("cp-1".to_owned(), resources.clone(), Arc::clone(&clock), 10));
    let index = Index::start(resources.clone(), Arc::clone(&clock), Arc::clone(&insights), None, tasks.shutdown());
    let index = index.unwrap();
    let tokens = Tokens::new(resources.clone(), Arc::clone(&clock));
    let names = ["cp.example.com".to_owned()];
    let identity = tls::self_signed(Role::Server, KeyType::Ecdsa, &names, clock.now()).unwrap();
    let settings = Settings {
        authenticate: true,
        deregistration_delay: Duration::ZERO,
        xds_host: None,
        xds_port: 5678,
        xds_connect_timeout: Duration::from_secs(1),
        certificate: CertificateInfo::from_pem(&identity.cert_pem).ok(),
        ca_pem: identity.cert_pem,
        admin_address: "127.0.0.1".to_owned(),
        admin_port: 9901,
        admin_unix_socket: true,
        admin_access_log: String::new(),
    };
    let router = DpServer::new(settings, resources, index, insights, tokens.clone(), clock, tasks).bootstrap_router();
    World { tokens, router }
}

fn dataplane() -> Value {
    let inbound = json!([{ "port": 1234, "tags": { "kuma.io/service": "web" } }]);
    json!({ "type": "Dataplane", "networking": { "address": "127.0.0.1", "inbound": inbound } })
}

impl World {
    /// A token for proxies of the mesh whose service is `service`.
    async fn token(&self, service: &str) -> String {
        let tags = [("kuma.io/service".to_owned(), vec![service.to_owned()])].into();
        let claims = DataplaneClaims { mesh: "default".to_owned(), tags, ..DataplaneClaims::default() };
        self.tokens.issue_dataplane(claims, Duration::from_secs(3600)).await.unwrap()
    }

    async fn bootstrap(&self, host: &str, request: &Value) -> (StatusCode, String) {
        let body = Body::from(request.to_string());
        let request = Request::post("/bootstrap").header("host", host).body(body).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

const HOST: &str = "cp.example.com:5678";

#[tokio::test]
async fn a_dataplane_that_is_not_there_yet_is_waited_for_whatever_its_token_demands() {
    let world = world().await;
    let token = world.token("web").await;
    let ask = |name: &str, token: &str| json!({ "mesh": "default", "name": name, "dataplaneToken": token });

    // Launchers ask again after an empty 404 only.
    assert_eq!(world.bootstrap(HOST, &ask("later", &token)).await, (StatusCode::NOT_FOUND, String::new()));
    assert_eq!(world.bootstrap(HOST, &ask("known", &token)).await.0, StatusCode::OK);

    let (status, reason) = world.bootstrap(HOST, &ask("known", &world.token("backend").await)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(reason.contains("kuma.io/service"), "{reason}");
    for token in ["", "no token"] {
        let (status, reason) = world.bootstrap(HOST, &ask("later", token)).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && reason.contains("token"), "{status} {reason}");
    }
}

#[tokio::test]
async fn a_host_that_the_certificate_is_not_for_is_refused_before_envoy_does() {
    let world = world().await;
    let token = world.token("web").await;
    let resource = dataplane().to_string();
    let request = json!({ "mesh": "default", "name": "web", "dataplaneToken": token, "dataplaneResource": resource });
    assert_eq!(world.bootstrap(HOST, &request).await.0, StatusCode::OK);
    for host in ["10.0.0.1:5678", "other.example.com"] {
        let (status, reason) = world.bootstrap(host, &request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{host}");
        let name = host.split(':').next().unwrap();
        assert!(reason.contains(name) && reason.contains("cp.example.com"), "{reason}");
    }
}

/// What the proxy `web` declares of itself, and who it is.
fn declared(registrar: &Registrar) -> (ProxyId, Document) {
    let proxy = ProxyId { mesh: "default".into(), name: "web".into() };
    let (document, _) = registrar.read(&proxy, &dataplane().to_string()).unwrap();
    (proxy, document)
}

fn registrar(resources: &Resources, instance: &str) -> Registrar {
    let tokens = Tokens::new(resources.clone(), Arc::new(SystemClock));
    Registrar::new(resources.clone(), tokens, false, instance.to_owned())
}

#[tokio::test]
async fn a_proxy_that_moved_is_deregistered_by_its_new_control_plane_only() {
    let resources = Resources::new(store::memory::open(Arc::new(SystemClock)), resources::Settings::default());
    several::put(&resources, "Mesh", "default", &json!({})).await;
    let (first, second) = (registrar(&resources, "cp-1"), registrar(&resources, "cp-2"));
    let (proxy, document) = declared(&first);
    assert!(first.register(&document).await.unwrap());
    assert!(second.register(&document).await.unwrap());
    assert_eq!(first.deregister(&proxy, "cp-1").await, Deregistered::No);
    // Nor while it is connected.
    second.connected(&proxy, 1);
    assert_eq!(second.deregister(&proxy, "cp-2").await, Deregistered::No);
    assert!(second.disconnected(&proxy, 1));
    assert_eq!(second.deregister(&proxy, "cp-2").await, Deregistered::Yes);
    assert!(second.stored(&proxy).await.unwrap().is_none());
}

#[tokio::test]
async fn a_proxy_that_comes_back_to_its_control_plane_costs_no_write() {
    let resources = Resources::new(store::memory::open(Arc::new(SystemClock)), resources::Settings::default());
    several::put(&resources, "Mesh", "default", &json!({})).await;
    let registrar = registrar(&resources, "cp-1");
    let (_, document) = declared(&registrar);
    let revision = async || resources.store().watch().await.unwrap().next().await.unwrap().revision();
    assert!(registrar.register(&document).await.unwrap());
    let before = revision().await;
    assert!(registrar.register(&document).await.unwrap());
    assert_eq!(revision().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_known_proxies_are_let_in_and_new_ones_are_not() {
    let database = several::database().await;
    let link = Link::to(database.address().port).unwrap();
    let first = several::resources(database.address()).await;
    let second = several::resources(&database.address().through(&link)).await;
    several::put(&first, "Mesh", "default", &json!({})).await;
    let (first, second) = (registrar(&first, "cp-1"), registrar(&second, "cp-2"));
    let (proxy, document) = declared(&first);
    assert!(first.register(&document).await.unwrap());
    let patience = Duration::from_secs(15);
    let known = async || second.stored(&proxy).await.unwrap().ok_or("it is not");
    testkit::wait_for("the other knows it", patience, known).await.unwrap();
    link.refuse();
    // It is not yet said whose it is; that is made up for.
    assert!(!second.register(&document).await.unwrap());
    let mut other = document.clone();
    other.name = "other".to_owned();
    assert!(matches!(second.register(&other).await, Err(Denied::Resource(_))));
    assert_eq!(second.deregister(&proxy, "cp-1").await, Deregistered::Unavailable);
    link.restore();
    let registered = async || match second.register(&document).await {
        Ok(true) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    testkit::wait_for("it is the other's", patience, registered).await.unwrap();
    let moved = async || match first.deregister(&proxy, "cp-1").await {
        Deregistered::No => Ok(()),
        other => Err(format!("{other:?}")),
    };
    testkit::wait_for("the first leaves it alone", patience, moved).await.unwrap();
}
