//! Certificates and keys.

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::text;

/// What the reference's library says of something that is no certificate.
const NO_CERTIFICATE: &str = "x509.new: error:680007B:asn1 encoding routines:ASN1_get_object:header too \
                              long:asn1/asn1_lib.c:105:";

/// What it says of something that is no key.
pub(crate) const NO_KEY: &str = "pkey.new:load_key: error:1E08010C:DECODER routines:OSSL_DECODER_from_bio:\
                                 unsupported:encode_decode/decoder_lib.c:102:";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// A certificate in PEM.
///
/// # Errors
/// The message.
pub fn check_certificate(value: &Value) -> Result<(), String> {
    match parse_certificate(text(value), |_| ()) {
        Some(()) => Ok(()),
        None => Err(format!("invalid certificate: {NO_CERTIFICATE}")),
    }
}

/// A private key in PEM.
///
/// # Errors
/// The message.
pub fn check_private_key(value: &Value) -> Result<(), String> {
    match private_key(text(value)) {
        Some(_) => Ok(()),
        None => Err(format!("invalid key: {NO_KEY}")),
    }
}

/// Reads the first certificate of a PEM text.
pub(crate) fn parse_certificate<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let pem = first_pem(pem).filter(|pem| pem.label.ends_with("CERTIFICATE"))?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    Some(read(&certificate))
}

/// How many certificates a PEM text holds.
pub(crate) fn certificates_in(pem: &str) -> usize {
    pem.matches(BEGIN).count()
}

/// The private key of a PEM text, unencrypted.
pub(crate) fn private_key(pem: &str) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok().filter(|key| {
        // Whatever kind of key, it is a sequence.
        matches!(key.secret_der(), [0x30, ..])
    })
}

/// The public key of a private one, as in certificates; none if it is of a kind not supported for TLS.
pub(crate) fn public_key_of(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let key = any_supported_type(key).ok()?;
    key.public_key().map(|public| public.to_vec())
}

/// Whether a PEM text begins with a public key.
pub(crate) fn is_public_key(pem: &str) -> bool {
    first_pem(pem).is_some_and(|pem| match pem.label.as_str() {
        "PUBLIC KEY" => SubjectPublicKeyInfo::from_der(&pem.contents).is_ok(),
        label => label == "RSA PUBLIC KEY" && matches!(pem.contents.first(), Some(0x30)),
    })
}

/// Whether two PEM texts hold the halves of one key; none where it cannot be told, as with kinds that TLS does not use.
pub(crate) fn is_pair(public: &str, private: &str) -> Option<bool> {
    let derived = public_key_of(&private_key(private)?)?;
    let (_, derived) = SubjectPublicKeyInfo::from_der(&derived).ok()?;
    let public = first_pem(public)?;
    let given = match public.label.as_str() {
        "PUBLIC KEY" => SubjectPublicKeyInfo::from_der(&public.contents).ok()?.1.subject_public_key.data,
        _ => public.contents.as_slice().into(),
    };
    Some(given == derived.subject_public_key.data)
}

fn first_pem(text: &str) -> Option<Pem> {
    Pem::iter_from_buffer(text.as_bytes()).next()?.ok()
}
