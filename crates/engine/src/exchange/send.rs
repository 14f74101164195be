//! A request to the upstream, up to the head of its response.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::{Exchange, head, is_bodiless};
use crate::channel::{Channel, H2, TransferError, heads, poll_transfer};
use crate::forward::{ForwardError, Kind, Outgoing, Stage, Timeouts, Upload};
use crate::http1::{self, Framing, Limits};
use crate::message::{Method, ResponseHead};
use crate::upstream::Connection;

/// A response's head, and when it was there.
#[derive(Debug)]
pub struct Responded {
    /// The head.
    pub head: Box<ResponseHead>,
    /// Where its body ends.
    pub(super) framing: Framing,
    /// Whether the connection now speaks another protocol: answer with [`Exchange::tunnel`].
    pub tunnel: bool,
    /// When the head had arrived.
    pub received: Instant,
}

/// A body on its way up.
struct Uploading<'a> {
    /// What is to be sent first.
    bytes: &'a [u8],
    /// Whether the rest of the client's body follows.
    streaming: bool,
    /// Whether the end was sent.
    ended: bool,
    /// Whether all of it has left.
    done: bool,
    /// Whether something of it was taken from the client and is kept nowhere.
    consumed: bool,
}

impl Exchange {
    /// Sends a request and waits for the head of its response; interim responses are left out. The body goes up while
    /// that is waited for, and beyond in [`Self::relay`] if the response is early.
    pub async fn send(
        &mut self,
        connection: &mut Connection,
        request: &dyn Outgoing,
        upload: Upload<'_>,
        timeouts: &Timeouts,
    ) -> Result<Responded, ForwardError> {
        let buffered = std::mem::take(&mut self.buffered);
        let (mut body, framing) = self.uploading(upload, &buffered);
        let mut head = self.worker.heads.take_response();
        let limits = self.worker.settings.limits;
        let result = match begin_request(connection, request, framing) {
            Ok(()) => {
                poll_fn(|context| {
                    let method = request.method();
                    self.poll_send_and_wait(connection, &mut body, method, &limits, &mut head, timeouts, context)
                })
                .await
            }
            Err(error) => Err(ForwardError::io(Stage::Send, error)),
        };
        connection.uploading = !body.done;
        connection.streaming = body.streaming && body.bytes.is_empty();
        connection.upload_ended = body.ended;
        self.consumed |= body.consumed;
        self.buffered = buffered;
        self.timer.stop();
        match result {
            Ok((framing, tunnel)) => Ok(Responded { head, framing, tunnel, received: Instant::now() }),
            Err(mut error) => {
                error.body_consumed = self.consumed;
                // On a connection of its own or a kept one alike, what was written may have been read.
                error.request_sent = connection.channel.has_sent();
                Err(error)
            }
        }
    }

    /// What goes up, and how it is framed.
    fn uploading<'a>(&self, upload: Upload<'a>, buffered: &'a [u8]) -> (Uploading<'a>, Framing) {
        let all_buffered = self.client.is_ended() && !self.consumed && self.framing != Framing::None;
        let (bytes, framing, streaming) = match upload {
            Upload::None => (&[][..], Framing::None, false),
            Upload::Bytes(bytes) => (bytes, Framing::Length(bytes.len() as u64), false),
            Upload::Client if all_buffered => (buffered, Framing::Length(buffered.len() as u64), false),
            Upload::Client => (buffered, self.framing, self.framing != Framing::None),
        };
        (Uploading { bytes, streaming, ended: false, done: false, consumed: self.consumed }, framing)
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one loop, in one place")]
    fn poll_send_and_wait(
        &mut self,
        connection: &mut Connection,
        body: &mut Uploading<'_>,
        method: &Method,
        limits: &Limits,
        response: &mut ResponseHead,
        timeouts: &Timeouts,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Framing, bool), ForwardError>> {
        let mut progress = false;
        let mut failed = None;
        if !body.done {
            let before = connection.channel.sent();
            let uploaded = self.poll_upload(&mut connection.channel, body, context);
            progress |= connection.channel.sent() != before;
            match uploaded {
                Poll::Ready(Ok(())) => {
                    body.done = true;
                    progress = true;
                }
                Poll::Ready(Err(TransferError::From(error))) => {
                    return Poll::Ready(Err(ForwardError::body(Stage::Client, error)));
                }
                // The upstream may have said why before it stopped reading.
                Poll::Ready(Err(TransferError::To(error))) => failed = Some(error),
                Poll::Pending => {}
            }
        }
        match poll_head(connection, method, limits, response, context) {
            Poll::Ready(Err(error)) => {
                let error = match failed {
                    Some(failed) => ForwardError::io(Stage::Send, failed),
                    None => error,
                };
                return Poll::Ready(Err(error));
            }
            Poll::Ready(ready) => return Poll::Ready(ready),
            Poll::Pending => {}
        }
        if let Some(error) = failed {
            return Poll::Ready(Err(ForwardError::io(Stage::Send, error)));
        }
        if body.done && self.client.poll_gone(context).is_ready() {
            let gone = io::Error::from(io::ErrorKind::ConnectionReset);
            return Poll::Ready(Err(ForwardError::io(Stage::Client, gone)));
        }
        if progress {
            self.timer.stop();
        }
        let (stage, limit) = match (body.done, body.waits_for_client(&self.client)) {
            (true, _) => (Stage::Receive, timeouts.read),
            (false, true) => (Stage::Client, self.worker.settings.client_timeout),
            (false, false) => (Stage::Send, timeouts.write),
        };
        ready!(self.timer.poll_over(limit, context));
        Poll::Ready(Err(ForwardError::new(stage, Kind::Timeout, None)))
    }

    /// Moves the body up. Ready once all of it and the head have left.
    fn poll_upload(
        &mut self,
        upstream: &mut Channel,
        body: &mut Uploading<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        while !body.bytes.is_empty() {
            let taken = ready!(upstream.poll_send(context, body.bytes)).map_err(TransferError::To)?;
            body.bytes = &body.bytes[taken..];
        }
        if body.streaming {
            body.consumed |= !self.client.is_ended();
            return poll_transfer(&mut self.client, upstream, &mut body.ended, context);
        }
        if !body.ended {
            upstream.end(None).map_err(TransferError::To)?;
            body.ended = true;
        }
        upstream.poll_post(context).map_err(TransferError::To)
    }
}

