//! pre-function and post-function: Lua of the operator's, before and after all other plugins.
//!
//! Each worker has one Lua state for all code. Code cannot reach files, processes or the network, is stopped when it
//! takes too long, and shares a limited memory.

mod expressions;
mod frame;
mod host;
mod schema;
mod state;
mod syntax;
mod tables;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Content, Context, Definition, Environment, Headers, Outcome, Phases, Plugin, RequestBody,
    ResponseHead, Source,
};
use mlua::thread::ThreadStatus;
use mlua::{Thread, Value as LuaValue};
use serde::Deserialize;
use serde_json::Value;

use crate::log::edits::Edits;
pub(crate) use expressions::{Expressions, check as check_expression};
use frame::{Exit, Frame, Phase, ReadBody};
pub(crate) use schema::{post_function, pre_function};
use state::{Codes, State};

/// The longest request body that code can read.
const BODY_LIMIT: usize = 8 << 20;

/// Runs before all other plugins.
pub(crate) const PRE: Functions = Functions { name: "pre-function", priority: 1_000_000 };

/// Runs after all other plugins.
pub(crate) const POST: Functions = Functions { name: "post-function", priority: -1000 };

/// Registers one of the two plugins.
#[derive(Debug)]
pub(crate) struct Functions {
    name: &'static str,
    priority: i32,
}

impl Definition for Functions {
    fn name(&self) -> &'static str {
        self.name
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        for code in config.all() {
            syntax::check(code).map_err(|error| format!("error parsing {}: {error}", self.name))?;
        }
        if !config.certificate.is_empty() {
            tracing::warn!(plugin = &*environment.plugin, "Code for TLS handshakes is not run");
        }
        let edits = config.log.iter().any(|code| code.contains("set_serialize_value"));
        // Only then is the body of an answer looked at that code may want to replace.
        let replaces = config.header_filter.iter().any(|code| code.contains("exit"));
        let [rewrite, access, header_filter, body_filter, log] =
            [config.rewrite, config.access, config.header_filter, config.body_filter, config.log]
                .map(|codes| Arc::new(Codes(codes)));
        Ok(Arc::new(Compiled {
            name: self.name,
            plugin: Arc::clone(&environment.plugin),
            replaces,
            edits,
            rewrite,
            access,
            header_filter,
            body_filter,
            log,
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    certificate: Vec<Box<str>>,
    rewrite: Vec<Box<str>>,
    access: Vec<Box<str>>,
    header_filter: Vec<Box<str>>,
    body_filter: Vec<Box<str>>,
    log: Vec<Box<str>>,
}

impl Config {
    fn all(&self) -> impl Iterator<Item = &str> {
        [&self.certificate, &self.rewrite, &self.access, &self.header_filter, &self.body_filter, &self.log]
            .into_iter()
            .flatten()
            .map(|code| &**code)
    }
}

#[derive(Debug)]
struct Compiled {
    name: &'static str,
    plugin: Arc<str>,
    /// Whether the header filter may put a body of its own in place of the answer's.
    replaces: bool,
    /// Whether the log phase may change what is logged.
    edits: bool,
    rewrite: Arc<Codes>,
    access: Arc<Codes>,
    header_filter: Arc<Codes>,
    body_filter: Arc<Codes>,
    log: Arc<Codes>,
}

/// What became of a request before its answer is made, for the header filter.
#[derive(Debug)]
struct Left {
    plugin: Arc<str>,
    /// The answer that code in `rewrite` gave; it is sent from `access`.
    answer: Option<Box<Answer>>,
    failed: bool,
}

/// A body in place of the answer's; empty once it was sent.
#[derive(Debug)]
struct Replacement {
    plugin: Arc<str>,
    body: Vec<u8>,
}

/// Marks an answer that cannot have a body.
#[derive(Debug)]
struct Bodiless;

/// Where running code came to.
enum Step {
    /// To its end.
    Done(Option<Exit>),
    /// It waits for the request's body.
    Body(Thread),
    /// It failed.
    Failed(mlua::Error),
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        let has = |codes: &Codes| !codes.0.is_empty();
        let answers = has(&self.rewrite) || has(&self.access);
        Phases {
            rewrite: has(&self.rewrite),
            access: answers,
            header_filter: answers || self.edits || has(&self.header_filter) || has(&self.body_filter),
            body_filter: self.replaces || has(&self.body_filter),
            log: has(&self.log),
        }
    }

    fn rewrite(&self, context: &mut Context) {
        let step = self.start(Phase::Rewrite, &self.rewrite, context);
        if let Some(answer) = self.settle(context, step) {
            let failed = context.kept::<Left>().is_some_and(|left| left.failed);
            context.keep(Left { plugin: Arc::clone(&self.plugin), answer: Some(answer), failed });
        }
    }

    fn access<'a>(&'a self, context: &'a mut Context, body: &'a mut dyn RequestBody) -> Access<'a> {
        if let Some(left) = context.kept_mut::<Left>()
            && left.plugin == self.plugin
            && let Some(answer) = left.answer.take()
        {
            return Access::Respond(answer);
        }
        if self.access.0.is_empty() {
            return Access::Continue;
        }
        match self.start(Phase::Access, &self.access, context) {
            Step::Body(thread) => Access::Wait(Box::pin(self.go_on(thread, context, body))),
            step => self.settle(context, step).map_or(Access::Continue, Access::Respond),
        }
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        if context.kept::<Left>().is_some_and(|left| left.failed && left.plugin == self.plugin) {
            context.source = Source::Error;
        }
        if self.edits {
            // The log phase finds a place for its changes.
            Edits::of(context);
        }
        if !self.header_filter.0.is_empty() {
            self.filter_head(context, response);
        }
        if self.phases().body_filter && matches!(response.status, 100..200 | 204 | 304) {
            context.keep(Bodiless);
        }
    }

