//! Mutual TLS between proxies, with certificates over the discovery stream.

use proto::envoy::config::core::v3::{TransportSocket, transport_socket};
use proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use proto::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, SubjectAltNameMatcher,
    UpstreamTlsContext,
};
use proto::envoy::r#type::matcher::v3::StringMatcher;

use crate::{names, wire};

/// The application protocol by which a server tells mutual TLS from an application's own TLS.
pub(crate) const ALPN: &str = "kuma";

const TYPES: &str = "envoy.extensions.transport_sockets.tls.v3";

/// A server's side: only clients of the mesh.
pub(crate) fn server(mesh: &str) -> TransportSocket {
    let context = DownstreamTlsContext {
        common_tls_context: Some(common(mesh, wire::prefix(names::spiffe(mesh, "")))),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    };
    socket(wire::any(&format!("{TYPES}.DownstreamTlsContext"), &context))
}

/// The server's side of the administration interface: only a client with this name in a certificate of the control
/// planes' own authority.
pub(crate) fn admin_server(client: &str) -> TransportSocket {
    let certificates = [names::ADMIN_CA, names::ADMIN_IDENTITY].map(str::to_owned);
    let context = DownstreamTlsContext {
        common_tls_context: Some(with_certificates(certificates, wire::exact(client))),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    };
    socket(wire::any(&format!("{TYPES}.DownstreamTlsContext"), &context))
}

/// A client's side: only servers of that service.
pub(crate) fn client(mesh: &str, service: &str, sni: &str) -> TransportSocket {
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec![ALPN.to_owned()],
            ..common(mesh, wire::exact(names::spiffe(mesh, service)))
        }),
        sni: sni.to_owned(),
        ..UpstreamTlsContext::default()
    };
    upstream(&context)
}

/// A client's side of any configuration.
pub(crate) fn upstream(context: &UpstreamTlsContext) -> TransportSocket {
    socket(wire::any(&format!("{TYPES}.UpstreamTlsContext"), context))
}

fn socket(config: prost_types::Any) -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(config)),
    }
}

fn common(mesh: &str, peer: StringMatcher) -> CommonTlsContext {
    with_certificates([names::mesh_ca(mesh), names::identity(mesh)], peer)
}

/// `authority` and `identity` are names of secrets.
fn with_certificates([authority, identity]: [String; 2], peer: StringMatcher) -> CommonTlsContext {
    let peer = SubjectAltNameMatcher { san_type: SanType::Uri as i32, matcher: Some(peer), ..Default::default() };
    let combined = CombinedCertificateValidationContext {
        default_validation_context: Some(CertificateValidationContext {
            match_typed_subject_alt_names: vec![peer],
            ..CertificateValidationContext::default()
        }),
        validation_context_sds_secret_config: Some(secret(authority)),
        ..CombinedCertificateValidationContext::default()
    };
    CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![secret(identity)],
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(combined)),
        ..CommonTlsContext::default()
    }
}

fn secret(name: String) -> SdsSecretConfig {
    SdsSecretConfig { name, sds_config: Some(wire::ads()) }
}
