//! Canonical `ExternalService`.

use crate::mesh::DataSource;
use crate::tags::Tags;

/// A service outside the mesh, reached by its tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalService {
    /// Host or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS towards it.
    pub tls: Option<ExternalTls>,
    /// Tags, the service among them.
    pub tags: Tags,
}

/// TLS towards an external service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalTls {
    /// Originate TLS.
    pub enabled: bool,
    /// `serverName`: SNI; the host unless said otherwise.
    pub server_name: Option<String>,
    /// `allowRenegotiation`
    pub allow_renegotiation: bool,
    /// `skipHostnameVerification`
    pub skip_hostname_verification: bool,
    /// Authority that signs the server; the system's when absent.
    pub ca: Option<DataSource>,
    /// Client certificate.
    pub cert: Option<DataSource>,
    /// Client key.
    pub key: Option<DataSource>,
}
