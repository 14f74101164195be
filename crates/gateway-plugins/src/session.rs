//! session: callers that were authenticated once are known by a cookie.

mod schema;
mod seal;
mod told;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Authenticated, Context, Definition, Environment, Phases, Plugin, RequestBody, ResponseHead,
};
use serde::Deserialize;
use serde_json::Value;

use crate::auth;
use crate::body::{self, Field, Fields};
use crate::query::{self, Argument};

pub(crate) use schema::schema;
use seal::{Seal, Session};

/// The longest body that is searched for the argument that ends a session.
const BODY_LIMIT: usize = 1 << 20;

/// How often a session that is used is written anew, in seconds.
const TOUCH_EVERY: i64 = 60;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Sessions;

impl Definition for Sessions {
    fn name(&self) -> &'static str {
        "session"
    }

    fn priority(&self) -> i32 {
        1900
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let secret = config.secret.ok_or("secret: a secret is needed")?;
        let audience = config.audience.unwrap_or_else(|| "default".to_owned());
        let attributes = Attributes {
            path: config.cookie_path,
            domain: config.cookie_domain,
            same_site: config.cookie_same_site.filter(|site| site != "Default"),
            secure: config.cookie_secure != Some(false),
            http_only: config.cookie_http_only != Some(false),
        }
        .write();
        let cookie = |name: String, lifetime, lasting| -> Result<Cookie, String> {
            if !gateway_proxy::pdk::headers::is_name(name.as_bytes()) {
                return Err(format!("{name}: not the name of a cookie"));
            }
            Ok(Cookie { seal: Seal::new(&secret, &name, &audience)?, name, lifetime, lasting })
        };
        let lifetime = Lifetime {
            idling: seconds(config.idling_timeout),
            rolling: seconds(config.rolling_timeout),
            absolute: seconds(config.absolute_timeout),
        };
        let remembered = Lifetime {
            idling: 0,
            rolling: seconds(config.remember_rolling_timeout),
            absolute: seconds(config.remember_absolute_timeout),
        };
        let remember_name = config.remember_cookie_name.unwrap_or_else(|| "remember".to_owned());
        let remember = (config.remember == Some(true)).then(|| cookie(remember_name, remembered, true)).transpose()?;
        Ok(Arc::new(Compiled {
            plugin: Arc::clone(&environment.plugin),
            cookie: cookie(config.cookie_name.unwrap_or_else(|| "session".to_owned()), lifetime, false)?,
            remember,
            attributes,
            audience,
            response_headers: config.response_headers.unwrap_or_default(),
            request_headers: config.request_headers.unwrap_or_default(),
            logout: Logout {
                methods: config.logout_methods.unwrap_or_default(),
                query: config.logout_query_arg.unwrap_or_default(),
                post: config.logout_post_arg.filter(|_| config.read_body_for_logout == Some(true)),
            },
        }))
    }
}

/// Whole seconds; 0 for no limit.
fn seconds(timeout: Option<f64>) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what is whole and small")]
    let seconds = timeout.unwrap_or(0.0).clamp(0.0, 1e12) as i64;
    seconds
}

#[derive(Deserialize)]
struct Config {
    secret: Option<String>,
    audience: Option<String>,
    idling_timeout: Option<f64>,
    rolling_timeout: Option<f64>,
    absolute_timeout: Option<f64>,
    cookie_name: Option<String>,
    cookie_path: Option<String>,
    cookie_domain: Option<String>,
    cookie_same_site: Option<String>,
    cookie_http_only: Option<bool>,
    cookie_secure: Option<bool>,
    remember: Option<bool>,
    remember_cookie_name: Option<String>,
    remember_rolling_timeout: Option<f64>,
    remember_absolute_timeout: Option<f64>,
    response_headers: Option<Vec<String>>,
    request_headers: Option<Vec<String>>,
    read_body_for_logout: Option<bool>,
    logout_methods: Option<Vec<String>>,
    logout_query_arg: Option<String>,
    logout_post_arg: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    plugin: Arc<str>,
    cookie: Cookie,
    /// The cookie that outlives the browser's session.
    remember: Option<Cookie>,
    attributes: String,
    audience: String,
    response_headers: Vec<String>,
    request_headers: Vec<String>,
    logout: Logout,
}

