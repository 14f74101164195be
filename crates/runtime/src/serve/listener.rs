use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How long to wait after the system refused to hand out a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is listened on.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens on it.
    #[error("port {} is in use on {}: stop the other process, or choose another port with {setting}", .address.port(), .address.ip())]
    InUse {
        /// The address that was wanted.
        address: SocketAddr,
        /// The setting that chooses the port.
        setting: String,
    },
    /// Anything else, such as an address that is not this machine's.
    #[error("cannot listen on {address} (see {setting})")]
    Other {
        /// The address that was wanted.
        address: SocketAddr,
        /// The setting that chooses the port.
        setting: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    /// Listens on `address`; port 0 chooses a free one. `setting` is how a user chooses another port, for
    /// the error's message: `KUMA_API_SERVER_HTTP_PORT`. Needs a tokio runtime.
    pub fn bind(address: SocketAddr, setting: &str) -> Result<Self, BindError> {
        open(address).map_err(|source| {
            let setting = setting.to_owned();
            match source.kind() {
                io::ErrorKind::AddrInUse => BindError::InUse { address, setting },
                _ => BindError::Other { address, setting, source },
            }
        })
    }

    /// The address that is listened on, with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, once one of `slots` is free, with the slot it occupies. The peer's IPv4 address
    /// is one even if it arrived at an IPv6 socket. When the system cannot hand out connections for the
    /// moment, such as for want of file descriptors, that is logged and waited out.
    pub async fn accept(&self, slots: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.try_accept().await {
                Ok((stream, peer)) => return (stream, peer, slot),
                Err(error) if is_about_peer(&error) => {}
                Err(error) => {
                    warn!(address = %self.address, %error, "Cannot accept connections for the moment");
                    sleep_until(Instant::now() + ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.socket.accept().await?;
        // Answers are written whole; waiting for more to send with them only delays them.
        stream.set_nodelay(true)?;
        Ok((stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())))
    }
}

/// Whether accepting failed because the peer was gone already.
fn is_about_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | NotConnected | InvalidInput)
}

fn open(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted program need not wait for its former connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, address })
}
