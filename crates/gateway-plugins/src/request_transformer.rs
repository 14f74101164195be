//! request-transformer: another method, path, header, query or body than the client sent.

mod body;
mod changes;
mod headers;
mod query;
mod schema;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, BodyError, Context, Definition, Environment, Headers, Method, Phases, Plugin, RequestBody,
};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use crate::arguments::Arguments;
use crate::template::{Scope, Template, TemplateError};
use body::Kind;
use changes::{Changes, Lists};
pub(crate) use schema::schema;

/// The longest body that is read to be changed.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What a path may not contain as it is.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct RequestTransformer;

impl Definition for RequestTransformer {
    fn name(&self) -> &'static str {
        "request-transformer"
    }

    fn priority(&self) -> i32 {
        801
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let changes = |pick: fn(&Section) -> &Vec<String>| {
            let lists = Lists {
                remove: pick(&config.remove),
                rename: pick(&config.rename),
                replace: pick(&config.replace),
                add: pick(&config.add),
                append: pick(&config.append),
            };
            Changes::new(&lists).map_err(|error| error.to_string())
        };
        let uri = config.replace.uri.as_deref().filter(|uri| !uri.is_empty());
        Ok(Arc::new(Compiled {
            uri: uri.map(Template::new).transpose().map_err(|error| error.to_string())?,
            headers: changes(|section| &section.headers)?.with_lower_names(),
            query: changes(|section| &section.querystring)?,
            body: changes(|section| &section.body)?,
            method: config.http_method.as_deref().map(Method::from_token),
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    http_method: Option<String>,
    remove: Section,
    rename: Section,
    replace: Section,
    add: Section,
    append: Section,
}

#[derive(Deserialize)]
struct Section {
    body: Vec<String>,
    headers: Vec<String>,
    querystring: Vec<String>,
    uri: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    method: Option<Method>,
    uri: Option<Template>,
    headers: Changes,
    query: Changes,
    body: Changes,
}

/// Why a request cannot be changed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("the path '{0}' does not start with '/'")]
    Path(String),
    #[error("the body is neither an object nor a list")]
    NoFields,
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        if !self.merges_form(context) && !self.may_change_body(context) {
            let done = self.change_head(context).and_then(|()| self.change_query(context));
            return done.map_or_else(|failure| Access::respond(refuse(&failure)), |()| Access::Continue);
        }
        Access::Wait(Box::pin(async move {
            let done = self.change_all(context, body).await;
            done.err().map(|failure| Box::new(refuse(&failure)))
        }))
    }
}

impl Compiled {
    /// A form goes into the query when the new method has no body.
    fn merges_form(&self, context: &Context) -> bool {
        matches!(self.method, Some(Method::Get | Method::Head | Method::Trace))
            && Kind::of(&context.request.headers) == Some(Kind::Form)
    }

    fn may_change_body(&self, context: &Context) -> bool {
        !self.body.is_empty() && (Kind::of(&context.request.headers).is_some() || !self.headers.is_empty())
    }

    async fn change_all(&self, context: &mut Context, body: &mut dyn RequestBody) -> Result<(), Failure> {
        if self.merges_form(context) {
            let form = Arguments::read(body.read(BODY_LIMIT).await?);
            if !form.is_empty() {
                let mut query = Arguments::read(crate::query::of(&context.target.query));
                query.extend(form);
                query::put(&mut context.target, query);
            }
        }
        self.change_head(context)?;
        if !self.body.is_empty()
            && let Some(kind) = Kind::of(&context.request.headers)
        {
            let changed = body::change(&self.body, kind, body.read(BODY_LIMIT).await?, context)?;
            if let Some(changed) = changed {
                context.request.headers.set("Content-Length", changed.len().to_string());
                context.replaced_body = Some(changed);
            }
        }
        self.change_query(context)
    }

    fn change_head(&self, context: &mut Context) -> Result<(), Failure> {
        if let Some(uri) = &self.uri {
            let path = uri.render(&scope(context))?;
            if path.first() != Some(&b'/') {
                return Err(Failure::Path(String::from_utf8_lossy(&path).into_owned()));
            }
            context.target.path = percent_encode(&path, PATH).flat_map(str::bytes).collect();
        }
        if let Some(method) = &self.method {
            context.request.method = method.clone();
        }
        if !self.headers.is_empty() {
            headers::change(&self.headers, context)?;
        }
        Ok(())
    }

    fn change_query(&self, context: &mut Context) -> Result<(), Failure> {
        if self.query.is_empty() {
            return Ok(());
        }
        let mut arguments = Arguments::read(crate::query::of(&context.target.query));
        query::change(&self.query, &mut arguments, &scope(context))?;
        query::put(&mut context.target, arguments);
        Ok(())
    }
}

/// What templates see.
fn scope(context: &Context) -> Scope<'_> {
    scope_with(context, &context.request.headers)
}

fn scope_with<'a>(context: &'a Context, headers: &'a Headers) -> Scope<'a> {
    Scope {
        headers,
        query: crate::query::of(&context.target.query),
        captures: &context.captures,
        shared: context.shared.as_deref(),
    }
}

fn text(value: Cow<'_, [u8]>) -> String {
    match value {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
    }
}

fn refuse(failure: &Failure) -> Answer {
    match failure {
        Failure::Body(BodyError::TooLarge(_)) => Answer::error(413, "Request body is too large to be transformed"),
        Failure::Body(BodyError::Broken(_)) => Answer::error(400, "Request body could not be read"),
        _ => {
            warn!(error = %failure, "Request was not transformed");
            Answer::error(500, "An unexpected error occurred")
        }
    }
}
