//! The bytes of a connection of HTTP/2: what several streams have to say leaves with one write, and under TLS in one
//! record.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffer::Buffers;
use crate::io::Io;

/// How much waits to be written at most: three frames of data of the usual size.
const FULL: usize = 49 * 1024;

/// So much at once is worth a write of its own, unless TLS copies it anyway.
const DIRECT: usize = 16 * 1024;

/// A connection under the framing of HTTP/2, which writes to it frame by frame. Nothing leaves until
/// [`Self::poll_with`], except where too much would wait.
///
/// Clones are the same connection: one is for the framing, one for who drives it.
#[derive(Clone)]
pub(crate) struct Wire(Rc<RefCell<Inner>>);

struct Inner {
    io: Io,
    /// What had been read before, and how much of it was used.
    read: Vec<u8>,
    used: usize,
    /// What waits to be written, and how much of it was.
    out: Vec<u8>,
    written: usize,
    /// Whether something was written that may have stayed in TLS.
    unflushed: bool,
    buffers: Rc<Buffers>,
}

impl Wire {
    /// `read` is what has been read from `io` already.
    pub(crate) fn new(io: Io, read: Vec<u8>, buffers: &Rc<Buffers>) -> Self {
        let buffers = Rc::clone(buffers);
        let inner = Inner { io, read, used: 0, out: Vec::new(), written: 0, unflushed: false, buffers };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// To be called with what the framing's poll came to: if it has to wait, what it wrote leaves.
    pub(crate) fn poll_with<T>(&self, polled: Poll<T>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_pending()
            && let Poll::Ready(Err(error)) = self.poll_leave(context)
        {
            return Poll::Ready(Err(error));
        }
        polled.map(Ok)
    }

    /// Ready once all that was written has left.
    fn poll_leave(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_out(context))?;
        if inner.unflushed {
            ready!(Pin::new(&mut inner.io).poll_flush(context))?;
            inner.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Inner {
    fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting() > 0 {
            let count = ready!(Pin::new(&mut self.io).poll_write(context, &self.out[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            self.unflushed = true;
        }
        if !self.out.is_empty() {
            self.written = 0;
            self.buffers.give_stage(std::mem::take(&mut self.out));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let direct = length > if self.io.is_plain() { DIRECT } else { FULL };
        if direct || self.waiting() + length > FULL {
            ready!(self.poll_out(context))?;
        }
        if direct {
            self.unflushed = true;
            return Pin::new(&mut self.io).poll_write_vectored(context, slices);
        }
        if self.out.capacity() == 0 {
            self.out = self.buffers.take_stage();
        }
        for slice in slices {
            self.out.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.used < inner.read.len() {
            let count = buffer.remaining().min(inner.read.len() - inner.used);
            buffer.put_slice(&inner.read[inner.used..inner.used + count]);
            inner.used += count;
            if inner.used == inner.read.len() {
                (inner.read, inner.used) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut inner.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the framing flushes after every frame of data.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_out(context))?;
        Pin::new(&mut inner.io).poll_shutdown(context)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
