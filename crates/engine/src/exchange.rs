//! A request and its response, as a service sees them.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::forward::ForwardError;
use crate::headers::Headers;
use crate::http1::Framing;
use crate::message::{Method, RequestHead, ResponseHead, Version};
use crate::peer::Peer;
use crate::timer::Timer;
use crate::upstream::{self, Connection, Endpoint};
use crate::worker::Worker;

mod head;
mod relay;
mod send;
mod tunnel;

pub(crate) use head::write_answer;
pub use relay::BodyFilter;
pub use send::Responded;
pub use tunnel::Tunnelled;

pub use crate::channel::BodyError;

/// How much of a request body nobody wanted is read to keep the connection.
pub(crate) const DISCARDED: u64 = 64 * 1024;

/// One request, and the means to answer it.
pub struct Exchange {
    /// The request. May be taken out and put back: its memory is used for the next request.
    pub request: RequestHead,
    /// The connection it came by.
    pub peer: Rc<Peer>,
    /// When its head had been read.
    pub started: Instant,
    pub(crate) client: Channel,
    pub(crate) worker: Rc<Worker>,
    /// How the client frames its body.
    pub(crate) framing: Framing,
    pub(crate) head_only: bool,
    pub(crate) version: Version,
    pub(crate) upgrade: bool,
    /// Whether the connection goes on after this request.
    pub(crate) keep_alive: bool,
    pub(crate) response: Response,
    /// What was read of the body by [`Self::buffer_body`].
    buffered: Vec<u8>,
    /// Fields of the response behind those of its head.
    lines: Vec<u8>,
    /// How much of [`Client::data`] was handed out by [`Self::read_body`].
    handed_out: usize,
    /// Whether body was read that is kept nowhere.
    consumed: bool,
    pub(crate) timer: Timer,
}

/// How far the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Pending,
    Started,
    Complete,
    /// It was begun and cannot be completed.
    Broken,
}

