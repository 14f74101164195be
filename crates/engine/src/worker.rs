//! Workers: threads that accept connections and serve them, sharing nothing.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{AbortHandle, spawn_local};
use tracing::{debug, error, warn};

use crate::buffer::{Buffers, Heads};
use crate::http1::Limits;
use crate::outbox::Outbox;
use crate::service::Service;
use crate::timer::{TICK, Timers, ticks};
use crate::upstream::{PoolSettings, Pools};

mod connection;
mod counters;
mod establish;
mod http2;
mod listener;

pub use counters::Counters;
pub(crate) use counters::WorkerCounters;
pub use listener::{BindError, ListenerSpec};

/// How many commands may wait for a worker; senders wait beyond.
const COMMANDS: usize = 16;

/// How long accepting pauses after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How workers serve.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many workers; one a core is best.
    pub workers: NonZeroUsize,
    /// Threads are called this and their number.
    pub name: Box<str>,
    /// Connections of clients, of one worker; further ones are closed at once.
    pub max_connections: usize,
    /// How long a client's connection may be idle between requests.
    pub idle_timeout: Duration,
    /// How long a request's head and a TLS handshake may take.
    pub head_timeout: Duration,
    /// How long a client may take between two reads of its body, and between two writes to it.
    pub client_timeout: Duration,
    /// Requests on one connection before it is closed.
    pub max_requests: u64,
    /// Limits of heads.
    pub limits: Limits,
    /// Idle connections to upstreams.
    pub pool: PoolSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            name: "worker".into(),
            max_connections: 16_384,
            idle_timeout: Duration::from_secs(75),
            head_timeout: Duration::from_secs(60),
            client_timeout: Duration::from_secs(60),
            max_requests: 10_000,
            limits: Limits::default(),
            pool: PoolSettings::default(),
        }
    }
}

/// Why workers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A thread or its runtime could not be made.
    #[error("worker {0} could not start")]
    Thread(usize, #[source] io::Error),
}

/// Running workers. Dropping this ends them at once; [`Self::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Thread>,
    bound: tokio::sync::Mutex<Bounds>,
}

#[derive(Debug)]
struct Bounds {
    listeners: Vec<listener::Bound>,
    next_id: u64,
}

#[derive(Debug)]
struct Thread {
    commands: mpsc::Sender<Command>,
    counters: Arc<WorkerCounters>,
}

/// A socket and what it is for, on its way to a worker.
#[derive(Debug)]
struct Opening {
    id: u64,
    socket: TcpListener,
    spec: ListenerSpec,
}

#[derive(Debug)]
enum Command {
    Open(Opening),
    Update(u64, ListenerSpec),
    Close(u64, oneshot::Sender<()>),
    Drain(Duration),
}

impl Workers {
    /// Binds the listeners and starts the workers; `make` is called on each worker's thread for its service.
    pub fn start<S: Service>(
        settings: Settings,
        listeners: Vec<ListenerSpec>,
        make: impl Fn(&Rc<Worker>) -> S + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let count = settings.workers.get();
        let mut bound = Vec::new();
        let mut openings: Vec<Vec<Opening>> = (0..count).map(|_| Vec::new()).collect();
        for (id, spec) in (0..).zip(listeners) {
            let (listener, sockets) = listener::bind(id, spec, count)?;
            for (openings, socket) in openings.iter_mut().zip(sockets) {
                openings.push(Opening { id, socket, spec: listener.spec.clone() });
            }
            bound.push(listener);
        }
        let next_id = bound.len() as u64;
        let make = Arc::new(make);
        let mut threads = Vec::with_capacity(count);
        for (index, openings) in openings.into_iter().enumerate() {
            let thread = start_thread(index, Arc::clone(&settings), openings, Arc::clone(&make));
            threads.push(thread.map_err(|source| StartError::Thread(index, source))?);
        }
        Ok(Self { threads, bound: tokio::sync::Mutex::new(Bounds { listeners: bound, next_id }) })
    }

