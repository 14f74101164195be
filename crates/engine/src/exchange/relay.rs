//! The response on its way down.

use std::future::poll_fn;
use std::hint::cold_path;
use std::io;
use std::task::{Context, Poll, ready};

use super::send::Responded;
use super::{Exchange, Response, is_bodiless};
use crate::channel::{Channel, TransferError, poll_transfer};
use crate::forward::{ForwardError, Kind, Stage, Timeouts};
use crate::http1::Framing;
use crate::upstream::{self, Connection};

/// Changes a response's body on its way.
pub trait BodyFilter {
    /// Puts into `out` what goes on instead of `data`; `last` if nothing follows. It may keep data back until then.
    fn filter(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>);
}

/// Lets no body through.
struct Nothing;

impl BodyFilter for Nothing {
    fn filter(&mut self, _: &[u8], _: bool, _: &mut Vec<u8>) {}
}

impl Exchange {
    /// Sends the response down, its body as it comes, and puts the connection back. What is left of a request body
    /// still goes up meanwhile. With a filter the body has no length in advance.
    pub async fn relay(
        &mut self,
        mut connection: Box<Connection>,
        responded: Responded,
        filter: Option<&mut dyn BodyFilter>,
        timeouts: &Timeouts,
    ) -> Result<(), ForwardError> {
        let bodiless = self.head_only || is_bodiless(responded.head.status);
        let framing = match responded.framing {
            Framing::None if !bodiless && matches!(self.client, Channel::H1(_)) => Framing::Length(0),
            Framing::Length(_) if filter.is_some() => Framing::Chunked,
            framing => framing,
        };
        // What a body would have had is said of one that is not sent, but not where there cannot be one.
        let keep_length = self.head_only || responded.head.status == 304;
        let started = self.start_framed(&responded.head, framing, keep_length);
        started.map_err(|error| ForwardError::io(Stage::Client, error))?;
        self.worker.heads.give_response(responded.head);

        let moved = match filter {
            // The request went up with another method, whose answer has a body.
            None if self.head_only && framing != Framing::None => {
                cold_path();
                Box::pin(self.relay_filtered(&mut connection, &mut Nothing, timeouts)).await
            }
            None => self.relay_as_is(&mut connection, timeouts).await,
            // Apart, so that the others do not keep room for it.
            Some(filter) => Box::pin(self.relay_filtered(&mut connection, filter, timeouts)).await,
        };
        self.timer.stop();
        match moved {
            Ok(()) => {
                self.response = Response::Complete;
                upstream::release(&self.worker, connection);
                Ok(())
            }
            Err(error) => {
                self.response = Response::Broken;
                Err(error)
            }
        }
    }

