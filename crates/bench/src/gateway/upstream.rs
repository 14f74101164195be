//! The upstream of the traffic: a loop that does as little as an upstream can, so that it is the proxy's processor that
//! sets the pace. A proxy that has to wait sleeps now and then, and what that costs says nothing about proxies.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

use anyhow::Result;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// What stands at the end of a request's head; none has a body.
const END: &[u8] = b"\r\n\r\n";

/// Answers every request on `port` with 1 KiB, or 64 KiB at `/64k`, for ever. Proxies send the next one on a connection
/// when they have the answer to the last.
pub(crate) fn serve(port: u16) -> Result<()> {
    let answers = Answers { small: answer(1024), large: answer(64 * 1024) };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    // By the number of the socket.
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut events, mut room) = (Vec::with_capacity(256), vec![0; 16 * 1024]);
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            if event.data.u64() == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let number = usize::try_from(stream.as_raw_fd())?;
                    let what = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                    epoll::add(&epoll, &stream, EventData::new_u64(number as u64), what)?;
                    if connections.len() <= number {
                        connections.resize_with(number + 1, || None);
                    }
                    connections[number] = Some(Connection { stream, read: Vec::new(), left: Vec::new() });
                }
            } else if let Some(place) = connections.get_mut(usize::try_from(event.data.u64())?)
                && !place.as_mut().is_some_and(|connection| connection.go_on(&answers, &mut room))
            {
                *place = None;
            }
        }
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

struct Connection {
    stream: TcpStream,
    /// Of a request that is not complete.
    read: Vec<u8>,
    /// What is not written yet.
    left: Vec<u8>,
}

impl Connection {
    /// Does what can be done; whether the connection goes on.
    fn go_on(&mut self, answers: &Answers, room: &mut [u8]) -> bool {
        loop {
            if !self.left.is_empty() {
                match self.stream.write(&self.left) {
                    Ok(count) => drop(self.left.drain(..count)),
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
                continue;
            }
            let count = match self.stream.read(room) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            let read = &room[..count];
            if !self.read.is_empty() || !read.ends_with(END) {
                self.read.extend_from_slice(read);
            }
            let request = if self.read.is_empty() { read } else { &self.read };
            if request.ends_with(END) {
                let answer = if request.starts_with(b"GET /64k ") { &answers.large } else { &answers.small };
                let written = self.stream.write(answer).unwrap_or(0);
                self.left.extend_from_slice(&answer[written..]);
                self.read.clear();
            }
            if count < room.len() && self.left.is_empty() {
                return true;
            }
        }
    }
}