/// A cookie that sessions are in.
#[derive(Debug)]
struct Cookie {
    name: String,
    seal: Seal,
    lifetime: Lifetime,
    /// Whether browsers keep it when they are closed.
    lasting: bool,
}

/// Seconds; 0 for no limit.
#[derive(Debug)]
struct Lifetime {
    idling: i64,
    rolling: i64,
    absolute: i64,
}

impl Lifetime {
    /// What is left of a limit that began to run at `since`.
    fn rest(limit: i64, since: i64, now: i64) -> i64 {
        if limit == 0 { i64::MAX } else { (since + limit - now).max(0) }
    }

    /// For how many seconds a session still counts.
    fn left(&self, session: &Session, now: i64) -> i64 {
        Self::rest(self.idling, session.touched, now)
            .min(Self::rest(self.rolling, session.rolled, now))
            .min(Self::rest(self.absolute, session.created, now))
    }

    /// Whether three quarters of the time to renew are over.
    fn is_to_be_renewed(&self, session: &Session, now: i64) -> bool {
        self.rolling > 0 && (now - session.rolled) * 4 > self.rolling * 3
    }
}

/// What of a cookie does not depend on the session.
struct Attributes {
    path: Option<String>,
    domain: Option<String>,
    same_site: Option<String>,
    secure: bool,
    http_only: bool,
}

impl Attributes {
    fn write(&self) -> String {
        let named = |name, value: &Option<String>| value.as_ref().map(|value| format!("; {name}={value}"));
        let flag = |set: bool, name: &str| set.then(|| format!("; {name}"));
        let all = [
            named("Path", &self.path),
            named("Domain", &self.domain),
            named("SameSite", &self.same_site),
            flag(self.secure, "Secure"),
            flag(self.http_only, "HttpOnly"),
        ];
        all.into_iter().flatten().collect()
    }
}

/// How a session is ended.
#[derive(Debug)]
struct Logout {
    methods: Vec<String>,
    query: String,
    /// The argument of the body; none when the body is not looked at.
    post: Option<String>,
}

