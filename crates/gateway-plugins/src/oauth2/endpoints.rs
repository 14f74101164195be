//! Where applications get codes and tokens.

use std::borrow::Cow;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gateway_proxy::pdk::{Answer, Context, Trust};
use serde_json::{Map, Value};

use super::grants::{Code, Token};
use super::ledger::Away;
use super::params::Params;
use super::{Application, Compiled, secret};
use crate::arguments::{Argument, Arguments};

/// Why a request for a code or a token is refused.
pub(super) struct Refusal {
    error: &'static str,
    description: String,
    status: u16,
    /// Whether the application failed to show who it is, in a header.
    unauthorized: bool,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into(), status: 400, unauthorized: false }
    }

    fn client(in_header: bool) -> Self {
        let refusal = Self::new("invalid_client", "Invalid client authentication");
        if in_header { Self { unauthorized: true, status: 401, ..refusal } } else { refusal }
    }

    fn write(&self) -> Map<String, Value> {
        Map::from_iter([
            ("error".to_owned(), self.error.into()),
            ("error_description".to_owned(), self.description.as_str().into()),
        ])
    }
}

impl From<Away> for Refusal {
    fn from(_: Away) -> Self {
        Self { status: 503, ..Self::new("temporarily_unavailable", "The database is not available") }
    }
}

const NO_REDIRECT: &str = "Invalid redirect_uri that does not match with any redirect_uri created with the application";

/// Answers that nobody may keep.
fn answer(status: u16, body: Map<String, Value>) -> Box<Answer> {
    let answer = Answer::json(status, Value::Object(body));
    Box::new(answer.with("cache-control", "no-store").with("pragma", "no-cache"))
}

impl Compiled {
    /// Whoever asks for a code or a token has to use TLS.
    fn check_tls(&self, context: &Context) -> Result<(), Refusal> {
        let terminated = self.accepts_terminated
            && context.client.trust == Trust::Trusted
            && context.forwarded_scheme().eq_ignore_ascii_case("https");
        if context.client.tls.is_some() || terminated {
            return Ok(());
        }
        Err(Refusal::new("access_denied", "You must use HTTPS"))
    }

    fn check_provision_key(&self, params: &Params<'_>) -> Result<(), Refusal> {
        match params.get("provision_key") {
            Some(key) if secret::matches(&self.provision_key, &key) => Ok(()),
            _ => Err(Refusal::new("invalid_provision_key", "Invalid provision_key")),
        }
    }

    fn user(params: &Params<'_>) -> Result<String, Refusal> {
        let missing = || Refusal::new("invalid_authenticated_userid", "Missing authenticated_userid parameter");
        params.filled("authenticated_userid").map(Cow::into_owned).ok_or_else(missing)
    }

    /// The scopes asked for, one space between them.
    fn scope(&self, params: &Params<'_>) -> Result<Option<String>, Refusal> {
        let Some(asked) = params.get("scope") else {
            if self.mandatory_scope {
                return Err(Refusal::new("invalid_scope", "You must specify a scope"));
            }
            return Ok(None);
        };
        if self.scopes.is_empty() {
            return Ok(None);
        }
        let asked: Vec<&str> = asked.split_whitespace().collect();
        match asked.iter().find(|scope| !self.scopes.iter().any(|known| known == *scope)) {
            Some(unknown) => Err(Refusal::new("invalid_scope", format!("\"{unknown}\" is an invalid scope"))),
            None if asked.is_empty() => Ok(None),
            None => Ok(Some(asked.join(" "))),
        }
    }

    fn service(&self, context: &Context) -> Option<Arc<str>> {
        let service = context.service.as_ref().filter(|_| !self.global)?;
        Some(Arc::clone(&service.id))
    }

    /// `…/oauth2/authorize`: a user allows an application something. The user's own application asks, not the user.
    pub(super) async fn authorize(&self, context: &Context, params: &Params<'_>) -> Box<Answer> {
        let mut redirect = None;
        let mut fragment = false;
        let result = self.authorized(context, params, &mut redirect, &mut fragment).await;
        let status = result.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
        let mut told = result.unwrap_or_else(|refusal| refusal.write());
        if let Some(state) = params.get("state") {
            told.insert("state".to_owned(), state.into());
        }
        match redirect {
            Some(uri) => {
                let uri = with_arguments(&uri, told, fragment);
                answer(status, Map::from_iter([("redirect_uri".to_owned(), uri.into())]))
            }
            None => answer(status, told),
        }
    }

