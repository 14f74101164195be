//! What a worker does with requests.

use crate::exchange::Exchange;
use crate::http1::BadRequest;
use crate::message::ResponseHead;
use crate::peer::Peer;

/// Handles the requests of one worker. There is one value a worker, so it needs neither locks nor `Send`.
pub trait Service: 'static {
    /// Handles one request: responds, or forwards and relays. If nothing was responded when this returns, the
    /// connection is closed (HTTP/1) or the stream is reset (HTTP/2).
    fn call(&self, exchange: &mut Exchange) -> impl Future<Output = ()>;

    /// The answer to a request that cannot be handed to [`Self::call`]; `read` is what was read of it, down to the
    /// last byte that came. Framing is added, and the connection is closed after it.
    fn refuse(&self, refusal: Refusal, read: &[u8], peer: &Peer) -> Answer;
}

/// Why a request is refused before it is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its head is malformed or too large.
    Head(BadRequest),
    /// Plain HTTP where TLS is spoken.
    PlainOnTls,
}

impl Refusal {
    /// The status of HTTP's own list that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::Head(error) => error.status(),
            Self::PlainOnTls => 400,
        }
    }
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status and fields, without framing.
    pub head: ResponseHead,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// This status without fields and body.
    pub fn empty(status: u16) -> Self {
        Self { head: ResponseHead::new(status), body: Vec::new() }
    }
}
