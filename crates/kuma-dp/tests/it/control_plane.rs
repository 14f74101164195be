//! A control plane that answers as told and remembers what it was asked.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use pki::tls::{Alpn, ClientAuth, Identity, KeyType, Role};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What to answer to a method and path with a body: status, body.
pub(crate) type Answerer = Box<dyn Fn(&str, &Value) -> (u16, String) + Send + Sync>;

pub(crate) struct ControlPlane {
    pub(crate) url: String,
    pub(crate) ca: String,
    /// Path and body of every request.
    pub(crate) requests: Arc<Mutex<Vec<(String, Value)>>>,
    _tasks: JoinSet<()>,
}

impl ControlPlane {
    /// Over TLS, as the server for proxies.
    pub(crate) async fn secure(answer: Answerer) -> Self {
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let identity = pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &hosts, now).unwrap();
        Self::start(answer, Some(identity)).await
    }

    /// Without TLS, as the HTTP API.
    pub(crate) async fn plain(answer: Answerer) -> Self {
        Self::start(answer, None).await
    }

    async fn start(answer: Answerer, identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if identity.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let ca = identity.as_ref().map(|identity| identity.cert_pem.clone()).unwrap_or_default();
        let tls = identity.map(|identity| {
            tokio_rustls::TlsAcceptor::from(pki::tls::server_config(&identity, ClientAuth::None, Alpn::Http1).unwrap())
        });
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&requests));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log, tls) = (Arc::clone(&answer), Arc::clone(&log), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, answer, log).await,
                        // A client that does not trust us breaks off.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, answer, log).await,
                            Err(error) => eprintln!("handshake: {error}"),
                        },
                    }
                });
            }
        });
        Self { url, ca, requests, _tasks: tasks }
    }

    /// The bodies that were sent to `path`.
    pub(crate) fn asked(&self, path: &str) -> Vec<Value> {
        let requests = self.requests.lock();
        requests.iter().filter(|(at, _)| at == path).map(|(_, body)| body.clone()).collect()
    }
}

async fn serve<S>(stream: S, answer: Arc<Answerer>, log: Arc<Mutex<Vec<(String, Value)>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (status, text) = answer(&path, &body);
            log.lock().push((path, body));
            Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap())
        }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        eprintln!("mock control plane: {error}");
    }
}

/// A bootstrap for a proxy that needs no control plane: one listener that answers by itself.
pub(crate) fn bootstrap(request: &Value, listener_port: u16) -> String {
    let mut bootstrap = json!({
        "node": { "id": "default.web-1", "cluster": "web" },
        "staticResources": { "listeners": [{
            "name": "inbound",
            "address": { "socketAddress": { "address": "127.0.0.1", "portValue": listener_port } },
            "filterChains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "statPrefix": "inbound",
                    "accessLog": [{
                        "name": "envoy.access_loggers.file",
                        "typedConfig": {
                            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                            "path": request["accessLogSocketPath"],
                            "logFormat": { "textFormatSource": { "inlineString":
                                format!("{};%REQ(:PATH)% %RESPONSE_CODE%\n", request["name"].as_str().unwrap()) } },
                        },
                    }],
                    "routeConfig": { "virtualHosts": [{ "name": "all", "domains": ["*"], "routes": [{
                        "match": { "prefix": "/" },
                        "directResponse": { "status": 200, "body": { "inlineString": "hello" } },
                    }] }] },
                    "httpFilters": [{
                        "name": "envoy.filters.http.router",
                        "typedConfig": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                    }],
                },
            }] }],
        }] },
    });
    if request["adminPort"] != 0 {
        bootstrap["admin"] =
            json!({ "address": { "socketAddress": { "address": "127.0.0.1", "portValue": request["adminPort"] } } });
    }
    bootstrap.to_string()
}

/// The current form of an answer.
pub(crate) fn wrapped(yaml: &str) -> String {
    json!({ "bootstrap": STANDARD.encode(yaml), "kumaSidecarConfiguration": {} }).to_string()
}
