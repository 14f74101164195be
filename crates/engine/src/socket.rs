//! A connected socket: tried first, and waited for only if there was nothing to do. A call of the kernel for every
//! step, and next to nothing around it.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::io::{retry_on_intr, writev};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;

use crate::outbox::Outbox;

/// A connection's socket. What is written goes to the kernel at once, what is [posted](Self::post) when the worker has
/// done its turn.
#[derive(Debug)]
pub(crate) struct Socket(Rc<Shared>);

/// What a socket and the outbox share.
#[derive(Debug)]
pub(crate) struct Shared {
    stream: TcpStream,
    posted: RefCell<Posted>,
    /// Whether some of what was posted has not left.
    waits: Cell<bool>,
    /// Whether the outbox will look after it.
    is_noted: Cell<bool>,
}

#[derive(Debug, Default)]
struct Posted {
    bytes: Vec<u8>,
    sent: usize,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Rc::new(Shared {
            stream,
            posted: RefCell::default(),
            waits: Cell::new(false),
            is_noted: Cell::new(false),
        }))
    }

    /// Waits until there is something to read: data, the end or an error.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.poll_read_ready(context)
    }

    /// Whether there is nothing to read, nor an end or an error. Asks the kernel only when something happened.
    pub(crate) fn is_quiet(&self) -> bool {
        let read = self.0.stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads into `buffer`; 0 is the end.
    pub(crate) fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = buffer.len();
        self.poll_reading(context, length, |stream| {
            Ok(retry_on_intr(|| recv(stream, &mut *buffer, RecvFlags::empty()))?.1)
        })
    }

    /// Reads into the room of `buffer`.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = buffer.remaining();
        self.poll_reading(context, length, |stream| stream.try_read_buf(buffer)).map_ok(drop)
    }

    fn poll_reading(
        &self,
        context: &mut Context<'_>,
        most: usize,
        mut read: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if !coop::has_budget_remaining() {
            drop(ready!(coop::poll_proceed(context)));
        }
        let stream = &self.0.stream;
        let count = ready!(poll_io(stream, Interest::READABLE, context, || read(stream), most))?;
        if count == most
            && let Poll::Ready(budget) = coop::poll_proceed(context)
        {
            // Who always finds its buffer full may never have to wait: others get their turn all the same.
            budget.made_progress();
        }
        Poll::Ready(Ok(count))
    }

    /// Writes of `bytes` as much as is taken.
    pub(crate) fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(context))?;
        self.0.poll_send(context, bytes)
    }

    /// The same with several slices.
    pub(crate) fn poll_send_slices(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(context))?;
        let (stream, most) = (&self.0.stream, slices.iter().map(|slice| slice.len()).sum());
        poll_io(stream, Interest::WRITABLE, context, || Ok(retry_on_intr(|| writev(stream, slices))?), most)
    }

    /// Ready once what was posted has left.
    pub(crate) fn poll_drain(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.waits.get() { self.0.poll_drain(context) } else { Poll::Ready(Ok(())) }
    }

    /// Says that nothing more comes.
    pub(crate) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Poll::Ready(Ok(shutdown(&self.0.stream, Shutdown::Write)?))
    }

    /// Lets `bytes` leave when the worker has done its turn, even if this is dropped before. Nothing that was posted
    /// before may still wait. The other end sees them in time, or the connection fails, which who reads learns of.
    pub(crate) fn post(&self, outbox: &Outbox, bytes: Vec<u8>) {
        debug_assert!(!self.0.waits.get(), "one thing is posted at a time");
        *self.0.posted.borrow_mut() = Posted { bytes, sent: 0 };
        self.0.waits.set(true);
        if !self.0.is_noted.replace(true) {
            outbox.note(Rc::clone(&self.0));
        }
    }

    /// How much was posted and did not leave, as the connection had failed.
    pub(crate) fn unsent(&self) -> usize {
        if self.0.waits.get() && !self.0.is_noted.get() { self.0.posted.borrow().rest().len() } else { 0 }
    }
}

