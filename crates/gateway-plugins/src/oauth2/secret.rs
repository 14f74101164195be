//! Secrets of applications.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not zero");
const LENGTH: usize = 32;
const PREFIX: &str = "$pbkdf2-sha512$";

/// Digits of a number nobody can guess: tokens, codes.
pub(super) fn token() -> Option<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(crate::hex(&bytes))
}

/// Whether a stored secret is a hash.
pub(super) fn is_hash(stored: &str) -> bool {
    stored.starts_with(PREFIX)
}

/// A hash with its salt: `$pbkdf2-sha512$i=10000,l=32$salt$hash`.
pub(super) fn hash(secret: &str) -> String {
    let salt = uuid::Uuid::new_v4().into_bytes();
    let mut derived = [0; LENGTH];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, ITERATIONS, &salt, secret.as_bytes(), &mut derived);
    let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
    format!("{PREFIX}i={ITERATIONS},l={LENGTH}${}${}", text(&salt), text(&derived))
}

/// Whether `secret` is the one that is stored, as it is or as a hash.
pub(super) fn matches(stored: &str, secret: &str) -> bool {
    let Some(rest) = stored.strip_prefix(PREFIX) else {
        let digest = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
        return constant_time::verify_slices_are_equal(digest(stored).as_ref(), digest(secret).as_ref()).is_ok();
    };
    verify(rest, secret).is_some()
}

fn verify(hash: &str, secret: &str) -> Option<()> {
    let mut parts = hash.split('$');
    let (settings, salt, derived) = (parts.next()?, parts.next()?, parts.next()?);
    let iterations = settings.split(',').find_map(|setting| setting.strip_prefix("i="))?;
    // More would keep a worker busy for long.
    let iterations = iterations.parse().ok().filter(|count: &NonZeroU32| count.get() <= 1_000_000)?;
    let bytes = |text: &str| STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let (salt, derived) = (bytes(salt)?, bytes(derived)?);
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, iterations, &salt, secret.as_bytes(), &derived).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_of_their_secrets() {
        let stored = hash("secret");
        assert!(is_hash(&stored) && matches(&stored, "secret") && !matches(&stored, "secret2"));
        assert!(matches("plain", "plain") && !matches("plain", "other") && !matches("", "other"));
        assert!(!matches("$pbkdf2-sha512$i=0,l=32$AA$AA", "") && !matches("$pbkdf2-sha512$", ""));
    }
}
