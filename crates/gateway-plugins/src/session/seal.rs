//! Sessions as texts that only the gateway can read and write.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The longest cookie that is looked at.
const LIMIT: usize = 8192;

const NONCE: usize = 12;

/// What a session remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) consumer: String,
    pub(super) credential: String,
    pub(super) identifier: Option<String>,
    pub(super) groups: Option<Vec<String>>,
    /// When it began: Unix seconds, as the others.
    pub(super) created: i64,
    /// When it was last renewed.
    pub(super) rolled: i64,
    /// When it was last used.
    pub(super) touched: i64,
}

/// Writes and reads sessions of one kind: cookies of other names and audiences are not among them.
pub(super) struct Seal {
    key: RandomizedNonceKey,
    kind: Vec<u8>,
}

impl Seal {
    pub(super) fn new(secret: &str, cookie: &str, audience: &str) -> Result<Self, String> {
        let material = digest::digest(&digest::SHA256, &[b"session\0", secret.as_bytes()].concat());
        let key = RandomizedNonceKey::new(&AES_256_GCM, material.as_ref())
            .map_err(|_| "secret: no key can be made of it".to_owned())?;
        Ok(Self { key, kind: [cookie.as_bytes(), b"\0", audience.as_bytes()].concat() })
    }

    /// The session as a cookie's value.
    pub(super) fn close(&self, session: &Session) -> Option<String> {
        let mut text = serde_json::to_vec(session).ok()?;
        let nonce = self.key.seal_in_place_append_tag(Aad::from(&self.kind), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &text].concat()))
    }

    /// The session that a cookie's value is; nothing when somebody else wrote it.
    pub(super) fn open(&self, value: &str) -> Option<Session> {
        let bytes = URL_SAFE_NO_PAD.decode(value.get(..LIMIT.min(value.len()))?).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let text = self.key.open_in_place(nonce, Aad::from(&self.kind), &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}
