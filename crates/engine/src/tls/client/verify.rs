//! Whose certificates are accepted of upstreams.

use std::sync::Arc;

use pki::CertificateInfo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::tls::{TlsError, provider};

/// Accepts what authorities signed, or what is one of the anchors itself: upstreams often have self-signed certificates,
/// which the usual rules refuse in the role of a server's.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` if no anchor can sign.
    chains: Option<Arc<WebPkiServerVerifier>>,
    anchors: Vec<CertificateDer<'static>>,
    depth: usize,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        anchors: Vec<CertificateDer<'static>>,
        depth: usize,
    ) -> Result<Self, TlsError> {
        let provider = provider();
        let chains = if roots.is_empty() {
            None
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| TlsError::Unreadable { what: "the CA certificate", reason: error.to_string() })?;
            Some(verifier)
        };
        Ok(Self { chains, anchors, depth, provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.anchors.iter().any(|anchor| anchor == end_entity) {
            check_time(end_entity, now)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let chains = self.chains.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        // Servers send chains in order: with the first ones only, none can be longer.
        let intermediates = &intermediates[..self.depth.min(intermediates.len())];
        chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn check_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let info = CertificateInfo::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < info.not_before.as_second() {
        Err(CertificateError::NotValidYet.into())
    } else if now > info.not_after.as_second() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}
