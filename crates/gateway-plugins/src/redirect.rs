//! redirect: sends clients to another place.

mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Context, Definition, Environment, Phases, Plugin, RequestBody, ResponseHead, headers,
};
use gateway_router::path::{escape_into, normalize};
use serde::Deserialize;
use serde_json::Value;

pub(crate) use schema::schema;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Redirect;

impl Definition for Redirect {
    fn name(&self) -> &'static str {
        "redirect"
    }

    fn priority(&self) -> i32 {
        779
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        if !headers::is_value(config.location.as_bytes()) {
            return Err("location has a line break: remove it".to_owned());
        }
        let keep = config.keep_incoming_path.unwrap_or(false);
        let to = if keep { Location::with_incoming_path(&config.location) } else { Location::Fixed(config.location) };
        Ok(Arc::new(Compiled { status: config.status_code, to }))
    }
}

#[derive(Deserialize)]
struct Config {
    status_code: u16,
    location: String,
    keep_incoming_path: Option<bool>,
}

#[derive(Debug)]
struct Compiled {
    status: u16,
    to: Location,
}

/// Where to.
#[derive(Debug)]
enum Location {
    Fixed(String),
    /// With the request's path and query between these.
    Incoming {
        origin: String,
        fragment: String,
    },
}

/// Marks the answer as this plugin's.
struct Redirected;

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        context.keep(Redirected);
        let location = self.to.of(&context.request.target);
        Access::respond(Answer::bytes(self.status, "text/plain", "redirecting").with("Location", location))
    }

    /// The words are for nobody, so they have no type.
    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        if context.kept::<Redirected>().is_some() {
            response.headers.remove("Content-Type");
        }
    }
}

impl Location {
    fn with_incoming_path(location: &str) -> Self {
        let (rest, fragment) = location.split_at(location.find('#').unwrap_or(location.len()));
        let authority = rest.find("://").map_or(0, |scheme| scheme + 3);
        let end = rest[authority..].find(['/', '?']).map_or(rest.len(), |at| authority + at);
        Self::Incoming { origin: rest[..end].to_owned(), fragment: fragment.to_owned() }
    }

    fn of(&self, target: &[u8]) -> Vec<u8> {
        match self {
            Self::Fixed(location) => location.clone().into_bytes(),
            Self::Incoming { origin, fragment } => {
                let target = if target.starts_with(b"/") { target } else { b"/" };
                let (path, query) = target.split_at(memchr::memchr(b'?', target).unwrap_or(target.len()));
                let mut location = origin.clone().into_bytes();
                escape_into(&normalize(path), &mut location);
                location.extend_from_slice(query);
                location.extend_from_slice(fragment.as_bytes());
                location
            }
        }
    }
}
