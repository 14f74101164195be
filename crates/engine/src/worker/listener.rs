//! Listening sockets: what is asked for and what is bound.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

/// A listening socket and what is spoken on it.
#[derive(Clone, Debug)]
pub struct ListenerSpec {
    /// Where to listen; port 0 for any free one.
    pub addr: SocketAddr,
    /// TLS, if it is spoken. ALPN is the configuration's: name `h2` there if `http2` is set.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is spoken: after ALPN with TLS, with prior knowledge without.
    pub http2: bool,
    /// Whether every connection starts with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// How many connections may wait to be accepted.
    pub backlog: u32,
    /// A socket a worker (`SO_REUSEPORT`) instead of one shared by all.
    pub reuse_port: bool,
    /// Shown to the service in [`Peer::tag`](crate::peer::Peer::tag).
    pub tag: u32,
}

impl ListenerSpec {
    /// Plain HTTP/1 on this address.
    pub fn plain(addr: SocketAddr) -> Self {
        Self { addr, tls: None, http2: false, proxy_protocol: false, backlog: 16_384, reuse_port: true, tag: 0 }
    }

    /// Whether a socket bound for `self` serves `other`.
    fn same_socket(&self, other: &Self) -> bool {
        self.addr == other.addr && self.reuse_port == other.reuse_port && self.backlog == other.backlog
    }

    /// Whether nothing at all differs.
    fn same(&self, other: &Self) -> bool {
        let tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            _ => false,
        };
        tls && self.same_socket(other)
            && self.http2 == other.http2
            && self.proxy_protocol == other.proxy_protocol
            && self.tag == other.tag
    }
}

/// A listening socket could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
pub struct BindError {
    /// The address.
    pub addr: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A bound listener.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) id: u64,
    pub(super) spec: ListenerSpec,
    /// The address with the port that was found for 0.
    pub(super) local: SocketAddr,
}

/// Binds one socket for each of `workers`.
pub(super) fn bind(id: u64, spec: ListenerSpec, workers: usize) -> Result<(Bound, Vec<TcpListener>), BindError> {
    let fail = |source| BindError { addr: spec.addr, source };
    let first = socket(spec.addr, &spec).map_err(fail)?;
    let local = first.local_addr().map_err(fail)?;
    let mut sockets = vec![first];
    while sockets.len() < workers {
        let next = if spec.reuse_port { socket(local, &spec) } else { sockets[0].try_clone() };
        sockets.push(next.map_err(fail)?);
    }
    Ok((Bound { id, spec, local }, sockets))
}

fn socket(addr: SocketAddr, spec: &ListenerSpec) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if spec.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        // As nginx does: 0.0.0.0 and [::] are two listeners.
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(spec.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// What has to happen to go from the bound listeners to the wanted ones.
pub(super) struct Change {
    pub(super) close: Vec<u64>,
    pub(super) update: Vec<(u64, ListenerSpec)>,
    pub(super) open: Vec<ListenerSpec>,
}

/// Compares; equal specs are matched once each, so that two listeners on port 0 stay two.
pub(super) fn change(bound: &[Bound], wanted: Vec<ListenerSpec>) -> Change {
    let mut change = Change { close: Vec::new(), update: Vec::new(), open: Vec::new() };
    let mut left: Vec<&Bound> = bound.iter().collect();
    for spec in wanted {
        match left.iter().position(|bound| bound.spec.same_socket(&spec)) {
            Some(at) => {
                let bound = left.swap_remove(at);
                if !bound.spec.same(&spec) {
                    change.update.push((bound.id, spec));
                }
            }
            None => change.open.push(spec),
        }
    }
    change.close = left.into_iter().map(|bound| bound.id).collect();
    change
}
