//! What the code that runs right now is about.

use std::cell::RefCell;
use std::sync::Arc;

use gateway_proxy::pdk::{Answer, Context, Headers, RequestHead, ResponseHead};

/// The phases of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Rewrite,
    Access,
    HeaderFilter,
    BodyFilter,
    Log,
}

impl Phase {
    /// Its name in configuration and in code.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rewrite => "rewrite",
            Self::Access => "access",
            Self::HeaderFilter => "header_filter",
            Self::BodyFilter => "body_filter",
            Self::Log => "log",
        }
    }
}

/// All that code can reach. The context is moved in here while code runs, for functions that Lua calls have to own
/// what they work on.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) phase: Phase,
    pub(super) context: Context,
    /// The id of the plugin.
    pub(super) plugin: Arc<str>,
    /// The head of the answer, once there is one.
    pub(super) response: Option<ResponseHead>,
    /// The part of the answer's body at hand.
    pub(super) part: Vec<u8>,
    /// Whether it is the last one.
    pub(super) last: bool,
    /// How the code ended the phase.
    pub(super) exit: Option<Exit>,
    /// What the code printed as a body.
    pub(super) printed: Option<Vec<u8>>,
    /// The status that the code wants for what it printed.
    pub(super) status: Option<u16>,
}

/// The end of a phase.
#[derive(Clone, Debug)]
pub(super) enum Exit {
    /// The request goes on.
    Early,
    /// This is the answer.
    Answer(Box<Answer>),
}

/// The request's body, kept once it was read.
#[derive(Debug)]
pub(super) struct ReadBody(pub(super) Vec<u8>);

thread_local! {
    static FRAME: RefCell<Option<Frame>> = const { RefCell::new(None) };
}

/// Works on the frame of the code that runs. Must not run Lua.
pub(super) fn with<R>(work: impl FnOnce(&mut Frame) -> mlua::Result<R>) -> mlua::Result<R> {
    FRAME.with_borrow_mut(|frame| match frame {
        Some(frame) => work(frame),
        None => Err(mlua::Error::RuntimeError("there is no request".to_owned())),
    })
}

/// Runs `work` with `frame` as the current one, and gives it back.
pub(super) fn within<R>(frame: Frame, work: impl FnOnce() -> R) -> (R, Frame) {
    FRAME.set(Some(frame));
    let result = work();
    let frame = FRAME.take().expect("it was put there, and nobody else takes it");
    (result, frame)
}

impl Frame {
    /// Moves the context out of its place and into a frame.
    pub(super) fn take(phase: Phase, plugin: &Arc<str>, context: &mut Context) -> Self {
        let stand_in = Context::new(
            Arc::clone(&context.node),
            Arc::clone(&context.directory),
            context.id,
            RequestHead::default(),
            context.client.clone(),
        );
        Self::new(phase, plugin, std::mem::replace(context, stand_in))
    }

    pub(super) fn new(phase: Phase, plugin: &Arc<str>, context: Context) -> Self {
        Self {
            phase,
            context,
            plugin: Arc::clone(plugin),
            response: None,
            part: Vec::new(),
            last: false,
            exit: None,
            printed: None,
            status: None,
        }
    }

    /// The fields of the answer: of its head if there is one, else those it will have.
    pub(super) fn response_fields(&mut self) -> &mut Headers {
        match &mut self.response {
            Some(head) => &mut head.headers,
            None => &mut self.context.response_headers,
        }
    }

    /// The query as it stands, without `?`.
    pub(super) fn query(&self) -> &[u8] {
        if self.context.service.is_some() {
            crate::query::of(&self.context.target.query)
        } else {
            self.context.request.query().unwrap_or_default()
        }
    }
}
