//! A token taken apart: `header.claims.signature`, each in base64url.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::key::Algorithm;

/// Without padding.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A token whose signature has not been checked.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    header: Value,
    pub(crate) algorithm: Algorithm,
    /// Any JSON.
    pub(crate) claims: Value,
    /// What is signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes a token apart. The error says what is wrong.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        const INVALID: &str = "invalid JSON";
        let mut parts = text.splitn(3, '.');
        let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(INVALID);
        };
        let signed = &text[..header.len() + 1 + claims.len()];
        let json = |part| decode(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).ok_or(INVALID);
        let (header, claims) = (json(header)?, json(claims)?);
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named).ok_or("invalid alg")?;
        if claims == Value::Bool(false) {
            return Err("invalid claims");
        }
        let signature = decode(signature).ok_or("invalid signature")?;
        Ok(Self { header, algorithm, claims, signed: signed.as_bytes(), signature })
    }

    /// The text `name` of the claims or, failing that, of the header. Anything but text is an error.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ()> {
        if matches!(self.claims, Value::Null | Value::Bool(_) | Value::Number(_)) {
            return Err(());
        }
        let claimed = self.claims.get(name).filter(|value| **value != Value::Bool(false));
        match claimed.or_else(|| self.header.get(name)) {
            None | Some(Value::Bool(false)) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(()),
        }
    }
}

/// Decodes base64url, up to its padding.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text.split('=').next().unwrap_or_default()).ok()
}
