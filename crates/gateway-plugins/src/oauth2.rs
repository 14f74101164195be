//! oauth2: applications get tokens, with which they call.
//!
//! Codes and tokens that the plugin gives out are entities of the database as those that the Admin API brings, and so
//! count on all its nodes. A node without a database keeps those it gives out in its memory.

mod endpoints;
mod grants;
mod ledger;
mod params;
mod schema;
mod secret;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Authenticated, Context, Definition, Environment, Method, Parsed, Phases, Plugin, RequestBody,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{self, Anonymous};
use crate::body::Fields;
use crate::query;

use grants::Token;
use ledger::Ledger;
use params::Params;
pub(crate) use schema::schema;

const CREDENTIALS: &str = "oauth2_credentials";
const TOKENS: &str = "oauth2_tokens";
const CODES: &str = "oauth2_authorization_codes";

const SCOPE_FIELD: &str = "X-Authenticated-Scope";
const USER_FIELD: &str = "X-Authenticated-UserId";

/// The longest body that is searched for parameters.
const BODY_LIMIT: usize = 1 << 20;

const INVALID_TOKEN: &str = "The access token is invalid or has expired";

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct OAuth2;

impl Definition for OAuth2 {
    fn name(&self) -> &'static str {
        "oauth2"
    }

    fn priority(&self) -> i32 {
        1400
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled {
            ledger: Ledger::of(environment),
            scopes: config.scopes.unwrap_or_default(),
            mandatory_scope: config.mandatory_scope,
            provision_key: config.provision_key.ok_or("provision_key: a key is needed")?,
            token_expiration: seconds(config.token_expiration),
            refresh_token_ttl: seconds(config.refresh_token_ttl),
            authorization_code: config.enable_authorization_code,
            implicit_grant: config.enable_implicit_grant,
            client_credentials: config.enable_client_credentials,
            password_grant: config.enable_password_grant,
            hide: config.hide_credentials,
            accepts_terminated: config.accept_http_if_already_terminated,
            anonymous: Anonymous::new(config.anonymous),
            global: config.global_credentials,
            header: config.auth_header_name.unwrap_or_else(|| "authorization".to_owned()),
            reuse_refresh_token: config.reuse_refresh_token,
            pkce: config.pkce.as_deref() != Some("none"),
            pkce_always: config.pkce.as_deref() == Some("strict"),
            scheme: auth::challenge("Bearer", config.realm.as_deref()),
        }))
    }

    fn collections(&self) -> &'static [&'static str] {
        &[CREDENTIALS, TOKENS]
    }

    fn credential(&self, collection: &str, document: &Value) -> Result<Parsed, String> {
        let text = |field: &str| document.get(field).and_then(Value::as_str).map(str::to_owned);
        if collection == TOKENS {
            let access = auth::text(document, "access_token")?.to_owned();
            let token = document.as_object().and_then(Token::read).ok_or("credential: an application is needed")?;
            return Ok(Parsed { key: access.into(), value: Arc::new(Arc::new(token)) });
        }
        let redirects = document.get("redirect_uris").and_then(Value::as_array);
        let application = Application {
            secret: text("client_secret").unwrap_or_default(),
            public: text("client_type").as_deref() == Some("public"),
            redirects: redirects.into_iter().flatten().filter_map(|uri| Some(uri.as_str()?.to_owned())).collect(),
        };
        Ok(Parsed { key: auth::text(document, "client_id")?.into(), value: Arc::new(Arc::new(application)) })
    }
}

/// Whole seconds.
fn seconds(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what is whole and small")]
    let seconds = number.clamp(0.0, 1e12) as i64;
    seconds
}

#[derive(Deserialize)]
struct Config {
    scopes: Option<Vec<String>>,
    mandatory_scope: bool,
    provision_key: Option<String>,
    token_expiration: f64,
    enable_authorization_code: bool,
    enable_implicit_grant: bool,
    enable_client_credentials: bool,
    enable_password_grant: bool,
    hide_credentials: bool,
    accept_http_if_already_terminated: bool,
    anonymous: Option<String>,
    global_credentials: bool,
    auth_header_name: Option<String>,
    refresh_token_ttl: f64,
    reuse_refresh_token: bool,
    pkce: Option<String>,
    realm: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    ledger: Ledger,
    scopes: Vec<String>,
    mandatory_scope: bool,
    provision_key: String,
    /// Seconds; 0 for ever.
    token_expiration: i64,
    /// Seconds; 0 for ever.
    refresh_token_ttl: i64,
    authorization_code: bool,
    implicit_grant: bool,
    client_credentials: bool,
    password_grant: bool,
    hide: bool,
    accepts_terminated: bool,
    anonymous: Anonymous,
    global: bool,
    header: String,
    reuse_refresh_token: bool,
    pkce: bool,
    pkce_always: bool,
    /// The beginning of challenges: `Bearer`, with the realm if there is one.
    scheme: Box<str>,
}

/// What is known of an application.
#[derive(Debug)]
struct Application {
    /// As it is stored, perhaps as a hash.
    secret: String,
    /// Whether it cannot keep a secret.
    public: bool,
    redirects: Vec<String>,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Code,
    Token,
    Access,
}

