//! What plugins are made of: the only part of this crate they see.
//!
//! A [`Definition`] is registered once; it compiles each configured plugin into a [`Plugin`] when configuration
//! changes, never per request. All workers share the compiled value, so it is immutable but for atomics.

mod answer;
mod context;
pub mod counters;
mod credential;
pub mod documents;
mod node;
mod outcome;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

pub use answer::{Answer, Content};
pub use context::{BodyError, Client, Context, Detour, ErrorFormat, RequestBody, RequestId, Target, Tls, Trust};
pub use counters::Counters;
pub use credential::{Authenticated, Credential, Parsed};
pub use documents::Documents;
pub use engine::headers::{self, Headers};
pub use engine::message::{Method, RequestHead, ResponseHead, Version};
pub use gateway_router::Table;
pub use node::{Environment, Node};
pub use outcome::{Latencies, Outcome, Source, Try};

pub use crate::directory::Directory;

/// A kind of plugin.
pub trait Definition: Debug + Send + Sync + 'static {
    /// Its name in configuration: `key-auth`.
    fn name(&self) -> &'static str;

    /// Plugins run from high to low; equals by name, descending.
    fn priority(&self) -> i32;

    /// Compiles a checked configuration (complete, with defaults). The error is told to the operator, and the
    /// plugin then refuses requests rather than let them pass unguarded.
    fn compile(&self, config: &serde_json::Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String>;

    /// Collections of credentials it brings: `keyauth_credentials`.
    fn collections(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads a document of one of its collections, once per change.
    fn credential(&self, collection: &str, document: &serde_json::Value) -> Result<Parsed, String> {
        let _ = (collection, document);
        Err(format!("{} has no credentials", self.name()))
    }
}

/// Phases in which a plugin wants to be called; the others cost nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Before routing; only for plugins without a scope.
    pub rewrite: bool,
    /// With route, service and (after authentication) consumer known.
    pub access: bool,
    /// With the head of the answer, before it is sent.
    pub header_filter: bool,
    /// With every part of the answer's body.
    pub body_filter: bool,
    /// After the exchange.
    pub log: bool,
}

/// A compiled plugin.
///
/// A phase is only called when [`phases`](Plugin::phases) names it.
pub trait Plugin: Debug + Send + Sync + 'static {
    /// Which phases it has.
    fn phases(&self) -> Phases;

    /// Before routing.
    fn rewrite(&self, context: &mut Context) {
        let _ = context;
    }

    /// Lets the request pass, answers it, or waits for something first. The request as it goes upstream is
    /// `context.request` and `context.target`; headers for the answer, whichever comes, are
    /// `context.response_headers`.
    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        let _ = (context, body);
        Access::Continue
    }

    /// May change the head of the answer. For the upstream's answer and for the gateway's own
    /// (`context.source` tells).
    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        let _ = (context, response);
    }

    /// May change a part of the answer's body, or take it away to give it back with a later one. Called with
    /// `last` once, perhaps with an empty part. A plugin with this phase makes the answer chunked unless its
    /// `header_filter` sets a length.
    fn body_filter(&self, context: &mut Context, part: &mut Vec<u8>, last: bool) {
        let _ = (context, part, last);
    }

    /// After the exchange, with what came of it. Must not block: hand work over to a task.
    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        let _ = (context, outcome);
    }
}

/// What a plugin says in its access phase.
pub enum Access<'a> {
    /// Go on.
    Continue,
    /// Answer now; later access phases do not run.
    Respond(Box<Answer>),
    /// The verdict comes when this is done: `None` to go on.
    Wait(LocalBoxFuture<'a, Option<Box<Answer>>>),
}

impl Access<'_> {
    /// Answers now.
    pub fn respond(answer: Answer) -> Self {
        Self::Respond(Box::new(answer))
    }
}

impl Debug for Access<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Respond(answer) => f.debug_tuple("Respond").field(answer).finish(),
            Self::Wait(_) => f.write_str("Wait"),
        }
    }
}

/// A value of any type that can be shared.
pub type Opaque = Arc<dyn Any + Send + Sync>;
