//! The requests of a connection, and the tasks that serve them: one that is done with a request waits for the next.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::ops::Deref;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use tokio::task::spawn_local;

use crate::channel::{Channel, H2, heads};
use crate::exchange::{Exchange, Response};
use crate::http1::Framing;
use crate::peer::Peer;
use crate::service::Service;
use crate::worker::Open;

/// A request as it comes from the framing.
pub(super) type Accepted = (http::Request<RecvStream>, SendResponse<Bytes>);

/// The requests of a connection. When this is dropped, those that are being served go on.
pub(super) struct Streams<S: Service>(Rc<Shared<S>>);

struct Shared<S> {
    open: Rc<Open>,
    peer: Rc<Peer>,
    service: Rc<S>,
    /// Requests that are being served.
    count: Cell<usize>,
    /// Tasks that wait for one.
    waiting: RefCell<Vec<Rc<Seat>>>,
    /// Whether the connection has ended.
    ended: Cell<bool>,
}

/// Where a task waits for its next request.
#[derive(Default)]
struct Seat {
    next: Cell<Option<Box<Accepted>>>,
    dismissed: Cell<bool>,
    waker: OnceCell<Waker>,
}

impl<S: Service> Streams<S> {
    pub(super) fn new(open: Rc<Open>, peer: Rc<Peer>, service: Rc<S>) -> Self {
        let (count, waiting, ended) = (Cell::new(0), RefCell::default(), Cell::new(false));
        Self(Rc::new(Shared { open, peer, service, count, waiting, ended }))
    }

    /// Serves a request beside the others.
    pub(super) fn serve(&self, accepted: Box<Accepted>) {
        let seat = self.0.waiting.borrow_mut().pop();
        match seat {
            Some(seat) => {
                seat.next.set(Some(accepted));
                seat.wake();
            }
            None => {
                // The state of a request is large, and making a task moves it several times.
                spawn_local(Box::pin(serve_streams(Rc::clone(&self.0), accepted)));
            }
        }
    }

    /// Ends the tasks that have no request.
    pub(super) fn dismiss(&self) {
        for seat in self.0.waiting.take() {
            seat.dismissed.set(true);
            seat.wake();
        }
    }
}

impl<S: Service> Drop for Streams<S> {
    fn drop(&mut self) {
        self.0.ended.set(true);
        self.dismiss();
    }
}

impl Seat {
    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// The next request; `None` if there will be none.
    fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Box<Accepted>>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(Some(next));
        }
        if self.dismissed.get() {
            return Poll::Ready(None);
        }
        // A task has one waker for all its life.
        self.waker.get_or_init(|| context.waker().clone());
        Poll::Pending
    }
}

async fn serve_streams<S: Service>(shared: Rc<Shared<S>>, first: Box<Accepted>) {
    let seat = Rc::new(Seat::default());
    let mut next = Some(first);
    while let Some(accepted) = next {
        serve_stream(&shared, accepted).await;
        if shared.ended.get() {
            return;
        }
        shared.waiting.borrow_mut().push(Rc::clone(&seat));
        next = poll_fn(|context| seat.poll_next(context)).await;
    }
}

async fn serve_stream<S: Service>(shared: &Shared<S>, accepted: Box<Accepted>) {
    let worker = &shared.open.worker;
    let _busy = Busy::new(shared);
    worker.counters.requests.up();
    let (request, respond) = *accepted;
    let (parts, body) = request.into_parts();
    let ended = body.is_end_stream();
    let framing = if ended {
        Framing::None
    } else {
        let length = parts.headers.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
        length.map_or(Framing::Chunked, Framing::Length)
    };
    let channel = Channel::H2(Box::new(H2::server(body, ended, respond)));
    let mut exchange = Exchange::new(channel, Rc::clone(&shared.peer), Rc::clone(worker));
    let complete = heads::read_request(&parts, &mut exchange.request);
    drop(parts);
    exchange.begin(framing);
    if complete {
        shared.service.call(&mut exchange).await;
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

/// A request that is being served: as long as there is one, the connection is not idle.
struct Busy<'a> {
    open: &'a Open,
    count: &'a Cell<usize>,
}

impl<'a> Busy<'a> {
    fn new<S>(shared: &'a Shared<S>) -> Self {
        let (open, count) = (shared.open.deref(), &shared.count);
        count.set(count.get() + 1);
        open.busy();
        open.worker.counters.busy.up();
        Self { open, count }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.open.worker.counters.busy.down();
        if self.count.get() == 0 {
            self.open.rest();
        }
    }
}
