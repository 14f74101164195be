//! Certificates and keys.

use serde_json::Value;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::text;

/// A certificate in PEM.
///
/// # Errors
/// The message.
pub fn check_certificate(value: &Value) -> Result<(), String> {
    let pem = first_pem(text(value)).map_err(|err| format!("invalid certificate: {err}"))?;
    X509Certificate::from_der(&pem.contents).map_err(|_| {
        "invalid certificate: x509.new: error:0680007B:asn1 encoding routines::header too long".to_owned()
    })?;
    Ok(())
}

/// A private key in PEM.
///
/// # Errors
/// The message.
pub fn check_private_key(value: &Value) -> Result<(), String> {
    let pem = first_pem(text(value)).map_err(|err| format!("invalid key: {err}"))?;
    if pem.label.ends_with("KEY") {
        return Ok(());
    }
    Err("invalid key: pkey.new:load_key: unsupported".to_owned())
}

/// The first block of a PEM text.
fn first_pem(text: &str) -> Result<Pem, String> {
    match Pem::iter_from_buffer(text.as_bytes()).next() {
        Some(Ok(pem)) => Ok(pem),
        _ => Err("no PEM block found".to_owned()),
    }
}
