//! jwt: callers known by a signed token.

mod key;
mod schema;
mod token;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Authenticated, Context, Definition, Environment, Headers, Method, Parsed, Phases, Plugin,
    RequestBody,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::{self, Anonymous};
use crate::query::{self, Argument};

use key::VerificationKey;
pub(crate) use schema::schema;
use token::Token;

const COLLECTION: &str = "jwt_secrets";

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Jwt;

impl Definition for Jwt {
    fn name(&self) -> &'static str {
        "jwt"
    }

    fn priority(&self) -> i32 {
        1450
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let verifies = |claim| config.claims_to_verify.iter().flatten().any(|verified| verified == claim);
        Ok(Arc::new(Compiled {
            exp: verifies("exp"),
            nbf: verifies("nbf"),
            longest: config.maximum_expiration.filter(|longest| *longest > 0.0),
            arguments: config.uri_param_names.unwrap_or_default(),
            cookies: config.cookie_names.unwrap_or_default(),
            headers: config.header_names.unwrap_or_default(),
            key_claim: config.key_claim_name.unwrap_or_else(|| "iss".to_owned()),
            base64_secrets: config.secret_is_base64,
            on_preflight: config.run_on_preflight,
            challenge: auth::challenge("Bearer", config.realm.as_deref()),
            anonymous: Anonymous::new(config.anonymous),
        }))
    }

    fn collections(&self) -> &'static [&'static str] {
        &[COLLECTION]
    }

    fn credential(&self, _: &str, document: &Value) -> Result<Parsed, String> {
        let key = VerificationKey::read(document)?;
        Ok(Parsed { key: auth::text(document, "key")?.into(), value: Arc::new(key) })
    }
}

#[derive(Deserialize)]
struct Config {
    uri_param_names: Option<Vec<String>>,
    cookie_names: Option<Vec<String>>,
    key_claim_name: Option<String>,
    secret_is_base64: bool,
    claims_to_verify: Option<Vec<String>>,
    anonymous: Option<String>,
    run_on_preflight: bool,
    maximum_expiration: Option<f64>,
    header_names: Option<Vec<String>>,
    realm: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    exp: bool,
    nbf: bool,
    /// Seconds until the furthest `exp`.
    longest: Option<f64>,
    arguments: Vec<String>,
    cookies: Vec<String>,
    headers: Vec<String>,
    key_claim: String,
    base64_secrets: bool,
    on_preflight: bool,
    challenge: Box<str>,
    anonymous: Anonymous,
}

/// Why a request is refused.
#[derive(Debug, PartialEq)]
enum Refusal {
    NoToken,
    Message(Cow<'static, str>),
    /// By claim.
    Claims(Map<String, Value>),
    /// The token has something where only text makes sense.
    Unexpected,
}

impl From<&'static str> for Refusal {
    fn from(message: &'static str) -> Self {
        Self::Message(Cow::Borrowed(message))
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        if !self.on_preflight && context.request.method == Method::Options || self.anonymous.spares(context) {
            return Access::Continue;
        }
        let result = self.authenticate(context).map_err(|refusal| Box::new(self.answer(refusal)));
        match self.anonymous.settle(context, result) {
            Some(answer) => Access::Respond(answer),
            None => Access::Continue,
        }
    }
}

impl Compiled {
    fn authenticate(&self, context: &mut Context) -> Result<(), Refusal> {
        let text = self.find(context)?;
        let token = Token::parse(&text).map_err(|reason| Refusal::Message(format!("Bad token; {reason}").into()))?;
        let name = token.text(&self.key_claim).map_err(|()| Refusal::Unexpected)?;
        let name = match name {
            None => return Err(Refusal::Message(format!("No mandatory '{}' in claims", self.key_claim).into())),
            Some("") => return Err(Refusal::Message(format!("Invalid '{}' in claims", self.key_claim).into())),
            Some(name) => name,
        };
        let credential = context
            .directory
            .credential(COLLECTION, name, || context.now_ms())
            .ok_or_else(|| Refusal::Message(format!("No credentials found for given '{}'", self.key_claim).into()))?;
        let key: &VerificationKey = credential.value().ok_or("Invalid key/secret")?;
        key.verify(&token, self.base64_secrets)?;
        self.check_claims(&token, context.now_ms())?;
        let owner = auth::owner(context, credential).ok_or_else(|| {
            Refusal::Message(format!("Could not find consumer for '{}={name}'", self.key_claim).into())
        })?;
        let identity = Authenticated { id: Arc::clone(&credential.id), identifier: Some(credential.key.clone()) };
        auth::identify(context, owner, Some(identity));
        Ok(())
    }