impl Shared {
    fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let send = || Ok(retry_on_intr(|| send(&self.stream, bytes, SendFlags::NOSIGNAL))?);
        poll_io(&self.stream, Interest::WRITABLE, context, send, bytes.len())
    }

    /// Ready once what was posted has left.
    pub(crate) fn poll_drain(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let posted = &mut *self.posted.borrow_mut();
        while !posted.rest().is_empty() {
            posted.sent += ready!(self.poll_send(context, posted.rest()))?;
        }
        self.waits.set(false);
        Poll::Ready(Ok(()))
    }

    /// The outbox is done with it; the memory of what was posted.
    pub(crate) fn forget(&self) -> Vec<u8> {
        self.is_noted.set(false);
        if self.waits.get() { Vec::new() } else { std::mem::take(&mut self.posted.borrow_mut().bytes) }
    }
}

impl Posted {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }
}

/// Moves up to `most` bytes. That fewer were moved says that the next call would move none, which saves it.
fn poll_io(
    stream: &TcpStream,
    interest: Interest,
    context: &mut Context<'_>,
    mut io: impl FnMut() -> io::Result<usize>,
    most: usize,
) -> Poll<io::Result<usize>> {
    loop {
        let mut part = None;
        let tried = stream.try_io(interest, || match io()? {
            count if (1..most).contains(&count) => {
                part = Some(count);
                // Makes the next one wait for the kernel to say that there is more.
                Err(io::ErrorKind::WouldBlock.into())
            }
            count => Ok(count),
        });
        match (part, tried) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            (None, tried) => return Poll::Ready(tried),
        }
        ready!(if interest.is_readable() {
            stream.poll_read_ready(context)
        } else {
            stream.poll_write_ready(context)
        })?;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A connection from here to there.
    pub(crate) async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Socket::new(near.unwrap()), far.unwrap().0)
    }

    #[tokio::test]
    async fn all_that_comes_is_read_whatever_the_size_of_the_buffer() {
        for size in [1, 7, 4096] {
            let (near, mut far) = pair().await;
            let reading = async {
                let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
                loop {
                    match poll_fn(|context| near.poll_recv(context, &mut buffer)).await.unwrap() {
                        0 => return all,
                        count => all.extend_from_slice(&buffer[..count]),
                    }
                }
            };
            let writing = async {
                for part in 0..50_u8 {
                    far.write_all(&[part; 77]).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(far);
            };
            let (read, ()) = tokio::join!(reading, writing);
            assert_eq!(read, (0..50_u8).flat_map(|part| [part; 77]).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn what_the_other_end_does_not_read_waits() {
        let (near, mut far) = pair().await;
        let all = vec![7; 8 << 20];
        let writing = async {
            let mut left = all.as_slice();
            while !left.is_empty() {
                let count = poll_fn(|context| near.poll_send(context, left)).await.unwrap();
                left = &left[count..];
            }
            drop(near);
        };
        let mut read = Vec::new();
        let ((), count) = tokio::join!(writing, far.read_to_end(&mut read));
        assert!(count.unwrap() == all.len() && read == all);
    }

    #[tokio::test]
    async fn who_always_finds_data_lets_others_have_their_turn() {
        let (near, mut far) = pair().await;
        far.write_all(&[1; 10_000]).await.unwrap();
        let mut waited = false;
        for _ in 0..10_000 {
            let mut byte = [0];
            poll_fn(|context| {
                let read = near.poll_recv(context, &mut byte);
                waited |= read.is_pending();
                read
            })
            .await
            .unwrap();
        }
        assert!(waited);
    }

    #[tokio::test]
    async fn a_connection_that_is_gone_is_an_error() {
        let (near, far) = pair().await;
        far.set_zero_linger().unwrap();
        drop(far);
        let mut byte = [0];
        let read = poll_fn(|context| near.poll_recv(context, &mut byte)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
