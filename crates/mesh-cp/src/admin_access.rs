//! The control planes' way to the admin interfaces of proxies.
//!
//! All control planes that share a store have one authority for it. It issues a certificate for each proxy's address,
//! with which the proxy shows a part of its interface there, and one for this control plane, which proxies ask for. So
//! any control plane reaches any proxy, and nobody else does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use mesh_xds::{AdminAccess, CONTROL_PLANE};
use pki::PkiError;
use pki::ca::{CertificateAuthority, LeafRequest};
use pki::tls::{self, Alpn, Identity, Trust};
use proto::Resource;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long certificates are good: proxies get new ones whenever they connect.
const LIFETIME: Duration = tls::SELF_SIGNED_LIFETIME;

/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer; dumps of proxies with many destinations are large.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Why an admin interface did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens, or nothing gets through.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] std::io::Error),
    /// It cannot be connected to.
    #[error("{0:?} is not an IP address")]
    Address(String),
    /// It is another server, or does not trust this one.
    #[error("TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    /// It does not speak HTTP.
    #[error("no valid HTTP answer")]
    Protocol(#[source] hyper::Error),
    /// The answer is too long, or not whole.
    #[error("the answer is broken off or longer than {LARGEST_ANSWER} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It refuses.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// It does not answer.
    #[error("no answer within {PATIENCE:?}")]
    Timeout,
}

/// Certificates for both sides.
pub struct AdminAuthority {
    ca: CertificateAuthority,
    secret: Arc<Resource>,
    client: TlsConnector,
}

impl std::fmt::Debug for AdminAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminAuthority").field("ca", &self.ca).finish_non_exhaustive()
    }
}

/// The certificate of one proxy's admin interface.
#[derive(Clone, Debug)]
pub struct AdminIdentity {
    address: String,
    secret: Arc<Resource>,
}

impl AdminIdentity {
    /// Whether it is for a proxy at that address.
    pub(crate) fn is_for(&self, address: &str) -> bool {
        self.address == address
    }

    /// As the proxy gets it.
    pub(crate) fn secret(&self) -> &Arc<Resource> {
        &self.secret
    }
}

impl AdminAuthority {
    /// Access by certificates of `ca`.
    pub(crate) fn new(ca: CertificateAuthority, now: Timestamp) -> Result<Self, PkiError> {
        let request = LeafRequest {
            uris: vec![CONTROL_PLANE.to_owned()],
            common_name: "control-plane".to_owned(),
            lifetime: LIFETIME,
            client: true,
            ..LeafRequest::default()
        };
        let leaf = ca.issue(&request, now)?;
        let identity = Identity { cert_pem: leaf.cert_pem, key_pem: leaf.key_pem };
        let client = tls::client_config(Trust::Pem(ca.cert_pem()), Some(&identity), Alpn::Http1)?;
        let secret = Arc::new(mesh_xds::admin_ca_secret(ca.cert_pem()));
        Ok(Self { ca, secret, client: TlsConnector::from(Arc::new(client)) })
    }

    /// The authority's certificate, as proxies get it.
    pub(crate) fn secret(&self) -> &Arc<Resource> {
        &self.secret
    }

    /// A certificate for the proxy at `address`.
    pub(crate) fn identity(&self, address: &str, now: Timestamp) -> Result<AdminIdentity, PkiError> {
        let request = LeafRequest {
            ip_addresses: address.parse::<IpAddr>().into_iter().collect(),
            common_name: "envoy-admin".to_owned(),
            lifetime: LIFETIME,
            server: true,
            ..LeafRequest::default()
        };
        let leaf = self.ca.issue(&request, now)?;
        let secret = mesh_xds::admin_identity_secret(&leaf.cert_pem, leaf.key_pem.expose());
        Ok(AdminIdentity { address: address.to_owned(), secret: Arc::new(secret) })
    }

    /// What the admin interface at `address` and `port` answers to a GET.
    pub(crate) async fn get(
        &self,
        address: &str,
        port: u16,
        access: AdminAccess,
        uri: Uri,
    ) -> Result<Bytes, AdminError> {
        let ip: IpAddr = address.parse().map_err(|_| AdminError::Address(address.to_owned()))?;
        let exchange = async {
            let connecting = TcpStream::connect((ip, port)).await;
            let stream = connecting.map_err(|error| AdminError::Connect(format!("{address}:{port}"), error))?;
            if access != AdminAccess::MutualTls {
                return talk(stream, uri).await;
            }
            let stream = self.client.connect(ServerName::IpAddress(ip.into()), stream).await;
            talk(stream.map_err(AdminError::Handshake)?, uri).await
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(AdminError::Timeout))
    }
}

async fn talk<S>(stream: S, uri: Uri) -> Result<Bytes, AdminError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("envoy-admin"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(AdminError::Protocol)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(AdminError::Protocol)?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(AdminError::Status(status));
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(AdminError::Body)?;
        Ok(body.to_bytes())
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection may end before its last answer has been taken.
        _ = &mut connection => answer.await,
    }
}
