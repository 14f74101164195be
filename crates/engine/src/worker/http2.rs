//! A client's connection of HTTP/2: a task that drives it, and one for each request at a time.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use h2::server::{Builder, Connection};
use tracing::debug;

use super::Open;
use crate::channel::Wire;
use crate::io::Io;
use crate::peer::Peer;
use crate::service::Service;

mod streams;

use streams::{Accepted, Streams};

/// What a client may send of one request before it has gone on.
const WINDOW: u32 = 256 * 1024;

/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Requests at a time.
const STREAMS: u32 = 128;

/// Serves until the client closes, or the worker drains and the last request is done. `read` is what has been read
/// already.
pub(super) async fn serve<S: Service>(open: Rc<Open>, io: Io, read: Vec<u8>, peer: Rc<Peer>, service: Rc<S>) {
    let max_requests = open.worker.settings.max_requests;
    let wire = Wire::new(io, read, &open.worker.buffers);
    let mut connection = match shake_hands(&open, &wire).await {
        Ok(connection) => connection,
        Err(error) => return debug!(%error, "HTTP/2 was not begun"),
    };
    let streams = Streams::new(Rc::clone(&open), peer, service);
    open.rest();
    let mut drain = pin!(open.state.drain.notified());
    let mut draining = false;
    let mut requests = 0;
    loop {
        let event = poll_fn(|context| {
            match wire.poll_with(connection.poll_accept(context), context) {
                Poll::Ready(Ok(Some(Ok(accepted)))) => return Poll::Ready(Event::Request(Box::new(accepted))),
                Poll::Ready(Ok(Some(Err(error)))) => return Poll::Ready(Event::End(Err(io::Error::other(error)))),
                Poll::Ready(Ok(None)) => return Poll::Ready(Event::End(Ok(()))),
                Poll::Ready(Err(error)) => return Poll::Ready(Event::End(Err(error))),
                Poll::Pending => {}
            }
            if !draining && drain.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Drain);
            }
            open.poll_rest(context).map(|()| Event::Rest)
        });
        match event.await {
            Event::Request(accepted) => {
                requests += 1;
                if requests == max_requests && !draining {
                    draining = true;
                    connection.graceful_shutdown();
                }
                streams.serve(accepted);
            }
            Event::Drain => {
                draining = true;
                connection.graceful_shutdown();
            }
            Event::Rest => streams.dismiss(),
            Event::End(Ok(())) => return,
            Event::End(Err(error)) => return debug!(%error, "A connection of HTTP/2 failed"),
        }
    }
}

/// What becomes of a connection next.
enum Event {
    Request(Box<Accepted>),
    /// The worker accepts no more.
    Drain,
    /// There has been no request for a while.
    Rest,
    End(io::Result<()>),
}

async fn shake_hands(open: &Open, wire: &Wire) -> io::Result<Connection<Wire, bytes::Bytes>> {
    let limits = &open.worker.settings.limits;
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX));
    let mut handshake = pin!(builder.handshake(wire.clone()));
    let shaken = poll_fn(|context| wire.poll_with(handshake.as_mut().poll(context), context)).await?;
    shaken.map_err(io::Error::other)
}
