//! Whatever the sizes, and whatever happens on the way.

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the sizes of records, of what arrives together and of what is read together.
    #[test]
    fn records_come_in_any_pieces(
        records in proptest::collection::vec(1_usize..20_000, 1..8),
        pieces in proptest::collection::vec(1_usize..30_000, 1..8),
        rooms in proptest::collection::vec(1_usize..40_000, 1..8),
        old in any::<bool>(),
    ) {
        runtime().block_on(async {
            let (mut ours, mut theirs) = accepted(BOTH_VERSIONS[usize::from(!old)]).await;
            let all = pattern(records.iter().sum());
            let (mut bytes, mut left) = (Vec::new(), all.as_slice());
            for size in &records {
                let (record, behind) = left.split_at(*size);
                bytes.extend(theirs.sealed(record));
                left = behind;
            }
            let sending = async {
                let (mut left, mut pieces) = (bytes.as_slice(), pieces.iter().cycle());
                while !left.is_empty() {
                    let (piece, behind) = left.split_at((*pieces.next().unwrap()).min(left.len()));
                    theirs.send(piece).await;
                    tokio::task::yield_now().await;
                    left = behind;
                }
            };
            let reading = async {
                let (mut read, mut rooms) = (Vec::new(), rooms.iter().cycle());
                while read.len() < all.len() {
                    let mut room = vec![0; *rooms.next().unwrap()];
                    let count = ours.read(&mut room).await.unwrap();
                    assert!(count > 0);
                    read.extend_from_slice(&room[..count]);
                }
                read
            };
            let ((), read) = tokio::join!(sending, reading);
            assert!(read == all);
            assert!(ours.is_drained());
        });
    }

    /// A handshake that was changed on its way comes to an end, and rarely to a connection.
    #[test]
    fn handshakes_may_be_anything(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        piece in 1_usize..2000,
        flight in 0..2,
        old in any::<bool>(),
    ) {
        runtime().block_on(async {
            let (near, far) = sockets().await;
            let mut theirs = Theirs::client(client(), near);
            let config = server(BOTH_VERSIONS[usize::from(!old)]);
            let handshake = async {
                for number in 0.. {
                    let mut bytes = theirs.wire();
                    if number == flight && !bytes.is_empty() {
                        let at = at.index(bytes.len());
                        bytes[at] = value;
                    }
                    for piece in bytes.chunks(piece) {
                        // It may have been refused by now.
                        if theirs.socket.write_all(piece).await.is_err() {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                    if number == flight {
                        break;
                    }
                    let mut answer = vec![0; 16 << 10];
                    let Ok(count @ 1..) = theirs.socket.read(&mut answer).await else { break };
                    if theirs.connection.read_tls(&mut &answer[..count]).is_err()
                        || theirs.connection.process_new_packets().is_err()
                    {
                        break;
                    }
                }
                drop(theirs);
            };
            drop(tokio::join!(accept(&config, far, |_| ()), handshake));
        });
    }

    /// What was changed on its way is found out, and nothing from there on is delivered.
    #[test]
    fn nothing_is_delivered_that_was_not_sent(
        records in proptest::collection::vec(1_usize..300, 1..6),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        cut in any::<bool>(),
        old in any::<bool>(),
    ) {
        runtime().block_on(async {
            let (mut ours, mut theirs) = accepted(BOTH_VERSIONS[usize::from(!old)]).await;
            let all = pattern(records.iter().sum());
            let (mut bytes, mut left) = (Vec::new(), all.as_slice());
            for size in &records {
                let (record, behind) = left.split_at(*size);
                bytes.extend(theirs.sealed(record));
                left = behind;
            }
            let at = at.index(bytes.len());
            if cut {
                bytes.remove(at);
            } else {
                bytes[at] ^= 1_u8 << bit;
            }
            theirs.send(&bytes).await;
            theirs.socket.shutdown().await.unwrap();
            let mut read = Vec::new();
            let ended = ours.read_to_end(&mut read).await;
            assert!(all.starts_with(&read));
            assert!(ended.is_err() && read.len() < all.len() || harmless(&bytes, at, cut));
        });
    }
}

/// TLS 1.3 does not protect the version in a record's head, which says nothing any more.
fn harmless(bytes: &[u8], at: usize, cut: bool) -> bool {
    let mut head = 0;
    while !cut && head <= at {
        if at == head + 2 || at == head + 1 {
            return true;
        }
        match bytes.get(head + 3..head + 5) {
            Some(length) => head += 5 + usize::from(u16::from_be_bytes([length[0], length[1]])),
            None => break,
        }
    }
    false
}
