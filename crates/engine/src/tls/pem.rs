//! PEM texts, with limits.

use std::sync::Arc;

use pki::CertificateInfo;
use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, provider};

/// The largest PEM text that is read, in bytes: a system's bundle of authorities has a third of it.
const MAX_PEM: usize = 1024 * 1024;

/// All certificates of a PEM text, at least one. Each can be read as a certificate.
pub(super) fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    check_size(pem, what)?;
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Unreadable { what, reason: error.to_string() })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { what });
    }
    for certificate in &certificates {
        CertificateInfo::from_der(certificate)
            .map_err(|error| TlsError::Unreadable { what, reason: error.to_string() })?;
    }
    Ok(certificates)
}

/// A certificate with its chain and its private key, which belongs to it.
pub(super) fn certified_key(
    certificate_pem: &str,
    key_pem: &str,
    what: &'static str,
    what_key: &'static str,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(certificate_pem, what)?;
    let key = private_key(key_pem, what_key)?;
    let key = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| TlsError::Unreadable { what: what_key, reason: error.to_string() })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::KeyMismatch { what })
        }
        // Certificates of version 1 can be served, but not compared.
        _ => Ok(Arc::new(certified)),
    }
}

fn private_key(pem: &str, what: &'static str) -> Result<PrivateKeyDer<'static>, TlsError> {
    check_size(pem, what)?;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        Error::NoItemsFound => TlsError::NoKey { what },
        error => TlsError::Unreadable { what, reason: error.to_string() },
    })
}

fn check_size(pem: &str, what: &'static str) -> Result<(), TlsError> {
    if pem.len() > MAX_PEM { Err(TlsError::TooLarge { what, limit: MAX_PEM }) } else { Ok(()) }
}