    /// Opens, changes and closes listeners so that these are the ones. What cannot be bound leaves everything as it
    /// was. Connections that were accepted stay, whichever listener they came from.
    pub async fn reconfigure(&self, listeners: Vec<ListenerSpec>) -> Result<(), BindError> {
        let mut bounds = self.bound.lock().await;
        let change = listener::change(&bounds.listeners, listeners);
        let mut opened = Vec::new();
        for spec in change.open {
            let id = bounds.next_id;
            bounds.next_id += 1;
            opened.push(listener::bind(id, spec, self.threads.len())?);
        }
        for (bound, sockets) in opened {
            for (thread, socket) in self.threads.iter().zip(sockets) {
                thread.tell(Command::Open(Opening { id: bound.id, socket, spec: bound.spec.clone() })).await;
            }
            bounds.listeners.push(bound);
        }
        for (id, spec) in change.update {
            for thread in &self.threads {
                thread.tell(Command::Update(id, spec.clone())).await;
            }
            if let Some(bound) = bounds.listeners.iter_mut().find(|bound| bound.id == id) {
                bound.spec = spec;
            }
        }
        for id in change.close {
            for thread in &self.threads {
                let (done, closed) = oneshot::channel();
                thread.tell(Command::Close(id, done)).await;
                // An error means that the worker has ended, and the socket with it.
                drop(closed.await);
            }
            bounds.listeners.retain(|bound| bound.id != id);
        }
        Ok(())
    }

    /// Where connections are accepted, in the order the listeners were named at first.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.lock().await.listeners.iter().map(|bound| bound.local).collect()
    }

    /// The sums of the workers' counters.
    pub fn counters(&self) -> Counters {
        let mut sums = Counters::default();
        for thread in &self.threads {
            thread.counters.add_to(&mut sums);
        }
        sums
    }

    /// Stops accepting, closes idle connections and lets requests finish for up to `deadline`. Returns once all
    /// workers have ended.
    pub async fn shutdown(&self, deadline: Duration) {
        for thread in &self.threads {
            thread.tell(Command::Drain(deadline)).await;
        }
        for thread in &self.threads {
            thread.commands.closed().await;
        }
    }
}

impl Thread {
    async fn tell(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            warn!("A worker has ended before its time");
        }
    }
}

