//! Heads on their way out, with the fields that are the engine's business.

use std::io;

use super::{Exchange, Response, is_bodiless};
use crate::channel::Channel;
use crate::forward::Outgoing;
use crate::headers::Names;
use crate::http1::{self, Framing};
use crate::message::{RequestHead, ResponseHead, Version};
use crate::service::Answer;

impl Exchange {
    /// Puts the head before what is written next. `keep_length`: a response without body to HEAD (or a 304) keeps the
    /// length it came with.
    pub(super) fn start_framed(&mut self, head: &ResponseHead, framing: Framing, keep_length: bool) -> io::Result<()> {
        if self.response != Response::Pending {
            return Err(io::Error::other("the request has been answered already"));
        }
        self.response = Response::Started;
        let own = own(head.status, keep_length);
        let bodiless = is_bodiless(head.status);
        let mut framing = match framing {
            Framing::UntilClose => Framing::Chunked,
            framing => framing,
        };
        if framing == Framing::Chunked && self.version == Version::Http10 {
            framing = Framing::UntilClose;
        }
        if framing == Framing::UntilClose && !bodiless && !self.head_only {
            self.keep_alive = false;
        }
        self.keep_alive &= !self.worker.is_draining();
        match &mut self.client {
            Channel::H1(channel) => {
                if channel.expects() || channel.remaining().is_some_and(|left| left > super::DISCARDED) {
                    // Whether the client sends a body nobody wants is up to it: there is no telling where the next
                    // request begins. The rest of a long one is not worth reading.
                    self.keep_alive = false;
                }
                let out = channel.out();
                out.reserve(1024);
                http1::write_response_without(head, own, out);
                out.extend_from_slice(&self.lines);
                match framing {
                    _ if bodiless || keep_length => {}
                    Framing::Length(length) => http1::write_length(length, out),
                    Framing::Chunked => http1::write_chunked(out),
                    Framing::None | Framing::UntilClose => {}
                }
                let connection = match (head.status, self.keep_alive) {
                    (101, _) => b"Connection: upgrade\r\n\r\n".as_slice(),
                    (426, true) => b"Connection: keep-alive, Upgrade\r\n\r\n",
                    (426, false) => b"Connection: close, Upgrade\r\n\r\n",
                    (_, true) => b"Connection: keep-alive\r\n\r\n",
                    (_, false) => b"Connection: close\r\n\r\n",
                };
                out.extend_from_slice(connection);
                channel.begin_sending(if bodiless || self.head_only { Framing::None } else { framing });
            }
            Channel::H2(channel) => {
                let length = match framing {
                    Framing::Length(length) if !bodiless && !keep_length => Some(length),
                    _ => None,
                };
                let end = bodiless || self.head_only || matches!(framing, Framing::None | Framing::Length(0));
                channel.begin_response(head, own, length, end)?;
            }
        }
        Ok(())
    }
}

/// What the engine says itself in a response of this status: framing and what concerns one connection only.
fn own(status: u16, keep_length: bool) -> &'static Names {
    const OWN: Names =
        Names::new(&["Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"]);
    const BUT_LENGTH: Names =
        Names::new(&["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"]);
    const BUT_UPGRADE: Names =
        Names::new(&["Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding"]);
    match status {
        // These say what to upgrade to.
        101 | 426 => &BUT_UPGRADE,
        _ if keep_length => &BUT_LENGTH,
        _ => &OWN,
    }
}

/// Puts a request's head into `out`.
pub(super) fn write_request(request: &dyn Outgoing, framing: Framing, out: &mut Vec<u8>) {
    out.reserve(1024);
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    request.write_target(out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    request.write_fields(length_of(framing), out);
    if framing == Framing::Chunked {
        http1::write_chunked(out);
    }
    http1::end_head(out);
}

/// A request's head as a list, for a protocol without lines.
pub(super) fn list_request(request: &dyn Outgoing, framing: Framing) -> io::Result<RequestHead> {
    let (mut target, mut lines) = (Vec::with_capacity(128), Vec::with_capacity(1024));
    request.write_target(&mut target);
    request.write_fields(length_of(framing), &mut lines);
    http1::end_head(&mut lines);
    let headers = http1::read_fields(&lines).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(RequestHead { method: request.method().clone(), target, version: Version::Http2, headers })
}

pub(super) fn length_of(framing: Framing) -> Option<u64> {
    match framing {
        Framing::Length(length) => Some(length),
        Framing::None | Framing::Chunked | Framing::UntilClose => None,
    }
}

/// Puts a complete answer into `out` that ends the connection.
pub(crate) fn write_answer(answer: &Answer, out: &mut Vec<u8>) {
    http1::write_response_without(&answer.head, own(answer.head.status, false), out);
    http1::write_length(answer.body.len() as u64, out);
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out.extend_from_slice(&answer.body);
}
