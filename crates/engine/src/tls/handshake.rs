//! Handshakes: rustls makes them, and then hands out the keys.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConnectionData, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, ExtractedSecrets, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::records::{Kernel, Records};
use super::stream::TlsStream;
use crate::socket::Socket;

/// What is read at a time.
const READ: usize = 4 << 10;

/// Messages of a handshake may come in pieces; together they are not more than this.
const LIMIT: usize = 72 << 10;

/// A client's connection.
pub(crate) struct Accepted {
    pub(crate) stream: TlsStream,
    /// The name the client asked for.
    pub(crate) server_name: Option<Box<str>>,
}

/// Makes the server's part of a handshake. `look` sees what was agreed on.
pub(crate) async fn accept<T>(
    config: &ServerConfig,
    socket: TcpStream,
    look: impl FnOnce(&CommonState) -> T,
) -> io::Result<(Accepted, T)> {
    let asked = Arc::new(Asked { resolver: Arc::clone(&config.cert_resolver), name: OnceLock::new() });
    let mut own = config.clone();
    own.cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesServerCert>;
    own.enable_secret_extraction = true;
    let connection = UnbufferedServerConnection::new(Arc::new(own)).map_err(io::Error::other)?;
    let (stream, looked) = shake_hands(connection, socket, look).await?;
    let server_name = asked.name.get().cloned();
    Ok((Accepted { stream, server_name }, looked))
}

/// Makes the client's part of a handshake.
pub(crate) async fn connect(
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
    socket: TcpStream,
) -> io::Result<TlsStream> {
    let config = if config.enable_secret_extraction {
        Arc::clone(config)
    } else {
        let mut own = ClientConfig::clone(config);
        own.enable_secret_extraction = true;
        Arc::new(own)
    };
    let connection = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
    let (stream, ()) = shake_hands(connection, socket, |_| ()).await?;
    Ok(stream)
}

/// Notes which name is asked for: of what rustls tells of a connection whose keys it hands out, this is missing.
#[derive(Debug)]
struct Asked {
    resolver: Arc<dyn ResolvesServerCert>,
    name: OnceLock<Box<str>>,
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            self.name.get_or_init(|| name.into());
        }
        self.resolver.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}

/// What the two kinds of connections have in common.
trait Side {
    type Data;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn common(&self) -> &CommonState;

    fn finish(self) -> Result<(ExtractedSecrets, Kernel), Error>;
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn common(&self) -> &CommonState {
        self
    }

    fn finish(self) -> Result<(ExtractedSecrets, Kernel), Error> {
        self.dangerous_into_kernel_connection().map(|(secrets, kernel)| (secrets, Kernel::Server(kernel)))
    }
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn common(&self) -> &CommonState {
        self
    }

    fn finish(self) -> Result<(ExtractedSecrets, Kernel), Error> {
        self.dangerous_into_kernel_connection().map(|(secrets, kernel)| (secrets, Kernel::Client(kernel)))
    }
}

/// What to do next.
enum Step {
    /// Ask again.
    Again,
    /// Send what there is to send.
    Send,
    /// Read more.
    Read,
    Done,
}

async fn shake_hands<S: Side, T>(
    mut side: S,
    mut socket: TcpStream,
    look: impl FnOnce(&CommonState) -> T,
) -> io::Result<(TlsStream, T)> {
    let mut incoming = Vec::new();
    let mut outgoing = Vec::new();
    // The other end may have sent data right behind its last message.
    let mut data = Vec::new();
    let mut closed = false;
    loop {
        let UnbufferedStatus { mut discard, state, .. } = side.process(&mut incoming);
        let step = match state {
            Err(error) => {
                incoming.drain(..discard);
                send_last(&mut side, &mut incoming, &mut socket).await;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                encode(&mut message, &mut outgoing)?;
                Step::Again
            }
            Ok(ConnectionState::TransmitTlsData(sent)) => {
                sent.done();
                Step::Send
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(io::Error::other)?;
                    discard += record.discard;
                    data.extend_from_slice(record.payload);
                }
                Step::Again
            }
            Ok(ConnectionState::PeerClosed) => {
                closed = true;
                Step::Again
            }
            Ok(ConnectionState::BlockedHandshake) => Step::Read,
            Ok(ConnectionState::WriteTraffic(_)) => Step::Done,
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        incoming.drain(..discard);
        match step {
            Step::Again => {}
            Step::Send => {
                socket.write_all(&outgoing).await?;
                outgoing.clear();
            }
            Step::Read => read(&mut socket, &mut incoming).await?,
            // Data may be sent before a client has finished, and is not.
            Step::Done if side.common().is_handshaking() => read(&mut socket, &mut incoming).await?,
            Step::Done => break,
        }
    }
    let looked = look(side.common());
    let (secrets, kernel) = side.finish().map_err(io::Error::other)?;
    let records = Records::new(secrets, kernel).map_err(io::Error::other)?;
    incoming.shrink_to_fit();
    Ok((TlsStream::new(Socket::new(socket), records, incoming, data, closed), looked))
}

async fn read(socket: &mut TcpStream, incoming: &mut Vec<u8>) -> io::Result<()> {
    if incoming.len() >= LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the messages of the handshake are too long"));
    }
    incoming.reserve(READ);
    match socket.read_buf(incoming).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn encode<D>(message: &mut EncodeTlsData<'_, D>, outgoing: &mut Vec<u8>) -> io::Result<()> {
    let Err(EncodeError::InsufficientSize(needed)) = message.encode(&mut []) else {
        return Ok(());
    };
    let before = outgoing.len();
    outgoing.resize(before + needed.required_size, 0);
    message.encode(&mut outgoing[before..]).map_err(io::Error::other)?;
    Ok(())
}

/// Tells the other end what is wrong, if the socket takes it.
async fn send_last<S: Side>(side: &mut S, incoming: &mut [u8], socket: &mut TcpStream) {
    let mut outgoing = Vec::new();
    // Asked for more than there is to send, rustls would look at what it has failed on again.
    while side.common().wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut message)) = side.process(incoming).state else { break };
        if encode(&mut message, &mut outgoing).is_err() {
            break;
        }
    }
    // The handshake has failed already.
    drop(socket.write_all(&outgoing).await);
}