    fn body_filter(&self, context: &mut Context, part: &mut Vec<u8>, last: bool) {
        if let Some(replacement) = context.kept_mut::<Replacement>()
            && replacement.plugin == self.plugin
        {
            *part = std::mem::take(&mut replacement.body);
        }
        if !self.body_filter.0.is_empty() {
            self.filter_body(context, part, last);
        }
        if context.kept::<Bodiless>().is_some() {
            part.clear();
        }
    }

    fn log(&self, context: &Context, outcome: &Outcome<'_>) {
        let mut frame = Frame::new(Phase::Log, &self.plugin, copy(context));
        frame.response = Some(outcome.response.clone());
        if let (Err(error), _) = call(&self.log, frame) {
            self.report(Phase::Log, &error);
        }
    }
}

impl Compiled {
    fn filter_head(&self, context: &mut Context, response: &mut ResponseHead) {
        let mut frame = Frame::take(Phase::HeaderFilter, &self.plugin, context);
        frame.response = Some(std::mem::replace(response, ResponseHead::new(200)));
        let (result, frame) = call(&self.header_filter, frame);
        *context = frame.context;
        *response = frame.response.expect("it was put there, and code can only change it");
        if let Err(error) = result {
            self.report(Phase::HeaderFilter, &error);
            response.status = 500;
        } else if let Some(Exit::Answer(answer)) = frame.exit {
            let body = replace(*answer, response, context);
            context.keep(Replacement { plugin: Arc::clone(&self.plugin), body });
        }
    }

    fn filter_body(&self, context: &mut Context, part: &mut Vec<u8>, last: bool) {
        let mut frame = Frame::take(Phase::BodyFilter, &self.plugin, context);
        frame.part = std::mem::take(part);
        frame.last = last;
        let (result, frame) = call(&self.body_filter, frame);
        *context = frame.context;
        match result {
            Ok(()) => *part = frame.part,
            // What the code was to change is not sent as it was.
            Err(error) => self.report(Phase::BodyFilter, &error),
        }
    }

    /// Begins code that may wait and may answer.
    fn start(&self, phase: Phase, codes: &Arc<Codes>, context: &mut Context) -> Step {
        let started = State::of_worker().and_then(|state| {
            let slots = state.prepared(codes)?;
            Ok((state.lua.create_thread(state.run.clone())?, slots))
        });
        match started {
            Ok((thread, slots)) => self.step(phase, thread, Some(slots), context),
            Err(error) => Step::Failed(error),
        }
    }

    fn step(&self, phase: Phase, thread: Thread, slots: Option<mlua::Table>, context: &mut Context) -> Step {
        let frame = Frame::take(phase, &self.plugin, context);
        let (result, frame) = frame::within(frame, || -> mlua::Result<Option<Thread>> {
            let state = State::of_worker()?;
            state::wind_up();
            tables::import(&state.lua)?;
            let yielded = thread.resume::<LuaValue>(slots)?;
            tables::export()?;
            Ok((thread.status() == ThreadStatus::Resumable && state.waits_for_body(&yielded)).then_some(thread))
        });
        let exit = printed(&frame).or(frame.exit);
        *context = frame.context;
        match result {
            Ok(Some(waiting)) => Step::Body(waiting),
            Ok(None) => Step::Done(exit),
            Err(error) => Step::Failed(error),
        }
    }