impl Uploading<'_> {
    /// Whether there is nothing to write as nothing comes from the client.
    fn waits_for_client(&self, client: &Channel) -> bool {
        self.bytes.is_empty() && self.streaming && !self.ended && client.data().is_empty()
    }
}

fn begin_request(connection: &mut Connection, request: &dyn Outgoing, framing: Framing) -> io::Result<()> {
    match &mut connection.channel {
        Channel::H1(channel) => {
            head::write_request(request, framing, channel.out());
            channel.begin_sending(framing);
            Ok(())
        }
        Channel::H2(channel) => {
            let list = head::list_request(request, framing)?;
            let request = heads::write_request(&list, connection.endpoint.is_tls(), head::length_of(framing))?;
            channel.begin_request(request, framing == Framing::None)
        }
    }
}

fn poll_head(
    connection: &mut Connection,
    method: &Method,
    limits: &Limits,
    response: &mut ResponseHead,
    context: &mut Context<'_>,
) -> Poll<Result<(Framing, bool), ForwardError>> {
    let channel = match &mut connection.channel {
        Channel::H1(channel) => channel,
        Channel::H2(channel) => return poll_head_of_stream(channel, method, response, context),
    };
    loop {
        if !channel.input.is_empty() {
            let parsed = http1::parse_response(channel.input.data(), method, limits, response);
            match parsed.map_err(ForwardError::bad_response)? {
                Some(parsed) if parsed.informational => {
                    channel.input.consume(parsed.consumed);
                    continue;
                }
                Some(parsed) => {
                    channel.begin_body(parsed.consumed, parsed.framing, false, limits);
                    connection.keep = parsed.keep_alive && !parsed.tunnel;
                    return Poll::Ready(Ok((parsed.framing, parsed.tunnel)));
                }
                None => {}
            }
        }
        match ready!(channel.poll_read(context)) {
            Ok(0) => return Poll::Ready(Err(ForwardError::new(Stage::Receive, Kind::Closed, None))),
            Ok(_) => {}
            Err(error) => return Poll::Ready(Err(ForwardError::io(Stage::Receive, error))),
        }
    }
}

#[inline(never)]
fn poll_head_of_stream(
    channel: &mut H2,
    method: &Method,
    response: &mut ResponseHead,
    context: &mut Context<'_>,
) -> Poll<Result<(Framing, bool), ForwardError>> {
    ready!(channel.poll_response(context, response)).map_err(|error| ForwardError::io(Stage::Receive, error))?;
    let bodiless = channel.is_ended() && response.headers.get("content-length").is_none();
    let framing = if *method == Method::Head || is_bodiless(response.status) || bodiless {
        Framing::None
    } else {
        response
            .headers
            .get_str("content-length")
            .and_then(|length| length.parse().ok())
            .map_or(Framing::Chunked, Framing::Length)
    };
    Poll::Ready(Ok((framing, false)))
}
