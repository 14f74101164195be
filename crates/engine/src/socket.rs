//! Reading and writing a socket: tried first, and waited for only if there was nothing to do. A call of the kernel for
//! every step, and next to nothing around it.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop;

/// Reads into `buffer`; 0 is the end.
pub(crate) fn poll_recv(stream: &TcpStream, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    if !coop::has_budget_remaining() {
        drop(ready!(coop::poll_proceed(context)));
    }
    let length = buffer.len();
    let count = ready!(poll_io(
        stream,
        Interest::READABLE,
        context,
        || { Ok(retry_on_intr(|| recv(stream, &mut *buffer, RecvFlags::empty()))?.1) },
        length
    ))?;
    if count == length
        && let Poll::Ready(budget) = coop::poll_proceed(context)
    {
        // Who always finds its buffer full may never have to wait: others get their turn all the same.
        budget.made_progress();
    }
    Poll::Ready(Ok(count))
}

/// Writes of `bytes` as much as is taken.
pub(crate) fn poll_send(stream: &TcpStream, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll_io(
        stream,
        Interest::WRITABLE,
        context,
        || Ok(retry_on_intr(|| send(stream, bytes, SendFlags::NOSIGNAL))?),
        bytes.len(),
    )
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
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn all_that_comes_is_read_whatever_the_size_of_the_buffer() {
        for size in [1, 7, 4096] {
            let (near, mut far) = pair().await;
            let reading = async {
                let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
                loop {
                    match poll_fn(|context| poll_recv(&near, context, &mut buffer)).await.unwrap() {
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
                let count = poll_fn(|context| poll_send(&near, context, left)).await.unwrap();
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
                let read = poll_recv(&near, context, &mut byte);
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
        let read = poll_fn(|context| poll_recv(&near, context, &mut byte)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
