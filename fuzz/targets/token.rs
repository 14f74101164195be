//! Tokens: none is accepted that was not signed with the key, whatever it says of itself.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use pki::jwt::{self, DataplaneClaims, SigningKey, UserClaims, VerificationKey};

static KEY: LazyLock<VerificationKey> =
    LazyLock::new(|| SigningKey::generate().expect("the system has random numbers").verification_key());
static LEGACY: LazyLock<VerificationKey> = LazyLock::new(|| VerificationKey::legacy(b"a key that nobody knows"));

fuzz_target!(|token: &str| {
    let now = Timestamp::UNIX_EPOCH;
    assert!(jwt::verify::<DataplaneClaims, _>(token, now, |_| Some(&*KEY)).is_err());
    assert!(jwt::verify::<UserClaims, _>(token, now, |_| Some(&*LEGACY)).is_err());
    // Read without verification, to find the key.
    drop(jwt::key_id(token));
});