impl Wanted {
    fn of(context: &Context) -> Self {
        let path = context.request.path();
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if path.ends_with(b"/oauth2/token") {
            Self::Token
        } else if path.ends_with(b"/oauth2/authorize") {
            Self::Code
        } else {
            Self::Access
        }
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        let wanted = Wanted::of(context);
        if wanted == Wanted::Access && self.anonymous.spares(context) {
            return Access::Continue;
        }
        // Only where the header has no token it may be in the body.
        let read = wanted != Wanted::Access || !context.request.headers.contains(&self.header);
        let reads = read && params::has_body(context);
        if wanted == Wanted::Access && !reads {
            return self.admit(context, None).map_or(Access::Continue, Access::Respond);
        }
        Access::Wait(Box::pin(async move {
            let bytes = if reads { body.read(BODY_LIMIT).await.ok() } else { None };
            let fields = bytes.and_then(|bytes| Fields::read(&context.request.headers, bytes));
            match wanted {
                Wanted::Access => self.admit(context, fields),
                _ if context.request.method != Method::Post => Some(self.refuse_method(context, wanted)),
                Wanted::Token => Some(self.token(context, &Params::new(context, fields)).await),
                Wanted::Code => Some(self.authorize(context, &Params::new(context, fields)).await),
            }
        }))
    }
}

impl Compiled {
    /// Lets in who shows a token.
    fn admit(&self, context: &mut Context, body: Option<Fields>) -> Option<Box<Answer>> {
        let result = self.authenticate(context, body);
        self.anonymous.settle(context, result)
    }

    /// The application with this client id, and its own id.
    fn application(&self, context: &Context, client_id: &str) -> Option<(Arc<str>, Arc<Application>)> {
        let credential = context.directory.credential(CREDENTIALS, client_id, || context.now_ms())?;
        Some((Arc::clone(&credential.id), Arc::clone(credential.value::<Arc<Application>>()?)))
    }

    fn authenticate(&self, context: &mut Context, body: Option<Fields>) -> Result<(), Box<Answer>> {
        for field in [SCOPE_FIELD, USER_FIELD] {
            context.request.headers.remove(field);
        }
        let shown = self.shown_token(context, body).ok_or_else(|| {
            let body = json!({ "error": "invalid_request", "error_description": "The access token is missing" });
            Box::new(Answer::json(401, body).with("WWW-Authenticate", &*self.scheme))
        })?;
        let now = context.now_ms().div_euclid(1000);
        let token = self.ledger.token(&shown, now).or_else(|| {
            let credential = context.directory.credential(TOKENS, &shown, || context.now_ms())?;
            credential.value::<Arc<Token>>().map(Arc::clone)
        });
        let token = token.filter(|token| token.counts(now)).ok_or_else(|| self.invalid_token())?;
        match (&token.service, &context.service) {
            (None, _) if self.global => {}
            (None, _) => {
                let description =
                    "The access token is global, but the current plugin is configured without 'global_credentials'";
                return Err(self.refuse_token(description));
            }
            (Some(of), Some(service)) if *of == service.id => {}
            (Some(_), _) => return Err(self.invalid_token()),
        }
        let found = context.directory.credential_by_id(CREDENTIALS, &token.application);
        let credential = found.map(Arc::clone).ok_or_else(|| self.invalid_token())?;
        let owner = auth::owner(context, &credential).ok_or_else(|| self.invalid_token())?;
        let identifier = Some(credential.key.clone());
        auth::identify(context, owner, Some(Authenticated { id: Arc::clone(&credential.id), identifier }));
        for (field, value) in [(SCOPE_FIELD, &token.scope), (USER_FIELD, &token.user)] {
            if let Some(value) = value.as_ref().filter(|value| gateway_proxy::pdk::headers::is_value(value.as_bytes()))
            {
                context.request.headers.set(field, value);
            }
        }
        Ok(())
    }

    /// The token of a request, out of the header or else a parameter; taken away there if it is to be hidden.
    fn shown_token(&self, context: &mut Context, body: Option<Fields>) -> Option<String> {
        if let Some(line) = context.request.headers.get_str(&self.header) {
            let mut words = line.split_whitespace();
            let token = match (words.next(), words.next(), words.next()) {
                (Some(scheme), Some(token), None)
                    if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") =>
                {
                    token.to_owned()
                }
                _ => line.to_owned(),
            };
            if self.hide {
                context.request.headers.remove(&self.header);
            }
            return Some(token);
        }
        let params = Params::new(context, body);
        let token = params.get("access_token")?.into_owned();
        let body = params.into_body();
        if self.hide {
            if let Some(query) = context.target.query.strip_prefix(b"?") {
                let left = query::without(query, "access_token");
                context.target.query = if left.is_empty() { Vec::new() } else { [b"?", &left[..]].concat() };
            }
            if let Some(body) = body {
                context.replaced_body = Some(body.without("access_token"));
            }
        }
        Some(token)
    }

    fn invalid_token(&self) -> Box<Answer> {
        self.refuse_token(INVALID_TOKEN)
    }

    /// What is wrong in detail is told in the body only.
    fn refuse_token(&self, description: &str) -> Box<Answer> {
        let body = json!({ "error": "invalid_token", "error_description": description });
        let challenge = self.challenge("invalid_token", INVALID_TOKEN);
        Box::new(Answer::json(401, body).with("WWW-Authenticate", challenge))
    }

    fn refuse_method(&self, context: &Context, wanted: Wanted) -> Box<Answer> {
        let endpoint = if wanted == Wanted::Token { "token" } else { "authorization" };
        let method = context.request.method.as_str();
        let description = format!("The HTTP method {method} is invalid for the {endpoint} endpoint");
        let challenge = self.challenge("invalid_method", &description);
        let body = json!({ "error": "invalid_method", "error_description": description });
        Box::new(Answer::json(405, body).with("WWW-Authenticate", challenge))
    }

    fn challenge(&self, error: &str, description: &str) -> String {
        format!("{} error=\"{error}\" error_description=\"{description}\"", self.scheme)
    }
}
