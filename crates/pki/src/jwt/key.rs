use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use aws_lc_rs::{hmac, rand};
use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};
use serde::Serialize;
use x509_parser::asn1_rs::{FromDer, Integer, OctetString, Sequence};
use x509_parser::pem::parse_x509_pem;

use super::{Claims, Header, JwtError, encode};
use crate::{PkiError, pem};

/// An RSA key that signs tokens.
pub struct SigningKey {
    pair: KeyPair,
    pem: Secret,
}

impl SigningKey {
    /// A new key with 2048 bits.
    pub fn generate() -> Result<Self, PkiError> {
        let failed = |_| PkiError::Crypto { what: "generate a key", reason: "no RSA key was found".to_owned() };
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let pem = pem::encode("RSA PRIVATE KEY", &pkcs1_of(der.as_ref())?);
        Ok(Self { pair, pem: Secret::new(pem) })
    }

    /// A key that exists already, as `RSA PRIVATE KEY` (PKCS#1) or `PRIVATE KEY` (PKCS#8).
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        pem::check_size(text, KEY)?;
        let unreadable = |reason: String| PkiError::Unreadable { what: KEY, reason };
        let pair = if let Ok(der) = PrivatePkcs1KeyDer::from_pem_slice(text.as_bytes()) {
            KeyPair::from_der(der.secret_pkcs1_der()).map_err(|error| unreadable(error.to_string()))?
        } else if let Ok(der) = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()) {
            KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| unreadable(error.to_string()))?
        } else {
            return Err(PkiError::NotPem { what: KEY, wanted: "RSA PRIVATE KEY" });
        };
        Ok(Self { pair, pem: Secret::new(text) })
    }

    /// The private key: PKCS#1 if it was generated, else as it was given.
    pub fn pem(&self) -> &Secret {
        &self.pem
    }

    /// The public key as `RSA PUBLIC KEY` (PKCS#1).
    pub fn public_key_pem(&self) -> String {
        pem::encode("RSA PUBLIC KEY", self.pair.public_key().as_ref())
    }

    /// The key that verifies what this one signs.
    pub fn verification_key(&self) -> VerificationKey {
        let key = parse_public(self.pair.public_key().as_ref()).expect("the key pair was checked when it was read");
        VerificationKey(Kind::Rsa(key))
    }

    /// A signed token.
    pub fn sign<C: Serialize>(&self, kid: &str, claims: &Claims<C>) -> String {
        let header = Header { alg: "RS256".to_owned(), kid: Some(kid.to_owned()), typ: Some("JWT".to_owned()) };
        let mut token = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), token.as_bytes(), &mut signature)
            .expect("the buffer has the signature's length");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("bits", &(self.pair.public_modulus_len() * 8)).finish_non_exhaustive()
    }
}

/// A key that verifies tokens.
pub struct VerificationKey(Kind);

impl VerificationKey {
    /// From a public key (`PUBLIC KEY`, `RSA PUBLIC KEY`) or the private key it belongs to.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        pem::check_size(text, PUBLIC_KEY)?;
        let (_, block) =
            parse_x509_pem(text.as_bytes()).map_err(|_| PkiError::NotPem { what: PUBLIC_KEY, wanted: "PUBLIC KEY" })?;
        match block.label.as_str() {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => parse_public(&block.contents).map(|key| Self(Kind::Rsa(key))),
            "PRIVATE KEY" | "RSA PRIVATE KEY" => Ok(SigningKey::from_pem(text)?.verification_key()),
            _ => Err(PkiError::NotPem { what: PUBLIC_KEY, wanted: "PUBLIC KEY" }),
        }
    }

    /// A shared key of the oldest control planes, only for tokens with the key id
    /// [`super::LEGACY_KEY_ID`].
    pub fn legacy(key: &[u8]) -> Self {
        Self(Kind::Legacy(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key))))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Rsa(_) => "VerificationKey(RS256)",
            Kind::Legacy(_) => "VerificationKey(HS256)",
        })
    }
}

pub(super) enum Kind {
    Rsa(ParsedPublicKey),
    /// Boxed because it is rare and large.
    Legacy(Box<hmac::Key>),
}

pub(super) fn check_rs256(key: &ParsedPublicKey, signed: &str, signature: &[u8]) -> Result<(), JwtError> {
    key.verify_sig(signed.as_bytes(), signature).map_err(|_| JwtError::BadSignature)
}

pub(super) fn check_hs256(key: &hmac::Key, signed: &str, signature: &[u8]) -> Result<(), JwtError> {
    hmac::verify(key, signed.as_bytes(), signature).map_err(|_| JwtError::BadSignature)
}

const KEY: &str = "the signing key";
const PUBLIC_KEY: &str = "the public key";

fn parse_public(der: &[u8]) -> Result<ParsedPublicKey, PkiError> {
    let unreadable = |error: aws_lc_rs::error::KeyRejected| PkiError::Unreadable {
        what: PUBLIC_KEY,
        reason: format!("not an RSA key of 2048 bits or more ({error})"),
    };
    PublicKey::from_der(der).map_err(unreadable)?;
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).map_err(unreadable)
}

/// The RSAPrivateKey inside a PKCS#8 wrapping: version, algorithm, then the key as an octet string.
fn pkcs1_of(pkcs8: &[u8]) -> Result<Vec<u8>, PkiError> {
    let (_, outer) = part::<Sequence<'_>>(pkcs8)?;
    let (rest, _version) = part::<Integer<'_>>(&outer.content)?;
    let (rest, _algorithm) = part::<Sequence<'_>>(rest)?;
    let (_, key) = part::<OctetString<'_>>(rest)?;
    Ok(key.as_ref().to_vec())
}

fn part<'a, T: FromDer<'a>>(der: &'a [u8]) -> Result<(&'a [u8], T), PkiError> {
    T::from_der(der).map_err(|error| PkiError::Unreadable { what: KEY, reason: error.to_string() })
}
