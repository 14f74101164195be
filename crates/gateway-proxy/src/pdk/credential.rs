//! Credentials as requests find them.

use std::sync::Arc;

use super::Opaque;

/// What a [`Definition`](super::Definition) made of a credential's document.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What requests look it up by: the API key, the user name. Empty when it is only found through its consumer.
    pub key: Box<str>,
    /// What the plugin needs of it, in a type of the plugin's.
    pub value: Opaque,
}

/// A credential in force.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its id.
    pub id: Arc<str>,
    /// The consumer it belongs to.
    pub consumer: Option<Arc<str>>,
    /// Unix time in milliseconds at which it stops to count.
    pub expires_ms: Option<i64>,
    /// Its key, see [`Parsed::key`].
    pub key: Box<str>,
    /// The plugin's value.
    pub value: Opaque,
}

impl Credential {
    /// The plugin's value; `None` for a credential of another plugin.
    pub fn value<T: 'static>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }
}

/// The credential a request was authenticated with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The credential's id; what rate limiting by credential counts.
    pub id: Arc<str>,
    /// What is told the upstream in `X-Credential-Identifier`.
    pub identifier: Option<Box<str>>,
}
