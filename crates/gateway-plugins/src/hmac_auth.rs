//! hmac-auth: callers known by a signature over headers and perhaps the body.

mod schema;
mod signature;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_proxy::pdk::{
    Access, Answer, Authenticated, Context, Definition, Environment, Parsed, Phases, Plugin, RequestBody,
};
use jiff::fmt::rfc2822;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::{self, Anonymous};

pub(crate) use schema::schema;
use signature::{Algorithm, Claim};

const COLLECTION: &str = "hmacauth_credentials";
const NO_DATE: &str = "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC \
                       Authentication";
const NOT_VALID: &str = "HMAC signature cannot be verified";
const NOT_SAME: &str = "HMAC signature does not match";

/// The longest body whose digest is checked.
const BODY_LIMIT: usize = 64 << 20;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct HmacAuth;

impl Definition for HmacAuth {
    fn name(&self) -> &'static str {
        "hmac-auth"
    }

    fn priority(&self) -> i32 {
        1030
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let algorithms = config.algorithms.unwrap_or_default();
        Ok(Arc::new(Compiled {
            hide: config.hide_credentials,
            clock_skew: config.clock_skew.unwrap_or(300.0),
            checks_body: config.validate_request_body,
            enforced: config.enforce_headers.unwrap_or_default(),
            algorithms: algorithms.iter().filter_map(|name| Algorithm::named(name)).collect(),
            challenge: auth::challenge("hmac", config.realm.as_deref()),
            anonymous: Anonymous::new(config.anonymous),
        }))
    }

    fn collections(&self) -> &'static [&'static str] {
        &[COLLECTION]
    }

    fn credential(&self, _: &str, document: &Value) -> Result<Parsed, String> {
        let secret: Box<[u8]> = auth::text(document, "secret")?.as_bytes().into();
        let value = Secret { secret, keys: Default::default() };
        Ok(Parsed { key: auth::text(document, "username")?.into(), value: Arc::new(value) })
    }
}

#[derive(Deserialize)]
struct Config {
    hide_credentials: bool,
    clock_skew: Option<f64>,
    anonymous: Option<String>,
    validate_request_body: bool,
    enforce_headers: Option<Vec<String>>,
    algorithms: Option<Vec<String>>,
    realm: Option<String>,
}

/// A secret, and what each algorithm made of it when it was first needed; that is more than a kilobyte.
struct Secret {
    secret: Box<[u8]>,
    keys: [OnceLock<Box<hmac::Key>>; 4],
}

impl Secret {
    fn key(&self, algorithm: Algorithm) -> &hmac::Key {
        self.keys[algorithm as usize].get_or_init(|| Box::new(hmac::Key::new(algorithm.hmac(), &self.secret)))
    }
}

#[derive(Debug)]
struct Compiled {
    hide: bool,
    /// Seconds.
    clock_skew: f64,
    checks_body: bool,
    enforced: Vec<String>,
    algorithms: Vec<Algorithm>,
    challenge: Box<str>,
    anonymous: Anonymous,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        if self.anonymous.spares(context) {
            return Access::Continue;
        }
        let (user, identity) = match self.verify(context) {
            Ok(verified) => verified,
            Err(message) => return self.refuse(context, message).map_or(Access::Continue, Access::Respond),
        };
        if self.checks_body {
            return Access::Wait(Box::pin(async move {
                // A body that is too long or breaks off has no digest.
                let same = body.read(BODY_LIMIT).await.is_ok_and(|body| has_digest(context, body));
                if !same {
                    return self.refuse(context, NOT_SAME);
                }
                auth::identify(context, user, Some(identity));
                None
            }));
        }
        auth::identify(context, user, Some(identity));
        Access::Continue
    }
}

impl Compiled {
    /// All but the body.
    fn verify(
        &self,
        context: &mut Context,
    ) -> Result<(Arc<gateway_model::typed::Consumer>, Authenticated), &'static str> {
        let headers = &context.request.headers;
        if !headers.contains("authorization") && !headers.contains("proxy-authorization") {
            return Err("Unauthorized");
        }
        if !self.is_recent(context, "x-date") && !self.is_recent(context, "date") {
            return Err(NO_DATE);
        }
        let claim = self.take(context, "proxy-authorization").or_else(|| self.take(context, "authorization"));
        let claim = claim.ok_or(NOT_VALID)?;
        let algorithm = Algorithm::named(&claim.algorithm).filter(|algorithm| self.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(NOT_VALID)?;
        if !self.enforced.iter().all(|name| claim.signs(name)) {
            return Err(NOT_VALID);
        }
        let credential = context.directory.credential(COLLECTION, &claim.user, || context.now_ms()).ok_or(NOT_VALID)?;
        let secret: &Secret = credential.value().ok_or(NOT_VALID)?;
        let signed = signature::signed_text(&context.request, &claim.headers);
        let signature = BASE64_STANDARD.decode(&claim.signature).map_err(|_| NOT_SAME)?;
        hmac::verify(secret.key(algorithm), &signed, &signature).map_err(|_| NOT_SAME)?;
        let owner = auth::owner(context, credential).ok_or(NOT_VALID)?;
        let identifier = Some(credential.key.clone());
        Ok((owner, Authenticated { id: Arc::clone(&credential.id), identifier }))
    }

    fn is_recent(&self, context: &Context, header: &str) -> bool {
        let Some(date) = context.request.headers.get_str(header) else {
            return false;
        };
        let Ok(date) = rfc2822::DateTimeParser::new().parse_timestamp(date) else {
            return false;
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds between two dates are far below 2^52")]
        let skew = (context.now_ms().div_euclid(1000) - date.as_second()).abs() as f64;
        skew <= self.clock_skew
    }

    /// What a header claims, and hides it from the upstream.
    fn take(&self, context: &mut Context, header: &str) -> Option<Claim> {
        let claim = context.request.headers.get_str(header).and_then(Claim::parse);
        if self.hide {
            context.request.headers.remove(header);
        }
        claim
    }

    fn refuse(&self, context: &mut Context, message: &str) -> Option<Box<Answer>> {
        self.anonymous.settle(context, Err(auth::refuse(&self.challenge, message)))
    }
}

/// Whether `Digest` is that of the body; without one there must be no body.
fn has_digest(context: &Context, body: &[u8]) -> bool {
    let Some(claimed) = context.request.headers.get_str("digest") else {
        return body.is_empty();
    };
    let Some(claimed) = claimed.strip_prefix("SHA-256=").and_then(|digest| BASE64_STANDARD.decode(digest).ok()) else {
        return false;
    };
    verify_slices_are_equal(digest::digest(&digest::SHA256, body).as_ref(), &claimed).is_ok()
}
