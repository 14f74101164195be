//! One type for every stream of bytes, so that nothing above is generic over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::outbox::Outbox;
use crate::socket::Socket;
use crate::tls::TlsStream;

/// A connection, plain or under TLS.
#[derive(Debug)]
pub(crate) enum Io {
    /// Plain.
    Plain(Socket),
    /// Under TLS, towards a client or an upstream.
    Tls(Box<TlsStream>),
}

impl Io {
    /// The socket below.
    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.socket(),
        }
    }

    /// Whether there is no TLS: several slices are then written with one call, and copying them together gains nothing.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Waits until there is something to read: data, the end or an error. Needs no buffer.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_readable(context),
            Self::Tls(stream) => stream.poll_readable(context),
        }
    }

    /// Reads into `buffer`; 0 is the end.
    pub(crate) fn poll_fill(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_recv(context, buffer),
            Self::Tls(stream) => stream.poll_fill(context, buffer),
        }
    }

    /// Whether an idle connection can still be used: the other end has neither closed it nor said anything.
    /// Asks the kernel only when something happened on the socket.
    pub(crate) fn is_quiet(&self) -> bool {
        let drained = match self {
            Self::Plain(_) => true,
            Self::Tls(stream) => stream.is_drained(),
        };
        drained && self.socket().is_quiet()
    }

    /// Lets `bytes` leave when the worker has done its turn, and takes them: ready unless something else still waits
    /// for the socket.
    pub(crate) fn poll_post(
        &mut self,
        context: &mut Context<'_>,
        outbox: &Outbox,
        bytes: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => {
                ready!(socket.poll_drain(context))?;
                socket.post(outbox, std::mem::take(bytes));
                Poll::Ready(Ok(()))
            }
            Self::Tls(stream) => stream.poll_post(context, outbox, bytes),
        }
    }

    /// How much was posted and did not leave, as the connection had failed: bytes of messages, or of their records.
    pub(crate) fn unsent(&self) -> usize {
        self.socket().unsent()
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => socket.poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => socket.poll_send(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => socket.poll_send_slices(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => socket.poll_drain(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => socket.poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
