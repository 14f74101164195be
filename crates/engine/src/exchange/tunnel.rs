//! Connections that speak another protocol: bytes both ways.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite as _;

use super::send::Responded;
use super::{Exchange, Response};
use crate::channel::{Channel, H1};
use crate::forward::{ForwardError, Kind, Stage};
use crate::http1::Framing;
use crate::upstream::Connection;

/// What went through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnelled {
    /// Bytes from the client to the upstream.
    pub up: u64,
    /// Bytes from the upstream to the client.
    pub down: u64,
}

impl Exchange {
    /// Passes the head on and then bytes both ways until both ends have said their last, or neither says anything for
    /// `idle`, which counts as an orderly end.
    pub async fn tunnel(
        &mut self,
        mut connection: Box<Connection>,
        responded: Responded,
        idle: Duration,
    ) -> Result<Tunnelled, ForwardError> {
        self.keep_alive = false;
        let started = self.start_framed(&responded.head, Framing::None, false);
        started.map_err(|error| ForwardError::io(Stage::Client, error))?;
        self.response = Response::Broken;
        let (Channel::H1(client), Channel::H1(upstream)) = (&mut self.client, &mut connection.channel) else {
            return Err(ForwardError::new(Stage::Client, Kind::BadMessage, None));
        };
        let mut up = Pipe::default();
        let mut down = Pipe::default();
        let timer = &mut self.timer;
        let result = poll_fn(|context| {
            if client.poll_flush(context).map_err(|error| ForwardError::io(Stage::Client, error))?.is_pending() {
                ready!(timer.poll_over(idle, context));
                return Poll::Ready(Err(ForwardError::new(Stage::Client, Kind::Timeout, None)));
            }
            let before = up.moved + down.moved;
            let up_done = up.poll(client, upstream, context).map_err(|error| ForwardError::io(Stage::Send, error))?;
            let down_done =
                down.poll(upstream, client, context).map_err(|error| ForwardError::io(Stage::Receive, error))?;
            if up_done.is_ready() && down_done.is_ready() {
                return Poll::Ready(Ok(()));
            }
            if up.moved + down.moved != before {
                timer.stop();
            }
            timer.poll_over(idle, context).map(Ok)
        })
        .await;
        self.timer.stop();
        let tunnelled = Tunnelled { up: up.moved, down: down.moved };
        client.received += tunnelled.up;
        client.sent += tunnelled.down;
        result?;
        self.response = Response::Complete;
        Ok(tunnelled)
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    ended: bool,
    shut: bool,
    moved: u64,
}

impl Pipe {
    /// Ready once the end has been passed on.
    fn poll(&mut self, from: &mut H1, to: &mut H1, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.shut {
            if !from.input.is_empty() {
                let count = ready!(Pin::new(&mut to.io).poll_write(context, from.input.data()))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                from.input.consume(count);
                self.moved += count as u64;
            } else if self.ended {
                // The other end may be gone altogether: then there is nothing left to tell it.
                drop(ready!(Pin::new(&mut to.io).poll_shutdown(context)));
                self.shut = true;
            } else {
                match from.poll_read(context)? {
                    Poll::Ready(0) => self.ended = true,
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        ready!(Pin::new(&mut to.io).poll_flush(context))?;
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
