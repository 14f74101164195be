//! Against rustls' own connections; against our own where a peer has to do what rustls never does.

use std::future::poll_fn;
use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::pki_types::CertificateDer;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Connection, ContentType, HandshakeKind, ProtocolVersion,
    ServerConfig, ServerConnection, SupportedCipherSuite,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::tls::client::{Configurations, Settings, server_name};
use crate::tls::{
    Accepted, Alpn, Certificate, CertificateTable, Certificates, ServerIdentity, Versions, accept, connect,
    server_config,
};

const BOTH_VERSIONS: [Versions; 2] = [Versions::Tls12, Versions::Tls13];

fn server(versions: Versions) -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
    let certificate = Certificate::from_pem(&made.cert.pem(), &made.signing_key.serialize_pem()).unwrap();
    let table = CertificateTable::new(ServerIdentity::new(certificate, None));
    server_config(Certificates::new(table), Alpn::Http1, versions).unwrap()
}

fn client() -> Arc<ClientConfig> {
    Configurations::default().get(&Settings { alpn: Alpn::Http1, ..Settings::default() }).unwrap()
}

/// A client that knows one cipher.
fn client_of(suite: SupportedCipherSuite) -> Arc<ClientConfig> {
    let provider = CryptoProvider { cipher_suites: vec![suite], ..default_provider() };
    let versions: &[_] = match suite.version().version {
        ProtocolVersion::TLSv1_3 => &[&rustls::version::TLS13],
        _ => &[&rustls::version::TLS12],
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (near, far) = (near.unwrap(), far.unwrap().0);
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// The other end, of which every byte on the wire can be held in hands.
struct Theirs {
    connection: Connection,
    socket: TcpStream,
}

impl Theirs {
    fn client(config: Arc<ClientConfig>, socket: TcpStream) -> Self {
        let connection = ClientConnection::new(config, server_name("test").unwrap()).unwrap().into();
        Self { connection, socket }
    }

    fn server(config: Arc<ServerConfig>, socket: TcpStream) -> Self {
        Self { connection: ServerConnection::new(config).unwrap().into(), socket }
    }

    async fn shake_hands(&mut self) {
        while self.connection.is_handshaking() || self.connection.wants_write() {
            if self.connection.wants_write() {
                let bytes = self.wire();
                self.socket.write_all(&bytes).await.unwrap();
            } else {
                assert!(self.fill().await.unwrap() > 0);
            }
        }
    }

    /// What there is to send.
    fn wire(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Data in records.
    fn sealed(&mut self, data: &[u8]) -> Vec<u8> {
        io::Write::write_all(&mut self.connection.writer(), data).unwrap();
        self.wire()
    }

    fn key_update(&mut self) -> Vec<u8> {
        self.connection.refresh_traffic_keys().unwrap();
        self.wire()
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    async fn fill(&mut self) -> Result<usize, Error> {
        let mut bytes = vec![0; 16 << 10];
        let count = self.socket.read(&mut bytes).await.unwrap();
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            self.connection.read_tls(&mut rest).unwrap();
            self.connection.process_new_packets()?;
        }
        Ok(count)
    }

    /// Exactly so much data.
    async fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < length {
            let mut part = vec![0; length - all.len()];
            match io::Read::read(&mut self.connection.reader(), &mut part) {
                Ok(0) => panic!("it has ended after {} bytes", all.len()),
                Ok(count) => all.extend_from_slice(&part[..count]),
                Err(_) => assert!(self.fill().await.unwrap() > 0),
            }
        }
        all
    }

    /// The alert that ends the connection.
    async fn alert(&mut self) -> AlertDescription {
        loop {
            match self.fill().await {
                Ok(0) => panic!("it has ended without an alert"),
                Ok(_) => {}
                Err(Error::AlertReceived(alert)) => return alert,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Ours is the server.
async fn accepted_from(config: Arc<ClientConfig>, versions: Versions) -> (TlsStream, Theirs) {
    let (near, far) = sockets().await;
    let mut theirs = Theirs::client(config, near);
    let config = server(versions);
    let (ours, ()) = tokio::join!(accept(&config, far, |_| ()), theirs.shake_hands());
    (ours.unwrap().0.stream, theirs)
}

async fn accepted(versions: Versions) -> (TlsStream, Theirs) {
    accepted_from(client(), versions).await
}

/// Ours is the client.
async fn connected(versions: Versions) -> (TlsStream, Theirs) {
    let (near, far) = sockets().await;
    let mut theirs = Theirs::server(server(versions), far);
    let config = client();
    let (ours, ()) = tokio::join!(connect(&config, server_name("test").unwrap(), near), theirs.shake_hands());
    (ours.unwrap(), theirs)
}

/// Ours on either side, the client first.
async fn our_two(versions: Versions) -> (TlsStream, TlsStream) {
    let (near, far) = sockets().await;
    let (server, client) = (server(versions), client());
    let (near, far) = tokio::join!(connect(&client, server_name("test").unwrap(), near), accept(&server, far, |_| ()));
    (near.unwrap(), far.unwrap().0.stream)
}

async fn read(stream: &mut TlsStream, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    stream.read_exact(&mut data).await.unwrap();
    data
}

async fn error(stream: &mut TlsStream) -> io::Error {
    stream.read(&mut [0; 100]).await.unwrap_err()
}

fn of_rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 >> 3) as u8).collect()
}

/// Several times there and back, so that numbers of records matter.
async fn converse(ours: &mut TlsStream, theirs: &mut Theirs) {
    for round in 1..12 {
        let data = pattern(round * 9_000);
        let bytes = theirs.sealed(&data[..data.len().min(50_000)]);
        theirs.send(&bytes).await;
        assert_eq!(read(ours, data.len().min(50_000)).await, data[..data.len().min(50_000)]);
        let (written, received) = tokio::join!(
            async {
                ours.write_all(&data).await.unwrap();
                ours.flush().await
            },
            theirs.receive(data.len()),
        );
        written.unwrap();
        assert!(received == data);
    }
}

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
