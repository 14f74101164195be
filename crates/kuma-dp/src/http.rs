//! One HTTP/1.1 exchange over TCP, TLS or a Unix socket. The launcher makes a handful of requests in its life,
//! so there is no pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Longer answers are no bootstrap.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, config: Arc<rustls::ClientConfig> },
    Unix(PathBuf),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as text for a message: bounded, and on one line.
    pub(crate) fn text(&self) -> String {
        const LONGEST: usize = 2000;
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(LONGEST)]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the server's certificate is not trusted")]
    Untrusted(#[source] rustls::Error),
    #[error("TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    #[error("no valid HTTP answer")]
    Protocol(#[source] hyper::Error),
    #[error("the answer is broken off or longer than {LARGEST_ANSWER} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0:?} is not a host name")]
    Host(String),
}

/// Sends a request with an optional JSON body and reads the whole answer.
pub(crate) async fn send(
    server: &Server,
    method: Method,
    uri: Uri,
    json: Option<String>,
    within: Duration,
) -> Result<Answer, HttpError> {
    let exchange = exchange(server, method, uri, json);
    tokio::time::timeout(within, exchange).await.unwrap_or(Err(HttpError::Timeout(within)))
}

async fn exchange(server: &Server, method: Method, uri: Uri, json: Option<String>) -> Result<Answer, HttpError> {
    let authority = match server {
        Server::Tcp { host, port } | Server::Tls { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
        Server::Tcp { host, port } | Server::Tls { host, port, .. } => format!("{host}:{port}"),
        Server::Unix(_) => "localhost".to_owned(),
    };
    let mut request = Request::new(Full::new(Bytes::from(json.unwrap_or_default())));
    let host = HeaderValue::try_from(&authority).map_err(|_| HttpError::Host(authority))?;
    request.headers_mut().insert(HOST, host);
    if method == Method::POST {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    match server {
        Server::Unix(path) => talk(UnixStream::connect(path).await.map_err(HttpError::Connect)?, request).await,
        Server::Tcp { host, port } => talk(connect(host, *port).await?, request).await,
        Server::Tls { host, port, config } => {
            let name = ServerName::try_from(host.clone()).map_err(|_| HttpError::Host(host.clone()))?;
            let stream = connect(host, *port).await?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            talk(connector.connect(name, stream).await.map_err(handshake_error)?, request).await
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, HttpError> {
    TcpStream::connect((host, port)).await.map_err(HttpError::Connect)
}

fn handshake_error(error: std::io::Error) -> HttpError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(
            inner @ (rustls::Error::InvalidCertificate(_)
            | rustls::Error::NoCertificatesPresented
            | rustls::Error::UnsupportedNameType),
        ) => HttpError::Untrusted(inner.clone()),
        _ => HttpError::Handshake(error),
    }
}

async fn talk<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Protocol)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(HttpError::Protocol)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(HttpError::Body)?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection may end before its last answer has been taken.
        _ = &mut connection => answer.await,
    }
}