fn start_thread<S: Service>(
    index: usize,
    settings: Arc<Settings>,
    openings: Vec<Opening>,
    make: Arc<impl Fn(&Rc<Worker>) -> S + Send + Sync + 'static>,
) -> io::Result<Thread> {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let counters = Arc::<WorkerCounters>::default();
    let thread = Thread { commands, counters: Arc::clone(&counters) };
    let (tell, made) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(format!("{}-{index}", settings.name)).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let (runtime, error) = match runtime {
            Ok(runtime) => (Some(runtime), None),
            Err(error) => (None, Some(error)),
        };
        if tell.send(error).is_ok()
            && let Some(runtime) = runtime
        {
            runtime.block_on(run(index, settings, openings, counters, receiver, &*make));
        }
    })?;
    match made.recv() {
        Ok(None) => Ok(thread),
        Ok(Some(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

async fn run<S: Service>(
    index: usize,
    settings: Arc<Settings>,
    openings: Vec<Opening>,
    counters: Arc<WorkerCounters>,
    mut commands: mpsc::Receiver<Command>,
    make: &impl Fn(&Rc<Worker>) -> S,
) {
    let worker = Rc::new(Worker::new(index, settings, counters));
    let service = Rc::new(make(&worker));
    let sending = Rc::clone(&worker);
    spawn_local(async move { sending.outbox.run().await });
    let mut accepting = Vec::new();
    for opening in openings {
        accept(&mut accepting, opening, &worker, &service);
    }
    let mut tick = tokio::time::interval(TICK);
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            _ = tick.tick() => {
                worker.tick();
                continue;
            }
        };
        match command {
            Some(Command::Open(opening)) => accept(&mut accepting, opening, &worker, &service),
            Some(Command::Update(id, spec)) => {
                for acceptor in accepting.iter().filter(|acceptor| acceptor.id == id) {
                    *acceptor.spec.borrow_mut() = Rc::new(spec.clone());
                }
            }
            Some(Command::Close(id, done)) => {
                if let Some(at) = accepting.iter().position(|acceptor| acceptor.id == id) {
                    accepting.swap_remove(at).close().await;
                }
                if done.send(()).is_err() {
                    debug!("Nobody waited for a listener to close");
                }
            }
            Some(Command::Drain(deadline)) => {
                for acceptor in accepting {
                    acceptor.close().await;
                }
                worker.drain(deadline).await;
                return;
            }
            None => return,
        }
    }
}

/// A task that accepts, and what it may be told.
struct Acceptor {
    id: u64,
    spec: Rc<RefCell<Rc<ListenerSpec>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Acceptor {
    async fn close(self) {
        self.task.abort();
        // The socket is closed when the task is gone; that it was cancelled is no news.
        drop(self.task.await);
    }
}

fn accept<S: Service>(accepting: &mut Vec<Acceptor>, opening: Opening, worker: &Rc<Worker>, service: &Rc<S>) {
    let Opening { id, socket, spec } = opening;
    let spec = Rc::new(RefCell::new(Rc::new(spec)));
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return error!(%error, "A listener could not be registered"),
    };
    let task = spawn_local(accept_loop(listener, Rc::clone(&spec), Rc::clone(worker), Rc::clone(service)));
    accepting.push(Acceptor { id, spec, task });
}

async fn accept_loop<S: Service>(
    listener: tokio::net::TcpListener,
    spec: Rc<RefCell<Rc<ListenerSpec>>>,
    worker: Rc<Worker>,
    service: Rc<S>,
) {
    loop {
        match listener.accept().await {
            Ok((socket, addr)) => {
                let spec = Rc::clone(&spec.borrow());
                worker.admit(socket, addr, spec, &service);
            }
            Err(error) => {
                // Usually no file descriptors are left; trying again at once would only burn time.
                warn!(%error, "Could not accept a connection");
                tokio::time::sleep_until(tokio::time::Instant::now() + ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What everything on one worker's thread shares.
pub struct Worker {
    index: usize,
    pub(crate) started: Instant,
    pub(crate) settings: Arc<Settings>,
    pub(crate) buffers: Rc<Buffers>,
    pub(crate) outbox: Outbox,
    pub(crate) heads: Heads,
    pub(crate) timers: Timers,
    pub(crate) pools: Pools,
    pub(crate) counters: Arc<WorkerCounters>,
    draining: Cell<bool>,
    /// The timeouts of [`Settings`] in ticks.
    head_ticks: u64,
    idle_ticks: u64,
    connections: RefCell<Slab<Rc<ConnectionState>>>,
    emptied: Notify,
}

/// What a worker knows of a connection from outside.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    key: usize,
    /// Whether it can be closed without harm.
    idle: Cell<bool>,
    /// The tick at which it is closed.
    deadline: Cell<u64>,
    /// The tick at which it gives back what only requests need.
    rest: Cell<u64>,
    /// Whether that tick has come.
    rested: Cell<bool>,
    task: RefCell<Option<AbortHandle>>,
    waker: OnceCell<Waker>,
    /// Told when the worker drains; only HTTP/2 listens.
    pub(crate) drain: Notify,
}

impl Worker {
    fn new(index: usize, settings: Arc<Settings>, counters: Arc<WorkerCounters>) -> Self {
        let buffers = Rc::<Buffers>::default();
        Self {
            index,
            started: Instant::now(),
            outbox: Outbox::new(ticks(settings.client_timeout), Rc::clone(&buffers)),
            buffers,
            heads: Heads::default(),
            timers: Timers::default(),
            pools: Pools::new(settings.pool),
            head_ticks: ticks(settings.head_timeout),
            idle_ticks: ticks(settings.idle_timeout),
            settings,
            counters,
            draining: Cell::new(false),
            connections: RefCell::default(),
            emptied: Notify::new(),
        }
    }

    /// Which of the workers this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it accepts no more and only finishes what it has.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    fn admit<S: Service>(
        self: &Rc<Self>,
        socket: tokio::net::TcpStream,
        addr: SocketAddr,
        spec: Rc<ListenerSpec>,
        service: &Rc<S>,
    ) {
        self.counters.accepted.up();
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.settings.max_connections {
            return;
        }
        self.counters.handled.up();
        self.counters.active.up();
        let entry = connections.vacant_entry();
        let state = Rc::new(ConnectionState {
            key: entry.key(),
            idle: Cell::new(true),
            deadline: Cell::new(self.tick_after(self.head_ticks)),
            rest: Cell::new(u64::MAX),
            rested: Cell::new(false),
            task: RefCell::default(),
            waker: OnceCell::new(),
            drain: Notify::new(),
        });
        entry.insert(Rc::clone(&state));
        drop(connections);
        let open = Open { worker: Rc::clone(self), state: Rc::clone(&state) };
        let task = spawn_local(connection::run(open, socket, addr, spec, Rc::clone(service)));
        *state.task.borrow_mut() = Some(task.abort_handle());
    }

    /// The tick in which so many whole ticks have passed.
    fn tick_after(&self, ticks: u64) -> u64 {
        // One more, as the current tick has begun already.
        self.timers.now().saturating_add(ticks).saturating_add(1)
    }

    fn tick(&self) {
        self.timers.tick();
        let now = self.timers.now();
        self.outbox.tick(now);
        for (_, state) in self.connections.borrow().iter() {
            if state.deadline.get() <= now {
                state.abort();
            } else if state.rest.get() <= now {
                state.lay_to_rest();
            }
        }
        self.pools.tick(now, TICK);
    }

    async fn drain(&self, deadline: Duration) {
        self.draining.set(true);
        self.pools.clear();
        for (_, state) in self.connections.borrow().iter() {
            if state.idle.get() {
                state.abort();
            } else {
                state.drain.notify_one();
            }
        }
        let emptied = async {
            while !self.connections.borrow().is_empty() {
                self.emptied.notified().await;
            }
            poll_fn(|context| self.outbox.poll_empty(context)).await;
        };
        if tokio::time::timeout(deadline, emptied).await.is_err() {
            warn!(
                connections = self.connections.borrow().len(),
                worker = self.index,
                "Closing connections that are still busy"
            );
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).finish_non_exhaustive()
    }
}

impl ConnectionState {
    fn lay_to_rest(&self) {
        self.rest.set(u64::MAX);
        self.rested.set(true);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    fn abort(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.abort();
        }
    }
}

/// An open connection of a client; dropping it takes it off the worker's books.
pub(crate) struct Open {
    pub(crate) worker: Rc<Worker>,
    pub(crate) state: Rc<ConnectionState>,
}

impl Open {
    /// No request is on its way: the connection may be closed at any time, and is after the idle timeout.
    pub(crate) fn idle(&self) {
        self.state.idle.set(true);
        self.state.deadline.set(self.worker.tick_after(self.worker.idle_ticks));
        self.state.rest.set(self.worker.tick_after(0));
        self.state.rested.set(false);
    }

    /// Ready once the connection has been idle long enough to give back what only requests need. To be called by the
    /// connection's own task.
    pub(crate) fn poll_rest(&self, context: &Context<'_>) -> Poll<()> {
        if self.state.rested.take() {
            return Poll::Ready(());
        }
        // A task has one waker for all its life.
        self.state.waker.get_or_init(|| context.waker().clone());
        Poll::Pending
    }

    /// No request is on its way on a connection that hears of draining: it is closed after the idle timeout.
    pub(crate) fn rest(&self) {
        self.idle();
        self.state.idle.set(false);
    }

    /// A head has begun to arrive.
    pub(crate) fn head(&self) {
        self.state.idle.set(false);
        self.state.rest.set(u64::MAX);
        self.state.deadline.set(self.worker.tick_after(self.worker.head_ticks));
    }

    /// A request is being served: it has timeouts of its own.
    pub(crate) fn busy(&self) {
        self.state.idle.set(false);
        self.state.rest.set(u64::MAX);
        self.state.deadline.set(u64::MAX);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut connections = self.worker.connections.borrow_mut();
        connections.remove(self.state.key);
        self.worker.counters.active.down();
        if connections.is_empty() {
            self.worker.emptied.notify_one();
        }
    }
}
