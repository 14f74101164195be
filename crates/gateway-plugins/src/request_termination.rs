//! request-termination: an answer without the upstream.

mod echo;
mod page;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{Access, Answer, Content, Context, Definition, Environment, Phases, Plugin, RequestBody};
use serde::Deserialize;
use serde_json::Value;

use crate::query::{self, Argument};

pub(crate) use schema::schema;

/// The longest body that is echoed.
const BODY_LIMIT: usize = 16 << 20;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct RequestTermination;

impl Definition for RequestTermination {
    fn name(&self) -> &'static str {
        "request-termination"
    }

    fn priority(&self) -> i32 {
        2
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let message = config.message.or_else(|| usual_message(config.status_code).map(str::to_owned));
        let answer = match (config.body, &message) {
            (Some(body), _) => match &config.content_type {
                Some(kind) => Answer::bytes(config.status_code, &with_charset(kind), body),
                None => Answer { content: Content::Bytes(body.into()), ..Answer::empty(config.status_code) },
            },
            (None, Some(message)) => Answer::message(config.status_code, message.as_str()),
            (None, None) => page::answer(config.status_code),
        };
        let terminates = if config.echo {
            Terminates::Echo { status: config.status_code, message }
        } else {
            Terminates::With(answer)
        };
        Ok(Arc::new(Compiled { trigger: config.trigger, terminates }))
    }
}

#[derive(Deserialize)]
struct Config {
    status_code: u16,
    message: Option<String>,
    content_type: Option<String>,
    body: Option<String>,
    echo: bool,
    trigger: Option<String>,
}

#[derive(Debug)]
struct Compiled {
    /// A header or argument that requests have to have.
    trigger: Option<String>,
    terminates: Terminates,
}

#[derive(Debug)]
enum Terminates {
    With(Answer),
    /// With what is known of the request.
    Echo {
        status: u16,
        message: Option<String>,
    },
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        if !self.is_triggered(context) {
            return Access::Continue;
        }
        match &self.terminates {
            Terminates::With(answer) => Access::respond(answer.clone()),
            Terminates::Echo { status, message } => Access::Wait(Box::pin(async move {
                // A body that is too long or breaks off is not echoed.
                let body = body.read(BODY_LIMIT).await.unwrap_or_default();
                Some(Box::new(Answer::json(*status, echo::echo(context, message.as_deref(), body))))
            })),
        }
    }
}

impl Compiled {
    fn is_triggered(&self, context: &Context) -> bool {
        self.trigger.as_ref().is_none_or(|name| {
            context.request.headers.contains(name)
                || name.contains('_') && context.request.headers.contains(&name.replace('_', "-"))
                || query::argument(query::of(&context.target.query), name) != Argument::Absent
        })
    }
}

/// What is said when no message is configured.
fn usual_message(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("Unauthorized"),
        404 => Some("Not found"),
        405 => Some("Method not allowed"),
        500 => Some("An unexpected error occurred"),
        502 => Some("Bad Gateway"),
        503 => Some("Service unavailable"),
        _ => None,
    }
}

/// Text is in UTF-8 if nothing else is said.
fn with_charset(content_type: &str) -> String {
    let is_text = ["text/", "application/javascript"].iter().any(|kind| content_type.starts_with(kind));
    let names_charset = content_type.to_ascii_lowercase().contains("charset=");
    if is_text && !names_charset { format!("{content_type}; charset=UTF-8") } else { content_type.to_owned() }
}
