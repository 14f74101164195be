//! response-transformer: other header fields, or other fields of a JSON body, than the upstream sent.

mod body;
mod headers;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{Context, Definition, Environment, Headers, Phases, Plugin, ResponseHead};
use serde::Deserialize;
use serde_json::Value;

use body::BodyChanges;
use headers::HeaderChanges;
pub(crate) use schema::schema;

/// The longest body that is changed; longer ones pass as they are.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct ResponseTransformer;

impl Definition for ResponseTransformer {
    fn name(&self) -> &'static str {
        "response-transformer"
    }

    fn priority(&self) -> i32 {
        800
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let body = BodyChanges::new(&config);
        Ok(Arc::new(Compiled { headers: HeaderChanges::new(&config)?, body: (!body.is_empty()).then_some(body) }))
    }
}

#[derive(Deserialize)]
struct Config {
    remove: Section,
    rename: Section,
    replace: Section,
    add: Section,
    append: Section,
}

#[derive(Deserialize)]
struct Section {
    json: Vec<String>,
    headers: Vec<String>,
    #[serde(default)]
    json_types: Vec<Type>,
}

/// What a new JSON value is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Boolean,
    Number,
    String,
}

#[derive(Debug)]
struct Compiled {
    headers: HeaderChanges,
    body: Option<BodyChanges>,
}

/// What came of a body so far; `None` once it is too long. Absent for bodies that are not changed.
struct Collected(Option<Vec<u8>>);

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { header_filter: true, body_filter: self.body.is_some(), ..Phases::default() }
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        let was_json = is_json(&response.headers);
        self.headers.make(&mut response.headers);
        if self.body.is_none() {
            return;
        }
        if was_json {
            response.headers.remove("Content-Length");
        }
        if is_json(&response.headers) {
            context.keep(Collected(Some(Vec::new())));
        }
    }

    fn body_filter(&self, context: &mut Context, part: &mut Vec<u8>, last: bool) {
        let (Some(changes), Some(Collected(collected))) = (&self.body, context.kept_mut::<Collected>()) else {
            return;
        };
        let Some(mut body) = collected.take() else { return };
        body.append(part);
        if body.len() > BODY_LIMIT {
            *part = body;
        } else if last {
            *part = changes.make(&body).unwrap_or(body);
        } else {
            *collected = Some(body);
        }
    }
}

/// Whether one of the content types is JSON.
fn is_json(headers: &Headers) -> bool {
    headers.get_str("content-type").is_some_and(|types| {
        types.split(',').any(|kind| {
            kind.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
        })
    })
}

/// What stands before the first colon, and what after it and those next to it.
fn pair(entry: &str) -> (&str, &str) {
    let (name, value) = entry.split_once(':').unwrap_or((entry, ""));
    (name, value.trim_start_matches(':'))
}
