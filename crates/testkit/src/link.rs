//! A TCP proxy on the loopback interface that a test can have misbehave: what happens to a network between a program and
//! a server that stays well.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use testkit::link::{Direction, Link};
//! # fn f(server: u16) -> anyhow::Result<()> {
//! let link = Link::to(server)?;
//! println!("connect to port {}", link.port());
//! link.delay(Direction::ToServer, Duration::from_millis(100)); // each round trip takes so much longer
//! link.stall(); // nothing moves, nothing is closed
//! link.lead_to(server + 1); // from the next connection on
//! link.cut(); // what is connected is reset; new connections are let through
//! link.refuse(); // what is connected is reset, and nobody listens
//! link.restore(); // all is well again
//! # Ok(())
//! # }
//! ```

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::free_port;

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks on their way in one direction of a connection; the sender waits beyond that.
const CHUNKS: usize = 64;

/// One way through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    ToServer,
    /// Answers.
    ToClient,
}

/// A way to a server, which ends with the value.
#[derive(Debug)]
pub struct Link {
    port: u16,
    server: Arc<AtomicU16>,
    state: watch::Sender<State>,
    connections: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    ends: bool,
    refuses: bool,
    stalls: bool,
    /// Connections of an older one are reset.
    generation: u64,
    to_server: Duration,
    to_client: Duration,
}

impl State {
    fn delay(&self, direction: Direction) -> Duration {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

impl Link {
    /// A link to this port of the loopback interface, in good order.
    pub fn to(server: u16) -> Result<Self> {
        let port = free_port()?;
        let (state, changes) = watch::channel(State::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let server = Arc::new(AtomicU16::new(server));
        // A thread of its own: a test that blocks its runtime does not block what is under test.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Listens before this returns.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let run = run(listener, port, Arc::clone(&server), changes, Arc::clone(&connections));
        let thread = std::thread::Builder::new().name("link".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(run) {
                eprintln!("the link of port {port} is broken: {error:#}");
            }
        })?;
        Ok(Self { port, server, state, connections, thread: Some(thread) })
    }

    /// Where it listens, on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections go through it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// New connections go to this port of the loopback interface.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::Relaxed);
    }

    /// Resets what is connected; new connections are let through.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Resets what is connected and listens no more.
    pub fn refuse(&self) {
        self.state.send_modify(|state| {
            state.generation += 1;
            state.refuses = true;
        });
    }

    /// Moves nothing on, for connections that are there and for new ones, and closes nothing.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalls = true);
    }

    /// Everything in this direction arrives so much later.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.state.send_modify(|state| match direction {
            Direction::ToServer => state.to_server = delay,
            Direction::ToClient => state.to_client = delay,
        });
    }

    /// Is in good order again; what was stalled goes on.
    pub fn restore(&self) {
        self.state.send_modify(|state| *state = State { generation: state.generation, ..State::default() });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.ends = true);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| format!("port {port}"))
}

async fn run(
    listener: std::net::TcpListener,
    port: u16,
    server: Arc<AtomicU16>,
    mut changes: watch::Receiver<State>,
    connections: Arc<AtomicUsize>,
) -> Result<()> {
    let mut listener = Some(TcpListener::from_std(listener)?);
    let mut tasks = JoinSet::new();
    loop {
        let state = *changes.borrow_and_update();
        if state.ends {
            return Ok(());
        }
        if state.refuses {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(port).await?);
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = changes.changed() => changed?,
            Some(_) = tasks.join_next() => {}
            accepted = accepted => {
                let (client, changes, connections) = (accepted?.0, changes.clone(), Arc::clone(&connections));
                let server = server.load(Ordering::Relaxed);
                tasks.spawn(async move {
                    connections.fetch_add(1, Ordering::Relaxed);
                    connection(client, server, state.generation, changes).await;
                    connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        }
    }
}

/// Carries one connection until both sides have closed it or it is cut.
async fn connection(mut client: TcpStream, server: u16, generation: u64, mut changes: watch::Receiver<State>) {
    // A server that is not there looks like one that closes at once.
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).ok();
    }
    let is_cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = carry(from_client, to_server, Direction::ToServer, changes.clone());
        let back = carry(from_server, to_client, Direction::ToClient, changes.clone());
        let both = async { tokio::join!(there, back) };
        tokio::select! {
            _ = both => false,
            _ = changes.wait_for(|state| state.generation != generation || state.ends) => true,
        }
    };
    if is_cut {
        for stream in [client, server] {
            // Closing is a reset.
            stream.set_zero_linger().ok();
        }
    }
}

/// Moves bytes one way; each as late as it was said when it came in. Ends with the way.
async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, direction: Direction, state: watch::Receiver<State>) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let delays = state.clone();
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            // An error ends the way as the end does.
            let length = from.read(&mut buffer).await.unwrap_or(0);
            let due = Instant::now() + delays.borrow().delay(direction);
            let is_end = length == 0;
            if sender.send((due, buffer[..length].to_vec())).await.is_err() || is_end {
                return;
            }
        }
    };
    let write = async move {
        let mut state = state;
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            if state.wait_for(|state| !state.stalls).await.is_err() {
                return;
            }
            let moved = if bytes.is_empty() { to.shutdown().await } else { to.write_all(&bytes).await };
            if moved.is_err() || bytes.is_empty() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests;