/// The client went away, or took nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the client does not take the response")]
pub struct ClientGone(#[source] pub io::Error);

impl Exchange {
    pub(crate) fn new(client: Channel, peer: Rc<Peer>, worker: Rc<Worker>) -> Self {
        Self {
            request: worker.heads.take(),
            peer,
            started: worker.started,
            client,
            framing: Framing::None,
            head_only: false,
            version: Version::Http11,
            upgrade: false,
            keep_alive: true,
            response: Response::Pending,
            buffered: Vec::new(),
            lines: Vec::new(),
            handed_out: 0,
            consumed: false,
            timer: worker.timers.take(),
            worker,
        }
    }

    /// Forgets the last request; the next head has been read.
    pub(crate) fn begin(&mut self, framing: Framing) {
        self.started = Instant::now();
        self.framing = framing;
        self.head_only = self.request.method == Method::Head;
        self.version = self.request.version;
        self.response = Response::Pending;
        self.buffered.clear();
        self.lines.clear();
        self.handed_out = 0;
        self.consumed = false;
    }

    /// The worker this runs on.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Whether the client asks for another protocol (`Connection: upgrade`).
    pub fn wants_upgrade(&self) -> bool {
        self.upgrade
    }

    /// The body's length: 0 if there is none, `None` if it is not known in advance.
    pub fn body_length(&self) -> Option<u64> {
        match self.framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        }
    }

    /// Whether the request has a body, be it empty.
    pub fn has_body(&self) -> bool {
        self.framing != Framing::None
    }

    /// Bytes of the request read so far, with its head and framing.
    pub fn received(&self) -> u64 {
        self.client.received()
    }

    /// Bytes of the response written so far, with its head and framing.
    pub fn sent(&self) -> u64 {
        self.client.sent()
    }

    /// Whether a response was begun.
    pub fn is_answered(&self) -> bool {
        self.response != Response::Pending
    }

    /// Closes the client's connection after this response.
    pub fn close_after(&mut self) {
        self.keep_alive = false;
    }

    /// Where more fields of the response can be put as the lines they are in HTTP/1, behind those of the head that
    /// starts it: saves to list what nobody looks at. `None` where there are no lines.
    pub fn lines(&mut self) -> Option<&mut Vec<u8>> {
        match self.client {
            Channel::H1(_) => Some(&mut self.lines),
            Channel::H2(_) => None,
        }
    }

    /// The next piece of the body; `None` is its end.
    pub async fn read_body(&mut self) -> Result<Option<&[u8]>, BodyError> {
        self.client.consume(self.handed_out);
        self.handed_out = 0;
        let limit = self.worker.settings.client_timeout;
        let (client, timer) = (&mut self.client, &mut self.timer);
        let more = poll_fn(|context| {
            if let Poll::Ready(more) = client.poll_fill(context) {
                return Poll::Ready(more);
            }
            timer.poll_over(limit, context).map(|()| Err(BodyError::Timeout))
        })
        .await;
        self.timer.stop();
        if more? {
            self.consumed = true;
            self.handed_out = self.client.data().len();
            Ok(Some(self.client.data()))
        } else {
            Ok(None)
        }
    }

    /// Reads the body to its end and keeps it, to be looked at and still be sent by
    /// [`Upload::Client`](crate::forward::Upload::Client), as often as needed. If it is longer than `limit` that is
    /// an error, and what was read is kept and sent as well.
    pub async fn buffer_body(&mut self, limit: usize) -> Result<&[u8], BodyError> {
        let mut buffered = std::mem::take(&mut self.buffered);
        let result = self.read_into(&mut buffered, limit).await;
        self.consumed = false;
        self.buffered = buffered;
        result?;
        Ok(&self.buffered)
    }

    async fn read_into(&mut self, buffered: &mut Vec<u8>, limit: usize) -> Result<(), BodyError> {
        if let Some(length) = self.body_length().and_then(|length| usize::try_from(length).ok()) {
            if length > limit {
                return Err(BodyError::TooLarge(limit));
            }
            buffered.reserve_exact(length.saturating_sub(buffered.len()));
        }
        while let Some(data) = self.read_body().await? {
            buffered.extend_from_slice(data);
            if buffered.len() > limit {
                self.client.consume(self.handed_out);
                self.handed_out = 0;
                return Err(BodyError::TooLarge(limit));
            }
        }
        Ok(())
    }

    /// What [`Self::buffer_body`] has read.
    pub fn buffered_body(&self) -> &[u8] {
        &self.buffered
    }

    /// Whether all of the body is in [`Self::buffered_body`], or there is none.
    pub fn is_body_buffered(&self) -> bool {
        self.client.is_ended() && !self.consumed
    }

    /// Answers with `head` and `body`, in one write. `Content-Length` and `Connection` are added; a body is left out
    /// where there cannot be one.
    pub async fn respond(&mut self, head: &ResponseHead, body: &[u8]) -> Result<(), ClientGone> {
        self.start(head, Some(body.len() as u64))?;
        if !self.head_only && !is_bodiless(head.status) {
            self.write(body).await?;
        }
        self.finish(None).await
    }

    /// Begins an answer; a body of `length` follows, or of any. Nothing is written yet.
    pub fn start(&mut self, head: &ResponseHead, length: Option<u64>) -> Result<(), ClientGone> {
        let framing = match length {
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        };
        self.start_framed(head, framing, false).map_err(ClientGone)
    }

    /// Takes a piece of the answer's body. It may wait for more before it is written.
    pub async fn write(&mut self, mut data: &[u8]) -> Result<(), ClientGone> {
        if self.response != Response::Started || self.head_only {
            return Ok(());
        }
        let limit = self.worker.settings.client_timeout;
        while !data.is_empty() {
            let (client, timer) = (&mut self.client, &mut self.timer);
            let taken = poll_fn(|context| {
                if let Poll::Ready(taken) = client.poll_send(context, data) {
                    return Poll::Ready(taken);
                }
                timer.poll_over(limit, context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            })
            .await;
            self.timer.stop();
            data = &data[self.kept(taken)?..];
        }
        Ok(())
    }

    /// Writes what was taken so far.
    pub async fn flush(&mut self) -> Result<(), ClientGone> {
        self.flush_by(Channel::poll_flush).await
    }

    async fn flush_by(
        &mut self,
        poll: fn(&mut Channel, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Result<(), ClientGone> {
        let limit = self.worker.settings.client_timeout;
        let (client, timer) = (&mut self.client, &mut self.timer);
        let flushed = poll_fn(|context| {
            if let Poll::Ready(flushed) = poll(client, context) {
                return Poll::Ready(flushed);
            }
            timer.poll_over(limit, context).map(|()| Err(io::ErrorKind::TimedOut.into()))
        })
        .await;
        self.timer.stop();
        self.kept(flushed)
    }

    /// Ends the answer.
    pub async fn finish(&mut self, trailers: Option<&Headers>) -> Result<(), ClientGone> {
        if self.response == Response::Started {
            let ended = self.client.end(trailers);
            self.kept(ended)?;
            self.flush_by(Channel::poll_post).await?;
            self.response = Response::Complete;
        }
        Ok(())
    }

    /// An idle connection to `endpoint`, or a new one.
    pub async fn connect(&mut self, endpoint: &Endpoint, timeout: Duration) -> Result<Box<Connection>, ForwardError> {
        upstream::connect(&self.worker, endpoint, timeout).await
    }

    fn kept<T>(&mut self, result: io::Result<T>) -> Result<T, ClientGone> {
        result.map_err(|error| {
            self.response = Response::Broken;
            ClientGone(error)
        })
    }

    pub(crate) fn into_client(self) -> Channel {
        self.worker.heads.give(self.request);
        self.worker.timers.give(self.timer);
        self.client
    }
}

/// Whether a response of this status never has a body.
pub(crate) fn is_bodiless(status: u16) -> bool {
    status < 200 || matches!(status, 204 | 304)
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("request", &self.request)
            .field("peer", &self.peer)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}
