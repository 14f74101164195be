//! request-size-limiting: bodies of requests may be so long and no longer.

mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{Access, Answer, BodyError, Context, Definition, Environment, Phases, Plugin, RequestBody};
use serde::Deserialize;
use serde_json::Value;

pub(crate) use schema::schema;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct RequestSizeLimiting;

impl Definition for RequestSizeLimiting {
    fn name(&self) -> &'static str {
        "request-size-limiting"
    }

    fn priority(&self) -> i32 {
        951
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let unit = match config.size_unit.as_str() {
            "bytes" => 1,
            "kilobytes" => 1 << 10,
            _ => 1 << 20,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is too large means no limit")]
        let limit = (config.allowed_payload_size.unwrap_or(128.0).max(0.0) as u64).saturating_mul(unit);
        Ok(Arc::new(Compiled { limit, needs_length: config.require_content_length }))
    }
}

#[derive(Deserialize)]
struct Config {
    allowed_payload_size: Option<f64>,
    size_unit: String,
    require_content_length: bool,
}

#[derive(Debug)]
struct Compiled {
    /// Bytes.
    limit: u64,
    needs_length: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        let headers = &context.request.headers;
        let announced = headers.get_str("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if let Some(length) = announced {
            return if length > self.limit { Access::Respond(too_large(context)) } else { Access::Continue };
        }
        let chunked = headers.get_str("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if self.needs_length && !chunked {
            return Access::respond(Answer::error(411, "A valid Content-Length header is required"));
        }
        if body.announced_length() == Some(0) {
            return Access::Continue;
        }
        Access::Wait(Box::pin(async move {
            match body.read(usize::try_from(self.limit).unwrap_or(usize::MAX)).await {
                Err(BodyError::TooLarge(_)) => Some(too_large(context)),
                // Who sends the body on will find that it is broken.
                Ok(_) | Err(BodyError::Broken(_)) => None,
            }
        }))
    }
}

fn too_large(context: &Context) -> Box<Answer> {
    let expects = context.request.headers.get_str("expect");
    let waits = expects.is_some_and(|expected| expected.eq_ignore_ascii_case("100-continue"));
    Box::new(Answer::error(if waits { 417 } else { 413 }, "Request size limit exceeded"))
}
