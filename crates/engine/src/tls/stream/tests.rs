//! Against rustls' own connections; against our own where a peer has to do what rustls never does.

mod flow;
mod handshakes;
mod messages;
mod pieces;

use std::future::poll_fn;
use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Connection, ContentType, HandshakeKind, ProtocolVersion,
    ServerConfig, ServerConnection, SupportedCipherSuite,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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
        .with_custom_certificate_verifier(pki::tls::AcceptAny::new(Arc::new(default_provider())))
        .with_no_client_auth();
    Arc::new(config)
}

impl Socket {
    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = poll_fn(|context| self.poll_send(context, bytes)).await?;
            bytes = &bytes[count..];
        }
        Ok(())
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
    (0..length).map(|index| ((index * 31) >> 3) as u8).collect()
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
