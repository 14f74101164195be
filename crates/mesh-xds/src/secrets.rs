//! Certificates and keys as Envoy takes them.

use bytes::Bytes;
use proto::envoy::config::core::v3::{DataSource, data_source};
use proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};
use proto::{Resource, TypeUrl};

use crate::names;

/// `mesh_ca:secret:<mesh>`: the PEM certificates that members of the mesh trust.
pub fn mesh_ca_secret(mesh: &str, ca_pem: &str) -> Resource {
    let context =
        CertificateValidationContext { trusted_ca: Some(inline(ca_pem)), ..CertificateValidationContext::default() };
    encode(names::mesh_ca(mesh), secret::Type::ValidationContext(context))
}

/// `identity_cert:secret:<mesh>`: one proxy's PEM certificate chain and private key.
pub fn identity_secret(mesh: &str, cert_pem: &str, key_pem: &str) -> Resource {
    let certificate = TlsCertificate {
        certificate_chain: Some(inline(cert_pem)),
        private_key: Some(inline(key_pem)),
        ..TlsCertificate::default()
    };
    encode(names::identity(mesh), secret::Type::TlsCertificate(certificate))
}

fn encode(name: String, content: secret::Type) -> Resource {
    let message = Secret { name: name.clone(), r#type: Some(content) };
    Resource::encode(TypeUrl::Secret, name, &message)
}

fn inline(pem: &str) -> DataSource {
    let bytes = Bytes::copy_from_slice(pem.as_bytes());
    DataSource { specifier: Some(data_source::Specifier::InlineBytes(bytes)), ..DataSource::default() }
}
