//! standard-webhooks: requests are signed as <https://www.standardwebhooks.com> says.

mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_proxy::pdk::{Access, Answer, Context, Definition, Environment, Phases, Plugin, RequestBody};
use serde::Deserialize;
use serde_json::Value;

pub(crate) use schema::schema;

/// The longest body whose signature is checked.
const BODY_LIMIT: usize = 16 << 20;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct StandardWebhooks;

impl Definition for StandardWebhooks {
    fn name(&self) -> &'static str {
        "standard-webhooks"
    }

    fn priority(&self) -> i32 {
        760
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret_v1.as_bytes());
        Ok(Arc::new(Compiled { key, tolerance: config.tolerance_second }))
    }
}

#[derive(Deserialize)]
struct Config {
    secret_v1: String,
    tolerance_second: i64,
}

#[derive(Debug)]
struct Compiled {
    key: hmac::Key,
    /// Seconds.
    tolerance: i64,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        Access::Wait(Box::pin(async move {
            let Some(signed) = Signed::of(context, self.tolerance) else {
                return Some(refusal());
            };
            let verified = match body.read(BODY_LIMIT).await {
                Ok(body) => !body.is_empty() && signed.verify(&self.key, body),
                Err(_) => false,
            };
            (!verified).then(refusal)
        }))
    }
}

/// What the sender says of its request.
struct Signed {
    /// What is signed before the body: `id.time.`
    start: String,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads the fields; nothing when one is missing or the time is too long ago. A time in the future counts.
    fn of(context: &Context, tolerance: i64) -> Option<Self> {
        let headers = &context.request.headers;
        let id = headers.get_str("webhook-id")?;
        let signature = headers.get_str("webhook-signature")?.strip_prefix("v1,")?;
        let sent: i64 = headers.get_str("webhook-timestamp")?.trim().parse().unwrap_or(0);
        let now = context.now_ms().div_euclid(1000);
        (now.saturating_sub(sent) <= tolerance).then_some(())?;
        Some(Self { start: format!("{id}.{sent}."), signature: STANDARD.decode(signature).ok()? })
    }

    fn verify(&self, key: &hmac::Key, body: &[u8]) -> bool {
        let signed = [self.start.as_bytes(), body].concat();
        hmac::verify(key, &signed, &self.signature).is_ok()
    }
}

fn refusal() -> Box<Answer> {
    Box::new(Answer::error(400, "Bad request"))
}
