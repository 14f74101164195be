//! What plugins that find out who calls have in common.

use std::sync::Arc;

use gateway_model::typed::Consumer;
use gateway_proxy::pdk::{Answer, Authenticated, Context, Credential};

const CONSUMER_ID: &str = "X-Consumer-ID";
const CONSUMER_CUSTOM_ID: &str = "X-Consumer-Custom-ID";
const CONSUMER_USERNAME: &str = "X-Consumer-Username";
const CREDENTIAL_IDENTIFIER: &str = "X-Credential-Identifier";
const ANONYMOUS_CONSUMER: &str = "X-Anonymous-Consumer";

/// Who is taken for the caller when authentication fails. With one, plugins are alternatives; without, each has to
/// succeed.
#[derive(Clone, Debug)]
pub(crate) struct Anonymous(Option<Box<str>>);

impl Anonymous {
    /// The consumer's id or user name, out of the configuration.
    pub(crate) fn new(consumer: Option<String>) -> Self {
        Self(consumer.filter(|consumer| !consumer.is_empty()).map(Into::into))
    }

    /// Whether an earlier alternative has succeeded already.
    pub(crate) fn spares(&self, context: &Context) -> bool {
        self.0.is_some() && context.credential.is_some()
    }

    /// Ends the access phase of a plugin: a failure is answered, or the caller is the anonymous consumer.
    pub(crate) fn settle(&self, context: &mut Context, result: Result<(), Box<Answer>>) -> Option<Box<Answer>> {
        let answer = result.err()?;
        let Some(name) = &self.0 else {
            return Some(answer);
        };
        match context.directory.consumer_by_id_or_name(name).map(Arc::clone) {
            Some(consumer) => {
                identify(context, consumer, None);
                None
            }
            None => {
                tracing::error!(consumer = &**name, "The anonymous consumer does not exist");
                let message = format!("anonymous consumer {name} is configured but doesn't exist");
                Some(Box::new(Answer::error(500, message)))
            }
        }
    }
}

/// The consumer that a credential belongs to.
pub(crate) fn owner(context: &Context, credential: &Credential) -> Option<Arc<Consumer>> {
    context.directory.consumer(credential.consumer.as_deref()?).map(Arc::clone)
}

/// Notes who calls, and tells the upstream. Without a credential the caller is the anonymous consumer.
pub(crate) fn identify(context: &mut Context, consumer: Arc<Consumer>, credential: Option<Authenticated>) {
    let headers = &mut context.request.headers;
    headers.set(CONSUMER_ID, &*consumer.id);
    let mut tell = |name, value: Option<&str>| match value {
        Some(value) => headers.set(name, value),
        None => drop(headers.remove(name)),
    };
    tell(CONSUMER_CUSTOM_ID, consumer.custom_id.as_deref());
    tell(CONSUMER_USERNAME, consumer.username.as_deref());
    tell(CREDENTIAL_IDENTIFIER, credential.as_ref().and_then(|credential| credential.identifier.as_deref()));
    tell(ANONYMOUS_CONSUMER, credential.is_none().then_some("true"));
    context.consumer = Some(consumer);
    context.credential = credential;
}

/// The value of `WWW-Authenticate`: `Key`, or with a realm `Key realm="…"`.
pub(crate) fn challenge(scheme: &str, realm: Option<&str>) -> Box<str> {
    match realm {
        Some(realm) => format!("{scheme} realm=\"{realm}\"").into(),
        None => scheme.into(),
    }
}

/// A refusal in the form the client prefers.
pub(crate) fn refuse(challenge: &str, message: &str) -> Box<Answer> {
    Box::new(Answer::error(401, message).with("WWW-Authenticate", challenge))
}

/// A text field of a credential's document.
pub(crate) fn text<'a>(document: &'a serde_json::Value, field: &str) -> Result<&'a str, String> {
    document.get(field).and_then(serde_json::Value::as_str).ok_or_else(|| format!("{field}: a string is needed"))
}
