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
    authority(names::mesh_ca(mesh), ca_pem)
}

/// `identity_cert:secret:<mesh>`: one proxy's PEM certificate chain and private key.
pub fn identity_secret(mesh: &str, cert_pem: &str, key_pem: &str) -> Resource {
    identity(names::identity(mesh), cert_pem, key_pem)
}

/// `envoy_admin:ca`: the PEM certificate of the control planes' authority.
pub fn admin_ca_secret(ca_pem: &str) -> Resource {
    authority(names::ADMIN_CA.to_owned(), ca_pem)
}

/// `envoy_admin:cert`: PEM certificate and key of one proxy's administration interface.
pub fn admin_identity_secret(cert_pem: &str, key_pem: &str) -> Resource {
    identity(names::ADMIN_IDENTITY.to_owned(), cert_pem, key_pem)
}

fn authority(name: String, ca_pem: &str) -> Resource {
    let context =
        CertificateValidationContext { trusted_ca: Some(inline(ca_pem)), ..CertificateValidationContext::default() };
    encode(name, secret::Type::ValidationContext(context))
}

fn identity(name: String, cert_pem: &str, key_pem: &str) -> Resource {
    let certificate = TlsCertificate {
        certificate_chain: Some(inline(cert_pem)),
        private_key: Some(inline(key_pem)),
        ..TlsCertificate::default()
    };
    encode(name, secret::Type::TlsCertificate(certificate))
}

fn encode(name: String, content: secret::Type) -> Resource {
    let message = Secret { name: name.clone(), r#type: Some(content) };
    Resource::encode(TypeUrl::Secret, name, &message)
}

fn inline(pem: &str) -> DataSource {
    let bytes = Bytes::copy_from_slice(pem.as_bytes());
    DataSource { specifier: Some(data_source::Specifier::InlineBytes(bytes)), ..DataSource::default() }
}
