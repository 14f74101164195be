//! cors: browsers of other origins may use the API.

mod origin;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Context, Definition, Environment, Headers, Method, Phases, Plugin, RequestBody, ResponseHead,
};
use serde::Deserialize;
use serde_json::Value;

use origin::{Allowed, Origins};
pub(crate) use schema::schema;

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const ALLOW_HEADERS: &str = "Access-Control-Allow-Headers";
const ALLOW_METHODS: &str = "Access-Control-Allow-Methods";
const ALLOW_PRIVATE_NETWORK: &str = "Access-Control-Allow-Private-Network";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";
const ALL_METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Cors;

impl Definition for Cors {
    fn name(&self) -> &'static str {
        "cors"
    }

    fn priority(&self) -> i32 {
        2000
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let list = |names: Option<Vec<String>>| names.filter(|names| !names.is_empty()).map(|names| names.join(","));
        Ok(Arc::new(Compiled {
            origins: Origins::new(config.origins.unwrap_or_default())?,
            headers: list(config.headers),
            exposed: list(config.exposed_headers),
            methods: config.methods.map_or_else(|| ALL_METHODS.to_owned(), |methods| methods.join(",")),
            max_age: config.max_age.map(|seconds| seconds.to_string()),
            credentials: config.credentials,
            private_network: config.private_network,
            preflight_continue: config.preflight_continue,
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    origins: Option<Vec<String>>,
    headers: Option<Vec<String>>,
    exposed_headers: Option<Vec<String>>,
    methods: Option<Vec<String>>,
    max_age: Option<f64>,
    credentials: bool,
    private_network: bool,
    preflight_continue: bool,
}

#[derive(Debug)]
struct Compiled {
    origins: Origins,
    headers: Option<String>,
    exposed: Option<String>,
    methods: String,
    max_age: Option<String>,
    credentials: bool,
    private_network: bool,
    preflight_continue: bool,
}

/// Marks a request as a preflight, whose answer the header filter leaves alone.
struct Preflight;

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let asked = &context.request.headers;
        if context.request.method != Method::Options || !asked.contains("access-control-request-method") {
            return Access::Continue;
        }
        let Some(origin) = asked.get_str("origin") else {
            return Access::Continue;
        };
        let answer = (!self.preflight_continue).then(|| self.preflight(asked, origin));
        context.keep(Preflight);
        answer.map_or(Access::Continue, Access::respond)
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        if context.kept::<Preflight>().is_some() {
            return;
        }
        self.allow(context.request.headers.get_str("origin"), &mut response.headers);
        if let Some(exposed) = &self.exposed {
            response.headers.set(EXPOSE_HEADERS, exposed);
        }
    }
}

impl Compiled {
    fn preflight(&self, asked: &Headers, origin: &str) -> Answer {
        let mut answer = Answer::empty(200);
        let headers = &mut answer.headers;
        self.allow(Some(origin), headers);
        if let Some(allowed) = &self.headers {
            headers.set(ALLOW_HEADERS, allowed);
        } else if let Some(wanted) = asked.get("access-control-request-headers") {
            headers.set(ALLOW_HEADERS, wanted);
        }
        headers.set(ALLOW_METHODS, &self.methods);
        if let Some(seconds) = &self.max_age {
            headers.set(MAX_AGE, seconds);
        }
        if self.private_network && asked.get("access-control-request-private-network") == Some(b"true") {
            headers.set(ALLOW_PRIVATE_NETWORK, "true");
        }
        answer
    }

    /// Says which origin may read the answer, and whether with credentials.
    fn allow(&self, origin: Option<&str>, headers: &mut Headers) {
        let allowed = self.origins.allowed(origin);
        // With `*` browsers take no credentials, so the origin is named instead.
        let named = origin.filter(|_| self.credentials && allowed == Allowed::All);
        if self.origins.vary() || named.is_some() {
            headers.append("vary", "Origin");
        }
        match (named, &allowed) {
            (Some(origin), _) => headers.set(ALLOW_ORIGIN, origin),
            (None, Allowed::All) => headers.set(ALLOW_ORIGIN, "*"),
            (None, Allowed::This(origin)) => headers.set(ALLOW_ORIGIN, &**origin),
            (None, Allowed::None) => drop(headers.remove(ALLOW_ORIGIN)),
        }
        if self.credentials && (allowed != Allowed::All || named.is_some()) {
            headers.set(ALLOW_CREDENTIALS, "true");
        }
    }
}
