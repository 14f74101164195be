use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::socket::Socket;

async fn pair(read: &[u8]) -> (Wire, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    (Wire::new(Io::Plain(Socket::new(socket)), read.to_vec(), &Rc::default()), other)
}

/// Lets go of what waits, as when the framing has nothing more to do for now.
async fn leave(wire: &Wire) -> io::Result<()> {
    poll_fn(|context| wire.poll_leave(context)).await
}

fn waiting(wire: &Wire) -> usize {
    wire.0.borrow().waiting()
}

#[tokio::test]
async fn nothing_leaves_before_the_framing_has_to_wait() {
    let (mut wire, mut other) = pair(b"").await;
    wire.write_all(b"one ").await.unwrap();
    wire.flush().await.unwrap();
    let slices = [IoSlice::new(b"t"), IoSlice::new(b"wo")];
    assert_eq!(wire.write_vectored(&slices).await.unwrap(), 3);
    assert_eq!(waiting(&wire), 7);
    poll_fn(|context| {
        assert!(matches!(wire.poll_with(Poll::Ready(1), context), Poll::Ready(Ok(1))));
        assert_eq!(waiting(&wire), 7);
        assert!(wire.poll_with(Poll::<()>::Pending, context).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!((waiting(&wire), wire.0.borrow().out.capacity()), (0, 0));
    let mut read = [0; 7];
    other.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"one two");
}

#[tokio::test]
async fn what_waits_is_limited_and_keeps_its_order() {
    let (mut wire, mut other) = pair(b"").await;
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut read = Vec::new();
        other.read_to_end(&mut read).await.unwrap();
        read
    });
    let mut sent = Vec::new();
    for (number, length) in
        [10, DIRECT, DIRECT + 1, FULL, 1, DIRECT, DIRECT, DIRECT, 3, 10 * FULL].into_iter().enumerate()
    {
        let bytes = vec![u8::try_from(number).unwrap(); length];
        wire.write_all(&bytes).await.unwrap();
        assert!(waiting(&wire) <= FULL);
        sent.extend_from_slice(&bytes);
    }
    wire.write_all(b"end").await.unwrap();
    sent.extend_from_slice(b"end");
    wire.shutdown().await.unwrap();
    assert!(reading.join_all().await == [sent]);
}

#[tokio::test]
async fn a_framing_that_writes_on_waits_for_an_other_end_that_does_not_read() {
    let (mut wire, mut other) = pair(b"").await;
    let mut sent = 0;
    let piece = vec![7; DIRECT];
    loop {
        let written = poll_fn(|context| Poll::Ready(Pin::new(&mut wire).poll_write(context, &piece))).await;
        match written {
            Poll::Ready(count) => sent += count.unwrap(),
            Poll::Pending => break,
        }
    }
    assert!(waiting(&wire) <= FULL);
    let mut rest = vec![0; sent];
    let (left, read) = tokio::join!(leave(&wire), other.read_exact(&mut rest));
    left.unwrap();
    assert_eq!((read.unwrap(), waiting(&wire)), (sent, 0));
}

#[tokio::test]
async fn an_end_that_is_gone_is_an_error_for_who_drives_it() {
    let (mut wire, other) = pair(b"").await;
    other.set_zero_linger().unwrap();
    drop(other);
    assert!(wire.read_u8().await.is_err());
    wire.write_all(b"x").await.unwrap();
    let failed = poll_fn(|context| wire.poll_with(Poll::<()>::Pending, context)).await;
    assert!(failed.is_err());
}

#[tokio::test]
async fn what_had_been_read_comes_first() {
    let (mut wire, mut other) = pair(b"abc").await;
    other.write_all(b"def").await.unwrap();
    let mut read = [0; 6];
    wire.read_exact(&mut read[..2]).await.unwrap();
    wire.read_exact(&mut read[2..]).await.unwrap();
    assert_eq!(&read, b"abcdef");
}
