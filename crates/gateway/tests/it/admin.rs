//! The Admin API in process, over a store in memory; what the store has a part in also over a PostgreSQL database.

mod certificates;
mod clients;
mod crud;
mod envelope;
mod nested;
mod paging;
mod read_only;
mod relations;
mod special;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base::clock::ManualClock;
use gateway::admin::{NoHealth, Parts, StaticNode, router};
use gateway::conf::Conf;
use gateway::dao::Dao;
use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::Store;
use testkit::postgres::Database;
use tower::ServiceExt;

/// An Admin API of its own for each test.
pub(super) struct Api {
    router: Router,
    pub(super) clock: Arc<ManualClock>,
    pub(super) dao: Dao,
    /// Where the documents are, unless they are in memory.
    database: Option<Database>,
}

/// What came back.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Api {
    pub(super) fn new() -> Self {
        Self::with(|dao| dao)
    }

    pub(super) fn with(adapt: impl FnOnce(Dao) -> Dao) -> Self {
        let clock = clock();
        Self::over(store::memory::open(clock.clone()), clock, None, adapt)
    }

    /// One for each kind of store.
    pub(super) async fn on_each_store() -> impl Iterator<Item = Self> {
        let clock = clock();
        let database = crate::nodes::database().await;
        let settings = Conf::load(None, [], database.address().kong()).unwrap().conf.postgres.unwrap();
        let store = store::postgres::open(settings, clock.clone()).await.unwrap();
        [Self::new(), Self::over(store, clock, Some(database), |dao| dao)].into_iter()
    }

    fn over(store: Store, clock: Arc<ManualClock>, database: Option<Database>, adapt: impl FnOnce(Dao) -> Dao) -> Self {
        let registry = Registry::new(RouterFlavor::default(), gateway_plugins::schemas());
        let dao = adapt(Dao::new(store, Arc::new(registry), clock.clone()));
        Self { router: serve(dao.clone()), clock, dao, database }
    }

    /// The same documents, of which none can be written.
    pub(super) fn read_only(&self) -> Self {
        let dao = self.dao.clone().read_only();
        Self { router: serve(dao.clone()), clock: self.clock.clone(), dao, database: None }
    }

    pub(super) async fn send(&self, method: &str, path: &str, kind: Option<&str>, body: impl Into<Body>) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        self.request(request.body(body.into()).unwrap()).await
    }

    pub(super) async fn request(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { status: head.status.as_u16(), headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        self.send(method, path, Some("application/json"), body.to_string()).await
    }

    pub(super) async fn form(&self, method: &str, path: &str, body: &str) -> Got {
        self.send(method, path, Some("application/x-www-form-urlencoded"), body.to_owned()).await
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.send("GET", path, None, "").await
    }

    pub(super) async fn delete(&self, path: &str) -> Got {
        self.send("DELETE", path, None, "").await
    }

    /// Creates, which must succeed.
    pub(super) async fn create(&self, path: &str, body: Value) -> Value {
        let got = self.call("POST", path, body).await;
        assert_eq!(got.status, 201, "{}", got.text);
        got.json()
    }

    /// Reads, which must succeed.
    pub(super) async fn read(&self, path: &str) -> Value {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }

    /// What is refused and why: status, code, message.
    pub(super) async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, Value, String) {
        let got = self.call(method, path, body).await;
        let error = got.json();
        (got.status, error["code"].clone(), error["message"].as_str().unwrap_or_default().to_owned())
    }

    /// The values of a field of all documents of a list.
    pub(super) async fn column(&self, path: &str, field: &str) -> Vec<Value> {
        let list = self.read(path).await;
        list["data"].as_array().unwrap().iter().map(|row| row[field].clone()).collect()
    }
}

/// A test that fails says over which store it did.
impl Drop for Api {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("over {:?}", self.database.as_ref().map(Database::address));
        }
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-02-03T04:05:06Z".parse().unwrap()))
}

fn serve(dao: Dao) -> Router {
    router(Parts {
        dao,
        node: Arc::new(StaticNode::default()),
        health: Arc::new(NoHealth),
        config: None,
        plugins: None,
        origins: Vec::new(),
    })
}

pub(super) const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

pub(super) fn not_found() -> Value {
    json!({ "message": "Not found" })
}

/// An id that tests can tell from others.
pub(super) fn id(number: u32) -> String {
    format!("{number:08x}-1111-4111-8111-111111111111")
}

/// A certificate of an authority.
pub(super) fn authority() -> String {
    let now = base::Clock::now(&base::SystemClock);
    let authority = pki::CertificateAuthority::generate("test", std::time::Duration::from_secs(86_400), now).unwrap();
    authority.cert_pem().to_owned()
}

/// A certificate and its key.
pub(super) fn certificate() -> (String, String) {
    let now = base::Clock::now(&base::SystemClock);
    let hosts = ["a.com".to_owned()];
    let identity = pki::tls::self_signed(pki::tls::Role::Server, pki::tls::KeyType::Ecdsa, &hosts, now).unwrap();
    (identity.cert_pem, identity.key_pem.expose().to_owned())
}