    async fn authorized(
        &self,
        context: &Context,
        params: &Params<'_>,
        redirect: &mut Option<String>,
        fragment: &mut bool,
    ) -> Result<Map<String, Value>, Refusal> {
        self.check_tls(context)?;
        self.check_provision_key(params)?;
        let user = Self::user(params)?;
        let (id, application) = params
            .get("client_id")
            .and_then(|client_id| self.application(context, &client_id))
            .filter(|(_, application)| !application.redirects.is_empty())
            .ok_or_else(|| Refusal::client(false))?;
        let asked = params.get("redirect_uri");
        let known = asked.as_deref().is_none_or(|uri| application.redirects.iter().any(|known| known == uri));
        *redirect = Some(match asked.filter(|_| known) {
            Some(uri) => uri.into_owned(),
            None => application.redirects[0].clone(),
        });
        if !known {
            return Err(Refusal::new("invalid_request", NO_REDIRECT));
        }
        let scope = self.scope(params)?;
        match params.get("response_type").as_deref() {
            Some("code") if self.authorization_code => {
                let code = Code {
                    application: id,
                    service: self.service(context),
                    user: Some(user),
                    scope,
                    challenge: self.code_challenge(params, &application)?,
                    created: context.now_ms().div_euclid(1000),
                };
                let text = secret::token().ok_or_else(|| Refusal::new("server_error", "No code could be made"))?;
                self.ledger.put_code(text.clone(), code).await?;
                Ok(Map::from_iter([("code".to_owned(), text.into())]))
            }
            Some("token") if self.implicit_grant => {
                *fragment = true;
                self.issue(context, id, Some(user), scope, None, false).await
            }
            _ => Err(Refusal::new("unsupported_response_type", "Invalid response_type")),
        }
    }

    /// What a code is bound to, if it is.
    fn code_challenge(&self, params: &Params<'_>, application: &Application) -> Result<Option<String>, Refusal> {
        if !self.pkce {
            return Ok(None);
        }
        let challenge = params.filled("code_challenge");
        let method = params.get("code_challenge_method");
        match (&challenge, method.as_deref()) {
            (None, Some(_)) => return Err(Refusal::new("invalid_request", "Missing code_challenge")),
            (Some(_), method) if method != Some("S256") => {
                return Err(Refusal::new("invalid_request", "code_challenge_method must be S256"));
            }
            (None, None) if self.pkce_always || application.public => {
                return Err(Refusal::new("invalid_request", "Missing code_challenge"));
            }
            _ => {}
        }
        Ok(challenge.map(Cow::into_owned))
    }

    /// `…/oauth2/token`: a token for a code, a user, a refresh token, or the application itself.
    pub(super) async fn token(&self, context: &Context, params: &Params<'_>) -> Box<Answer> {
        let (status, mut told, challenge) = match self.granted(context, params).await {
            Ok(told) => (200, told, false),
            Err(refusal) => (refusal.status, refusal.write(), refusal.unauthorized),
        };
        if let Some(state) = params.get("state") {
            told.insert("state".to_owned(), state.into());
        }
        let mut answer = answer(status, told);
        if challenge {
            answer.headers.append("WWW-Authenticate", "Basic realm=\"OAuth2.0\"");
        }
        answer
    }

    async fn granted(&self, context: &Context, params: &Params<'_>) -> Result<Map<String, Value>, Refusal> {
        self.check_tls(context)?;
        let (id, application) = self.authenticated_application(context, params)?;
        if let Some(uri) = params.get("redirect_uri")
            && !application.redirects.iter().any(|known| *known == uri)
        {
            return Err(Refusal::new("invalid_request", NO_REDIRECT));
        }
        match params.get("grant_type").as_deref() {
            Some("authorization_code") => self.for_code(context, params, id, &application).await,
            Some("refresh_token") => self.for_refresh_token(context, params, &id).await,
            Some("client_credentials") if self.client_credentials => {
                if params.get("authenticated_userid").is_some() {
                    self.check_provision_key(params)?;
                }
                let user = params.get("authenticated_userid").map(Cow::into_owned);
                let scope = self.scope(params)?;
                self.issue(context, id, user, scope, None, false).await
            }
            Some("password") if self.password_grant => {
                self.check_provision_key(params)?;
                let user = Self::user(params)?;
                let scope = self.scope(params)?;
                self.issue(context, id, Some(user), scope, None, true).await
            }
            _ => Err(Refusal::new("unsupported_grant_type", "Invalid grant_type")),
        }
    }

    /// The application that asks, once it has shown its secret. A public one has none to show.
    fn authenticated_application(
        &self,
        context: &Context,
        params: &Params<'_>,
    ) -> Result<(Arc<str>, Arc<Application>), Refusal> {
        let (client_id, shown, in_header) = match (params.get("client_id"), params.get("client_secret")) {
            (Some(id), Some(secret)) => (id.into_owned(), Some(secret.into_owned()), false),
            (id, _) => match self.basic(context) {
                Some((id, secret)) => (id, Some(secret), true),
                None => (
                    id.map(Cow::into_owned)
                        .ok_or_else(|| Refusal::client(context.request.headers.contains(&self.header)))?,
                    None,
                    false,
                ),
            },
        };
        let refusal = || Refusal::client(in_header);
        let (id, application) = self.application(context, &client_id).ok_or_else(refusal)?;
        let proven = match (&shown, application.public) {
            (Some(shown), false) => secret::matches(&application.secret, shown),
            (None, public) => public,
            (Some(shown), true) => shown.is_empty() || secret::matches(&application.secret, shown),
        };
        if proven { Ok((id, application)) } else { Err(refusal()) }
    }