    /// Reads the request's body, and goes on with code that waits for it.
    async fn go_on<'a>(
        &'a self,
        mut thread: Thread,
        context: &'a mut Context,
        body: &'a mut dyn RequestBody,
    ) -> Option<Box<Answer>> {
        loop {
            let bytes = match body.read(BODY_LIMIT).await {
                Ok(bytes) => bytes.to_vec(),
                Err(error) => {
                    tracing::warn!(plugin = &*self.plugin, %error, "Code gets an empty body");
                    Vec::new()
                }
            };
            context.keep(ReadBody(bytes));
            match self.step(Phase::Access, thread, None, context) {
                Step::Body(again) => thread = again,
                step => return self.settle(context, step),
            }
        }
    }

    /// The answer that code came to, if any.
    fn settle(&self, context: &mut Context, step: Step) -> Option<Box<Answer>> {
        let (answer, failed) = match step {
            Step::Done(None | Some(Exit::Early)) => return None,
            Step::Done(Some(Exit::Answer(answer))) => (answer, false),
            // Nobody reads the body before a route is known.
            Step::Body(_) => return None,
            Step::Failed(error) => {
                self.report(Phase::Access, &error);
                (Box::new(Answer::error(500, "An unexpected error occurred")), true)
            }
        };
        context.keep(Left { plugin: Arc::clone(&self.plugin), answer: None, failed });
        Some(answer)
    }

    fn report(&self, phase: Phase, error: &mlua::Error) {
        let error = syntax::message(error);
        tracing::error!(plugin = self.name, id = &*self.plugin, phase = phase.as_str(), error, "Code failed");
    }
}

/// Runs code that cannot wait.
fn call(codes: &Arc<Codes>, frame: Frame) -> (mlua::Result<()>, Frame) {
    frame::within(frame, || {
        let state = State::of_worker()?;
        let slots = state.prepared(codes)?;
        state::wind_up();
        tables::import(&state.lua)?;
        state.run.call::<()>(slots)?;
        tables::export()
    })
}

/// The answer made of what code printed without ending the phase.
fn printed(frame: &Frame) -> Option<Exit> {
    if frame.exit.is_some() {
        return None;
    }
    let body = frame.printed.clone()?;
    let status = frame.status.unwrap_or(200);
    let answer = Answer { status, headers: Headers::new(), content: Content::Bytes(body) };
    Some(Exit::Answer(Box::new(answer)))
}

/// Puts an answer in place of one whose head is known already; fields that it does not name stay. Gives its body.
fn replace(answer: Answer, response: &mut ResponseHead, context: &Context) -> Vec<u8> {
    let (body, media_type) = match answer.content {
        Content::Empty => (Vec::new(), None),
        Content::Bytes(body) => (body, None),
        Content::Json(value) => (value.to_string().into_bytes(), Some("application/json; charset=utf-8")),
        Content::Error(message) => {
            let body = serde_json::json!({ "message": message, "request_id": context.id.as_str() });
            (body.to_string().into_bytes(), Some("application/json; charset=utf-8"))
        }
    };
    response.status = answer.status;
    response.reason = None;
    for (name, value) in answer.headers.iter() {
        if let Ok(name) = std::str::from_utf8(name) {
            response.headers.set(name, value);
        }
    }
    if let Some(media_type) = media_type {
        response.headers.set("Content-Type", media_type);
    }
    response.headers.remove("content-encoding");
    response.headers.set("Content-Length", body.len().to_string());
    body
}

/// A context for the log phase, which only looks.
fn copy(of: &Context) -> Context {
    let mut context =
        Context::new(Arc::clone(&of.node), Arc::clone(&of.directory), of.id, of.request.clone(), of.client.clone());
    context.target = of.target.clone();
    context.route = of.route.clone();
    context.service = of.service.clone();
    context.captures = of.captures.clone();
    context.consumer = of.consumer.clone();
    context.credential = of.credential.clone();
    context.groups = of.groups.clone();
    context.shared = of.shared.clone();
    context.detour = of.detour.clone();
    context.source = of.source;
    if let Some(edits) = of.kept::<Edits>() {
        context.keep(edits.clone());
    }
    if let Some(tables) = of.kept::<tables::Tables>() {
        context.keep(tables.clone());
    }
    context
}
