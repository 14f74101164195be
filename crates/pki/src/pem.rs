//! PEM in and out, with limits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::PkiError;

/// The largest PEM text that is read, in bytes: some hundred certificates.
pub(crate) const MAX_PEM: usize = 512 * 1024;

/// All certificates of a PEM text, at least one.
pub(crate) fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    check_size(pem, what)?;
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| PkiError::Unreadable { what, reason: error.to_string() })?;
    if certificates.is_empty() { Err(PkiError::NotPem { what, wanted: "CERTIFICATE" }) } else { Ok(certificates) }
}

/// The first private key of a PEM text, in any of the usual forms.
pub(crate) fn private_key(pem: &str, what: &'static str) -> Result<PrivateKeyDer<'static>, PkiError> {
    check_size(pem, what)?;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => PkiError::NotPem { what, wanted: "PRIVATE KEY" },
        error => PkiError::Unreadable { what, reason: error.to_string() },
    })
}

pub(crate) fn check_size(pem: &str, what: &'static str) -> Result<(), PkiError> {
    if pem.len() > MAX_PEM { Err(PkiError::TooLarge { what, limit: MAX_PEM }) } else { Ok(()) }
}

/// `der` as one PEM block.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 34);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}
