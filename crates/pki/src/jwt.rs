//! The tokens by which proxies, zones and users prove who they are: compact JWS with RS256, the key named by
//! `kid`. HS256 is read only, for tokens of the oldest control planes. Revocation is the caller's matter.

mod claims;
mod key;

use std::borrow::Borrow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use claims::{Claims, DataplaneClaims, Registered, UserClaims, ZoneClaims};
pub use key::{SigningKey, VerificationKey};

/// The `kid` of tokens that name none.
pub const LEGACY_KEY_ID: &str = "0";

/// The longest token that is read, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Why a token is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is not a token.
    #[error("token is malformed: {0}")]
    Malformed(&'static str),
    /// It is signed by an algorithm that is not accepted for its key.
    #[error("signing method {0:?} is invalid")]
    Algorithm(String),
    /// There is no such key.
    #[error("there is no signing key with KID {0:?}")]
    UnknownKey(String),
    /// It was not signed by the key it names.
    #[error("token signature is invalid")]
    BadSignature,
    /// Its time is over.
    #[error("token is expired since {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("token is not valid before {0}")]
    NotYetValid(Timestamp),
}

/// The id of the key that a token says it was signed with; nothing is verified.
pub fn key_id(token: &str) -> Result<String, JwtError> {
    let header = Parts::of(token)?.header()?;
    Ok(header.kid())
}

/// The claims of a token whose signature is good and whose time it is. `find` gets the key id.
pub fn verify<C, K>(token: &str, now: Timestamp, find: impl FnOnce(&str) -> Option<K>) -> Result<Claims<C>, JwtError>
where
    C: DeserializeOwned,
    K: Borrow<VerificationKey>,
{
    let parts = Parts::of(token)?;
    let header = parts.header()?;
    let kid = header.kid();
    let key = find(&kid).ok_or_else(|| JwtError::UnknownKey(kid.clone()))?;
    let signature = decode(parts.signature, "its signature is not base64url")?;
    match (header.alg.as_str(), key.borrow().kind()) {
        ("RS256", key::Kind::Rsa(key)) => key::check_rs256(key, parts.signed, &signature)?,
        ("HS256", key::Kind::Legacy(key)) if kid == LEGACY_KEY_ID => key::check_hs256(key, parts.signed, &signature)?,
        _ => return Err(JwtError::Algorithm(header.alg)),
    }

    let payload = decode(parts.payload, "its claims are not base64url")?;
    let claims: Claims<C> =
        serde_json::from_slice(&payload).map_err(|_| JwtError::Malformed("its claims have another form"))?;
    claims.registered.check(now)?;
    Ok(claims)
}

/// A compact JWS, taken apart and not verified.
struct Parts<'a> {
    /// What the signature is over: header and payload with the point.
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN {
            return Err(JwtError::Malformed("it is too long"));
        }
        let segments = JwtError::Malformed("it has not three parts");
        let Some((signed, signature)) = token.rsplit_once('.') else { return Err(segments) };
        match signed.split_once('.') {
            Some((header, payload)) if !payload.contains('.') => Ok(Self { signed, header, payload, signature }),
            _ => Err(segments),
        }
    }

    fn header(&self) -> Result<Header, JwtError> {
        let header = decode(self.header, "its header is not base64url")?;
        serde_json::from_slice(&header).map_err(|_| JwtError::Malformed("its header has another form"))
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
}

impl Header {
    fn kid(&self) -> String {
        match self.kid.as_deref() {
            None | Some("") => LEGACY_KEY_ID.to_owned(),
            Some(kid) => kid.to_owned(),
        }
    }
}

fn decode(text: &str, complaint: &'static str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtError::Malformed(complaint))
}

fn encode(json: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(json).expect("claims are maps with text keys"))
}

#[cfg(test)]
mod tests;
