//! Both ends of the traffic in one loop: an upstream that does as little as one can, and clients that do no more, so
//! that it is the proxy's processor that sets the pace. A proxy that has to wait sleeps now and then and finds less to
//! do each time it wakes; what that costs says nothing about proxies.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Instant;

use anyhow::{Context as _, Result};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::tools::Seen;
use load::{Asking, Load};

mod load;

/// What stands at the end of a request's head; none has a body.
const END: &[u8] = b"\r\n\r\n";

/// The listener among the events.
const LISTENER: u64 = u64::MAX;

/// Room to read into.
const ROOM: usize = 64 * 1024;

/// Answers every request on `port` with 1 KiB, or 64 KiB at `/64k`, for ever; and makes requests when one of
/// [`ask`]'s comes.
pub(crate) fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let answers = Answers { small: answer(1024), large: answer(64 * 1024) };
    Loop { epoll, listener, answers, sockets: Vec::new(), room: vec![0; ROOM], load: None }.run()
}

/// Lets the upstream on `port` send `request` to `target` on `connections` kept connections, as fast as answers come.
pub(crate) fn ask(port: u16, target: u16, request: &str, connections: u32, seconds: u32) -> Result<Seen> {
    let words = format!("LOAD {target} {connections} {seconds}\r\n{request}");
    let answer = super::client::Client::new(port).send(words.as_bytes())?;
    serde_json::from_slice(&answer.body).context("what the load came to")
}

struct Loop {
    epoll: OwnedFd,
    listener: TcpListener,
    answers: Answers,
    /// By the number of the socket.
    sockets: Vec<Option<Socket>>,
    room: Vec<u8>,
    load: Option<Load>,
}

enum Socket {
    Serving(Serving),
    Asking(Asking),
}

impl Loop {
    fn run(mut self) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        loop {
            let left = self.load.as_ref().map(|load| load.end.saturating_duration_since(Instant::now()));
            let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
            events.clear();
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), left.as_ref())?;
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    number => self.go_on(usize::try_from(number)?)?,
                }
            }
            if self.load.as_ref().is_some_and(|load| load.end <= Instant::now()) {
                self.tell()?;
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            self.add(stream, |stream| Socket::Serving(Serving { stream, read: Vec::new(), left: Vec::new() }))?;
        }
        Ok(())
    }

    fn add(&mut self, stream: TcpStream, socket: impl FnOnce(TcpStream) -> Socket) -> Result<usize> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let number = usize::try_from(stream.as_raw_fd())?;
        let what = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(number as u64), what)?;
        if self.sockets.len() <= number {
            self.sockets.resize_with(number + 1, || None);
        }
        self.sockets[number] = Some(socket(stream));
        Ok(number)
    }

    /// Does what can be done on a socket.
    fn go_on(&mut self, number: usize) -> Result<()> {
        let stays = match self.sockets.get_mut(number).and_then(Option::as_mut) {
            None => return Ok(()),
            Some(Socket::Serving(serving)) => match serving.go_on(&self.answers, &mut self.room) {
                Next::Stay => true,
                Next::Close => false,
                Next::Load(words) => {
                    let load = Load::read(&words, number)?;
                    for _ in 0..load.connections {
                        let stream = TcpStream::connect(("127.0.0.1", load.target))?;
                        let at = self.add(stream, |stream| Socket::Asking(Asking::new(stream)))?;
                        if let Some(Socket::Asking(asking)) = &mut self.sockets[at] {
                            asking.ask(&load.request)?;
                        }
                    }
                    self.load = Some(load);
                    true
                }
            },
            Some(Socket::Asking(asking)) => match &mut self.load {
                Some(load) => load.go_on(asking, &mut self.room),
                None => false,
            },
        };
        if !stays {
            self.sockets[number] = None;
        }
        Ok(())
    }

    /// The load is over: closes its connections and tells who asked for it what it came to.
    fn tell(&mut self) -> Result<()> {
        for socket in &mut self.sockets {
            if matches!(socket, Some(Socket::Asking(_))) {
                *socket = None;
            }
        }
        let Some(load) = self.load.take() else { return Ok(()) };
        let asked_by = load.asked_by;
        let body = serde_json::to_vec(&load.seen())?;
        if let Some(Some(Socket::Serving(serving))) = self.sockets.get_mut(asked_by) {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            serving.stream.write_all(&[head.as_bytes(), &body].concat())?;
        }
        Ok(())
    }
}

struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
}

fn answer(length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\nConnection: keep-alive\r\n\r\n{}",
        "x".repeat(length)
    )
    .into_bytes()
}

/// A connection of a proxy, which sends the next request when it has the answer to the last.
struct Serving {
    stream: TcpStream,
    /// Of a request that is not complete.
    read: Vec<u8>,
    /// What is not written yet.
    left: Vec<u8>,
}

/// What becomes of a connection.
enum Next {
    Stay,
    Close,
    /// It asks for a load.
    Load(Vec<u8>),
}

impl Serving {
    /// Does what can be done.
    fn go_on(&mut self, answers: &Answers, room: &mut [u8]) -> Next {
        let stays =
            |error: std::io::Error| if error.kind() == ErrorKind::WouldBlock { Next::Stay } else { Next::Close };
        loop {
            if !self.left.is_empty() {
                match self.stream.write(&self.left) {
                    Ok(count) => drop(self.left.drain(..count)),
                    Err(error) => return stays(error),
                }
                continue;
            }
            let count = match self.stream.read(room) {
                Ok(0) => return Next::Close,
                Ok(count) => count,
                Err(error) => return stays(error),
            };
            let read = &room[..count];
            if !self.read.is_empty() || !read.ends_with(END) {
                self.read.extend_from_slice(read);
            }
            let request = if self.read.is_empty() { read } else { &self.read };
            if request.ends_with(END) {
                if request.starts_with(b"LOAD ") {
                    let words = request.to_vec();
                    self.read.clear();
                    return Next::Load(words);
                }
                let answer = if request.starts_with(b"GET /64k ") { &answers.large } else { &answers.small };
                let written = self.stream.write(answer).unwrap_or(0);
                self.left.extend_from_slice(&answer[written..]);
                self.read.clear();
            }
            if count < room.len() && self.left.is_empty() {
                return Next::Stay;
            }
        }
    }
}
