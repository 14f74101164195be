//! One stream of an HTTP/2 connection.

use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};

use ::h2::client::{ResponseFuture, SendRequest};
use ::h2::server::SendResponse;
use ::h2::{Reason, RecvStream, SendStream};
use bytes::{Buf as _, Bytes};
use http::HeaderMap;

use super::BodyError;
use super::heads::{self, Changing, Length};
use crate::headers::{Headers, Names};
use crate::message::ResponseHead;

/// What waits to be sent is at most this much: the usual size of a frame. So much may wait in the framing as well.
const STAGED: usize = 16 * 1024;

/// Of every so many stream numbers, one has all its fields indexed: one of half as many requests, and the first.
const INDEXED: u32 = 1024;

/// A stream and the state of a message in each direction.
pub(crate) struct H2 {
    role: Role,
    incoming: Option<RecvStream>,
    data: Bytes,
    /// Whether the incoming body is complete, but for `data`.
    ended: bool,
    trailers: Option<Headers>,
    outgoing: Option<SendStream<Bytes>>,
    /// What is kept to be sent together.
    out: Vec<u8>,
    /// What is being sent, in front of `out`.
    leaving: Bytes,
    end: End,
    /// Bytes of messages that came and went: names and values of fields, and bodies.
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Whose end this is, and how far it is with heads.
enum Role {
    Server(SendResponse<Bytes>),
    /// The head waits: it may turn out to be all there is.
    Answering(SendResponse<Bytes>, http::Response<()>),
    Client(SendRequest<Bytes>),
    /// A client that waits for the head.
    Waiting(ResponseFuture),
    /// Nothing is left but bodies.
    Open,
}

/// How far the outgoing message is.
enum End {
    /// More may follow.
    Open,
    /// This is left to be said.
    Pending(Option<HeaderMap>),
    Sent,
}

// What the two versions of HTTP share is short, and stays so: nothing of this is put into it.
impl H2 {
    /// `ended` if the request has no body.
    pub(crate) fn server(incoming: RecvStream, ended: bool, respond: SendResponse<Bytes>) -> Self {
        Self { ended, incoming: Some(incoming), ..Self::new(Role::Server(respond)) }
    }

    pub(crate) fn client(send: SendRequest<Bytes>) -> Self {
        Self::new(Role::Client(send))
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            incoming: None,
            data: Bytes::new(),
            ended: false,
            trailers: None,
            outgoing: None,
            out: Vec::new(),
            leaving: Bytes::new(),
            end: End::Open,
            received: 0,
            sent: 0,
        }
    }

    /// Sends a request's head; `end` if there is no body.
    #[inline(never)]
    pub(crate) fn begin_request(&mut self, request: http::Request<()>, end: bool) -> io::Result<()> {
        let Role::Client(send) = &mut self.role else {
            return Err(io::Error::other("a request has been sent already"));
        };
        self.sent += heads::size(request.headers());
        let (response, outgoing) = send.send_request(request, end).map_err(error)?;
        self.role = Role::Waiting(response);
        self.outgoing = Some(outgoing);
        if end {
            self.end = End::Sent;
        }
        Ok(())
    }

    /// The head of the response.
    #[inline(never)]
    pub(crate) fn poll_response(&mut self, context: &mut Context<'_>, head: &mut ResponseHead) -> Poll<io::Result<()>> {
        let Role::Waiting(response) = &mut self.role else {
            return Poll::Ready(Err(io::Error::other("no response is expected")));
        };
        let response = ready!(std::pin::Pin::new(response).poll(context)).map_err(error)?;
        self.role = Role::Open;
        self.received += heads::size(response.headers());
        heads::read_response(&response, head);
        let incoming = response.into_body();
        self.ended = incoming.is_end_stream();
        self.incoming = Some(incoming);
        Poll::Ready(Ok(()))
    }

    /// Takes a response's head; `end` if there is no body. Of the fields `without` only that of the length matters here:
    /// the others are none in HTTP/2.
    #[inline(never)]
    pub(crate) fn begin_response(
        &mut self,
        head: &ResponseHead,
        without: &Names,
        length: Option<u64>,
        end: bool,
    ) -> io::Result<()> {
        let Role::Server(respond) = &self.role else {
            return Err(io::Error::other("a response has been sent already"));
        };
        // Once in a while, as the client's table of fields forgets what came first.
        let indexed = respond.stream_id().as_u32() % INDEXED == 1;
        let changing = if indexed { Changing::Indexed } else { Changing::Literal };
        let length = if without.contains(b"Content-Length") { Length::Known(length) } else { Length::AsListed };
        let (response, size) = heads::write_response(head, length, changing)?;
        self.sent += size;
        if let Role::Server(respond) = std::mem::replace(&mut self.role, Role::Open) {
            self.role = Role::Answering(respond, response);
        }
        if end {
            self.end = End::Pending(None);
        }
        Ok(())
    }