    /// The only token of the request.
    fn find<'a>(&'a self, context: &'a Context) -> Result<Cow<'a, str>, Refusal> {
        let mut tokens = Tokens::default();
        let query = query::of(&context.target.query);
        for name in &self.arguments {
            if query::argument(query, name) == Argument::Bare {
                tokens.bare = true;
            }
            query::arguments(query, name).for_each(|token| tokens.add(token));
        }
        for name in &self.cookies {
            tokens.add(Cow::Borrowed(context.cookie(name).unwrap_or_default()));
        }
        for name in &self.headers {
            tokens.add(Cow::Borrowed(bearer(&context.request.headers, name).unwrap_or_default()));
        }
        match tokens {
            Tokens { several: true, .. } | Tokens { first: Some(_), bare: true, .. } => {
                Err("Multiple tokens provided".into())
            }
            Tokens { first: Some(token), .. } => Ok(token),
            Tokens { bare: true, .. } => Err("Unrecognizable token".into()),
            Tokens { .. } => Err(Refusal::NoToken),
        }
    }

    fn check_claims(&self, token: &Token, now_ms: i64) -> Result<(), Refusal> {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
        let now = now_ms.div_euclid(1000) as f64;
        let mut wrong = Map::new();
        let mut check = |claim: &str, verified: bool, holds: fn(f64, f64) -> bool, otherwise: &str| {
            let complaint = match token.claims.get(claim).and_then(Value::as_f64) {
                _ if !verified => return,
                Some(time) if holds(time, now) => return,
                Some(_) => otherwise,
                None => "must be a number",
            };
            wrong.insert(claim.to_owned(), complaint.into());
        };
        check("nbf", self.nbf, |nbf, now| nbf <= now, "token not valid yet");
        check("exp", self.exp, |exp, now| exp > now, "token expired");
        if let Some(longest) = self.longest
            && wrong.is_empty()
            && token.claims.get("exp").and_then(Value::as_f64).is_none_or(|exp| exp - now > longest)
        {
            wrong.insert("exp".to_owned(), "exceeds maximum allowed expiration".into());
        }
        if wrong.is_empty() { Ok(()) } else { Err(Refusal::Claims(wrong)) }
    }

    fn answer(&self, refusal: Refusal) -> Answer {
        let invalid = || format!("{} error=\"invalid_token\"", self.challenge);
        match refusal {
            Refusal::NoToken => Answer::message(401, "Unauthorized").with("WWW-Authenticate", &*self.challenge),
            Refusal::Message(message) => {
                Answer::json(401, json!({ "message": message })).with("WWW-Authenticate", invalid())
            }
            Refusal::Claims(claims) => Answer::json(401, Value::Object(claims)).with("WWW-Authenticate", invalid()),
            Refusal::Unexpected => Answer::error(500, "An unexpected error occurred"),
        }
    }
}

/// Tokens of a request, of which there should be one, perhaps several times.
#[derive(Default)]
struct Tokens<'a> {
    first: Option<Cow<'a, str>>,
    several: bool,
    /// An argument without a value.
    bare: bool,
}

impl<'a> Tokens<'a> {
    fn add(&mut self, token: Cow<'a, str>) {
        match &self.first {
            _ if token.is_empty() => {}
            None => self.first = Some(token),
            Some(first) => self.several |= *first != token,
        }
    }
}

/// What follows `Bearer` or `bearer` in a header.
fn bearer<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let value = headers.get_str(name)?;
    let rest = value.match_indices("earer").find_map(|(at, word)| {
        let begins = matches!(value.as_bytes().get(at.wrapping_sub(1)), Some(b'B' | b'b'));
        let rest = &value[at + word.len()..];
        (begins && rest.starts_with(|letter: char| letter.is_ascii_whitespace())).then_some(rest)
    })?;
    Some(rest.trim_start())
}
