//! Keys that tokens are verified with.

use std::sync::OnceLock;

use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::token::{Token, decode};

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

impl Algorithm {
    /// The names in tokens and credentials.
    pub(crate) const NAMES: [(&'static str, Self); 13] = [
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("ES512", Self::Es512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("EdDSA", Self::EdDsa),
    ];

    /// The algorithm called so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(other, _)| *other == name).map(|(_, algorithm)| *algorithm)
    }

    fn means(self) -> Means {
        match self {
            Self::Hs256 => Means::Secret(hmac::HMAC_SHA256),
            Self::Hs384 => Means::Secret(hmac::HMAC_SHA384),
            Self::Hs512 => Means::Secret(hmac::HMAC_SHA512),
            Self::Rs256 => Means::PublicKey(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            Self::Rs384 => Means::PublicKey(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Means::PublicKey(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
            Self::Es256 => Means::PublicKey(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Means::PublicKey(&signature::ECDSA_P384_SHA384_FIXED),
            Self::Es512 => Means::PublicKey(&signature::ECDSA_P521_SHA512_FIXED),
            Self::Ps256 => Means::PublicKey(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Means::PublicKey(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Means::PublicKey(&signature::RSA_PSS_2048_8192_SHA512),
            Self::EdDsa => Means::PublicKey(&signature::ED25519),
        }
    }
}

enum Means {
    Secret(hmac::Algorithm),
    PublicKey(&'static dyn signature::VerificationAlgorithm),
}

/// A credential's key, ready for use.
pub(crate) struct VerificationKey {
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    /// Keys are more than a kilobyte and made when they are first needed.
    Secret {
        kind: hmac::Algorithm,
        secret: Box<str>,
        plain: OnceLock<Box<hmac::Key>>,
        /// Made of the secret as base64, if it is that.
        decoded: OnceLock<Option<Box<hmac::Key>>>,
    },
    /// None when the key does not fit the algorithm.
    PublicKey(Option<signature::ParsedPublicKey>),
}

impl VerificationKey {
    /// Reads a credential's document.
    pub(crate) fn read(document: &Value) -> Result<Self, String> {
        let text = |field| document.get(field).and_then(Value::as_str).unwrap_or_default();
        let algorithm = document.get("algorithm").and_then(Value::as_str).unwrap_or("HS256");
        let algorithm = Algorithm::named(algorithm).ok_or_else(|| format!("algorithm: {algorithm} is unknown"))?;
        let material = match algorithm.means() {
            Means::Secret(kind) => Material::Secret {
                kind,
                secret: text("secret").into(),
                plain: OnceLock::new(),
                decoded: OnceLock::new(),
            },
            Means::PublicKey(kind) => Material::PublicKey(
                der(text("rsa_public_key")).and_then(|der| signature::ParsedPublicKey::new(kind, der).ok()),
            ),
        };
        Ok(Self { algorithm, material })
    }

    /// Checks a token's signature. The error is told the caller.
    pub(crate) fn verify(&self, token: &Token<'_>, base64_secret: bool) -> Result<(), &'static str> {
        if token.algorithm != self.algorithm {
            return Err("Invalid algorithm");
        }
        let same = match &self.material {
            Material::Secret { kind, secret, plain, decoded } => {
                let made = |secret: &[u8]| Box::new(hmac::Key::new(*kind, secret));
                let key = if base64_secret {
                    decoded.get_or_init(|| decode(secret).map(|secret| made(&secret))).as_deref()
                } else {
                    Some(&**plain.get_or_init(|| made(secret.as_bytes())))
                };
                hmac::verify(key.ok_or("Invalid key/secret")?, token.signed, &token.signature)
            }
            Material::PublicKey(key) => {
                key.as_ref().ok_or("Invalid key/secret")?.verify_sig(token.signed, &token.signature)
            }
        };
        same.map_err(|_| "Invalid signature")
    }
}

/// Whether `pem` is a public key that some algorithm can use.
pub(crate) fn is_public_key(pem: &str) -> bool {
    let kinds = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa];
    der(pem).is_some_and(|der| {
        kinds.iter().any(|algorithm| match algorithm.means() {
            Means::PublicKey(kind) => signature::ParsedPublicKey::new(kind, &der).is_ok(),
            Means::Secret(_) => false,
        })
    })
}

/// What is between the first `-----BEGIN … PUBLIC KEY-----` and its end.
fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("PUBLIC KEY-----")?;
    let (encoded, _) = rest.split_once("-----END")?;
    let encoded: String = encoded.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(encoded).ok()
}
