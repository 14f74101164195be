//! Services to stand behind sidecars and gateways.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// An HTTP/1.1 and HTTP/2 server that answers `{"instance", "method", "path", "headers"}`; it ends with the value.
/// `?status=503` has it answer that status. A gRPC call gets its own message back, and its status in trailers.
#[derive(Debug)]
pub struct HttpEcho {
    address: SocketAddr,
    task: AbortHandle,
}

impl HttpEcho {
    /// Starts one that calls itself `instance`, on `port` of the loopback interface.
    pub async fn start(instance: &str, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        #[expect(clippy::disallowed_methods, reason = "a test's own server; it ends with the value")]
        let task = tokio::spawn(serve(listener, instance.to_owned())).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpEcho {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, instance: String) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let instance = instance.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(|request| answer(instance.clone(), request));
            // A client that goes away is no concern of an echo.
            drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    instance: String,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let headers = request.headers();
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return grpc(request).await;
    }
    let headers: serde_json::Map<_, _> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into()))
        .collect();
    let status = request.uri().query().and_then(|query| query.strip_prefix("status=")?.parse::<u16>().ok());
    let body = json!({
        "instance": instance,
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "headers": headers,
    });
    let mut response = Response::new(Full::from(body.to_string()).boxed());
    if let Some(status) = status.and_then(|status| hyper::StatusCode::from_u16(status).ok()) {
        *response.status_mut() = status;
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn grpc(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let message = request.into_body().collect().await?.to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("grpc-message", HeaderValue::from_static("as it came"));
    let body = Full::from(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}
