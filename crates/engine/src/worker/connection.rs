//! A client's connection from its beginning to its end.

use std::future::poll_fn;
use std::hint::cold_path;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tracing::debug;

use super::establish::{Established, establish};
use super::{ListenerSpec, Open, http2};
use crate::channel::{Channel, H1};
use crate::exchange::{DISCARDED, Exchange, Response, write_answer};
use crate::http1::{self, BadRequest};
use crate::io::Io;
use crate::peer::Peer;
use crate::service::{Refusal, Service};

/// How long a connection lingers after its last response, for the client to read it before it learns of the close.
const LINGER: Duration = Duration::from_secs(2);

/// What a client of HTTP/2 with prior knowledge says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) async fn run<S: Service>(
    open: Open,
    socket: TcpStream,
    addr: SocketAddr,
    spec: Rc<ListenerSpec>,
    service: Rc<S>,
) {
    // Apart, so that a connection at rest does not keep room for the state of its handshake.
    let Established { io, peer, plain_on_tls } = match Box::pin(establish(socket, addr, &spec)).await {
        Ok(established) => established,
        Err(error) => return debug!(%error, %addr, "A connection was not established"),
    };
    if plain_on_tls {
        return Box::pin(refuse_plain(&open, io, peer, &*service)).await;
    }
    if peer.http2 {
        return Box::pin(http2::serve(Rc::new(open), io, Vec::new(), Rc::new(peer), service)).await;
    }
    let prior_knowledge = spec.http2 && spec.tls.is_none();
    drop(spec);
    if let Served::Http2(io, read, mut peer) = serve_http1(&open, io, Rc::new(peer), &*service, prior_knowledge).await {
        if let Some(peer) = Rc::get_mut(&mut peer) {
            peer.http2 = true;
        }
        Box::pin(http2::serve(Rc::new(open), io, read, peer, service)).await;
    }
}

/// How serving a connection ended.
enum Served {
    /// With the connection.
    Closed,
    /// It turned out to be HTTP/2, of which so much has been read.
    Http2(Io, Vec<u8>, Rc<Peer>),
}

async fn serve_http1<S: Service>(
    open: &Open,
    mut io: Io,
    peer: Rc<Peer>,
    service: &S,
    mut prior_knowledge: bool,
) -> Served {
    let mut requests = 0;
    // A TLS handshake may have read the first request along with its own last message.
    let mut look_first = !io.is_plain();
    loop {
        // Nothing that only requests need is held here: most connections spend most of their time at this place.
        if !std::mem::take(&mut look_first) && poll_fn(|context| io.poll_readable(context)).await.is_err() {
            return Served::Closed;
        }
        io = match Box::pin(serve_some(open, io, &peer, service, &mut requests, prior_knowledge)).await {
            Some((io, read)) if read.is_empty() => io,
            Some((io, read)) => return Served::Http2(io, read, peer),
            None => return Served::Closed,
        };
        prior_knowledge &= requests == 0;
    }
}

/// Serves requests as long as they come without much of a pause; the connection if more may come.
async fn serve_some<S: Service>(
    open: &Open,
    io: Io,
    peer: &Rc<Peer>,
    service: &S,
    requests: &mut u64,
    prior_knowledge: bool,
) -> Option<(Io, Vec<u8>)> {
    let worker = &open.worker;
    let mut exchange = Exchange::new(Channel::H1(H1::new(io, worker)), Rc::clone(peer), Rc::clone(worker));
    let keep = loop {
        match read_head(open, &mut exchange, prior_knowledge && *requests == 0).await {
            Ok(Head::Request) => {}
            Ok(Head::Http2) => {
                let channel = exchange.client.http1();
                let read = channel.input.data().to_vec();
                return match exchange.into_client() {
                    Channel::H1(channel) => Some((channel.into_io(), read)),
                    Channel::H2(_) => None,
                };
            }
            Ok(Head::Nothing) => break true,
            Ok(Head::End) => break false,
            Err(error) => {
                cold_path();
                Box::pin(refuse(&mut exchange, service, Refusal::Head(error))).await;
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
        let keep = exchange.keep_alive
            && exchange.response == Response::Complete
            && !worker.is_draining()
            && (exchange.client.is_ended() || Box::pin(discard_rest(&mut exchange)).await);
        drop(busy);
        if !keep {
            cold_path();
            if exchange.response == Response::Complete {
                Box::pin(close(&mut exchange)).await;
            }
            break false;
        }
        open.idle();
    };
    match exchange.into_client() {
        Channel::H1(channel) if keep => Some((channel.into_io(), Vec::new())),
        _ => None,
    }
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
    /// Nothing has come for a while.
    Nothing,
    /// The client has closed.
    End,
    /// It is HTTP/2 that begins.
    Http2,
}

async fn read_head(open: &Open, exchange: &mut Exchange, prior_knowledge: bool) -> Result<Head, BadRequest> {
    let limits = &open.worker.settings.limits;
    let channel = exchange.client.http1();
    channel.received = 0;
    channel.sent = 0;
    let mut begun = false;
    loop {
        if !channel.input.is_empty() {
            let read = channel.input.data();
            let compared = read.len().min(PREFACE.len());
            let preface = prior_knowledge && read[..compared] == PREFACE[..compared];
            if preface && compared == PREFACE.len() {
                return Ok(Head::Http2);
            }
            if preface {
                // So far it may become either.
            } else if let Some(parsed) = http1::parse_request(channel.input.data(), limits, &mut exchange.request)? {
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
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending if begun => Poll::Pending,
            Poll::Pending => open.poll_rest(context).map(|()| None),
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
    let mut discarded = 0;
    while !exchange.client.is_ended() {
        match exchange.read_body().await {
            Ok(Some(data)) => discarded += data.len() as u64,
            Ok(None) => break,
            Err(_) => return false,
        }
        if discarded > DISCARDED {
            return false;
        }
    }
    true
}

/// Reads what a client of plain HTTP sends on a TLS listener, and says what is wrong with it.
async fn refuse_plain<S: Service>(open: &Open, io: Io, peer: Peer, service: &S) {
    let channel = Channel::H1(H1::new(io, &open.worker));
    let mut exchange = Exchange::new(channel, Rc::new(peer), Rc::clone(&open.worker));
    let channel = exchange.client.http1();
    if matches!(poll_fn(|context| channel.poll_read(context)).await, Ok(1..)) {
        refuse(&mut exchange, service, Refusal::PlainOnTls).await;
    }
}

async fn refuse<S: Service>(exchange: &mut Exchange, service: &S, refusal: Refusal) {
    let channel = exchange.client.http1();
    let answer = service.refuse(refusal, channel.input.data(), &exchange.peer);
    write_answer(&answer, channel.out());
    if exchange.flush().await.is_ok() {
        linger(exchange).await;
    }
}

/// Ends the connection after a complete response.
async fn close(exchange: &mut Exchange) {
    let channel = exchange.client.http1();
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
    let channel = exchange.client.http1();
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
