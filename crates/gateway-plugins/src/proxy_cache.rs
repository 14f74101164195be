//! proxy-cache: answers of upstreams are kept in memory and given again.

mod directives;
mod endpoint;
mod key;
mod media_type;
mod memory;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Content, Context, Definition, Environment, Headers, Method, Phases, Plugin, RequestBody,
    ResponseHead, Source,
};
use serde::Deserialize;
use serde_json::Value;

use directives::Directives;
pub use endpoint::{CacheAnswer, CacheEndpoint};
use key::Vary;
use media_type::MediaType;
use memory::{BODY_LIMIT, Entry, Key, Memory};
pub(crate) use schema::schema;

const STATUS: &str = "X-Cache-Status";
const KEY: &str = "X-Cache-Key";

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct ProxyCache;

impl Definition for ProxyCache {
    fn name(&self) -> &'static str {
        "proxy-cache"
    }

    fn priority(&self) -> i32 {
        100
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let memory = environment.node.shared(Memory::default);
        Ok(Arc::new(Compiled {
            enlisted: memory.enlist(&environment.plugin),
            memory,
            statuses: config.response_code,
            methods: config.request_method.iter().map(|method| Method::from_token(method)).collect(),
            types: config.content_type.iter().filter_map(|text| MediaType::parse(text)).collect(),
            ttl: config.cache_ttl.unwrap_or(300.0),
            storage_ttl: config.storage_ttl,
            obeys: config.cache_control,
            vary: Vary {
                arguments: config.vary_query_params.unwrap_or_default(),
                headers: config.vary_headers.unwrap_or_default(),
                ignore_case: config.ignore_uri_case.unwrap_or(false),
            },
            tells: config.response_headers,
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    response_code: Vec<u16>,
    request_method: Vec<String>,
    content_type: Vec<String>,
    cache_ttl: Option<f64>,
    storage_ttl: Option<f64>,
    cache_control: bool,
    ignore_uri_case: Option<bool>,
    vary_query_params: Option<Vec<String>>,
    vary_headers: Option<Vec<String>>,
    response_headers: Tells,
}

/// What clients are told.
#[derive(Debug, Deserialize)]
struct Tells {
    age: Option<bool>,
    #[serde(rename = "X-Cache-Status")]
    status: Option<bool>,
    #[serde(rename = "X-Cache-Key")]
    key: Option<bool>,
}

#[derive(Debug)]
struct Compiled {
    memory: Arc<Memory>,
    /// Says that the plugin is in force.
    #[expect(dead_code, reason = "its life is what counts")]
    enlisted: Arc<()>,
    statuses: Vec<u16>,
    methods: Vec<Method>,
    types: Vec<MediaType>,
    /// Seconds.
    ttl: f64,
    /// Seconds; instead of the time an answer is fresh.
    storage_ttl: Option<f64>,
    /// Whether `Cache-Control` counts.
    obeys: bool,
    vary: Vary,
    tells: Tells,
}

/// An answer on its way that may be kept.
#[derive(Debug)]
struct Pending {
    key: Key,
    /// Known from the head on.
    entry: Option<Entry>,
}

/// Marks an answer that was given again.
struct GivenAgain;

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: true, body_filter: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let said = Directives::of(&context.request.headers);
        let kept_away = self.obeys && (said.no_store || said.no_cache);
        if kept_away || !self.methods.contains(&context.request.method) {
            self.tell_status(&mut context.response_headers, "Bypass");
            return Access::Continue;
        }
        let key = self.vary.key(context);
        if self.tells.key != Some(false) {
            context.response_headers.set(KEY, crate::hex(&key));
        }
        let now = context.now_ms().div_euclid(1000);
        let Some(entry) = self.memory.get(&key, now) else {
            if self.obeys && said.only_if_cached {
                return Access::respond(Answer::error(504, "The upstream server is timing out"));
            }
            return self.let_through(context, key, "Miss");
        };
        if !self.is_acceptable(&entry, &said, now) {
            return self.let_through(context, key, "Refresh");
        }
        context.keep(GivenAgain);
        Access::respond(self.give(&entry, now))
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        if context.kept::<GivenAgain>().is_some() {
            // It is the upstream's answer, if an old one.
            context.source = Source::Service;
            return;
        }
        let now = context.now_ms().div_euclid(1000);
        let Some(pending) = context.kept_mut::<Pending>() else { return };
        let said = Directives::of(&response.headers);
        if !self.is_kept(response, &said, now) {
            if self.tells.status != Some(false) {
                response.headers.set(STATUS, "Bypass");
            }
            return;
        }
        let fresh = if self.obeys { said.freshness(&response.headers, now) } else { self.ttl };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
        let forget = now as f64 + self.storage_ttl.unwrap_or(fresh);
        pending.entry = Some(Entry {
            status: response.status,
            headers: response.headers.clone(),
            body: Vec::new(),
            stored: now,
            ttl: fresh,
            forget,
        });
    }

    fn body_filter(&self, context: &mut Context, part: &mut Vec<u8>, last: bool) {
        let head = context.request.method == Method::Head;
        let now = context.now_ms().div_euclid(1000);
        let Some(pending) = context.kept_mut::<Pending>() else { return };
        let Some(entry) = &mut pending.entry else { return };
        entry.body.extend_from_slice(part);
        if entry.body.len() > BODY_LIMIT || head {
            // What a HEAD request gets has no body to be given again.
            pending.entry = None;
            return;
        }
        if last && let Some(entry) = pending.entry.take() {
            self.memory.put(pending.key, entry, now);
        }
    }
}

impl Compiled {
    fn let_through(&self, context: &mut Context, key: Key, status: &str) -> Access<'static> {
        self.tell_status(&mut context.response_headers, status);
        context.keep(Pending { key, entry: None });
        Access::Continue
    }

    fn tell_status(&self, headers: &mut Headers, status: &str) {
        if self.tells.status != Some(false) {
            headers.set(STATUS, status);
        }
    }

    /// Whether the client takes an answer of this age.
    #[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 seconds")]
    fn is_acceptable(&self, entry: &Entry, said: &Directives, now: i64) -> bool {
        let age = (now - entry.stored) as f64;
        if !self.obeys {
            return age <= self.ttl;
        }
        said.max_age.is_none_or(|most| age <= most)
            && said.max_stale.is_none_or(|most| age - entry.ttl <= most)
            && said.min_fresh.is_none_or(|least| entry.ttl - age >= least)
    }

    fn is_kept(&self, response: &ResponseHead, said: &Directives, now: i64) -> bool {
        let mut types = response.headers.get_all("content-type");
        let media_type = match (types.next(), types.next()) {
            (Some(text), None) => std::str::from_utf8(text).ok().and_then(MediaType::parse),
            _ => None,
        };
        self.statuses.contains(&response.status)
            && media_type.is_some_and(|media_type| self.types.iter().any(|kept| kept.includes(&media_type)))
            && !(self.obeys
                && (said.private || said.no_store || said.no_cache || said.freshness(&response.headers, now) <= 0.0))
    }

    fn give(&self, entry: &Entry, now: i64) -> Answer {
        let mut headers = Headers::new();
        for (name, value) in entry.headers.iter() {
            if !is_of_the_connection(name) && !name.eq_ignore_ascii_case(STATUS.as_bytes()) {
                headers.append_bytes(name, value);
            }
        }
        if self.tells.age != Some(false) {
            headers.set("age", (now - entry.stored).max(0).to_string());
        }
        self.tell_status(&mut headers, "Hit");
        Answer { status: entry.status, headers, content: Content::Bytes(entry.body.clone()) }
    }
}

/// Whether a field says something of the connection it came over, or of a body's framing.
fn is_of_the_connection(name: &[u8]) -> bool {
    const FIELDS: [&str; 10] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    FIELDS.iter().any(|field| field.as_bytes().eq_ignore_ascii_case(name))
}
