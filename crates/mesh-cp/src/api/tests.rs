//! The API in process, over the memory store.

mod errors;
mod examples;
mod garbage;
mod insights;
mod kinds;
mod paging;
mod security;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base::SystemClock;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::insight_api::NoLiveInsights;
use crate::resources::Settings;
use crate::{defaults, secrets};

pub(super) const LOCAL: &str = "127.0.0.1:40000";
pub(super) const REMOTE: &str = "192.0.2.7:40000";

/// Finding a key takes a while, so that all tests share one where it does not matter.
static SIGNING_KEY: LazyLock<String> =
    LazyLock::new(|| pki::jwt::SigningKey::generate().unwrap().pem().expose().to_owned());

/// One API for tests that leave nothing behind or do not care.
pub(super) static SHARED: LazyLock<TestApi> = LazyLock::new(|| block_on(TestApi::start()));

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// An API that has its defaults.
pub(super) struct TestApi {
    pub(super) api: Api,
}

/// An answer, with its body as JSON where it is JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) text: String,
    pub(super) json: Value,
}

impl TestApi {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        Self::with_live(change, Arc::new(NoLiveInsights)).await
    }

    pub(super) async fn with_live(change: impl FnOnce(&mut Value), live: Arc<dyn LiveInsights>) -> Self {
        let config = Arc::new(Config::with(change).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings =
            Settings { create_routing_resources: config.create_routing_resources, unsafe_delete: config.unsafe_delete };
        let resources = Resources::new(store::memory::open(Arc::clone(&clock)), settings);
        let tokens = Tokens::new(resources.clone(), Arc::clone(&clock));
        for name in ["zone-token-signing-key-1", "user-token-signing-key-1"] {
            secrets::write(&resources, "", name, SIGNING_KEY.as_bytes()).await.unwrap();
        }
        defaults::ensure(&resources, &config, &tokens).await.unwrap();
        let identity =
            Identity { hostname: "cp".to_owned(), instance_id: "cp-1".to_owned(), cluster_id: "c".to_owned() };
        let ca = pki::CertificateAuthority::generate("envoy-admin-ca", Duration::from_secs(3600), clock.now()).unwrap();
        let admin = Arc::new(AdminAuthority::new(ca, clock.now()).unwrap());
        Self { api: Api::new(config, resources, tokens, live, admin, clock, identity) }
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(LOCAL, Request::builder().method(method).uri(path).body(body).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    pub(super) async fn send(&self, peer: &str, request: Request<Body>) -> Answer {
        self.send_to(router(self.api.clone()), peer, request).await
    }

    pub(super) async fn send_to(&self, router: Router, peer: &str, mut request: Request<Body>) -> Answer {
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(Peer { address: peer, tls: false, has_certificate: false });
        request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("localhost:5681"));
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
    }
}
