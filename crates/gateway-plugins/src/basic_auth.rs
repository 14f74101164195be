//! basic-auth: callers known by user name and password.

mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gateway_proxy::pdk::{
    Access, Authenticated, Context, Definition, Environment, Parsed, Phases, Plugin, RequestBody,
};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::{self, Anonymous};

pub(crate) use schema::schema;

const COLLECTION: &str = "basicauth_credentials";

/// With or without padding, whatever the unused bits are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct BasicAuth;

impl Definition for BasicAuth {
    fn name(&self) -> &'static str {
        "basic-auth"
    }

    fn priority(&self) -> i32 {
        1100
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled {
            hide: config.hide_credentials,
            challenge: auth::challenge("Basic", Some(&config.realm)),
            anonymous: Anonymous::new(config.anonymous),
        }))
    }

    fn collections(&self) -> &'static [&'static str] {
        &[COLLECTION]
    }

    fn credential(&self, _: &str, document: &Value) -> Result<Parsed, String> {
        let hash: Box<[u8]> = auth::text(document, "password")?.to_ascii_lowercase().into_bytes().into();
        Ok(Parsed { key: auth::text(document, "username")?.into(), value: Arc::new(Password(hash)) })
    }
}

#[derive(Deserialize)]
struct Config {
    anonymous: Option<String>,
    hide_credentials: bool,
    realm: String,
}

/// The hexadecimal digits of what [`hash`] makes of a password.
struct Password(Box<[u8]>);

#[derive(Debug)]
struct Compiled {
    hide: bool,
    challenge: Box<str>,
    anonymous: Anonymous,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        if self.anonymous.spares(context) {
            return Access::Continue;
        }
        let result = self.authenticate(context).ok_or_else(|| auth::refuse(&self.challenge, "Unauthorized"));
        match self.anonymous.settle(context, result) {
            Some(answer) => Access::Respond(answer),
            None => Access::Continue,
        }
    }
}

impl Compiled {
    fn authenticate(&self, context: &mut Context) -> Option<()> {
        let claim = self.take(context, "proxy-authorization").or_else(|| self.take(context, "authorization"))?;
        let (user, password) = claim.split_once(':')?;
        let credential = context.directory.credential(COLLECTION, user, || context.now_ms()).map(Arc::clone)?;
        let owner = auth::owner(context, &credential)?;
        let Password(expected) = credential.value()?;
        verify_slices_are_equal(hash(password, &owner.id).as_bytes(), expected).ok()?;
        let identifier = Some(credential.key.clone());
        auth::identify(context, owner, Some(Authenticated { id: Arc::clone(&credential.id), identifier }));
        Some(())
    }

    /// The user name and password that a header has, and hides it from the upstream.
    fn take(&self, context: &mut Context, header: &str) -> Option<String> {
        let claim = context.request.headers.get_str(header).and_then(decode);
        if self.hide {
            context.request.headers.remove(header);
        }
        claim
    }
}

/// `user:password` out of `Basic dXNlcjpwYXNzd29yZA==`; the user name is not empty.
fn decode(header: &str) -> Option<String> {
    let start = header.find("Basic").or_else(|| header.find("basic"))?;
    let encoded = header[start + "Basic".len()..].trim();
    let claim = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    claim.find(':').is_some_and(|colon| colon > 0).then_some(claim)
}

/// How passwords are stored: the SHA-1 of the password and the consumer's id, in hexadecimal digits.
fn hash(password: &str, consumer: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(password.as_bytes());
    context.update(consumer.as_bytes());
    crate::hex(context.finish().as_ref())
}
