//! How connections begin.

use super::*;

#[tokio::test]
async fn every_cipher_works_for_a_server() {
    for &suite in ALL_CIPHER_SUITES {
        let made = if suite.suite().as_str().is_some_and(|name| name.contains("_RSA_")) { continue } else { suite };
        let (mut ours, mut theirs) = accepted_from(client_of(made), Versions::Tls12And13).await;
        assert_eq!(theirs.connection.negotiated_cipher_suite(), Some(suite));
        converse(&mut ours, &mut theirs).await;
    }
}

#[tokio::test]
async fn every_cipher_works_for_a_client() {
    for &suite in ALL_CIPHER_SUITES {
        if suite.suite().as_str().is_some_and(|name| name.contains("_RSA_")) {
            continue;
        }
        let (near, far) = sockets().await;
        let mut theirs = Theirs::server(server(Versions::Tls12And13), far);
        // One that does not say that its keys may be had.
        let config = client_of(suite);
        let (ours, ()) = tokio::join!(connect(&config, server_name("test").unwrap(), near), theirs.shake_hands());
        assert_eq!(theirs.connection.negotiated_cipher_suite(), Some(suite));
        converse(&mut ours.unwrap(), &mut theirs).await;
    }
}

#[tokio::test]
async fn what_was_agreed_on_is_told() {
    let (near, far) = sockets().await;
    let mut theirs = Theirs::client(client(), near);
    let config = server(Versions::Tls13);
    let look = |common: &rustls::CommonState| (common.protocol_version(), common.alpn_protocol().map(<[u8]>::to_vec));
    let (ours, ()) = tokio::join!(accept(&config, far, look), theirs.shake_hands());
    let (Accepted { server_name, .. }, looked) = ours.unwrap();
    assert_eq!(server_name.as_deref(), Some("test"));
    assert_eq!(looked, (Some(ProtocolVersion::TLSv1_3), Some(b"http/1.1".to_vec())));
}

#[tokio::test]
async fn a_handshake_comes_in_any_pieces_and_data_right_behind_it() {
    for versions in BOTH_VERSIONS {
        let (near, far) = sockets().await;
        let mut theirs = Theirs::client(client(), near);
        let config = server(versions);
        let handshake = async {
            while theirs.connection.is_handshaking() {
                if !theirs.connection.wants_write() {
                    assert!(theirs.fill().await.unwrap() > 0);
                }
                let mut bytes = theirs.wire();
                if !theirs.connection.is_handshaking() {
                    // In one piece with the last of it, the next record's beginning too.
                    bytes.extend(theirs.sealed(b"first"));
                    let second = theirs.sealed(b"second");
                    bytes.extend_from_slice(&second[..7]);
                    theirs.send(&bytes).await;
                    return second[7..].to_vec();
                }
                for byte in bytes {
                    theirs.send(&[byte]).await;
                    tokio::task::yield_now().await;
                }
            }
            // TLS 1.2 ends with the server's message.
            let mut bytes = theirs.sealed(b"first");
            bytes.extend(theirs.sealed(b"second"));
            theirs.send(&bytes[..bytes.len() - 4]).await;
            bytes[bytes.len() - 4..].to_vec()
        };
        let (ours, left) = tokio::join!(accept(&config, far, |_| ()), handshake);
        let mut ours = ours.unwrap().0.stream;
        assert_eq!(read(&mut ours, 5).await, b"first");
        theirs.send(&left).await;
        assert_eq!(read(&mut ours, 6).await, b"second");
        assert!(ours.is_drained());
        converse(&mut ours, &mut theirs).await;
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_an_error_and_answered() {
    let (mut near, far) = sockets().await;
    let config = server(Versions::Tls12And13);
    near.write_all(&[22, 3, 1, 0, 4, 9, 0, 0, 0]).await.unwrap();
    near.shutdown().await.unwrap();
    let refused = accept(&config, far, |_| ()).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[0], 21, "{answer:?}");

    let (mut near, far) = sockets().await;
    near.write_all(&[22, 3, 1, 0, 200]).await.unwrap();
    near.shutdown().await.unwrap();
    let refused = accept(&config, far, |_| ()).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_handshake_has_a_greatest_size() {
    let (mut near, far) = sockets().await;
    let config = server(Versions::Tls12And13);
    let sending = async {
        // A message of 16 MiB, in records as great as they get.
        let mut record = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
        record.resize(5 + 0x4000, 0);
        while near.write_all(&record).await.is_ok() {}
    };
    let (accepted, ()) = tokio::join!(accept(&config, far, |_| ()), sending);
    assert_eq!(accepted.map(|_| ()).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_client_keeps_tickets() {
    for versions in BOTH_VERSIONS {
        let (server, client) = (server(versions), client());
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (near, far) = sockets().await;
            let mut theirs = Theirs::server(server.clone(), far);
            let (ours, ()) = tokio::join!(connect(&client, server_name("test").unwrap(), near), theirs.shake_hands());
            assert_eq!(theirs.connection.handshake_kind(), Some(kind), "{versions:?}");
            // Tickets of TLS 1.3 come with what follows.
            converse(&mut ours.unwrap(), &mut theirs).await;
        }
    }
}
