//! A client's connection of HTTP/2: a task a request.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use h2::Reason;
use h2::server::{Builder, SendResponse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::spawn_local;
use tracing::debug;

use super::{Open, Worker};
use crate::channel::{Channel, H2, heads};
use crate::exchange::{Exchange, Response};
use crate::http1::Framing;
use crate::io::Io;
use crate::peer::Peer;
use crate::service::Service;

/// What a client may send of one request before it has gone on.
const WINDOW: u32 = 256 * 1024;

/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Requests at a time.
const STREAMS: u32 = 128;

/// Serves until the client closes, or the worker drains and the last request is done. `read` is what has been read
/// already.
pub(super) async fn serve<S: Service>(open: Rc<Open>, io: Io, read: Vec<u8>, peer: Rc<Peer>, service: Rc<S>) {
    let limits = &open.worker.settings.limits;
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX));
    let mut connection = match builder.handshake(Rewound { io, read, at: 0 }).await {
        Ok(connection) => connection,
        Err(error) => return debug!(%error, "HTTP/2 was not begun"),
    };
    let streams = Rc::new(Streams { open: Rc::clone(&open), count: Cell::new(0) });
    open.rest();
    let mut draining = false;
    let mut requests = 0;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = open.state.drain.notified(), if !draining => {
                draining = true;
                connection.graceful_shutdown();
                continue;
            }
        };
        match accepted {
            Some(Ok((request, respond))) => {
                requests += 1;
                if requests == open.worker.settings.max_requests && !draining {
                    draining = true;
                    connection.graceful_shutdown();
                }
                let stream = Stream::new(&streams);
                // The state of a request is large, and making a task moves it several times.
                let serving = Box::pin(serve_stream(stream, request, respond, Rc::clone(&peer), Rc::clone(&service)));
                spawn_local(serving);
            }
            Some(Err(error)) => return debug!(%error, "A connection of HTTP/2 failed"),
            None => return,
        }
    }
}

async fn serve_stream<S: Service>(
    stream: Stream,
    request: http::Request<h2::RecvStream>,
    respond: SendResponse<bytes::Bytes>,
    peer: Rc<Peer>,
    service: Rc<S>,
) {
    let worker: &Rc<Worker> = &stream.0.open.worker;
    worker.counters.requests.up();
    let (parts, body) = request.into_parts();
    let request = http::Request::from_parts(parts, ());
    let framing = if h2::RecvStream::is_end_stream(&body) {
        Framing::None
    } else {
        let length = request.headers().get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
        length.map_or(Framing::Chunked, Framing::Length)
    };
    let channel = Channel::H2(Box::new(H2::server(body, respond)));
    let mut exchange = Exchange::new(channel, peer, Rc::clone(worker));
    let complete = heads::read_request(&request, &mut exchange.request);
    exchange.begin(framing);
    if complete {
        service.call(&mut exchange).await;
    }
    let answered = exchange.response;
    if let Channel::H2(mut channel) = exchange.into_client() {
        match answered {
            Response::Complete => {}
            _ if !complete => channel.reset(Reason::PROTOCOL_ERROR),
            _ => channel.reset(Reason::INTERNAL_ERROR),
        }
    }
}

/// The requests of a connection.
struct Streams {
    open: Rc<Open>,
    count: Cell<usize>,
}

/// One of them; as long as there is any, the connection is not idle.
struct Stream(Rc<Streams>);

impl Stream {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.count.set(streams.count.get() + 1);
        streams.open.busy();
        streams.open.worker.counters.busy.up();
        Self(Rc::clone(streams))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.0;
        streams.count.set(streams.count.get() - 1);
        streams.open.worker.counters.busy.down();
        if streams.count.get() == 0 {
            streams.open.rest();
        }
    }
}

/// A connection of which something has been read already.
struct Rewound {
    io: Io,
    read: Vec<u8>,
    at: usize,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at < this.read.len() {
            let count = buffer.remaining().min(this.read.len() - this.at);
            buffer.put_slice(&this.read[this.at..this.at + count]);
            this.at += count;
            return Poll::Ready(Ok(()));
        }
        this.read = Vec::new();
        this.at = 0;
        Pin::new(&mut this.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
