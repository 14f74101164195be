//! The transport: gRPC over HTTP/2 as an axum router.
//!
//! A stream is one response body. What it has to say is pulled through it when the connection can take it,
//! so there is no task and no queue a stream, and a slow client costs nothing but its place in the protocol.

mod message;
mod pump;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use proto::envoy::config::core::v3::Node;
use proto::{TypeUrl, Version};
use runtime::PeerAddr;
use tokio::sync::watch;

use crate::frame::Frames;
use crate::response::Variant;
use crate::status::Status;
use crate::view::View;
use pump::Pump;

/// Who says what a proxy gets.
pub trait Directory: Send + Sync + 'static {
    /// One stream of one proxy.
    type Session: Session;

    /// Admits a proxy, called with the first request of a stream. An error ends the stream.
    fn open(&self, hello: Hello) -> impl Future<Output = Result<Self::Session, Status>> + Send;
}

/// How a proxy introduces itself.
#[derive(Debug)]
pub struct Hello {
    /// The node of the first request; its id is not empty.
    pub node: Node,
    /// The `authorization` header as it was sent.
    pub authorization: Option<String>,
    /// Where the connection comes from, as the listener tells ([`PeerAddr`]).
    pub peer: Option<SocketAddr>,
    /// Which of the two protocols.
    pub variant: Variant,
}

/// A stream as its owner sees it. It is dropped when the stream ends, for whatever reason.
pub trait Session: Send + 'static {
    /// What the proxy should have. The stream ends when the sender is dropped.
    fn views(&self) -> watch::Receiver<Arc<View>>;

    /// Something happened on the stream. Called between two requests of it: it must not block.
    fn event(&self, event: StreamEvent<'_>);
}

/// What happens on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// A response is on its way.
    Sent {
        /// Its type.
        kind: TypeUrl,
        /// Its nonce, which is also its version.
        version: Version,
    },
    /// The proxy applied it.
    Acked {
        /// Its type.
        kind: TypeUrl,
        /// Its nonce.
        version: Version,
    },
    /// The proxy rejected at least a part of it, and goes on with what it had.
    Nacked {
        /// Its type.
        kind: TypeUrl,
        /// Its nonce.
        version: Version,
        /// The proxy's words. Foreign text: it may be long.
        message: &'a str,
    },
}

/// The aggregated discovery service, for the streams of all proxies that `directory` admits.
pub fn router<D: Directory>(directory: Arc<D>) -> Router {
    let service = Arc::new(Service { directory, frames: Arc::default() });
    Router::new()
        .route(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            post(|State(service): State<Arc<Service<D>>>, request| async move {
                service.stream(Variant::Delta, request)
            }),
        )
        .route(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
            post(|State(service): State<Arc<Service<D>>>, request| async move {
                service.stream(Variant::Sotw, request)
            }),
        )
        .with_state(service)
}

struct Service<D> {
    directory: Arc<D>,
    frames: Arc<Frames>,
}

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

impl<D: Directory> Service<D> {
    /// Answers at once; what there is to say comes in the body.
    fn stream(&self, variant: Variant, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let is_grpc = head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == GRPC || kind.as_bytes().starts_with(b"application/grpc+proto"));
        let mut response = Response::new(Body::empty());
        if !is_grpc {
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let caller = pump::Caller {
            authorization: head.headers.get(AUTHORIZATION).and_then(text),
            peer: head.extensions.get::<PeerAddr>().map(|peer| peer.0),
            variant,
        };
        let pump = Pump::new(self.directory.clone(), self.frames.clone(), caller, body);
        *response.body_mut() = pump.into_body();
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
        response
    }
}

#[cfg(test)]
mod tests;