    /// Reads the body of a response to its end, up to `limit` bytes, and puts the connection back.
    pub async fn collect(
        &mut self,
        mut connection: Box<Connection>,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Vec<u8>, ForwardError> {
        let mut body = Vec::new();
        loop {
            let more = poll_fn(|context| {
                self.poll_rest_of_upload(&mut connection, context);
                if let Poll::Ready(more) = connection.channel.poll_fill(context) {
                    return Poll::Ready(more.map_err(|error| ForwardError::body(Stage::Receive, error)));
                }
                ready!(self.timer.poll_over(timeouts.read, context));
                Poll::Ready(Err(ForwardError::new(Stage::Receive, Kind::Timeout, None)))
            })
            .await;
            self.timer.stop();
            if !more? {
                break;
            }
            let data = connection.channel.data();
            let taken = data.len();
            if body.len() + taken > limit {
                let error = io::Error::other("the response's body is larger than can be kept");
                return Err(ForwardError::new(Stage::Receive, Kind::Other, Some(error)));
            }
            body.extend_from_slice(data);
            connection.channel.consume(taken);
        }
        upstream::release(&self.worker, connection);
        Ok(body)
    }

    async fn relay_as_is(&mut self, connection: &mut Connection, timeouts: &Timeouts) -> Result<(), ForwardError> {
        let mut ended = false;
        poll_fn(|context| {
            let before = moved(&self.client, &connection.channel);
            self.poll_rest_of_upload(connection, context);
            match poll_transfer(&mut connection.channel, &mut self.client, &mut ended, context) {
                Poll::Ready(result) => return Poll::Ready(result.map_err(transfer_error)),
                Poll::Pending => {}
            }
            let progress = moved(&self.client, &connection.channel) != before;
            self.poll_stalled(progress, connection.channel.data().is_empty() && !ended, timeouts, context)
        })
        .await
    }

    async fn relay_filtered(
        &mut self,
        connection: &mut Connection,
        filter: &mut dyn BodyFilter,
        timeouts: &Timeouts,
    ) -> Result<(), ForwardError> {
        let mut out = self.worker.buffers.take_stage();
        let mut at = 0;
        let mut last = false;
        let mut ended = false;
        let result = poll_fn(|context| {
            let before = moved(&self.client, &connection.channel);
            self.poll_rest_of_upload(connection, context);
            loop {
                if at < out.len() && self.head_only {
                    at = out.len();
                }
                if at < out.len() {
                    match self.client.poll_send(context, &out[at..]) {
                        Poll::Ready(Ok(taken)) => at += taken,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(ForwardError::io(Stage::Client, error))),
                        Poll::Pending => break,
                    }
                    continue;
                }
                out.clear();
                at = 0;
                if last {
                    if !ended {
                        ended = true;
                        let result = self.client.end(connection.channel.trailers());
                        result.map_err(|error| ForwardError::io(Stage::Client, error))?;
                    }
                    match self.client.poll_post(context) {
                        Poll::Ready(result) => {
                            return Poll::Ready(result.map_err(|error| ForwardError::io(Stage::Client, error)));
                        }
                        Poll::Pending => break,
                    }
                }
                match connection.channel.poll_fill(context) {
                    Poll::Ready(Ok(more)) => {
                        let data = connection.channel.data();
                        let taken = data.len();
                        filter.filter(data, !more, &mut out);
                        connection.channel.consume(taken);
                        last = !more;
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(ForwardError::body(Stage::Receive, error)));
                    }
                    Poll::Pending => {
                        if let Poll::Ready(Err(error)) = self.client.poll_flush(context) {
                            return Poll::Ready(Err(ForwardError::io(Stage::Client, error)));
                        }
                        break;
                    }
                }
            }
            let progress = moved(&self.client, &connection.channel) != before;
            self.poll_stalled(progress, at == out.len() && !last, timeouts, context)
        })
        .await;
        self.worker.buffers.give_stage(out);
        result
    }

    /// Nothing can be done: gives up if that lasts too long, or if the client has gone.
    fn poll_stalled(
        &mut self,
        progress: bool,
        on_upstream: bool,
        timeouts: &Timeouts,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ForwardError>> {
        if progress {
            self.timer.stop();
        }
        if self.client.is_ended() && self.client.poll_gone(context).is_ready() {
            let gone = io::Error::from(io::ErrorKind::ConnectionReset);
            return Poll::Ready(Err(ForwardError::io(Stage::Client, gone)));
        }
        let (stage, limit) = if on_upstream {
            (Stage::Receive, timeouts.read)
        } else {
            (Stage::Client, self.worker.settings.client_timeout)
        };
        ready!(self.timer.poll_over(limit, context));
        Poll::Ready(Err(ForwardError::new(stage, Kind::Timeout, None)))
    }

    /// Sends up what is left of a streamed body whose response is early. That the upstream wants no more of it is
    /// its right; the connection is then not used again.
    fn poll_rest_of_upload(&mut self, connection: &mut Connection, context: &mut Context<'_>) {
        if !connection.uploading || !connection.streaming {
            return;
        }
        match poll_transfer(&mut self.client, &mut connection.channel, &mut connection.upload_ended, context) {
            Poll::Ready(Ok(())) => connection.uploading = false,
            Poll::Ready(Err(_)) => connection.streaming = false,
            Poll::Pending => {}
        }
    }
}

/// A number that changes whenever something moves.
fn moved(client: &Channel, upstream: &Channel) -> u64 {
    client.received() + client.sent() + upstream.received() + upstream.sent()
}

fn transfer_error(error: TransferError) -> ForwardError {
    match error {
        TransferError::From(error) => ForwardError::body(Stage::Receive, error),
        TransferError::To(error) => ForwardError::io(Stage::Client, error),
    }
}
