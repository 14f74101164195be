//! Where codes and tokens that were given out are: in the node's database, or in its memory when it has none.

use std::sync::Arc;

use gateway_proxy::pdk::documents::DocumentsUnavailable;
use gateway_proxy::pdk::{Documents, Environment};
use serde_json::{Map, Value, json};
use tracing::warn;

use super::grants::{CODE_LIFETIME, Code, Grants, Token};
use super::{CODES, TOKENS};

/// The longest life of a document that ends, in seconds.
const MAX_TTL: i64 = 100_000_000;

/// The database cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Away;

/// What was given out.
#[derive(Debug)]
pub(super) enum Ledger {
    /// Of this node.
    Own(Arc<Grants>),
    /// Of all nodes on the database.
    Shared(Documents),
}

/// What was found, and what it is taken away by.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// The text it was found by, or the id of its document.
    key: String,
    pub(super) value: T,
}

impl Ledger {
    pub(super) fn of(environment: &Environment) -> Self {
        match Documents::of(&environment.node) {
            Some(documents) => Self::Shared(documents),
            None => Self::Own(environment.node.shared(Grants::default)),
        }
    }

    /// Keeps a code.
    pub(super) async fn put_code(&self, text: String, code: Code) -> Result<(), Away> {
        let documents = match self {
            Self::Own(grants) => {
                grants.put_code(text, code);
                return Ok(());
            }
            Self::Shared(documents) => documents,
        };
        let mut document = fields(json!({
            "code": text,
            "credential": { "id": code.application },
            "ttl": CODE_LIFETIME,
        }));
        put(&mut document, "authenticated_userid", code.user);
        put(&mut document, "scope", code.scope);
        if let Some(challenge) = code.challenge {
            put(&mut document, "challenge", Some(challenge));
            put(&mut document, "challenge_method", Some("S256".to_owned()));
        }
        put_service(&mut document, code.service.as_deref());
        documents.insert(CODES, document).await.map_err(away)
    }

    /// The code if it still counts at `now`, in Unix seconds.
    pub(super) async fn code(&self, text: &str, now: i64) -> Result<Option<Found<Code>>, Away> {
        let documents = match self {
            Self::Own(grants) => {
                return Ok(grants.code(text, now).map(|value| Found { key: text.to_owned(), value }));
            }
            Self::Shared(documents) => documents,
        };
        let Some(document) = documents.find(CODES, "code", text.to_owned()).await.map_err(away)? else {
            return Ok(None);
        };
        let code = Code {
            application: id_in(&document, "credential").unwrap_or_default(),
            service: id_in(&document, "service"),
            user: text_in(&document, "authenticated_userid"),
            scope: text_in(&document, "scope"),
            challenge: text_in(&document, "challenge"),
            created: document.get("created_at").and_then(Value::as_i64).unwrap_or(0),
        };
        let counts = now - code.created < CODE_LIFETIME;
        let key = text_in(&document, "id").unwrap_or_default();
        Ok(counts.then_some(Found { key, value: code }))
    }

    /// Takes a code away; whether it was there. Of several who try at once one succeeds.
    pub(super) async fn spend_code(&self, code: &Found<Code>) -> Result<bool, Away> {
        match self {
            Self::Own(grants) => Ok(grants.spend_code(&code.key)),
            Self::Shared(documents) => documents.delete(CODES, code.key.clone()).await.map_err(away),
        }
    }

    /// Keeps a token.
    pub(super) async fn put_token(&self, token: Token) -> Result<(), Away> {
        let documents = match self {
            Self::Own(grants) => {
                grants.put_token(token);
                return Ok(());
            }
            Self::Shared(documents) => documents,
        };
        let mut document = fields(json!({
            "access_token": token.access,
            "credential": { "id": token.application },
            "expires_in": token.expires_in,
            "token_type": "bearer",
        }));
        put(&mut document, "refresh_token", token.refresh);
        put(&mut document, "authenticated_userid", token.user);
        put(&mut document, "scope", token.scope);
        put_service(&mut document, token.service.as_deref());
        if token.forget < i64::MAX {
            document.insert("ttl".to_owned(), (token.forget - token.created).clamp(1, MAX_TTL).into());
        }
        documents.insert(TOKENS, document).await.map_err(away)
    }

    /// The token with this text, whether or not it still gives access, unless it is in the database: from there all
    /// workers have it already.
    pub(super) fn token(&self, access: &str, now: i64) -> Option<Arc<Token>> {
        match self {
            Self::Own(grants) => grants.token(access, now),
            Self::Shared(_) => None,
        }
    }

    /// The token that can be renewed with this text.
    pub(super) async fn by_refresh(&self, refresh: &str, now: i64) -> Result<Option<Found<Arc<Token>>>, Away> {
        let documents = match self {
            Self::Own(grants) => {
                let found = grants.by_refresh(refresh, now);
                return Ok(found.map(|value| Found { key: value.access.clone(), value }));
            }
            Self::Shared(documents) => documents,
        };
        let found = documents.find(TOKENS, "refresh_token", refresh.to_owned()).await.map_err(away)?;
        Ok(found.and_then(|document| {
            let value = Arc::new(Token::read(&document)?);
            Some(Found { key: text_in(&document, "id")?, value })
        }))
    }

    /// Takes a token away; whether it was there. Of several who try at once one succeeds.
    pub(super) async fn remove_token(&self, token: &Found<Arc<Token>>) -> Result<bool, Away> {
        match self {
            Self::Own(grants) => Ok(grants.remove_token(&token.value)),
            Self::Shared(documents) => documents.delete(TOKENS, token.key.clone()).await.map_err(away),
        }
    }
}

impl Token {
    /// Out of its document; none if it belongs to nobody.
    pub(super) fn read(document: &Map<String, Value>) -> Option<Self> {
        let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
        Some(Self {
            application: id_in(document, "credential")?,
            service: id_in(document, "service"),
            user: text_in(document, "authenticated_userid"),
            scope: text_in(document, "scope"),
            access: text_in(document, "access_token").unwrap_or_default(),
            refresh: text_in(document, "refresh_token"),
            expires_in: number("expires_in"),
            created: number("created_at"),
            // It leaves with its document.
            forget: i64::MAX,
        })
    }
}

fn fields(document: Value) -> Map<String, Value> {
    match document {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn put(document: &mut Map<String, Value>, field: &str, value: Option<String>) {
    if let Some(value) = value {
        document.insert(field.to_owned(), value.into());
    }
}

fn put_service(document: &mut Map<String, Value>, service: Option<&str>) {
    if let Some(service) = service {
        document.insert("service".to_owned(), json!({ "id": service }));
    }
}

fn text_in(document: &Map<String, Value>, field: &str) -> Option<String> {
    document.get(field).and_then(Value::as_str).map(str::to_owned)
}

fn id_in(document: &Map<String, Value>, field: &str) -> Option<Arc<str>> {
    document.get(field)?.get("id")?.as_str().map(Arc::from)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn away(error: DocumentsUnavailable) -> Away {
    warn!(%error, "Codes and tokens cannot be kept or found");
    Away
}
