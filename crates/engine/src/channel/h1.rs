//! HTTP/1 on a connection that belongs to one message at a time.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;

use super::BodyError;
use crate::buffer::Buffer;
use crate::headers::Headers;
use crate::http1::{BodyDecoder, Framing, Limits, write_chunk_end, write_chunk_head, write_last_chunk};
use crate::io::Io;
use crate::worker::Worker;

/// Data up to this size is copied behind what waits to be written, so that both leave with one write.
const COPIED: usize = 4 * 1024;

/// The same for TLS, where a write is a record: its greatest size.
const COPIED_TLS: usize = 16 * 1024;

/// What waits to be written is at most this much, then it is written first.
const STAGED: usize = 16 * 1024;

/// What a client may send while its answer is being made.
const AHEAD: usize = 16 * 1024;

/// A connection and the state of a message in each direction.
pub(crate) struct H1 {
    pub(crate) io: Io,
    /// Has a block only while there is something in it, so that those who wait need none.
    pub(crate) input: Buffer,
    decoder: BodyDecoder,
    /// How much at the front of `input` is data of the body.
    data: usize,
    /// How much behind the data goes with it.
    tail: usize,
    /// What waits to be written, from `written` on. Has memory only while there is something.
    out: Vec<u8>,
    written: usize,
    sink: Sink,
    /// The client waits for `100 Continue`.
    expects: bool,
    /// It is the other end's turn: that nothing came from it yet is likely, and found out without a buffer.
    quiet: bool,
    /// Bytes of messages that came and went.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    worker: Rc<Worker>,
}

/// How the outgoing body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    /// There is none, or it is complete.
    Done,
    Length(u64),
    /// So much is left of the chunk that was begun.
    Chunked(usize),
    UntilClose,
}

impl H1 {
    pub(crate) fn new(io: Io, worker: &Rc<Worker>) -> Self {
        Self {
            io,
            input: Buffer::default(),
            decoder: BodyDecoder::new(Framing::None, &worker.settings.limits),
            data: 0,
            tail: 0,
            out: Vec::new(),
            written: 0,
            sink: Sink::Done,
            expects: false,
            quiet: false,
            received: 0,
            sent: 0,
            worker: Rc::clone(worker),
        }
    }

    /// The connection without what belongs to a message.
    pub(crate) fn into_io(self) -> Io {
        self.worker.buffers.give(self.input);
        self.worker.buffers.give_stage(self.out);
        self.io
    }

