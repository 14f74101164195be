//! One message in each direction over a connection, the same for both sides of a proxy and for both versions.

use std::io;
use std::task::{Context, Poll, ready};

use crate::headers::Headers;
use crate::http1::BadBody;

pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod heads;
mod wire;

pub(crate) use h1::H1;
pub(crate) use h2::H2;
pub(crate) use wire::Wire;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection failed or ended within the body.
    #[error("the connection failed within the body")]
    Io(#[source] io::Error),
    /// The body's framing is broken.
    #[error(transparent)]
    Malformed(#[from] BadBody),
    /// It is longer than the caller allows.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// Nothing came for too long.
    #[error("nothing of the body came for too long")]
    Timeout,
}

/// A message in each direction.
#[derive(Debug)]
pub(crate) enum Channel {
    H1(H1),
    H2(Box<H2>),
}

impl Channel {
    /// The channel as that of a connection whose version is known.
    pub(crate) fn http1(&mut self) -> &mut H1 {
        match self {
            Self::H1(channel) => channel,
            Self::H2(_) => unreachable!("connections of HTTP/1 have only exchanges of HTTP/1"),
        }
    }

    /// Makes data of the incoming body available; `false` is its end.
    pub(crate) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, BodyError>> {
        match self {
            Self::H1(channel) => channel.poll_fill(context),
            Self::H2(channel) => channel.poll_fill(context),
        }
    }

    /// What is available of the incoming body.
    pub(crate) fn data(&self) -> &[u8] {
        match self {
            Self::H1(channel) => channel.data(),
            Self::H2(channel) => channel.data(),
        }
    }

    /// So much of [`Self::data`] is done with.
    pub(crate) fn consume(&mut self, count: usize) {
        match self {
            Self::H1(channel) => channel.consume(count),
            Self::H2(channel) => channel.consume(count),
        }
    }

    /// The incoming body's trailers, at its end.
    pub(crate) fn trailers(&self) -> Option<&Headers> {
        match self {
            Self::H1(channel) => channel.trailers(),
            Self::H2(channel) => channel.trailers(),
        }
    }

    /// Whether nothing more of the incoming body will come from the connection.
    pub(crate) fn is_ended(&self) -> bool {
        match self {
            Self::H1(channel) => channel.is_ended(),
            Self::H2(channel) => channel.is_ended(),
        }
    }

    /// Takes data of the outgoing body; how much. It may be kept until [`Self::poll_flush`].
    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::H1(channel) => channel.poll_send(context, data),
            Self::H2(channel) => channel.poll_send(context, data),
        }
    }

    /// The outgoing body is complete; goes out with [`Self::poll_flush`].
    pub(crate) fn end(&mut self, trailers: Option<&Headers>) -> io::Result<()> {
        match self {
            Self::H1(channel) => channel.end(trailers),
            Self::H2(channel) => {
                channel.end(trailers);
                Ok(())
            }
        }
    }

    /// Writes what was kept.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::H1(channel) => channel.poll_flush(context),
            Self::H2(channel) => channel.poll_flush(context),
        }
    }

    /// Lets what was kept leave when the worker has done its turn: for the end of a message.
    pub(crate) fn poll_post(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::H1(channel) => channel.poll_post(context),
            Self::H2(channel) => channel.poll_flush(context),
        }
    }

    /// Bytes of the incoming message so far.
    pub(crate) fn received(&self) -> u64 {
        match self {
            Self::H1(channel) => channel.received,
            Self::H2(channel) => channel.received,
        }
    }

    /// Bytes of the outgoing message so far.
    pub(crate) fn sent(&self) -> u64 {
        match self {
            Self::H1(channel) => channel.sent,
            Self::H2(channel) => channel.sent,
        }
    }

    /// Whether the other end may have got some of the outgoing message.
    pub(crate) fn has_sent(&self) -> bool {
        match self {
            Self::H1(channel) => channel.has_sent(),
            Self::H2(channel) => channel.sent > 0,
        }
    }

    /// Ready if the other end went away without waiting for an answer.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::H1(channel) => channel.poll_gone(context),
            Self::H2(channel) => channel.poll_gone(context),
        }
    }
}

/// Which side of a transfer failed.
#[derive(Debug)]
pub(crate) enum TransferError {
    From(BodyError),
    To(io::Error),
}

/// Moves the body of `from` to `to` with its trailers. Ready once all of it has left, or will with this turn.
pub(crate) fn poll_transfer(
    from: &mut Channel,
    to: &mut Channel,
    ended: &mut bool,
    context: &mut Context<'_>,
) -> Poll<Result<(), TransferError>> {
    while !*ended {
        if from.data().is_empty() {
            match from.poll_fill(context) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    to.end(from.trailers()).map_err(TransferError::To)?;
                    *ended = true;
                    break;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(TransferError::From(error))),
                Poll::Pending => {
                    ready!(to.poll_flush(context)).map_err(TransferError::To)?;
                    return Poll::Pending;
                }
            }
        }
        let taken = ready!(to.poll_send(context, from.data())).map_err(TransferError::To)?;
        from.consume(taken);
    }
    to.poll_post(context).map_err(TransferError::To)
}
