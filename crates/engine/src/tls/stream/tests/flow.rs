//! Data, its end, and what is held meanwhile.

use super::*;

#[tokio::test]
async fn the_end_may_come_right_behind_data() {
    for versions in BOTH_VERSIONS {
        for (mut ours, mut theirs) in [accepted(versions).await, connected(versions).await] {
            let mut bytes = theirs.sealed(b"last words");
            theirs.connection.send_close_notify();
            bytes.extend(theirs.wire());
            bytes.extend_from_slice(b"nothing counts any more");
            theirs.send(&bytes).await;
            assert_eq!(read(&mut ours, 10).await, b"last words");
            for _ in 0..2 {
                assert_eq!(ours.read(&mut [0; 10]).await.unwrap(), 0);
            }
            assert!(!ours.is_drained());
            // The other direction has not ended.
            ours.write_all(b"an answer").await.unwrap();
            assert_eq!(theirs.receive(9).await, b"an answer");
            ours.shutdown().await.unwrap();
            while theirs.fill().await.unwrap() > 0 {}
            assert!(theirs.connection.process_new_packets().unwrap().peer_has_closed());
            assert_eq!(ours.write(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
    }
}

#[tokio::test]
async fn an_end_that_is_not_announced_is_an_error() {
    for versions in BOTH_VERSIONS {
        let (mut ours, mut theirs) = accepted(versions).await;
        let bytes = theirs.sealed(b"some");
        theirs.send(&bytes).await;
        theirs.socket.shutdown().await.unwrap();
        assert_eq!(read(&mut ours, 4).await, b"some");
        assert_eq!(error(&mut ours).await.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn what_the_other_end_does_not_read_is_held_within_limits() {
    for versions in BOTH_VERSIONS {
        let (mut ours, mut theirs) = accepted(versions).await;
        let all = pattern(9 << 20);
        let writing = async {
            let mut left = all.as_slice();
            while !left.is_empty() {
                let (first, second) = left.split_at(left.len().min(1000));
                let slices = [IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)];
                let count = ours.write_vectored(&slices).await.unwrap();
                assert!(ours.out.rest().len() < SCRATCH);
                left = &left[count..];
            }
            ours.flush().await.unwrap();
            assert_eq!(ours.out.bytes.capacity(), 0);
        };
        let ((), received) = tokio::join!(writing, theirs.receive(all.len()));
        assert!(received == all);
    }
}

#[tokio::test]
async fn nothing_is_held_while_nothing_comes() {
    let (mut ours, mut theirs) = accepted(Versions::Tls13).await;
    let bytes = theirs.sealed(&pattern(40_000));
    theirs.send(&bytes).await;
    assert_eq!(read(&mut ours, 40_000).await, pattern(40_000));
    let waits = poll_fn(|context| {
        let mut room = [0; 64];
        Poll::Ready(Pin::new(&mut ours).poll_read(context, &mut ReadBuf::new(&mut room)).is_pending())
    });
    assert!(waits.await);
    assert_eq!((ours.begun.capacity(), ours.data.bytes.capacity(), ours.out.bytes.capacity()), (0, 0, 0));
}

#[tokio::test]
async fn who_looks_before_reading_sees_what_is_there_already() {
    let (mut ours, mut theirs) = accepted(Versions::Tls13).await;
    let looks = |ours: &TlsStream| {
        let ready = |context: &mut Context<'_>| Poll::Ready(ours.poll_readable(context).is_ready());
        futures_util::FutureExt::now_or_never(poll_fn(ready)).unwrap()
    };
    let bytes = theirs.sealed(b"data");
    theirs.send(&bytes).await;
    assert_eq!(read(&mut ours, 1).await, b"d");
    assert!(looks(&ours) && !ours.is_drained());
    assert_eq!(read(&mut ours, 3).await, b"ata");
    assert!(!looks(&ours) && ours.is_drained());
    theirs.connection.send_close_notify();
    let bytes = theirs.wire();
    theirs.send(&bytes).await;
    assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
    assert!(looks(&ours) && !ours.is_drained());
}
