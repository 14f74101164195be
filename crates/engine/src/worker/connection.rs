//! A client's connection from its beginning to its end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tracing::debug;

use super::{ListenerSpec, Open};
use crate::channel::{Channel, H1};
use crate::exchange::{Exchange, Response, write_answer};
use crate::http1::{self, BadRequest};
use crate::io::Io;
use crate::peer::Peer;
use crate::service::{Refusal, Service};

/// How long a connection lingers after its last response, for the client to read it before it learns of the close.
const LINGER: Duration = Duration::from_secs(2);

pub(super) async fn run<S: Service>(
    open: Open,
    socket: TcpStream,
    addr: SocketAddr,
    spec: Rc<ListenerSpec>,
    service: Rc<S>,
) {
    // Apart, so that a connection at rest does not keep room for the state of its handshake.
    let (io, peer) = match Box::pin(establish(socket, addr, &spec)).await {
        Ok(established) => established,
        Err(error) => return debug!(%error, %addr, "A connection was not established"),
    };
    serve_http1(&open, io, Rc::new(peer), &*service).await;
}

async fn establish(socket: TcpStream, addr: SocketAddr, spec: &ListenerSpec) -> io::Result<(Io, Peer)> {
    socket.set_nodelay(true)?;
    let peer = Peer::new(addr, socket.local_addr()?, spec.tag);
    Ok((Io::Plain(socket), peer))
}

async fn serve_http1<S: Service>(open: &Open, mut io: Io, peer: Rc<Peer>, service: &S) {
    let mut requests = 0;
    loop {
        // No buffer is held here: most connections spend most of their time at this place.
        if poll_fn(|context| io.poll_readable(context)).await.is_err() {
            return;
        }
        io = match Box::pin(serve_some(open, io, &peer, service, &mut requests)).await {
            Some(io) => io,
            None => return,
        };
        open.idle();
    }
}

/// Serves requests as long as they come without waiting; the connection if more may come.
async fn serve_some<S: Service>(open: &Open, io: Io, peer: &Rc<Peer>, service: &S, requests: &mut u64) -> Option<Io> {
    let worker = &open.worker;
    let mut exchange = Exchange::new(Channel::H1(H1::new(io, worker)), Rc::clone(peer), Rc::clone(worker));
    let keep = loop {
        match read_head(open, &mut exchange).await {
            Ok(Head::Request) => {}
            Ok(Head::Nothing) => break true,
            Ok(Head::End) => break false,
            Err(error) => {
                refuse(&mut exchange, service, Refusal::Head(error)).await;
                break false;
            }
        }
        *requests += 1;
        worker.counters.requests.up();
        worker.counters.busy.up();
        let busy = Busy(open);
        open.busy();
        exchange.keep_alive &= *requests < worker.settings.max_requests;
        service.call(&mut exchange).await;
        let keep = exchange.keep_alive && exchange.response == Response::Complete && discard_rest(&mut exchange).await;
        drop(busy);
        if !keep {
            if exchange.response == Response::Complete {
                close(&mut exchange).await;
            }
            break false;
        }
    };
    let Channel::H1(channel) = exchange.into_client();
    let io = channel.into_io();
    keep.then_some(io)
}

/// Counts down when a request is over, however it ends.
struct Busy<'a>(&'a Open);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.worker.counters.busy.down();
    }
}

enum Head {
    /// The exchange has a new request.
    Request,
    /// Nothing has come yet.
    Nothing,
    /// The client has closed.
    End,
}

async fn read_head(open: &Open, exchange: &mut Exchange) -> Result<Head, BadRequest> {
    let limits = &open.worker.settings.limits;
    let Channel::H1(channel) = &mut exchange.client;
    channel.received = 0;
    channel.sent = 0;
    let mut begun = false;
    loop {
        if !channel.input.is_empty() {
            if let Some(parsed) = http1::parse_request(channel.input.data(), limits, &mut exchange.request)? {
                channel.begin_body(parsed.consumed, parsed.framing, parsed.expect_continue, limits);
                exchange.keep_alive = parsed.keep_alive;
                exchange.upgrade = parsed.upgrade;
                exchange.begin(parsed.framing);
                return Ok(Head::Request);
            }
            if !begun {
                begun = true;
                open.head();
            }
        }
        let read = poll_fn(|context| match channel.poll_read(context) {
            Poll::Pending if !begun => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(read) => Poll::Ready(Some(read)),
        });
        match read.await {
            None => return Ok(Head::Nothing),
            Some(Ok(0) | Err(_)) => return Ok(Head::End),
            Some(Ok(_)) => {}
        }
    }
}

/// Reads what is left of the body, if that is little; whether the next request can follow.
async fn discard_rest(exchange: &mut Exchange) -> bool {
    while !exchange.client.is_ended() {
        match exchange.read_body().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => return false,
        }
    }
    true
}

async fn refuse<S: Service>(exchange: &mut Exchange, service: &S, refusal: Refusal) {
    let answer = service.refuse(refusal, &exchange.peer);
    let Channel::H1(channel) = &mut exchange.client;
    write_answer(&answer, &mut channel.out);
    if exchange.flush().await.is_ok() {
        linger(exchange).await;
    }
}

/// Ends the connection after a complete response.
async fn close(exchange: &mut Exchange) {
    let Channel::H1(channel) = &mut exchange.client;
    if !channel.is_ended() || !channel.input.is_empty() {
        linger(exchange).await;
    } else if !channel.io.is_plain() {
        // TLS has an end of its own; whether the client still hears it makes no difference.
        drop(channel.io.shutdown().await);
    }
}

/// Says that nothing more comes and waits a little for the client to say the same: closing while it still sends
/// would make its kernel drop the response.
async fn linger(exchange: &mut Exchange) {
    let Channel::H1(channel) = &mut exchange.client;
    if channel.io.shutdown().await.is_err() {
        return;
    }
    let drained = poll_fn(|context| {
        loop {
            channel.input.clear();
            match channel.poll_read(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    // However it ends, the connection is closed now.
    drop(tokio::time::timeout(LINGER, drained).await);
}