    /// Reads more behind what was read; 0 is the end, or a buffer that is full.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.quiet) {
            ready!(self.io.poll_readable(context))?;
        }
        self.worker.buffers.lend(&mut self.input);
        let read = self.io.poll_fill(context, self.input.room());
        if let Poll::Ready(Ok(count @ 1..)) = read {
            self.input.filled(count);
        } else {
            self.worker.buffers.reclaim(&mut self.input);
        }
        read
    }

    /// Where to put what is to be written.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = self.worker.buffers.take_stage();
        }
        &mut self.out
    }

    /// A head of `head` bytes has been read: what follows is its body.
    pub(crate) fn begin_body(&mut self, head: usize, framing: Framing, expects: bool, limits: &Limits) {
        self.input.consume(head);
        self.worker.buffers.reclaim(&mut self.input);
        self.received += head as u64;
        self.decoder = BodyDecoder::new(framing, limits);
        self.data = 0;
        self.tail = 0;
        self.expects = expects && !self.decoder.is_done();
        self.quiet = self.decoder.is_done();
    }

    /// A head has been put into `out`: what is sent is its body.
    pub(crate) fn begin_sending(&mut self, framing: Framing) {
        // An interim response cannot follow the actual one.
        self.expects = false;
        self.sink = match framing {
            Framing::None | Framing::Length(0) => Sink::Done,
            Framing::Length(length) => Sink::Length(length),
            Framing::Chunked => Sink::Chunked(0),
            Framing::UntilClose => Sink::UntilClose,
        };
    }

    /// Whether the client still waits for `100 Continue`: it may never send its body.
    pub(crate) fn expects(&self) -> bool {
        self.expects
    }

    /// How much of the incoming body is to come, if that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.decoder.remaining().map(|left| left + self.data as u64)
    }

    /// Whether the outgoing message is complete.
    pub(crate) fn is_sent(&self) -> bool {
        self.sink == Sink::Done && self.out.len() == self.written
    }

    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, BodyError>> {
        while self.data == 0 && !self.decoder.is_done() {
            if self.input.is_empty() {
                if self.expects {
                    self.expects = false;
                    self.out().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                if self.written < self.out.len() && self.sink == Sink::Done {
                    // Only an interim response can wait here, and the client waits for it.
                    ready!(self.poll_flush(context)).map_err(BodyError::Io)?;
                }
                if ready!(self.poll_read(context)).map_err(BodyError::Io)? == 0 {
                    self.decoder.close()?;
                    break;
                }
            }
            self.expects = false;
            let step = self.decoder.decode(self.input.data())?;
            self.received += step.consumed as u64;
            self.input.consume(step.data.start);
            self.data = step.data.len();
            self.tail = step.consumed - step.data.end;
            if self.data == 0 {
                self.input.consume(self.tail);
                self.tail = 0;
                self.worker.buffers.reclaim(&mut self.input);
            }
        }
        Poll::Ready(Ok(self.data > 0))
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.input.data()[..self.data]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.data -= count;
        if self.data == 0 {
            self.input.consume(self.tail);
            self.tail = 0;
            self.worker.buffers.reclaim(&mut self.input);
        }
    }

    pub(super) fn trailers(&self) -> Option<&Headers> {
        self.decoder.trailers()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.decoder.is_done() && self.data == 0
    }

    pub(super) fn poll_send(&mut self, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.out.len() - self.written > STAGED {
            ready!(self.poll_flush(context))?;
        }
        self.out();
        let mut data = data;
        match &mut self.sink {
            Sink::Done => return Poll::Ready(Err(io::Error::other("more was sent than announced"))),
            Sink::Length(left) if *left < data.len() as u64 => {
                return Poll::Ready(Err(io::Error::other("more was sent than announced")));
            }
            Sink::Chunked(left) => {
                if *left == 0 {
                    write_chunk_head(data.len(), &mut self.out);
                    *left = data.len();
                }
                data = &data[..data.len().min(*left)];
            }
            Sink::Length(_) | Sink::UntilClose => {}
        }
        let copied = if self.io.is_plain() { COPIED } else { COPIED_TLS };
        let taken = if data.len() <= copied {
            self.out.extend_from_slice(data);
            data.len()
        } else {
            ready!(self.poll_write_both(context, data))?
        };
        self.count_sent_body(taken);
        Poll::Ready(Ok(taken))
    }

    /// Writes what waits and `data` together; how much of the data was written, at least something.
    fn poll_write_both(&mut self, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let waiting = &self.out[self.written..];
            let io = Pin::new(&mut self.io);
            let count = if waiting.is_empty() {
                ready!(io.poll_write(context, data))?
            } else {
                ready!(io.poll_write_vectored(context, &[IoSlice::new(waiting), IoSlice::new(data)]))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count as u64;
            let of_waiting = count.min(waiting.len());
            self.written += of_waiting;
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
            }
            if count > of_waiting {
                return Poll::Ready(Ok(count - of_waiting));
            }
        }
    }

    fn count_sent_body(&mut self, count: usize) {
        match &mut self.sink {
            Sink::Length(left) => {
                *left -= count as u64;
                if *left == 0 {
                    self.sink = Sink::Done;
                }
            }
            Sink::Chunked(left) => {
                *left -= count;
                if *left == 0 {
                    write_chunk_end(&mut self.out);
                }
            }
            Sink::Done | Sink::UntilClose => {}
        }
    }

    pub(super) fn end(&mut self, trailers: Option<&Headers>) -> io::Result<()> {
        match self.sink {
            Sink::Done | Sink::UntilClose => {}
            Sink::Chunked(0) => write_last_chunk(trailers, self.out()),
            Sink::Length(_) | Sink::Chunked(_) => return Err(io::Error::other("less was sent than announced")),
        }
        self.sink = Sink::Done;
        Ok(())
    }

    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let count = ready!(Pin::new(&mut self.io).poll_write(context, &self.out[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count as u64;
            self.written += count;
        }
        self.rest();
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// Lets what waits leave when the worker has done its turn.
    pub(super) fn poll_post(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.written > 0 || self.out.is_empty() {
            return self.poll_flush(context);
        }
        let length = self.out.len();
        let posted = self.io.poll_post(context, &self.worker.outbox, &mut self.out);
        self.sent += (length - self.out.len()) as u64;
        ready!(posted)?;
        self.rest();
        Poll::Ready(Ok(()))
    }

    /// Nothing waits any more.
    fn rest(&mut self) {
        if self.out.capacity() > 0 {
            self.worker.buffers.give_stage(std::mem::take(&mut self.out));
            self.written = 0;
        }
        self.quiet = true;
    }

    /// Whether the other end may have got some of the outgoing message.
    pub(super) fn has_sent(&self) -> bool {
        self.sent > self.io.unsent() as u64
    }

    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.input.len() < AHEAD {
            match self.poll_read(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for H1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H1").field("io", &self.io).finish_non_exhaustive()
    }
}