    /// Tells the other end that the message will not be completed.
    pub(crate) fn reset(&mut self, reason: Reason) {
        match (&mut self.role, &mut self.outgoing) {
            (Role::Server(respond) | Role::Answering(respond, _), _) => respond.send_reset(reason),
            (_, Some(outgoing)) => outgoing.send_reset(reason),
            _ => {}
        }
    }

    #[inline(never)]
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, BodyError>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(Ok(false));
        };
        while self.data.is_empty() && !self.ended {
            match ready!(incoming.poll_data(context)) {
                Some(data) => {
                    self.data = data.map_err(|cause| BodyError::Io(error(cause)))?;
                    self.received += self.data.len() as u64;
                }
                None => {
                    let trailers = ready!(incoming.poll_trailers(context));
                    let trailers = trailers.map_err(|cause| BodyError::Io(error(cause)))?;
                    self.trailers = trailers.map(|trailers| heads::read_fields(&trailers));
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(!self.data.is_empty()))
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    #[inline(never)]
    pub(super) fn consume(&mut self, count: usize) {
        self.data.advance(count);
        if count > 0
            && let Some(incoming) = &mut self.incoming
        {
            // A stream that is gone has no window either.
            drop(incoming.flow_control().release_capacity(count));
        }
    }

    pub(super) fn trailers(&self) -> Option<&Headers> {
        self.trailers.as_ref()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended && self.data.is_empty()
    }

    #[inline(never)]
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if !matches!(self.end, End::Open) {
            return Poll::Ready(Err(io::Error::other("more was sent than announced")));
        }
        if self.out.len() >= STAGED {
            ready!(self.poll_flush(context))?;
        }
        let taken = data.len().min(STAGED - self.out.len());
        self.out.extend_from_slice(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    #[inline(never)]
    pub(super) fn end(&mut self, trailers: Option<&Headers>) {
        if matches!(self.end, End::Open) {
            self.end = End::Pending(trailers.map(heads::write_trailers));
        }
    }

    #[inline(never)]
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.role, Role::Answering(..)) {
            self.send_head()?;
        }
        let Some(outgoing) = &mut self.outgoing else {
            return Poll::Ready(Ok(()));
        };
        loop {
            if self.leaving.is_empty() {
                if self.out.is_empty() {
                    break;
                }
                self.leaving = std::mem::take(&mut self.out).into();
            }
            let all = self.leaving.len();
            // The end of a message waits in the framing for the other end to take it, as it would in a socket: little
            // enough, and nothing is left to be done here.
            let count = if matches!(self.end, End::Open) { ready!(poll_window(outgoing, all, context))? } else { all };
            let data = self.leaving.split_to(count);
            self.sent += count as u64;
            let last = count == all && self.out.is_empty() && matches!(self.end, End::Pending(None));
            outgoing.send_data(data, last).map_err(error)?;
            if last {
                self.end = End::Sent;
            }
        }
        if let End::Pending(trailers) = &mut self.end {
            match trailers.take() {
                Some(trailers) => outgoing.send_trailers(trailers).map_err(error)?,
                None => outgoing.send_data(Bytes::new(), true).map_err(error)?,
            }
            self.end = End::Sent;
        }
        Poll::Ready(Ok(()))
    }

    fn send_head(&mut self) -> io::Result<()> {
        if let Role::Answering(mut respond, head) = std::mem::replace(&mut self.role, Role::Open) {
            let last = self.out.is_empty() && matches!(self.end, End::Pending(None));
            self.outgoing = Some(respond.send_response(head, last).map_err(error)?);
            if last {
                self.end = End::Sent;
            }
        }
        Ok(())
    }

    #[inline(never)]
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let reset = match (&mut self.role, &mut self.outgoing) {
            (Role::Server(respond) | Role::Answering(respond, _), _) => respond.poll_reset(context),
            (_, Some(outgoing)) => outgoing.poll_reset(context),
            _ => Poll::Pending,
        };
        reset.map(drop)
    }
}

/// How much of `length` bytes may be sent now: not nothing.
fn poll_window(outgoing: &mut SendStream<Bytes>, length: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    outgoing.reserve_capacity(length);
    while outgoing.capacity() == 0 {
        match ready!(outgoing.poll_capacity(context)) {
            Some(capacity) => drop(capacity.map_err(error)?),
            None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
    Poll::Ready(Ok(outgoing.capacity().min(length)))
}

fn error(error: ::h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
    }
    if error.is_reset() || error.is_go_away() {
        return io::Error::new(io::ErrorKind::ConnectionReset, error);
    }
    io::Error::other(error)
}

impl fmt::Debug for H2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2").field("ended", &self.ended).finish_non_exhaustive()
    }
}
