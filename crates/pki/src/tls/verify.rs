//! Verification that also accepts a trust anchor which is the peer's own certificate. The usual rules
//! refuse an authority in the role of an end entity, and the self-signed certificates that meshes are run
//! with are exactly that.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::Roots;
use crate::{CertificateInfo, PkiError};

/// Accepts every certificate of a server, also such as the usual rules cannot read (version 1).
#[derive(Debug)]
pub struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl AcceptAny {
    /// Knows the ways to sign that `provider` knows.
    pub fn new(provider: Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self { provider })
    }
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Who holds the key is of no interest if anybody may.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Checks a server's certificate.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    web_pki: Arc<WebPkiServerVerifier>,
    anchors: Anchors,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub(super) fn new(roots: Roots, provider: Arc<CryptoProvider>) -> Result<Arc<Self>, PkiError> {
        let web_pki = WebPkiServerVerifier::builder_with_provider(roots.store, provider.clone())
            .build()
            .map_err(|error| anchors_unusable(&error))?;
        Ok(Arc::new(Self { web_pki, anchors: Anchors(roots.certificates), provider }))
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.anchors.contain(end_entity) {
            check_validity(end_entity, now)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.web_pki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Checks a client's certificate.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    web_pki: Arc<dyn ClientCertVerifier>,
    anchors: Anchors,
    required: bool,
}

impl ClientVerifier {
    pub(super) fn new(roots: Roots, provider: Arc<CryptoProvider>, required: bool) -> Result<Arc<Self>, PkiError> {
        let web_pki = WebPkiClientVerifier::builder_with_provider(roots.store, provider)
            .build()
            .map_err(|error| anchors_unusable(&error))?;
        Ok(Arc::new(Self { web_pki, anchors: Anchors(roots.certificates), required }))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.web_pki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.anchors.contain(end_entity) {
            check_validity(end_entity, now)?;
            return Ok(ClientCertVerified::assertion());
        }
        self.web_pki.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.web_pki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.web_pki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web_pki.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct Anchors(Vec<CertificateDer<'static>>);

impl Anchors {
    fn contain(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.iter().any(|anchor| anchor == certificate)
    }
}

fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let info = CertificateInfo::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < info.not_before.as_second() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > info.not_after.as_second() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

fn anchors_unusable(error: &dyn std::error::Error) -> PkiError {
    PkiError::Unreadable { what: "the CA certificate", reason: error.to_string() }
}