    /// Id and secret out of `Basic …`.
    fn basic(&self, context: &Context) -> Option<(String, String)> {
        let (scheme, rest) = context.request.headers.get_str(&self.header)?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((id.to_owned(), secret.to_owned()))
    }

    async fn for_code(
        &self,
        context: &Context,
        params: &Params<'_>,
        id: Arc<str>,
        application: &Application,
    ) -> Result<Map<String, Value>, Refusal> {
        let now = context.now_ms().div_euclid(1000);
        let invalid = || Refusal::new("invalid_request", "Invalid code");
        let text = params.get("code").ok_or_else(invalid)?;
        let found = self.ledger.code(&text, now).await?.ok_or_else(invalid)?;
        let code = &found.value;
        if code.application != id || !self.global && code.service != self.service(context) {
            return Err(invalid());
        }
        let verifier = params.get("code_verifier");
        match &code.challenge {
            Some(challenge) => {
                let verifier = verifier.ok_or_else(|| Refusal::new("invalid_request", "Missing code_verifier"))?;
                let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
                if URL_SAFE_NO_PAD.encode(digest) != *challenge {
                    return Err(Refusal::new("invalid_grant", "Invalid code_verifier"));
                }
            }
            None if self.pkce_always || application.public => {
                return Err(Refusal::new("invalid_request", "Missing code_challenge"));
            }
            None => {}
        }
        if !self.ledger.spend_code(&found).await? {
            return Err(invalid());
        }
        let Code { user, scope, .. } = found.value;
        self.issue(context, id, user, scope, None, true).await
    }

    async fn for_refresh_token(
        &self,
        context: &Context,
        params: &Params<'_>,
        id: &Arc<str>,
    ) -> Result<Map<String, Value>, Refusal> {
        let now = context.now_ms().div_euclid(1000);
        let invalid = || Refusal::new("invalid_request", "Invalid refresh_token");
        let text = params.get("refresh_token").ok_or_else(invalid)?;
        let found = self.ledger.by_refresh(&text, now).await?.ok_or_else(invalid)?;
        let token = &found.value;
        if !self.global && token.service != self.service(context) {
            return Err(invalid());
        }
        if token.application != *id {
            return Err(Refusal::client(false));
        }
        if !self.ledger.remove_token(&found).await? {
            return Err(invalid());
        }
        let reused = token.refresh.clone().filter(|_| self.reuse_refresh_token);
        self.issue(context, Arc::clone(id), token.user.clone(), token.scope.clone(), reused, true).await
    }

    async fn issue(
        &self,
        context: &Context,
        application: Arc<str>,
        user: Option<String>,
        scope: Option<String>,
        reused: Option<String>,
        renewable: bool,
    ) -> Result<Map<String, Value>, Refusal> {
        let made = || secret::token().ok_or_else(|| Refusal::new("server_error", "No token could be made"));
        let now = context.now_ms().div_euclid(1000);
        let expires = self.token_expiration > 0;
        let refresh = match reused {
            Some(reused) => Some(reused),
            None if renewable && expires => Some(made()?),
            None => None,
        };
        let forget = match (expires, self.refresh_token_ttl) {
            (true, ttl) if ttl > 0 => now.saturating_add(ttl),
            _ => i64::MAX,
        };
        let access = made()?;
        let token = Token {
            application,
            service: self.service(context),
            user,
            scope,
            access: access.clone(),
            refresh: refresh.clone(),
            expires_in: self.token_expiration,
            created: now,
            forget,
        };
        self.ledger.put_token(token).await?;
        let mut told = Map::from_iter([
            ("access_token".to_owned(), Value::from(access)),
            ("token_type".to_owned(), "bearer".into()),
        ]);
        if expires {
            told.insert("expires_in".to_owned(), self.token_expiration.into());
        }
        if let Some(refresh) = refresh {
            told.insert("refresh_token".to_owned(), refresh.into());
        }
        Ok(told)
    }
}

/// A URI with these arguments in its query or its fragment, besides those it has.
fn with_arguments(uri: &str, told: Map<String, Value>, fragment: bool) -> String {
    let mark = if fragment { '#' } else { '?' };
    let (base, had) = uri.split_once(mark).unwrap_or((uri, ""));
    let mut arguments = Arguments::read(had.as_bytes());
    for (name, value) in told {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        arguments.set(name.as_bytes(), vec![Argument::Text(value.into_bytes())]);
    }
    format!("{base}{mark}{}", String::from_utf8_lossy(&arguments.write_sorted()))
}
