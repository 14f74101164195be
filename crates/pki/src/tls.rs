//! TLS configurations from PEM, and self-signed certificates. TLS 1.2 or later.

mod verify;

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base::Secret;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RsaKeySize, SanType,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::ca::{self, CLOCK_SKEW};
use crate::{PkiError, pem};

pub use verify::AcceptAny;

/// How long self-signed certificates are valid: ten years.
pub const SELF_SIGNED_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A certificate (chain) with its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, followed by its chain.
    pub cert_pem: String,
    /// The private key.
    pub key_pem: Secret,
}

/// The side of a connection a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// For a TLS server.
    Server,
    /// For a TLS client.
    Client,
}

/// The kind of a new key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// RSA with 2048 bits.
    #[default]
    Rsa,
    /// P-256.
    Ecdsa,
}

/// What a server demands of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth<'a> {
    /// No certificate is asked for.
    #[default]
    None,
    /// A certificate is asked for; if the client has one, one of these authorities must have signed it.
    Optional(&'a str),
    /// Only clients with a certificate that one of these authorities signed.
    Required(&'a str),
}

/// Whose certificate a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// One that these authorities (PEM) signed, or that is one of them.
    Pem(&'a str),
    /// Any: the connection is private towards nobody in particular.
    SkipVerify,
}

/// The protocols offered, in order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2, then HTTP/1.1.
    #[default]
    Http,
    /// HTTP/2 only.
    Http2,
    /// HTTP/1.1 only.
    Http1,
    /// No negotiation.
    None,
}

/// A self-signed certificate for `hosts` (DNS names and IP addresses), valid for
/// [`SELF_SIGNED_LIFETIME`]. It is marked as an authority so that peers can be given it as their trust
/// anchor.
pub fn self_signed(role: Role, key_type: KeyType, hosts: &[String], now: Timestamp) -> Result<Identity, PkiError> {
    let key = match key_type {
        KeyType::Rsa => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(|error| PkiError::Crypto { what: "generate a key", reason: error.to_string() })?,
        KeyType::Ecdsa => ca::generate_p256()?,
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = ca::common_name(hosts.first().map_or("kuma", String::as_str));
    params.subject_alt_names = hosts.iter().map(|host| host_name(host)).collect::<Result<_, _>>()?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.not_before = ca::date(now, -ca::seconds(CLOCK_SKEW))?;
    params.not_after = ca::date(now, ca::seconds(SELF_SIGNED_LIFETIME))?;
    params.serial_number = Some(ca::random_serial());
    let certificate = params.self_signed(&key).map_err(|error| ca::signing_failed(&error))?;
    Ok(Identity { cert_pem: pem::encode("CERTIFICATE", certificate.der()), key_pem: Secret::new(key.serialize_pem()) })
}

/// A server's configuration.
pub fn server_config(
    identity: &Identity,
    client_auth: ClientAuth<'_>,
    alpn: Alpn,
) -> Result<Arc<ServerConfig>, PkiError> {
    let certificates = pem::certificates(&identity.cert_pem, "the server certificate")?;
    let key = pem::private_key(identity.key_pem.expose(), "the server's private key")?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(authorities) => {
            builder.with_client_cert_verifier(verify::ClientVerifier::new(roots(authorities)?, provider(), false)?)
        }
        ClientAuth::Required(authorities) => {
            builder.with_client_cert_verifier(verify::ClientVerifier::new(roots(authorities)?, provider(), true)?)
        }
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(|error| identity_unusable("the server's certificate and key", &error))?;
    config.alpn_protocols = protocols(alpn);
    // One ticket is enough for clients that hold one connection.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// A client's configuration.
pub fn client_config(trust: Trust<'_>, identity: Option<&Identity>, alpn: Alpn) -> Result<ClientConfig, PkiError> {
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Pem(authorities) => verify::ServerVerifier::new(roots(authorities)?, provider())?,
        Trust::SkipVerify => AcceptAny::new(provider()),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(
                pem::certificates(&identity.cert_pem, "the client certificate")?,
                pem::private_key(identity.key_pem.expose(), "the client's private key")?,
            )
            .map_err(|error| identity_unusable("the client's certificate and key", &error))?,
    };
    config.alpn_protocols = protocols(alpn);
    Ok(config)
}

/// Trust anchors: for the verifiers as roots, and as they are on the wire.
struct Roots {
    store: Arc<RootCertStore>,
    certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
}

fn roots(authorities: &str) -> Result<Roots, PkiError> {
    let what = "the CA certificate";
    let certificates = pem::certificates(authorities, what)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|error| PkiError::Unreadable { what, reason: error.to_string() })?;
    }
    Ok(Roots { store: Arc::new(store), certificates })
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

fn protocols(alpn: Alpn) -> Vec<Vec<u8>> {
    let names: &[&str] = match alpn {
        Alpn::Http => &["h2", "http/1.1"],
        Alpn::Http2 => &["h2"],
        Alpn::Http1 => &["http/1.1"],
        Alpn::None => &[],
    };
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn identity_unusable(what: &'static str, error: &rustls::Error) -> PkiError {
    match error {
        rustls::Error::InconsistentKeys(_) => PkiError::KeyMismatch,
        error => PkiError::Unreadable { what, reason: error.to_string() },
    }
}

fn host_name(host: &str) -> Result<SanType, PkiError> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => ca::ia5("DNS name", host).map(SanType::DnsName),
    }
}

#[cfg(test)]
mod tests;
