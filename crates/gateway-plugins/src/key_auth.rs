//! key-auth: callers known by a key in a header, the query or the body.

mod schema;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Authenticated, Context, Definition, Environment, Method, Parsed, Phases, Plugin, RequestBody,
};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::{self, Anonymous};
use crate::body::{self, Field, Fields};
use crate::query::{self, Argument};

pub(crate) use schema::schema;

const COLLECTION: &str = "keyauth_credentials";

/// The longest body that is searched for a key.
const BODY_LIMIT: usize = 16 << 20;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct KeyAuth;

impl Definition for KeyAuth {
    fn name(&self) -> &'static str {
        "key-auth"
    }

    fn priority(&self) -> i32 {
        1250
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled {
            names: config.key_names.into_iter().map(Name::new).collect(),
            hide: config.hide_credentials,
            in_header: config.key_in_header,
            in_query: config.key_in_query,
            in_body: config.key_in_body,
            on_preflight: config.run_on_preflight,
            challenge: auth::challenge("Key", config.realm.as_deref()),
            anonymous: Anonymous::new(config.anonymous),
        }))
    }

    fn collections(&self) -> &'static [&'static str] {
        &[COLLECTION]
    }

    fn credential(&self, _: &str, document: &Value) -> Result<Parsed, String> {
        Ok(Parsed { key: auth::text(document, "key")?.into(), value: Arc::new(()) })
    }
}

#[derive(Deserialize)]
struct Config {
    key_names: Vec<String>,
    hide_credentials: bool,
    anonymous: Option<String>,
    key_in_header: bool,
    key_in_query: bool,
    key_in_body: bool,
    run_on_preflight: bool,
    realm: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    names: Vec<Name>,
    hide: bool,
    in_header: bool,
    in_query: bool,
    in_body: bool,
    on_preflight: bool,
    challenge: Box<str>,
    anonymous: Anonymous,
}

/// Where a key may be.
#[derive(Debug)]
struct Name {
    text: String,
    /// With hyphens for underscores, which headers are also found by.
    hyphenated: Option<String>,
}

impl Name {
    fn new(text: String) -> Self {
        let hyphenated = text.contains('_').then(|| text.replace('_', "-"));
        Self { text, hyphenated }
    }
}

/// What was found under the first name that anything was found under.
enum Found<'n, 'k> {
    Nothing,
    Key(&'n Name, Cow<'k, str>),
    Several,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        if !self.on_preflight && context.request.method == Method::Options || self.anonymous.spares(context) {
            return Access::Continue;
        }
        if self.in_body && body::has_fields(&context.request.headers) {
            return Access::Wait(Box::pin(async move {
                // A body that is too long or breaks off has no key.
                let fields = body.read(BODY_LIMIT).await.ok();
                let fields = fields.and_then(|body| Fields::read(&context.request.headers, body));
                let result = self.authenticate(context, fields);
                self.anonymous.settle(context, result)
            }));
        }
        let result = self.authenticate(context, None);
        match self.anonymous.settle(context, result) {
            Some(answer) => Access::Respond(answer),
            None => Access::Continue,
        }
    }
}

impl Compiled {
    fn authenticate(&self, context: &mut Context, fields: Option<Fields>) -> Result<(), Box<Answer>> {
        let (name, credential) = match self.find(context, fields.as_ref()) {
            Found::Nothing => return Err(self.refuse("No API key found in request")),
            Found::Several => return Err(self.refuse("Duplicate API key found")),
            Found::Key(_, key) if key.is_empty() => return Err(self.refuse("No API key found in request")),
            Found::Key(name, key) => {
                (name, context.directory.credential(COLLECTION, &key, || context.now_ms()).map(Arc::clone))
            }
        };
        if self.hide {
            hide(context, name, fields);
        }
        let credential = credential.ok_or_else(|| self.refuse("Unauthorized"))?;
        let owner = auth::owner(context, &credential).ok_or_else(|| self.refuse("Unauthorized"))?;
        let identifier = Some(Box::from(&*credential.id));
        auth::identify(context, owner, Some(Authenticated { id: Arc::clone(&credential.id), identifier }));
        Ok(())
    }

    fn find<'n: 'k, 'k>(&'n self, context: &'k Context, fields: Option<&'k Fields>) -> Found<'n, 'k> {
        for name in &self.names {
            let found = self.look(context, fields, name);
            if !matches!(found, Found::Nothing) {
                return found;
            }
        }
        Found::Nothing
    }

    /// In the order header, query, body; what is there at all is not looked for elsewhere.
    fn look<'n: 'k, 'k>(&self, context: &'k Context, fields: Option<&'k Fields>, name: &'n Name) -> Found<'n, 'k> {
        if self.in_header {
            for spelling in std::iter::once(&name.text).chain(&name.hyphenated) {
                let mut keys = context.request.headers.get_all(spelling);
                match (keys.next(), keys.next()) {
                    (None, _) => {}
                    (Some(key), None) => return Found::Key(name, String::from_utf8_lossy(key)),
                    (Some(_), Some(_)) => return Found::Several,
                }
            }
        }
        if self.in_query {
            match query::argument(query::of(&context.target.query), &name.text) {
                Argument::Absent => {}
                Argument::Bare => return Found::Nothing,
                Argument::One(key) => return Found::Key(name, key),
                Argument::Many => return Found::Several,
            }
        }
        match fields.map_or(Field::Absent, |fields| fields.get(&name.text)) {
            Field::Absent | Field::Other => Found::Nothing,
            Field::Text(key) => Found::Key(name, key),
            Field::Many => Found::Several,
        }
    }

    fn refuse(&self, message: &str) -> Box<Answer> {
        auth::refuse(&self.challenge, message)
    }
}

/// Takes everything `name` names out of the request.
fn hide(context: &mut Context, name: &Name, fields: Option<Fields>) {
    context.request.headers.remove(&name.text);
    if let Some(hyphenated) = &name.hyphenated {
        context.request.headers.remove(hyphenated);
    }
    if let Some(query) = context.target.query.strip_prefix(b"?") {
        let mut left = vec![b'?'];
        left.extend(query::without(query, &name.text));
        context.target.query = left;
    }
    if let Some(fields) = fields {
        context.replaced_body = Some(fields.without(&name.text));
    }
}