/// The session a request came with, for the header filter.
#[derive(Debug)]
struct Opened {
    plugin: Arc<str>,
    session: Session,
    /// Whether it was only in the lasting cookie.
    remembered: bool,
    ended: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        let Some((session, remembered)) = self.open(context) else {
            return Access::Continue;
        };
        let Some(consumer) = context.directory.consumer(&session.consumer).map(Arc::clone) else {
            return Access::Continue;
        };
        if self.logout.methods.iter().any(|method| method == context.request.method.as_str()) {
            if query::argument(query::of(&context.target.query), &self.logout.query) != Argument::Absent {
                return Access::Respond(self.end(context, session));
            }
            if let Some(argument) = self.logout.post.as_deref().filter(|_| body::has_fields(&context.request.headers)) {
                return Access::Wait(Box::pin(async move {
                    let bytes = body.read(BODY_LIMIT).await.ok();
                    let fields = bytes.and_then(|bytes| Fields::read(&context.request.headers, bytes));
                    if fields.is_some_and(|fields| fields.get(argument) != Field::Absent) {
                        return Some(self.end(context, session));
                    }
                    self.resume(context, consumer, session, remembered);
                    None
                }));
            }
        }
        self.resume(context, consumer, session, remembered);
        Access::Continue
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        let now = context.now_ms().div_euclid(1000);
        let opened = context.kept::<Opened>().filter(|opened| opened.plugin == self.plugin);
        if opened.is_some_and(|opened| opened.ended) {
            for cookie in std::iter::once(&self.cookie).chain(&self.remember) {
                let line = format!("{}=; Max-Age=0{}", cookie.name, self.attributes);
                response.headers.append("Set-Cookie", line);
            }
            return;
        }
        let (Some(consumer), Some(credential)) = (&context.consumer, &context.credential) else {
            return;
        };
        let same = opened.filter(|opened| {
            *opened.session.consumer == *consumer.id
                && *opened.session.credential == *credential.id
                && opened.session.groups == context.groups
        });
        let (session, write) = match same {
            Some(opened) => {
                let mut session = opened.session.clone();
                let renew = self.cookie.lifetime.is_to_be_renewed(&session, now) || opened.remembered;
                let write = renew || now - session.touched >= TOUCH_EVERY;
                if write {
                    session.touched = now;
                }
                if renew {
                    session.rolled = now;
                }
                (session, write)
            }
            None => {
                let session = Session {
                    id: uuid::Uuid::new_v4().simple().to_string(),
                    consumer: consumer.id.to_string(),
                    credential: credential.id.to_string(),
                    identifier: credential.identifier.as_deref().map(str::to_owned),
                    groups: context.groups.clone(),
                    created: now,
                    rolled: now,
                    touched: now,
                };
                (session, true)
            }
        };
        if write {
            for cookie in std::iter::once(&self.cookie).chain(&self.remember) {
                self.set_cookie(cookie, &session, now, response);
            }
        }
        told::tell(&self.response_headers, &session, &self.audience, &self.cookie.lifetime, now, &mut response.headers);
    }
}

impl Compiled {
    /// The session of a request, and whether it was only remembered.
    fn open(&self, context: &Context) -> Option<(Session, bool)> {
        let now = context.now_ms().div_euclid(1000);
        let open = |cookie: &Cookie| {
            let session = cookie.seal.open(context.cookie(&cookie.name)?)?;
            (cookie.lifetime.left(&session, now) > 0).then_some(session)
        };
        if let Some(session) = open(&self.cookie) {
            return Some((session, false));
        }
        let mut session = self.remember.as_ref().and_then(open)?;
        // What was remembered is the beginning of a session of its own.
        (session.created, session.rolled, session.touched) = (now, now, now);
        Some((session, true))
    }

    /// Takes the caller for whom the session says.
    fn resume(
        &self,
        context: &mut Context,
        consumer: Arc<gateway_model::typed::Consumer>,
        session: Session,
        remembered: bool,
    ) {
        let identifier = session.identifier.as_deref().map(Box::from);
        let credential = Authenticated { id: Arc::from(&*session.credential), identifier };
        auth::identify(context, consumer, Some(credential));
        if session.groups.is_some() {
            context.groups.clone_from(&session.groups);
        }
        let now = context.now_ms().div_euclid(1000);
        let headers = &mut context.request.headers;
        told::tell(&self.request_headers, &session, &self.audience, &self.cookie.lifetime, now, headers);
        context.keep(Opened { plugin: Arc::clone(&self.plugin), session, remembered, ended: false });
    }

    fn end(&self, context: &mut Context, session: Session) -> Box<Answer> {
        context.keep(Opened { plugin: Arc::clone(&self.plugin), session, remembered: false, ended: true });
        Box::new(Answer::empty(200))
    }

    fn set_cookie(&self, cookie: &Cookie, session: &Session, now: i64, response: &mut ResponseHead) {
        let Some(value) = cookie.seal.close(session) else {
            tracing::error!(plugin = &*self.plugin, "A session could not be encrypted");
            return;
        };
        let age = match cookie.lifetime.left(session, now) {
            left if cookie.lasting && left < i64::MAX => format!("; Max-Age={left}"),
            _ => String::new(),
        };
        response.headers.append("Set-Cookie", format!("{}={value}{age}{}", cookie.name, self.attributes));
    }
}
