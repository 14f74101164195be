//! Services outside the mesh.

use std::sync::Arc;

use bytes::Bytes;
use mesh_model::mesh::DataSource as Source;
use mesh_model::policy::{CircuitBreaker, ExternalService, HealthCheck, LoadBalancer};
use mesh_model::{Protocol, Tags};
use proto::envoy::config::cluster::v3::Cluster;
use proto::envoy::config::cluster::v3::cluster::TransportSocketMatch;
use proto::envoy::config::core::v3::{DataSource, TransportSocket, data_source};
use proto::envoy::config::endpoint::v3::LbEndpoint;
use proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use proto::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate, UpstreamTlsContext,
};
use proto::{Resource, TypeUrl};

use crate::cluster::{self, HttpVersion, Policies, protocol_options};
use crate::timeouts::Timeouts;
use crate::{ProxyMetadata, endpoints, tls, wire};

/// A cluster of endpoints outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct External {
    pub(crate) name: Arc<str>,
    pub(crate) protocol: Protocol,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) timeouts: Timeouts,
    pub(crate) load_balancer: Option<LoadBalancer>,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) health_check: Option<HealthCheck>,
}

/// One endpoint outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tags: Tags,
    pub(crate) tls: Option<Tls>,
}

/// TLS with an endpoint outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tls {
    server_name: String,
    allow_renegotiation: bool,
    verify_name: bool,
    ca: Option<Authorities>,
    certificate: Option<(Bytes, Bytes)>,
}

/// Who may have signed a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Authorities {
    /// PEM.
    Given(Bytes),
    /// A file on the proxy's machine.
    System(String),
}

impl Endpoint {
    /// The endpoint of a service, or why it cannot be used. Without an authority of its own a server is
    /// verified with those of the proxy's machine.
    pub(crate) fn new(service: &ExternalService, metadata: &ProxyMetadata) -> Result<Self, &'static str> {
        let tls = match &service.tls {
            Some(tls) if tls.enabled => Some(Tls {
                server_name: tls.server_name.clone().unwrap_or_else(|| service.host.clone()),
                allow_renegotiation: tls.allow_renegotiation,
                verify_name: !tls.skip_hostname_verification,
                ca: match &tls.ca {
                    Some(ca) => Some(Authorities::Given(bytes(ca)?)),
                    None => metadata.system_ca_path.clone().map(Authorities::System),
                },
                certificate: match (&tls.cert, &tls.key) {
                    (Some(cert), Some(key)) => Some((bytes(cert)?, bytes(key)?)),
                    _ => None,
                },
            }),
            _ => None,
        };
        Ok(Self { host: service.host.clone(), port: service.port, tags: service.tags.clone(), tls })
    }
}

/// Secrets and files have to be replaced by their content before.
fn bytes(source: &Source) -> Result<Bytes, &'static str> {
    match source {
        Source::Inline(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        Source::InlineString(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Source::Secret(_) => Err("the secret it refers to is not available"),
        Source::File(_) => Err("the file it refers to is not available"),
    }
}

impl External {
    pub(crate) fn encode(&self) -> Resource {
        let hosts: Vec<_> = self.endpoints.iter().map(|endpoint| endpoint.host.as_str()).collect();
        let version =
            if matches!(self.protocol, Protocol::Http2 | Protocol::Grpc) { HttpVersion::Two } else { HttpVersion::One };
        let options = self.protocol.is_http().then(|| protocol_options(version, Some(&self.timeouts)));
        let mut cluster = Cluster {
            connect_timeout: Some(wire::duration(self.timeouts.connect)),
            cluster_discovery_type: Some(cluster::discovery(&hosts)),
            load_assignment: Some(cluster::assignment(&self.name, self.lb_endpoints())),
            typed_extension_protocol_options: options.into_iter().collect(),
            ..cluster::named(&self.name)
        };
        match self.endpoints.as_slice() {
            [one] => cluster.transport_socket = one.tls.as_ref().map(Tls::socket),
            several => cluster.transport_socket_matches = several.iter().filter_map(socket_match).collect(),
        }
        let policies = Policies {
            protocol: self.protocol,
            load_balancer: self.load_balancer.as_ref(),
            circuit_breaker: self.circuit_breaker.as_ref(),
            health_check: self.health_check.as_ref(),
        };
        policies.apply(&mut cluster);
        Resource::encode(TypeUrl::Cluster, Arc::clone(&self.name), &cluster)
    }

    fn lb_endpoints(&self) -> Vec<LbEndpoint> {
        let several = self.endpoints.len() > 1;
        let endpoint = |endpoint: &Endpoint| {
            let mut tags = endpoint.tags.clone();
            if several {
                tags.insert(ENDPOINT.to_owned(), endpoint.key());
            }
            let host = cluster::host(&endpoint.host, endpoint.port);
            LbEndpoint { metadata: endpoints::metadata(&tags), load_balancing_weight: Some(1), ..host }
        };
        self.endpoints.iter().map(endpoint).collect()
    }
}

/// Tells the endpoints of a cluster apart when each has its own TLS.
const ENDPOINT: &str = "kuma.io/external-endpoint";

impl Endpoint {
    fn key(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn socket_match(endpoint: &Endpoint) -> Option<TransportSocketMatch> {
    let key = endpoint.key();
    let tls = endpoint.tls.as_ref()?;
    Some(TransportSocketMatch {
        r#match: Some(wire::text_struct([(&ENDPOINT.to_owned(), &key)].into_iter())),
        transport_socket: Some(tls.socket()),
        name: key,
    })
}

impl Tls {
    fn socket(&self) -> TransportSocket {
        let certificate = self.certificate.as_ref().map(|(chain, key)| TlsCertificate {
            certificate_chain: Some(inline(chain)),
            private_key: Some(inline(key)),
            ..TlsCertificate::default()
        });
        tls::upstream(&UpstreamTlsContext {
            common_tls_context: Some(CommonTlsContext {
                tls_certificates: certificate.into_iter().collect(),
                validation_context_type: self.validation().map(ValidationContextType::ValidationContext),
                ..CommonTlsContext::default()
            }),
            // A server name is a host name; addresses are not sent.
            sni: if wire::is_ip(&self.server_name) { String::new() } else { self.server_name.clone() },
            allow_renegotiation: self.allow_renegotiation,
            ..UpstreamTlsContext::default()
        })
    }

    /// As in the reference, a server is not verified when the proxy's machine has no authorities either.
    fn validation(&self) -> Option<CertificateValidationContext> {
        let trusted = match self.ca.as_ref()? {
            Authorities::Given(pem) => inline(pem),
            Authorities::System(path) => {
                DataSource { specifier: Some(data_source::Specifier::Filename(path.clone())), ..DataSource::default() }
            }
        };
        let kind = if wire::is_ip(&self.server_name) { SanType::IpAddress } else { SanType::Dns };
        let name = SubjectAltNameMatcher {
            san_type: kind as i32,
            matcher: Some(wire::exact(self.server_name.as_str())),
            ..SubjectAltNameMatcher::default()
        };
        Some(CertificateValidationContext {
            trusted_ca: Some(trusted),
            match_typed_subject_alt_names: self.verify_name.then_some(name).into_iter().collect(),
            ..CertificateValidationContext::default()
        })
    }
}

fn inline(bytes: &Bytes) -> DataSource {
    DataSource { specifier: Some(data_source::Specifier::InlineBytes(bytes.clone())), ..DataSource::default() }
}
