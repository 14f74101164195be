//! Which pages in browsers may call.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use regex::Regex;

/// Origins that are allowed, compiled.
#[derive(Debug)]
pub(super) struct Cors(Vec<Regex>);

impl Cors {
    /// Each domain is a literal or a regular expression. What is neither matches nothing.
    pub(super) fn new(domains: &[String]) -> Self {
        let compile = |domain: &String| {
            let pattern = Regex::new(&format!("^(?:{domain})$"));
            pattern.inspect_err(|error| tracing::warn!(%error, domain, "CORS domain is not a regular expression")).ok()
        };
        Self(domains.iter().filter_map(compile).collect())
    }

    fn allows(&self, origin: &str) -> bool {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        self.0.iter().any(|pattern| pattern.is_match(origin) || pattern.is_match(host))
    }

    /// Adds the headers a browser wants to see, if the page may call.
    pub(super) fn decorate(&self, parts: &Parts, headers: &mut HeaderMap) {
        let Some(origin) = parts.headers.get(header::ORIGIN) else { return };
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if !origin.to_str().is_ok_and(|origin| self.allows(origin)) {
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if is_preflight(parts) {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE, OPTIONS"),
            );
            if let Some(wanted) = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
        }
    }
}

pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
}
