//! The endpoint that tells whether the proxy takes traffic.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::http::{Server, send};
use crate::settings::Readiness;

/// Probes come one at a time; more connections are somebody's mistake.
const MAX_CONNECTIONS: usize = 32;
const PATIENCE: Duration = Duration::from_secs(5);
const ENVOY_PATIENCE: Duration = Duration::from_secs(1);

/// Where in its life the proxy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Starting,
    Running,
    Stopping,
}

/// Tells the endpoint the phase.
#[derive(Debug)]
pub(crate) struct PhaseSender(watch::Sender<Phase>);

impl PhaseSender {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::default()))
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}

/// Listens on loopback as the settings demand; `None` when there shall be no endpoint.
pub(crate) async fn bind(readiness: Readiness) -> Result<Option<TcpListener>, Failure> {
    let (port, required) = match readiness {
        Readiness::Off => return Ok(None),
        Readiness::Required(port) => (port, true),
        Readiness::IfFree(port) => (port, false),
    };
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if required => {
            tracing::debug!(%error, port, "Cannot listen");
            Err(Failure::PortInUse {
                what: "the readiness endpoint",
                port: port.to_string(),
                flag: "--readiness-port (KUMA_READINESS_PORT)",
            })
        }
        Err(error) => {
            tracing::info!(%error, port, "No readiness endpoint: the port is not free");
            Ok(None)
        }
    }
}

/// Serves `GET /ready`: 200 while Envoy says that it is live, 503 before, in between and after.
pub(crate) async fn serve(listener: TcpListener, phase: watch::Receiver<Phase>, admin: Option<Server>) {
    let admin = Arc::new(admin);
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "Cannot accept");
                    crate::pause::pause(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let (phase, admin) = (phase.clone(), Arc::clone(&admin));
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (phase, admin) = (*phase.borrow(), Arc::clone(&admin));
                async move { Ok::<_, Infallible>(answer(&request, phase, admin.as_ref().as_ref()).await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "Probe broken off");
            }
        });
    }
}

async fn answer(request: &Request<Incoming>, phase: Phase, admin: Option<&Server>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/ready" {
        return text(StatusCode::NOT_FOUND, "only /ready is served here\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here\n");
    }
    match (phase, admin) {
        (Phase::Starting, _) => text(StatusCode::SERVICE_UNAVAILABLE, "STARTING\n"),
        (Phase::Stopping, _) => text(StatusCode::SERVICE_UNAVAILABLE, "TERMINATING\n"),
        // Nobody can be asked; the process is all there is to see.
        (Phase::Running, None) => text(StatusCode::OK, "READY\n"),
        (Phase::Running, Some(admin)) => {
            match send(admin, Method::GET, Uri::from_static("/ready"), None, ENVOY_PATIENCE).await {
                Ok(answer) if answer.status == StatusCode::OK => text(StatusCode::OK, "READY\n"),
                _ => text(StatusCode::SERVICE_UNAVAILABLE, "STARTING\n"),
            }
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
