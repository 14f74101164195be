//! One stream: requests in, frames out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use proto::envoy::config::core::v3::Node;
use tokio::sync::watch;

use super::message::Messages;
use super::{Directory, Hello, Session, StreamEvent};
use crate::frame::{Chunks, Frames};
use crate::request::{DeltaRequest, SotwRequest, node_id};
use crate::response::Variant;
use crate::status::{Code, Status};
use crate::stream::{Outcome, Stream};
use crate::view::View;

/// How long a client may take for its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(30);

/// What the head of the HTTP request says.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) authorization: Option<String>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) variant: Variant,
}

/// The whole of one stream; the body of its HTTP response is made of what it yields.
pub(super) struct Pump<D: Directory> {
    directory: Arc<D>,
    frames: Arc<Frames>,
    messages: Messages,
    chunks: Chunks,
    phase: Phase<D::Session>,
}

enum Phase<S> {
    Opening(Caller),
    Running(Box<Running<S>>),
    Over,
}

struct Running<S> {
    session: S,
    views: watch::Receiver<Arc<View>>,
    view: Arc<View>,
    stream: Stream,
    variant: Variant,
    node_id: Box<str>,
}

impl<D: Directory> Pump<D> {
    pub(super) fn new(directory: Arc<D>, frames: Arc<Frames>, caller: Caller, body: Body) -> Self {
        let messages = Messages::new(body);
        Self { directory, frames, messages, chunks: Chunks::Done, phase: Phase::Opening(caller) }
    }

    pub(super) fn into_body(self) -> Body {
        let frames = stream::unfold(self, async |mut pump| {
            let frame = pump.next_frame().await?;
            Some((Ok::<_, std::convert::Infallible>(frame), pump))
        });
        Body::new(StreamBody::new(frames))
    }

    /// The next piece of the body; the last is the trailers.
    async fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        if let Some(chunk) = self.chunks.next() {
            return Some(Frame::data(chunk));
        }
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        match self.next_chunk().await {
            Ok(chunk) => Some(Frame::data(chunk)),
            Err(status) => {
                // The session ends here, not when the client has taken note of it.
                self.phase = Phase::Over;
                tracing::debug!(code = ?status.code, reason = status.message, "A discovery stream ended");
                Some(Frame::trailers(status.trailers()))
            }
        }
    }

    async fn next_chunk(&mut self) -> Result<Bytes, Status> {
        if let Phase::Opening(caller) = &mut self.phase {
            let running = open(&*self.directory, caller, &mut self.messages).await?;
            self.phase = Phase::Running(Box::new(running));
        }
        let Phase::Running(running) = &mut self.phase else { return Err(done()) };
        loop {
            if let Some(response) = running.stream.next(&running.view) {
                running.session.event(StreamEvent::Sent { kind: response.kind, version: response.nonce });
                self.chunks = self.frames.frame(response);
                if let Some(chunk) = self.chunks.next() {
                    return Ok(chunk);
                }
            }
            tokio::select! {
                biased;
                message = self.messages.next() => running.receive(&message?.ok_or_else(done)?)?,
                changed = running.views.changed() => {
                    changed.map_err(|_| Status::new(Code::Unavailable, "the control plane ends this stream: connect again"))?;
                    running.view = running.views.borrow_and_update().clone();
                }
            }
        }
    }
}

async fn open<D: Directory>(
    directory: &D,
    caller: &mut Caller,
    messages: &mut Messages,
) -> Result<Running<D::Session>, Status> {
    let first = tokio::time::timeout(FIRST_REQUEST, messages.next()).await;
    let late = |_| Status::new(Code::DeadlineExceeded, "no discovery request came");
    let first = first.map_err(late)??.ok_or_else(done)?;
    let node = match caller.variant {
        Variant::Delta => DeltaRequest::parse(&first)?.node,
        Variant::Sotw => SotwRequest::parse(&first)?.node,
    };
    let node = Node::decode(node.unwrap_or_default()).map_err(|error| invalid(format!("node: {error}")))?;
    if node.id.is_empty() {
        return Err(invalid("node.id: the first discovery request must carry the node with its id"));
    }
    let node_id = node.id.clone().into_boxed_str();
    let hello = Hello { node, authorization: caller.authorization.take(), peer: caller.peer, variant: caller.variant };
    let session = directory.open(hello).await?;
    let mut views = session.views();
    let view = views.borrow_and_update().clone();
    let stream = Stream::new(caller.variant);
    let mut running = Running { session, views, view, stream, variant: caller.variant, node_id };
    running.receive(&first)?;
    Ok(running)
}

impl<S: Session> Running<S> {
    fn receive(&mut self, message: &[u8]) -> Result<(), Status> {
        let (node, outcome) = match self.variant {
            Variant::Delta => {
                let request = DeltaRequest::parse(message)?;
                (request.node, self.stream.receive_delta(&request)?)
            }
            Variant::Sotw => {
                let request = SotwRequest::parse(message)?;
                (request.node, self.stream.receive_sotw(&request)?)
            }
        };
        // Clients may leave the node out after the first request.
        let id = node.map(node_id).transpose()?.unwrap_or_default();
        if !id.is_empty() && *id != *self.node_id {
            return Err(invalid(format!("node.id: changed from {:?} to {id:?} during the stream", self.node_id)));
        }
        match outcome {
            Outcome::Nothing => {}
            Outcome::Acked { kind, version } => self.session.event(StreamEvent::Acked { kind, version }),
            Outcome::Nacked { kind, version, message } => {
                self.session.event(StreamEvent::Nacked { kind, version, message });
            }
        }
        Ok(())
    }
}

fn invalid(message: impl Into<String>) -> Status {
    Status::new(Code::InvalidArgument, message)
}

/// The client has closed its side.
fn done() -> Status {
    Status::new(Code::Ok, "")
}
