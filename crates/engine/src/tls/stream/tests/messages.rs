//! What comes besides data, and what should not.

use super::*;

#[tokio::test]
async fn a_record_that_was_touched_is_refused_and_its_sender_told() {
    for versions in BOTH_VERSIONS {
        let (mut ours, mut theirs) = accepted(versions).await;
        let mut bytes = theirs.sealed(b"some");
        *bytes.last_mut().unwrap() ^= 1;
        theirs.send(&bytes).await;
        for _ in 0..2 {
            assert_eq!(of_rustls(&error(&mut ours).await), Some(&Error::DecryptError));
        }
        assert_eq!(ours.write(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(theirs.alert().await, AlertDescription::BadRecordMac);
    }
}

#[tokio::test]
async fn what_is_no_record_is_refused_and_its_sender_told() {
    let cases: [(&[u8], AlertDescription); 3] = [
        (b"GET / HTTP/1.1\r\n\r\n", AlertDescription::DecodeError),
        (&[23, 3, 3, 0xff, 0xff], AlertDescription::RecordOverflow),
        (&[20, 3, 3, 0, 1, 1], AlertDescription::UnexpectedMessage),
    ];
    for (bytes, alert) in cases {
        let (mut ours, mut theirs) = accepted(Versions::Tls13).await;
        theirs.send(bytes).await;
        assert_eq!(error(&mut ours).await.kind(), io::ErrorKind::InvalidData);
        assert_eq!(theirs.alert().await, alert);
    }
}

#[tokio::test]
async fn an_alert_ends_the_connection() {
    let cases = [(Versions::Tls13, [1, 0x2a]), (Versions::Tls13, [2, 0x2a]), (Versions::Tls12, [2, 0x2a])];
    for (versions, alert) in cases {
        let (mut ours, mut theirs) = our_two(versions).await;
        let bytes = theirs.records.seal_as(ContentType::Alert, &alert);
        theirs.socket.write_all(&bytes).await.unwrap();
        let ended = error(&mut ours).await;
        assert_eq!(of_rustls(&ended), Some(&Error::AlertReceived(AlertDescription::BadCertificate)));
        drop(ours);
        // An alert is not answered with one.
        assert_eq!(error(&mut theirs).await.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_warning_does_not_end_the_connection() {
    for (versions, alert) in [(Versions::Tls13, [1, 90]), (Versions::Tls12, [1, 90]), (Versions::Tls12, [1, 100])] {
        let (mut ours, mut theirs) = our_two(versions).await;
        let mut bytes = theirs.records.seal_as(ContentType::Alert, &alert);
        bytes.extend(theirs.records.seal_as(ContentType::ApplicationData, b""));
        bytes.extend(theirs.records.seal_as(ContentType::ApplicationData, b"data"));
        theirs.socket.write_all(&bytes).await.unwrap();
        assert_eq!(read(&mut ours, 4).await, b"data");
    }
}

#[tokio::test]
async fn another_handshake_is_refused() {
    for from_server in [false, true] {
        let (near, far) = our_two(Versions::Tls12).await;
        let (mut ours, mut theirs, hello) = if from_server { (near, far, 0) } else { (far, near, 1) };
        let mut bytes = theirs.records.seal_as(ContentType::Handshake, &[hello, 0, 0, 0]);
        bytes.extend(theirs.records.seal_as(ContentType::ApplicationData, b"data"));
        theirs.socket.write_all(&bytes).await.unwrap();
        assert_eq!(read(&mut ours, 4).await, b"data");
        // The refusal is a warning: data behind it gets through.
        ours.write_all(b"answer").await.unwrap();
        assert_eq!(read(&mut theirs, 6).await, b"answer");

        let bytes = theirs.records.seal_as(ContentType::Handshake, &[2, 0, 0, 0]);
        theirs.socket.write_all(&bytes).await.unwrap();
        assert!(matches!(of_rustls(&error(&mut ours).await), Some(Error::InappropriateMessage { .. })));
    }
}

#[tokio::test]
async fn keys_change_when_the_other_end_wants_it() {
    for (mut ours, mut theirs) in [accepted(Versions::Tls13).await, connected(Versions::Tls13).await] {
        for _ in 0..3 {
            let mut bytes = theirs.sealed(b"before");
            bytes.extend(theirs.key_update());
            bytes.extend(theirs.sealed(b"behind"));
            theirs.send(&bytes).await;
            assert_eq!(read(&mut ours, 12).await, b"beforebehind");
            converse(&mut ours, &mut theirs).await;
        }
    }
}

#[tokio::test]
async fn keys_change_before_they_are_worn_out() {
    for (mut ours, mut theirs) in [accepted(Versions::Tls13).await, connected(Versions::Tls13).await] {
        ours.records.wear_out(20);
        // More than one record of these uses the keys up.
        converse(&mut ours, &mut theirs).await;
    }
}

#[tokio::test]
async fn worn_keys_that_cannot_change_are_not_used() {
    let (mut ours, mut theirs) = accepted(Versions::Tls12).await;
    ours.records.wear_out(5);
    ours.write_all(b"some").await.unwrap();
    assert_eq!(theirs.receive(4).await, b"some");
    let mut failed = false;
    for _ in 0..5 {
        failed |= ours.write(b"more").await.is_err();
    }
    assert!(failed);
}

#[tokio::test]
async fn messages_come_in_any_pieces() {
    let (mut ours, mut theirs) = our_two(Versions::Tls13).await;
    for part in [&[24, 0][..], &[0, 1], &[0]] {
        let bytes = theirs.records.seal_as(ContentType::Handshake, part);
        theirs.socket.write_all(&bytes).await.unwrap();
    }
    // The last of them changed the keys, of which its sender here knows nothing.
    let bytes = theirs.records.seal_as(ContentType::ApplicationData, b"data");
    theirs.socket.write_all(&bytes).await.unwrap();
    assert_eq!(of_rustls(&error(&mut ours).await), Some(&Error::DecryptError));
}

#[tokio::test]
async fn messages_that_make_no_sense_are_refused() {
    let cases: [(&[u8], Option<&[u8]>); 6] = [
        // Not alone in its record.
        (&[24, 0, 0, 1, 0, 24], None),
        (&[24, 0, 0, 1, 2], None),
        (&[24, 0, 0, 2, 0, 0], None),
        // A ticket for a server.
        (&[4, 0, 0, 0], None),
        // Too long.
        (&[24, 1, 0, 0], None),
        // Data in the middle of it.
        (&[24, 0], Some(b"data")),
    ];
    for (message, data) in cases {
        let (mut theirs, mut ours) = our_two(Versions::Tls13).await;
        let mut bytes = theirs.records.seal_as(ContentType::Handshake, message);
        if let Some(data) = data {
            bytes.extend(theirs.records.seal_as(ContentType::ApplicationData, data));
        }
        theirs.socket.write_all(&bytes).await.unwrap();
        assert_eq!(error(&mut ours).await.kind(), io::ErrorKind::InvalidData, "{message:?}");
        assert!(matches!(of_rustls(&error(&mut theirs).await), Some(Error::AlertReceived(_))), "{message:?}");
    }
}

#[tokio::test]
async fn too_many_records_without_data_end_the_connection() {
    for kind in [ContentType::ApplicationData, ContentType::Alert] {
        let (mut ours, mut theirs) = our_two(Versions::Tls12).await;
        let payload: &[u8] = if kind == ContentType::Alert { &[1, 90] } else { &[] };
        let mut bytes = Vec::new();
        for _ in 0..32 {
            bytes.extend(theirs.records.seal_as(kind, payload));
        }
        bytes.extend(theirs.records.seal_as(ContentType::ApplicationData, b"data"));
        theirs.socket.write_all(&bytes).await.unwrap();
        assert_eq!(read(&mut ours, 4).await, b"data");
        for _ in 0..33 {
            let bytes = theirs.records.seal_as(kind, payload);
            theirs.socket.write_all(&bytes).await.unwrap();
        }
        assert_eq!(error(&mut ours).await.kind(), io::ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn who_asks_without_reading_answers_is_not_answered_for_ever() {
    let (mut ours, mut theirs) = accepted(Versions::Tls13).await;
    let mut refused = None;
    for _ in 0..2000 {
        // What the sockets take between them grows for a while.
        while ours.out.is_empty() {
            ours.write_all(&[7; 64 << 10]).await.unwrap();
        }
        let mut bytes = theirs.key_update();
        bytes.extend(theirs.sealed(b"d"));
        theirs.send(&bytes).await;
        if let Err(error) = ours.read_exact(&mut [0]).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(of_rustls(&refused), Some(&PeerMisbehaved::TooManyKeyUpdateRequests.into()));
}
